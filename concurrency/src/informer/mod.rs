//! The pipeline of an informer, and the slots of its handlers.

#[path = "../../../crates/heliostat/src/informer/metrics.rs"]
mod metrics;

#[expect(
    dead_code,
    unreachable_pub,
    reason = "public there; the stories choose a few options"
)]
#[path = "../../../crates/heliostat/src/informer/options.rs"]
mod options;

#[expect(dead_code, reason = "the stories need no resyncs")]
#[path = "../../../crates/heliostat/src/informer/pipeline.rs"]
mod pipeline;

#[expect(
    dead_code,
    unreachable_pub,
    reason = "public there; the stories handle in no time, and never panic"
)]
#[path = "../../../crates/heliostat/src/informer/slot.rs"]
mod slot;

mod tests;
