//! The metrics that a reflector feeds, as a recorder sees them.

use std::time::Duration;

use heliostat::Reflector;
use heliostat::testing::{WatchEnd, WatchFault};

use crate::recorder::Recorder;
use crate::support::{caught_up, key, list_config, source};

#[tokio::test(start_paused = true)]
async fn m_01_m_03_a_reflector_feeds_the_metrics_that_operators_know() {
    let values = Recorder::default();
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
    let recorded = |metric: &str| values.of(metric, &[("name", "m_01")]);
    let value = |metric: &str| recorded(metric).map(|recorded| recorded.value);
    let times = |metric: &str| recorded(metric).map(|recorded| recorded.times);
    assert_eq!(value("reflector_lists_total"), Some(2.0));
    assert_eq!(times("reflector_list_duration_seconds"), Some(2));
    assert_eq!(times("reflector_items_per_list"), Some(2));
    assert_eq!(value("reflector_watches_total"), Some(3.0));
    assert_eq!(value("reflector_short_watches_total"), Some(1.0));
    assert_eq!(times("reflector_watch_duration_seconds"), Some(2));
    assert_eq!(times("reflector_items_per_watch"), Some(2));
    assert_eq!(value("reflector_last_resource_version"), Some(4.0));
    assert_eq!(value("informer_store_resource_version"), Some(4.0));
    assert_eq!(value("reflector_synced"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn m_02_m_05_the_recorder_is_the_one_in_force_when_the_reflector_starts() {
    let values = Recorder::default();
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = {
        let _guard = metrics::set_default_local_recorder(&values);
        assert!(values.is_empty(), "nothing is recorded before the start");
        reflector.name("m_02").start()
    };
    store.wait_synced(Duration::MAX).await.unwrap();
    mirror.shutdown().await;
    let watches = values.of("reflector_watches_total", &[("name", "m_02")]);
    assert_eq!(watches.unwrap().value, 1.0);
}
