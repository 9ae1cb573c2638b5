//! The generated tables. `cargo xtask kinds` writes every other file of this folder from `data/`.
//!
//! Rows refer to each other by index, and to text by position in one string: there is nothing to
//! relocate or to parse when a program starts.

mod constraints;
mod fields;
mod kinds;
mod messages;
mod numbers;
mod resources;
mod slots;
mod text;
mod version;

pub(crate) use constraints::{CONSTRAINTS, LISTS};
pub(crate) use fields::FIELDS;
pub(crate) use kinds::KINDS;
pub(crate) use messages::{
    JSON_SCHEMA_PROPS, MESSAGES, SCHEMA_OR_ARRAY, SCHEMA_OR_BOOL, SCHEMA_OR_STRINGS, STRING_LIST,
    TYPE_META,
};
pub(crate) use numbers::NUMBERS;
pub(crate) use resources::{COLUMNS, RESOURCES, SUBRESOURCES};
pub(crate) use slots::SLOTS;
pub(crate) use text::TEXT;
pub use version::KUBERNETES_VERSION;
