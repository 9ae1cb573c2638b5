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
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds to run, one after the other
    #[arg(long, default_value_t = 1)]
    pub(crate) seeds: u64,
    /// The first seed; `--seed S` alone replays the one seed that a failure names
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

/// Into how many portions a bounded run is cut: more would pass the bound by less.
const PORTIONS: u64 = 40;

/// How long after the bound a portion may still run before it counts as endless. A portion takes
/// seconds; a minute is slow on any machine.
const GRACE: Duration = Duration::from_secs(60);

/// Runs the simulation.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let Some(seconds) = arguments.seconds else {
        let mut sim = process::cargo(workspace);
        sim.args(["run", "--release", "--package", PACKAGE, "--"]);
        let first = arguments.seed.map(|seed| (seed, arguments.seeds));
        add_seeds(&mut sim, first, arguments.seeds);
        return process::run(sim.args(&arguments.arguments));
    };
    let mut build = process::cargo(workspace);
    process::run(build.args(["build", "--release", "--package", PACKAGE]))?;
    let program = workspace.target()?.join("release").join(PACKAGE);
    let limit = Duration::from_secs(seconds);
    let started = Instant::now();
    let portions = portions(arguments.seed.unwrap_or_default(), arguments.seeds);
    let mut done = 0;
    for &(first, count) in &portions {
        if started.elapsed() >= limit {
            break;
        }
        let mut sim = process::command(workspace, &program);
        add_seeds(&mut sim, Some((first, count)), count);
        let left = limit.saturating_sub(started.elapsed()) + GRACE;
        if process::run_within(sim.args(&arguments.arguments), left)? == Ended::Overdue {
            return Err(TaskError::Found {
                what: format!("the simulation did not end within {} s", left.as_secs()),
                next: format!("find the seed: `cargo xtask sim --seed {first} --seeds {count}`"),
            });
        }
        done += count;
    }
    ui::good(&format!(
        "{done} of {} seeds simulated in {:.0} s",
        arguments.seeds,
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn add_seeds(sim: &mut Command, first: Option<(u64, u64)>, seeds: u64) {
    sim.args(["--seeds".to_owned(), seeds.to_string()]);
    if let Some((first, _)) = first {
        sim.args(["--seed".to_owned(), first.to_string()]);
    }
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

    #[test]
    fn a_run_is_cut_into_no_more_portions_than_said() {
        assert_eq!(portions(0, 20_000).len(), 40);
        assert!(portions(0, 20_001).len() <= 40);
    }
}
