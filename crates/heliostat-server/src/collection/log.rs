//! The bounded log of events of one kind: what watches read, and what takes the current state
//! back to an older version.
//!
//! A watch may *start* at `floor` or later, the rule of kube-apiserver: the version of the load while
//! nothing was evicted, else one below the oldest event kept. A running watch has a cursor, and has
//! missed something only if an event at or after its cursor is gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::time::Time;

use super::event::{Event, Objects};
use super::scope::{Scope, Scopes};

/// How much a log keeps. Events leave it oldest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LogLimits {
    /// Never more events than this.
    pub(crate) events_max: usize,
    /// Beyond this many bytes, events older than `age` leave.
    pub(crate) bytes: usize,
    /// Never more bytes than this.
    pub(crate) bytes_max: usize,
    /// How long an event stays while there are fewer than `bytes_max`.
    pub(crate) age: Duration,
    /// How many bytes of deletions are kept that have left the log; `None` if clients that were away for
    /// longer than the log goes back are refused.
    pub(crate) tombstone_bytes: Option<usize>,
}

/// After how many events, at least, the index is swept.
const SWEEP_EVENTS: usize = 1_024;

/// The events of one kind, oldest first. Several may have one version: what a source did in one step.
#[derive(Debug)]
pub(crate) struct Log {
    events: VecDeque<Entry>,
    /// The cursor of the oldest event.
    first: Cursor,
    /// Where the events of those scopes are that are read.
    index: Scopes<ScopeLog>,
    /// When to look next for what is no longer needed in the index.
    sweep_at: Cursor,
    bytes: usize,
    floor: u64,
    limits: LogLimits,
}

/// A place in a log: how many events came before it since the log began.
pub(crate) type Cursor = u64;

/// The places of the events of one scope.
#[derive(Debug)]
struct ScopeLog {
    /// Every event of the scope from here on is known.
    since: Cursor,
    cursors: VecDeque<Cursor>,
    /// Where the log ended when the scope was read last.
    read_at: Cursor,
}

#[derive(Debug)]
struct Entry {
    event: Arc<Event>,
    came_at: Time,
}

/// What a running watch may read next.
#[derive(Debug)]
pub(crate) enum Read {
    /// These events, in order; everything up to `up_to` has then been read.
    Events {
        /// The events, possibly none.
        events: Vec<Arc<Event>>,
        /// Where to read on.
        next: Cursor,
        /// The version that is reached with them.
        up_to: u64,
        /// Whether there are more behind them.
        more: bool,
    },
    /// Events that the watch had not read are gone.
    Overrun,
}

impl Log {
    /// An empty window in which every version from `floor` on is known.
    pub(crate) fn new(floor: u64, limits: LogLimits) -> Self {
        Self {
            events: VecDeque::new(),
            first: 0,
            index: Scopes::default(),
            sweep_at: 0,
            bytes: 0,
            floor,
            limits,
        }
    }

