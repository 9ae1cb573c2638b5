//! From one failure to the next good state, end to end.

use std::time::Duration;

use heliostat::source::{TransportError, TransportErrorKind};
use heliostat::testing::{ListFault, WatchListMode};
use heliostat::{Reflector, Status};

use crate::support::{caught_up, key, keys, list_config, source, stream_config, until, words};

#[tokio::test(start_paused = true)]
async fn deletes_of_a_gap_are_found_by_the_relist() {
    let source = source(&["a", "b", "c"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.close_watches();
    source.delete(&key("b")).unwrap();
    source.expire();
    caught_up(&source, &store).await;
    assert_eq!(keys(&store), ["a", "c"]);
    drop(mirror);
}

#[tokio::test(start_paused = true)]
async fn a_404_or_403_never_empties_the_store() {
    for status in [
        Status::failure(404, "", "404 page not found"),
        Status::failure(403, "Forbidden", "no"),
    ] {
        let source = source(&["a"]);
        let (reflector, store) = Reflector::with_indexer(source.clone());
        let mirror = reflector.config(list_config()).start();
        mirror.wait_synced(Duration::MAX).await.unwrap();
        source.wait_for_open_watches(1).await;
        for _ in 0..3 {
            source.fail_next_list(status.clone());
        }
        source.fail_next_watch(status.clone());
        source.close_watches();
        source.expire();
        until(&mirror, |status| status.counts.failures >= 3).await;
        assert_eq!(keys(&store), ["a"]);
        assert!(mirror.status().synced);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_backup_is_reported_and_followed() {
    let source = source(&["a"]);
    let backup = source.backup();
    source.create(key("b"), "b".to_owned()).unwrap();
    source.create(key("c"), "c".to_owned()).unwrap();
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.restore(&backup);
    until(&mirror, |status| status.resource_version == 2.into()).await;
    assert_eq!(keys(&store), ["a"]);
    let rewind = mirror.status().last_rewind.unwrap();
    assert_eq!(
        (rewind.seen, rewind.got, rewind.confirmed),
        (4.into(), 2.into(), true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_replica_is_reported_and_not_applied() {
    let source = source(&["a", "b"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.on_next_list(ListFault::Version(2.into()));
    source.close_watches();
    source.expire();
    caught_up(&source, &store).await;
    let status = mirror.status();
    assert_eq!(status.counts.rewinds, 1);
    assert!(!status.last_rewind.unwrap().confirmed);
    assert_eq!(keys(&store), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_end_mark_falls_back_to_a_list_and_is_tried_again_later() {
    let source = source(&["a"]);
    source.set_watch_list_mode(WatchListMode::MarkLost);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let config = stream_config().watch_list_retry_after(Duration::from_secs(100));
    let mirror = reflector
        .config(config.watch_list_idle_timeout(Duration::from_secs(5)))
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(mirror.status().counts.watch_list_fallbacks, 1);
    source.wait_for_open_watches(1).await;
    assert_eq!(
        words(&source.requests()),
        ["watch-list ", "list 0", "watch 2"]
    );
    // Another round within the pause lists at once; one after it tries the watch-list again.
    source.set_watch_list_mode(WatchListMode::Served);
    source.close_watches();
    source.expire();
    caught_up(&source, &store).await;
    let requests = words(&source.requests());
    assert!(
        !requests[1..]
            .iter()
            .any(|word| word.starts_with("watch-list")),
        "{requests:?}"
    );
    tokio::time::sleep(Duration::from_secs(100)).await;
    source.close_watches();
    source.expire();
    caught_up(&source, &store).await;
    assert!(
        words(&source.requests())
            .last()
            .unwrap()
            .starts_with("watch-list")
    );
}

#[tokio::test(start_paused = true)]
async fn w_04_a_refused_watch_is_opened_again_without_a_list() {
    let source = source(&["a"]);
    for _ in 0..3 {
        source.fail_next_watch(TransportError::new(TransportErrorKind::Refused, "refused"));
    }
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    source.wait_for_open_watches(1).await;
    assert_eq!(
        words(&source.requests()),
        [
            "list 0", "watch 2", "proof a", "watch 2", "proof a", "watch 2", "proof a", "watch 2"
        ]
    );
    assert_eq!(mirror.status().counts.lists, 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_watch_request_lists_again() {
    let source = source(&["a"]);
    source.fail_next_watch(Status::failure(410, "Expired", "too old"));
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let _mirror = reflector.config(list_config()).start();
    source.wait_for_open_watches(1).await;
    assert_eq!(
        words(&source.requests()),
        ["list 0", "watch 2", "list 2", "watch 2"]
    );
}
