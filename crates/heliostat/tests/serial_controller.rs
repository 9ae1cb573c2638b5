//! `SerialController`: the loop that is called for what changed, against the source in memory.
//!
//! Time is tokio's paused clock: it moves only when nothing else can.
#![cfg(feature = "memory")]

#[path = "serial_controller/support.rs"]
mod support;

#[path = "serial_controller/run.rs"]
mod run;

#[path = "reflector/lines.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod lines;

#[path = "serial_controller/retry.rs"]
mod retry;

#[path = "serial_controller/handler.rs"]
mod handler;
