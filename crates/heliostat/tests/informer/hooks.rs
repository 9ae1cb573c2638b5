//! What an informer is set up with: transform, error handler, indexes; its names and its metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heliostat::{Entry, HandlerFuncs, HandlerOptions, IndexFunc, Status};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{Log, caught_up, key, listing, relist, silently, source};

#[tokio::test(start_paused = true)]
async fn i_25_the_store_and_all_handlers_have_the_transformed_objects() {
    let source = source(&["pod1"]);
    let log = Log::new();
    let informer = listing(&source)
        .transform(|object: String| {
            assert!(!object.ends_with('!'), "transformed twice");
            Ok::<_, String>(object.to_uppercase() + "!")
        })
        .resync_period(Duration::from_secs(1))
        .build();
    let (add, update, delete) = (log.clone(), log.clone(), log.clone());
    let handler = HandlerFuncs::new()
        .on_add(move |entry: &Entry<String>, _| add.write(format!("+{}", entry.object)))
        .on_update(move |old, new| {
            if old.header != new.header {
                update.write(format!("~{}>{}", old.object, new.object));
            }
        })
        .on_delete(move |last, _| delete.write(format!("-{}", last.object)));
    let _registration = informer.add_handler(handler).unwrap();
    informer.start();
    log.reach(1).await;
    source.wait_for_open_watches(1).await;
    source.create(key("pod2"), "two".to_owned()).unwrap();
    source.update(key("pod2"), "second".to_owned()).unwrap();
    source.delete(&key("pod1")).unwrap();
    caught_up(&source, &informer).await;
    // Resyncs tell the objects again, and transform none.
    tokio::time::sleep(Duration::from_secs(5)).await;
    relist(&source, &informer).await;
    assert_eq!(log.words(), ["+POD1!", "+TWO!", "~TWO!>SECOND!", "-POD1!"]);
    assert_eq!(
        *informer
            .indexer()
            .get(&"pod2".parse().unwrap())
            .unwrap()
            .object,
        "SECOND!"
    );
}

