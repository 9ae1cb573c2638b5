//! `Recorder`: a recorder of metrics that a test reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata,
    SharedString, Unit,
};

/// Keeps the metrics that were recorded. A clone is another handle to the same values.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<BTreeMap<String, Recorded>>>);

/// What was recorded of one metric with its labels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Recorded {
    /// The last value of a gauge, the sum of a counter or a histogram.
    pub(crate) value: f64,
    /// How often it was recorded.
    pub(crate) times: u64,
}

impl Recorder {
    /// Returns what was recorded of a metric with exactly these labels.
    pub(crate) fn of(&self, metric: &str, labels: &[(&str, &str)]) -> Option<Recorded> {
        let labels = labels.iter().map(|(name, value)| (*name, *value));
        self.lock().get(&text(metric, labels)).copied()
    }

    /// Returns true if nothing was recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Recorded>> {
        self.0.lock().unwrap()
    }

    fn metric(&self, key: &Key) -> Arc<Metric> {
        let labels = key
            .labels()
            .map(|label: &Label| (label.key(), label.value()));
        Arc::new(Metric(self.clone(), text(key.name(), labels)))
    }
}

/// A metric with its labels, as text.
fn text<'a>(metric: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    labels.sort();
    format!("{metric} {}", labels.join(","))
}

/// One metric of a recorder.
struct Metric(Recorder, String);

impl Metric {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        let mut all = self.0.lock();
        let recorded = all.entry(self.1.clone()).or_default();
        change(&mut recorded.value);
        recorded.times += 1;
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.change(|sum| *sum += value as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|sum| *sum = value as f64);
    }
}

impl GaugeFn for Metric {
    fn increment(&self, value: f64) {
        self.change(|now| *now += value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| *now -= value);
    }

    fn set(&self, value: f64) {
        self.change(|now| *now = value);
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.change(|sum| *sum += value);
    }
}

impl ::metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }
}
