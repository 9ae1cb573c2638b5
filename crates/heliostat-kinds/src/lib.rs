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
//! [`to_protobuf`] writes the object of a JSON text as protobuf, [`TextOptions`] also of YAML and with
//! the server's validation of fields, and [`to_protobuf_of`] any type that is serialized as its JSON.
//!
//! The crate does no I/O and has no state. Any bytes are safe to read.

mod tables;

pub mod schema;

mod de;
mod error;
mod json;
mod object;
mod read;
mod text;
mod time;
mod wire;
mod write;

pub use de::Deserializer;
pub use error::{ReadError, ReadErrorKind};
pub use object::{Envelope, MAGIC, Object, from_message, from_protobuf, to_json};
pub use read::DEPTH_MAX;
pub use tables::KUBERNETES_VERSION;
pub use write::{
    FieldValidation, TextOptions, WriteError, WriteErrorKind, Written, to_message_of, to_protobuf,
    to_protobuf_of, unknown_fields,
};
