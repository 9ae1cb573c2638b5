//! The options of a reflector, each with its unit, its default and its reason.

use std::time::Duration;

use super::backoff::{BackoffConfig, BackoffReset};

/// Whether the initial state is streamed through a watch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WatchListMode {
    /// Try it, and list where the server will not.
    #[default]
    Auto,
    /// Always list.
    Off,
}

/// Which failures of a watch-list lead to a list instead.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WatchListFallback {
    /// Any that is not waited out.
    #[default]
    OnAnyError,
    /// Only a refusal of the parameters; others end the round. Kubernetes 1.27 and 1.28.
    OnInvalid,
}

/// How the version follows the events of a watch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum VersionTracking {
    /// The version never goes back: an event older than the version is reported as a rewind and
    /// settled by a consistent list. An event without a version does not move it.
    #[default]
    Strict,
    /// The last event's version, whatever it is: the reference reflector's rule.
    LastWriter,
}

/// What the first list of a reflector asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FirstList {
    /// Any state that the server has at hand (`resourceVersion=0`): cheap, may be somewhat old.
    #[default]
    Any,
    /// The most recent state: costs the server a consistent read.
    MostRecent,
}

/// What to do about an object that cannot be understood.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RejectPolicy {
    /// Keep the last state that could be.
    #[default]
    KeepLast,
    /// Take the object out of the store until it can be understood again.
    Drop,
    /// Stop the reflector.
    Stop,
}

/// The options of a reflector.
///
/// ```
/// use std::time::Duration;
/// use heliostat_core::reflector::ReflectorConfig;
///
/// let config = ReflectorConfig::default().page_size(100).resync_period(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug)]
pub struct ReflectorConfig {
    pub(super) page_size: Option<u32>,
    pub(super) first_list: FirstList,
    pub(super) list_from_any_always: bool,
    pub(super) list_pages_max: u64,
    pub(super) list_idle_timeout: Duration,
    pub(super) watch_timeout: (Duration, Duration),
    pub(super) watch_end_grace: Duration,
    pub(super) silence_timeout: Option<Duration>,
    pub(super) version_tracking: VersionTracking,
    pub(super) record_initial_versions: bool,
    pub(super) watch_list: WatchListMode,
    pub(super) watch_list_fallback: WatchListFallback,
    pub(super) watch_list_idle_timeout: Duration,
    pub(super) watch_list_timeout: Duration,
    pub(super) watch_list_retry_after: Duration,
    pub(super) resync_period: Option<Duration>,
    pub(super) backoff: BackoffConfig,
    pub(super) connection_backoff: Option<BackoffConfig>,
    pub(super) max_internal_error_retry: Duration,
    pub(super) retry_after_max: Duration,
    pub(super) poll_interval: Option<Duration>,
    pub(super) reject_policy: RejectPolicy,
    pub(super) budgeted: bool,
    pub(super) verify_history: bool,
    pub(super) single_object_lists: bool,
}

/// The shortest time a watch is asked to last: five minutes, as the reference reflector has it.
const WATCH_TIMEOUT_MIN: Duration = Duration::from_secs(5 * 60);

impl Default for ReflectorConfig {
    fn default() -> Self {
        Self {
            page_size: None,
            first_list: FirstList::Any,
            list_from_any_always: false,
            list_pages_max: 100_000,
            list_idle_timeout: Duration::from_secs(60),
            watch_timeout: (WATCH_TIMEOUT_MIN, 2 * WATCH_TIMEOUT_MIN),
            watch_end_grace: Duration::from_secs(30),
            silence_timeout: Some(Duration::from_secs(90)),
            version_tracking: VersionTracking::Strict,
            record_initial_versions: false,
            watch_list: WatchListMode::Auto,
            watch_list_fallback: WatchListFallback::OnAnyError,
            watch_list_idle_timeout: Duration::from_secs(30),
            watch_list_timeout: Duration::from_secs(120),
            watch_list_retry_after: Duration::from_secs(600),
            resync_period: None,
            backoff: BackoffConfig::default(),
            connection_backoff: None,
            max_internal_error_retry: Duration::ZERO,
            retry_after_max: Duration::from_secs(5 * 60),
            poll_interval: None,
            reject_policy: RejectPolicy::KeepLast,
            budgeted: false,
            verify_history: true,
            single_object_lists: false,
        }
    }
}

impl ReflectorConfig {
    /// The options that behave as the reference reflector of Kubernetes 1.25 to 1.27 did.
    ///
    /// No watch-list; no proof of the history after a failure; one backoff between rounds and another for connections, each starting over
    /// after two quiet minutes; every event moves the version, wherever the watch began.
    #[must_use]
    pub fn as_of_kubernetes_1_26() -> Self {
        let backoff =
            BackoffConfig::default().reset(BackoffReset::AfterQuiet(Duration::from_secs(120)));
        Self::default()
            .watch_list(WatchListMode::Off)
            .version_tracking(VersionTracking::LastWriter)
            .record_initial_versions(true)
            .verify_history(false)
            .connection_backoff(backoff.clone())
            .backoff(backoff)
    }

