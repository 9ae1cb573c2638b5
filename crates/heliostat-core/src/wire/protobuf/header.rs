//! Name, version and identity of an object, read from its bytes alone.
//!
//! A server writes the metadata first and in it these fields first, so a few dozen bytes are looked
//! at. Nothing relies on that: of a text that comes twice the last counts, and of a message that
//! comes twice the parts are merged, as protobuf demands.

use super::field::{Field, Fields, Malformed, Value};
use crate::object::{Header, ObjectKey, Uid};
use crate::version::ResourceVersion;

/// The field of every top-level object that holds its metadata.
pub const METADATA: u32 = 1;

/// The fields of `ObjectMeta`.
pub mod object_meta {
    /// `name`
    pub const NAME: u32 = 1;
    /// `namespace`
    pub const NAMESPACE: u32 = 3;
    /// `uid`
    pub const UID: u32 = 5;
    /// `resourceVersion`
    pub const RESOURCE_VERSION: u32 = 6;
    /// `deletionTimestamp`, a `Time`
    pub const DELETION_TIMESTAMP: u32 = 9;
    /// `labels`, one map entry a field
    pub const LABELS: u32 = 11;
    /// `annotations`, one map entry a field
    pub const ANNOTATIONS: u32 = 12;
    /// `ownerReferences`
    pub const OWNER_REFERENCES: u32 = 13;
    /// `finalizers`
    pub const FINALIZERS: u32 = 14;
    /// `managedFields`
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
        header.merge(message)?;
        Ok(header)
    }

    /// Reads as much of the header as there is before the message breaks: enough to say of most
    /// objects that cannot be decoded which they are.
    #[must_use]
    pub fn read_tolerantly(message: &'a [u8]) -> Self {
        let mut header = Self::default();
        // Bytes that cannot be followed any further end the reading, and that is all.
        let _ = header.merge(message);
        header
    }

    fn merge(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        for metadata in metadata(message) {
            let metadata = metadata?;
            self.has_metadata = true;
            for field in Fields::of(metadata) {
                self.take(field?)?;
            }
        }
        Ok(())
    }

    /// Takes in a field of the metadata.
    pub(super) fn take(&mut self, field: Field<'a>) -> Result<(), Malformed> {
        let text = match field.number {
            object_meta::NAME => &mut self.name,
            object_meta::NAMESPACE => &mut self.namespace,
            object_meta::UID => &mut self.uid,
            object_meta::RESOURCE_VERSION => &mut self.resource_version,
            _ => return Ok(()),
        };
        // A field of another wire type is another field, of a newer or broken schema.
        if let Some(read) = field.value.as_text()? {
            *text = read;
        }
        Ok(())
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
