//! Collections: the objects of one kind by key, with their history, and the rules of reading them.
//!
//! Pure, and read by everything that serves: the writable storage of `api_server` and the mirrors of
//! `watch_cache` are made of collections, and the HTTP room reads from collections alone.
//!
//! | module | what lives there |
//! |---|---|
//! | `kind`, `builtin`, `registry` | what is known of a kind of objects; the built-in ones; those that are served |
//! | `query`, `selector`, `token`, `options` | from the parameters of a list or a watch to a plan |
//! | `object`, `source` | an object: its facts and its bytes, as a storage or a source has them |
//! | `representations`, `json`, `encode`, `binary` | what an object is for clients, each made once |
//! | `state`, `reading` | [`Collection`](state::Collection), and reading a state of it |
//! | `event`, `log`, `seen` | the window of events, and what a watcher sees of an event |
//! | `scope` | which events can concern a watch |
//! | `tombstones` | deletions that have left the window, for clients that were away for long |
//! | `status`, `event_type` | what a client gets instead of an object; the types of events |

pub(crate) mod binary;
pub(crate) mod builtin;
mod encode;
pub(crate) mod event;
pub(crate) mod event_type;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod log;
pub(crate) mod object;
pub(crate) mod options;
pub(crate) mod query;
pub(crate) mod reading;
pub(crate) mod registry;
pub(crate) mod representations;
pub(crate) mod scope;
pub(crate) mod seen;
pub(crate) mod selector;
pub(crate) mod source;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod tombstones;
