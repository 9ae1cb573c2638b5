//! `test`: fetches what tests need, runs every test and every doc test, and tells at the end which
//! suites skipped themselves for want of a program.
//!
//! A suite that skips itself prints `SKIPPED suite NAME: reason` and appends the same line to the
//! file that `HELIOSTAT_SKIP_LOG` names: cargo hides what a test prints that passes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::tools::TEST_TOOLS;
use crate::ui;
use crate::workspace::Workspace;

/// Fetch what the tests need, then run every test and every doc test
///
/// Programs that tests talk to are fetched once, to target/tools. When one cannot be had, its
/// suites skip themselves and are named at the end.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Fail when a program cannot be had or a suite is skipped, instead of going on without
    #[arg(long)]
    pub(crate) require_tools: bool,
    /// Test only this crate; may be given more than once
    #[arg(long, short, value_name = "CRATE")]
    pub(crate) package: Vec<String>,
    /// Run only tests whose name contains this
    #[arg(value_name = "NAME")]
    pub(crate) filter: Option<String>,
}

/// The variable that names the file to which suites append when they skip themselves.
const SKIP_LOG: &str = "HELIOSTAT_SKIP_LOG";

/// How the line begins that such a suite prints and appends.
const SKIP_MARK: &str = "SKIPPED suite ";

/// Runs the tests.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let tools = provision(workspace, arguments.require_tools)?;
    let skip_log = workspace.scratch()?.join("skipped-suites.log");
    fs::write(&skip_log, "").map_err(TaskError::file("empty", &skip_log))?;
    let mut test = cargo_test(workspace, arguments);
    test.env(SKIP_LOG, &skip_log).envs(tools);
    let tested = process::run(&mut test);
    let skipped = read_skipped(&skip_log)?;
    for line in &skipped {
        ui::warning(line);
    }
    tested?;
    if arguments.require_tools && !skipped.is_empty() {
        return Err(TaskError::Found {
            what: format!("{} suites skipped themselves", skipped.len()),
            next: "give them the program they name (xtask/src/tools)".to_owned(),
        });
    }
    Ok(())
}

/// Fetches every program and returns the variables that tell tests where they lie.
fn provision(
    workspace: &Workspace,
    required: bool,
) -> Result<Vec<(&'static str, PathBuf)>, TaskError> {
    let mut variables = Vec::new();
    for tool in &TEST_TOOLS {
        match (tool.provision)(workspace) {
            Ok(path) => variables.push((tool.variable, path)),
            Err(error) if required => return Err(error),
            Err(error) => {
                ui::warning(&error.to_string());
                let suites = tool.suites.join(", ");
                ui::warning(&format!(
                    "without {} these suites are skipped: {suites}",
                    tool.name
                ));
            }
        }
    }
    Ok(variables)
}

/// The tests and, as its last part, the doc tests. None keeps others from running, so that one run
/// tells all there is to mend.
fn cargo_test(workspace: &Workspace, arguments: &Arguments) -> Command {
    let mut test = process::cargo(workspace);
    test.args(["test", "--all-features", "--no-fail-fast"]);
    if arguments.package.is_empty() {
        test.arg("--workspace");
    }
    for package in &arguments.package {
        test.args(["--package", package]);
    }
    if let Some(filter) = &arguments.filter {
        test.args(["--", filter]);
    }
    for tool in &TEST_TOOLS {
        // Only a program that was tried is told to tests.
        test.env_remove(tool.variable);
    }
    test
}

/// The suites that skipped themselves, each once.
fn read_skipped(skip_log: &Path) -> Result<BTreeSet<String>, TaskError> {
    let log = fs::read_to_string(skip_log).map_err(TaskError::file("read", skip_log))?;
    let lines = log.lines().filter(|line| line.starts_with(SKIP_MARK));
    Ok(lines.map(|line| line.trim_end().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn skipped_suites_are_told_once_each() {
        let folder = TestFolder::new("skip-log");
        let log = folder.path().join("log");
        fs::write(
            &log,
            "SKIPPED suite b: no b\nnoise\nSKIPPED suite a: no a\nSKIPPED suite b: no b\n",
        )
        .unwrap();
        let skipped: Vec<String> = read_skipped(&log).unwrap().into_iter().collect();
        assert_eq!(skipped, ["SKIPPED suite a: no a", "SKIPPED suite b: no b"]);
    }

    #[test]
    fn the_whole_workspace_is_tested_unless_crates_are_named() {
        let workspace = Workspace::locate().unwrap();
        let check = |arguments: Arguments, expected: &str| {
            let command = cargo_test(&workspace, &arguments);
            assert_eq!(process::describe(&command), expected);
        };
        let common = "cargo test --all-features --no-fail-fast";
        check(Arguments::default(), &format!("{common} --workspace"));
        let two = vec!["a".to_owned(), "b".to_owned()];
        check(
            Arguments {
                package: two,
                filter: Some("name".to_owned()),
                ..Arguments::default()
            },
            &format!("{common} --package a --package b -- name"),
        );
    }
}