/// The version of the store follows every change, whatever a transform leaves of the objects.
#[tokio::test(start_paused = true)]
async fn i_26_the_version_of_the_store_does_not_depend_on_the_transformed_objects() {
    let source = source(&["a"]);
    let log = Log::new();
    let informer = listing(&source)
        .transform(|_| Ok::<_, String>(String::new()))
        .build();
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    log.reach(2).await;
    source.wait_for_open_watches(1).await;
    assert_eq!(informer.indexer().resource_version(), 2.into());
    source.update(key("a"), "2".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(informer.indexer().resource_version(), 3.into());
    source.delete(&key("a")).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(informer.indexer().resource_version(), 4.into());
    silently(&source, &informer, |source| {
        source.create(key("b"), "b".to_owned()).unwrap();
    })
    .await;
    assert_eq!(
        informer.indexer().resource_version(),
        source.revision().into()
    );
    assert_eq!(log.words(), ["+a@2!", "synced", "~a@2>3", "-a@4", "+b@5"]);
}

#[tokio::test(start_paused = true)]
async fn i_16_the_error_handler_is_told_of_a_list_that_is_refused() {
    let source = source(&[]);
    source.fail_next_list(Status::failure(403, "Forbidden", "Access Denied"));
    let log = Log::new();
    let errors = log.clone();
    let informer = listing(&source)
        .on_error(|_| panic!("the last one that is set counts"))
        .on_error(move |failed| errors.write(failed.error.to_string()))
        .build();
    informer.start();
    let words = log.reach(1).await;
    assert!(words[0].contains("Access Denied"), "{words:?}");
    informer.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(log.words().len(), 1);
}

/// Stopping, however much is in the queue, is no failure.
#[tokio::test(start_paused = true)]
async fn i_13_i_16_a_stop_is_no_error() {
    let source = source(&["a"]);
    let informer = listing(&source)
        .on_error(|failed| panic!("told of {}", failed.error))
        .build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    for number in 0..10_000 {
        source.update(key("a"), number.to_string()).unwrap();
    }
    tokio::task::yield_now().await;
    informer.shutdown().await;
    assert_eq!(informer.status().counts.failures, 0);
    assert_eq!(informer.status().counts.store_errors, 0);
}

/// The reference's story of indexes of a running informer.
#[tokio::test(start_paused = true)]
async fn i_20_indexes_are_added_before_the_start_while_it_runs_and_after_it_stopped() {
    let letters = || {
        IndexFunc::new(|entry: &Entry<String>| {
            entry
                .object
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    };
    let source = source(&[]);
    source.create(key("1"), "a b".to_owned()).unwrap();
    source.create(key("2"), "b".to_owned()).unwrap();
    let informer = listing(&source)
        .index("letters", letters())
        .unwrap()
        .build();
    assert!(
        listing(&source).index("namespace", letters()).is_err(),
        "the name is taken"
    );
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    let store = informer.indexer();
    let keys = |index: &str, value: &str| {
        let keys = store.index_keys(index, value).unwrap();
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(keys("letters", "a"), ["1"]);
    source.create(key("3"), "a".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(keys("letters", "a"), ["1", "3"]);
    store.add_index("running", letters()).unwrap();
    assert_eq!(keys("running", "a"), ["1", "3"]);
    source.update(key("3"), "b".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    for index in ["letters", "running"] {
        assert_eq!(keys(index, "a"), ["1"]);
        let values: Vec<_> = store
            .index_values(index)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(values, ["a", "b"]);
    }
    informer.shutdown().await;
    store.add_index("stopped", letters()).unwrap();
    assert_eq!(keys("stopped", "b"), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn p_17_h_33_informers_and_handlers_have_names() {
    let source = source(&[]);
    let informer = listing(&source).name("colours").build();
    assert_eq!(informer.name(), "colours");
    let by_type = informer.add_handler(Log::new()).unwrap();
    assert!(
        by_type.name().ends_with("::support::Log"),
        "{}",
        by_type.name()
    );
    let named = HandlerOptions::new().name("dashboard");
    let by_option = informer.add_handler_with(Log::new(), &named).unwrap();
    assert_eq!(by_option.name(), "dashboard");
    assert_eq!(
        format!("{by_option:?}"),
        r#"Registration { name: "dashboard", synced: false, .. }"#
    );
    let stream = informer.subscribe().unwrap();
    let handlers = informer.handlers();
    let names: Vec<_> = handlers.iter().map(|status| &*status.name).collect();
    assert_eq!(names, [by_type.name(), "dashboard", "subscription"]);
    drop(stream);
    assert_eq!(listing(&source).build().name(), "a collection in memory");
}

/// The last value of every gauge, the count of every histogram.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

struct Handle(Values, String);

impl Values {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
        Arc::new(Handle(
            self.clone(),
            format!("{} {}", key.name(), labels.join(",")),
        ))
    }

    fn of(&self, metric: &str) -> Option<f64> {
        self.0.lock().unwrap().get(metric).copied()
    }
}

impl Handle {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
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

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

#[tokio::test(start_paused = true)]
async fn f_20_p_16_an_informer_measures_its_queue_and_its_batches() {
    let values = Values::default();
    let _guard = metrics::set_default_local_recorder(&values);
    let source = source(&["a"]);
    let informer = listing(&source).name("measured").build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert_eq!(
        values.of("informer_processing_latency_seconds measured"),
        Some(1.0)
    );
    // Two changes of one object are two batches.
    source.update(key("a"), "2".to_owned()).unwrap();
    source.update(key("a"), "3".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(
        values.of("informer_processing_latency_seconds measured"),
        Some(3.0)
    );
    assert_eq!(values.of("informer_queued_items measured"), Some(0.0));
}
