//! When is a dictionary trained, and when is it replaced?
//!
//! The first objects that are there at the same time are the samples of the first dictionary; a
//! collection that never has that many gets none. From then on the result is watched, a window of
//! objects at a time: when objects pack a quarter worse than they did at first, the last of them are the
//! samples of the next dictionary. Windows double with each dictionary, so that objects which change
//! their looks all the time cannot keep a mirror training.
//!
//! Nothing here compresses. What was packed before a dictionary keeps the one that it was packed with.

use std::mem;
use std::sync::{Arc, Weak};

use super::compression::PackingDictionary;
use super::object::{Packed, Shape};
use crate::raw::{Encoding, RawView};

/// How many objects a dictionary is trained on. With four times as many an object takes 6 % less, and
/// training takes two and a half times as long.
pub(super) const SAMPLES: usize = 64;

/// How many objects the first window has.
pub(super) const WINDOW: u64 = 1024;

/// No more doubling from here on.
const DOUBLINGS_MAX: u32 = 10;

/// When a window takes more than this many hundredths of what the first took, the dictionary is old.
const AGED_PERCENT: u64 = 125;

/// The state of a collection's dictionary.
pub(super) struct Training<T> {
    current: Option<Arc<Current<T>>>,
    /// The last objects of this encoding, without keeping them.
    samples: Vec<Weak<Packed<T>>>,
    /// What the first window after the last training took.
    fresh: Option<Window>,
    window: Window,
    trained: u32,
    /// How often there was training for any encoding.
    trained_total: u32,
    /// Somebody is at it.
    is_training: bool,
}

/// What objects are packed with at the moment.
pub(super) struct Current<T> {
    pub(super) shape: Arc<Shape<T>>,
    pub(super) dictionary: Option<Arc<PackingDictionary>>,
}

/// How well some objects were packed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Window {
    objects: u64,
    raw: u64,
    packed: u64,
}

impl Window {
    fn add(&mut self, raw: usize, packed: usize) {
        self.objects += 1;
        self.raw += raw as u64;
        self.packed += packed as u64;
    }

    /// True if these objects took more than the others by so much that they are not alike any more.
    fn is_worse_than(self, fresh: Self) -> bool {
        // packed / raw > fresh.packed / fresh.raw * 1.25, in whole numbers.
        let ours = u128::from(self.packed) * u128::from(fresh.raw) * 100;
        let theirs = u128::from(fresh.packed) * u128::from(self.raw) * u128::from(AGED_PERCENT);
        ours > theirs
    }
}

impl<T> Training<T> {
    /// What to pack an object with, if that is known. What was known of another encoding is forgotten:
    /// nothing of it helps with this one.
    pub(super) fn current(&mut self, object: RawView<'_>) -> Option<Arc<Current<T>>> {
        let current = self.current.as_ref()?;
        if current.shape.encoding != object.encoding() {
            self.forget();
            return None;
        }
        Some(Arc::clone(current))
    }

    /// From now on objects are packed with this.
    pub(super) fn install(&mut self, current: Arc<Current<T>>) {
        self.current = Some(current);
    }

    /// An object was packed. Gives the samples of a new dictionary if it is time for one; whoever gets
    /// them trains, and then says so.
    pub(super) fn packed(&mut self, object: &Arc<Packed<T>>) -> Option<Vec<Arc<Packed<T>>>> {
        self.window.add(object.raw_bytes(), object.packed_bytes());
        if self.is_training {
            return None;
        }
        if self.is_untrained() {
            self.samples.push(Arc::downgrade(object));
            return self.first_samples();
        }
        // Near the end of a window its last objects are remembered.
        let left = self.window_objects().saturating_sub(self.window.objects);
        if left < SAMPLES as u64 {
            self.samples.push(Arc::downgrade(object));
        }
        if left > 0 {
            return None;
        }
        let window = mem::take(&mut self.window);
        let samples = mem::take(&mut self.samples);
        let has_aged = self.fresh.is_some_and(|fresh| window.is_worse_than(fresh));
        if has_aged || !self.has_dictionary() {
            return self.begin(&samples);
        }
        self.fresh.get_or_insert(window);
        None
    }

    /// A dictionary was trained, or could not be.
    pub(super) fn trained_on(&mut self, encoding: Encoding, current: Option<Arc<Current<T>>>) {
        self.is_training = false;
        self.window = Window::default();
        self.samples = Vec::new();
        self.trained += 1;
        self.trained_total += 1;
        let is_of_now = self
            .current
            .as_ref()
            .is_none_or(|current| current.shape.encoding == encoding);
        if is_of_now {
            self.fresh = None;
            if let Some(current) = current {
                self.current = Some(current);
            }
        }
    }

    /// How often there was training since the start, for any encoding.
    pub(super) const fn times_trained(&self) -> u32 {
        self.trained_total
    }

    /// It may be that the samples had too little in common, or were too small.
    fn has_dictionary(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| current.dictionary.is_some())
    }

    fn is_untrained(&self) -> bool {
        self.trained == 0
    }

    /// The samples of the first dictionary, once enough objects are there at the same time.
    fn first_samples(&mut self) -> Option<Vec<Arc<Packed<T>>>> {
        if self.samples.len() < SAMPLES {
            return None;
        }
        self.samples.retain(|object| object.strong_count() > 0);
        // Whoever is asked for half of the room at the least is not asked at every object.
        if self.samples.len() < SAMPLES / 4 * 3 {
            return None;
        }
        let samples = mem::take(&mut self.samples);
        self.begin(&samples)
    }

    fn begin(&mut self, samples: &[Weak<Packed<T>>]) -> Option<Vec<Arc<Packed<T>>>> {
        self.is_training = true;
        Some(samples.iter().filter_map(Weak::upgrade).collect())
    }

    const fn window_objects(&self) -> u64 {
        let doublings = if self.trained < DOUBLINGS_MAX {
            self.trained
        } else {
            DOUBLINGS_MAX
        };
        WINDOW << doublings.saturating_sub(1)
    }

    /// Starts over.
    fn forget(&mut self) {
        *self = Self {
            trained_total: self.trained_total,
            is_training: self.is_training,
            ..Self::default()
        };
    }
}

impl<T> Default for Training<T> {
    fn default() -> Self {
        Self {
            current: None,
            samples: Vec::new(),
            fresh: None,
            window: Window::default(),
            trained: 0,
            trained_total: 0,
            is_training: false,
        }
    }
}
