//! How many watches are open, for tests that must wait until a client watches.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::collection::kind::Kind;

/// Counts open watches by resource.
#[derive(Clone, Debug)]
pub(crate) struct WatchGauge {
    open: watch::Sender<BTreeMap<String, usize>>,
}

/// One open watch; dropping it counts it out.
#[derive(Debug)]
pub(crate) struct WatchGuard {
    gauge: WatchGauge,
    resource: String,
}

impl WatchGauge {
    pub(crate) fn new() -> Self {
        Self {
            open: watch::Sender::new(BTreeMap::new()),
        }
    }

    pub(crate) fn enter(&self, kind: &Kind) -> WatchGuard {
        let resource = kind.qualified().to_owned();
        self.open
            .send_modify(|open| *open.entry(resource.clone()).or_default() += 1);
        WatchGuard {
            gauge: self.clone(),
            resource,
        }
    }

    pub(crate) fn count(&self, resource: &str) -> usize {
        self.open.borrow().get(resource).copied().unwrap_or(0)
    }

    /// Waits until the count of a resource is as wanted.
    pub(crate) async fn wait_for(&self, resource: &str, wanted: impl Fn(usize) -> bool) {
        let mut open = self.open.subscribe();
        let count = |open: &BTreeMap<String, usize>| open.get(resource).copied().unwrap_or(0);
        // The sender lives as long as `self`, so this cannot fail.
        let _ = open.wait_for(|open| wanted(count(open))).await;
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.gauge.open.send_modify(|open| {
            if let Some(count) = open.get_mut(&self.resource) {
                *count = count.saturating_sub(1);
            }
        });
    }
}
