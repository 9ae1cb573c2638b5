//! `arrows`: the order of the crates, and what the core may never reach.

use crate::error::TaskError;
use crate::process;
use crate::tidy::arrows;
use crate::ui;
use crate::workspace::Workspace;

/// Checks both; every finding is printed.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let wrong = arrows::check(&workspace.packages()?);
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
