//! valgrind: watches every read and write of a program.

use crate::error::TaskError;
use crate::tools::debian;
use crate::workspace::Workspace;

/// Makes sure that it is there.
pub(crate) fn ensure(workspace: &Workspace) -> Result<(), TaskError> {
    debian::ensure(workspace, "valgrind", "valgrind")
}
