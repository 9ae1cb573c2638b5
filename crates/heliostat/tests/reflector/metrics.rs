//! The metrics that a reflector feeds, as a recorder sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heliostat::Reflector;
use heliostat::testing::{WatchEnd, WatchFault};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{caught_up, key, list_config, source};

/// The last value of every gauge, the sum of every counter, the count of every histogram.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

struct Handle(Values, String);

impl Values {
    fn of(&self, metric: &str, reflector: &str) -> Option<f64> {
        self.0
            .lock()
            .unwrap()
            .get(&format!("{metric} {reflector}"))
            .copied()
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        let name = key
            .labels()
            .find(|label| label.key() == "name")
            .map_or("", |label| label.value());
        Arc::new(Handle(self.clone(), format!("{} {name}", key.name())))
    }
}

impl Handle {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.change(|sum| *sum += value as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|sum| *sum = value as f64);
    }
}

impl GaugeFn for Handle {
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

impl HistogramFn for Handle {
    fn record(&self, _value: f64) {
        self.change(|count| *count += 1.0);
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

#[tokio::test(start_paused = true)]
async fn m_01_m_03_a_reflector_feeds_the_metrics_that_operators_know() {
    let values = Values::default();
    let _guard = metrics::set_default_local_recorder(&values);
    let source = source(&["a", "b"]);
    source.on_next_watch(WatchFault::EndAfter {
        events: 0,
        end: WatchEnd::Close,
    });
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.name("m_01").config(list_config()).start();
    tokio::time::sleep(Duration::from_secs(10)).await;
    source.wait_for_open_watches(1).await;
    source.create(key("c"), "c".to_owned()).unwrap();
    caught_up(&source, &store).await;
    source.close_watches();
    source.wait_for_requests(5).await;
    mirror.shutdown().await;
    let value = |metric: &str| values.of(metric, "m_01");
    assert_eq!(value("reflector_lists_total"), Some(2.0));
    assert_eq!(value("reflector_list_duration_seconds"), Some(2.0));
    assert_eq!(value("reflector_items_per_list"), Some(2.0));
    assert_eq!(value("reflector_watches_total"), Some(3.0));
    assert_eq!(value("reflector_short_watches_total"), Some(1.0));
    assert_eq!(value("reflector_watch_duration_seconds"), Some(2.0));
    assert_eq!(value("reflector_items_per_watch"), Some(2.0));
    assert_eq!(value("reflector_last_resource_version"), Some(4.0));
    assert_eq!(value("informer_store_resource_version"), Some(4.0));
    assert_eq!(value("reflector_synced"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn m_02_m_05_the_recorder_is_the_one_in_force_when_the_reflector_starts() {
    let values = Values::default();
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = {
        let _guard = metrics::set_default_local_recorder(&values);
        reflector.name("m_02").start()
    };
    store.wait_synced(Duration::MAX).await.unwrap();
    mirror.shutdown().await;
    assert_eq!(values.of("reflector_watches_total", "m_02"), Some(1.0));
}
