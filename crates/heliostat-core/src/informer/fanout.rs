//! `Fanout`: the handlers of a mirror, and which of them are due for a resync.
//!
//! The mirror has one resync period (the *check period*), and each handler has its own. Every check period the
//! mirror determines which handlers are due; only those are notified of unchanged objects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::buffer::HandlerBuffer;
use crate::notification::Notification;
use crate::store::snapshot::Snapshot;
use crate::time::Time;

/// The shortest resync period of a handler: a resync walks the whole mirror.
pub const RESYNC_PERIOD_MIN: Duration = Duration::from_secs(1);

/// A handler among the handlers of one mirror.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HandlerId(u64);

/// What handlers are notified of.
pub enum Outcome<T> {
    /// Changes, in their order, with those that report an unchanged object.
    Changes(Vec<Notification<T>>),
    /// The first content of a store that was empty.
    Initial(Snapshot<T>),
    /// All objects, which are delivered again to the handlers that are due.
    Resync(Snapshot<T>),
}

/// The place of the buffer of one handler.
pub trait Sink<T> {
    /// Puts something into the handler's buffer, and wakes the handler if needed.
    fn put(&mut self, put: impl FnOnce(&mut HandlerBuffer<T>));
}

impl<T> Sink<T> for HandlerBuffer<T> {
    fn put(&mut self, put: impl FnOnce(&mut Self)) {
        put(self);
    }
}

/// The handlers of one mirror, each with its sink `S`.
///
/// Order of calls: any number of [`add`](Self::add) and [`remove`](Self::remove); [`start`](Self::start)
/// once; from then on [`check_resync`](Self::check_resync) every [`check_period`](Self::check_period).
pub struct Fanout<S> {
    members: BTreeMap<HandlerId, Member<S>>,
    next_id: u64,
    /// The period of handlers without one of their own.
    default_period: Duration,
    check_period: Duration,
    started: bool,
}

struct Member<S> {
    sink: S,
    requested: Duration,
    effective: Duration,
    next_resync: Time,
    /// Due at the last check: notified of unchanged objects until the next check.
    is_due: bool,
}

impl<S> Fanout<S> {
    /// Creates a fan-out without handlers. With a `period` of zero, only handlers that ask for resyncs get
    /// them.
    #[must_use]
    pub const fn new(period: Duration) -> Self {
        Self {
            members: BTreeMap::new(),
            next_id: 0,
            default_period: period,
            check_period: period,
            started: false,
        }
    }

    /// Adds a handler. Without a period of its own it gets the mirror's.
    ///
    /// A period of zero means never; one below [`RESYNC_PERIOD_MIN`] is raised to it. A mirror without a
    /// check period takes that of the first handler that has one. Before the start, a shorter period shortens
    /// the mirror's, for all handlers; after it, a shorter one is raised to the mirror's.
    pub fn add(&mut self, now: Time, period: Option<Duration>, sink: S) -> HandlerId {
        let requested = match period.unwrap_or(self.default_period) {
            Duration::ZERO => Duration::ZERO,
            period => period.max(RESYNC_PERIOD_MIN),
        };
        let is_shorter = !self.started && requested < self.check_period;
        if !requested.is_zero() && (self.check_period.is_zero() || is_shorter) {
            self.check_period = requested;
            for member in self.members.values_mut() {
                member.effective = effective(member.requested, requested);
            }
        }
        let effective = effective(requested, self.check_period);
        let id = HandlerId(self.next_id);
        self.next_id += 1;
        let member = Member {
            sink,
            requested,
            effective,
            next_resync: now + effective,
            is_due: false,
        };
        self.members.insert(id, member);
        id
    }

    /// Removes a handler and returns its sink; none if it was removed before.
    pub fn remove(&mut self, id: HandlerId) -> Option<S> {
        self.members.remove(&id).map(|member| member.sink)
    }

    /// Removes all handlers and returns their sinks.
    pub fn clear(&mut self) -> impl Iterator<Item = S> + use<S> {
        let members = std::mem::take(&mut self.members);
        members.into_values().map(|member| member.sink)
    }

