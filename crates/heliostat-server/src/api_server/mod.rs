//! The server's logic as plain data and functions: no socket, no clock, no randomness. Time and
//! entropy are arguments.
//!
//! From the outside in: `route`, `query` and `negotiate` read a request; `options` turns it into a
//! plan and `body` its body into an object; `storage` (with `write`, `rules`, `validate`, `patch`,
//! `crd`) carries plans out; `view`, `table`, `binary` and `yaml` write answers; `watch` decides what
//! a watcher sees; `discovery` describes the server; `fault` keeps the book of failures to produce.

mod binary;
pub(crate) mod body;
mod builtin;
mod crd;
pub(crate) mod discovery;
mod encode;
pub(crate) mod event_type;
pub(crate) mod fault;
pub(crate) mod history;
pub(crate) mod kind;
pub(crate) mod media;
pub(crate) mod negotiate;
pub(crate) mod object;
pub(crate) mod options;
pub(crate) mod patch;
pub(crate) mod query;
mod registry;
pub(crate) mod route;
pub(crate) mod rules;
mod selector;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod table;
mod token;
mod validate;
pub(crate) mod view;
pub(crate) mod watch;
pub(crate) mod write;
mod yaml;
