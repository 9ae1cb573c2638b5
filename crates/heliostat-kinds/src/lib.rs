//! The built-in kinds of Kubernetes: what they look like, and their protobuf as a serde format.
//!
//! [`schema`] answers what a kind, a resource or a field is: types, list types and keys, merge
//! strategies, defaults, scopes, columns. Its tables are generated from `data/` by `cargo xtask
//! kinds`, are constant, and cost nothing at start.
//!
//! The crate does no I/O and has no state. Any bytes are safe to read.

mod tables;

pub mod schema;

pub use tables::KUBERNETES_VERSION;