    /// Starts the mirror: its check period, if it has one, no longer changes.
    pub const fn start(&mut self) {
        self.started = true;
    }

    /// Determines which handlers are due, and returns true if any is. Until the next check those are notified
    /// of the coming resync and of objects that a list finds unchanged.
    pub fn check_resync(&mut self, now: Time) -> bool {
        let mut any = false;
        for member in self.members.values_mut() {
            member.is_due = !member.effective.is_zero() && member.next_resync <= now;
            if member.is_due {
                member.next_resync = now + member.effective;
                any = true;
            }
        }
        any
    }

    /// Returns how often the mirror checks which handlers are due; zero for never.
    #[must_use]
    pub const fn check_period(&self) -> Duration {
        self.check_period
    }

    /// Returns the effective period of a handler; zero for never, none for a handler that is not here.
    #[must_use]
    pub fn period(&self, id: HandlerId) -> Option<Duration> {
        self.members.get(&id).map(|member| member.effective)
    }

    /// Returns all sinks, in the order in which the handlers were added.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.members.values().map(|member| &member.sink)
    }

    /// Calls a function with the sink of one handler, if it is here.
    pub fn with_sink(&mut self, id: HandlerId, with: impl FnOnce(&mut S)) {
        if let Some(member) = self.members.get_mut(&id) {
            with(&mut member.sink);
        }
    }

    /// Returns true if any handler is due.
    #[must_use]
    pub fn is_anyone_due(&self) -> bool {
        self.members.values().any(|member| member.is_due)
    }

    /// Returns the number of handlers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns true if there is no handler.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// Notifications.
impl<S> Fanout<S> {
    /// Adds a handler to a mirror that has a state already: `state` is delivered to it as additions, followed
    /// by [`Notification::Synced`] if the mirror is synced. See [`add`](Self::add) for the period.
    pub fn add_late<T>(
        &mut self,
        now: Time,
        period: Option<Duration>,
        mut sink: S,
        state: Snapshot<T>,
        is_synced: bool,
    ) -> HandlerId
    where
        S: Sink<T>,
    {
        sink.put(|buffer| {
            buffer.initial(now, state);
            if is_synced {
                buffer.synced(now);
            }
        });
        self.add(now, period, sink)
    }

    /// Notifies all handlers of what happened to the store; those that are not due, only of changes.
    pub fn notify<T>(&mut self, now: Time, outcome: Outcome<T>)
    where
        S: Sink<T>,
    {
        match outcome {
            Outcome::Changes(changes) => self.notify_changes(now, changes),
            Outcome::Initial(state) => {
                for member in self.members.values_mut() {
                    member.sink.put(|buffer| buffer.initial(now, state.clone()));
                }
            }
            Outcome::Resync(state) => {
                for member in self.members.values_mut().filter(|member| member.is_due) {
                    member.sink.put(|buffer| buffer.resync(now, state.clone()));
                }
            }
        }
    }

    /// Notifies all handlers that the initial list is complete.
    pub fn notify_synced<T>(&mut self, now: Time)
    where
        S: Sink<T>,
    {
        for member in self.members.values_mut() {
            member.sink.put(|buffer| buffer.synced(now));
        }
    }

    fn notify_changes<T>(&mut self, now: Time, changes: Vec<Notification<T>>)
    where
        S: Sink<T>,
    {
        if changes.is_empty() {
            return;
        }
        let syncs = changes.iter().filter(|change| change.is_sync()).count();
        let only_syncs = syncs == changes.len();
        let batch: Arc<[_]> = changes.into();
        for member in self.members.values_mut() {
            if member.is_due || !only_syncs {
                let batch = Arc::clone(&batch);
                member
                    .sink
                    .put(|buffer| buffer.changes(now, batch, member.is_due || syncs == 0));
            }
        }
    }
}

impl<S> fmt::Debug for Fanout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout")
            .field("handlers", &self.members.len())
            .field("check_period", &self.check_period)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Outcome<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changes(changes) => f.debug_tuple("Changes").field(&changes.len()).finish(),
            Self::Initial(state) => f.debug_tuple("Initial").field(state).finish(),
            Self::Resync(state) => f.debug_tuple("Resync").field(state).finish(),
        }
    }
}

