//! The generator of the tables in `crates/heliostat-kinds/src/tables`.
//!
//! [`data`] reads what is committed in the crate, [`tables`] makes rows of it, and [`mod@write`] prints
//! them as Rust. Nothing here is guessed: whatever the data does not say is an error.

mod data;
mod rows;
mod tables;
mod write;

use std::path::{Path, PathBuf};

pub(crate) use write::MARK;

use crate::error::TaskError;
use crate::workspace::Workspace;

/// Where the crate is, from the root of the workspace.
const CRATE: &str = "crates/heliostat-kinds";

/// Makes the content of every generated file from the committed data.
pub(crate) fn generate(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>, TaskError> {
    let folder = workspace.root().join(CRATE);
    let data = data::Data::load(&folder.join("data"))?;
    let tables = tables::Tables::of(&data).map_err(|reason| TaskError::Found {
        what: format!("the data of the kinds is inconsistent: {reason}"),
        next: format!("compare {CRATE}/data with what it was made from"),
    })?;
    let files = write::files(&tables);
    let place = |name: &str| folder.join(Path::new("src/tables").join(name));
    Ok(files
        .into_iter()
        .map(|(name, text)| (place(name), text))
        .collect())
}
