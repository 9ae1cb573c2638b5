//! The memory budget: which decoded objects are kept.
//!
//! A line of all objects that are kept, oldest first. When there are too many, the first is forgotten,
//! unless somebody asked for it since it was last looked at: then it goes to the end of the line.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Packed;

/// The decoded objects of one collection.
pub(in crate::packed) struct Cache<T> {
    budget: usize,
    /// How many bytes the kept objects take, by their own estimate.
    bytes: AtomicUsize,
    objects: AtomicUsize,
    line: Mutex<VecDeque<Weak<Packed<T>>>>,
}

/// Places of objects that are gone are cleared away when they are more than those of objects that are
/// there, and more than this.
const GONE_MIN: usize = 64;

impl<T> Cache<T> {
    pub(in crate::packed) const fn new(budget: usize) -> Self {
        Self {
            budget,
            bytes: AtomicUsize::new(0),
            objects: AtomicUsize::new(0),
            line: Mutex::new(VecDeque::new()),
        }
    }

    /// True unless one object of this size would take more than a quarter of everything.
    pub(super) const fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= self.budget / 4
    }

    /// Takes in an object whose decoded form has just been put into it.
    pub(super) fn admit(&self, object: &Arc<Packed<T>>) {
        let bytes = object.decoded_bytes();
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut line = self.lock();
        line.push_back(Arc::downgrade(object));
        let forgotten = self.make_room(&mut line);
        if line.len() > 2 * self.objects() + GONE_MIN {
            line.retain(|object| object.strong_count() > 0);
        }
        drop(line);
        // Decoded objects take long to free: nobody waits for that.
        drop(forgotten);
    }

    /// A kept object went, and its decoded form with it.
    pub(super) fn released(&self, bytes: usize) {
        self.objects.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How many objects are kept.
    pub(in crate::packed) fn objects(&self) -> usize {
        self.objects.load(Ordering::Relaxed)
    }

    /// How many bytes they take, by their own estimate.
    pub(in crate::packed) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The most they may take.
    pub(in crate::packed) const fn budget(&self) -> usize {
        self.budget
    }

    #[cfg(test)]
    pub(in crate::packed) fn places(&self) -> usize {
        self.lock().len()
    }

    /// Forgets objects until the rest is within the budget. What is given back holds them, and is to be
    /// dropped without the lock.
    fn make_room(&self, line: &mut VecDeque<Weak<Packed<T>>>) -> Vec<(Arc<Packed<T>>, Arc<T>)> {
        let mut forgotten = Vec::new();
        // Who was asked for is spared once; after a whole round nobody is.
        let mut spares = line.len();
        while self.bytes() > self.budget
            && let Some(first) = line.pop_front()
        {
            let Some(object) = first.upgrade() else {
                continue;
            };
            if spares > 0 && object.was_asked_for.swap(false, Ordering::Relaxed) {
                spares -= 1;
                line.push_back(first);
                continue;
            }
            if let Some(decoded) = object.forget() {
                self.released(object.decoded_bytes());
                forgotten.push((object, decoded));
            }
        }
        forgotten
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<Packed<T>>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
