//! `Overlay`: a few writes of one's own, laid over a mirror that has not seen them yet.
//!
//! Whoever writes to the server and then reads the mirror may read the state before the write. The
//! overlay remembers what the server answered to the write until the mirror has it or something
//! newer. It can only ever show a state that is newer than the mirror's.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::index::{Index, IndexError, IndexFunc};
use super::snapshot::Snapshot;
use crate::notification::Notification;
use crate::object::{Entry, ObjectKey, Uid};
use crate::time::Time;
use crate::version::ResourceVersion;

/// How many writes are remembered unless told otherwise, as in client-go's mutation cache.
const DEFAULT_CAPACITY: usize = 100;
/// How long a write is remembered unless told otherwise, as in client-go's mutation cache.
const DEFAULT_TTL: Duration = Duration::from_mins(5);

/// The options of an [`Overlay`].
#[derive(Clone, Debug)]
pub struct OverlayConfig {
    capacity: usize,
    ttl: Duration,
    includes_creates: bool,
}

impl OverlayConfig {
    /// A hundred writes for five minutes each, without creates.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            capacity: DEFAULT_CAPACITY,
            ttl: DEFAULT_TTL,
            includes_creates: false,
        }
    }

    /// How many objects are remembered; the one that was not asked for longest goes first. 100 by
    /// default.
    #[must_use]
    pub const fn capacity(mut self, objects: usize) -> Self {
        self.capacity = objects;
        self
    }

    /// How long a write is remembered at most; five minutes by default. Longer than the mirror
    /// can be expected to lag.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Whether an object that was written and that the mirror does not have is shown. Off by
    /// default: then the mirror decides what there is, and the overlay only in what state.
    ///
    /// With it the overlay must be told what goes, by [`Overlay::observe`] or
    /// [`Overlay::deleted`]: it could not tell an object that has not come yet from one that has
    /// gone.
    #[must_use]
    pub const fn includes_creates(mut self, includes: bool) -> Self {
        self.includes_creates = includes;
        self
    }
}

impl Default for OverlayConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Own writes over the content of a mirror, for one owner.
///
/// Tell it every successful write of the program's own with [`written`](Self::written) — the state
/// that the server answered, with its new version — and every notification of the mirror with
/// [`observe`](Self::observe). Then read through it.
///
/// Versions are compared where both are decimal. Where two cannot be compared, the mirror's state
/// counts and the own write is forgotten: reading one's own write is then not promised, but nothing
/// old is ever shown.
pub struct Overlay<T> {
    config: OverlayConfig,
    own: BTreeMap<ObjectKey, Own<T>>,
    /// The keys by when they were last asked for, longest ago first.
    recent: BTreeMap<u64, ObjectKey>,
    /// How often anything was asked for.
    uses: u64,
}

struct Own<T> {
    known: Known<T>,
    /// The last moment at which this counts.
    until: Time,
    /// Its place in `recent`.
    used: u64,
}

/// What is known beyond the mirror of one object.
enum Known<T> {
    Written(Entry<T>),
    /// It went. Keeps a write that was overtaken by the deletion from bringing it back.
    Gone {
        version: ResourceVersion,
        uid: Uid,
    },
}

