//! `Queue`: the queue between a mirror and its informer, whichever it is.

use std::sync::{Arc, Mutex, PoisonError};

use heliostat_core::queue::ordered_fifo::{OrderedFifo, Popped};
use heliostat_core::store::Store;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::time::Time;

use crate::scenario::{InformerPlan, QueueKind};
use crate::world::Widget;

/// The store at the far end of a queue, as the queue sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct FarEnd(Arc<Mutex<Snapshot<Widget>>>);

impl FarEnd {
    /// The store has come to this.
    pub(super) fn set(&self, store: Snapshot<Widget>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    fn get(&self) -> Snapshot<Widget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A queue.
#[derive(Debug)]
pub(super) enum Queue {
    Ordered(OrderedFifo<Widget>),
}

impl Queue {
    /// A queue whose far end is what `far` holds.
    pub(super) fn new(plan: &InformerPlan, far: &FarEnd) -> Self {
        match plan.queue {
            QueueKind::Atomic => Self::Ordered(OrderedFifo::atomic().batch_size(plan.batch)),
            QueueKind::Itemized => {
                let known = far.clone();
                let queue = OrderedFifo::itemized(move || known.get());
                Self::Ordered(queue.batch_size(plan.batch))
            }
        }
    }

    /// The queue as what a mirror writes to. Whoever writes says what time it is, and what is in the
    /// store that the queue leads to.
    pub(super) fn writer(&mut self, now: Time) -> &mut dyn Store<Widget> {
        match self {
            Self::Ordered(queue) => {
                queue.set_now(now);
                queue
            }
        }
    }

    pub(super) fn begin_replace(&mut self, now: Time, base: &Snapshot<Widget>) {
        match self {
            Self::Ordered(queue) => {
                queue.set_now(now);
                queue.begin_replace_on(base);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Popped<Widget>> {
        match self {
            Self::Ordered(queue) => queue.pop_batch(),
        }
    }

    pub(super) fn processed(&mut self) {
        match self {
            Self::Ordered(queue) => queue.processed(),
        }
    }

    pub(super) fn has_synced(&self) -> bool {
        match self {
            Self::Ordered(queue) => queue.has_synced(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Ordered(queue) => queue.is_empty(),
        }
    }

    pub(super) fn is_congested(&self) -> bool {
        match self {
            Self::Ordered(queue) => queue.is_congested(),
        }
    }
}
