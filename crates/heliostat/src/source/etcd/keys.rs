//! Which keys are mirrored, and what the objects under them are called.

use bytes::Bytes;
use heliostat_core::etcd::RegistryCollection;
use heliostat_core::object::ObjectKey;

/// The keys of a collection.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// All that begin with a prefix.
    Prefix(Prefix),
    /// Those of a resource of Kubernetes.
    Registry(RegistryCollection),
}

impl Keys {
    /// The first key of the range and the key after its last one, as etcd wants them.
    pub(super) fn range(&self) -> (Bytes, Bytes) {
        match self {
            Self::Prefix(prefix) => prefix.range(),
            Self::Registry(collection) => Prefix::new(collection.prefix()).range(),
        }
    }

    /// A range of keys without any in it, as etcd wants it: it ends where it begins.
    ///
    /// It begins after the first key, since a range that ends in a zero byte has no end. A user that may
    /// read the keys may read this range as well.
    pub(super) fn empty_range(&self) -> (Bytes, Bytes) {
        let (first, _) = self.range();
        let first = after(&first);
        (first.clone(), first)
    }

    /// What the object under a key is called; none if the key is not one of an object.
    pub(super) fn object_key(&self, key: &[u8]) -> Option<ObjectKey> {
        match self {
            Self::Prefix(prefix) => prefix.object_key(key),
            Self::Registry(collection) => collection.object_key(key),
        }
    }

    /// The key under which an object is stored; none if no key of the collection has this name.
    pub(super) fn etcd_key(&self, object: &ObjectKey) -> Option<Bytes> {
        match self {
            Self::Prefix(prefix) => prefix.etcd_key(object),
            Self::Registry(collection) => collection.etcd_key(object).map(Bytes::from),
        }
    }

    /// What the keys begin with, for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Prefix(prefix) => prefix.text(),
            Self::Registry(collection) => escape(collection.prefix().as_bytes()),
        }
    }
}

/// The keys that begin with a prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Prefix(Bytes);

impl Prefix {
    pub(super) fn new(prefix: impl AsRef<[u8]>) -> Self {
        Self(Bytes::copy_from_slice(prefix.as_ref()))
    }

    /// The first key of the range and the key after its last one, as etcd wants them.
    pub(super) fn range(&self) -> (Bytes, Bytes) {
        // A zero byte means "from the first key" and "to the last one".
        let zero = Bytes::from_static(b"\0");
        if self.0.is_empty() {
            return (zero.clone(), zero);
        }
        let mut end = self.0.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return (self.0.clone(), end.into());
            }
        }
        (self.0.clone(), zero)
    }

    /// What the object under a key is called: what follows the prefix.
    ///
    /// Bytes that are no UTF-8 are written as `\xff`, and a backslash as two, so that each key has a
    /// name of its own.
    pub(super) fn object_key(&self, key: &[u8]) -> Option<ObjectKey> {
        let rest = key.strip_prefix(&*self.0)?;
        match str::from_utf8(rest) {
            Ok(text) if !text.contains('\\') => Some(ObjectKey::cluster(text)),
            Ok(_) | Err(_) => Some(ObjectKey::cluster(&escape(rest))),
        }
    }

    /// The key under which an object is stored; none for a text that is not the name of any.
    pub(super) fn etcd_key(&self, object: &ObjectKey) -> Option<Bytes> {
        let mut key = self.0.to_vec();
        key.extend(unescape(object.as_str())?);
        // etcd has no key without bytes.
        (!key.is_empty()).then(|| key.into())
    }

    /// The prefix, for people.
    pub(super) fn text(&self) -> String {
        escape(&self.0)
    }
}

/// The key after this one.
pub(super) fn after(key: &[u8]) -> Bytes {
    [key, b"\0"].concat().into()
}

/// The bytes as text, so that [`unescape`] finds them again.
pub(super) fn escape(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(after) = escaped.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
            continue;
        }
        let digits = escaped.strip_prefix('x')?;
        let byte = u8::from_str_radix(digits.get(..2)?, 16).ok()?;
        bytes.push(byte);
        rest = digits.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    // Another text for the same bytes would be a second name for them.
    (escape(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        let end = |prefix: &[u8]| Prefix::new(prefix).range().1.to_vec();
        assert_eq!(end(b"/a/"), b"/a0");
        assert_eq!(end(b"a\xff"), b"b");
        assert_eq!(end(b"\xff\xff"), b"\0");
        assert_eq!(Prefix::new("").range().0, b"\0".as_slice());
        assert_eq!(end(b""), b"\0");
    }

    #[test]
    fn an_object_is_called_what_follows_the_prefix() {
        let prefix = Prefix::new("/app/");
        let name = |key: &[u8]| prefix.object_key(key).map(|key| key.to_string());
        assert_eq!(name(b"/app/web/1").as_deref(), Some("web/1"));
        assert_eq!(name(b"/app/a\\b\xfe").as_deref(), Some(r"a\\b\xfe"));
        assert_eq!(name(b"/other"), None);
        let key = prefix.object_key(b"/app/web/1").unwrap();
        assert_eq!((key.namespace(), key.name()), (Some("web"), "1"));
        assert_eq!(prefix.etcd_key(&ObjectKey::cluster(r"\q")), None);
        assert_eq!(prefix.etcd_key(&ObjectKey::cluster(r"\x41")), None);
    }

    #[test]
    fn an_empty_range_has_an_end_where_it_begins() {
        for prefix in ["", "/app/", "\u{7f}"] {
            let (first, end) = Keys::Prefix(Prefix::new(prefix)).empty_range();
            assert_eq!(first, end);
            assert_ne!(end, b"\0".as_slice(), "no end");
        }
        assert_eq!(Prefix::new("").etcd_key(&ObjectKey::cluster("")), None);
    }

    proptest! {
        #[test]
        fn every_key_has_a_name_and_is_found_by_it(rest: Vec<u8>) {
            let prefix = Prefix::new("/p/");
            let key = [b"/p/", &*rest].concat();
            let object = prefix.object_key(&key).unwrap();
            prop_assert_eq!(prefix.etcd_key(&object).unwrap().to_vec(), key);
        }
    }
}
