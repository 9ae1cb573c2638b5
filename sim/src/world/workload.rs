//! The people and programs that write: which object is created, changed or deleted next.

use heliostat_core::object::ObjectKey;
use heliostat_core::rng::Rng;

use super::{World, widget_key};

/// One write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Creates the object, or changes it if it is there.
    Put {
        /// Which object.
        key: ObjectKey,
        /// Whether the mirror can read what is written.
        decodable: bool,
    },
    /// Deletes the object.
    Delete {
        /// Which object.
        key: ObjectKey,
    },
    /// A write to another collection: the revision moves and nothing here changes.
    Elsewhere,
}

/// How the collection is written to.
#[derive(Clone, Debug)]
pub struct Workload {
    /// How many different names there are: few, so that names are used again.
    pub names: u64,
    /// In how many of a hundred writes an object goes.
    pub deletes: u64,
    /// In how many of a hundred writes another collection is meant.
    pub elsewhere: u64,
    /// Whether some names are written in a form that the mirror cannot read, and in how many of a
    /// hundred writes.
    pub undecodable: u64,
}

impl Workload {
    /// The next write.
    pub fn next(&self, world: &World, rng: &mut Rng) -> Write {
        if rng.below(100) < self.elsewhere {
            return Write::Elsewhere;
        }
        if rng.below(100) < self.deletes {
            let present = world.present();
            let which = usize::try_from(rng.below(present.len() as u64)).unwrap_or_default();
            if let Some(key) = present.keys().nth(which) {
                return Write::Delete { key: key.clone() };
            }
        }
        let number = rng.below(self.names);
        // Only every other name is ever unreadable, so that each seed has both kinds.
        let may_break = number.is_multiple_of(2);
        Write::Put {
            key: widget_key(number),
            decodable: !(may_break && rng.below(100) < self.undecodable),
        }
    }
}
