//! `sim`: the seeded simulation of the whole system, in release mode.
//!
//! A bounded run goes in portions of seeds and stops at the first portion that ends after the
//! bound. A portion that does not end at all is a failure: some seed of it loops for ever.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::process::{self, Ended};
use crate::ui;
use crate::workspace::Workspace;

/// Run the simulation over many seeds, or one seed again
///
/// `--seed S` alone replays the one seed that a failure names.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds to run, one after the other [default: 1 with --seed, 1000 without]
    #[arg(long)]
    pub(crate) seeds: Option<u64>,
    /// The first seed [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Stop after about so many seconds even if seeds are left
    #[arg(long)]
    pub(crate) seconds: Option<u64>,
    /// Given to the simulation as they are
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<String>,
}

const PACKAGE: &str = "heliostat-sim";

/// How many seeds a run has that asks for no number and no seed: some seconds' worth.
const SEEDS_DEFAULT: u64 = 1000;

/// Into how many portions a bounded run is cut: more would pass the bound by less.
const PORTIONS: u64 = 40;

/// How long after the bound a portion may still run before it counts as endless. A portion takes
/// seconds; a minute is slow on any machine.
const GRACE: Duration = Duration::from_secs(60);

/// Runs the simulation.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let first = arguments.seed.unwrap_or_default();
    let seeds_default = if arguments.seed.is_some() {
        1
    } else {
        SEEDS_DEFAULT
    };
    let seeds = arguments.seeds.unwrap_or(seeds_default);
    let mut build = process::cargo(workspace);
    process::run(build.args(["build", "--release", "--package", PACKAGE]))?;
    let program = workspace.target()?.join("release").join(PACKAGE);
    let portion = |(first, count): (u64, u64)| {
        let mut sim = process::command(workspace, &program);
        sim.args(["--seeds".to_owned(), count.to_string()]);
        sim.args(["--seed".to_owned(), first.to_string()])
            .args(&arguments.arguments);
        sim
    };
    let Some(seconds) = arguments.seconds else {
        return process::run(&mut portion((first, seeds)));
    };
    let started = Instant::now();
    let done = run_bounded(portion, first, seeds, Duration::from_secs(seconds))?;
    let taken = started.elapsed().as_secs_f64();
    ui::good(&format!(
        "{done} of {seeds} seeds simulated in {taken:.0} s"
    ));
    Ok(())
}

/// Runs portion after portion up to the limit, and returns how many seeds they had.
fn run_bounded(
    portion: impl Fn((u64, u64)) -> Command,
    first: u64,
    seeds: u64,
    limit: Duration,
) -> Result<u64, TaskError> {
    let started = Instant::now();
    let mut done = 0;
    for (first, count) in portions(first, seeds) {
        // However short the bound, something has run.
        if done > 0 && started.elapsed() >= limit {
            break;
        }
        let left = limit.saturating_sub(started.elapsed()) + GRACE;
        if process::run_within(&mut portion((first, count)), left)? == Ended::Overdue {
            return Err(TaskError::Found {
                what: format!("the simulation did not end within {} s", left.as_secs()),
                next: format!("find the seed: `cargo xtask sim --seed {first} --seeds {count}`"),
            });
        }
        done += count;
    }
    Ok(done)
}

/// Cuts seeds into portions: the first seed of each and how many.
fn portions(first: u64, seeds: u64) -> Vec<(u64, u64)> {
    let size = seeds.div_ceil(PORTIONS).max(1);
    let starts = (0..seeds).step_by(usize::try_from(size).unwrap_or(usize::MAX));
    starts
        .map(|start| (first + start, size.min(seeds - start)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn portions_hold_every_seed_once() {
        for seeds in [0, 1, 39, 40, 41, 20_000] {
            let mut next = 7;
            for (first, count) in portions(7, seeds) {
                assert_eq!(first, next);
                assert!(count > 0);
                next += count;
            }
            assert_eq!(next, 7 + seeds);
        }
    }

    /// Runs a script for each portion and returns how many portions were run.
    fn run_script(script: &str, limit: Duration) -> (u64, Result<u64, TaskError>) {
        let portions = Cell::new(0);
        let portion = |_| {
            portions.set(portions.get() + 1);
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let result = run_bounded(portion, 0, 400, limit);
        (portions.get(), result)
    }

    #[test]
    fn a_bounded_run_ends_with_its_seeds_or_at_its_bound() {
        let (portions, result) = run_script("exit 0", Duration::from_secs(3600));
        assert_eq!((portions, result.unwrap()), (40, 400));
        let (portions, result) = run_script("exit 0", Duration::ZERO);
        assert_eq!((portions, result.unwrap()), (1, 10));
    }

    #[test]
    fn a_bounded_run_fails_with_its_first_bad_portion() {
        let (portions, result) = run_script("exit 1", Duration::from_secs(3600));
        assert_eq!(portions, 1);
        assert_eq!(result.unwrap_err().exit_code(), 1);
    }

    #[test]
    fn a_run_is_cut_into_no_more_portions_than_said() {
        assert_eq!(portions(0, 20_000).len(), 40);
        assert!(portions(0, 20_001).len() <= 40);
    }
}
