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

/// The most objects and lists in each other that are decoded, counted as in JSON.
///
/// `serde_json` reads as many. Every level is several calls on the program's stack, which without
/// optimisation and for the largest types need 13 KiB; a thread of tokio or of a test has 2 MiB.
pub const DEPTH_MAX: usize = 127;

/// The most objects and lists in each other that are written as JSON text.
///
/// A level needs less of the stack than a decoded one, 4 KiB at most.
pub const JSON_DEPTH_MAX: usize = 256;
