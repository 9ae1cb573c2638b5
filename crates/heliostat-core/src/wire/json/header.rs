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
    metadata_is_read: bool,
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
        Self::read_until(bytes, |header| header.has_kind() && header.has_identity())
    }

    /// Reads what names the object; of `apiVersion` and `kind` no more than comes before that. In an
    /// item of a list, which has neither, this spares the way to its end.
    #[must_use]
    pub fn read_identity(bytes: &'a [u8]) -> Self {
        Self::read_until(bytes, Self::has_identity)
    }

    /// Reads `apiVersion` and `kind`, and no more of the rest than comes before them.
    #[must_use]
    pub fn read_kind(bytes: &'a [u8]) -> Self {
        Self::read_until(bytes, Self::has_kind)
    }

    fn read_until(bytes: &'a [u8], is_enough: impl Fn(&Self) -> bool) -> Self {
        let mut header = Self::default();
        // Bytes that cannot be followed any further end the reading, and that is all.
        let _ = header.read_members(&mut Cursor::new(bytes), is_enough);
        header
    }

    fn read_members(
        &mut self,
        cursor: &mut Cursor<'a>,
        is_enough: impl Fn(&Self) -> bool,
    ) -> Option<()> {
        let mut members = Members::Before;
        while !is_enough(self) {
            match &*members.next_key(cursor)? {
                "apiVersion" => set(&mut self.api_version, cursor.value()?),
                "kind" => set(&mut self.kind, cursor.value()?),
                "metadata" if !self.metadata_is_read && cursor.peek() == Some(b'{') => {
                    self.has_metadata = true;
                    self.read_metadata(cursor, &is_enough)?;
                    self.metadata_is_read = true;
                }
                _ => drop(cursor.value()?),
            }
        }
        Some(())
    }

    /// Reads the metadata where it lies, without looking for its end first.
    fn read_metadata(
        &mut self,
        cursor: &mut Cursor<'a>,
        is_enough: impl Fn(&Self) -> bool,
    ) -> Option<()> {
        let mut members = Members::Before;
        while !is_enough(self) {
            let Some(key) = members.next_key(cursor) else {
                return members.is_over().then_some(());
            };
            let member = match &*key {
                "name" => &mut self.name,
                "namespace" => &mut self.namespace,
                "uid" => &mut self.uid,
                "resourceVersion" => &mut self.resource_version,
                _ => {
                    cursor.value()?;
                    continue;
                }
            };
            set(member, cursor.value()?);
        }
        Some(())
    }

    /// True once nothing more of the metadata can matter.
    const fn has_identity(&self) -> bool {
        let all = self.name.is_some()
            && self.namespace.is_some()
            && self.uid.is_some()
            && self.resource_version.is_some();
        all || self.metadata_is_read
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
pub(crate) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
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

/// A place in the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The beginning of the bytes.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte that is not white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let spaces = self.rest.iter().take_while(|&&byte| is_space(byte));
        self.rest = self.rest.get(spaces.count()..)?;
        self.rest.first().copied()
    }

    pub(crate) fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.rest = self.rest.get(1..)?;
        Some(byte)
    }

    /// The bytes of the next value.
    pub(crate) fn value(&mut self) -> Option<&'a [u8]> {
        let end = ValueScan::of(self.peek()?)?.find_end(self.rest)?;
        let (value, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(value)
    }
}

/// Goes through the members of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Members {
    Before,
    Within,
    Over,
}

impl Members {
    /// The name of the next member, empty if it cannot be read; the cursor is then before the
    /// value. Nothing at the end of the object, or if it cannot be followed.
    pub(crate) fn next_key<'a>(&mut self, cursor: &mut Cursor<'a>) -> Option<Cow<'a, str>> {
        match (&*self, cursor.take()?) {
            (Self::Before, b'{') if cursor.peek()? != b'}' => *self = Self::Within,
            (Self::Before, b'{') => {
                cursor.take()?;
                *self = Self::Over;
                return None;
            }
            (Self::Within, b',') => {}
            (Self::Within, b'}') => {
                *self = Self::Over;
                return None;
            }
            _ => return None,
        }
        let key = text(cursor.value()?).unwrap_or_default();
        (cursor.take()? == b':').then_some(key)
    }

    /// True if the end of the object was reached.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}
