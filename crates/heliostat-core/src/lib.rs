//! The list/watch engine of Heliostat as pure state machines.
//!
//! Nothing here opens a socket, reads a clock or draws randomness of its own: time, bytes and
//! replies come in as arguments, and what to do next goes out as values. Every race, loss and delay
//! of a real network can therefore be produced by a seed and replayed exactly.
//!
//! A map of the rooms, in the order in which data passes through them:
//!
//! | module | what lives there |
//! |---|---|
//! | [`options`] | what a list or a watch asks for |
//! | [`wire`] | bytes into lists and events, part by part |
//! | [`raw`] | objects as the bytes they came in, with their fields read when asked for |
//! | [`packed`] | objects as compressed bytes, decoded while somebody reads them |
//! | [`etcd`] | what kube-apiserver stores in etcd, as such objects |
//! | [`event`], [`object`], [`version`] | what the bytes mean: entries, events, versions |
//! | [`status`], [`error`] | what went wrong, with the predicates that decide what follows |
//! | [`reflector`] | the machine that lists, watches and keeps a store true |
//! | [`budget`] | one limit for the expensive requests of all reflectors of a process |
//! | [`store`] | the store contract, and keyed objects with named indexes |
//! | [`queue`] | queues that turn changes into work |
//! | [`informer`] | one mirror, many listeners: what is told to whom |
//! | [`selector`] | label selectors: which objects are asked for |
//! | [`printable`] | text from outside, escaped and cut before it is printed |
//! | [`log_limit`] | a limit for log lines of one kind |
//! | [`time`], [`rng`] | the only time and the only randomness the engine knows |
#![deny(missing_docs)]

pub mod time;

pub mod rng;

pub mod version;

pub mod object;

pub mod status;

pub mod error;

pub mod options;

pub mod event;

pub mod wire;

pub mod raw;

pub mod packed;

pub mod etcd;

pub mod reflector;

pub mod budget;

pub mod store;

pub mod queue;

mod notification;

pub mod informer;

pub mod selector;

pub mod printable;

pub mod log_limit;
