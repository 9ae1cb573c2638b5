//! `Controller`: what it reconciles, when, and how it ends.
//!
//! Sources are in memory, and time is tokio's paused clock; finalizers and owners are tried against the
//! embedded server.
#![cfg(all(feature = "memory", feature = "kube"))]

mod recorder;

#[path = "controller/support.rs"]
mod support;

#[path = "reflector/lines.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod lines;

#[path = "controller/lines_of_a_queue.rs"]
mod lines_of_a_queue;

#[path = "controller/reconcile.rs"]
mod reconcile;

#[path = "controller/errors.rs"]
mod errors;

#[path = "controller/inputs.rs"]
mod inputs;

#[path = "controller/shutdown.rs"]
mod shutdown;

#[path = "controller/metrics.rs"]
mod metrics;

#[path = "controller/cluster.rs"]
mod cluster;
