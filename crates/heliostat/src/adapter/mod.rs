//! Bridges to other people's machinery: what stands on a mirror of theirs stands on one of ours.
//!
//! An adapter translates words and types. It mirrors nothing itself, and keeps no second copy of the
//! objects.

#[cfg(feature = "kube-runtime")]
pub mod kube_runtime;
