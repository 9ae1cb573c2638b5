//! Name, version and identity of an object, read from its bytes alone.
//!
//! A server writes the metadata first and in it these fields first, so a few dozen bytes are looked
//! at. Nothing relies on that: of a text that comes twice the last counts, and of a message that
//! comes twice the parts are merged, as protobuf demands.

use super::field::{Fields, Malformed, Value};
use crate::object::{Header, ObjectKey, Uid};
use crate::version::ResourceVersion;

/// The field of every top-level object that holds its metadata.
pub const METADATA: u32 = 1;

/// The fields of `ObjectMeta`.
pub mod object_meta {
    #![allow(missing_docs)]
    pub const NAME: u32 = 1;
    pub const NAMESPACE: u32 = 3;
    pub const UID: u32 = 5;
    pub const RESOURCE_VERSION: u32 = 6;
    pub const DELETION_TIMESTAMP: u32 = 9;
    pub const LABELS: u32 = 11;
    pub const ANNOTATIONS: u32 = 12;
    pub const OWNER_REFERENCES: u32 = 13;
    pub const FINALIZERS: u32 = 14;
    pub const MANAGED_FIELDS: u32 = 17;
}

/// What the bytes of an object tell of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RawHeader<'a> {
    /// True if there is metadata.
    pub has_metadata: bool,
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.namespace`.
    pub namespace: &'a str,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `metadata.resourceVersion`.
    pub resource_version: &'a str,
}

impl<'a> RawHeader<'a> {
    /// Reads the header of an object's own message, without its envelope.
    ///
    /// # Errors
    /// If the message, or its metadata, is broken.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut header = Self::default();
        for metadata in metadata(message) {
            header.has_metadata = true;
            for field in Fields::of(metadata?) {
                let field = field?;
                let text = match field.number {
                    object_meta::NAME => &mut header.name,
                    object_meta::NAMESPACE => &mut header.namespace,
                    object_meta::UID => &mut header.uid,
                    object_meta::RESOURCE_VERSION => &mut header.resource_version,
                    _ => continue,
                };
                *text = field.value.as_text()?.unwrap_or_default();
            }
        }
        Ok(header)
    }

    /// What the object is called; none without a name.
    #[must_use]
    pub fn key(&self) -> Option<ObjectKey> {
        (!self.name.is_empty()).then(|| ObjectKey::namespaced(self.namespace, self.name))
    }

    /// The version; unset if there is none.
    #[must_use]
    pub fn resource_version(&self) -> ResourceVersion {
        ResourceVersion::from(self.resource_version)
    }

    /// What the engine asks of an object; none without a name.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        Some(Header {
            key: self.key()?,
            resource_version: self.resource_version(),
            uid: Uid::from(self.uid),
        })
    }
}

/// The metadata of an object, in as many pieces as it comes in: one, from any server.
pub fn metadata(message: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::of(message).filter_map(|field| match field {
        Ok(field) if field.number == METADATA => match field.value {
            Value::Bytes(bytes) => Some(Ok(bytes)),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => None,
        },
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}
