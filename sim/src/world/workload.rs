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
    /// Puts and deletes of several objects in one revision: a transaction, or the end of a lease.
    Together(Vec<Self>),
}

impl Write {
    /// The puts and deletes that it is made of.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Together(parts) => parts,
            single => std::slice::from_ref(single),
        }
    }

    /// The object that a put or a delete is about.
    #[must_use]
    pub const fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => Some(key),
            Self::Elsewhere | Self::Together(_) => None,
        }
    }
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
    /// In how many of a hundred writes several objects change in one revision.
    pub together: u64,
}

/// The most objects that change in one revision.
const TOGETHER_MAX: u64 = 4;

impl Workload {
    /// The next write.
    pub fn next(&self, world: &World, rng: &mut Rng) -> Write {
        if self.together > 0 && rng.below(100) < self.together {
            return self.several(world, rng);
        }
        self.single(world, rng)
    }

    /// A transaction; every third time the end of a lease, which is nothing but deletes.
    fn several(&self, world: &World, rng: &mut Rng) -> Write {
        let count = 2 + rng.below(TOGETHER_MAX - 1);
        let lease_ends = rng.one_in(3);
        let mut parts: Vec<Write> = Vec::new();
        for _ in 0..count {
            let write = match lease_ends {
                true => delete(world, rng),
                false => Some(self.single(world, rng)),
            };
            let is_new = |key| parts.iter().all(|part| part.key() != Some(key));
            if let Some(write) = write
                && write.key().is_some_and(is_new)
            {
                parts.push(write);
            }
        }
        match parts.is_empty() {
            true => Write::Elsewhere,
            false => Write::Together(parts),
        }
    }

    fn single(&self, world: &World, rng: &mut Rng) -> Write {
        if rng.below(100) < self.elsewhere {
            return Write::Elsewhere;
        }
        if rng.below(100) < self.deletes
            && let Some(write) = delete(world, rng)
        {
            return write;
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

/// The deletion of some object, if there is one.
fn delete(world: &World, rng: &mut Rng) -> Option<Write> {
    let present = world.present();
    let which = usize::try_from(rng.below(present.len() as u64)).unwrap_or_default();
    let key = present.keys().nth(which)?.clone();
    Some(Write::Delete { key })
}
