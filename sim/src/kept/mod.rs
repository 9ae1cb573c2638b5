//! `Kept`: an object as a mirror keeps it, decoded or packed.
//!
//! The source, the server and the network deal in [`Widget`]s. What a mirror keeps of one is decided by
//! the seed: the widget itself, or its packed form, which gives the widget back when somebody asks. The
//! promises ask it wherever they look at an object, and so read what the mirror would give its users.

mod form;

mod intake;

use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::packed::{Packed, UnpackError};
use heliostat_core::store::index::IndexFunc;
use heliostat_core::store::snapshot::Snapshot;

use crate::world::Widget;

pub use form::bytes_of;
pub use intake::Intake;

/// The name of the index in every store: [`Widget::residue`](crate::world::Widget::residue).
pub const RESIDUE_INDEX: &str = "residue";

/// An object of a mirror.
#[derive(Debug)]
pub enum Kept {
    /// As it was decoded.
    Plain(Arc<Widget>),
    /// As compressed bytes.
    Packed {
        /// These.
        packed: Arc<Packed<Widget>>,
        /// What was packed: only the promise that it can be read again may look here.
        source: Arc<Widget>,
    },
}

impl Kept {
    /// The object, read; or one that no source ever had, if it cannot be read.
    #[must_use]
    pub fn widget(&self) -> Arc<Widget> {
        match self {
            Self::Plain(widget) => Arc::clone(widget),
            Self::Packed { packed, .. } => {
                let read = packed.get();
                read.unwrap_or_else(|_| Arc::new(Widget::unreadable()))
            }
        }
    }

    /// The write that made this state.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.widget().revision
    }

    /// Which life of the name this is.
    #[must_use]
    pub fn uid(&self) -> u64 {
        self.widget().uid
    }

    /// What the object is filed under: [`Widget::residue`], read without decoding the object.
    ///
    /// # Errors
    /// If the object cannot be read.
    pub fn residue(&self) -> Result<String, UnpackError> {
        match self {
            Self::Plain(widget) => Ok(widget.residue().to_owned()),
            Self::Packed { packed, .. } => packed.inspect(|view| {
                let residue = view.label(form::RESIDUE);
                residue.unwrap_or_default().into_owned()
            }),
        }
    }

    /// True for the very same state of the same life.
    #[must_use]
    pub fn is_same_state(&self, other: &Self) -> bool {
        // Most questions are about one object in two states of a store.
        std::ptr::eq(self, other) || self.widget().is_same_state(&other.widget())
    }

    /// True if reading this gives that state.
    #[must_use]
    pub fn shows(&self, widget: &Widget) -> bool {
        self.widget().is_same_state(widget)
    }
}

/// Files objects by [`Widget::residue`](crate::world::Widget::residue).
#[must_use]
pub fn residue_index() -> IndexFunc<Kept> {
    IndexFunc::fallible(|entry: &Entry<Kept>| entry.object.residue().map(|residue| [residue]))
}

/// The state of an object in a store.
#[must_use]
pub fn held<'a>(view: &'a Snapshot<Kept>, key: &ObjectKey) -> Option<&'a Arc<Kept>> {
    view.get(key).map(|entry| &entry.object)
}
