//! Running and stopping; what is called with what.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heliostat::client_go::{Delta, SerialController};
use heliostat::reflector::RejectPolicy;
use heliostat::testing::connection_refused;
use heliostat::{Entry, Header, ObjectKey, Reflector, ReflectorConfig, ResourceVersion};
use heliostat_core::rng::Rng;
use tokio::sync::Notify;

use super::support::*;

/// Client-go's `Example`: the processor deletes at the source whatever appears, and reports deletions.
#[tokio::test(start_paused = true)]
async fn i_01_what_is_created_is_deleted_and_every_deletion_is_told() {
    let source = source(&[]);
    let controller = resyncing(&source);
    let handle = controller.handle();
    let mut deleted = Vec::new();
    for name in ["a-hello", "b-controller", "c-framework"] {
        put(&source, name, name);
    }
    let process = async |deltas: &[Delta<String>], _: bool| {
        match deltas.last().unwrap() {
            Delta::Deleted(last) => deleted.push(last.key().to_string()),
            newest => {
                // It may be told again before the deletion comes back.
                let _ = source.delete(newest.key());
            }
        }
        if deleted.len() == 3 {
            handle.stop();
        }
        Ok::<(), Infallible>(())
    };
    controller.run(process).await;
    deleted.sort_unstable();
    assert_eq!(deleted, ["a-hello", "b-controller", "c-framework"]);
}

#[tokio::test(start_paused = true)]
async fn i_01_run_returns_when_the_mirror_and_the_call_under_way_have_ended() {
    let source = source(&["a", "b"]);
    let controller = SerialController::new(source.clone());
    let (handle, store) = (controller.handle(), controller.store());
    let (called, go_on, record) = (
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
        Record::default(),
    );
    let task = tokio::spawn({
        let (called, go_on, record) = (Arc::clone(&called), Arc::clone(&go_on), record.clone());
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            called.notify_one();
            go_on.notified().await;
            record.push(words(deltas));
            Ok::<(), Infallible>(())
        })
    });
    called.notified().await;
    source.wait_for_open_watches(1).await;
    handle.stop();
    settle(SOON).await;
    assert!(
        !task.is_finished(),
        "the call under way is let come to its end"
    );
    go_on.notify_one();
    task.await.unwrap();
    handle.stopped().await;
    assert_eq!(record.take(), ["=a=a"], "it is the last");
    assert_eq!(source.open_watches(), 0);
    assert_eq!(store.len(), 2, "the store keeps what it holds");
    assert!(
        store.wait_for(&ResourceVersion::from(999)).await.is_err(),
        "nobody will write to it"
    );
}

#[tokio::test(start_paused = true)]
async fn i_01_dropping_the_future_stops_everything() {
    let source = source(&["a"]);
    let controller = SerialController::new(source.clone());
    let handle = controller.handle();
    let mut run = Box::pin(controller.run(async |_, _| Ok::<(), Infallible>(())));
    while !handle.is_synced() {
        assert!(futures_util::poll!(&mut run).is_pending());
        tokio::task::yield_now().await;
    }
    source.wait_for_open_watches(1).await;
    drop(run);
    handle.stopped().await;
    source.wait_for_open_watches(0).await;
}