    /// Adds the newest event and evicts the oldest beyond the limits; returns those.
    pub(crate) fn push(&mut self, event: Arc<Event>, now: Time) -> Vec<Arc<Event>> {
        debug_assert!(
            self.events
                .back()
                .is_none_or(|last| last.event.version() <= event.version())
        );
        self.bytes += event.size();
        let (cursor, first) = (self.end(), self.first);
        self.index.visit(&event, |it| it.push(cursor, first));
        self.events.push_back(Entry {
            event,
            came_at: now,
        });
        let mut evicted = Vec::new();
        while self.is_beyond_limits(now)
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.event.size();
            let gone = oldest.event.version();
            self.first += 1;
            // A watch may start right below the oldest event, unless another of its version is gone.
            let next = self.events.front().map(|oldest| oldest.event.version());
            self.floor = next.map_or(gone, |next| gone.max(next - 1));
            evicted.push(oldest.event);
        }
        self.sweep();
        evicted
    }

    /// Where the next event goes.
    pub(crate) fn end(&self) -> Cursor {
        self.first + self.events.len() as Cursor
    }

    /// Every now and then, forgets scopes that were not read for as long as the log goes back.
    fn sweep(&mut self) {
        let (end, first) = (self.end(), self.first);
        if end >= self.sweep_at {
            self.index.retain(|scope| scope.read_at >= first);
            self.index.visit_all(|scope| scope.forget_before(first));
            self.sweep_at = end + self.events.len().max(SWEEP_EVENTS) as Cursor;
        }
    }

    fn is_beyond_limits(&self, now: Time) -> bool {
        let limits = &self.limits;
        let is_old = |oldest: &Entry| now - oldest.came_at >= limits.age;
        self.events.len() > limits.events_max
            || self.bytes > limits.bytes_max
            || (self.bytes > limits.bytes && self.events.front().is_some_and(is_old))
    }

    /// Forgets every event; only versions from `current` on can be asked for.
    pub(crate) fn expire(&mut self, current: u64) {
        self.first += self.events.len() as Cursor;
        self.events.clear();
        self.bytes = 0;
        self.floor = self.floor.max(current);
    }

    /// The smallest version a watch may start after, and an exact list may ask for.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// About how many bytes of memory the events keep.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events after a version, none of which is gone, in their order.
    pub(crate) fn after(&self, version: u64) -> impl Iterator<Item = &Arc<Event>> {
        let known = self
            .events
            .partition_point(|entry| entry.event.version() <= version);
        self.events.range(known..).map(|entry| &entry.event)
    }

    /// Where to read the events after a version, none of which is gone.
    pub(crate) fn cursor_after(&self, version: u64) -> Cursor {
        let before = self
            .events
            .partition_point(|entry| entry.event.version() <= version);
        self.first + before as Cursor
    }

    /// The events from a cursor on.
    pub(crate) fn from(&self, cursor: Cursor) -> impl Iterator<Item = &Arc<Event>> {
        let skipped = usize::try_from(cursor.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.events.iter().skip(skipped).map(|entry| &entry.event)
    }

    /// Up to `max` events from a cursor on, all of a scope among them, in a log whose newest version is
    /// `current`. What is read again costs as much as there are events of the scope.
    pub(crate) fn read(&mut self, scope: &Scope, cursor: Cursor, current: u64, max: usize) -> Read {
        let Some(first) = cursor.checked_sub(self.first) else {
            return Read::Overrun;
        };
        if *scope != Scope::All
            && let Some(read) = self.read_scope(scope, cursor, current, max)
        {
            return read;
        }
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let rest = self.events.iter().skip(first).take(max);
        let events: Vec<Arc<Event>> = rest.map(|entry| Arc::clone(&entry.event)).collect();
        let end = first.saturating_add(events.len());
        let more = end < self.events.len();
        let up_to = match events.last() {
            Some(last) if more => last.version(),
            _ => current,
        };
        Read::Events {
            next: cursor + events.len() as Cursor,
            events,
            up_to,
            more,
        }
    }

    /// Reads by the index, which begins with the first read of a scope; `None` before that.
    fn read_scope(
        &mut self,
        scope: &Scope,
        cursor: Cursor,
        current: u64,
        max: usize,
    ) -> Option<Read> {
        let end = self.end();
        let known = self.index.get_or_insert_with(scope, || ScopeLog {
            since: end,
            cursors: VecDeque::new(),
            read_at: end,
        });
        known.read_at = end;
        if cursor < known.since {
            return None;
        }
        let start = known.cursors.partition_point(|it| *it < cursor);
        let taken = known.cursors.range(start..).take(max);
        let taken: Vec<Cursor> = taken.copied().collect();
        let more = start + taken.len() < known.cursors.len();
        let at = |cursor: &Cursor| {
            let place = usize::try_from(cursor.checked_sub(self.first)?).ok()?;
            Some(Arc::clone(&self.events.get(place)?.event))
        };
        let events: Vec<Arc<Event>> = taken.iter().filter_map(at).collect();
        let (next, up_to) = match (taken.last(), events.last()) {
            (Some(last), Some(event)) if more => (last + 1, event.version()),
            _ => (end, current),
        };
        Some(Read::Events {
            events,
            next,
            up_to,
            more,
        })
    }

    /// The objects as of `version`, from the current ones; `None` if that is no longer known.
    pub(crate) fn rewind(&self, objects: &Objects, version: u64) -> Option<Objects> {
        if version < self.floor {
            return None;
        }
        let mut objects = objects.clone();
        let newest_first = self.events.iter().rev().map(|entry| &entry.event);
        for event in newest_first.take_while(|event| event.version() > version) {
            event.undo(&mut objects);
        }
        Some(objects)
    }
}

