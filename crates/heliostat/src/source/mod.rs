//! The sources that come with the library, each behind its own feature.

#[cfg(feature = "kube")]
pub mod kube;

#[cfg(feature = "memory")]
pub mod memory;
