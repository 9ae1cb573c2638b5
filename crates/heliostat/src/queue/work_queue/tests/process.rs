//! Workers: what becomes of a key that fails, panics or is given up.

use std::convert::Infallible;

use heliostat_core::queue::rate_limit::FastSlow;
use tokio::sync::{Barrier, mpsc};

use super::*;

/// What was worked, and when.
type Worked = (&'static str, Duration);

/// Works the queue until it is shut down; the outcome of a key depends on how often it was worked.
fn process<R>(
    queue: &WorkQueue<&'static str>,
    workers: usize,
    outcome: impl Fn(&'static str, usize) -> R + Send + Sync + 'static,
) -> (tokio::task::JoinHandle<()>, mpsc::UnboundedReceiver<Worked>)
where
    R: Future<Output = Result<Action, String>> + Send + 'static,
{
    let (sender, worked) = mpsc::unbounded_channel();
    let start = Instant::now();
    let queue = queue.clone();
    let tries = Mutex::new(std::collections::BTreeMap::new());
    let reconcile = move |key| {
        sender.send((key, start.elapsed())).unwrap();
        let mut tries = tries.lock().unwrap();
        let tries: &mut usize = tries.entry(key).or_default();
        *tries += 1;
        outcome(key, *tries)
    };
    let task = tokio::spawn(async move { queue.process(workers, reconcile).await });
    (task, worked)
}

#[tokio::test(start_paused = true)]
async fn k_07_workers_end_when_the_queue_is_shut_down_and_empty() {
    let queue = queue();
    queue.add("a");
    queue.add("b");
    let (task, mut worked) = process(&queue, 2, |_, _| async { Ok(Action::Done) });
    queue.shutdown_with_drain().await;
    task.await.unwrap();
    assert_eq!(worked.recv().await, Some(("a", Duration::ZERO)));
    assert_eq!(worked.recv().await, Some(("b", Duration::ZERO)));
    assert_eq!(worked.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn k_11_k_12_a_key_that_fails_comes_back_until_it_succeeds() {
    let queue = queue();
    queue.add("a");
    let (task, mut worked) = process(&queue, 1, |_, tries| async move {
        match tries {
            1..=3 => Err("not yet".to_owned()),
            4 => Ok(Action::After(seconds(60))),
            _ => Ok(Action::Done),
        }
    });
    for after in [0, 1, 3, 7, 67] {
        assert_eq!(worked.recv().await, Some(("a", seconds(after))));
    }
    tokio::task::yield_now().await;
    assert_eq!(
        (queue.failures(&"a"), queue.delayed(), queue.in_work()),
        (0, 0, 0)
    );
    queue.close();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn k_19_a_panic_is_one_keys_failure() {
    let queue = queue();
    for key in ["call", "future", "fine"] {
        queue.add(key);
    }
    let (task, mut worked) = process(&queue, 1, |key, tries| {
        assert!(key != "call" || tries > 1, "in the call");
        async move {
            assert!(key != "future" || tries > 1, "in the future");
            Ok(Action::Done)
        }
    });
    for key in ["call", "future", "fine"] {
        assert_eq!(worked.recv().await, Some((key, Duration::ZERO)));
    }
    for key in ["call", "future"] {
        assert_eq!(worked.recv().await, Some((key, seconds(1))));
    }
    queue.shutdown_with_drain().await;
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn k_03_as_many_keys_are_worked_at_once_as_there_are_workers() {
    let queue = WorkQueue::<u32>::new();
    let barrier = Arc::new(Barrier::new(3));
    let at_once = Arc::new(Mutex::new((0, 0)));
    for key in 0..9 {
        queue.add(key);
    }
    queue.close();
    let most = Arc::clone(&at_once);
    // Each waits for two others: with fewer workers this would never end.
    let reconcile = move |_key| {
        let (barrier, at_once) = (Arc::clone(&barrier), Arc::clone(&at_once));
        async move {
            let now = {
                let mut at_once = at_once.lock().unwrap();
                at_once.0 += 1;
                at_once.0
            };
            barrier.wait().await;
            let mut at_once = at_once.lock().unwrap();
            at_once.1 = at_once.1.max(now);
            at_once.0 -= 1;
            Ok::<_, Infallible>(Action::Done)
        }
    };
    let done = tokio::time::timeout(seconds(60), queue.process(3, reconcile)).await;
    assert!(done.is_ok(), "the workers wait for each other");
    assert_eq!(most.lock().unwrap().1, 3);
}

#[tokio::test(start_paused = true)]
async fn k_19_a_key_whose_workers_are_given_up_is_put_back() {
    let queue = queue();
    queue.add_with_priority("a", Priority::HIGH);
    let (task, mut worked) = process(&queue, 0, |_, tries| async move {
        if tries == 1 {
            std::future::pending::<()>().await;
        }
        Ok(Action::Done)
    });
    assert_eq!(worked.recv().await, Some(("a", Duration::ZERO)));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let work = queue.take().await.unwrap();
    assert_eq!((*work, work.priority()), ("a", Priority::HIGH));
    assert_eq!(queue.failures(&"a"), 0, "it has not failed");
}

#[tokio::test(start_paused = true)]
async fn k_19_a_limiter_that_panics_ends_the_workers_with_its_panic() {
    struct Broken;
    impl RateLimiter<&'static str> for Broken {
        fn when(&mut self, _: Time, _: &&'static str) -> Duration {
            panic!("no answer");
        }
        fn forget(&mut self, _: &&'static str) {}
        fn failures(&self, _: &&'static str) -> u32 {
            0
        }
    }
    let queue = WorkQueue::builder().rate_limiter(Broken).build();
    queue.add("a");
    let (task, _worked) = process(&queue, 2, |_, _| async { Err("failed".to_owned()) });
    let panic = task.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no answer"));
    assert_eq!(queue.in_work(), 0);
}

#[tokio::test(start_paused = true)]
async fn k_15_keys_wait_by_the_limiter_that_the_queue_was_given() {
    let queue = WorkQueue::builder()
        .rate_limiter(FastSlow::new(seconds(1), seconds(100), 2))
        .build();
    queue.add("a");
    let (task, mut worked) = process(&queue, 1, |_, _| async { Err("never".to_owned()) });
    for after in [0, 1, 2, 102, 202] {
        assert_eq!(worked.recv().await, Some(("a", seconds(after))));
    }
    task.abort();
}

/// Some workers are at a key and others wait for one: a key that is put back must not reach those.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn k_19_a_stop_starts_nothing() {
    const KEYS: u32 = 8;
    for _ in 0..100 {
        let queue = WorkQueue::<u32>::new();
        for key in 0..KEYS {
            queue.add(key);
        }
        let (sender, mut started) = mpsc::unbounded_channel();
        let reconcile = move |key| {
            // After a failed assertion the receiver is gone.
            let _ = sender.send(key);
            std::future::pending::<Result<Action, Infallible>>()
        };
        let mut process = Box::pin(queue.process(16, reconcile));
        assert!(poll!(&mut process).is_pending());
        for _ in 0..KEYS {
            started.recv().await.unwrap();
        }
        drop(process);
        // The channel closes when the last worker has ended.
        assert_eq!(started.recv().await, None, "started after the stop");
        assert_eq!((queue.len(), queue.in_work()), (8, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn k_07_k_08_a_shutdown_awaits_the_work_under_way_and_starts_nothing() {
    let queue = queue();
    for key in ["a", "b"] {
        queue.add(key);
    }
    queue.add_after("c", seconds(1));
    let (task, mut worked) = process(&queue, 1, |_, _| async {
        tokio::time::sleep(seconds(5)).await;
        Ok(Action::After(seconds(1)))
    });
    assert_eq!(worked.recv().await, Some(("a", Duration::ZERO)));
    queue.add("a");
    let start = Instant::now();
    queue.shutdown().await;
    assert_eq!(start.elapsed(), seconds(5));
    task.await.unwrap();
    assert_eq!(worked.recv().await, None);
    assert_eq!((queue.len(), queue.delayed(), queue.in_work()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn k_10_an_event_ends_the_wait_for_a_retry_and_an_outcome_the_wait_of_an_earlier_one() {
    let queue = queue();
    queue.add("a");
    let (task, mut worked) = process(&queue, 1, |_, tries| async move {
        match tries {
            1 => Err("not yet".to_owned()),
            2 => Ok(Action::After(seconds(4))),
            _ => Ok(Action::Done),
        }
    });
    assert_eq!(worked.recv().await, Some(("a", Duration::ZERO)));
    tokio::time::sleep(seconds(1) / 2).await;
    queue.add("a");
    assert_eq!(worked.recv().await, Some(("a", seconds(1) / 2)));
    tokio::time::sleep(seconds(1)).await;
    queue.add("a");
    assert_eq!(worked.recv().await, Some(("a", seconds(3) / 2)));
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(worked.try_recv().ok(), None);
    queue.add_after("a", seconds(1));
    queue.add("a");
    assert!(worked.recv().await.is_some());
    assert!(
        worked.recv().await.is_some(),
        "what add_after asked for stands"
    );
    queue.shutdown().await;
    task.await.unwrap();
}
