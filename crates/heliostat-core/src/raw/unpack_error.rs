//! `UnpackError`: why an object that is kept as bytes cannot be read.

use std::fmt;
use std::sync::Arc;

use super::Encoding;

/// Why a packed object cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The compressed bytes are not what was packed.
    #[error("the packed bytes are broken: {0}")]
    Broken(Arc<str>),
    /// The bytes are those of the object, and cannot be decoded into its type.
    #[error("the object cannot be decoded: {0}")]
    Undecodable(Arc<str>),
    /// The source sent the object in an encoding that its type cannot be decoded from.
    #[error("an object of this type is decoded from {wanted:?}, and came in {got:?}")]
    Encoding {
        /// What the type is decoded from.
        wanted: Encoding,
        /// What the object is in.
        got: Encoding,
    },
}

impl UnpackError {
    pub(crate) fn broken(reason: impl Into<Arc<str>>) -> Self {
        Self::Broken(reason.into())
    }

    pub(crate) fn undecodable(error: &dyn fmt::Display) -> Self {
        Self::Undecodable(error.to_string().into())
    }
}
