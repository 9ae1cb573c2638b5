//! One limit for the expensive requests of all reflectors of a process.
//!
//! A list or a watch-list makes the server read a whole collection. A process with twenty mirrors
//! that lost its server wants all twenty at the same moment, and so do a thousand other processes.
//! The budget lets few of them be under way at once, first come, first served, and after the
//! first wave keeps a distance between two of them that no two processes share.
//!
//! The machine knows requests by their ids alone and has no clock of its own.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::rng::Rng;
use crate::time::Time;

/// How much may be under way at once, and how close together it may begin.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
/// use heliostat_core::budget::BudgetConfig;
///
/// let gentle = BudgetConfig::new()
///     .limit(NonZeroUsize::MIN)
///     .spacing(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
pub struct BudgetConfig {
    limit: NonZeroUsize,
    spacing: Duration,
    jitter: f64,
}

impl BudgetConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            spacing: DEFAULT_SPACING,
            jitter: DEFAULT_JITTER,
        }
    }

    /// How many requests may be under way at once. Default 4: enough that one slow collection does
    /// not hold up the small ones, few enough that the answers in flight fit in memory and the server
    /// has seats left for everybody else.
    #[must_use]
    pub const fn limit(mut self, limit: NonZeroUsize) -> Self {
        self.limit = limit;
        self
    }

    /// The shortest time between two requests after the first wave. Default 200 ms: twenty mirrors
    /// are back within about six seconds. Zero takes the distance away, jitter included.
    #[must_use]
    pub const fn spacing(mut self, spacing: Duration) -> Self {
        self.spacing = spacing;
        self
    }

    /// Up to how many times the spacing is added to it at random. Default 1.0. It keeps processes
    /// that lost the same server apart. A number that is not finite and positive counts as zero.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = if jitter.is_finite() && jitter > 0.0 {
            jitter
        } else {
            0.0
        };
        self
    }

    fn draw_distance(&self, rng: &mut Rng) -> Duration {
        // A huge factor must not overflow the duration that it multiplies.
        let spread = self.spacing.as_secs_f64() * self.jitter * rng.unit();
        let spread = Duration::try_from_secs_f64(spread).unwrap_or(Duration::MAX);
        self.spacing.saturating_add(spread)
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The budget: who may make an expensive request, and when.
///
/// [`request`](Self::request) queues a request for a permit. After every call, ask [`poll_grant`](Self::poll_grant)
/// until it gives none, and ask again at [`poll_timeout`](Self::poll_timeout). Whoever was granted, or
/// no longer wants to be, says so once with [`release`](Self::release).
///
/// The first wave, from the first request until the budget is idle for the first time, keeps the
/// limit and no distance: a program that starts wants its mirrors soon. Every later grant keeps its
/// distance from the one before, so that what an outage set free at once comes back one by one; a
/// request that comes alone does not wait for anything.
#[derive(Debug)]
pub struct RequestBudgetState {
    config: BudgetConfig,
    rng: Rng,
    waiting: VecDeque<RequestId>,
    granted: BTreeSet<RequestId>,
    next_id: u64,
    first_wave: bool,
    /// No grant before this moment.
    earliest: Time,
}

/// One request for a permit, within one budget.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl RequestBudgetState {
    /// A budget with nothing under way. The generator draws the jitter.
    #[must_use]
    pub const fn new(config: BudgetConfig, rng: Rng) -> Self {
        Self {
            config,
            rng,
            waiting: VecDeque::new(),
            granted: BTreeSet::new(),
            next_id: 0,
            first_wave: true,
            earliest: Time::ZERO,
        }
    }

    /// Queues a request for a permit. The queue is as long as the number of reflectors that share the
    /// budget, each of which has one request at a time.
    pub fn request(&mut self) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.waiting.push_back(id);
        id
    }

    /// The request is over: its permit comes back, or it leaves the queue. Saying it again does
    /// nothing.
    pub fn release(&mut self, id: RequestId) {
        if !self.granted.remove(&id) {
            self.waiting.retain(|waiting| *waiting != id);
        }
        if self.is_idle() {
            self.first_wave = false;
        }
    }

    /// Grants the oldest request, if one may be granted now.
    pub fn poll_grant(&mut self, now: Time) -> Option<RequestId> {
        if !self.has_room() || now < self.earliest {
            return None;
        }
        let id = self.waiting.pop_front()?;
        self.granted.insert(id);
        if !self.first_wave {
            self.earliest = now + self.config.draw_distance(&mut self.rng);
        }
        Some(id)
    }

    /// When the next request can be granted, if only time stands between.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        (self.has_room() && !self.waiting.is_empty()).then_some(self.earliest)
    }

    /// True if this request has its permit.
    #[must_use]
    pub fn is_granted(&self, id: RequestId) -> bool {
        self.granted.contains(&id)
    }

    /// How many requests have a permit.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.granted.len()
    }

    /// How many requests wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn has_room(&self) -> bool {
        self.granted.len() < self.config.limit.get()
    }

    fn is_idle(&self) -> bool {
        self.granted.is_empty() && self.waiting.is_empty()
    }
}

/// See [`BudgetConfig::limit`].
const DEFAULT_LIMIT: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// See [`BudgetConfig::spacing`].
const DEFAULT_SPACING: Duration = Duration::from_millis(200);

