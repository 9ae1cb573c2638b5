//! The representations of one object, each made at most once, and the memory that they may take.
//!
//! An object makes a representation when the first client asks for it; all watchers, replays, initial
//! events and lists share its bytes. What is kept beyond its first use is bounded for a whole owner:
//! the representations that were made first are dropped first, and are made again if they are asked
//! for again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::binary::Binary;
use super::json::{Json, Line};

/// What an object is in each representation, or why it has none.
#[derive(Debug, Default)]
pub(crate) struct Representations {
    pub(crate) json: OnceLock<Result<Json, String>>,
    /// Its metadata alone.
    pub(crate) partial: OnceLock<Result<Line, String>>,
    pub(crate) binary: OnceLock<Result<Binary, String>>,
    /// Its metadata alone.
    pub(crate) partial_binary: OnceLock<Result<Binary, String>>,
}

/// Where an object has its representations.
#[derive(Debug)]
pub(crate) enum Holder {
    /// With the object, as long as it exists.
    Object(OnceLock<Arc<Representations>>),
    /// In a cache that may drop them.
    Cache {
        cache: Arc<RepresentationCache>,
        made: Mutex<Weak<Representations>>,
    },
}

impl Holder {
    /// A holder that keeps everything.
    pub(crate) const fn object() -> Self {
        Self::Object(OnceLock::new())
    }

    /// A holder of these representations.
    pub(crate) fn of(representations: Representations) -> Self {
        Self::Object(OnceLock::from(Arc::new(representations)))
    }

    /// A holder that keeps what a cache keeps.
    pub(crate) fn cache(cache: &Arc<RepresentationCache>) -> Self {
        Self::Cache {
            cache: Arc::clone(cache),
            made: Mutex::default(),
        }
    }

    /// An empty holder of the same sort.
    pub(crate) fn like(&self) -> Self {
        match self {
            Self::Object(_) => Self::object(),
            Self::Cache { cache, .. } => Self::cache(cache),
        }
    }

    /// Returns one representation; `make` returns it with its size in bytes if it is not there.
    pub(crate) fn get_or_make<T: Clone>(
        &self,
        slot: impl FnOnce(&Representations) -> &OnceLock<Result<T, String>>,
        make: impl FnOnce() -> Result<(T, usize), String>,
    ) -> Result<T, String> {
        let representations = self.representations();
        let mut made = 0;
        let result = slot(&representations).get_or_init(|| {
            make().map(|(it, bytes)| {
                made = bytes;
                it
            })
        });
        let result = result.clone();
        if let Self::Cache { cache, .. } = self
            && made > 0
        {
            cache.keep(representations, made);
        }
        result
    }

    /// Returns one representation if it is there.
    pub(crate) fn made<T: Clone>(
        &self,
        slot: impl FnOnce(&Representations) -> &OnceLock<Result<T, String>>,
    ) -> Option<T> {
        let representations = match self {
            Self::Object(own) => own.get().cloned(),
            Self::Cache { made, .. } => {
                let made = made.lock().unwrap_or_else(PoisonError::into_inner);
                made.upgrade()
            }
        }?;
        slot(&representations).get()?.as_ref().ok().cloned()
    }

    fn representations(&self) -> Arc<Representations> {
        match self {
            Self::Object(own) => Arc::clone(own.get_or_init(Arc::default)),
            Self::Cache { made, .. } => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                made.upgrade().unwrap_or_else(|| {
                    let new = Arc::default();
                    *made = Arc::downgrade(&new);
                    new
                })
            }
        }
    }
}

/// Keeps the representations that were made last, within a number of bytes.
#[derive(Debug)]
pub(crate) struct RepresentationCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// What was made, in order, with its size.
    made: VecDeque<(Arc<Representations>, usize)>,
    bytes: usize,
}

impl RepresentationCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            kept: Mutex::default(),
        }
    }

    /// How many bytes are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn keep(&self, representations: Arc<Representations>, bytes: usize) {
        let mut dropped = Vec::new();
        let mut kept = self.lock();
        kept.made.push_back((representations, bytes));
        kept.bytes += bytes;
        while kept.bytes > self.bytes_max {
            let Some((oldest, bytes)) = kept.made.pop_front() else {
                break;
            };
            kept.bytes -= bytes;
            dropped.push(oldest);
        }
        // Memory is freed after the lock.
        drop(kept);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event_type::EventType;
    use super::*;

    fn ask(holder: &Holder, made: &mut usize) -> Line {
        let make = || {
            *made += 1;
            let line = Line::new(EventType::Added, b"{}");
            let bytes = line.len();
            Ok((line, bytes))
        };
        holder.get_or_make(|it| &it.partial, make).unwrap()
    }

    #[test]
    fn a_representation_is_made_once_while_there_is_room_and_dropped_in_order() {
        let line = Line::new(EventType::Added, b"{}").len();
        let cache = Arc::new(RepresentationCache::new(2 * line));
        let holders: Vec<Holder> = (0..3).map(|_| Holder::cache(&cache)).collect();
        let mut made = 0;
        for holder in &holders[..2] {
            ask(holder, &mut made);
            ask(holder, &mut made);
        }
        assert_eq!((made, cache.bytes()), (2, 2 * line));
        ask(&holders[2], &mut made);
        ask(&holders[1], &mut made);
        assert_eq!((made, cache.bytes()), (3, 2 * line));
        ask(&holders[0], &mut made);
        assert_eq!((made, cache.bytes()), (4, 2 * line));
    }

    #[test]
    fn without_room_each_request_makes_its_own() {
        let holder = Holder::cache(&Arc::new(RepresentationCache::new(0)));
        let mut made = 0;
        ask(&holder, &mut made);
        ask(&holder, &mut made);
        assert_eq!(made, 2);
    }
}
