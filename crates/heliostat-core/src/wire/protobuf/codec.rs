//! An object as a value of a type of prost or of serde.

use std::fmt;
use std::sync::atomic::AtomicBool;

use heliostat_kinds::schema::Kind;
use heliostat_kinds::{Object, ReadError, unknown_fields};
use prost::Message;
use serde::de::DeserializeOwned;

use super::header::RawHeader;
use super::prune::without_managed_fields;
use crate::event::RejectionReason;
use crate::object::{Entry, GroupVersionKind};
use crate::wire::Codec;

/// Decodes objects into `K`: a message of prost, or what serde reads from the JSON of a built-in kind.
///
/// The header is read from the bytes, so a message of prost needs nothing else; that it is the right
/// one is for the caller to know, or for [`expecting`](Self::expecting) to check. A type of serde
/// becomes what it would become from the object's JSON, with its kind and API version.
///
/// ```
/// use heliostat_core::object::ObjectKey;
/// use heliostat_core::wire::Codec;
/// use heliostat_core::wire::protobuf::ProtobufCodec;
///
/// // `metadata { name: "a" namespace: "n" }`, into a message that has nothing but bytes of it.
/// let bytes = b"\x0a\x06\x0a\x01a\x1a\x01n";
/// let mut codec = ProtobufCodec::<Vec<u8>>::new();
/// let entry = codec.decode(bytes, None).unwrap();
/// assert_eq!(entry.key(), &ObjectKey::namespaced("n", "a"));
/// ```
pub struct ProtobufCodec<K> {
    expected_kind: Option<GroupVersionKind>,
    keeps_managed_fields: bool,
    /// Where an object is put together that something was cut out of.
    scratch: Vec<u8>,
    decode: Decode<K>,
    unknown_fields: Option<UnknownFields>,
}

/// What is done about fields that the kind of an object does not have.
struct UnknownFields {
    /// Set when the first is passed over.
    seen: AtomicBool,
    /// Called once.
    report: Option<Box<Report>>,
}

/// Is called with the paths of the fields.
type Report = dyn FnOnce(&[String]) + Send;

/// How the message of an object becomes a value.
enum Decode<K> {
    Prost(fn(&[u8]) -> Result<K, prost::DecodeError>),
    Serde(&'static Kind, fn(Object<'_>) -> Result<K, ReadError>),
}

/// Room above this is given back after an object: most are far smaller.
const SCRATCH_BYTES_KEPT: usize = 256 << 10;

impl<K: Message + Default> ProtobufCodec<K> {
    /// A codec of messages of prost.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Decode::Prost(|message| K::decode(message)))
    }
}

impl<K: DeserializeOwned> ProtobufCodec<K> {
    /// A codec of objects of a built-in kind, by way of serde. Every object is rejected if protobuf
    /// cannot carry the kind.
    ///
    /// ```
    /// use heliostat_core::wire::Codec;
    /// use heliostat_core::wire::protobuf::ProtobufCodec;
    /// use heliostat_kinds::schema;
    ///
    /// let kind = schema::kind("v1", "Namespace").unwrap();
    /// let mut codec = ProtobufCodec::<serde_json::Value>::of_kind(kind);
    /// let entry = codec.decode(b"\x0a\x03\x0a\x01a", None).unwrap();
    /// assert_eq!(entry.object["metadata"]["name"], "a");
    /// ```
    #[must_use]
    pub fn of_kind(kind: &'static Kind) -> Self {
        Self::with(Decode::Serde(kind, |object| object.decode()))
    }

    /// Calls `report` once, with the fields that the first object has which its kind does not.
    ///
    /// A newer server sends such fields, and they are dropped. Their paths end with their numbers, as
    /// [`unknown_fields`] returns them.
    #[must_use]
    pub fn reporting_unknown_fields(
        mut self,
        report: impl FnOnce(&[String]) + Send + 'static,
    ) -> Self {
        self.unknown_fields = Some(UnknownFields {
            seen: AtomicBool::new(false),
            report: Some(Box::new(report)),
        });
        self
    }
}

impl<K> ProtobufCodec<K> {
    const fn with(decode: Decode<K>) -> Self {
        Self {
            expected_kind: None,
            keeps_managed_fields: true,
            scratch: Vec::new(),
            decode,
            unknown_fields: None,
        }
    }

    /// Watch events with an object of another kind are rejected; by default none is.
    #[must_use]
    pub fn expecting(mut self, kind: GroupVersionKind) -> Self {
        self.expected_kind = Some(kind);
        self
    }

    /// Cuts `metadata.managedFields` out of every object before it is decoded, which is more than half
    /// of the memory of a typical one; by default they are kept.
    #[must_use]
    pub const fn without_managed_fields(mut self) -> Self {
        self.keeps_managed_fields = false;
        self
    }
}

impl<K: Message + Default> Default for ProtobufCodec<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Decode<K> {
    fn decode(
        &self,
        message: &[u8],
        unknown: Option<&mut UnknownFields>,
    ) -> Result<K, RejectionReason> {
        match self {
            Self::Prost(decode) => decode(message).map_err(|error| undecodable(&error)),
            Self::Serde(kind, decode) => {
                let object = Object::of_kind(kind, message);
                let object = object.map_err(|error| undecodable(&error))?;
                let decoded = match unknown {
                    Some(unknown) => unknown.report_of(object, *decode),
                    None => decode(object),
                };
                decoded.map_err(|error| undecodable(&error))
            }
        }
    }
}

