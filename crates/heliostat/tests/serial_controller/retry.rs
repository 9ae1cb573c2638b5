//! Errors and panics of the processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heliostat::client_go::{Delta, SerialController};
use heliostat::queue::PerKeyExponential;
use tokio::time::Instant;

use super::support::*;
use crate::lines::{Lines, field};

/// What is tried again after one second, two, four, ..
fn controller(source: &Source) -> SerialController<Source> {
    let second = Duration::from_secs(1);
    SerialController::new(source.clone()).retry(PerKeyExponential::new(second, 60 * second))
}

/// What happens to the object `bad`.
#[derive(Clone, Copy)]
enum Trouble {
    Error,
    Panic,
}

async fn what_fails_comes_again(trouble: Trouble) {
    let source = source(&["bad", "good"]);
    let controller = controller(&source);
    let (handle, record) = (controller.handle(), Record::default());
    let is_bad = Arc::new(AtomicBool::new(true));
    let start = Instant::now();
    let run = tokio::spawn({
        let (record, is_bad) = (record.clone(), Arc::clone(&is_bad));
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            record.push(format!("{} {}", start.elapsed().as_secs(), words(deltas)));
            let fails = deltas[0].key() == &key("bad") && is_bad.load(Ordering::Relaxed);
            match trouble {
                Trouble::Panic => assert!(!fails, "told to"),
                Trouble::Error if fails => return Err("told to"),
                Trouble::Error => {}
            }
            Ok(())
        })
    });
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert_eq!(
        record.take(),
        ["0 =bad=bad", "0 =good=good"],
        "one does not hold up the other"
    );
    assert_eq!((handle.counts().succeeded, handle.counts().waiting), (1, 1));

    settle(Duration::from_millis(3500)).await;
    assert_eq!(record.take(), ["1 =bad=bad", "3 =bad=bad"]);
    // Newer changes wait for their turn behind what failed.
    put(&source, "bad", "2");
    put(&source, "good", "2");
    settle(SOON).await;
    assert_eq!(record.take(), ["3 ~good=2"]);
    is_bad.store(false, Ordering::Relaxed);
    settle(Duration::from_secs(4)).await;
    assert_eq!(record.take(), ["7 =bad=bad ~bad=2"]);
    settle(Duration::from_secs(120)).await;
    assert_eq!(record.len(), 0, "what went well does not come again");

    // Success forgets the failures.
    is_bad.store(true, Ordering::Relaxed);
    put(&source, "bad", "3");
    settle(Duration::from_millis(1500)).await;
    assert_eq!(record.take().len(), 2, "the first delay is a second again");
    let counts = handle.counts();
    match trouble {
        Trouble::Error => assert_eq!((counts.failed, counts.panicked), (5, 0)),
        Trouble::Panic => assert_eq!((counts.failed, counts.panicked), (0, 5)),
    }
    handle.stop();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i_03_what_gave_an_error_comes_again_and_the_rest_goes_on() {
    what_fails_comes_again(Trouble::Error).await;
}

#[tokio::test(start_paused = true)]
async fn i_03_what_panicked_comes_again_and_the_rest_goes_on() {
    what_fails_comes_again(Trouble::Panic).await;
}

#[tokio::test(start_paused = true)]
async fn i_03_a_deletion_that_fails_is_not_lost() {
    let source = source(&["a"]);
    let controller = controller(&source);
    let (handle, store, record) = (controller.handle(), controller.store(), Record::default());
    let run = tokio::spawn({
        let record = record.clone();
        controller.run(async move |deltas: &[Delta<String>], _: bool| {
            record.push(words(deltas));
            if record.len() == 2 {
                Err("the first try of the deletion")
            } else {
                Ok(())
            }
        })
    });
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.delete(&key("a")).unwrap();
    settle(SOON).await;
    assert!(
        store.is_empty(),
        "the store does not wait for the processor"
    );
    put(&source, "a", "again");
    settle(Duration::from_secs(2)).await;
    assert_eq!(record.take(), ["=a=a", "-a=a", "-a=a +a=again"]);
    handle.stop();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i_03_a_stop_does_not_wait_for_what_is_to_be_tried_again() {
    let source = source(&["a"]);
    let controller = controller(&source);
    let handle = controller.handle();
    let run = tokio::spawn(controller.run(async |_: &[Delta<String>], _: bool| Err("always")));
    settle(Duration::from_secs(600)).await;
    let stopped = Instant::now();
    handle.stop();
    run.await.unwrap();
    assert_eq!(stopped.elapsed(), Duration::ZERO);
    assert!(handle.is_synced(), "each object had its turn");
    assert_eq!(handle.counts().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn lines_over_failures_name_the_attempt_and_the_delay_and_are_limited() {
    let lines = Lines::collect();
    let names: Vec<String> = (0..20).map(|number| format!("bad-{number:02}")).collect();
    let source = source(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let controller = controller(&source);
    let handle = controller.handle();
    let run = tokio::spawn(controller.run(async |_: &[Delta<String>], _: bool| Err("told to")));
    settle(Duration::from_millis(7500)).await;
    handle.stop();
    run.await.unwrap();
    let failed = lines.with("processing failed; retrying");
    let fields = |name| -> Vec<&str> { failed.iter().filter_map(|it| field(it, name)).collect() };
    // At the start and after seven seconds; those after one and three are held back.
    let expected = [["1"; 5], ["4"; 5]].concat();
    assert_eq!(fields("attempt"), expected, "{failed:#?}");
    assert_eq!(fields("retry_in"), [["1s"; 5], ["8s"; 5]].concat());
    assert_eq!(fields("held_back")[5], "55");
    let rest = lines.with("were held back");
    assert!(rest[0].contains("kind=\"failed\" lines=15"), "{rest:?}");
}
