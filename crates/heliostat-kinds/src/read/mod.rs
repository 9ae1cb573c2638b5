//! Reading messages: what is where, which fields JSON shows, and what their values are.
//!
//! A message is passed over once and the places of its fields are noted ([`index`]), since fields may
//! come in any order and more than once; then its fields are visited in the order of the Go struct
//! ([`fields`]). Structs that take fields in any order get those of the bytes as they come
//! ([`stream`]). Both the deserializer and the JSON writer walk over an object in this way, so they
//! see the same.

mod entries;
mod fields;
mod index;
mod occurrences;
mod stream;
mod value;

pub(crate) use entries::Entries;
pub(crate) use fields::{Fields, Order, TypeMeta};
pub(crate) use index::Reader;
pub(crate) use occurrences::{Content, Elements};
pub(crate) use value::Value;

/// The most messages in each other. A schema of a custom resource in a schema is one level.
///
/// `serde_json` has the same limit. Every level is a call in the program's stack.
pub const DEPTH_MAX: usize = 128;
