//! Which objects are reconciled, how often, and how many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heliostat::controller::predicates;
use heliostat::{Action, Controller};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::ResourceExt as _;
use serde_json::json;
use tokio::sync::Notify;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn what_is_there_and_what_changes_is_reconciled_once() {
    let source = source(&["a", "b"]);
    let calls = Calls::new();
    let running = start_done(controller(&source), &calls);
    settle().await;
    assert_eq!(calls.names(), ["a", "b"]);
    touch(&source, "c");
    touch(&source, "a");
    settle().await;
    assert_eq!(calls.names(), ["c", "a"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_not_reconciled() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |_, _| async {
        Ok(Action::After(seconds(5)))
    });
    settle().await;
    assert_eq!(calls.names(), ["a"]);
    source.delete(&key("a")).unwrap();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.names(), [""; 0]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_call_lead_to_one_more_with_the_newest_state() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let newest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&newest);
    let running = start(
        controller(&source),
        &calls,
        move |map: Arc<ConfigMap>, _| {
            let version = map
                .labels()
                .get("version")
                .map_or(0, |it| it.parse().unwrap());
            seen.store(version, Ordering::SeqCst);
            async {
                tokio::time::sleep(seconds(10)).await;
                Ok(Action::Done)
            }
        },
    );
    settle().await;
    for version in 1..=5 {
        put(
            &source,
            "a",
            &json!({"labels": {"version": version.to_string()}}),
        );
    }
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.seconds(), [0, 10]);
    assert_eq!(newest.load(Ordering::SeqCst), 5);
    running.end().await;
}

/// Counts calls that overlap.
#[derive(Default)]
struct Overlap {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Overlap {
    async fn call(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(seconds(1)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_objects_are_reconciled_at_a_time_as_the_concurrency_says() {
    for concurrency in [1, 3] {
        let source = source(&["a", "b", "c", "d", "e", "f"]);
        let (calls, overlap) = (Calls::new(), Arc::new(Overlap::default()));
        let of_calls = Arc::clone(&overlap);
        let running = start(
            controller(&source).concurrency(concurrency),
            &calls,
            move |_, _| {
                let overlap = Arc::clone(&of_calls);
                async move {
                    overlap.call().await;
                    Ok(Action::Done)
                }
            },
        );
        tokio::time::sleep(seconds(30)).await;
        assert_eq!(overlap.most.load(Ordering::SeqCst), concurrency);
        assert_eq!(calls.names().len(), 6);
        running.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_object_is_reconciled_by_one_call_at_a_time() {
    let source = source(&["a"]);
    let (calls, overlap) = (Calls::new(), Arc::new(Overlap::default()));
    let of_calls = Arc::clone(&overlap);
    let running = start(controller(&source).concurrency(8), &calls, move |_, _| {
        let overlap = Arc::clone(&of_calls);
        async move {
            overlap.call().await;
            Ok(Action::Done)
        }
    });
    for _ in 0..20 {
        touch(&source, "a");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(overlap.most.load(Ordering::SeqCst), 1);
    assert_eq!(calls.seconds(), [0, 1, 2, 3, 4, 5]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_goes_before_what_was_there_first() {
    let source = source(&["a", "b", "c"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |_, _| async {
        tokio::time::sleep(seconds(1)).await;
        Ok(Action::Done)
    });
    settle().await;
    touch(&source, "new");
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(calls.names(), ["a", "new", "b", "c"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_debounced_object_is_reconciled_when_it_was_quiet() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let running = start_done(controller(&source).debounce(seconds(5)), &calls);
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(calls.seconds(), [5]);
    for _ in 0..4 {
        touch(&source, "a");
        tokio::time::sleep(seconds(3)).await;
    }
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(
        calls.seconds(),
        [10 + 3 * 3 + 5],
        "once, after the last change"
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn only_changes_that_the_filters_admit_are_reconciled() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let controller = controller(&source)
        .filter(predicates::any_of(
            predicates::labels,
            predicates::finalizers,
        ))
        .filter(|_, map| map.name_any() != "ignored");
    let running = start_done(controller, &calls);
    settle().await;
    assert_eq!(calls.names(), ["a"]);
    let mut reconciled = Vec::new();
    for more in [
        json!({"annotations": {"x": "1"}}),
        json!({"labels": {"x": "1"}}),
        json!({"labels": {"x": "1"}, "annotations": {"x": "2"}}),
        json!({"labels": {"x": "1"}, "finalizers": ["f"]}),
    ] {
        put(&source, "a", &more);
        settle().await;
        reconciled.push(calls.names().len());
    }
    assert_eq!(reconciled, [0, 1, 0, 1]);
    touch(&source, "ignored");
    settle().await;
    assert_eq!(calls.names(), [""; 0]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_generation_counts_where_there_is_one() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let running = start_done(controller(&source).filter(predicates::generation), &calls);
    settle().await;
    let mut reconciled = Vec::new();
    for more in [
        json!({"generation": 1}),
        json!({"generation": 1, "labels": {"x": "1"}}),
        json!({"generation": 2}),
        json!({}),
        json!({"labels": {"x": "1"}}),
    ] {
        calls.names();
        put(&source, "a", &more);
        settle().await;
        reconciled.push(calls.names().len());
    }
    assert_eq!(reconciled, [1, 0, 1, 1, 1]);
    // Created again during a gap, it is another object.
    source.delete(&key("a")).unwrap();
    put(&source, "a", &json!({"generation": 1}));
    settle().await;
    assert_eq!(calls.names(), ["a"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reconciled_before_all_mirrors_are_synced() {
    let (source, owned) = (source(&["a"]), Source::new());
    let waits = Arc::new(Notify::new());
    owned.fail_next_list(heliostat::testing::connection_refused());
    owned.set_watch_list_mode(heliostat::testing::WatchListMode::Refused);
    let controller = controller(&source).watches(owned.clone(), |_| []);
    assert!(controller.store_of::<ConfigMap>().unwrap().is_empty());
    assert!(controller.store_of::<String>().is_none());
    let (store, main) = (
        controller.store_of::<ConfigMap>().unwrap(),
        controller.store(),
    );
    let calls = Calls::new();
    let done = Arc::clone(&waits);
    let running = start(controller, &calls, move |_, _| {
        assert!(store.is_synced() && main.is_synced());
        done.notify_one();
        async { Ok(Action::Done) }
    });
    settle().await;
    assert_eq!(calls.names(), [""; 0]);
    waits.notified().await;
    running.end().await;
}

/// Whatever is a function of an object and a context will do, and the context needs no `Arc`.
#[tokio::test(start_paused = true)]
async fn closures_and_async_closures_are_reconcilers() {
    async fn with<R>(reconcile: impl Fn(Arc<ConfigMap>, Arc<Notify>) -> R + Send + Sync + 'static)
    where
        R: Future<Output = Result<Action, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let called = Arc::new(Notify::new());
        let stop = Arc::clone(&called);
        Controller::new(source(&["a"]))
            .shutdown_on(async move { stop.notified().await })
            .run(reconcile, called)
            .await
            .unwrap();
    }
    with(async |_, called| {
        called.notify_one();
        Ok(Action::Done)
    })
    .await;
    let outside = Arc::new(Calls::new());
    with(move |map, called| {
        let outside = Arc::clone(&outside);
        async move {
            outside.record(&map);
            called.notify_one();
            Err("it is an error".into())
        }
    })
    .await;
}
