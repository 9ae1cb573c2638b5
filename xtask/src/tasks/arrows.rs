//! `arrows`: the order of the crates, what the core may never reach, and circles of modules.

use std::fs;

use crate::error::TaskError;
use crate::process;
use crate::tidy::modules::{self, KNOWN, Modules};
use crate::tidy::tree::Tree;
use crate::tidy::{Finding, arrows};
use crate::ui;
use crate::workspace::Workspace;

/// Check which crate may depend on which, what the core may never depend on, and that the modules
/// of a folder do not use each other in a circle
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Write the list of known circles of modules, once some are gone
    #[arg(long)]
    write_circles: bool,
}

/// Checks all; every finding is printed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let mut wrong = arrows::check(&workspace.packages()?);
    wrong.extend(circles(workspace, arguments.write_circles)?);
    for finding in &wrong {
        ui::bad(&finding.to_string());
    }
    let mut tree = process::cargo(workspace);
    tree.args([
        "tree",
        "--package=heliostat-core",
        "--all-features",
        "--edges=normal",
    ]);
    let tree = process::output(tree.args(["--prefix=none", "--format={p}"]))?;
    let banned = arrows::banned_from_core(&tree);
    for dependency in &banned {
        ui::bad(&format!(
            "heliostat-core reaches {dependency}: see `cargo tree -p heliostat-core -i {}`",
            dependency.split(' ').next().unwrap_or_default()
        ));
    }
    let found = wrong.len() + banned.len();
    if found > 0 {
        return Err(TaskError::Found {
            what: format!("{found} dependencies go where they may not"),
            next: "move the code to the room that may have the dependency (ARCHITECTURE.md)"
                .to_owned(),
        });
    }
    let reached = tree.lines().count().saturating_sub(1);
    ui::good(&format!(
        "the crates are in order; the core reaches {reached} others, none banned"
    ));
    Ok(())
}

/// Finds circles of modules that are not known yet.
fn circles(workspace: &Workspace, write: bool) -> Result<Vec<Finding>, TaskError> {
    let tree = Tree::load(workspace)?;
    let (found, known) = (Modules::of(&tree), modules::known(&tree));
    let findings = found.check(&known);
    let circles = found.circles();
    if findings.is_empty() && circles != known {
        if write {
            let path = workspace.root().join(KNOWN);
            fs::write(&path, modules::to_text(&circles)).map_err(TaskError::file("write", path))?;
        } else {
            ui::warning("circles of modules are gone: `cargo xtask arrows --write-circles`");
        }
    }
    Ok(findings)
}
