//! The work queue's promises one by one, and against a naive model.

mod model;

use std::time::Duration;

use super::line::PASSED_OVER_MAX;
use super::*;
use crate::queue::rate_limit::{FastSlow, PerKeyExponential};

const NORMAL: Priority = Priority::NORMAL;

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn queue(keys: &[&'static str]) -> WorkQueueState<&'static str> {
    let mut queue = WorkQueueState::default();
    for key in keys {
        assert_eq!(queue.add(at(0), *key, NORMAL), Addition::Queued);
    }
    queue
}

fn take<K: Clone + Ord>(queue: &mut WorkQueueState<K>) -> Option<K> {
    queue.take(at(0)).map(|taken| taken.key)
}

/// Takes a key and is done with it.
fn work<K: Clone + Ord>(queue: &mut WorkQueueState<K>) -> Option<K> {
    let key = take(queue)?;
    queue.done(at(0), &key).unwrap();
    Some(key)
}

#[test]
fn k_01_a_key_that_waits_is_added_once() {
    let mut queue = queue(&["a", "b"]);
    assert_eq!(queue.add(at(0), "a", NORMAL), Addition::Known);
    assert_eq!(queue.depth(), 2);
    assert_eq!(work(&mut queue), Some("a"));
    assert_eq!(work(&mut queue), Some("b"));
    assert_eq!(work(&mut queue), None);
}

#[test]
fn k_01_a_key_that_is_added_again_with_a_higher_priority_is_raised() {
    let mut queue = queue(&["a", "b", "c"]);
    queue.add(at(0), "c", Priority::HIGH);
    queue.add(at(0), "b", Priority::LOW);
    assert_eq!(queue.take(at(0)).unwrap().priority, Priority::HIGH);
    assert_eq!(take(&mut queue), Some("a"));
    assert_eq!(queue.take(at(0)).unwrap().priority, NORMAL);
}

#[test]
fn k_02_a_key_that_is_added_while_it_is_worked_comes_again() {
    let mut queue = queue(&["a"]);
    assert_eq!(take(&mut queue), Some("a"));
    assert_eq!(queue.add(at(0), "a", NORMAL), Addition::Noted);
    assert_eq!(queue.add(at(0), "a", Priority::HIGH), Addition::Known);
    assert_eq!(queue.depth(), 0);
    assert!(queue.done(at(0), &"a").unwrap().is_queued_again);
    assert_eq!(queue.depth(), 1);
    let taken = queue.take(at(0)).unwrap();
    assert_eq!((taken.key, taken.priority), ("a", Priority::HIGH));
    assert!(!queue.done(at(0), &"a").unwrap().is_queued_again);
    assert_eq!(take(&mut queue), None);
}

#[test]
fn k_03_a_key_is_never_given_to_two() {
    let mut queue = queue(&["a"]);
    assert_eq!(take(&mut queue), Some("a"));
    queue.add(at(0), "a", Priority::HIGH);
    queue.add_after(at(0), "a", NORMAL, seconds(1));
    assert_eq!(queue.handle_timeout(at(1)), 0);
    assert_eq!(take(&mut queue), None);
    assert_eq!(queue.in_work(), 1);
}

#[test]
fn k_04_workers_are_let_go_only_when_nothing_is_in_line() {
    let mut queue = queue(&["a"]);
    assert!(!queue.is_finished());
    queue.close();
    assert!(!queue.is_finished());
    assert_eq!(take(&mut queue), Some("a"));
    assert!(queue.is_finished());
    assert!(!queue.is_drained());
    assert!(WorkQueueState::<u8>::default().take(at(0)).is_none());
}

#[test]
fn k_05_a_key_is_in_work_until_it_is_done() {
    let mut queue = queue(&["a", "b"]);
    take(&mut queue);
    take(&mut queue);
    assert_eq!(queue.in_work(), 2);
    assert_eq!(queue.done(at(5), &"a").unwrap().duration, seconds(5));
    assert_eq!(queue.in_work(), 1);
    assert_eq!(queue.done(at(5), &"a"), None, "it was done already");
    assert_eq!(queue.done(at(5), &"nobody"), None);
    queue.add(at(5), "c", NORMAL);
    assert_eq!(queue.done(at(5), &"c"), None, "it waits");
    assert_eq!(queue.depth(), 1);
}

#[test]
fn k_06_after_the_shutdown_nothing_comes_in() {
    let mut queue = WorkQueueState::new(FastSlow::new(seconds(1), seconds(1), 1));
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.add(at(0), "a", NORMAL), Addition::Refused);
    assert_eq!(
        queue.add_after(at(0), "a", NORMAL, seconds(1)),
        Addition::Refused
    );
    assert_eq!(
        queue.add_rate_limited(at(0), "a", NORMAL),
        Addition::Refused
    );
    assert_eq!(
        queue.failures(&"a"),
        0,
        "a refused key leaves nothing behind"
    );
    assert_eq!((queue.depth(), queue.delayed()), (0, 0));
}

#[test]
fn k_07_a_shutdown_lets_workers_finish_what_was_asked_for() {
    let mut queue = queue(&["a", "b"]);
    assert_eq!(take(&mut queue), Some("a"));
    queue.add(at(0), "a", NORMAL);
    queue.close();
    assert_eq!(queue.add(at(0), "b", NORMAL), Addition::Refused);
    assert_eq!(work(&mut queue), Some("b"));
    assert!(queue.is_finished(), "another worker may go");
    assert!(queue.done(at(0), &"a").unwrap().is_queued_again);
    assert!(!queue.is_finished(), "whoever worked it gets it once more");
    assert_eq!(work(&mut queue), Some("a"));
    assert!(queue.is_drained());
}

#[test]
fn k_08_a_drain_is_over_when_all_is_worked() {
    let mut queue = queue(&["a", "b"]);
    assert_eq!(take(&mut queue), Some("a"));
    queue.drain();
    assert!(queue.awaits_end());
    queue.done(at(0), &"a");
    assert!(queue.awaits_end(), "b is in line");
    assert_eq!(take(&mut queue), Some("b"));
    assert!(queue.awaits_end(), "b is in work");
    queue.done(at(0), &"b");
    assert!(!queue.awaits_end());
    assert!(queue.is_drained());
}

#[test]
fn k_08_a_shutdown_without_drain_releases_who_waits_for_one() {
    let mut queue = queue(&["a"]);
    take(&mut queue);
    queue.drain();
    assert!(queue.awaits_end());
    queue.close();
    assert!(!queue.awaits_end());
    assert!(!queue.is_drained());
    queue.drain();
    assert!(queue.awaits_end(), "who asks again waits again");
}

#[test]
fn k_09_keys_of_one_priority_come_in_their_order() {
    let mut queue = queue(&["c", "a", "b"]);
    for key in ["c", "a", "b"] {
        assert_eq!(work(&mut queue), Some(key));
    }
}

#[test]
fn k_09_a_key_that_was_raised_keeps_its_number() {
    let mut queue = queue(&["a", "b"]);
    queue.add(at(0), "x", Priority::HIGH);
    queue.add(at(0), "b", Priority::HIGH);
    assert_eq!(work(&mut queue), Some("b"), "it came before x");
    assert_eq!(work(&mut queue), Some("x"));
    assert_eq!(work(&mut queue), Some("a"));
}

#[test]
fn k_09_every_eighth_turn_goes_to_the_key_in_line_for_longest() {
    let mut queue = WorkQueueState::default();
    queue.add(at(0), 1000, Priority::LOW);
    queue.add(at(1), 1001, Priority::new(i32::MIN));
    let mut turns = Vec::new();
    for urgent in 0..24u32 {
        // More urgent work keeps coming faster than it is done.
        queue.add(at(2), urgent, Priority::HIGH);
        queue.add(at(2), 100 + urgent, Priority::HIGH);
        turns.push(work(&mut queue).unwrap());
    }
    let patient = turns.iter().enumerate().filter(|(_, key)| **key >= 1000);
    let patient: Vec<_> = patient.map(|(turn, key)| (turn, *key)).collect();
    let share = PASSED_OVER_MAX as usize;
    assert_eq!(patient, [(share, 1000), (2 * share + 1, 1001)]);
}

#[test]
fn k_09_turns_that_pass_nobody_over_are_not_counted() {
    let mut queue = WorkQueueState::default();
    for key in 0..50 {
        queue.add(at(0), key, Priority::HIGH);
    }
    for key in 0..50 {
        assert_eq!(work(&mut queue), Some(key));
    }
    queue.add(at(0), 99, Priority::LOW);
    queue.add(at(0), 1, Priority::HIGH);
    assert_eq!(work(&mut queue), Some(1));
    assert_eq!(work(&mut queue), Some(99));
}

#[test]
fn k_10_a_delayed_key_comes_when_its_time_has_come() {
    let mut queue = WorkQueueState::default();
    assert_eq!(queue.poll_timeout(), None);
    assert_eq!(
        queue.add_after(at(0), "b", NORMAL, seconds(50)),
        Addition::Delayed
    );
    assert_eq!(
        queue.add_after(at(0), "a", NORMAL, seconds(20)),
        Addition::Delayed
    );
    assert_eq!(queue.poll_timeout(), Some(at(20)));
    assert_eq!(queue.handle_timeout(at(19)), 0);
    assert_eq!(queue.depth(), 0);
    assert_eq!(queue.handle_timeout(at(20)), 1);
    assert_eq!(work(&mut queue), Some("a"));
    assert_eq!(queue.poll_timeout(), Some(at(50)));
    assert_eq!(queue.handle_timeout(at(60)), 1);
    assert_eq!(work(&mut queue), Some("b"));
    assert_eq!(queue.poll_timeout(), None);
}

#[test]
fn k_10_without_a_delay_a_key_comes_at_once() {
    let mut queue = WorkQueueState::default();
    let added = queue.add_after(at(0), "a", NORMAL, Duration::ZERO);
    assert_eq!(added, Addition::Queued);
    assert_eq!(work(&mut queue), Some("a"));
}

#[test]
fn k_10_of_several_times_the_earliest_counts_with_the_highest_priority() {
    let mut queue = WorkQueueState::default();
    queue.add_after(at(0), "a", Priority::HIGH, seconds(10));
    queue.add_after(at(0), "a", NORMAL, seconds(1));
    queue.add_after(at(0), "a", NORMAL, seconds(5));
    assert_eq!((queue.delayed(), queue.poll_timeout()), (1, Some(at(1))));
    queue.handle_timeout(at(1));
    assert_eq!(queue.take(at(1)).unwrap().priority, Priority::HIGH);
    assert_eq!(queue.poll_timeout(), None);

    queue.add_after(at(1), "b", NORMAL, seconds(1));
    queue.add_after(at(1), "b", Priority::HIGH, seconds(5));
    queue.handle_timeout(at(2));
    assert_eq!(queue.take(at(2)).unwrap().priority, Priority::HIGH);
}

#[test]
fn k_10_a_delay_stands_whatever_happens_to_its_key_before() {
    let mut queue = WorkQueueState::default();
    queue.add_after(at(0), "a", NORMAL, seconds(10));
    queue.add(at(0), "a", NORMAL);
    assert_eq!(work(&mut queue), Some("a"));
    queue.handle_timeout(at(10));
    assert_eq!(work(&mut queue), Some("a"));
}

#[test]
fn k_10_a_shutdown_drops_what_waits_for_its_time() {
    let mut queue = WorkQueueState::default();
    queue.add_after(at(0), "a", NORMAL, seconds(10));
    queue.close();
    assert_eq!((queue.delayed(), queue.poll_timeout()), (0, None));
    assert!(queue.is_drained());
    assert_eq!(queue.handle_timeout(at(20)), 0);
}

#[test]
fn k_10_a_delay_beyond_all_times_is_no_overflow() {
    let mut queue = WorkQueueState::default();
    queue.add_after(at(1), "a", NORMAL, Duration::MAX);
    assert_eq!(queue.handle_timeout(at(u64::MAX / 2)), 0);
    assert_eq!(queue.delayed(), 1);
}

#[test]
fn k_11_a_failed_key_waits_as_long_as_the_limiter_says() {
    let mut queue = WorkQueueState::new(PerKeyExponential::new(seconds(1), seconds(100)));
    assert_eq!(
        queue.add_rate_limited(at(0), "a", NORMAL),
        Addition::Delayed
    );
    assert_eq!(queue.poll_timeout(), Some(at(1)));
    queue.handle_timeout(at(1));
    work(&mut queue);
    queue.add_rate_limited(at(1), "a", NORMAL);
    assert_eq!(queue.poll_timeout(), Some(at(3)));
    assert_eq!(queue.failures(&"a"), 2);
}

#[test]
fn k_12_a_forgotten_key_starts_over_and_stays_where_it_is() {
    let mut queue = WorkQueueState::new(PerKeyExponential::new(seconds(1), seconds(100)));
    queue.add_rate_limited(at(0), "a", NORMAL);
    queue.add_rate_limited(at(0), "a", NORMAL);
    queue.forget(&"a");
    assert_eq!(queue.failures(&"a"), 0);
    assert_eq!(queue.delayed(), 1);
    queue.handle_timeout(at(2));
    assert_eq!(work(&mut queue), Some("a"));
    queue.add_rate_limited(at(2), "a", NORMAL);
    assert_eq!(queue.poll_timeout(), Some(at(3)));
}

#[test]
fn k_10_k_11_a_key_that_is_added_while_it_waits_for_a_retry_is_worked_now_and_not_later() {
    let mut queue = WorkQueueState::new(PerKeyExponential::new(seconds(1), seconds(100)));
    queue.add_rate_limited(at(0), "a", Priority::HIGH);
    assert_eq!(queue.add(at(0), "a", NORMAL), Addition::Queued);
    assert_eq!((queue.delayed(), queue.poll_timeout()), (0, None));
    assert_eq!(queue.take(at(0)).unwrap().priority, Priority::HIGH);
    queue.done(at(0), &"a");
    assert_eq!(queue.handle_timeout(at(9)), 0);
}

#[test]
fn k_10_a_retry_ends_a_wait_of_its_own_and_not_what_add_after_asked_for() {
    let mut queue = WorkQueueState::new(PerKeyExponential::new(seconds(5), seconds(100)));
    queue.add_rate_limited(at(0), "a", NORMAL);
    queue.add_after(at(0), "a", NORMAL, seconds(3));
    assert_eq!(queue.delayed(), 1, "it is one key");
    queue.add(at(1), "a", NORMAL);
    work(&mut queue);
    assert_eq!(queue.poll_timeout(), Some(at(3)));
    queue.add_rate_limited(at(1), "a", NORMAL);
    queue.handle_timeout(at(3));
    assert_eq!(work(&mut queue), Some("a"));
    assert_eq!(queue.poll_timeout(), None, "the retry was worked as well");
}

#[test]
fn k_10_k_11_a_key_that_is_asked_for_already_waits_for_no_retry() {
    let mut queue = queue(&["a"]);
    assert_eq!(queue.add_rate_limited(at(0), "a", NORMAL), Addition::Known);
    take(&mut queue);
    queue.add(at(0), "a", NORMAL);
    let settled = queue.settle(at(0), &"a", NORMAL, Some(seconds(9)));
    assert_eq!((settled, queue.delayed()), (Addition::Known, 0));
    queue.done(at(0), &"a");
    assert_eq!(work(&mut queue), Some("a"));
}

#[test]
fn k_10_an_outcome_replaces_the_delay_of_an_earlier_one() {
    let mut queue = queue(&["a"]);
    let outcome = |queue: &mut WorkQueueState<&'static str>, now, delay: Option<u64>| {
        take(queue).unwrap();
        queue.settle(now, &"a", NORMAL, delay.map(seconds));
        queue.done(now, &"a");
        queue.poll_timeout()
    };
    assert_eq!(outcome(&mut queue, at(0), Some(4)), Some(at(4)));
    queue.add(at(1), "a", NORMAL);
    assert_eq!(outcome(&mut queue, at(1), Some(8)), Some(at(9)));
    queue.add(at(2), "a", NORMAL);
    assert_eq!(outcome(&mut queue, at(2), None), None);
}

