//! The work queue against a naive one that searches lists from end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::line::PASSED_OVER_MAX;
use super::super::{Addition, Priority, WorkQueueState};
use crate::time::Time;

#[derive(Clone, Debug)]
enum Call {
    Add(u8, i32),
    AddAfter(u8, i32, u64),
    /// Which of the keys in work, and when it is worked again.
    Settle(u8, Option<u64>),
    Wait(u64),
    Take,
    /// Which of the keys in work.
    Done(u8),
    Close,
}

fn call() -> impl Strategy<Value = Call> {
    let key = 0..6u8;
    let priority = -1..2i32;
    prop_oneof![
        20 => (key.clone(), priority.clone()).prop_map(|(key, priority)| Call::Add(key, priority)),
        8 => (key, priority, 0..5u64).prop_map(|(key, priority, delay)| {
            Call::AddAfter(key, priority, delay)
        }),
        8 => (any::<u8>(), proptest::option::of(0..5u64)).prop_map(|(which, delay)| {
            Call::Settle(which, delay)
        }),
        8 => (0..4u64).prop_map(Call::Wait),
        20 => Just(Call::Take),
        16 => any::<u8>().prop_map(Call::Done),
        1 => Just(Call::Close),
    ]
}

/// A key in line.
#[derive(Clone, Debug)]
struct Waiting {
    key: u8,
    priority: i32,
    asked: u64,
}

#[derive(Clone, Copy, Debug)]
struct Delay {
    key: u8,
    at: u64,
    priority: i32,
    is_outcome: bool,
}

#[derive(Default)]
struct Model {
    /// In the order in which they came.
    line: Vec<Waiting>,
    /// With what was asked for meanwhile.
    work: BTreeMap<u8, Option<Waiting>>,
    /// In the order in which they were given their times.
    delays: Vec<Delay>,
    passed_over: u32,
    is_closed: bool,
    now: u64,
}

impl Model {
    fn add(&mut self, key: u8, priority: i32) {
        if self.is_closed {
            return;
        }
        let mut priority = priority;
        for ended in self
            .delays
            .extract_if(.., |it| it.key == key && it.is_outcome)
        {
            priority = priority.max(ended.priority);
        }
        let asked = self.now;
        let waiting = Waiting {
            key,
            priority,
            asked,
        };
        if let Some(again) = self.work.get_mut(&key) {
            let again = again.get_or_insert(waiting);
            again.priority = again.priority.max(priority);
        } else if let Some(known) = self.line.iter_mut().find(|it| it.key == key) {
            known.priority = known.priority.max(priority);
        } else {
            self.line.push(waiting);
        }
    }

    fn add_after(&mut self, key: u8, priority: i32, delay: u64) {
        if self.is_closed {
            return;
        }
        if delay == 0 {
            return self.add(key, priority);
        }
        let mut wanted = Delay {
            key,
            at: self.now + delay,
            priority,
            is_outcome: false,
        };
        let known = self
            .delays
            .iter_mut()
            .find(|it| it.key == key && !it.is_outcome);
        if let Some(known) = known {
            known.priority = known.priority.max(priority);
            if known.at <= wanted.at {
                return;
            }
            wanted.priority = known.priority;
            self.delays.retain(|it| it.key != key || it.is_outcome);
        }
        self.delays.push(wanted);
    }

    fn settle(&mut self, key: u8, delay: Option<u64>) {
        self.delays.retain(|it| it.key != key || !it.is_outcome);
        let Some(delay) = delay.filter(|_| !self.is_closed) else {
            return;
        };
        if delay == 0 || self.work[&key].is_some() {
            return self.add(key, 0);
        }
        self.delays.push(Delay {
            key,
            at: self.now + delay,
            priority: 0,
            is_outcome: true,
        });
    }

    /// Number of keys that wait for a time.
    fn delayed(&self) -> usize {
        let keys: BTreeSet<_> = self.delays.iter().map(|it| it.key).collect();
        keys.len()
    }

    fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        loop {
            let due = self.delays.iter().enumerate();
            let due = due.filter(|(_, it)| it.at <= self.now);
            let Some((place, _)) = due.min_by_key(|(_, it)| it.at) else {
                return;
            };
            let due = self.delays.remove(place);
            self.add(due.key, due.priority);
        }
    }

    /// The key, and when it was asked for.
    fn take(&mut self) -> Option<(u8, u64)> {
        let urgent =
            (0..self.line.len()).min_by_key(|place| (-self.line[*place].priority, *place))?;
        let turn = if self.passed_over < PASSED_OVER_MAX {
            urgent
        } else {
            0
        };
        self.passed_over = if turn == 0 { 0 } else { self.passed_over + 1 };
        let taken = self.line.remove(turn);
        self.work.insert(taken.key, None);
        Some((taken.key, taken.asked))
    }

    fn done(&mut self, key: u8) {
        if let Some(Some(again)) = self.work.remove(&key) {
            self.line.push(again);
        }
    }
}

