//! `Fanout`: who listens, and who is due to be told again.
//!
//! One resync period for the mirror (the *check period*), and one for each handler. The mirror looks
//! every check period which handlers are due, and only those are told what did not change.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::buffer::HandlerBuffer;
use crate::notification::Notification;
use crate::store::snapshot::Snapshot;
use crate::time::Time;

/// The shortest period in which a handler can be told again: a resync walks the whole mirror.
pub const RESYNC_PERIOD_MIN: Duration = Duration::from_secs(1);

/// A handler among the handlers of one mirror.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HandlerId(u64);

/// What handlers are to be told.
pub enum Outcome<T> {
    /// Changes, in their order. Those that only say that nothing changed are among them.
    Changes(Vec<Notification<T>>),
    /// The first content of a store that was empty.
    Initial(Snapshot<T>),
    /// All objects are told again to those who are due.
    Resync(Snapshot<T>),
}

/// Where what a handler is to be told is put.
pub trait Sink<T> {
    /// Puts something into the handler's buffer, and wakes the handler where that is needed.
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
    /// What handlers get that ask for nothing in particular.
    default_period: Duration,
    check_period: Duration,
    started: bool,
}

struct Member<S> {
    sink: S,
    requested: Duration,
    effective: Duration,
    next_resync: Time,
    /// Due at the last check: told what did not change, until the next check.
    is_due: bool,
}

impl<S> Fanout<S> {
    /// No handlers yet. With a `period` of zero, only handlers that ask for resyncs get them.
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

    /// Somebody listens from now on. Without a period of its own a handler gets the mirror's.
    ///
    /// A period of zero means never; one below [`RESYNC_PERIOD_MIN`] is raised to it. A mirror that does
    /// not check yet checks from now on in the period of the first handler that has one. Otherwise a
    /// shorter period than the mirror's shortens the mirror's, for all, before the start; after it the
    /// mirror's stands, and a shorter one is raised to it.
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

    /// Nobody listens there any more. Nothing happens if that was so already.
    pub fn remove(&mut self, id: HandlerId) -> Option<S> {
        self.members.remove(&id).map(|member| member.sink)
    }

    /// Nobody listens any more.
    pub fn clear(&mut self) -> impl Iterator<Item = S> + use<S> {
        let members = std::mem::take(&mut self.members);
        members.into_values().map(|member| member.sink)
    }

    /// The mirror starts: its check period stands, if it has one.
    pub const fn start(&mut self) {
        self.started = true;
    }

    /// Looks who is due; true if anybody is. Those who are due are told what the coming resync says,
    /// and what lists find unchanged, until the next check.
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

    /// How often the mirror looks who is due; zero for never.
    #[must_use]
    pub const fn check_period(&self) -> Duration {
        self.check_period
    }

    /// The period of a handler, as it was negotiated; zero for never, none for who does not listen.
    #[must_use]
    pub fn period(&self, id: HandlerId) -> Option<Duration> {
        self.members.get(&id).map(|member| member.effective)
    }

    /// All sinks, to look at, in the order in which the handlers came.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.members.values().map(|member| &member.sink)
    }

    /// Lets somebody at the sink of one handler, if it still listens.
    pub fn with_sink(&mut self, id: HandlerId, with: impl FnOnce(&mut S)) {
        if let Some(member) = self.members.get_mut(&id) {
            with(&mut member.sink);
        }
    }

    /// True if anybody is due.
    #[must_use]
    pub fn is_anyone_due(&self) -> bool {
        self.members.values().any(|member| member.is_due)
    }

    /// How many listen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True if nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// What is told.
impl<S> Fanout<S> {
    /// Somebody listens from now on to a mirror that holds something already: it is told `state` as
    /// new, and if the mirror has been [told to be synced](Self::tell_synced), that this was all. See
    /// [`add`](Self::add) for the period.
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

    /// Tells everybody what became of the store; those who are not due, only what changed.
    pub fn tell<T>(&mut self, now: Time, outcome: Outcome<T>)
    where
        S: Sink<T>,
    {
        match outcome {
            Outcome::Changes(changes) => self.tell_changes(now, changes),
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

    /// Tells everybody that all of the initial list has been told.
    pub fn tell_synced<T>(&mut self, now: Time)
    where
        S: Sink<T>,
    {
        for member in self.members.values_mut() {
            member.sink.put(|buffer| buffer.synced(now));
        }
    }

    fn tell_changes<T>(&mut self, now: Time, changes: Vec<Notification<T>>)
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

/// A handler cannot be told more often than the mirror looks.
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
