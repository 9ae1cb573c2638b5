//! Metrics of a reflector, under the names that operators know from `client-go`.
//!
//! They go through the [`metrics`](https://docs.rs/metrics) facade: install any recorder (for
//! example `metrics-exporter-prometheus`) before the first reflector is started. Every metric has
//! the label `name`, the reflector's name. Names repeat from run to run, so reflectors that come and
//! go leave no series behind.
//!
//! | metric | type | what |
//! |---|---|---|
//! | `reflector_lists_total` | counter | list requests |
//! | `reflector_list_duration_seconds` | histogram | a whole list, from the first request to the last byte |
//! | `reflector_items_per_list` | histogram | items in a whole list |
//! | `reflector_watches_total` | counter | watch requests |
//! | `reflector_short_watches_total` | counter | watches that ended within a second and brought nothing |
//! | `reflector_watch_duration_seconds` | histogram | a watch, from its request to its end |
//! | `reflector_items_per_watch` | histogram | events of a watch |
//! | `reflector_last_resource_version` | gauge | the version reached, its last 15 digits |
//! | `reflector_errors_total` | counter | failures, with the label `class` |
//! | `reflector_rejected_objects_total` | counter | objects that could not be understood |
//! | `reflector_rewinds_total` | counter | times the source showed an older version |
//! | `reflector_store_errors_total` | counter | changes that the store did not take |
//! | `reflector_watch_list_fallbacks_total` | counter | watch-lists given up for a list |
//! | `reflector_synced` | gauge | 1 from the first complete list on |
//! | `informer_store_resource_version` | gauge | as `reflector_last_resource_version` |

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heliostat_core::version::ResourceVersion;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The handles of one reflector's metrics.
pub(crate) struct ReflectorMetrics {
    identity: Identity,
    lists: Counter,
    list_duration: Histogram,
    items_per_list: Histogram,
    watches: Counter,
    short_watches: Counter,
    watch_duration: Histogram,
    items_per_watch: Histogram,
    rejected: Counter,
    rewinds: Counter,
    store_errors: Counter,
    watch_list_fallbacks: Counter,
    last_version: Gauge,
    store_version: Gauge,
    synced: Gauge,
}

impl ReflectorMetrics {
    pub(crate) fn new(name: &str) -> Self {
        let label = || ("name", name.to_owned());
        Self {
            identity: Identity::reserve(name),
            lists: counter!("reflector_lists_total", &[label()]),
            list_duration: histogram!("reflector_list_duration_seconds", &[label()]),
            items_per_list: histogram!("reflector_items_per_list", &[label()]),
            watches: counter!("reflector_watches_total", &[label()]),
            short_watches: counter!("reflector_short_watches_total", &[label()]),
            watch_duration: histogram!("reflector_watch_duration_seconds", &[label()]),
            items_per_watch: histogram!("reflector_items_per_watch", &[label()]),
            rejected: counter!("reflector_rejected_objects_total", &[label()]),
            rewinds: counter!("reflector_rewinds_total", &[label()]),
            store_errors: counter!("reflector_store_errors_total", &[label()]),
            watch_list_fallbacks: counter!("reflector_watch_list_fallbacks_total", &[label()]),
            last_version: gauge!("reflector_last_resource_version", &[label()]),
            store_version: gauge!("informer_store_resource_version", &[label()]),
            synced: gauge!("reflector_synced", &[label()]),
        }
    }

    pub(crate) fn listing(&self) {
        self.lists.increment(1);
    }

    pub(crate) fn listed(&self, duration: Duration, items: u64) {
        self.list_duration.record(duration.as_secs_f64());
        self.items_per_list.record(items as f64);
    }

    pub(crate) fn watching(&self) {
        self.watches.increment(1);
    }

    pub(crate) fn watched(&self, duration: Duration, events: u64) {
        self.watch_duration.record(duration.as_secs_f64());
        self.items_per_watch.record(events as f64);
    }

    pub(crate) fn short_watch(&self) {
        self.short_watches.increment(1);
    }

    pub(crate) fn rejected(&self) {
        self.rejected.increment(1);
    }

    pub(crate) fn rewind(&self) {
        self.rewinds.increment(1);
    }

    pub(crate) fn store_error(&self) {
        self.store_errors.increment(1);
    }

    pub(crate) fn watch_list_fell_back(&self) {
        self.watch_list_fallbacks.increment(1);
    }

    /// Failures are rare, so the handle is looked up each time.
    pub(crate) fn error(&self, class: &'static str) {
        let labels = [
            ("name", self.identity.name.to_string()),
            ("class", class.to_owned()),
        ];
        counter!("reflector_errors_total", &labels).increment(1);
    }

    /// Gauges belong to the one reflector that holds the name; counters of two simply add up.
    pub(crate) fn reached(&self, version: &ResourceVersion, synced: bool) {
        if !self.identity.reserved {
            return;
        }
        if let Some(number) = gauge_of(version) {
            self.last_version.set(number);
            self.store_version.set(number);
        }
        self.synced.set(if synced { 1.0 } else { 0.0 });
    }
}

/// A version as a number that a double holds exactly: its last 15 digits; 0 for none. A version that
/// is no number has no gauge.
fn gauge_of(version: &ResourceVersion) -> Option<f64> {
    if version.is_unset() {
        return Some(0.0);
    }
    version
        .as_decimal()
        .map(|number| (number % 1_000_000_000_000_000) as f64)
}

/// The right to a name's gauges, held by one reflector at a time.
#[derive(Debug)]
struct Identity {
    name: Arc<str>,
    reserved: bool,
}

/// The names that are held in this process.
static RESERVED: Mutex<BTreeSet<Arc<str>>> = Mutex::new(BTreeSet::new());

impl Identity {
    fn reserve(name: &str) -> Self {
        let name: Arc<str> = name.into();
        let reserved = !name.is_empty()
            && RESERVED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(Arc::clone(&name));
        if !reserved {
            tracing::debug!(%name, "another reflector of this name holds its gauges");
        }
        Self { name, reserved }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        if self.reserved {
            RESERVED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m_04_a_name_is_held_once_until_it_is_released() {
        let first = Identity::reserve("m_04");
        assert!(first.reserved);
        assert!(!Identity::reserve("m_04").reserved);
        assert!(Identity::reserve("m_04 other").reserved);
        assert!(!Identity::reserve("").reserved);
        drop(first);
        assert!(Identity::reserve("m_04").reserved);
    }

    #[test]
    fn s_22_the_gauge_is_the_last_fifteen_digits() {
        assert_eq!(gauge_of(&"".into()), Some(0.0));
        assert_eq!(gauge_of(&"1234".into()), Some(1234.0));
        assert_eq!(gauge_of(&"9000000000000001".into()), Some(1.0));
        assert_eq!(gauge_of(&"opaque".into()), None);
    }
}
