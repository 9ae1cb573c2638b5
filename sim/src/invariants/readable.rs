//! Readable: whatever form objects are kept in, they read as what the source had, in every way in which
//! they can be read.
//!
//! All other promises read objects by asking for them decoded, and know only their states. Here they
//! are compared byte by byte.

use heliostat_core::informer::Notification;
use heliostat_core::object::Entry;
use heliostat_core::raw::Encoding;
use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::kept::{Kept, bytes_of};
use crate::world::Widget;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Readable {
    batches: usize,
}

impl Promise for Readable {
    fn name(&self) -> &'static str {
        "readable"
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        match said {
            Said::Commit(_) => view.seat.view().iter().try_for_each(read),
            Said::Apply { widget, .. } => {
                let entry = view.seat.view().get(&widget.key);
                entry.map_or(Ok(()), read)
            }
            _ => Ok(()),
        }
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        // One object after the other, the older ones too.
        let store = view.seat.informer.store.view();
        self.batches += 1;
        let next = store.iter().nth(self.batches % store.len().max(1));
        next.map_or(Ok(()), read)
    }

    fn told(&mut self, _view: View<'_>, _number: usize, said: &Notification<Kept>) -> Verdict {
        match said {
            Notification::Updated { old, new } => {
                look(old)?;
                look(new)
            }
            Notification::Added { entry, .. } => look(entry),
            Notification::Deleted { last, .. } => look(last),
            Notification::Synced => Ok(()),
        }
    }
}

/// Asks for an object.
fn look(entry: &Entry<Kept>) -> Verdict {
    let Kept::Packed { packed, source } = &*entry.object else {
        return Ok(());
    };
    let read = packed.get().map_err(|error| complain(entry, &error))?;
    is_it(entry, source, &read)
}

/// Reads an object in every way.
fn read(entry: &Entry<Kept>) -> Verdict {
    let Kept::Packed { packed, source } = &*entry.object else {
        return Ok(());
    };
    look(entry)?;
    let decoded = packed.decode().map_err(|error| complain(entry, &error))?;
    is_it(entry, source, &decoded)?;
    let unpacked = packed.unpack().map_err(|error| complain(entry, &error))?;
    let version = &entry.header.resource_version;
    let wanted = bytes_of(source, version, packed.encoding());
    if unpacked.bytes() != wanted {
        return Err(format!("{} has other bytes than it came in", entry.key()));
    }
    let inspected = packed.inspect(|view| {
        let is_same = view.bytes() == wanted && view.encoding() == unpacked.encoding();
        is_same && view.kind() == unpacked.kind()
    });
    if !inspected.map_err(|error| complain(entry, &error))? {
        return Err(format!("{} is not read as it is unpacked", entry.key()));
    }
    if packed.raw_bytes() != wanted.len() || packed.packed_bytes() > wanted.len() {
        return Err(format!("{} has another size than it says", entry.key()));
    }
    let knows_kind = unpacked.kind().is_some_and(|kind| kind.kind == "Widget");
    match packed.encoding() {
        Encoding::Json | Encoding::Protobuf if knows_kind => Ok(()),
        other => Err(format!("{} is a {other:?} of no kind", entry.key())),
    }
}

fn is_it(entry: &Entry<Kept>, source: &Widget, read: &Widget) -> Verdict {
    if read.key == source.key && read.is_same_state(source) {
        return Ok(());
    }
    Err(format!(
        "{} is {}@{} and reads as {}@{}",
        entry.key(),
        source.key,
        source.revision,
        read.key,
        read.revision
    ))
}

fn complain(entry: &Entry<Kept>, error: &dyn std::fmt::Display) -> String {
    format!("{} cannot be read: {error}", entry.key())
}
