//! `Controller`: the loop that is called for what changed, against the source in memory.
//!
//! Time is tokio's paused clock: it moves only when nothing else can.
#![cfg(feature = "memory")]

#[path = "controller/support.rs"]
mod support;

#[path = "controller/run.rs"]
mod run;

#[path = "controller/retry.rs"]
mod retry;

#[path = "controller/handler.rs"]
mod handler;
