//! What a store is told, and in which order.

use std::time::Duration;

use heliostat::Reflector;
use heliostat::reflector::RejectPolicy;
use heliostat::source::WatchEvent;

use crate::support::{Recorder, key, list_config, source, stream_config, until};

#[tokio::test(start_paused = true)]
async fn w_13_r_24_the_version_is_told_after_each_change_and_not_for_a_list() {
    let source = source(&["a"]);
    let recorder = Recorder::default();
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config())
        .start();
    source.wait_for_open_watches(1).await;
    source.update(key("a"), "2".to_owned()).unwrap();
    source.create(key("b"), "3".to_owned()).unwrap();
    source.delete(&key("a")).unwrap();
    source.advance();
    source.bookmark();
    until(&mirror, |status| status.resource_version == 6.into()).await;
    let calls = [
        "begin",
        "stage a",
        "commit 2",
        "update a",
        "version 3",
        "add b",
        "version 4",
        "delete a",
        "version 5",
        "bookmark 6",
        "version 6",
    ];
    assert_eq!(recorder.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn r_25_bookmarks_reach_every_store() {
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.advance();
    source.bookmark();
    store.wait_for(&3.into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w_12_a_change_that_the_store_refuses_is_reported_and_the_version_goes_on() {
    let source = source(&["a"]);
    let recorder = Recorder::default();
    recorder.fail_on("update a");
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config())
        .start();
    source.wait_for_open_watches(1).await;
    source.update(key("a"), "2".to_owned()).unwrap();
    source.create(key("b"), "3".to_owned()).unwrap();
    until(&mirror, |status| status.resource_version == 4.into()).await;
    let status = mirror.status();
    assert_eq!(status.counts.store_errors, 1);
    assert!(status.last_error.unwrap().message.contains("told to fail"));
    assert!(
        recorder
            .calls()
            .ends_with(&["add b".to_owned(), "version 4".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn l_08_a_list_that_the_store_refuses_is_listed_again() {
    let source = source(&["a"]);
    let recorder = Recorder::default();
    recorder.fail_on("commit 2");
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config())
        .start();
    until(&mirror, |status| status.counts.failures == 1).await;
    assert!(mirror.status().resource_version.is_unset());
    source.create(key("b"), "b".to_owned()).unwrap();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(mirror.status().resource_version, 3.into());
}

#[tokio::test(start_paused = true)]
async fn wl_11_a_watch_list_that_the_store_refuses_closes_its_stream_and_lists() {
    let source = source(&["a"]);
    let recorder = Recorder::default();
    recorder.fail_on("commit 2");
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(stream_config())
        .start();
    until(&mirror, |status| status.counts.watch_list_fallbacks == 1).await;
    source.advance();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
}

#[tokio::test(start_paused = true)]
async fn w_19_a_failed_resync_ends_the_round_without_the_handler() {
    let source = source(&["a"]);
    let recorder = Recorder::default();
    recorder.fail_on("resync");
    let period = Duration::from_secs(5);
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config().resync_period(period))
        .on_error(|failed| panic!("the handler must not hear of {}", failed.error))
        .start();
    source.wait_for_requests(4).await;
    assert_eq!(mirror.status().last_error.unwrap().class, "resync");
    let lists = recorder
        .calls()
        .iter()
        .filter(|call| call.starts_with("commit"))
        .count();
    assert_eq!(lists, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_delete_takes_its_object_away_and_the_policy_drop_any_unreadable_one() {
    let source = source(&["a", "b"]);
    let recorder = Recorder::default();
    let config = list_config().reject_policy(RejectPolicy::Drop);
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(config)
        .start();
    source.wait_for_open_watches(1).await;
    source.reject(key("a"));
    source.reject(key("b"));
    source.update(key("a"), "3".to_owned()).unwrap();
    source.delete(&key("b")).unwrap();
    until(&mirror, |status| status.resource_version == 5.into()).await;
    let calls = recorder.calls();
    assert!(calls.contains(&"delete a unread".to_owned()), "{calls:?}");
    assert!(calls.contains(&"delete b unread".to_owned()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn w_11_an_unknown_event_is_reported_and_moves_the_version() {
    let source = source(&["a"]);
    let recorder = Recorder::default();
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config())
        .start();
    source.wait_for_open_watches(1).await;
    source.send(&WatchEvent::Unknown {
        event_type: "SHUFFLED".to_owned(),
        resource_version: 10.into(),
    });
    until(&mirror, |status| status.resource_version == 10.into()).await;
    assert!(
        mirror
            .status()
            .last_error
            .unwrap()
            .message
            .contains("SHUFFLED")
    );
}
