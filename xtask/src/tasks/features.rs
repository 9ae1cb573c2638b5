//! `features`: the crate `heliostat` stands with any of its features.
//!
//! Features are additive and anybody may pick any of them; that each builds alone shows that none
//! leans on another in secret. Clippy does the checking, because it can make warnings errors
//! without building the dependencies anew. Only the library is checked: what tests depend on could
//! lend it features that its users do not have.

use crate::error::TaskError;
use crate::process;
use crate::ui;
use crate::workspace::Workspace;

const PACKAGE: &str = "heliostat";

/// Checks every choice and fails at the first that does not stand.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let packages = workspace.packages()?;
    let package = packages.into_iter().find(|package| package.name == PACKAGE);
    let features = package.map(|package| package.features).unwrap_or_default();
    let choices = choices(&features);
    for choice in &choices {
        let mut check = process::cargo(workspace);
        check
            .args(["clippy", "--quiet", "--package", PACKAGE])
            .args(choice);
        process::run(check.args(["--", "-D", "warnings"]))?;
    }
    ui::good(&format!(
        "{PACKAGE} stands with each of {} choices of features",
        choices.len()
    ));
    Ok(())
}

/// None, each alone, all: as arguments for cargo.
fn choices(features: &[String]) -> Vec<Vec<String>> {
    let none = vec!["--no-default-features".to_owned()];
    let alone = features.iter().map(|feature| {
        vec![
            "--no-default-features".to_owned(),
            format!("--features={feature}"),
        ]
    });
    let all = vec!["--all-features".to_owned()];
    [none].into_iter().chain(alone).chain([all]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choices_are_none_each_alone_and_all() {
        let choices = choices(&["etcd".to_owned(), "kube".to_owned()]);
        let text: Vec<String> = choices.iter().map(|choice| choice.join(" ")).collect();
        assert_eq!(
            text,
            [
                "--no-default-features",
                "--no-default-features --features=etcd",
                "--no-default-features --features=kube",
                "--all-features",
            ]
        );
    }
}
