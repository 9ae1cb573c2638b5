//! A mirror that stays true: list a collection, watch it, and keep a store faithful to it.
#![deny(missing_docs)]

pub mod list_watch;

pub mod source;

pub mod store;

pub use heliostat_core as core;
