//! `Backlog`: the changes that a serial controller has not processed yet, by object, with their retries.
//!
//! An object has its place in line from its first change on, and its changes are processed together, in
//! their order. That also holds while it waits for a retry: its newer changes wait behind the one that
//! failed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use super::Delta;
use super::rate_limit::RateLimiter;
use crate::object::ObjectKey;
use crate::time::Time;

/// The most changes of one object that wait for their turn. Beyond that the oldest are dropped, so that
/// an object that always fails and changes all the time takes no more memory than this. A processor
/// needs the newest; so many changes within one delay are rare.
pub const WAITING_CHANGES_MAX: usize = 100;

/// The changes that a serial controller has not processed yet, by object.
///
/// Call [`handle_change`](Self::handle_change) for each change; [`poll_work`](Self::poll_work) for the
/// next object, and then [`handle_success`](Self::handle_success) or
/// [`handle_failure`](Self::handle_failure) before the next poll. Poll again at
/// [`poll_timeout`](Self::poll_timeout).
pub struct Backlog<T> {
    limiter: Box<dyn RateLimiter<ObjectKey>>,
    pending: BTreeMap<ObjectKey, Pending<T>>,
    /// The objects that wait for their turn, in the order of their first change, and some that no longer
    /// do.
    line: VecDeque<ObjectKey>,
    /// The objects that wait for a retry.
    delayed: BTreeSet<(Time, ObjectKey)>,
    /// How many objects of the first list have not had their first turn.
    initial_left: usize,
    dropped: u64,
}

/// The changes of one object, the oldest first; never none.
struct Pending<T> {
    deltas: VecDeque<Delta<T>>,
    is_in_initial_list: bool,
    /// It waits for another try, and not in line.
    is_delayed: bool,
}

/// The changes of one object, which are processed together.
#[derive(Debug)]
pub struct Work<T> {
    /// The object.
    pub key: ObjectKey,
    /// Its changes, the oldest first.
    pub deltas: Vec<Delta<T>>,
    /// The first of them belongs to the first list.
    pub is_in_initial_list: bool,
    /// It failed before.
    is_retry: bool,
}

impl<T> Backlog<T> {
    /// Creates an empty backlog, whose retries are delayed by this limiter.
    #[must_use]
    pub fn new(limiter: Box<dyn RateLimiter<ObjectKey>>) -> Self {
        Self {
            limiter,
            pending: BTreeMap::new(),
            line: VecDeque::new(),
            delayed: BTreeSet::new(),
            initial_left: 0,
            dropped: 0,
        }
    }

    /// Adds a change of an object.
    pub fn handle_change(&mut self, delta: Delta<T>, is_in_initial_list: bool) {
        let key = delta.key().clone();
        let Some(pending) = self.pending.get_mut(&key) else {
            self.line.push_back(key.clone());
            self.initial_left += usize::from(is_in_initial_list);
            let pending = Pending {
                is_in_initial_list,
                is_delayed: false,
                deltas: VecDeque::from([delta]),
            };
            self.pending.insert(key, pending);
            return;
        };
        // A resync adds nothing to a change that is still to be processed.
        if matches!(delta, Delta::Sync(_)) {
            return;
        }
        pending.deltas.push_back(delta);
        if pending.deltas.len() > WAITING_CHANGES_MAX {
            pending.deltas.pop_front();
            self.dropped += 1;
        }
    }

    /// Records a failure, and returns the delay before the retry. Changes that came meanwhile follow it.
    pub fn handle_failure(&mut self, now: Time, work: Work<T>) -> Duration {
        self.had_turn(&work);
        let delay = self.limiter.when(now, &work.key);
        let mut deltas = VecDeque::from(work.deltas);
        if let Some(newer) = self.pending.remove(&work.key) {
            // These have their turn together with what failed, and it has had its first.
            self.initial_left -= usize::from(newer.is_in_initial_list);
            deltas.extend(newer.deltas);
            let excess = deltas.len().saturating_sub(WAITING_CHANGES_MAX);
            deltas.drain(..excess);
            self.dropped += excess as u64;
        }
        let pending = Pending {
            deltas,
            is_in_initial_list: work.is_in_initial_list,
            is_delayed: true,
        };
        self.delayed.insert((now + delay, work.key.clone()));
        self.pending.insert(work.key, pending);
        delay
    }

