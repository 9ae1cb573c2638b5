//! What a source must bring along to be checked: a way to write to the collection behind it.

use std::fmt;
use std::future::Future;

use heliostat::{Header, ListerWatcher};

/// The object type of a scope's source.
pub(crate) type ObjectOf<S> = <<S as Scope>::Source as ListerWatcher>::Object;

/// Opens collections for checks.
pub trait Harness: Sync {
    /// A collection.
    type Scope: Scope;

    /// Opens an empty collection that nobody else writes to. `name` is the promise that is checked: a
    /// DNS label, good as a namespace or a prefix.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn open(&self, name: &str) -> impl Future<Output = Result<Self::Scope, HarnessError>> + Send;
}

/// One collection, with the source under test and a way to write behind its back.
///
/// A write has happened when its future is done. Names are DNS labels; values are to be found again
/// in the objects.
pub trait Scope: Sync {
    /// The source under test.
    type Source: ListerWatcher;

    /// The source, showing this collection and nothing else.
    fn source(&self) -> &Self::Source;

    /// The value that this state of an object was written with, if it can be read.
    fn value(&self, object: &ObjectOf<Self>) -> Option<u64>;

    /// Creates an object; gives its header as the collection has it.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn create(
        &self,
        name: &str,
        value: u64,
    ) -> impl Future<Output = Result<Header, HarnessError>> + Send;

    /// Gives an object another value; gives its header as the collection has it.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn update(
        &self,
        name: &str,
        value: u64,
    ) -> impl Future<Output = Result<Header, HarnessError>> + Send;

    /// Deletes an object.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn delete(&self, name: &str) -> impl Future<Output = Result<(), HarnessError>> + Send;

    /// Done when nothing that was not seen by now can be expected any more: for a network after some
    /// seconds, for a source in process after a few turns of the scheduler.
    ///
    /// Each wait of the suite runs against a new one of these, so its length only costs time where a
    /// promise is broken.
    fn give_up(&self) -> impl Future<Output = ()> + Send;

    /// Makes the versions told before the last write too old to watch or to page from.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn expire_history(&self) -> impl Future<Output = Result<Ability, HarnessError>> + Send {
        std::future::ready(Ok(Ability::Lacking))
    }

    /// Has a bookmark sent to every open watch that allows them, now or soon.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn send_bookmark(&self) -> impl Future<Output = Result<Ability, HarnessError>> + Send {
        std::future::ready(Ok(Ability::Lacking))
    }

    /// Makes this object one that the source cannot decode, in its present and later states.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn spoil(&self, _name: &str) -> impl Future<Output = Result<Ability, HarnessError>> + Send {
        std::future::ready(Ok(Ability::Lacking))
    }

    /// Done when the far side of the source has no watch of this collection open.
    ///
    /// # Errors
    /// The check then counts as broken, with this error.
    fn wait_for_no_watches(&self) -> impl Future<Output = Result<Ability, HarnessError>> + Send {
        std::future::ready(Ok(Ability::Lacking))
    }
}

/// Whether a scope can do what it was asked for. A check that needs what is lacking is passed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ability {
    /// It was done.
    Done,
    /// This collection cannot do that.
    Lacking,
}

/// Why a harness could not do its part.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct HarnessError(String);

impl HarnessError {
    /// A failure for people.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}
