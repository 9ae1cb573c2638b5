//! `tidy`: prints what the source checks find, and what the behaviour coverage lacks.

use std::fs;

use crate::error::TaskError;
use crate::tasks::{coverage, kinds};
use crate::tidy::glossary::{self, COUNTS};
use crate::tidy::new_lines::NewLines;
use crate::tidy::tree::Tree;
use crate::tidy::{self as checks, Finding};
use crate::ui;
use crate::workspace::Workspace;

/// Check the sources for what neither the compiler nor clippy sees
///
/// Module docs, sizes, paths of one machine, clocks in the core, tests that are switched off, the
/// names of tests, the generated tables of the kinds, and words that the glossary replaces, whose
/// number may only fall. Behaviours without a test are printed, too, but fail only the task `coverage`
/// and with it `ci`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Write the counts of replaced words that have fallen
    #[arg(long)]
    write_glossary: bool,
}

/// Runs every check; every finding is printed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    kinds::run(workspace, &kinds::Arguments { check: true })?;
    let tree = Tree::load(workspace)?;
    let mut findings = checks::check(&tree);
    findings.extend(checks::arrows::check(&workspace.packages()?));
    findings.extend(glossary(workspace, &tree, arguments.write_glossary)?);
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

/// Holds the number of replaced words against the committed one.
fn glossary(workspace: &Workspace, tree: &Tree, write: bool) -> Result<Vec<Finding>, TaskError> {
    let found = glossary::occurrences(tree);
    let (now, committed) = (glossary::count(&found), glossary::committed(tree));
    let lowered = glossary::lowered(&now, &committed);
    let path = workspace.root().join(COUNTS);
    if write {
        fs::write(&path, glossary::to_text(&lowered)).map_err(TaskError::file("write", path))?;
        return Ok(glossary::check(&found, &lowered, |_| false));
    }
    let findings = glossary::check(&found, &committed, |_| false);
    if findings.is_empty() {
        if lowered != committed {
            ui::warning("fewer replaced words than committed: `cargo xtask tidy --write-glossary`");
        }
        return Ok(findings);
    }
    let new = NewLines::since(workspace, COUNTS)?;
    Ok(glossary::check(&found, &committed, |it| {
        new.contains(&it.path, it.line)
    }))
}
