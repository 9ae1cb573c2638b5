//! Applied: the store behind the queue goes through states that the mirror's own store went through,
//! in their order, and its version never says more than what was applied. When nothing is queued, the
//! two are the same. Where the queue takes things apart, only the end counts.

use std::collections::VecDeque;

use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::version::ResourceVersion;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::informer::is_same_content;
use crate::kept::Kept;
use crate::scenario::QueueKind;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// What the mirror's store went through since what is applied. The first is what is applied.
    ahead: VecDeque<Snapshot<Kept>>,
    /// The versions that the mirror's store had up to what is applied, since the one that the store
    /// behind the queue has.
    behind: VecDeque<ResourceVersion>,
    /// What the store's version was after the last batch.
    version: ResourceVersion,
}

impl Promise for Applied {
    fn name(&self) -> &'static str {
        "applied"
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if said.is_of_watch() || matches!(said, Said::Commit(_)) {
            if self.ahead.is_empty() {
                self.ahead.push_back(Snapshot::default());
            }
            self.ahead.push_back(view.seat.store.snapshot());
        }
        Ok(())
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        let informer = &view.seat.informer;
        let (store, mirror) = (informer.store.view(), view.seat.view());
        self.version.clone_from(store.resource_version());
        if informer.is_synced && !mirror.is_synced() {
            return Err("the store is said to be synced, and the mirror is not".to_owned());
        }
        if informer.is_drained() {
            self.ahead.clear();
            self.behind.clear();
            self.ahead.push_back(mirror.clone());
            return are_equal(store, mirror);
        }
        match informer.plan.queue {
            QueueKind::Atomic => self.go_on_to(store),
            // Whoever takes things apart goes through states that the mirror never had.
            QueueKind::Itemized | QueueKind::ByKey => Ok(()),
        }
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let version = view.seat.informer.store.view().resource_version();
        if *version == self.version {
            return Ok(());
        }
        Err(format!(
            "nothing was applied, and the version went to {version}"
        ))
    }
}

impl Applied {
    fn go_on_to(&mut self, store: &Snapshot<Kept>) -> Verdict {
        let version = store.resource_version();
        let content = |state: &Snapshot<Kept>| is_same_content(state, store);
        while let Some(state) = self.ahead.front() {
            let reached = state.resource_version();
            if content(state) {
                let known = self.behind.iter().position(|it| it == version);
                if known.is_some() || reached == version {
                    self.behind.drain(..known.unwrap_or(self.behind.len()));
                    return Ok(());
                }
            }
            self.behind.push_back(reached.clone());
            self.ahead.pop_front();
        }
        Err(format!(
            "the mirror never went on to {} objects at version {version}, as the store has them",
            store.len()
        ))
    }
}

fn are_equal(store: &Snapshot<Kept>, mirror: &Snapshot<Kept>) -> Verdict {
    if !is_same_content(store, mirror) {
        return Err("everything is applied, and the two stores hold other objects".to_owned());
    }
    if store.resource_version() != mirror.resource_version() {
        return Err(format!(
            "everything is applied, and the store is at version {}, the mirror at {}",
            store.resource_version(),
            mirror.resource_version()
        ));
    }
    Ok(())
}
