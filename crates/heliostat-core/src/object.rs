//! All that the engine asks of an object: its key, its version, its uid.
//!
//! The object itself is opaque here. A source reads the [`Header`] while it decodes and hands both
//! on as an [`Entry`]; stores, queues and indexes never look inside.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::printable::printable;
use crate::version::ResourceVersion;

/// What an object is called within its collection: `namespace/name`, or `name` without a namespace.
///
/// One shared text, so a clone costs a reference count. Keys are ordered by their text, which puts
/// the objects of a namespace next to each other.
///
/// ```
/// use heliostat_core::object::ObjectKey;
///
/// let key = ObjectKey::namespaced("kube-system", "dns");
/// assert_eq!(key.namespace(), Some("kube-system"));
/// assert_eq!(key.name(), "dns");
/// assert_eq!(key.to_string(), "kube-system/dns");
/// assert_eq!("kube-system/dns".parse(), Ok(key));
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// The key of an object in a namespace; with an empty namespace, of a cluster-scoped one.
    #[must_use]
    pub fn namespaced(namespace: &str, name: &str) -> Self {
        if namespace.is_empty() {
            return Self::cluster(name);
        }
        let mut text = String::with_capacity(namespace.len() + 1 + name.len());
        text.push_str(namespace);
        text.push('/');
        text.push_str(name);
        Self(Arc::from(text))
    }

    /// The key of an object that lives in no namespace.
    #[must_use]
    pub fn cluster(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The namespace, if the object is in one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once('/').map(|(namespace, _)| namespace)
    }

    /// The name without the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// The whole key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key compares and hashes as its text does, so a map of keys can be asked with a text.
impl Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key as users write it, with what cannot be printed escaped: logs show keys with `Debug` where
/// the type of a key is not known to have another form.
impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&printable(&self.0), f)
    }
}

impl std::str::FromStr for ObjectKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        match text.split('/').count() {
            1 | 2 => Ok(Self(Arc::from(text))),
            _ => Err(InvalidKey(text.to_owned())),
        }
    }
}

/// A text that is no key: more than one slash.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unexpected key format: {0:?}, want `name` or `namespace/name`")]
pub struct InvalidKey(String);

/// The identity of one life of an object: recreated under the same name, it has another uid.
///
/// A canonical UUID takes no allocation; any other text is kept as it came.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Uid(UidRepr);

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
enum UidRepr {
    #[default]
    Unset,
    Uuid([u8; 16]),
    Text(Arc<str>),
}

impl Uid {
    /// No uid: a source that does not know identities.
    pub const UNSET: Self = Self(UidRepr::Unset);

    /// True if the source told no uid.
    #[must_use]
    pub const fn is_unset(&self) -> bool {
        matches!(self.0, UidRepr::Unset)
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        if text.is_empty() {
            return Self::UNSET;
        }
        match parse_uuid(text.as_bytes()) {
            Some(bytes) => Self(UidRepr::Uuid(bytes)),
            None => Self(UidRepr::Text(Arc::from(text))),
        }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            UidRepr::Unset => Ok(()),
            UidRepr::Text(text) => f.write_str(text),
            UidRepr::Uuid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// Reads the lower-case 8-4-4-4-12 form, and only that: any other text must come back unchanged.
fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut bytes = [0u8; 16];
    let mut digits = 0usize;
    for (index, &byte) in text.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        let slot = bytes.get_mut(digits / 2)?;
        *slot = (*slot << 4) | value;
        digits += 1;
    }
    Some(bytes)
}

/// What the engine knows of an object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Header {
    /// What the object is called.
    pub key: ObjectKey,
    /// The version of this state of the object.
    pub resource_version: ResourceVersion,
    /// Which life of the object this is.
    pub uid: Uid,
}

impl Header {
    /// Returns true if the other header has the same version and uid: within one history of the source,
    /// this is the same state of the same object.
    ///
    /// An unset version proves nothing, so it is never the same state.
    #[must_use]
    pub fn is_same_state(&self, other: &Self) -> bool {
        !self.resource_version.is_unset()
            && self.resource_version == other.resource_version
            && self.uid == other.uid
    }
}

/// An object with its header. A clone shares the object.
///
/// Derefs to the object, so that an entry of a `kube_core::Resource` has the methods of kube's
/// `ResourceExt`: `name_any()`, `namespace()`, `labels()`, `owner_references()`.
#[derive(Debug)]
pub struct Entry<T> {
    /// What the engine knows of the object.
    pub header: Header,
    /// The object.
    pub object: Arc<T>,
}

impl<T> Entry<T> {
    /// Puts a header and an object together.
    pub fn new(header: Header, object: impl Into<Arc<T>>) -> Self {
        Self {
            header,
            object: object.into(),
        }
    }

    /// Returns true if the other entry is the same object in memory, with the same header. Two objects
    /// that merely have the same version may differ: a restored backup uses a version a second time.
    #[must_use]
    pub fn is_unchanged(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.object, &other.object) && self.header == other.header
    }

    /// What the object is called.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        &self.header.key
    }
}

impl<T> Deref for Entry<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            header: self.header.clone(),
            object: Arc::clone(&self.object),
        }
    }
}

/// The kind of an object, as `apiVersion` and `kind` name it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct GroupVersionKind {
    /// `v1`, or `group/version`.
    pub api_version: String,
    /// For example `Pod`.
    pub kind: String,
}

impl GroupVersionKind {
    /// The kind called `kind` of `api_version` (`v1`, `apps/v1`).
    pub fn new(api_version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            api_version: api_version.into(),
            kind: kind.into(),
        }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, kind) = (printable(&self.api_version), printable(&self.kind));
        write!(f, "{version}, Kind={kind}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_debugged_as_users_write_it() {
        assert_eq!(format!("{:?}", ObjectKey::namespaced("a", "b")), "a/b");
        assert_eq!(format!("{:?}", ObjectKey::cluster("b\n")), r"b\n");
    }

    #[test]
    fn s_01_keys_are_namespace_and_name() {
        assert_eq!(ObjectKey::namespaced("a", "b").as_str(), "a/b");
        assert_eq!(ObjectKey::namespaced("", "b").as_str(), "b");
        assert_eq!(ObjectKey::cluster("b").namespace(), None);
    }

    #[test]
    fn s_02_a_key_with_two_slashes_is_refused() {
        assert!("a/b/c".parse::<ObjectKey>().is_err());
        let odd: ObjectKey = "/x".parse().unwrap();
        assert_eq!((odd.namespace(), odd.name()), (Some(""), "x"));
    }

    #[test]
    fn every_uid_comes_back_as_it_was() {
        for text in [
            "",
            "914899ff-c680-4a6b-85e1-6cf515c3cf43",
            "914899FF-c680-4a6b-85e1-6cf515c3cf43",
            "914899ffxc680-4a6b-85e1-6cf515c3cf43",
            "not-a-uuid",
        ] {
            assert_eq!(Uid::from(text).to_string(), text);
        }
    }

    #[test]
    fn an_unset_version_is_never_the_same_state() {
        let header = |version: &str| Header {
            key: ObjectKey::cluster("a"),
            resource_version: version.into(),
            uid: Uid::from("u"),
        };
        assert!(header("5").is_same_state(&header("5")));
        assert!(!header("5").is_same_state(&header("6")));
        assert!(!header("").is_same_state(&header("")));
    }
}
