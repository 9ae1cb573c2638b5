//! `tidy`: prints what the source checks find, and what the behaviour coverage lacks.

use crate::error::TaskError;
use crate::tasks::{coverage, kinds};
use crate::tidy::tree::Tree;
use crate::tidy::{self as checks};
use crate::ui;
use crate::workspace::Workspace;

/// Check the sources for what neither the compiler nor clippy sees
///
/// Module docs, sizes, paths of one machine, clocks in the core, tests that are switched off, the
/// names of tests, and the generated tables of the kinds. What the behaviour coverage lacks is told too, but fails only the task
/// `coverage` and with it `ci`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Runs every check; every finding is printed.
pub(crate) fn run(workspace: &Workspace, _: &Arguments) -> Result<(), TaskError> {
    kinds::run(workspace, &kinds::Arguments { check: true })?;
    let tree = Tree::load(workspace)?;
    let mut findings = checks::check(&tree);
    findings.extend(checks::arrows::check(&workspace.packages()?));
    findings.sort();
    for finding in &findings {
        ui::bad(&finding.to_string());
    }
    coverage::warn_of_missing(&tree)?;
    if findings.is_empty() {
        ui::good(&format!("{} files are tidy", tree.files().count()));
        return Ok(());
    }
    Err(TaskError::Found {
        what: format!("{} findings", findings.len()),
        next: "mend each where it stands, or allow it there: `// tidy: allow(RULE): why`"
            .to_owned(),
    })
}
