//! The sources that come with the library, each behind its own feature.

#[cfg(feature = "memory")]
pub mod memory;