#[test]
fn a_debounced_key_is_worked_when_it_was_quiet_for_long_enough() {
    let mut queue = WorkQueueState::default();
    for second in 0..3 {
        queue.add_debounced(at(second), "a", NORMAL, seconds(5));
    }
    queue.add_debounced(at(3), "b", Priority::HIGH, seconds(1));
    queue.add_debounced(at(3), "b", NORMAL, seconds(2));
    assert_eq!((queue.delayed(), queue.poll_timeout()), (2, Some(at(5))));
    queue.handle_timeout(at(5));
    assert_eq!(queue.take(at(5)).unwrap().priority, Priority::HIGH);
    queue.done(at(5), &"b");
    queue.handle_timeout(at(7));
    assert_eq!(work(&mut queue), Some("a"));
    queue.add_debounced(at(8), "a", NORMAL, seconds(5));
    queue.add(at(8), "a", NORMAL);
    assert_eq!(queue.poll_timeout(), None, "it is worked without waiting");
}

#[test]
fn k_11_a_failure_with_a_delay_of_the_callers_counts_and_waits_that_long() {
    let mut queue = WorkQueueState::new(PerKeyExponential::new(seconds(1), seconds(100)));
    queue.retry_after(at(0), "a", NORMAL, seconds(30));
    assert_eq!(
        (queue.failures(&"a"), queue.poll_timeout()),
        (1, Some(at(30)))
    );
    queue.close();
    let refused = queue.retry_after(at(0), "a", NORMAL, seconds(30));
    assert_eq!((refused, queue.failures(&"a")), (Addition::Refused, 1));
}