impl ScopeLog {
    fn push(&mut self, cursor: Cursor, first: Cursor) {
        self.forget_before(first);
        self.cursors.push_back(cursor);
    }

    fn forget_before(&mut self, first: Cursor) {
        while self.cursors.front().is_some_and(|oldest| *oldest < first) {
            self.cursors.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event_type::EventType;
    use super::super::kind::Kind;
    use super::super::object::StoredObject;
    use super::*;

    fn object(name: &str, version: u64) -> Arc<StoredObject> {
        let kind = Kind::builtin("", "v1", "Node", "nodes").cluster_scoped();
        let value = serde_json::json!({"metadata": {"name": name}});
        Arc::new(StoredObject::encode(
            &kind,
            name.into(),
            value.as_object().unwrap(),
            version,
            EventType::Added,
        ))
    }

    /// Applies an event to both the objects and the window.
    fn apply(objects: &mut Objects, history: &mut Log, event: Event) {
        match event.event_type() {
            EventType::Deleted => objects.remove(&**event.object().key()),
            _ => objects.insert(Arc::clone(event.object().key()), Arc::clone(event.object())),
        };
        history.push(Arc::new(event), Time::ZERO);
    }

    fn limits(events_max: usize) -> LogLimits {
        LogLimits {
            events_max,
            bytes: usize::MAX,
            bytes_max: usize::MAX,
            age: Duration::ZERO,
            tombstone_bytes: None,
        }
    }

    fn story(capacity: usize) -> (Objects, Log) {
        let (mut objects, mut history) = (Objects::new(), Log::new(0, limits(capacity)));
        let (a1, a3) = (object("a", 1), object("a", 3));
        let steps = [
            Event::written(Arc::clone(&a1), None),
            Event::written(object("b", 2), None),
            Event::written(Arc::clone(&a3), Some(a1)),
            Event::deleted(a3, 5),
        ];
        for event in steps {
            apply(&mut objects, &mut history, event);
        }
        (objects, history)
    }

    fn versions(objects: &Objects) -> Vec<(String, u64)> {
        objects
            .iter()
            .map(|(key, object)| (key.to_string(), object.version()))
            .collect()
    }

    #[test]
    fn rewinding_gives_every_older_state() {
        let (objects, history) = story(10);
        let at = |version| versions(&history.rewind(&objects, version).unwrap());
        let pair = |name: &str, version| (name.to_owned(), version);
        assert_eq!(at(0), vec![]);
        assert_eq!(at(1), vec![pair("a", 1)]);
        assert_eq!(at(2), vec![pair("a", 1), pair("b", 2)]);
        assert_eq!(at(3), vec![pair("a", 3), pair("b", 2)]);
        assert_eq!(at(4), at(3));
        assert_eq!(at(5), vec![pair("b", 2)]);
    }

    #[test]
    fn evicted_events_raise_the_floor_to_below_the_oldest_kept() {
        let (objects, mut history) = story(1);
        assert_eq!(history.floor(), 4);
        assert!(history.rewind(&objects, 3).is_none());
        assert!(history.rewind(&objects, 4).is_some());
        // A running watch that has read up to the last evicted event has missed nothing.
        assert!(matches!(history.read(&Scope::All, 2, 5, 10), Read::Overrun));
        let Read::Events { events, up_to, .. } = history.read(&Scope::All, 3, 5, 10) else {
            panic!("overrun")
        };
        assert_eq!((events.len(), up_to), (1, 5));
    }

    #[test]
    fn a_read_goes_on_where_the_last_one_ended() {
        let (_, mut history) = story(10);
        let mut read = |cursor| match history.read(&Scope::All, cursor, 9, 3) {
            Read::Events {
                events,
                next,
                up_to,
                ..
            } => (events.len(), next, up_to),
            Read::Overrun => panic!("overrun"),
        };
        assert_eq!(read(0), (3, 3, 3));
        assert_eq!(read(3), (1, 4, 9));
        assert_eq!(read(4), (0, 4, 9));
        assert_eq!(history.cursor_after(0), 0);
        assert_eq!(history.cursor_after(20), 4);
    }

    #[test]
    fn expiry_forgets_events_but_not_watches_that_read_them() {
        let (objects, mut history) = story(10);
        history.expire(9);
        assert_eq!((history.floor(), history.len()), (9, 0));
        assert!(history.rewind(&objects, 8).is_none());
        assert!(matches!(history.read(&Scope::All, 3, 9, 10), Read::Overrun));
        assert!(matches!(
            history.read(&Scope::All, 4, 9, 10),
            Read::Events { .. }
        ));
    }

    fn written(name: &str, version: u64) -> Arc<Event> {
        Arc::new(Event::written(object(name, version), None))
    }

    #[test]
    fn events_stay_for_their_time_unless_they_are_far_too_many_bytes() {
        let one = written("a", 1).size();
        let limits = LogLimits {
            events_max: 100,
            bytes: 2 * one,
            bytes_max: 4 * one,
            age: Duration::from_secs(75),
            tombstone_bytes: None,
        };
        let mut log = Log::new(0, limits);
        let at = |seconds| Time::since_start(Duration::from_secs(seconds));
        for version in 1..=4 {
            assert!(log.push(written("a", version), at(version)).is_empty());
        }
        assert_eq!(log.bytes(), 4 * one);
        log.push(written("a", 5), at(5));
        assert_eq!((log.len(), log.floor()), (4, 1), "never beyond the most");
        log.push(written("a", 6), at(78));
        assert_eq!(
            (log.len(), log.floor()),
            (3, 3),
            "old ones go beyond the least"
        );
    }

    #[test]
    fn nothing_starts_between_events_of_one_version() {
        let mut log = Log::new(0, limits(3));
        for (name, version) in [("a", 1), ("b", 2), ("c", 2), ("d", 2), ("e", 3)] {
            log.push(written(name, version), Time::ZERO);
        }
        // One event of version 2 is gone, so nothing may start below it.
        assert_eq!((log.floor(), log.cursor_after(2)), (2, 4));
    }

    #[test]
    fn a_scope_is_read_without_the_events_of_others() {
        let mut log = Log::new(0, limits(2_000));
        let scope = Scope::Object("a".into());
        let read = |log: &mut Log, cursor| match log.read(&scope, cursor, 9_999, 2) {
            Read::Events {
                events, next, more, ..
            } => (
                events.iter().map(|it| it.version()).collect::<Vec<_>>(),
                next,
                more,
            ),
            Read::Overrun => panic!("overrun"),
        };
        for version in 1..=4 {
            log.push(written("b", version), Time::ZERO);
        }
        // The first read goes through everything; from then on the places are known.
        assert_eq!(read(&mut log, 0), (vec![1, 2], 2, true));
        assert_eq!(read(&mut log, 2), (vec![3, 4], 4, false));
        for version in 5..=2_500 {
            let name = if version % 500 == 0 { "a" } else { "b" };
            log.push(written(name, version), Time::ZERO);
        }
        assert_eq!(
            log.index.len(),
            0,
            "it was not read for as long as the log goes back"
        );
        let end = log.end();
        assert_eq!(read(&mut log, end), (vec![], end, false));
        for version in 2_501..=4_000 {
            let name = if version % 500 == 0 { "a" } else { "b" };
            log.push(written(name, version), Time::ZERO);
        }
        assert_eq!(read(&mut log, end), (vec![3_000, 3_500], 3_500, true));
        assert_eq!(read(&mut log, 3_500), (vec![4_000], 4_000, false));
    }
}
