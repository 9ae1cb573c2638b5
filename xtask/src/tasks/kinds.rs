//! `kinds`: writes the tables of `heliostat-kinds`, or checks that they are what the data says.

use std::fs;

use crate::error::TaskError;
use crate::kinds;
use crate::ui;
use crate::workspace::Workspace;

/// Generate the tables of the built-in kinds from crates/heliostat-kinds/data
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing, and fail if a table is not what the data says
    #[arg(long)]
    pub(crate) check: bool,
}

/// Writes the files that differ, or reports them.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let mut differ = 0;
    let files = kinds::generate(workspace)?;
    for (path, text) in &files {
        if fs::read_to_string(path).is_ok_and(|present| present == *text) {
            continue;
        }
        differ += 1;
        if arguments.check {
            ui::bad(&format!("{} is not what the data says", path.display()));
        } else {
            fs::write(path, text).map_err(TaskError::file("write", path))?;
            ui::line(&path.display().to_string());
        }
    }
    if arguments.check && differ > 0 {
        return Err(TaskError::Found {
            what: format!("{differ} tables of the kinds are out of date"),
            next: "run `cargo xtask kinds` and read the diff".to_owned(),
        });
    }
    ui::good(&format!("{} tables are what the data says", files.len()));
    Ok(())
}
