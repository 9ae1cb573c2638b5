//! The built-in kinds of Kubernetes: what they look like, and their protobuf as a serde format.
//!
//! [`schema`] answers what a kind, a resource or a field is: types, list types and keys, merge
//! strategies, defaults, scopes, columns. Its tables are generated from `data/` by `cargo xtask
//! kinds`, are constant, and cost nothing at start.
//!
//! [`from_protobuf`] decodes an object into any type that reads its JSON, without JSON between;
//! [`to_json`] writes the JSON of an object as the server does. [`Object`] does both also for
//! objects without an envelope, like the items of a list.
//!
//! The crate does no I/O and has no state. Any bytes are safe to read.

mod tables;

pub mod schema;

mod de;
mod error;
mod field_set;
mod json;
mod object;
mod read;
mod text;
mod time;
mod wire;

pub use de::Deserializer;
pub use error::{ReadError, ReadErrorKind};
pub use object::{Envelope, MAGIC, Object, from_message, from_protobuf, to_json};
pub use read::{DEPTH_MAX, JSON_DEPTH_MAX};
pub use tables::KUBERNETES_VERSION;
