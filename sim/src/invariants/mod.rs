//! The promises of a mirror, one file each, checked after every step.
//!
//! Of one watch, by the names that etcd's robustness tests use: `ordered`, `unique`, `reliable`,
//! `resumable`, `bookmarkable`, `atomic`. Of the mirror as a whole: it equals the source (`mirror`),
//! never goes back unless the source does (`monotonic`), tells every change (`replayed`), and its
//! indexes belong to its objects (`indexed`). Of its manners: requests (`polite`, `paced`, `attempts`), late
//! answers (`late`), permits (`permits`), resyncs (`resynced`), and that it never waits for something
//! that need not come (`wedged`).
//!
//! Of what is behind the mirror: the store behind the queue follows the mirror's (`applied`), each
//! listener knows it by its own notifications (`believed`), in order (`sequenced`), with every delete
//! (`deleted`), and when it knows all (`synced`); what waits is limited (`bounded`), whoever is slow is
//! slow alone (`isolated`), and only who is due is told again (`due`).
//!
//! Of packed objects: they read as what the source had (`readable`), and take no more memory than they
//! may (`frugal`).

mod applied;
mod atomic;
mod attempts;
mod believed;
mod bookmarkable;
mod bounded;
mod deleted;
mod due;
mod frugal;
mod indexed;
mod isolated;
mod late;
mod mirror;
mod monotonic;
mod ordered;
mod paced;
mod permits;
mod polite;
mod readable;
mod reliable;
mod replayed;
mod resumable;
mod resynced;
mod sequenced;
mod synced;
mod unique;
mod wedged;

use std::fmt;

use heliostat_core::informer::Notification;
use heliostat_core::reflector::AttemptId;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::time::Time;

use crate::client::{Said, Seat};
use crate::connection::{Answer, Origin};
use crate::kept::Kept;
use crate::world::World;

pub(crate) use mirror::differs_from;

/// What a promise may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The present time.
    pub now: Time,
    /// The source.
    pub world: &'a World,
    /// The mirror.
    pub seat: &'a Seat,
    /// Where the answer comes from that is being handled.
    pub origin: Origin,
}

/// An answer that reaches the machine.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// To which request.
    pub attempt: AttemptId,
    /// What it is.
    pub answer: &'a Answer,
    /// True if its request is over.
    pub late: bool,
}

/// A promise that was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Which promise.
    pub promise: &'static str,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.text)
    }
}

/// Fine, or what was seen instead.
pub type Verdict = Result<(), String>;

/// A promise about one mirror.
pub trait Promise {
    /// Its name.
    fn name(&self) -> &'static str;

    /// An answer is about to reach the machine.
    fn hear(&mut self, _view: View<'_>, _heard: Heard<'_>) -> Verdict {
        Ok(())
    }

    /// The machine said something that is not done yet.
    fn say(&mut self, _view: View<'_>, _said: &Said) -> Verdict {
        Ok(())
    }

    /// What the machine said is done.
    fn done(&mut self, _view: View<'_>, _said: &Said) -> Verdict {
        Ok(())
    }

    /// A batch was applied to the store behind the queue, and put into the buffers.
    fn worked(&mut self, _view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        Ok(())
    }

    /// A listener joined.
    fn joined(&mut self, _view: View<'_>, _listener: usize) -> Verdict {
        Ok(())
    }

    /// A listener is told something that it has not taken in yet.
    fn told(
        &mut self,
        _view: View<'_>,
        _listener: usize,
        _notification: &Notification<Kept>,
    ) -> Verdict {
        Ok(())
    }

    /// A listener has been told all of a portion.
    fn rested(&mut self, _view: View<'_>, _listener: usize) -> Verdict {
        Ok(())
    }

    /// The step is over: the machine has nothing more to say.
    fn settled(&mut self, _view: View<'_>) -> Verdict {
        Ok(())
    }
}

/// All promises about one mirror.
pub struct Guards(Vec<Box<dyn Promise>>);

impl Guards {
    /// All of them, fresh.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![
            Box::new(attempts::Attempts::default()),
            Box::new(late::Late::default()),
            Box::new(polite::Polite::default()),
            Box::new(paced::Paced::default()),
            Box::new(permits::Permits),
            Box::new(resumable::Resumable),
            Box::new(resynced::Resynced::default()),
            Box::new(ordered::Ordered::default()),
            Box::new(unique::Unique),
            Box::new(reliable::Reliable),
            Box::new(bookmarkable::Bookmarkable::default()),
            Box::new(atomic::Atomic::default()),
            Box::new(monotonic::Monotonic::default()),
            Box::new(replayed::Replayed::default()),
            Box::new(mirror::Mirror::default()),
            Box::new(indexed::Indexed),
            Box::new(wedged::Wedged),
            Box::new(applied::Applied::default()),
            Box::new(believed::Believed),
            Box::new(sequenced::Sequenced::default()),
            Box::new(deleted::Deleted),
            Box::new(synced::Synced::default()),
            Box::new(bounded::Bounded),
            Box::new(isolated::Isolated),
            Box::new(due::Due),
            Box::new(readable::Readable::default()),
            Box::new(frugal::Frugal),
        ])
    }

    /// Asks every promise; notes those that are broken.
    pub fn ask(
        &mut self,
        broken: &mut Vec<Violation>,
        mut question: impl FnMut(&mut dyn Promise) -> Verdict,
    ) {
        for promise in &mut self.0 {
            if let Err(text) = question(promise.as_mut()) {
                broken.push(Violation {
                    promise: promise.name(),
                    text,
                });
            }
        }
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guards").field(&self.0.len()).finish()
    }
}
