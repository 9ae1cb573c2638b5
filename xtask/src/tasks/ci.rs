//! `ci`: every check and every test, with the time of each step and a summary at the end.
//!
//! Cheap steps come first, so that what is easy to mend is told early.

use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::process;
use crate::tasks;
use crate::ui;
use crate::workspace::Workspace;

/// Run every check and every test, as CI does
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Go on after a step that fails, and tell all of them at the end
    #[arg(long)]
    keep_going: bool,
}

type Step = (&'static str, fn(&Workspace) -> Result<(), TaskError>);

const STEPS: [Step; 14] = [
    ("fetch", fetch),
    ("fmt", |it| {
        tasks::check::fmt(it, &tasks::check::FmtArguments { check: true })
    }),
    ("tidy", |it| {
        tasks::tidy::run(it, &tasks::tidy::Arguments::default())
    }),
    ("coverage", |it| {
        tasks::coverage::run(it, &tasks::coverage::Arguments { missing: true })
    }),
    ("arrows", |it| {
        tasks::arrows::run(it, &tasks::arrows::Arguments::default())
    }),
    ("lint", tasks::check::lint),
    ("features", tasks::features::run),
    ("doc", tasks::check::doc),
    ("test", test),
    ("concurrency", |it| {
        tasks::concurrency::run(it, &tasks::concurrency::Arguments::default())
    }),
    ("memcheck", tasks::memcheck::run),
    ("sim", sim),
    ("fuzz", tasks::fuzz::check),
    ("deny", tasks::deny::run),
];

/// How many seeds CI simulates, and for how long at most: a short sweep; long ones run by hand.
const SIM_SEEDS: u64 = 20_000;
const SIM_SECONDS: u64 = 120;

/// Runs the steps and tells how each went.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let mut taken = Vec::new();
    for (number, (name, step)) in STEPS.iter().enumerate() {
        ui::heading(&format!("[{}/{}] {name}", number + 1, STEPS.len()));
        let started = Instant::now();
        let result = step(workspace);
        let time = started.elapsed();
        if let Err(error) = &result {
            ui::failure(error);
        }
        let failed = result.is_err();
        taken.push((*name, time, failed));
        ui::progress(&format!("{name} took {}", seconds(time)));
        if failed && !arguments.keep_going {
            break;
        }
    }
    print_summary(&taken);
    verdict(&taken)?;
    ui::good("everything passes");
    Ok(())
}

fn print_summary(taken: &[(&str, Duration, bool)]) {
    ui::heading("summary");
    for (name, time, failed) in taken {
        let row = format!("{name:11} {:>9}", seconds(*time));
        if *failed {
            ui::bad(&format!("{row}  failed"));
        } else {
            ui::line(&format!("{row}  ok"));
        }
    }
    for (name, _) in &STEPS[taken.len()..] {
        ui::line(&format!("{name:11} {:>9}  not run", "-"));
    }
    let total: Duration = taken.iter().map(|(_, time, _)| *time).sum();
    ui::line(&format!("{:11} {:>9}", "total", seconds(total)));
}

/// An error that names the steps that failed, if any did.
fn verdict(taken: &[(&str, Duration, bool)]) -> Result<(), TaskError> {
    let failed = taken.iter().filter(|(.., failed)| *failed);
    let failed: Vec<&str> = failed.map(|(name, ..)| *name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(TaskError::Found {
        what: format!("failed: {}", failed.join(", ")),
        next: "each step is a task of its own: `cargo xtask --help`".to_owned(),
    })
}

/// Downloads every dependency, and fails when the lock file is not up to date.
fn fetch(workspace: &Workspace) -> Result<(), TaskError> {
    process::run(process::cargo(workspace).args(["fetch", "--locked"]))
}

fn test(workspace: &Workspace) -> Result<(), TaskError> {
    let arguments = tasks::test::Arguments {
        require_tools: true,
        ..Default::default()
    };
    tasks::test::run(workspace, &arguments)
}

fn sim(workspace: &Workspace) -> Result<(), TaskError> {
    let arguments = tasks::sim::Arguments {
        seeds: Some(SIM_SEEDS),
        seed: None,
        seconds: Some(SIM_SECONDS),
        arguments: Vec::new(),
    };
    tasks::sim::run(workspace, &arguments)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_every_step_that_failed() {
        let second = Duration::from_secs(1);
        verdict(&[("fmt", second, false)]).unwrap();
        let steps = [
            ("fmt", second, true),
            ("tidy", second, false),
            ("doc", second, true),
        ];
        let error = verdict(&steps).unwrap_err();
        assert_eq!(error.to_string(), "failed: fmt, doc");
        assert_eq!(error.exit_code(), 1);
    }
}
