//! Name, version and kind of an object, read from its bytes alone.
//!
//! The reading is tolerant: a member of the wrong type is as good as absent, what stands elsewhere in
//! the object is not looked at, and bytes that break off give what came before. It stops as soon as
//! it knows all it was asked for, which in an object of a built-in kind is within its first 300 bytes.

use std::borrow::Cow;

use crate::object::{GroupVersionKind, Header, ObjectKey, Uid};
use crate::version::ResourceVersion;

use super::scan::{ValueScan, is_space};

/// What the bytes of an object tell of it. Of a member that comes twice, the first counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RawHeader<'a> {
    /// `apiVersion`.
    pub api_version: Option<Cow<'a, str>>,
    /// `kind`.
    pub kind: Option<Cow<'a, str>>,
    /// True if `metadata` is there and is an object.
    pub has_metadata: bool,
    /// `metadata.name`.
    pub name: Option<Cow<'a, str>>,
    /// `metadata.namespace`.
    pub namespace: Option<Cow<'a, str>>,
    /// `metadata.uid`.
    pub uid: Option<Cow<'a, str>>,
    /// `metadata.resourceVersion`.
    pub resource_version: Option<Cow<'a, str>>,
}

impl<'a> RawHeader<'a> {
    /// Reads all of it.
    ///
    /// ```
    /// use heliostat_core::wire::json::header::RawHeader;
    ///
    /// let bytes = br#"{"metadata":{"name":"dns","resourceVersion":"7"},"spec":{"ports":oops}}"#;
    /// let header = RawHeader::read(bytes);
    /// assert_eq!(header.key().unwrap().as_str(), "dns");
    /// assert_eq!(header.resource_version().to_string(), "7");
    /// ```
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut header = Self::default();
        for (key, value) in Members::of(bytes) {
            match &*key {
                "apiVersion" => set(&mut header.api_version, value),
                "kind" => set(&mut header.kind, value),
                "metadata" if !header.has_metadata => header.read_metadata(value),
                _ => continue,
            }
            if header.has_metadata && header.has_kind() {
                break;
            }
        }
        header
    }

    /// Reads `apiVersion` and `kind` and nothing else.
    #[must_use]
    pub fn read_kind(bytes: &'a [u8]) -> Self {
        let mut header = Self::default();
        for (key, value) in Members::of(bytes) {
            match &*key {
                "apiVersion" => set(&mut header.api_version, value),
                "kind" => set(&mut header.kind, value),
                _ => continue,
            }
            if header.has_kind() {
                break;
            }
        }
        header
    }

    fn read_metadata(&mut self, bytes: &'a [u8]) {
        self.has_metadata = bytes.first() == Some(&b'{');
        for (key, value) in Members::of(bytes) {
            match &*key {
                "name" => set(&mut self.name, value),
                "namespace" => set(&mut self.namespace, value),
                "uid" => set(&mut self.uid, value),
                "resourceVersion" => set(&mut self.resource_version, value),
                _ => continue,
            }
            let all = [
                &self.name,
                &self.namespace,
                &self.uid,
                &self.resource_version,
            ];
            if all.iter().all(|member| member.is_some()) {
                break;
            }
        }
    }

    const fn has_kind(&self) -> bool {
        self.kind.is_some() && self.api_version.is_some()
    }

    /// The key, if there is a name to make one of.
    #[must_use]
    pub fn key(&self) -> Option<ObjectKey> {
        let name = self.name.as_deref().filter(|name| !name.is_empty())?;
        let namespace = self.namespace.as_deref().unwrap_or_default();
        Some(ObjectKey::namespaced(namespace, name))
    }

    /// The version, unset if there is none.
    #[must_use]
    pub fn resource_version(&self) -> ResourceVersion {
        let text = self.resource_version.as_deref();
        text.map_or(ResourceVersion::UNSET, ResourceVersion::from)
    }

    /// What the engine asks of an object, if there is a name.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        Some(Header {
            key: self.key()?,
            resource_version: self.resource_version(),
            uid: self.uid.as_deref().map_or(Uid::UNSET, Uid::from),
        })
    }

    /// The kind, with empty words for what the object does not tell.
    #[must_use]
    pub fn group_version_kind(&self) -> GroupVersionKind {
        GroupVersionKind::new(
            self.api_version.as_deref().unwrap_or_default(),
            self.kind.as_deref().unwrap_or_default(),
        )
    }

    /// True if the object is of this kind.
    #[must_use]
    pub fn is(&self, kind: &GroupVersionKind) -> bool {
        self.kind.as_deref() == Some(&*kind.kind)
            && self.api_version.as_deref() == Some(&*kind.api_version)
    }

    /// True for a `Table` of `meta.k8s.io`: rows for people, not objects.
    #[must_use]
    pub fn is_table(&self) -> bool {
        let api_version = self.api_version.as_deref().unwrap_or_default();
        self.kind.as_deref() == Some("Table") && is_meta_version(api_version)
    }
}

/// True for the versions that `Table` has had.
pub(super) fn is_meta_version(api_version: &str) -> bool {
    matches!(api_version, "meta.k8s.io/v1" | "meta.k8s.io/v1beta1")
}

/// Reads a JSON string with its quotes; nothing if it is none.
pub(super) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let inner = bytes.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_some() {
        return serde_json::from_slice(bytes).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// Keeps the first readable value.
fn set<'a>(member: &mut Option<Cow<'a, str>>, value: &'a [u8]) {
    if member.is_none() {
        *member = text(value);
    }
}

/// The members of an object: readable names and the bytes of their values. Ends where the object
/// ends or can no longer be followed.
struct Members<'a> {
    rest: &'a [u8],
    separator: u8,
}

impl<'a> Members<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            separator: b'{',
        }
    }

    fn separator(&mut self, separator: u8) -> Option<()> {
        self.rest = skip_space(self.rest).strip_prefix(&[separator])?;
        Some(())
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let bytes = skip_space(self.rest);
        let end = ValueScan::of(*bytes.first()?)?.find_end(bytes)?;
        let (value, rest) = bytes.split_at_checked(end)?;
        self.rest = rest;
        Some(value)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.separator(self.separator)?;
            self.separator = b',';
            let key = self.value()?;
            self.separator(b':')?;
            let value = self.value()?;
            if let Some(key) = text(key) {
                return Some((key, value));
            }
        }
    }
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|&&byte| is_space(byte)).count();
    bytes.get(spaces..).unwrap_or_default()
}
