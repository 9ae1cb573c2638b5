//! Objects as the bytes they came in.
//!
//! | module | what lives there |
//! |---|---|
//! | `codec` | the bytes of a list or watch into raw objects, with managed fields cut out if wanted |
//! | `view` | [`RawView`]: what is read out of the bytes |
//! | `path` | [`FieldPath`]: where in an object a field is |
//! | `value` | what a field holds, and why that may not be known |
//! | `metadata` | labels, owners and the rest that objects of all kinds have |
//! | `json`, `protobuf` | the way to a field in either encoding |
//! | `whole` | whole objects: as JSON, and decoded |
//!
//! A [`RawObject`] is one allocation of the size of its bytes, which keeps nothing else alive: a small
//! part of what the same object costs decoded, and half of that without managed fields. Whoever asks it
//! for a field pays for skipping to it, each time. A path gives the same values in both encodings, or says that it is not
//! known; it never takes what it does not know for absent.

mod codec;

mod unpack_error;
mod view;

mod path;

mod value;

mod metadata;

mod json;

mod protobuf;

mod whole;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::object::GroupVersionKind;
use crate::selector::LabelSelector;

pub use codec::RawCodec;
pub use metadata::{OwnerReference, Pairs, RawMetadata};
pub use path::{FieldPath, FieldPathError, PATH_BYTES_MAX, STEPS_MAX, Step};
pub use unpack_error::UnpackError;
pub use value::{FieldError, FieldValue};
pub use view::RawView;
pub use whole::WholeError;

/// What an object's bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Encoding {
    /// `application/json`: the text of one object.
    Json,
    /// `application/vnd.kubernetes.protobuf`: the object's own message, without magic number and
    /// envelope.
    Protobuf,
}

/// Objects whose fields can be read out of the bytes that they came in, whether these are at hand
/// ([`RawObject`]) or packed ([`Packed`](crate::packed::Packed)).
pub trait ReadRaw {
    /// Has the bytes read, which need not lie there any longer than that.
    ///
    /// # Errors
    /// If there is no way to the bytes.
    fn read_raw<R>(&self, read: impl FnOnce(RawView<'_>) -> R) -> Result<R, UnpackError>;

    /// Appends the object as JSON, as [`RawView::to_json`] does.
    ///
    /// # Errors
    /// As with [`RawView::to_json`], or if there is no way to the bytes.
    fn to_json(&self, out: &mut Vec<u8>) -> Result<(), WholeError> {
        self.read_raw(|object| object.to_json(out))?
    }

    /// Decodes the whole object, from JSON or from the protobuf of a built-in kind.
    ///
    /// # Errors
    /// As with [`RawView::decode`], or if there is no way to the bytes.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is of one lifetime"
    )]
    fn decode<K: DeserializeOwned>(&self) -> Result<K, WholeError> {
        self.read_raw(|object| object.decode())?
    }
}

impl ReadRaw for RawObject {
    fn read_raw<R>(&self, read: impl FnOnce(RawView<'_>) -> R) -> Result<R, UnpackError> {
        Ok(read(self.view()))
    }
}

/// An object as the bytes it came in.
///
/// ```
/// use heliostat_core::raw::{Encoding, FieldPath, RawObject};
///
/// let bytes = br#"{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"a"},{"image":"b"}]}}"#;
/// let pod = RawObject::new(Encoding::Json, None, bytes.as_slice().into());
/// assert_eq!(pod.label("app").as_deref(), Some("web"));
/// let images: FieldPath = "spec.containers[*].image".parse()?;
/// let images = pod.field(&images)?;
/// assert_eq!(images.iter().filter_map(|image| image.as_text()).collect::<Vec<_>>(), ["a", "b"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawObject {
    encoding: Encoding,
    kind: Option<Arc<GroupVersionKind>>,
    bytes: Box<[u8]>,
}

impl RawObject {
    /// An object of these bytes. They are not checked: what is broken is found when it is asked for.
    #[must_use]
    pub const fn new(
        encoding: Encoding,
        kind: Option<Arc<GroupVersionKind>>,
        bytes: Box<[u8]>,
    ) -> Self {
        Self {
            encoding,
            kind,
            bytes,
        }
    }

    /// What the bytes are.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The kind, where it was told. Protobuf does not have it in the bytes.
    #[must_use]
    pub fn kind(&self) -> Option<&GroupVersionKind> {
        self.kind.as_deref()
    }

    /// The object's own bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same object, borrowed.
    #[must_use]
    pub const fn view(&self) -> RawView<'_> {
        RawView::new(self.encoding, self.kind.as_ref(), &self.bytes)
    }

    /// The values at a path, in their order: none if there is nothing, several for a path with `[*]`.
    ///
    /// # Errors
    /// If the path leads to something else than values, or to a broken part of the bytes; in protobuf
    /// also if the place of the field is not known.
    pub fn field(&self, path: &FieldPath) -> Result<Vec<FieldValue<'_>>, FieldError> {
        self.view().field(path)
    }

    /// Calls `visit` with each value at a path, as [`field`](Self::field) gives them.
    ///
    /// # Errors
    /// As with [`field`](Self::field); values before the error have been visited.
    pub fn visit<'a>(
        &'a self,
        path: &FieldPath,
        visit: &mut dyn FnMut(FieldValue<'a>),
    ) -> Result<(), FieldError> {
        self.view().visit(path, visit)
    }

    /// The first value at a path as a text, as an index wants it.
    ///
    /// # Errors
    /// As with [`field`](Self::field).
    pub fn text(&self, path: &FieldPath) -> Result<Option<Cow<'_, str>>, FieldError> {
        self.view().text(path)
    }

    /// The keys of the map at a path, such as `data` of a `Secret`, in the order in which they lie.
    ///
    /// # Errors
    /// As with [`RawView::keys`].
    pub fn keys(&self, path: &FieldPath) -> Result<Vec<Cow<'_, str>>, FieldError> {
        self.view().keys(path)
    }

    /// What objects of all kinds have.
    #[must_use]
    pub fn metadata(&self) -> RawMetadata<'_> {
        self.view().metadata()
    }

    /// One label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        self.view().label(key)
    }

    /// True if the selector asks for an object with this one's labels.
    #[must_use]
    pub fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        self.view().is_selected_by(selector)
    }

    /// `status.phase`, which pods, namespaces, volumes and claims have.
    ///
    /// # Errors
    /// As with [`field`](Self::field).
    pub fn phase(&self) -> Result<Option<Cow<'_, str>>, FieldError> {
        self.view().phase()
    }

    /// Appends the object as JSON, as [`RawView::to_json`] does.
    ///
    /// # Errors
    /// As with [`RawView::to_json`].
    pub fn to_json(&self, out: &mut Vec<u8>) -> Result<(), WholeError> {
        self.view().to_json(out)
    }

    /// Returns the object as JSON, as [`RawView::to_json`] writes it.
    ///
    /// # Errors
    /// As with [`RawView::to_json`], or if the text is not UTF-8.
    pub fn to_json_string(&self) -> Result<String, WholeError> {
        self.view().to_json_string()
    }

    /// Decodes the whole object, from JSON or from the protobuf of a built-in kind.
    ///
    /// # Errors
    /// As with [`RawView::decode`].
    pub fn decode<K: DeserializeOwned>(&self) -> Result<K, WholeError> {
        self.view().decode()
    }
}
