//! From a key and its value to an object.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heliostat_core::error::SourceError;
use heliostat_core::event::{ChangeKind, Item, Rejection, RejectionReason, WatchEvent};
use heliostat_core::object::{Entry, Header, ObjectKey, Uid};
use heliostat_core::version::ResourceVersion;

use super::keys::{Keys, escape};
use super::message::{Event, EventType, Pair};

/// A key of etcd with its value, as a decoder of yours gets it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyValue<'a> {
    /// The whole key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The revision at which the key was created.
    pub create_revision: u64,
    /// The revision at which this value was written; for a key that was deleted, the revision at which
    /// it was deleted.
    pub mod_revision: u64,
    /// How many times the key was written since it was created.
    pub version: u64,
    /// The lease that the key ends with; 0 if there is none.
    pub lease: i64,
}

/// Decodes the values of one list or one watch.
pub(super) trait Decode<T>: Send {
    /// The object called `key`, from its value.
    fn decode(&mut self, key: ObjectKey, pair: KeyValue<'_>) -> Result<Entry<T>, Undecoded>;
}

/// Why a value is no object.
#[derive(Debug)]
pub(super) enum Undecoded {
    /// This one object cannot be read.
    Rejected(RejectionReason),
    /// Nothing can be mirrored as long as there is such a value: it cannot be read by design, and an
    /// answer without it would claim that the object is absent.
    Unready(String),
}

/// Makes a decoder for each request.
pub(super) type DecoderMaker<T> = Arc<dyn Fn() -> Box<dyn Decode<T>> + Send + Sync>;

/// A decoder of values that stand for themselves.
pub(super) struct PlainDecoder<F>(pub(super) Arc<F>);

impl<T, F> Decode<T> for PlainDecoder<F>
where
    F: Fn(KeyValue<'_>) -> Result<T, Undecoded> + Send + Sync,
{
    fn decode(&mut self, key: ObjectKey, pair: KeyValue<'_>) -> Result<Entry<T>, Undecoded> {
        let object = (self.0)(pair)?;
        let header = Header {
            key,
            resource_version: pair.mod_revision.into(),
            // A key that is created again has another one.
            uid: Uid::from(&*pair.create_revision.to_string()),
        };
        Ok(Entry::new(header, object))
    }
}

/// Turns pairs into items and events.
pub(super) struct Reader<T> {
    pub(super) keys: Keys,
    pub(super) decoder: Box<dyn Decode<T>>,
    /// Counts bytes of keys and values.
    pub(super) received: Arc<AtomicU64>,
}

impl<T> Reader<T> {
    /// The item of a list.
    ///
    /// # Errors
    /// If nothing can be mirrored as long as this value is there.
    pub(super) fn item(&mut self, pair: &Pair) -> Result<Item<T>, SourceError> {
        let revision = pair.mod_revision();
        match self.entry(pair, revision) {
            Ok(entry) => Ok(Ok(entry)),
            Err(Undecoded::Rejected(reason)) => Ok(Err(self.rejection(pair, None, reason))),
            Err(Undecoded::Unready(reason)) => Err(unready(&pair.key, &reason)),
        }
    }

    /// The event of a watch; none for a message without a key.
    ///
    /// # Errors
    /// If nothing can be mirrored as long as this value is there.
    pub(super) fn event(&mut self, event: &Event) -> Result<Option<WatchEvent<T>>, SourceError> {
        let Some(pair) = &event.pair else {
            return Ok(None);
        };
        let revision = pair.mod_revision();
        if event.kind == EventType::Delete as i32 {
            return Ok(Some(self.deleted(pair, event.previous.as_ref())));
        }
        let change = match pair.create_revision == pair.mod_revision {
            true => ChangeKind::Added,
            false => ChangeKind::Modified,
        };
        match (self.entry(pair, revision), change) {
            (Ok(entry), ChangeKind::Added) => Ok(Some(WatchEvent::Added(entry))),
            (Ok(entry), _) => Ok(Some(WatchEvent::Modified(entry))),
            (Err(Undecoded::Rejected(reason)), change) => {
                let rejection = self.rejection(pair, Some(change), reason);
                Ok(Some(WatchEvent::Rejected(rejection)))
            }
            (Err(Undecoded::Unready(reason)), _) => Err(unready(&pair.key, &reason)),
        }
    }

    /// A deleted object with its last state. Where that is not known or cannot be read, the deletion is
    /// delivered all the same: the key names the object.
    fn deleted(&mut self, pair: &Pair, previous: Option<&Pair>) -> WatchEvent<T> {
        let undecoded = match previous {
            None => {
                let reason = "it is deleted, and its last state is compacted";
                RejectionReason::Undecodable(reason.to_owned())
            }
            Some(previous) => match self.entry(previous, pair.mod_revision()) {
                Ok(entry) => return WatchEvent::Deleted(entry),
                Err(Undecoded::Rejected(reason)) => reason,
                Err(Undecoded::Unready(reason)) => RejectionReason::Undecodable(reason),
            },
        };
        WatchEvent::Rejected(self.rejection(pair, Some(ChangeKind::Deleted), undecoded))
    }

    fn entry(&mut self, pair: &Pair, revision: u64) -> Result<Entry<T>, Undecoded> {
        let Some(key) = self.keys.object_key(&pair.key) else {
            let key = escape(&pair.key);
            let reason = format!("the key {key} is none of an object of this collection");
            return Err(Undecoded::Rejected(RejectionReason::NoMetadata(reason)));
        };
        let bytes = pair.key.len() + pair.value.len();
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        let pair = KeyValue {
            key: &pair.key,
            value: &pair.value,
            create_revision: pair.create_revision(),
            mod_revision: revision,
            version: super::message::unsigned(pair.version),
            lease: pair.lease,
        };
        self.decoder.decode(key, pair)
    }

    fn rejection(
        &self,
        pair: &Pair,
        change: Option<ChangeKind>,
        reason: RejectionReason,
    ) -> Rejection {
        let key = self.keys.object_key(&pair.key);
        let reason = match key.is_some() && !reason.is_member() {
            // The key names an object of the collection, whatever is in the value.
            true => RejectionReason::Undecodable(reason.to_string()),
            false => reason,
        };
        Rejection {
            key,
            resource_version: ResourceVersion::from(pair.mod_revision()),
            change,
            reason,
        }
    }
}

fn unready(key: &[u8], reason: &str) -> SourceError {
    let key = escape(key);
    SourceError::Encoding(format!("the value of {key} cannot be read: {reason}").into())
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Prefix;
    use super::*;

    struct Nameless;

    impl Decode<u8> for Nameless {
        fn decode(&mut self, _: ObjectKey, _: KeyValue<'_>) -> Result<Entry<u8>, Undecoded> {
            let reason = "no name".to_owned();
            Err(Undecoded::Rejected(RejectionReason::NoMetadata(reason)))
        }
    }

    fn pair(key: &'static [u8]) -> Pair {
        Pair {
            key: key.into(),
            mod_revision: 7,
            ..Pair::default()
        }
    }

    #[test]
    fn a_value_without_a_name_is_still_the_object_that_its_key_names() {
        let mut reader = Reader {
            keys: Keys::Prefix(Prefix::new("/app/")),
            decoder: Box::new(Nameless),
            received: Arc::default(),
        };
        let deletion = Event {
            kind: EventType::Delete as i32,
            pair: Some(pair(b"/app/a")),
            previous: Some(pair(b"/app/a")),
        };
        match reader.event(&deletion).unwrap().unwrap() {
            WatchEvent::Rejected(rejection) => {
                assert!(rejection.deletes(&ObjectKey::cluster("a")), "{rejection:?}");
            }
            other => panic!("{other:?}"),
        }
        let listed = reader.item(&pair(b"/app/a")).unwrap().unwrap_err();
        assert!(listed.reason.is_member(), "{listed:?}");
        let foreign = reader.item(&pair(b"/other")).unwrap().unwrap_err();
        assert!(!foreign.reason.is_member(), "{foreign:?}");
    }
}
