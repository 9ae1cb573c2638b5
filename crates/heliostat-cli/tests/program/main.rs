//! The program as its users run it: the real binary, over real HTTP, with real signals.
//!
//! Nothing sleeps: a test waits for lines, for the end of a process, or for an answer, each with a
//! deadline that nothing reaches unless it is broken.

mod common;

mod fake;

mod once;

mod several;

mod protobuf;

mod convert;

mod follow;

mod failures;

mod hostile;

mod whole;

mod kubectl;

mod serve;

mod configuration;

#[path = "../../../heliostat/tests/etcd_server/mod.rs"]
mod etcd_server;

mod etcd;