#[test]
fn k_07_k_08_a_stop_starts_nothing_and_awaits_what_is_in_work() {
    let mut queue = queue(&["a", "b"]);
    queue.add_after(at(0), "c", NORMAL, seconds(1));
    take(&mut queue);
    queue.add(at(0), "a", NORMAL);
    queue.stop();
    assert_eq!(take(&mut queue), None);
    assert_eq!((queue.depth(), queue.delayed()), (0, 0));
    assert!(queue.is_finished() && queue.awaits_end());
    queue.close();
    queue.drain();
    assert!(queue.awaits_end(), "a stop is final");
    assert_eq!(queue.add(at(0), "d", NORMAL), Addition::Refused);
    assert!(!queue.done(at(0), &"a").unwrap().is_queued_again);
    assert!(queue.is_drained() && !queue.awaits_end());
}

#[test]
fn k_17_what_waits_and_what_is_worked_is_measured() {
    let mut queue = WorkQueueState::default();
    assert_eq!(queue.oldest_waiting(at(9)), None);
    assert_eq!(queue.longest_running(at(9)), None);
    queue.add(at(1), "a", NORMAL);
    queue.add(at(2), "b", NORMAL);
    queue.add(at(3), "c", Priority::HIGH);
    assert_eq!(queue.oldest_waiting(at(5)), Some(seconds(4)));
    assert_eq!(queue.take(at(5)).unwrap().waited, seconds(2));
    assert_eq!(queue.take(at(6)).unwrap().waited, seconds(5));
    assert_eq!(queue.oldest_waiting(at(6)), Some(seconds(4)));
    assert_eq!(queue.unfinished_work(at(10)), seconds(5 + 4));
    assert_eq!(queue.longest_running(at(10)), Some(seconds(5)));
    // A key that is asked for while it is worked has waited since then.
    queue.add(at(7), "a", NORMAL);
    queue.done(at(10), &"a");
    assert_eq!(queue.take(at(10)).unwrap().waited, seconds(8), "b");
    assert_eq!(queue.take(at(10)).unwrap().waited, seconds(3), "a");
}

#[test]
fn k_20_time_is_what_the_caller_says() {
    let mut queue = WorkQueueState::default();
    queue.add_after(at(100), "a", NORMAL, seconds(1));
    // A clock that goes back makes nothing come too early, and no duration negative.
    assert_eq!(queue.handle_timeout(at(0)), 0);
    queue.handle_timeout(at(101));
    assert_eq!(queue.take(at(0)).unwrap().waited, Duration::ZERO);
}