    /// Returns how often an object failed in a row, as the rate limiter counts.
    #[must_use]
    pub fn failures(&self, key: &ObjectKey) -> u32 {
        self.limiter.failures(key)
    }

    /// Records a success: earlier failures of the object no longer count.
    pub fn handle_success(&mut self, work: &Work<T>) {
        self.had_turn(work);
        self.limiter.forget(&work.key);
    }

    /// Returns the next object to process: retries that are due, the longest due first, then the line.
    /// Report its success or failure before the next call.
    pub fn poll_work(&mut self, now: Time) -> Option<Work<T>> {
        let is_retry = self.poll_timeout().is_some_and(|due| due <= now);
        let key = if is_retry {
            self.delayed.pop_first().map(|(_, key)| key)?
        } else {
            self.next_in_line()?
        };
        let pending = self.pending.remove(&key)?;
        Some(Work {
            key,
            deltas: pending.deltas.into(),
            is_in_initial_list: pending.is_in_initial_list,
            is_retry,
        })
    }

    /// Returns when the next retry is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Returns true if every object of the first list has had its turn, whether it succeeded or not.
    #[must_use]
    pub const fn is_initial_done(&self) -> bool {
        self.initial_left == 0
    }

    /// Returns the number of objects that wait for their turn.
    #[must_use]
    pub fn in_line(&self) -> usize {
        self.pending.len() - self.delayed.len()
    }

    /// Returns the number of objects that wait for a retry.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.delayed.len()
    }

    /// Returns the number of changes that the limit dropped.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn next_in_line(&mut self) -> Option<ObjectKey> {
        loop {
            let key = self.line.pop_front()?;
            // One whose processing failed while it was in line again has left it.
            if self
                .pending
                .get(&key)
                .is_some_and(|pending| !pending.is_delayed)
            {
                return Some(key);
            }
        }
    }

    const fn had_turn(&mut self, work: &Work<T>) {
        if work.is_in_initial_list && !work.is_retry {
            self.initial_left -= 1;
        }
    }
}