#[tokio::test(start_paused = true)]
async fn i_01_a_mirror_that_stops_by_itself_ends_the_loop_after_what_is_queued() {
    let source = source(&["a", "b"]);
    let (reflector, _) = Reflector::with_indexer(source.clone());
    let config = ReflectorConfig::default().reject_policy(RejectPolicy::Stop);
    let controller = SerialController::over(reflector.config(config));
    let handle = controller.handle();
    let record = Record::default();
    let run = tokio::spawn({
        let record = record.clone();
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            record.push(words(deltas));
            // What fails is not waited for when nothing more will come.
            Err("always")
        })
    });
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.reject(key("bad"));
    put(&source, "c", "c");
    put(&source, "bad", "bad");
    let cause = tokio::time::timeout(Duration::from_secs(1), run)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cause.unwrap().key, Some(key("bad")));
    let told = record.take();
    for word in ["=a=a", "=b=b", "+c=c"] {
        assert!(told.iter().any(|told| told == word), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i_02_synced_and_the_version_are_those_of_the_queue_and_the_mirror() {
    let source = source(&["a", "b"]);
    let controller = SerialController::new(source.clone());
    let handle = controller.handle();
    assert!(!handle.is_synced());
    assert!(handle.last_sync_resource_version().is_unset());
    let (called, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let run = tokio::spawn({
        let (called, go_on) = (Arc::clone(&called), Arc::clone(&go_on));
        controller.run(async move |_: &[Delta<String>], _: bool| {
            called.notify_one();
            go_on.notified().await;
            Ok::<(), Infallible>(())
        })
    });
    called.notified().await;
    go_on.notify_one();
    called.notified().await;
    settle(SOON).await;
    assert!(
        !handle.is_synced(),
        "the last of the first list is being processed"
    );
    assert_eq!(
        handle.last_sync_resource_version(),
        source.revision().into()
    );
    go_on.notify_one();
    handle.wait_synced(Duration::MAX).await.unwrap();
    handle.stop();
    run.await.unwrap();
    assert!(handle.is_synced(), "it stays true");
    assert_eq!(
        handle.last_sync_resource_version(),
        source.revision().into()
    );
}

#[tokio::test(start_paused = true)]
async fn i_02_an_empty_collection_is_synced_and_a_controller_that_never_runs_is_not() {
    let empty = source(&[]);
    let record = Record::default();
    let (handle, task) = recording(SerialController::new(empty), &record);
    handle.wait_synced(Duration::MAX).await.unwrap();
    handle.stop();
    task.await.unwrap();
    assert_eq!(record.len(), 0);

    let never = SerialController::new(source(&["a"]));
    let handle = never.handle();
    drop(never);
    let error = handle.wait_synced(Duration::MAX).await.unwrap_err();
    assert!(
        format!("{error:?}").contains("SerialControllerStopped"),
        "{error}"
    );
    handle.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn i_04_what_is_queued_at_the_stop_is_not_processed() {
    let names: Vec<_> = (0..50).map(|number| format!("n{number:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let source = source(&names);
    let controller = SerialController::new(source.clone());
    let (handle, record) = (controller.handle(), Record::default());
    let process = async |deltas: &[Delta<String>], _: bool| {
        record.push(words(deltas));
        if record.len() == 3 {
            handle.stop();
        }
        Ok::<(), Infallible>(())
    };
    controller.run(process).await;
    assert_eq!(record.take(), ["=n00=n00", "=n01=n01", "=n02=n02"]);
    assert!(!handle.is_synced());
    assert_eq!(handle.counts().succeeded, 3);
}

#[tokio::test(start_paused = true)]
async fn i_04_a_controller_that_is_stopped_before_it_runs_calls_nobody() {
    let source = source(&["a"]);
    let record = Record::default();
    let controller = SerialController::new(source.clone());
    controller.handle().stop();
    let (handle, task) = recording(controller, &record);
    task.await.unwrap();
    assert_eq!(record.len(), 0);
    assert!(!handle.is_synced());
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_as_what_they_are_to_the_store() {
    let source = source(&["a", "b", "c"]);
    let record = Record::default();
    let (handle, task) = recording(SerialController::new(source.clone()), &record);
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert_eq!(record.take(), ["=a=a!", "=b=b!", "=c=c!"]);

    put(&source, "d", "1");
    put(&source, "d", "2");
    put(&source, "a", "2");
    source.delete(&key("b")).unwrap();
    settle(SOON).await;
    // The changes of one object come together, in their order.
    assert_eq!(record.take(), ["+d=1 ~d=2", "~a=2", "-b=b"]);

    // What a list finds as it was is not told; what is no longer in it is found gone.
    source.close_watches();
    source.delete(&key("c")).unwrap();
    put(&source, "d", "3");
    put(&source, "e", "1");
    source.expire();
    settle(Duration::from_secs(10)).await;
    assert_eq!(record.take(), ["?c", "=d=3", "=e=1"]);
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_resync_tells_everything_again_but_what_is_to_be_told_anyway() {
    let source = source(&["a", "b"]);
    let record = Record::default();
    let (handle, task) = recording(resyncing(&source), &record);
    handle.wait_synced(Duration::MAX).await.unwrap();
    record.take();
    settle(Duration::from_millis(110)).await;
    assert_eq!(record.take(), [".a=a", ".b=b"]);
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_store_goes_on_while_a_call_is_under_way() {
    let source = source(&["a"]);
    let controller = SerialController::new(source.clone());
    let (handle, store) = (controller.handle(), controller.store());
    let go_on = Arc::new(Notify::new());
    let record = Record::default();
    let run = tokio::spawn({
        let (go_on, record) = (Arc::clone(&go_on), record.clone());
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            go_on.notified().await;
            record.push(words(deltas));
            Ok::<(), Infallible>(())
        })
    });
    store.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    for text in ["1", "2", "3"] {
        put(&source, "a", text);
    }
    store.wait_for(&source.revision().into()).await.unwrap();
    assert_eq!(*store.get(&"a".parse().unwrap()).unwrap().object, "3");
    assert_eq!(record.len(), 0, "the first call is still under way");
    go_on.notify_one();
    go_on.notify_one();
    settle(SOON).await;
    go_on.notify_one();
    settle(SOON).await;
    assert_eq!(record.take(), ["=a=a", "~a=1 ~a=2 ~a=3"]);
    handle.stop();
    go_on.notify_one();
    run.await.unwrap();
}

/// What a processor believes there is, by what it was called with.
type Believed = Arc<Mutex<BTreeMap<ObjectKey, Header>>>;

fn believe(believed: &Believed, deltas: &[Delta<String>]) {
    // A panic is counted by the controller, and no reason to panic ever after.
    let mut believed = believed.lock().unwrap_or_else(PoisonError::into_inner);
    for delta in deltas {
        let before = match delta {
            Delta::Deleted(last) => believed.remove(last.key()),
            Delta::Added(entry)
            | Delta::Updated(entry)
            | Delta::Replaced(entry)
            | Delta::Sync(entry) => believed.insert(entry.key().clone(), entry.header.clone()),
        };
        match delta {
            Delta::Added(_) => assert!(before.is_none(), "{}", word(delta)),
            Delta::Updated(_) | Delta::Deleted(_) => assert!(before.is_some(), "{}", word(delta)),
            Delta::Replaced(_) | Delta::Sync(_) => {}
        }
    }
}

/// Writes at random, and breaks watches now and then.
async fn hammer(source: Source, number: u64) {
    let mut rng = Rng::seeded(number);
    for step in 0..100 {
        let name = format!("n{}", rng.below(20));
        match rng.below(3) {
            0 => drop(source.delete(&key(&name))),
            _ => put(&source, &name, &format!("{number}-{step}")),
        }
        match rng.below(40) {
            0 => source.close_watches(),
            1 => source.fail_next_watch(connection_refused()),
            2 => source.expire(),
            _ => {}
        }
        tokio::time::sleep(rng.duration_below(Duration::from_millis(100))).await;
    }
}

/// Client-go's `TestHammerController`, with calls, lists and watches that fail among it.
#[tokio::test(start_paused = true)]
async fn i_01_i_02_a_hammered_controller_stays_sound_and_stops() {
    let source = source(&[]);
    let controller = resyncing(&source);
    let (handle, store) = (controller.handle(), controller.store());
    assert!(!handle.is_synced());
    let believed = Believed::default();
    let run = tokio::spawn({
        let believed = Arc::clone(&believed);
        let mut calls = 0;
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            calls += 1;
            match calls % 7 {
                0 => return Err("now and then"),
                3 => panic!("now and then"),
                _ => believe(&believed, deltas),
            }
            Ok(())
        })
    });
    handle.wait_synced(Duration::MAX).await.unwrap();
    let hammers = (0..3).map(|number| tokio::spawn(hammer(source.clone(), number)));
    for hammer in hammers.collect::<Vec<_>>() {
        hammer.await.unwrap();
    }
    store.wait_for(&source.revision().into()).await.unwrap();
    let headers = |entries: Vec<Entry<String>>| {
        entries
            .into_iter()
            .map(|entry| entry.header)
            .collect::<Vec<_>>()
    };
    let wanted = headers(source.entries());
    assert_eq!(headers(store.list()), wanted);
    // What failed comes again, so in the end the processor knows what there is.
    settle(Duration::from_secs(10)).await;
    let counts = handle.counts();
    assert!(
        counts.failed > 0 && counts.panicked > 0 && counts.succeeded > 0,
        "{counts:?}"
    );
    handle.stop();
    run.await.unwrap();
    assert_eq!(
        believed
            .lock()
            .unwrap()
            .values()
            .cloned()
            .collect::<Vec<_>>(),
        wanted
    );
    assert_eq!(source.open_watches(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i_01_with_real_threads_the_processor_ends_up_with_what_there_is() {
    let source = source(&["a", "b"]);
    let controller = SerialController::new(source.clone());
    let handle = controller.handle();
    let believed = Believed::default();
    let seen_all = Arc::new(Notify::new());
    let run = tokio::spawn({
        let (believed, seen_all) = (Arc::clone(&believed), Arc::clone(&seen_all));
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            believe(&believed, deltas);
            if deltas[0].key() == &key("the-end") {
                seen_all.notify_one();
            }
            Ok::<(), Infallible>(())
        })
    });
    handle.wait_synced(Duration::MAX).await.unwrap();
    let writers = (0..3).map(|number| {
        let source = source.clone();
        tokio::task::spawn_blocking(move || {
            let mut rng = Rng::seeded(number);
            // Of no object so many changes that some could be dropped while it waits.
            for step in 0..300 {
                let name = format!("n{}", rng.below(20));
                match rng.below(3) {
                    0 => drop(source.delete(&key(&name))),
                    _ => put(&source, &name, &format!("{number}-{step}")),
                }
                if rng.one_in(60) {
                    source.close_watches();
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    // Objects have their turn in the order of their first changes, so all others had theirs before.
    put(&source, "the-end", "");
    seen_all.notified().await;
    handle.stop();
    run.await.unwrap();
    let counts = handle.counts();
    assert_eq!((counts.panicked, counts.dropped), (0, 0), "{counts:?}");
    let wanted: Vec<_> = source
        .entries()
        .into_iter()
        .map(|entry| entry.header)
        .collect();
    assert_eq!(
        believed
            .lock()
            .unwrap()
            .values()
            .cloned()
            .collect::<Vec<_>>(),
        wanted
    );
}
