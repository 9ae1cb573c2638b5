//! The server's logic as plain data and functions: no socket, no clock, no randomness. Time and
//! entropy are arguments.
//!
//! From the outside in: `route` and `negotiate` read a request, and `body` turns its body into an object;
//! `storage` (with `write`, `rules`, `validate`, `patch`, `crd`) carries out the plans of a
//! [collection](crate::collection); `view`, `table` and `yaml` write answers; `discovery` describes the
//! server; `fault` keeps the book of failures to produce.

pub(crate) mod body;
mod crd;
pub(crate) mod discovery;
pub(crate) mod fault;
pub(crate) mod media;
pub(crate) mod negotiate;
pub(crate) mod patch;
pub(crate) mod route;
pub(crate) mod rules;
pub(crate) mod storage;
pub(crate) mod table;
mod validate;
pub(crate) mod view;
pub(crate) mod write;
mod yaml;
