//! `ValueReader`: from what kube-apiserver stored under a key to the object.

use std::fmt;
use std::sync::Arc;

use super::encryption::{DecryptionError, EncryptedWith, EncryptionKeys, Sealed};
use crate::object::GroupVersionKind;
use crate::printable::printable;
use crate::raw::{Encoding, RawView};
use crate::wire::json::header::RawHeader;
use crate::wire::protobuf::envelope::{Envelope, MAGIC};
use crate::wire::{json, protobuf};

/// Reads the values that kube-apiserver stores: protobuf in an envelope, and JSON for custom resources,
/// `CustomResourceDefinition`s and `APIService`s; encrypted ones with the keys of their resource.
///
/// One reader serves the values of one collection. It has room that it uses again.
///
/// ```
/// use heliostat_core::etcd::ValueReader;
/// use heliostat_core::raw::Encoding;
///
/// let mut reader = ValueReader::default();
/// let stored = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","uid":"u"}}"#;
/// let widget = reader.read(b"/registry/example.com/widgets/default/a", stored, 7)?;
/// assert_eq!(widget.encoding(), Encoding::Json);
/// assert_eq!(widget.kind().unwrap().kind, "Widget");
/// assert!(widget.to_json_string().unwrap().contains(r#""uid":"u","resourceVersion":"7""#));
/// # Ok::<(), heliostat_core::etcd::ValueError>(())
/// ```
#[derive(Debug, Default)]
pub struct ValueReader {
    keys: EncryptionKeys,
    /// Shared by all objects of a kind; a collection has one kind, or two after an upgrade.
    kind: Option<Arc<GroupVersionKind>>,
    decrypted: Vec<u8>,
    object: Vec<u8>,
}

/// Why a value is not an object.
///
/// No message has bytes of the value, which may be secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The value is neither protobuf nor JSON, or is broken.
    #[error("the value cannot be decoded: {}", printable(.0))]
    Undecodable(String),
    /// The value is CBOR, the storage encoding of custom resources behind an alpha feature of
    /// kube-apiserver (`CBORServingAndStorage`).
    #[error("the value is in CBOR, which is not supported")]
    Cbor,
    /// The value is encrypted at rest, and cannot be decrypted.
    #[error("the value is encrypted with {with} and cannot be decrypted: {reason}")]
    Encrypted {
        /// The provider and the key.
        with: EncryptedWith,
        /// Why it cannot be decrypted.
        reason: DecryptionError,
    },
}

/// The self-describing tag with which Kubernetes begins CBOR (RFC 8949, 3.4.6).
const CBOR: &[u8] = b"\xd9\xd9\xf7";

/// Room above this is given back after a value: most are far smaller.
const ROOM_BYTES_KEPT: usize = 256 << 10;

impl ValueReader {
    /// A reader that decrypts with these keys. The default has none: an encrypted value is an error.
    #[must_use]
    pub fn new(keys: EncryptionKeys) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Returns the object that is stored under `key`, with its kind, and with the revision at which the
    /// value was written as `metadata.resourceVersion`.
    ///
    /// The object itself is checked no further than its metadata: a [codec](crate::wire::Codec) does that,
    /// which takes the bytes and the kind of the view.
    ///
    /// # Errors
    /// If the value is no object, or cannot be decrypted.
    pub fn read(
        &mut self,
        key: &[u8],
        value: &[u8],
        mod_revision: u64,
    ) -> Result<RawView<'_>, ValueError> {
        for room in [&mut self.decrypted, &mut self.object] {
            if room.capacity() > ROOM_BYTES_KEPT {
                *room = Vec::new();
            }
        }
        let plain = match Sealed::of(value) {
            None => value,
            Some(sealed) => {
                let opened = self.keys.open(&sealed, key, &mut self.decrypted);
                let checked = opened.and_then(|()| check_decrypted(&self.decrypted));
                checked.map_err(|reason| ValueError::Encrypted {
                    with: sealed.with(),
                    reason,
                })?;
                &self.decrypted
            }
        };
        let kind = &mut self.kind;
        if plain.starts_with(&MAGIC) {
            return read_protobuf(plain, mod_revision, kind, &mut self.object);
        }
        if plain.first() == Some(&b'{') {
            return read_json(plain, mod_revision, kind, &mut self.object);
        }
        match plain.starts_with(CBOR) {
            true => Err(ValueError::Cbor),
            false => Err(undecodable(&"it is neither Kubernetes protobuf nor JSON")),
        }
    }
}

