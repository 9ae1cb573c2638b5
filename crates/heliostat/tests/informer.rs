//! Informers: what handlers and subscriptions are told, when, and how all of it ends, against the
//! source in memory.
//!
//! Time is tokio's paused clock: it moves only when nothing else can, so a sleep is over when
//! everything that could happen has happened.
#![cfg(feature = "memory")]

#[path = "informer/support.rs"]
mod support;

#[path = "informer/told.rs"]
mod told;

#[path = "informer/many.rs"]
mod many;

#[path = "informer/gaps.rs"]
mod gaps;

#[path = "informer/resync.rs"]
mod resync;

#[path = "informer/late.rs"]
mod late;

#[path = "informer/removal.rs"]
mod removal;

#[path = "informer/life.rs"]
mod life;

#[path = "reflector/lines.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod lines;

#[path = "informer/panics.rs"]
mod panics;

#[path = "informer/load.rs"]
mod load;

#[path = "informer/hooks.rs"]
mod hooks;

#[path = "informer/adapters.rs"]
mod adapters;
