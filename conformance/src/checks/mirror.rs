//! What several checks do with the changes and versions that a source reports.

use heliostat::ResourceVersion;
use heliostat::source::ChangeKind;

use crate::report::{Checked, ensure};
use crate::seen::{Change, State};

/// Checks that a version is not known to be older than another.
pub(super) fn not_older(version: &ResourceVersion, than: &ResourceVersion) -> Checked {
    let expected = format!("a version not older than {than}");
    ensure(!version.is_older_than(than), expected, version)
}

/// Applies a change to a mirror.
pub(super) fn apply(mirror: &mut Vec<State>, change: Change) {
    mirror.retain(|state| state.key != change.state.key);
    if change.kind != ChangeKind::Deleted {
        mirror.push(change.state);
    }
}
