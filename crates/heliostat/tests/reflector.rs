//! The driver: what a reflector does around its machine, against the source in memory.
//!
//! Time is tokio's paused clock: it moves only when nothing else can.
#![cfg(feature = "memory")]

mod recorder;

#[path = "reflector/support.rs"]
mod support;

#[path = "reflector/identity.rs"]
mod identity;

#[path = "reflector/hooks.rs"]
mod hooks;

#[path = "reflector/run.rs"]
mod run;

#[path = "reflector/store.rs"]
mod store;

#[path = "reflector/recovery.rs"]
mod recovery;

#[path = "reflector/metrics.rs"]
mod metrics;

#[path = "reflector/progress.rs"]
mod progress;

#[path = "reflector/lines.rs"]
mod lines;

#[path = "reflector/logs.rs"]
mod logs;

#[path = "reflector/limits.rs"]
mod limits;
