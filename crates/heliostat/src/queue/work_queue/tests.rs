//! The shared work queue: who waits, who is woken, and what becomes of a key whatever its worker does.
//!
//! Time is tokio's paused clock, except where threads race.

mod metrics;
mod process;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{FutureExt, poll};
use heliostat_core::queue::rate_limit::PerKeyExponential;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A queue whose failed keys wait 1 s, 2 s, 4 s and so on.
fn queue() -> WorkQueue<&'static str> {
    WorkQueue::builder()
        .rate_limiter(PerKeyExponential::new(seconds(1), seconds(1000)))
        .build()
}

/// The key that can be had at once.
fn at_once<K: Clone + Ord>(queue: &WorkQueue<K>) -> Option<Work<K>> {
    queue.take().now_or_never().flatten()
}

#[tokio::test(start_paused = true)]
async fn k_01_a_key_is_had_once_however_often_it_was_added() {
    let queue = queue();
    for key in ["a", "b", "a"] {
        queue.add(key);
    }
    queue.add_with_priority("b", Priority::HIGH);
    assert_eq!(queue.len(), 2);
    let work = at_once(&queue).unwrap();
    assert_eq!((*work, work.priority()), ("b", Priority::HIGH));
    assert_eq!(*at_once(&queue).unwrap().key(), "a");
    assert!(at_once(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn k_02_k_03_a_key_in_work_is_had_again_only_when_it_is_done() {
    let queue = queue();
    queue.add("a");
    let work = at_once(&queue).unwrap();
    queue.add("a");
    let mut other = Box::pin(queue.take());
    assert!(poll!(&mut other).is_pending());
    assert_eq!((queue.len(), queue.in_work()), (0, 1));
    drop(work);
    assert_eq!(*other.await.unwrap(), "a");
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn k_04_a_worker_waits_for_a_key_and_each_key_wakes_one() {
    let queue = queue();
    let mut first = Box::pin(queue.take());
    let mut second = Box::pin(queue.take());
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    queue.add("a");
    queue.add("b");
    assert_eq!(*first.await.unwrap(), "a");
    assert_eq!(*second.await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn k_04_a_worker_that_gives_up_passes_the_word_on() {
    let queue = queue();
    let mut given_up = Box::pin(queue.take());
    let mut other = Box::pin(queue.take());
    assert!(poll!(&mut given_up).is_pending());
    assert!(poll!(&mut other).is_pending());
    queue.add("a");
    drop(given_up);
    assert_eq!(*other.now_or_never().flatten().unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn k_04_a_shutdown_lets_all_go_who_wait() {
    let queue = queue();
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(queue.take())).collect();
    for take in &mut waiting {
        assert!(poll!(take).is_pending());
    }
    queue.close();
    for take in waiting {
        assert!(take.await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn k_05_work_is_done_also_when_its_worker_panics_or_is_cancelled() {
    let queue = queue();
    for key in ["panics", "cancelled"] {
        queue.add(key);
    }
    let panics = tokio::spawn({
        let queue = queue.clone();
        async move {
            let work = queue.take().await.unwrap();
            panic!("at {}", *work);
        }
    });
    assert!(panics.await.unwrap_err().is_panic());
    let cancelled = tokio::spawn({
        let queue = queue.clone();
        async move {
            let _work = queue.take().await.unwrap();
            std::future::pending::<()>().await;
        }
    });
    tokio::task::yield_now().await;
    assert_eq!(queue.in_work(), 1);
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    assert_eq!(queue.in_work(), 0);
    queue.add("panics");
    assert!(at_once(&queue).is_some());
}

#[tokio::test(start_paused = true)]
async fn k_06_k_07_after_a_shutdown_the_line_is_worked_and_nothing_comes_in() {
    let queue = queue();
    queue.add("a");
    queue.close();
    queue.add("b");
    queue.add_after("c", seconds(1));
    queue.add_rate_limited("d");
    assert!(queue.is_closed());
    assert_eq!(*queue.take().await.unwrap(), "a");
    assert!(queue.take().await.is_none());
    assert_eq!((queue.failures(&"d"), queue.delayed()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn k_08_a_drain_waits_for_what_is_in_line_and_in_work() {
    let queue = queue();
    queue.add("a");
    queue.add("b");
    let work = at_once(&queue).unwrap();
    queue.add("a");
    let mut drain = Box::pin(queue.shutdown_with_drain());
    assert!(poll!(&mut drain).is_pending());
    drop(work);
    assert!(poll!(&mut drain).is_pending());
    drop(at_once(&queue).unwrap());
    assert!(
        poll!(&mut drain).is_pending(),
        "a was added again while it was worked"
    );
    let last = at_once(&queue).unwrap();
    assert!(poll!(&mut drain).is_pending());
    drop(last);
    drain.await;
    assert!(queue.take().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn k_08_a_shutdown_ends_the_wait_for_a_drain() {
    let queue = queue();
    queue.add("a");
    let mut drain = Box::pin(queue.shutdown_with_drain());
    assert!(poll!(&mut drain).is_pending());
    queue.close();
    assert!(poll!(&mut drain).is_ready());
    assert_eq!(queue.len(), 1);
    // With nothing to do there is nothing to wait for.
    let idle = WorkQueue::<u8>::new();
    assert!(idle.shutdown_with_drain().now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn k_10_k_20_a_delayed_key_is_had_when_its_time_has_come() {
    let queue = queue();
    let start = Instant::now();
    queue.add_after("late", seconds(20));
    queue.add_after("soon", seconds(10));
    queue.add_after("now", Duration::ZERO);
    assert_eq!((queue.len(), queue.delayed()), (1, 2));
    for (key, after) in [("now", 0), ("soon", 10), ("late", 20)] {
        let work = queue.take().await.unwrap();
        assert_eq!((*work, start.elapsed()), (key, seconds(after)));
        assert_eq!(work.waited(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn k_10_an_earlier_time_reaches_those_who_sleep_until_a_later_one() {
    let queue = queue();
    let start = Instant::now();
    queue.add_after("late", seconds(100));
    let mut first = Box::pin(queue.take());
    let mut second = Box::pin(queue.take());
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    queue.add_after("soon", seconds(10));
    // Whoever heard of it first may be gone by then.
    assert!(poll!(&mut first).is_pending());
    drop(first);
    assert_eq!(*second.await.unwrap(), "soon");
    assert_eq!(start.elapsed(), seconds(10));
    assert_eq!(*queue.take().await.unwrap(), "late");
    assert_eq!(start.elapsed(), seconds(100));
}

#[tokio::test(start_paused = true)]
async fn k_10_keys_of_one_time_reach_as_many_workers() {
    let queue = queue();
    for key in ["a", "b", "c"] {
        queue.add_after(key, seconds(5));
    }
    let takes = [queue.take(), queue.take(), queue.take()];
    let works = futures_util::future::join_all(takes).await;
    let keys: Vec<_> = works.iter().flatten().map(|work| **work).collect();
    assert_eq!(keys, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn k_10_a_delay_without_end_is_waited_for_without_harm() {
    let queue = queue();
    queue.add_after("never", Duration::MAX);
    let mut take = Box::pin(queue.take());
    assert!(poll!(&mut take).is_pending());
    queue.add("a");
    assert_eq!(*take.await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn k_10_a_shutdown_ends_the_sleep_for_a_delayed_key() {
    let queue = queue();
    let start = Instant::now();
    queue.add_after("a", seconds(100));
    let mut take = Box::pin(queue.take());
    assert!(poll!(&mut take).is_pending());
    queue.close();
    assert!(take.await.is_none());
    assert_eq!((start.elapsed(), queue.delayed()), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn k_11_k_12_a_failed_key_comes_later_and_later_until_it_is_forgotten() {
    let queue = queue();
    let start = Instant::now();
    queue.add_with_priority("a", Priority::HIGH);
    for after in [0, 1, 3, 7] {
        let work = queue.take().await.unwrap();
        assert_eq!(start.elapsed(), seconds(after));
        assert_eq!(
            work.priority(),
            Priority::HIGH,
            "a retry is as urgent as the first try"
        );
        work.retry();
    }
    assert_eq!(queue.failures(&"a"), 4);
    let work = queue.take().await.unwrap();
    assert_eq!(start.elapsed(), seconds(15));
    work.settle(Action::After(seconds(60)));
    assert_eq!(queue.failures(&"a"), 0);
    let work = queue.take().await.unwrap();
    assert_eq!(start.elapsed(), seconds(75));
    work.settle(Action::Done);
    assert_eq!((queue.len(), queue.delayed(), queue.in_work()), (0, 0, 0));
    queue.add_rate_limited("a");
    queue.forget(&"a");
    assert_eq!((queue.failures(&"a"), queue.delayed()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn k_17_the_queue_tells_what_waits() {
    let queue = queue();
    assert_eq!(queue.oldest_waiting(), None);
    queue.add("a");
    tokio::time::advance(seconds(3)).await;
    queue.add("b");
    assert_eq!(queue.oldest_waiting(), Some(seconds(3)));
    assert_eq!(at_once(&queue).unwrap().waited(), seconds(3));
    assert_eq!(queue.oldest_waiting(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_runs_dry_lets_others_have_their_turn() {
    let queue = queue();
    queue.add("a");
    let other = tokio::spawn(async {});
    for _ in 0..10_000 {
        let work = queue.take().await.unwrap();
        queue.add(*work);
    }
    assert!(other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_panics_leaves_a_sound_queue() {
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
    let work = at_once(&queue).unwrap();
    let retry = std::panic::AssertUnwindSafe(|| work.retry());
    assert!(std::panic::catch_unwind(retry).is_err());
    assert_eq!(queue.in_work(), 0);
    queue.add("a");
    assert!(at_once(&queue).is_some());
}

/// Threads that ask and threads that work: no key is worked by two at once, and whatever a key was
/// asked for is looked at afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn k_03_k_08_threads_work_everything_and_nothing_twice_at_once() {
    const KEYS: usize = 16;
    const ROUNDS: u64 = 2000;
    let things: Arc<Vec<Thing>> = Arc::new((0..KEYS).map(|_| Thing::default()).collect());
    let queue = WorkQueue::<usize>::builder()
        .rate_limiter(PerKeyExponential::new(Duration::ZERO, Duration::ZERO))
        .build();
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..6u64 {
        let (queue, things) = (queue.clone(), Arc::clone(&things));
        workers.spawn(async move {
            let mut turns = number;
            while let Some(work) = queue.take().await {
                things[*work].work().await;
                turns += 1;
                if turns.is_multiple_of(7) {
                    work.retry();
                } else {
                    drop(work);
                }
                // Now and then somebody looks for a key and gives up waiting for it.
                if turns.is_multiple_of(5)
                    && let Some(work) = at_once(&queue)
                {
                    things[*work].work().await;
                }
            }
        });
    }
    let askers = (0..2u64).map(|asker| {
        let (queue, things) = (queue.clone(), Arc::clone(&things));
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let key = usize::try_from((round * 7 + asker * 3) % KEYS as u64).unwrap();
                things[key].wanted.fetch_add(1, Ordering::SeqCst);
                queue.add_with_priority(key, Priority::new((round % 3) as i32));
                if round.is_multiple_of(16) {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for asker in askers.collect::<Vec<_>>() {
        asker.await.unwrap();
    }
    queue.shutdown_with_drain().await;
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    for (key, thing) in things.iter().enumerate() {
        let wanted = thing.wanted.load(Ordering::SeqCst);
        assert_eq!(
            thing.present.load(Ordering::SeqCst),
            wanted,
            "{key} was lost"
        );
    }
}

/// What a key names.
#[derive(Default)]
struct Thing {
    /// Changed by those who ask.
    wanted: AtomicU64,
    /// Brought up to it by those who work.
    present: AtomicU64,
    in_work: AtomicBool,
}

impl Thing {
    async fn work(&self) {
        assert!(
            !self.in_work.swap(true, Ordering::SeqCst),
            "worked by two at once"
        );
        let wanted = self.wanted.load(Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.present.store(wanted, Ordering::SeqCst);
        assert!(self.in_work.swap(false, Ordering::SeqCst));
    }
}