/// See [`BudgetConfig::jitter`].
const DEFAULT_JITTER: f64 = 1.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    fn budget(limit: usize, spacing_ms: u64) -> RequestBudgetState {
        let config = BudgetConfig::new()
            .limit(NonZeroUsize::new(limit).unwrap())
            .spacing(Duration::from_millis(spacing_ms));
        RequestBudgetState::new(config, Rng::seeded(7))
    }

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    /// Brings a budget over its first wave, at time zero.
    fn after_first_wave(mut budget: RequestBudgetState) -> RequestBudgetState {
        let first = budget.request();
        assert_eq!(budget.poll_grant(at(0)), Some(first));
        budget.release(first);
        budget
    }

    #[test]
    fn the_limit_holds_and_the_oldest_goes_first() {
        let mut budget = budget(2, 0);
        let ids = [budget.request(), budget.request(), budget.request()];
        assert_eq!(budget.poll_grant(at(0)), Some(ids[0]));
        assert_eq!(budget.poll_grant(at(0)), Some(ids[1]));
        assert_eq!(budget.poll_grant(at(0)), None);
        assert_eq!(budget.poll_timeout(), None, "time alone brings no room");
        budget.release(ids[0]);
        assert_eq!(budget.poll_grant(at(0)), Some(ids[2]));
        assert_eq!((budget.under_way(), budget.waiting()), (2, 0));
    }

    #[test]
    fn who_gives_up_leaves_its_place_to_the_next() {
        let mut budget = budget(1, 0);
        let ids = [budget.request(), budget.request(), budget.request()];
        assert_eq!(budget.poll_grant(at(0)), Some(ids[0]));
        budget.release(ids[1]);
        budget.release(ids[1]);
        budget.release(ids[0]);
        assert_eq!(budget.poll_grant(at(0)), Some(ids[2]));
        assert!(budget.is_granted(ids[2]) && !budget.is_granted(ids[0]));
    }

    #[test]
    fn the_first_wave_goes_out_at_once_and_later_ones_keep_their_distance() {
        let mut budget = budget(4, 200);
        let first: Vec<_> = (0..4).map(|_| budget.request()).collect();
        for id in &first {
            assert_eq!(budget.poll_grant(at(0)), Some(*id));
        }
        for id in first {
            budget.release(id);
        }
        budget.request();
        budget.request();
        let alone = budget.poll_grant(at(1_000));
        assert!(alone.is_some(), "nothing was granted shortly before");
        assert_eq!(budget.poll_grant(at(1_199)), None);
        let next = budget.poll_timeout().unwrap();
        assert!(at(1_200) <= next && next < at(1_400), "{next}");
        assert!(budget.poll_grant(next).is_some());
    }

    #[test]
    fn two_processes_draw_different_distances() {
        let distances = |seed| {
            let budget = RequestBudgetState::new(BudgetConfig::new(), Rng::seeded(seed));
            let mut budget = after_first_wave(budget);
            budget.request();
            budget.request();
            assert!(budget.poll_grant(at(0)).is_some());
            budget.poll_timeout().unwrap()
        };
        assert_ne!(distances(1), distances(2));
    }

    #[test]
    fn odd_jitter_is_no_jitter_and_a_huge_one_no_overflow() {
        for jitter in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let config = BudgetConfig::new().jitter(jitter);
            let distance = config.draw_distance(&mut Rng::seeded(1));
            assert_eq!(distance, DEFAULT_SPACING);
        }
        let huge = BudgetConfig::new().jitter(f64::MAX);
        let spacing = huge.draw_distance(&mut Rng::seeded(1));
        assert!(spacing > Duration::from_secs(1_000_000));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Request,
        /// Releases one of the requests so far, in whatever state it is.
        Release(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Request),
            2 => any::<usize>().prop_map(Step::Release),
            2 => (0..500u64).prop_map(Step::Wait),
        ]
    }

    /// Takes all grants of this moment and checks what holds for each after the first wave.
    fn take_grants(
        budget: &mut RequestBudgetState,
        now: Time,
        limit: usize,
        last: &mut Option<(RequestId, Time)>,
    ) {
        while let Some(id) = budget.poll_grant(now) {
            assert!(budget.under_way() <= limit);
            if let Some((last_id, last_time)) = last.replace((id, now)) {
                assert!(last_id < id, "{id} was asked for before {last_id}");
                assert!(now - last_time >= Duration::from_millis(100));
            }
        }
    }

    proptest! {
        #[test]
        fn never_too_many_never_too_close_and_everybody_in_the_end(
            limit in 1..4usize,
            steps in prop::collection::vec(step(), 0..80),
        ) {
            let mut budget = after_first_wave(budget(limit, 100));
            let mut now = at(0);
            let mut last = None;
            let mut open = Vec::new();
            for step in steps {
                match step {
                    Step::Request => open.push(budget.request()),
                    Step::Release(which) if !open.is_empty() => {
                        budget.release(open.swap_remove(which % open.len()));
                    }
                    Step::Release(_) => {}
                    Step::Wait(ms) => now = now + Duration::from_millis(ms),
                }
                take_grants(&mut budget, now, limit, &mut last);
            }
            // From here on nobody gives up and every permit comes back: all are granted.
            let mut rounds = 0;
            while budget.waiting() > 0 {
                rounds += 1;
                prop_assert!(rounds < 1_000, "{budget:?}");
                if let Some(held) = open.iter().position(|id| budget.is_granted(*id)) {
                    budget.release(open.swap_remove(held));
                }
                now = budget.poll_timeout().map_or(now, |timeout| timeout.max(now));
                take_grants(&mut budget, now, limit, &mut last);
            }
        }
    }
}
