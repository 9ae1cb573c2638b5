//! How often a lazy value is computed, and which value who gets.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{FutureExt, poll};
use tokio::sync::Semaphore;

use super::*;

/// A value whose evaluations each wait for a permit and then tell what the ground was at their start.
struct Slow {
    lazy: Lazy<u64, Infallible>,
    ground: Arc<AtomicU64>,
    begun: Arc<AtomicU64>,
    permits: Vec<Arc<Semaphore>>,
}

fn slow() -> Slow {
    let ground = Arc::new(AtomicU64::new(1));
    let begun = Arc::new(AtomicU64::new(0));
    let permits: Vec<_> = (0..3).map(|_| Arc::new(Semaphore::new(0))).collect();
    let (read, count, gates) = (Arc::clone(&ground), Arc::clone(&begun), permits.clone());
    let lazy = Lazy::new(move || {
        let value = read.load(Ordering::SeqCst);
        let number = count.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gates[usize::try_from(number).unwrap()]);
        async move {
            let _ = gate.acquire().await.unwrap();
            Ok(value)
        }
    });
    Slow {
        lazy,
        ground,
        begun,
        permits,
    }
}

impl Slow {
    fn change(&self, value: u64) {
        self.ground.store(value, Ordering::SeqCst);
        self.lazy.notify();
    }
}

#[tokio::test]
async fn h_26_concurrent_gets_share_one_evaluation() {
    let slow = slow();
    assert_eq!(slow.begun.load(Ordering::SeqCst), 0, "nobody has asked");
    let mut gets: Vec<_> = (0..3).map(|_| Box::pin(slow.lazy.get())).collect();
    for get in &mut gets {
        assert!(poll!(get).is_pending());
    }
    assert!(slow.lazy.peek().is_none());
    slow.permits[0].add_permits(1);
    for get in gets {
        assert_eq!(*get.await.unwrap(), 1);
    }
    assert_eq!(*slow.lazy.get().await.unwrap(), 1);
    assert_eq!(slow.lazy.peek().as_deref(), Some(&1));
    assert_eq!(slow.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn h_26_a_slow_evaluation_never_covers_a_newer_one() {
    // The second evaluation ends before the first, or after it: either way it stays.
    for first_ends_first in [false, true] {
        let slow = slow();
        let mut first = Box::pin(slow.lazy.get());
        assert!(poll!(&mut first).is_pending());
        slow.change(2);
        let mut second = Box::pin(slow.lazy.get());
        assert!(poll!(&mut second).is_pending());
        let order = if first_ends_first { [0, 1] } else { [1, 0] };
        for gate in order {
            slow.permits[gate].add_permits(1);
            let ended = if gate == 0 { &mut first } else { &mut second };
            let value = ended.await.unwrap();
            assert_eq!(*value, gate as u64 + 1, "each caller gets its own");
        }
        assert_eq!(*slow.lazy.get().await.unwrap(), 2);
        assert_eq!(slow.begun.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn h_26_a_notice_costs_nothing_until_somebody_asks() {
    let slow = slow();
    for value in 2..100 {
        slow.change(value);
    }
    assert_eq!(slow.begun.load(Ordering::SeqCst), 0);
    slow.permits[0].add_permits(1);
    assert_eq!(*slow.lazy.get().await.unwrap(), 99);
    slow.change(100);
    assert!(slow.lazy.peek().is_none(), "what is old is not shown");
}

#[tokio::test]
async fn h_26_errors_are_not_kept() {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let lazy = Lazy::new(move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move { if call == 0 { Err("not yet") } else { Ok(call) } }
    });
    assert_eq!(lazy.get().await, Err("not yet"));
    assert_eq!(lazy.get().await.as_deref(), Ok(&1));
    assert_eq!(lazy.get().await.as_deref(), Ok(&1));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn h_26_the_next_who_waits_takes_over_from_who_gives_up() {
    let slow = slow();
    let mut first = Box::pin(slow.lazy.get());
    let mut second = Box::pin(slow.lazy.get());
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    drop(first);
    slow.permits[1].add_permits(1);
    assert_eq!(second.now_or_never().unwrap().as_deref(), Ok(&1));
}

/// Real threads: what one has changed before asking is in what one gets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_26_nobody_gets_a_value_from_before_the_own_change() {
    let ground = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&ground);
    let lazy = Arc::new(Lazy::new(move || {
        let value = read.load(Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(value)
        }
    }));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (lazy, ground) = (Arc::clone(&lazy), Arc::clone(&ground));
            tokio::spawn(async move {
                for _ in 0..100 {
                    let mine = ground.fetch_add(1, Ordering::SeqCst) + 1;
                    lazy.notify();
                    assert!(*lazy.get().await.unwrap() >= mine);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    lazy.notify();
    assert_eq!(*lazy.get().await.unwrap(), 1_000);
}