impl UnknownFields {
    /// Decodes the object, and reports its unknown fields if they are the first.
    fn report_of<K>(
        &mut self,
        object: Object<'_>,
        decode: fn(Object<'_>) -> Result<K, ReadError>,
    ) -> Result<K, ReadError> {
        if self.report.is_none() {
            return decode(object);
        }
        let decoded = decode(object.noting_unknown_fields(&self.seen))?;
        if *self.seen.get_mut()
            && let Some(report) = self.report.take()
        {
            report(&unknown_fields(&object)?);
        }
        Ok(decoded)
    }
}

fn undecodable(error: &dyn fmt::Display) -> RejectionReason {
    RejectionReason::Undecodable(error.to_string())
}

impl<K> Codec for ProtobufCodec<K> {
    type Object = K;

    fn decode(
        &mut self,
        bytes: &[u8],
        _envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<K>, RejectionReason> {
        let read = match self.keeps_managed_fields {
            true => RawHeader::read(bytes).map(|header| (header, bytes)),
            false => without_managed_fields(bytes, &mut self.scratch),
        };
        let (header, kept) = read.map_err(|error| undecodable(&error))?;
        let header = header
            .header()
            .ok_or_else(|| RejectionReason::NoMetadata("it has no name".to_owned()))?;
        let object = self.decode.decode(kept, self.unknown_fields.as_mut());
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        Ok(Entry::new(header, object?))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.expected_kind.as_ref()
    }
}

impl<K> fmt::Debug for ProtobufCodec<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufCodec")
            .field("expected_kind", &self.expected_kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `metadata { name: "a" resourceVersion: "7" managedFields { manager: "m" } }`, then a field that
    /// no type here knows.
    const OBJECT: &[u8] = b"\x0a\x0c\x0a\x01a\x32\x017\x8a\x01\x03\x0a\x01m\x10\x05";

    #[test]
    fn what_is_no_message_and_what_has_no_name_is_rejected() {
        let mut codec = ProtobufCodec::<()>::new();
        let entry = codec.decode(OBJECT, None).unwrap();
        assert_eq!(entry.key().as_str(), "a");
        assert_eq!(entry.header.resource_version, "7".into());
        let cut = codec.decode(&OBJECT[..OBJECT.len() - 1], None);
        assert!(matches!(cut, Err(RejectionReason::Undecodable(_))));
        let nameless = codec.decode(b"\x0a\x00", None);
        assert!(matches!(nameless, Err(RejectionReason::NoMetadata(_))));
        let empty = codec.decode(b"", None);
        assert!(matches!(empty, Err(RejectionReason::NoMetadata(_))));
    }

    #[test]
    fn another_type_than_the_bytes_have_is_rejected() {
        // The metadata, as a text.
        let mut codec = ProtobufCodec::<String>::new();
        let bytes = b"\x0a\x06\x0a\x01a\x12\x01\xff";
        let rejected = codec.decode(bytes, None);
        assert!(matches!(rejected, Err(RejectionReason::Undecodable(_))));
    }

    #[test]
    fn managed_fields_do_not_reach_the_type() {
        let mut kept = ProtobufCodec::<Vec<u8>>::new();
        let mut cut = ProtobufCodec::<Vec<u8>>::new().without_managed_fields();
        let metadata = |codec: &mut ProtobufCodec<Vec<u8>>| {
            let entry = codec.decode(OBJECT, None).unwrap();
            entry.object.len()
        };
        assert_eq!((metadata(&mut kept), metadata(&mut cut)), (12, 6));
    }

    #[test]
    fn unknown_fields_are_reported_once() {
        let kind = heliostat_kinds::schema::kind("v1", "ConfigMap").unwrap();
        let (reports, received) = std::sync::mpsc::channel();
        let mut codec = ProtobufCodec::<serde_json::Value>::of_kind(kind)
            .reporting_unknown_fields(move |fields| reports.send(fields.to_vec()).unwrap());
        // Its metadata alone, and then with fields 100 and 101.
        let known = b"\x0a\x03\x0a\x01a";
        codec.decode(known, None).unwrap();
        assert!(received.try_recv().is_err());
        let unknown = [known.as_slice(), &[0xa0, 6, 1, 0xa8, 6, 1]].concat();
        for _ in 0..2 {
            codec.decode(&unknown, None).unwrap();
        }
        assert_eq!(received.iter().collect::<Vec<_>>(), [["100", "101"]]);
    }

    #[test]
    fn a_large_object_takes_its_room_with_it() {
        let mut object = OBJECT.to_vec();
        object.extend(b"\x1a\x80\x80\x80\x01");
        object.resize(object.len() + (2 << 20), b'x');
        let mut codec = ProtobufCodec::<()>::new().without_managed_fields();
        codec.decode(&object, None).unwrap();
        assert_eq!(codec.scratch.capacity(), 0);
    }
}
