//! The sources that come with the library: those of objects, each behind its own feature, and the one
//! that packs the objects of another.

#[cfg(feature = "kube")]
pub mod kube;

#[cfg(feature = "memory")]
pub mod memory;

pub mod packed;