/// A handler cannot have more resyncs than the mirror has checks.
fn effective(requested: Duration, check_period: Duration) -> Duration {
    if requested.is_zero() || check_period.is_zero() {
        Duration::ZERO
    } else {
        requested.max(check_period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + secs(seconds)
    }

    fn due(fanout: &Fanout<&'static str>) -> Vec<&'static str> {
        let due = fanout.members.values().filter(|member| member.is_due);
        due.map(|member| member.sink).collect()
    }

    #[test]
    fn i_22_i_23_i_24_a_handler_before_the_start_shortens_the_check_period_for_all() {
        let mut fanout = Fanout::new(secs(12 * 60 * 60));
        let periods = [0, 60, 55, 5].map(secs);
        let mut ids = Vec::new();
        for (period, check) in periods.into_iter().zip([12 * 60 * 60, 60, 55, 5]) {
            ids.push(fanout.add(Time::ZERO, Some(period), "handler"));
            assert_eq!(fanout.check_period(), secs(check));
        }
        let effective: Vec<_> = ids.iter().map(|id| fanout.period(*id)).collect();
        assert_eq!(effective, periods.map(Some));
    }

    #[test]
    fn i_23_a_handler_after_the_start_is_raised_to_the_check_period() {
        let mut fanout = Fanout::new(secs(10));
        fanout.start();
        let short = fanout.add(Time::ZERO, Some(secs(2)), "short");
        let long = fanout.add(Time::ZERO, Some(secs(30)), "long");
        let never = fanout.add(Time::ZERO, Some(Duration::ZERO), "never");
        let default = fanout.add(Time::ZERO, None, "default");
        let periods = [short, long, never, default].map(|id| fanout.period(id).unwrap());
        assert_eq!(periods, [10, 30, 0, 10].map(secs));
        assert_eq!(fanout.check_period(), secs(10));
    }

    #[test]
    fn i_22_i_23_the_first_handler_that_asks_for_resyncs_gets_them() {
        for is_started in [false, true] {
            let mut fanout = Fanout::new(Duration::ZERO);
            if is_started {
                fanout.start();
            }
            let never = fanout.add(Time::ZERO, None, "never");
            assert_eq!(fanout.check_period(), Duration::ZERO);
            fanout.add(at(1), Some(secs(5)), "first");
            assert_eq!(fanout.check_period(), secs(5));
            fanout.start();
            let later = fanout.add(at(1), Some(secs(2)), "later");
            assert_eq!(fanout.period(never), Some(Duration::ZERO));
            assert_eq!(fanout.period(later), Some(secs(5)));
            assert!(fanout.check_resync(at(6)));
            assert_eq!(due(&fanout), ["first", "later"]);
        }
    }

    #[test]
    fn i_23_a_period_below_a_second_is_a_second() {
        let mut fanout = Fanout::new(secs(5));
        let id = fanout.add(Time::ZERO, Some(Duration::from_millis(3)), "eager");
        assert_eq!(fanout.period(id), Some(RESYNC_PERIOD_MIN));
    }

    #[test]
    fn p_04_p_05_handlers_are_due_on_the_grid_of_checks() {
        let mut fanout = Fanout::new(secs(1));
        fanout.add(Time::ZERO, Some(Duration::ZERO), "never");
        fanout.add(Time::ZERO, Some(secs(2)), "two");
        fanout.add(Time::ZERO, Some(secs(3)), "three");
        fanout.start();
        let mut seen = Vec::new();
        for second in 1..=6 {
            fanout.check_resync(at(second));
            seen.push(due(&fanout));
        }
        let expected: [&[&str]; 6] = [&[], &["two"], &["three"], &["two"], &[], &["two", "three"]];
        assert_eq!(seen, expected);
    }

    #[test]
    fn p_09_removing_twice_or_a_stranger_does_nothing() {
        let mut fanout = Fanout::new(Duration::ZERO);
        let id = fanout.add(Time::ZERO, None, "one");
        assert_eq!(fanout.remove(id), Some("one"));
        assert_eq!(fanout.remove(id), None);
        assert!(fanout.is_empty());
    }
}