impl<T> Overlay<T> {
    /// An overlay that knows of no write.
    #[must_use]
    pub const fn new(config: OverlayConfig) -> Self {
        Self {
            config,
            own: BTreeMap::new(),
            recent: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The caller's own write has succeeded; `entry` is what the server answered.
    ///
    /// Ignored if something newer is known, or if the object is known to have gone: a deletion of the
    /// same life of the object, or at the same version or a later one, has overtaken the write.
    pub fn written(&mut self, now: Time, entry: Entry<T>) {
        let version = &entry.header.resource_version;
        let outdated = match self.known(now, entry.key()) {
            Some(Known::Written(own)) => version.is_older_than(&own.header.resource_version),
            // The uid tells of a deletion whose last state was an old one, the version of a write
            // that comes after its object went, came again and went again.
            Some(Known::Gone { version: gone, uid }) => {
                *uid == entry.header.uid || version.compare(gone).is_some_and(Ordering::is_le)
            }
            None => false,
        };
        if !outdated {
            self.remember(now, entry.key().clone(), Known::Written(entry));
        }
    }

    /// The object has gone; `last` is its last state. Call it for a deletion of the caller's own,
    /// once the object is really gone and not only waiting for its finalizers.
    ///
    /// A write that is newer and of another life of the object stays: the object came again.
    pub fn deleted(&mut self, now: Time, last: &Entry<T>) {
        let version = &last.header.resource_version;
        if let Some(Known::Written(own)) = self.known(now, last.key()) {
            let newer = version.is_older_than(&own.header.resource_version);
            if newer && own.header.uid != last.header.uid {
                return;
            }
        }
        let gone = Known::Gone {
            version: version.clone(),
            uid: last.header.uid.clone(),
        };
        self.remember(now, last.key().clone(), gone);
    }

    /// The mirror holds this state now: what is known of the object and is no newer is forgotten.
    pub fn seen(&mut self, entry: &Entry<T>) {
        let seen = &entry.header.resource_version;
        let known = self.own.get(entry.key()).map(|own| own.known.version());
        if known.is_some_and(|known| !seen.is_older_than(known)) {
            self.forget(entry.key());
        }
    }

    /// The mirror has told this to its handlers.
    pub fn observe(&mut self, now: Time, notification: &Notification<T>) {
        match notification {
            Notification::Added { entry, .. } | Notification::Updated { new: entry, .. } => {
                self.seen(entry);
            }
            Notification::Deleted { last, .. } => self.deleted(now, last),
            Notification::Synced => {}
        }
    }

    /// The newest state that is known of an object, given what the mirror holds of it.
    pub fn newest(
        &mut self,
        now: Time,
        key: &ObjectKey,
        mirrored: Option<&Entry<T>>,
    ) -> Option<Entry<T>> {
        let newest = match self.verdict(now, key, mirrored) {
            Verdict::Own(own) => Some(own),
            Verdict::Hidden => None,
            Verdict::Mirrored => mirrored.cloned(),
        };
        self.touch(key);
        newest
    }

    /// The objects that have this value in the index `name`, in the order of their keys, each in the
    /// newest state that is known. An own write is found under the values that it has itself, not
    /// under those of the state that it replaced; one that the index cannot file is not found.
    ///
    /// # Errors
    /// If the mirror has no such index.
    pub fn by_index(
        &mut self,
        now: Time,
        mirror: &Snapshot<T>,
        name: &str,
        value: &str,
    ) -> Result<Vec<Entry<T>>, IndexError> {
        let mirrored = mirror.by_index(name, value)?;
        let mut found: BTreeMap<ObjectKey, Entry<T>> = mirrored
            .map(|entry| (entry.key().clone(), entry.clone()))
            .collect();
        let func = mirror.indexes.get(name).map(Index::func);
        let keys: Vec<ObjectKey> = self.own.keys().cloned().collect();
        for key in keys {
            let own = match self.verdict(now, &key, mirror.get(&key)) {
                Verdict::Mirrored => continue,
                Verdict::Hidden => None,
                Verdict::Own(own) => Some(own),
            };
            let filed = own.filter(|own| func.is_some_and(|func| has_value(func, own, value)));
            match filed {
                Some(own) => {
                    self.touch(&key);
                    found.insert(key, own);
                }
                None => {
                    found.remove(&key);
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// Forgets what has been remembered for long enough; reads do so one by one.
    pub fn expire(&mut self, now: Time) {
        let expired = self.own.iter().filter(|(_, own)| own.until < now);
        let expired: Vec<ObjectKey> = expired.map(|(key, _)| key.clone()).collect();
        for key in &expired {
            self.forget(key);
        }
    }

    /// Of how many objects something is known beyond the mirror.
    #[must_use]
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// True if nothing is known beyond the mirror.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// What is known of an object and still counts.
    fn known(&mut self, now: Time, key: &ObjectKey) -> Option<&Known<T>> {
        if self.own.get(key).is_some_and(|own| own.until < now) {
            self.forget(key);
        }
        self.own.get(key).map(|own| &own.known)
    }

    /// Whose word counts, and which. Forgets what the mirror has caught up with.
    fn verdict(&mut self, now: Time, key: &ObjectKey, mirrored: Option<&Entry<T>>) -> Verdict<T> {
        let includes_creates = self.config.includes_creates;
        let verdict = match (self.known(now, key), mirrored) {
            (None, _) => Verdict::Mirrored,
            (Some(known), Some(mirrored)) => known.against(mirrored),
            (Some(Known::Written(own)), None) if includes_creates => Verdict::Own(own.clone()),
            (Some(_), None) => Verdict::Hidden,
        };
        if matches!(verdict, Verdict::Mirrored) {
            self.forget(key);
        }
        verdict
    }

    fn remember(&mut self, now: Time, key: ObjectKey, known: Known<T>) {
        self.forget(&key);
        self.uses += 1;
        let own = Own {
            known,
            until: now + self.config.ttl,
            used: self.uses,
        };
        self.recent.insert(self.uses, key.clone());
        self.own.insert(key, own);
        while self.own.len() > self.config.capacity
            && let Some((_, oldest)) = self.recent.pop_first()
        {
            self.own.remove(&oldest);
        }
    }

    fn forget(&mut self, key: &ObjectKey) {
        if let Some(own) = self.own.remove(key) {
            self.recent.remove(&own.used);
        }
    }

    fn touch(&mut self, key: &ObjectKey) {
        if let Some(own) = self.own.get_mut(key) {
            self.uses += 1;
            self.recent.remove(&own.used);
            own.used = self.uses;
            self.recent.insert(self.uses, key.clone());
        }
    }
}

/// What counts of an object.
enum Verdict<T> {
    /// What the mirror has of it, be it nothing.
    Mirrored,
    /// This state, which is newer.
    Own(Entry<T>),
    /// That it is not there.
    Hidden,
}

impl<T> Known<T> {
    const fn version(&self) -> &ResourceVersion {
        match self {
            Self::Written(own) => &own.header.resource_version,
            Self::Gone { version, .. } => version,
        }
    }

    fn against(&self, mirrored: &Entry<T>) -> Verdict<T> {
        let mirrored = &mirrored.header.resource_version;
        match self {
            Self::Written(own) if mirrored.is_older_than(&own.header.resource_version) => {
                Verdict::Own(own.clone())
            }
            // The uid does not tell: an object that left a selection and came into it again is in
            // the same life.
            Self::Gone { version, .. }
                if mirrored.compare(version).is_some_and(Ordering::is_le) =>
            {
                Verdict::Hidden
            }
            Self::Written(_) | Self::Gone { .. } => Verdict::Mirrored,
        }
    }
}

fn has_value<T>(func: &IndexFunc<T>, entry: &Entry<T>, value: &str) -> bool {
    func.values(entry)
        .is_ok_and(|values| values.iter().any(|known| **known == *value))
}

impl<T> Default for Overlay<T> {
    fn default() -> Self {
        Self::new(OverlayConfig::new())
    }
}

impl<T> fmt::Debug for Overlay<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("config", &self.config)
            .field("own", &self.own.keys())
            .finish_non_exhaustive()
    }
}
