//! Every task of the project, as one program: `cargo xtask --help` lists them.
//!
//! Here stand the arguments and nothing else; what a task does is in `tasks/`, the source checks
//! in `tidy/`, and the programs that tests and checks need in `tools/`, one file each. A fresh
//! clone needs cargo and one command, so every task installs what it lacks below `target/tools`,
//! and nothing of it anywhere else.

mod error;
mod kinds;
mod metadata;
mod process;
mod tasks;
#[cfg(test)]
mod test_folder;
mod tidy;
mod tools;
mod ui;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;
use crate::workspace::Workspace;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Workspace::locate().and_then(|workspace| arguments.task.run(&workspace)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::failure(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Every task of the project.
///
/// Exit codes: 0 done, 1 a check or a test failed, 2 wrong arguments, 3 a needed program is
/// missing and could not be installed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Ci(tasks::ci::Arguments),
    Test(tasks::test::Arguments),
    Fmt(tasks::check::FmtArguments),
    /// Run clippy over every target with every feature; a warning is an error
    Lint,
    /// Build the documentation of every crate; a warning is an error
    Doc,
    Tidy(tasks::tidy::Arguments),
    Coverage(tasks::coverage::Arguments),
    Arrows(tasks::arrows::Arguments),
    /// Check the crate `heliostat` with each feature alone, with none and with all
    Features,
    /// Check bans, licences and sources of all dependencies against deny.toml
    Deny,
    Sim(tasks::sim::Arguments),
    Concurrency(tasks::concurrency::Arguments),
    Fuzz(tasks::fuzz::Arguments),
    Kinds(tasks::kinds::Arguments),
    /// Run the tests of the crate that has unsafe code under valgrind, installing it when it is missing
    Memcheck,
    Bench(tasks::bench::Arguments),
}

impl Task {
    fn run(self, workspace: &Workspace) -> Result<(), TaskError> {
        match self {
            Self::Ci(arguments) => tasks::ci::run(workspace, &arguments),
            Self::Test(arguments) => tasks::test::run(workspace, &arguments),
            Self::Fmt(arguments) => tasks::check::fmt(workspace, &arguments),
            Self::Lint => tasks::check::lint(workspace),
            Self::Doc => tasks::check::doc(workspace),
            Self::Tidy(arguments) => tasks::tidy::run(workspace, &arguments),
            Self::Coverage(arguments) => tasks::coverage::run(workspace, &arguments),
            Self::Arrows(arguments) => tasks::arrows::run(workspace, &arguments),
            Self::Features => tasks::features::run(workspace),
            Self::Deny => tasks::deny::run(workspace),
            Self::Sim(arguments) => tasks::sim::run(workspace, &arguments),
            Self::Concurrency(arguments) => tasks::concurrency::run(workspace, &arguments),
            Self::Fuzz(arguments) => tasks::fuzz::run(workspace, &arguments),
            Self::Kinds(arguments) => tasks::kinds::run(workspace, &arguments),
            Self::Memcheck => tasks::memcheck::run(workspace),
            Self::Bench(arguments) => tasks::bench::run(workspace, &arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn every_task_has_help_that_says_what_it_does() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for task in command.get_subcommands() {
            assert!(
                task.get_about().is_some(),
                "`{}` has no help",
                task.get_name()
            );
        }
    }
}
