//! Objects that are kept as bytes, how their fields are read, and the errors of keys and selectors.
//!
//! An object of a mirror is whatever type its source decodes. A [`RawObject`](crate::RawObject) is its
//! own bytes; a [`Packed`](crate::Packed) one is compressed, too. Both are read field by field along a
//! [`FieldPath`], without decoding the whole.
//!
//! ```
//! use heliostat::RawObject;
//! use heliostat::object::{Encoding, FieldPath, ReadRaw};
//!
//! let bytes = br#"{"metadata":{"name":"web"},"spec":{"nodeName":"n1"}}"#;
//! let pod = RawObject::new(Encoding::Json, None, bytes.as_slice().into());
//! let node: FieldPath = "spec.nodeName".parse()?;
//! assert_eq!(pod.view().text(&node)?.as_deref(), Some("n1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use heliostat_core::object::{GroupVersionKind, InvalidKey};
pub use heliostat_core::packed::{
    DEFAULT_MEMORY_BUDGET, Dictionary, PackedCodec, Packer, PackingStats, UNPACKED_BYTES_MAX,
    UnpackError,
};
pub use heliostat_core::raw::{
    Encoding, FieldError, FieldPath, FieldPathError, FieldValue, OwnerReference, PATH_BYTES_MAX,
    Pairs, RawCodec, RawMetadata, RawView, ReadRaw, STEPS_MAX, Step,
};
pub use heliostat_core::selector::SelectorError;
