//! What a seed decides about a mirror.

use std::time::Duration;

use heliostat_core::reflector::{
    BackoffConfig, FirstList, ReflectorConfig, RejectPolicy, VersionTracking, WatchListFallback,
    WatchListMode,
};
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;

use super::{choose, seconds};

/// One mirror's configuration, readable: the core's own has no getters.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// The machine's own seed.
    pub seed: u64,
    /// See [`ReflectorConfig::watch_list`].
    pub watch_list: bool,
    /// See [`ReflectorConfig::watch_list_fallback`].
    pub fall_back_on_any_error: bool,
    /// See [`ReflectorConfig::page_size`].
    pub page_size: u32,
    /// See [`ReflectorConfig::list_pages_max`].
    pub list_pages_max: u64,
    /// See [`ReflectorConfig::first_list`].
    pub first_list: FirstList,
    /// See [`ReflectorConfig::list_from_any_always`].
    pub list_from_any_always: bool,
    /// See [`ReflectorConfig::list_idle_timeout`].
    pub list_idle: Duration,
    /// See [`ReflectorConfig::watch_timeout_range`].
    pub watch_timeout: (Duration, Duration),
    /// See [`ReflectorConfig::watch_end_grace`].
    pub watch_end_grace: Duration,
    /// See [`ReflectorConfig::silence_timeout`].
    pub silence: Option<Duration>,
    /// See [`ReflectorConfig::watch_list_idle_timeout`].
    pub watch_list_idle: Duration,
    /// See [`ReflectorConfig::watch_list_timeout`].
    pub watch_list_timeout: Duration,
    /// See [`ReflectorConfig::watch_list_retry_after`].
    pub watch_list_retry_after: Duration,
    /// See [`ReflectorConfig::resync_period`].
    pub resync: Duration,
    /// See [`ReflectorConfig::reject_policy`].
    pub reject: RejectPolicy,
    /// See [`ReflectorConfig::max_internal_error_retry`].
    pub retry: Duration,
    /// See [`ReflectorConfig::version_tracking`].
    pub tracking: VersionTracking,
    /// See [`ReflectorConfig::budgeted`].
    pub budgeted: bool,
    /// The base and the cap of the backoff.
    pub backoff: (Duration, Duration),
    /// See [`ReflectorConfig::connection_backoff`].
    pub own_connection_backoff: bool,
    /// How late the driver is with every timer.
    pub timer_lag: Duration,
    /// See [`ReflectorConfig::poll_interval`].
    pub poll: Option<Duration>,
    /// When somebody stops the mirror, if anybody does.
    pub stops: Option<Time>,
}

impl ClientPlan {
    pub(super) fn draw(rng: &mut Rng, budgeted: bool) -> Self {
        let shortest_watch = choose(rng, &[8, 30, 300]);
        Self {
            seed: rng.next_u64(),
            watch_list: rng.one_in(2),
            fall_back_on_any_error: !rng.one_in(4),
            page_size: choose(rng, &[0, 0, 1, 3, 7]),
            list_pages_max: 40,
            first_list: choose(
                rng,
                &[FirstList::Any, FirstList::Any, FirstList::MostRecent],
            ),
            list_from_any_always: rng.one_in(6),
            list_idle: seconds(choose(rng, &[5, 20, 60])),
            watch_timeout: (seconds(shortest_watch), seconds(2 * shortest_watch)),
            watch_end_grace: seconds(choose(rng, &[2, 30])),
            silence: choose(rng, &[None, Some(10), Some(30), Some(90)]).map(seconds),
            watch_list_idle: seconds(choose(rng, &[5, 30])),
            watch_list_timeout: seconds(choose(rng, &[20, 120])),
            watch_list_retry_after: seconds(choose(rng, &[30, 600])),
            resync: seconds(choose(rng, &[0, 0, 15, 60])),
            reject: match rng.below(12) {
                0 => RejectPolicy::Stop,
                1..=4 => RejectPolicy::Drop,
                _ => RejectPolicy::KeepLast,
            },
            retry: seconds(choose(rng, &[0, 5, 30])),
            tracking: if rng.one_in(8) {
                VersionTracking::LastWriter
            } else {
                VersionTracking::Strict
            },
            budgeted,
            backoff: choose(rng, &[(800, 30_000), (800, 30_000), (200, 5_000)])
                .map_both(Duration::from_millis),
            own_connection_backoff: rng.one_in(4),
            timer_lag: Duration::from_millis(choose(rng, &[0, 0, 300, 3_000])),
            poll: None,
            stops: None,
        }
    }

    /// The machine's configuration.
    #[must_use]
    pub fn config(&self) -> ReflectorConfig {
        let backoff = BackoffConfig::exponential(self.backoff.0, self.backoff.1);
        let config = ReflectorConfig::default()
            .watch_list(if self.watch_list {
                WatchListMode::Auto
            } else {
                WatchListMode::Off
            })
            .watch_list_fallback(if self.fall_back_on_any_error {
                WatchListFallback::OnAnyError
            } else {
                WatchListFallback::OnInvalid
            })
            .page_size(self.page_size)
            .list_pages_max(self.list_pages_max)
            .first_list(self.first_list)
            .list_from_any_always(self.list_from_any_always)
            .list_idle_timeout(self.list_idle)
            .watch_timeout_range(self.watch_timeout.0, self.watch_timeout.1)
            .watch_end_grace(self.watch_end_grace)
            .silence_timeout(self.silence)
            .watch_list_idle_timeout(self.watch_list_idle)
            .watch_list_timeout(self.watch_list_timeout)
            .watch_list_retry_after(self.watch_list_retry_after)
            .resync_period(self.resync)
            .reject_policy(self.reject)
            .max_internal_error_retry(self.retry)
            .version_tracking(self.tracking)
            .budgeted(self.budgeted)
            .poll_interval(self.poll.unwrap_or_default())
            .single_object_lists(true)
            .backoff(backoff.clone());
        if self.own_connection_backoff {
            config.connection_backoff(backoff)
        } else {
            config
        }
    }
}

/// A pair of which both halves are mapped alike.
trait MapBoth<A> {
    fn map_both<B>(self, map: impl Fn(A) -> B) -> (B, B);
}

impl<A> MapBoth<A> for (A, A) {
    fn map_both<B>(self, map: impl Fn(A) -> B) -> (B, B) {
        (map(self.0), map(self.1))
    }
}