impl<T> fmt::Debug for Backlog<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog")
            .field("in_line", &self.in_line())
            .field("delayed", &self.delayed.len())
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rate_limit::PerKeyExponential;
    use super::*;
    use crate::object::{Entry, Header, Uid};

    fn entry(name: &str, version: u64) -> Entry<u64> {
        let header = Header {
            key: ObjectKey::cluster(name),
            resource_version: version.into(),
            uid: Uid::UNSET,
        };
        Entry::new(header, version)
    }

    fn backlog() -> Backlog<u64> {
        let second = Duration::from_secs(1);
        Backlog::new(Box::new(PerKeyExponential::new(second, 60 * second)))
    }

    fn change(backlog: &mut Backlog<u64>, name: &str, version: u64) {
        backlog.handle_change(Delta::Updated(entry(name, version)), false);
    }

    fn seconds(number: u64) -> Time {
        Time::since_start(Duration::from_secs(number))
    }

    fn words(work: &Work<u64>) -> String {
        let versions = work.deltas.iter().filter_map(Delta::entry);
        let versions: Vec<_> = versions.map(|entry| entry.object.to_string()).collect();
        format!("{} {}", work.key, versions.join(" "))
    }

    #[test]
    fn an_object_keeps_its_place_and_its_changes_come_together() {
        let mut backlog = backlog();
        for (name, version) in [("b", 1), ("a", 2), ("b", 3), ("c", 4), ("a", 5)] {
            change(&mut backlog, name, version);
        }
        assert_eq!(backlog.in_line(), 3);
        let mut order = Vec::new();
        while let Some(work) = backlog.poll_work(Time::ZERO) {
            order.push(words(&work));
            backlog.handle_success(&work);
        }
        assert_eq!(order, ["b 1 3", "a 2 5", "c 4"]);
    }

    #[test]
    fn i_03_what_failed_comes_again_after_delays_that_grow() {
        let mut backlog = backlog();
        change(&mut backlog, "a", 1);
        let mut now = Time::ZERO;
        let mut delays = Vec::new();
        let mut work = backlog.poll_work(now).unwrap();
        for _ in 0..8 {
            delays.push(backlog.handle_failure(now, work).as_secs());
            assert!(backlog.poll_work(now).is_none());
            now = backlog.poll_timeout().unwrap();
            work = backlog.poll_work(now).unwrap();
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        backlog.handle_success(&work);
        change(&mut backlog, "a", 2);
        let work = backlog.poll_work(now).unwrap();
        assert_eq!(
            backlog.handle_failure(now, work).as_secs(),
            1,
            "failures are forgotten"
        );
    }

    #[test]
    fn i_03_newer_changes_follow_what_failed_and_others_go_on() {
        let mut backlog = backlog();
        change(&mut backlog, "a", 1);
        change(&mut backlog, "b", 2);
        let work = backlog.poll_work(Time::ZERO).unwrap();
        change(&mut backlog, "a", 3);
        backlog.handle_failure(Time::ZERO, work);
        change(&mut backlog, "a", 4);
        let other = backlog.poll_work(Time::ZERO).unwrap();
        assert_eq!(words(&other), "b 2");
        backlog.handle_success(&other);
        assert!(backlog.poll_work(Time::ZERO).is_none());
        assert_eq!((backlog.in_line(), backlog.delayed()), (0, 1));
        assert_eq!(words(&backlog.poll_work(seconds(1)).unwrap()), "a 1 3 4");
    }

    #[test]
    fn what_is_longest_due_comes_first_and_before_what_is_new() {
        let mut backlog = backlog();
        for name in ["z", "a"] {
            change(&mut backlog, name, 1);
        }
        for millis in [1000, 1500] {
            let now = Time::since_start(Duration::from_millis(millis));
            let work = backlog.poll_work(now).unwrap();
            backlog.handle_failure(now, work);
        }
        change(&mut backlog, "new", 2);
        let mut order = Vec::new();
        while let Some(work) = backlog.poll_work(seconds(9)) {
            order.push(words(&work));
            backlog.handle_success(&work);
        }
        assert_eq!(order, ["z 1", "a 1", "new 2"]);
    }

    #[test]
    fn a_resync_adds_nothing_to_what_is_still_to_be_processed() {
        let mut backlog = backlog();
        change(&mut backlog, "a", 1);
        for name in ["a", "b"] {
            backlog.handle_change(Delta::Sync(entry(name, 1)), false);
        }
        assert_eq!(words(&backlog.poll_work(Time::ZERO).unwrap()), "a 1");
        assert_eq!(words(&backlog.poll_work(Time::ZERO).unwrap()), "b 1");
    }

    #[test]
    fn the_first_list_is_done_when_each_of_it_had_its_first_turn() {
        let mut backlog = backlog();
        backlog.handle_change(Delta::Replaced(entry("a", 1)), true);
        backlog.handle_change(Delta::Replaced(entry("b", 1)), true);
        change(&mut backlog, "b", 2);
        change(&mut backlog, "c", 3);
        let work = backlog.poll_work(Time::ZERO).unwrap();
        backlog.handle_failure(Time::ZERO, work);
        assert!(!backlog.is_initial_done());
        let retry = backlog.poll_work(seconds(1)).unwrap();
        backlog.handle_failure(seconds(1), retry);
        assert!(
            !backlog.is_initial_done(),
            "a second try is no first turn of another"
        );
        let work = backlog.poll_work(seconds(1)).unwrap();
        assert_eq!(words(&work), "b 1 2");
        backlog.handle_success(&work);
        assert!(backlog.is_initial_done());
    }

    #[test]
    fn an_object_that_always_fails_takes_no_more_memory_than_its_newest_changes() {
        let mut backlog = backlog();
        change(&mut backlog, "a", 0);
        let work = backlog.poll_work(Time::ZERO).unwrap();
        backlog.handle_failure(Time::ZERO, work);
        for version in 1..1000 {
            change(&mut backlog, "a", version);
        }
        assert_eq!(backlog.dropped(), 900);
        let work = backlog.poll_work(seconds(1)).unwrap();
        assert_eq!(work.deltas.len(), WAITING_CHANGES_MAX);
        assert_eq!(*work.deltas[0].entry().unwrap().object, 900);
        // What came while it was worked on counts, too.
        change(&mut backlog, "a", 1000);
        backlog.handle_failure(seconds(1), work);
        let work = backlog.poll_work(seconds(9)).unwrap();
        assert_eq!(work.deltas.len(), WAITING_CHANGES_MAX);
        assert_eq!(*work.deltas[99].entry().unwrap().object, 1000);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Change { name: u8, is_initial: bool },
        Take,
        Succeed,
        Fail,
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..5u8, any::<bool>()).prop_map(|(name, is_initial)| Step::Change { name, is_initial }),
            3 => Just(Step::Take),
            2 => Just(Step::Succeed),
            2 => Just(Step::Fail),
            1 => (1..5u64).prop_map(Step::Wait),
        ]
    }

    /// The versions of each object that were not processed successfully, in order.
    type Unprocessed = BTreeMap<String, Vec<u64>>;

    /// What is taken is the oldest of its object that was not processed, all of it up to the time of the
    /// taking, and nothing of it is lost by a failure.
    fn check(work: &Work<u64>, unprocessed: &Unprocessed) -> Result<(), TestCaseError> {
        let versions: Vec<_> = work
            .deltas
            .iter()
            .filter_map(Delta::entry)
            .map(|it| *it.object)
            .collect();
        prop_assert_eq!(Some(&versions), unprocessed.get(work.key.as_str()));
        Ok(())
    }

    proptest! {
        #[test]
        fn i_03_every_change_is_processed_well_once_and_in_order(
            steps in prop::collection::vec(step(), 0..90)
        ) {
            let (mut backlog, mut unprocessed) = (backlog(), Unprocessed::new());
            let (mut now, mut version) = (Time::ZERO, 0);
            let mut in_hand: Option<Work<u64>> = None;
            for step in steps {
                match (step, in_hand.take()) {
                    (Step::Change { name, is_initial }, before) => {
                        version += 1;
                        let name = name.to_string();
                        let delta = Delta::Updated(entry(&name, version));
                        backlog.handle_change(delta, is_initial);
                        unprocessed.entry(name).or_default().push(version);
                        in_hand = before;
                    }
                    (Step::Take, None) => {
                        in_hand = backlog.poll_work(now);
                        if let Some(work) = &in_hand {
                            check(work, &unprocessed)?;
                        }
                    }
                    (Step::Succeed, Some(work)) => {
                        backlog.handle_success(&work);
                        let left = unprocessed.get_mut(work.key.as_str()).unwrap();
                        left.drain(..work.deltas.len());
                    }
                    (Step::Fail, Some(work)) => drop(backlog.handle_failure(now, work)),
                    (Step::Wait(seconds), before) => {
                        now = now + Duration::from_secs(seconds);
                        in_hand = before;
                    }
                    (Step::Take | Step::Succeed | Step::Fail, before) => in_hand = before,
                }
            }
            if let Some(work) = in_hand {
                backlog.handle_failure(now, work);
            }
            now = now + Duration::from_secs(3600);
            while let Some(work) = backlog.poll_work(now) {
                check(&work, &unprocessed)?;
                unprocessed.remove(work.key.as_str());
                backlog.handle_success(&work);
            }
            prop_assert!(unprocessed.values().all(Vec::is_empty), "{:?}", unprocessed);
            prop_assert!(backlog.is_initial_done());
            prop_assert_eq!((backlog.in_line(), backlog.delayed(), backlog.dropped()), (0, 0, 0));
        }
    }
}
