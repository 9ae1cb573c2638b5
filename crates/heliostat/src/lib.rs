//! A mirror that stays true: list a collection, watch it, and keep a store faithful to it.
#![deny(missing_docs)]

pub mod list_watch;

pub mod source;

pub mod store;

pub mod budget;

pub mod reflector;

pub mod status;

pub mod metrics;

mod driver;

pub use heliostat_core as core;
pub use list_watch::ListerWatcher;
pub use reflector::{Reflector, ReflectorHandle};
pub use store::Indexer;