    /// At most so many items a page, for every list. Zero and the default: 500 where a page costs
    /// the server no more than the whole (version unset or `0`), no limit otherwise.
    #[must_use]
    pub fn page_size(mut self, items: u32) -> Self {
        self.page_size = (items > 0).then_some(items);
        self
    }

    /// What the very first list asks for. Default [`FirstList::Any`].
    #[must_use]
    pub const fn first_list(mut self, first: FirstList) -> Self {
        self.first_list = first;
        self
    }

    /// Ask every list for any state, as reflectors did before Kubernetes 1.17. A list older than
    /// what was seen is still never applied silently. Default off.
    #[must_use]
    pub const fn list_from_any_always(mut self, always: bool) -> Self {
        self.list_from_any_always = always;
        self
    }

    /// After how many pages a list counts as endless. Default 100,000: fifty million objects at the
    /// usual page size.
    #[must_use]
    pub const fn list_pages_max(mut self, pages: u64) -> Self {
        self.list_pages_max = pages;
        self
    }

    /// For how long no byte of a list may come before it is given up. Default 60 s, the time after
    /// which an API server gives up a request itself.
    #[must_use]
    pub const fn list_idle_timeout(mut self, timeout: Duration) -> Self {
        self.list_idle_timeout = timeout;
        self
    }

    /// Asks the server to end each watch after a random time of `min` to twice `min`. Honoured only
    /// above the default of five minutes; for shorter ones see
    /// [`watch_timeout_range`](Self::watch_timeout_range).
    #[must_use]
    pub fn min_watch_timeout(mut self, min: Duration) -> Self {
        if min > WATCH_TIMEOUT_MIN {
            self.watch_timeout = (min, min.saturating_mul(2));
        }
        self
    }

    /// Asks the server to end each watch after a random time in this range, whatever it is. Watches
    /// that end at different times spread a fleet of clients over the servers.
    #[must_use]
    pub fn watch_timeout_range(mut self, min: Duration, max: Duration) -> Self {
        self.watch_timeout = (min, max.max(min));
        self
    }

    /// How long after the asked-for end a watch that did not end is given up. Default 30 s.
    #[must_use]
    pub const fn watch_end_grace(mut self, grace: Duration) -> Self {
        self.watch_end_grace = grace;
        self
    }

