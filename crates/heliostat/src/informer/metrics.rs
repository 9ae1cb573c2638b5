//! Metrics of informers; see [`crate::metrics`] for the facade and the label.
//!
//! | metric | type | what |
//! |---|---|---|
//! | `informer_queued_items` | gauge | changes that wait between the reflector and the store |
//! | `informer_processing_latency_seconds` | histogram | applying one batch and notifying the handlers of it |

use std::time::Duration;

use metrics::{Gauge, Histogram, gauge, histogram};

pub(super) struct InformerMetrics {
    queued_items: Gauge,
    processing_latency: Histogram,
}

impl InformerMetrics {
    pub(super) fn new(name: &str) -> Self {
        let label = || ("name", name.to_owned());
        Self {
            queued_items: gauge!("informer_queued_items", &[label()]),
            processing_latency: histogram!("informer_processing_latency_seconds", &[label()]),
        }
    }

    pub(super) fn worked(&self, duration: Duration, depth: usize) {
        self.processing_latency.record(duration.as_secs_f64());
        self.queued_items.set(depth as f64);
    }
}