proptest! {
    #[test]
    fn the_queue_does_what_a_naive_one_does(calls in prop::collection::vec(call(), 0..150)) {
        let mut queue = WorkQueueState::default();
        let mut model = Model::default();
        // Keys that somebody must still look at.
        let mut owed = BTreeSet::new();
        let time = |model: &Model| Time::ZERO + Duration::from_secs(model.now);
        for call in calls {
            let now = time(&model);
            match call {
                Call::Add(key, priority) => {
                    let added = queue.add(now, key, priority.into());
                    model.add(key, priority);
                    prop_assert_eq!(added == Addition::Refused, model.is_closed);
                    if added != Addition::Refused {
                        owed.insert(key);
                    }
                }
                Call::AddAfter(key, priority, delay) => {
                    queue.add_after(now, key, priority.into(), Duration::from_secs(delay));
                    model.add_after(key, priority, delay);
                }
                Call::Settle(which, delay) => {
                    let in_work: Vec<u8> = model.work.keys().copied().collect();
                    if !in_work.is_empty() {
                        let key = in_work[usize::from(which) % in_work.len()];
                        let seconds = delay.map(Duration::from_secs);
                        queue.settle(now, &key, Priority::NORMAL, seconds);
                        model.settle(key, delay);
                    }
                }
                Call::Wait(seconds) => {
                    model.wait(seconds);
                    queue.handle_timeout(time(&model));
                }
                Call::Take => {
                    let taken = queue.take(now);
                    if let Some(taken) = &taken {
                        prop_assert!(!model.work.contains_key(&taken.key), "worked twice");
                        owed.remove(&taken.key);
                    }
                    let expected = model.take();
                    let expected = expected.map(|(key, asked)| (key, model.now - asked));
                    let taken = taken.map(|taken| (taken.key, taken.waited.as_secs()));
                    prop_assert_eq!(taken, expected);
                }
                Call::Done(which) => {
                    let in_work: Vec<u8> = model.work.keys().copied().collect();
                    if !in_work.is_empty() {
                        let key = in_work[usize::from(which) % in_work.len()];
                        prop_assert!(queue.done(now, &key).is_some());
                        model.done(key);
                    }
                }
                Call::Close => {
                    queue.close();
                    model.is_closed = true;
                    model.delays.clear();
                }
            }
            prop_assert_eq!(queue.depth(), model.line.len());
            prop_assert_eq!(queue.in_work(), model.work.len());
            prop_assert_eq!(queue.delayed(), model.delayed());
            let earliest = model.delays.iter().map(|it| it.at).min();
            let earliest = earliest.map(|at| Time::ZERO + Duration::from_secs(at));
            prop_assert_eq!(queue.poll_timeout(), earliest);
        }
        // Whoever is owed comes, when all workers go on to the end.
        let now = time(&model);
        for key in model.work.keys() {
            queue.done(now, key);
        }
        while let Some(taken) = queue.take(now) {
            owed.remove(&taken.key);
            queue.done(now, &taken.key);
        }
        prop_assert!(owed.is_empty(), "lost: {:?}", owed);
        queue.close();
        prop_assert!(queue.is_drained());
    }

    /// However urgent keys come, one that waits is taken within the turns that were promised.
    #[test]
    fn k_09_no_key_is_starved(
        older in 0..5u32,
        priorities in prop::collection::vec(any::<i32>(), 60),
    ) {
        let mut queue = WorkQueueState::default();
        for key in 0..older {
            queue.add(Time::ZERO, key, Priority::NORMAL);
        }
        queue.add(Time::ZERO, 999, Priority::new(i32::MIN));
        let bound = (PASSED_OVER_MAX + 1) * (older + 1);
        let mut waited = 0;
        for (number, priority) in priorities.iter().cycle().enumerate() {
            queue.add(Time::ZERO, 1000 + number as u32, Priority::new(*priority));
            waited += 1;
            let taken = queue.take(Time::ZERO).unwrap();
            queue.done(Time::ZERO, &taken.key);
            if taken.key == 999 {
                break;
            }
            prop_assert!(waited < bound, "passed over for {} turns", waited);
        }
    }
}
