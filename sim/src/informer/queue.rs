//! `Queue`: the queue between a mirror and its informer, whichever it is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use heliostat_core::object::ObjectKey;
use heliostat_core::queue::DeltaFifoState;
use heliostat_core::queue::ordered_fifo::{OrderedFifo, Popped, Work};
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::{Staging, Store};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;

use crate::kept::Kept;
use crate::scenario::{InformerPlan, QueueKind};

/// The store at the far end of a queue, as the queue sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct FarEnd(Arc<Mutex<Snapshot<Kept>>>);

impl FarEnd {
    /// The store has come to this.
    pub(super) fn set(&self, store: Snapshot<Kept>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    fn get(&self) -> Snapshot<Kept> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A queue.
#[derive(Debug)]
pub(super) enum Queue {
    Ordered(OrderedFifo<Kept>),
    ByKey(ByKey),
}

/// A queue that gives all that happened to an object at once, and whoever takes it apart.
#[derive(Debug)]
pub(super) struct ByKey {
    queue: DeltaFifoState<Kept>,
    /// The object that is in work.
    key: Option<ObjectKey>,
    /// What is left of it.
    rest: VecDeque<Popped<Kept>>,
    /// The version that was given last.
    version: ResourceVersion,
}

impl Queue {
    /// A queue whose far end is what `far` holds.
    pub(super) fn new(plan: &InformerPlan, far: &FarEnd) -> Self {
        let far = far.clone();
        let known = move || far.get();
        match plan.queue {
            QueueKind::Atomic => Self::Ordered(OrderedFifo::atomic().batch_size(plan.batch)),
            QueueKind::Itemized => {
                Self::Ordered(OrderedFifo::itemized(known).batch_size(plan.batch))
            }
            QueueKind::ByKey => Self::ByKey(ByKey {
                queue: DeltaFifoState::new().known(known),
                key: None,
                rest: VecDeque::new(),
                version: ResourceVersion::UNSET,
            }),
        }
    }

    /// The queue as what a mirror writes to. Whoever writes says what time it is.
    pub(super) fn writer(&mut self, now: Time) -> &mut dyn Store<Kept> {
        match self {
            Self::Ordered(queue) => {
                queue.set_now(now);
                queue
            }
            Self::ByKey(by_key) => {
                by_key.queue.set_now(now);
                &mut by_key.queue
            }
        }
    }

    /// A replace begins. `base` is what is in the store that the queue leads to.
    pub(super) fn begin_replace(&mut self, now: Time, base: &Snapshot<Kept>) -> Staging<Kept> {
        match self {
            Self::Ordered(queue) => {
                queue.set_now(now);
                queue.begin_replace_on(base)
            }
            Self::ByKey(_) => self.writer(now).begin_replace(),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Popped<Kept>> {
        match self {
            Self::Ordered(queue) => queue.pop_batch(),
            Self::ByKey(by_key) => by_key.pop(),
        }
    }

    /// Takes an object out and puts it back, as if the work had failed; false where there is none.
    pub(super) fn requeue(&mut self) -> bool {
        match self {
            Self::Ordered(_) => false,
            Self::ByKey(by_key) if !by_key.rest.is_empty() => false,
            Self::ByKey(by_key) => {
                let popped = by_key.queue.pop();
                popped.map(|deltas| by_key.queue.requeue(deltas)).is_some()
            }
        }
    }

    pub(super) fn processed(&mut self) {
        match self {
            Self::Ordered(queue) => queue.processed(),
            Self::ByKey(by_key) if by_key.rest.is_empty() => {
                if let Some(key) = by_key.key.take() {
                    by_key.queue.processed(&key);
                }
            }
            Self::ByKey(_) => {}
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        match self {
            Self::Ordered(queue) => queue.is_synced(),
            Self::ByKey(by_key) => by_key.queue.is_synced(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Ordered(queue) => queue.is_empty(),
            Self::ByKey(by_key) => {
                let reached = by_key.reached().is_none();
                reached && by_key.queue.is_empty() && by_key.rest.is_empty()
            }
        }
    }

    /// True while something is in work that must be done to its end before anything is written.
    pub(super) fn is_in_work(&self) -> bool {
        match self {
            Self::Ordered(_) => false,
            Self::ByKey(by_key) => !by_key.rest.is_empty(),
        }
    }

    pub(super) fn is_congested(&self) -> bool {
        match self {
            Self::Ordered(queue) => queue.is_congested(),
            Self::ByKey(_) => false,
        }
    }
}

impl ByKey {
    /// The next change of the object in work, or the first of the next; when there is none, the
    /// version that is reached.
    fn pop(&mut self) -> Option<Popped<Kept>> {
        if self.rest.is_empty()
            && let Some(deltas) = self.queue.pop()
        {
            self.key = Some(deltas.key().clone());
            let is_in_initial_list = deltas.is_in_initial_list();
            let popped = deltas.into_vec().into_iter().map(|delta| Popped {
                work: Work::Changes(vec![delta]),
                is_in_initial_list,
                reached: None,
            });
            self.rest.extend(popped);
        }
        self.rest.pop_front().or_else(|| {
            let version = self.reached()?.clone();
            self.version.clone_from(&version);
            Some(Popped {
                work: Work::Bookmark(version),
                is_in_initial_list: false,
                reached: None,
            })
        })
    }

    /// A version that is reached once everything is applied and that was not given yet.
    fn reached(&self) -> Option<&ResourceVersion> {
        let version = self.queue.bookmarked();
        version.filter(|version| **version != self.version)
    }
}