    /// After how long without an event or a bookmark a watch counts as half-open: it is given up and
    /// opened again at the last version, and after a second silence the source is asked for its
    /// present version. A watch that ends earlier without having brought anything does not start the
    /// count anew. Default 90 s: bookmarks come about every minute. `None` relies on the end of the
    /// watch alone, and does not notice a source that went back and stays silent.
    #[must_use]
    pub const fn silence_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.silence_timeout = timeout;
        self
    }

    /// How the version follows the events. Default [`VersionTracking::Strict`].
    #[must_use]
    pub const fn version_tracking(mut self, tracking: VersionTracking) -> Self {
        self.version_tracking = tracking;
        self
    }

    /// Let the first events of a watch from an unset version or `0` move the version, though they
    /// come in no order: the rule up to Kubernetes 1.35. Default off.
    #[must_use]
    pub const fn record_initial_versions(mut self, record: bool) -> Self {
        self.record_initial_versions = record;
        self
    }

    /// Whether the initial state is streamed through a watch. Default [`WatchListMode::Auto`].
    #[must_use]
    pub const fn watch_list(mut self, mode: WatchListMode) -> Self {
        self.watch_list = mode;
        self
    }

    /// Which failures of a watch-list lead to a list. Default [`WatchListFallback::OnAnyError`].
    #[must_use]
    pub const fn watch_list_fallback(mut self, fallback: WatchListFallback) -> Self {
        self.watch_list_fallback = fallback;
        self
    }

    /// For how long a watch-list may stay without an event before its end mark; then it is given up
    /// for a list. Default 30 s.
    #[must_use]
    pub const fn watch_list_idle_timeout(mut self, timeout: Duration) -> Self {
        self.watch_list_idle_timeout = timeout;
        self
    }

    /// Within what time the end mark of a watch-list must come, whatever else comes. Default 120 s.
    #[must_use]
    pub const fn watch_list_timeout(mut self, timeout: Duration) -> Self {
        self.watch_list_timeout = timeout;
        self
    }

    /// How long to list instead after an end mark did not come. Default 10 min: a server that is
    /// upgraded is found again, one that never learns costs a stream now and then.
    #[must_use]
    pub const fn watch_list_retry_after(mut self, pause: Duration) -> Self {
        self.watch_list_retry_after = pause;
        self
    }

    /// How often the store delivers again what it knows; only while watching. Zero and the default:
    /// never.
    #[must_use]
    pub fn resync_period(mut self, period: Duration) -> Self {
        self.resync_period = (!period.is_zero()).then_some(period);
        self
    }

    /// The delays between rounds and, unless [`connection_backoff`](Self::connection_backoff) is
    /// set, between tries of a watch. Replaces the default as a whole.
    #[must_use]
    pub fn backoff(mut self, backoff: BackoffConfig) -> Self {
        self.backoff = backoff;
        self
    }

    /// A backoff of its own for tries of a watch: refused connections and 429. Kubernetes 1.20 to
    /// 1.27 had two; the default is one for both.
    #[must_use]
    pub fn connection_backoff(mut self, backoff: BackoffConfig) -> Self {
        self.connection_backoff = Some(backoff);
        self
    }

    /// For how long internal errors of a watch are retried at once, before a list. Default zero:
    /// never.
    #[must_use]
    pub const fn max_internal_error_retry(mut self, duration: Duration) -> Self {
        self.max_internal_error_retry = duration;
        self
    }

    /// The longest delay that a server may ask for, with `Retry-After` or in a `Status`; it bounds
    /// every such delay. Default 5 min: busy servers ask for seconds, and a wrong clock or a
    /// misconfigured proxy must not stop a mirror for a day.
    #[must_use]
    pub const fn retry_after_max(mut self, delay: Duration) -> Self {
        self.retry_after_max = delay;
        self
    }

    /// Lists again at this interval instead of watching. The interval is counted from the end of one
    /// list to the start of the next. Zero and the default: never; the source is watched.
    ///
    /// For resources that can be listed and not watched, such as the metrics of pods. Each interval
    /// costs the server a whole list, and changes in between are not seen one by one.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = (!interval.is_zero()).then_some(interval);
        self
    }

    /// What to do about an object that cannot be understood. Default [`RejectPolicy::KeepLast`].
    #[must_use]
    pub const fn reject_policy(mut self, policy: RejectPolicy) -> Self {
        self.reject_policy = policy;
        self
    }

    /// Whether a reconnect that follows a failure (refused, reset, timed out, an error) first proves that
    /// the source was not restored from a backup. After a [silence](Self::silence_timeout) it does in any
    /// case. Costs one small list for each such
    /// reconnect, at the pace of the backoff and within the shared budget. No event is delivered
    /// before the proof. Default on: a mirror that watches on in another history misses changes and
    /// keeps deleted objects until its next list, as the reference reflector does.
    ///
    /// The proof compares the version of the source and the object that changed last. It does not
    /// notice a restore if that object is the same in the backup, or has changed again after it, and
    /// the new changes have passed the version of the mirror.
    #[must_use]
    pub const fn verify_history(mut self, verify: bool) -> Self {
        self.verify_history = verify;
        self
    }

    /// The source understands [`ListOptions::object`](crate::options::ListOptions::object), so that
    /// the proof of the history can ask for the object that changed last. Default off: only the
    /// version of the source is compared. A driver sets it to what the source supports.
    #[must_use]
    pub const fn single_object_lists(mut self, supported: bool) -> Self {
        self.single_object_lists = supported;
        self
    }

    /// Ask for a permit before every list, watch-list and proof of the history, so that all reflectors of a process can
    /// share one budget. Default off; a driver that has a budget sets it.
    #[must_use]
    pub const fn budgeted(mut self, budgeted: bool) -> Self {
        self.budgeted = budgeted;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_01_the_defaults_are_the_references() {
        let config = ReflectorConfig::default();
        assert_eq!(
            config.watch_timeout,
            (Duration::from_secs(300), Duration::from_secs(600))
        );
        assert_eq!(config.backoff, BackoffConfig::default());
        assert_eq!((config.resync_period, config.page_size), (None, None));
        assert_eq!(config.max_internal_error_retry, Duration::ZERO);
    }

    #[test]
    fn r_02_a_minimum_of_five_minutes_or_less_is_not_honoured() {
        let range = |min| {
            ReflectorConfig::default()
                .min_watch_timeout(Duration::from_secs(min))
                .watch_timeout
        };
        let standard = (Duration::from_secs(300), Duration::from_secs(600));
        assert_eq!(range(1), standard);
        assert_eq!(range(300), standard);
        assert_eq!(
            range(1800),
            (Duration::from_secs(1800), Duration::from_secs(3600))
        );
    }

    #[test]
    fn r_03_a_backoff_replaces_the_default_as_a_whole() {
        let own = BackoffConfig::exponential(Duration::from_millis(10), Duration::from_millis(100));
        let config = ReflectorConfig::default().backoff(own.clone());
        assert_eq!(config.backoff, own);
    }
}