fn read_protobuf<'a>(
    value: &[u8],
    mod_revision: u64,
    kind: &'a mut Option<Arc<GroupVersionKind>>,
    room: &'a mut Vec<u8>,
) -> Result<RawView<'a>, ValueError> {
    let envelope = Envelope::open(value).map_err(|error| undecodable(&error))?;
    let read = envelope.kind.unwrap_or_default();
    if !kind.as_ref().is_some_and(|last| read.is(last)) {
        *kind = Some(Arc::new(read.into()));
    }
    let object = protobuf::with_resource_version(envelope.raw, mod_revision, room);
    let object = object.map_err(|error| undecodable(&error))?;
    Ok(RawView::new(Encoding::Protobuf, kind.as_ref(), object))
}

fn read_json<'a>(
    value: &[u8],
    mod_revision: u64,
    kind: &'a mut Option<Arc<GroupVersionKind>>,
    room: &'a mut Vec<u8>,
) -> Result<RawView<'a>, ValueError> {
    let read = RawHeader::read_kind(value);
    if !kind.as_ref().is_some_and(|last| read.is(last)) {
        *kind = Some(Arc::new(read.group_version_kind()));
    }
    // Values end in a line feed.
    let object = json::with_resource_version(value.trim_ascii_end(), mod_revision, room);
    let object = object.ok_or_else(|| undecodable(&"it is JSON without metadata"))?;
    Ok(RawView::new(Encoding::Json, kind.as_ref(), object))
}

/// Refuses bytes that kube-apiserver did not encrypt.
fn check_decrypted(plain: &[u8]) -> Result<(), DecryptionError> {
    let is_object =
        plain.starts_with(&MAGIC) || plain.starts_with(CBOR) || plain.first() == Some(&b'{');
    is_object.then_some(()).ok_or(DecryptionError::NoObject)
}

fn undecodable(reason: &dyn fmt::Display) -> ValueError {
    ValueError::Undecodable(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(value: &[u8]) -> String {
        let mut reader = ValueReader::default();
        reader
            .read(b"/registry/a/b", value, 7)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_no_object_is_refused_without_its_bytes() {
        let neither = "the value cannot be decoded: it is neither Kubernetes protobuf nor JSON";
        for value in [&b""[..], b"s3cret", b"\"s3cret\"", b"[]", b"k8s", b" {}"] {
            assert_eq!(error(value), neither);
        }
        let no_metadata = "the value cannot be decoded: it is JSON without metadata";
        for value in [
            &b"{"[..],
            b"{}",
            b"{\"s3cret\":1}",
            b"{\"metadata\":{\"s3cret",
        ] {
            assert_eq!(error(value), no_metadata);
        }
        assert_eq!(
            error(b"\xd9\xd9\xf7\xa1"),
            "the value is in CBOR, which is not supported"
        );
        for value in [&b"k8s\0\n"[..], b"k8s\0\x12\x02\x0a\x09"] {
            assert!(error(value).contains("goes beyond the end of its message"));
        }
    }

    #[test]
    fn each_value_has_its_own_kind_and_encoding() {
        let mut reader = ValueReader::default();
        let mut kind = |value: &[u8]| {
            let object = reader.read(b"/registry/a/b", value, 7).unwrap();
            (object.encoding(), object.kind().unwrap().to_string())
        };
        let old = br#"{"apiVersion":"example.com/v1beta1","kind":"Widget","metadata":{}}"#;
        let new = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{}}"#;
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x03\x0a\x01a";
        let shown = |kind: &str| kind.to_owned();
        assert_eq!(
            kind(old),
            (Encoding::Json, shown("example.com/v1beta1, Kind=Widget"))
        );
        assert_eq!(
            kind(new),
            (Encoding::Json, shown("example.com/v1, Kind=Widget"))
        );
        assert_eq!(kind(pod), (Encoding::Protobuf, shown("v1, Kind=Pod")));
    }

    #[test]
    fn objects_of_one_kind_share_it() {
        let mut reader = ValueReader::default();
        let value = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x03\x0a\x01a";
        let mut read = || {
            let object = reader.read(b"/registry/pods/a/b", value, 7).unwrap();
            Arc::clone(object.shared_kind().unwrap())
        };
        assert!(Arc::ptr_eq(&read(), &read()));
    }

    #[test]
    fn the_line_feed_behind_json_is_not_of_the_object() {
        let mut reader = ValueReader::default();
        let object = reader
            .read(b"/registry/a/b", b"{\"metadata\":{}}\n", 7)
            .unwrap();
        assert_eq!(object.bytes(), br#"{"metadata":{"resourceVersion":"7"}}"#);
    }
}
