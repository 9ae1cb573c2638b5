//! Sources: those that come with the library, and what an author of one needs.
//!
//! | | |
//! |---|---|
//! | [`kube`] | a Kubernetes API: typed, dynamic, metadata-only *(feature `kube`)* |
//! | [`etcd`] | an etcd: any prefix, and what kube-apiserver stores *(feature `etcd`)* |
//! | [`memory`] | a collection in process *(feature `memory`)* |
//! | [`PackedSource`] | packs the objects of another source |
//! | [`VersionProbe`] | asks a source for its version, to answer consistent reads |
//!
//! A source of your own implements [`ListerWatcher`](crate::ListerWatcher): it answers [`ListOptions`]
//! with a stream of [`ListPart`]s and [`WatchOptions`] with a stream of [`WatchEvent`]s. The crate
//! `heliostat-conformance` checks it. [`Codec`] is what decodes the objects of a Kubernetes API.

#[cfg(feature = "kube")]
pub mod kube;

#[cfg(feature = "etcd")]
pub mod etcd;

#[cfg(feature = "memory")]
pub mod memory;

#[cfg(any(feature = "etcd", feature = "kube"))]
mod decode_thread;

mod packed;

mod version_probe;

pub use heliostat_core::error::{DecodeError, TransportError, TransportErrorKind};
pub use heliostat_core::event::{
    ChangeKind, Item, ListMetadata, ListPart, Rejection, RejectionReason, WatchEvent,
};
pub use heliostat_core::options::{ListOptions, ResourceVersionMatch, WatchOptions};
pub use heliostat_core::status::{StatusCause, StatusDetails, StatusMetadata};
pub use heliostat_core::wire::Codec;

pub use crate::list_watch::{ListStream, WatchStream};
pub use heliostat_core::version::VersionProgress;
pub use packed::PackedSource;
pub use version_probe::{ProbeError, VersionProbe};
