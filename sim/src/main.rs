//! `heliostat-sim`: runs seeds on all cores, and says what broke and how to see it again.
//!
//! Results go to standard output, progress to standard error. The exit code is 1 if a promise was
//! broken, or if a long run never exercised something that it should.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use heliostat_sim::coverage::{Coverage, Seen};
use heliostat_sim::mutant::Mutant;
use heliostat_sim::simulation::{Outcome, run};
use heliostat_sim::trace::Detail;

/// Run the seeded simulation of the core
#[derive(Debug, Parser)]
#[command(name = "heliostat-sim")]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Put this bug into every mirror, to see that it is caught
    #[arg(long, value_name = "NAME")]
    bug: Option<Mutant>,
    /// Show all counters; with a single seed, its whole story
    #[arg(long)]
    verbose: bool,
}

/// From how many seeds on everything must have been seen at least once. With fewer, chance decides.
const SEEDS_FOR_COVERAGE: u64 = 1000;

/// How many of the last steps of a failing seed are shown.
const STEPS_SHOWN: usize = 40;

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let tally = Tally::default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| scope.spawn(|| work(&arguments, &tally)))
            .collect();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::park_timeout(PROGRESS_EVERY.min(Duration::from_millis(100)));
            tally.show_progress(&arguments, started);
        }
    });
    match tell(&arguments, &tally, started) {
        Ok(code) => code,
        // Nobody reads any more: nothing is left to say, and nobody to say it to.
        Err(_) => ExitCode::FAILURE,
    }
}

/// What all workers found.
#[derive(Default)]
struct Tally {
    next: AtomicU64,
    done: AtomicU64,
    steps: AtomicU64,
    broken: AtomicBool,
    shown: Mutex<Option<Instant>>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    coverage: Coverage,
    /// The failing seed with the lowest number, so that two runs tell the same one.
    failure: Option<Outcome>,
    hash: u64,
}

fn work(arguments: &Arguments, tally: &Tally) {
    let mut coverage = Coverage::default();
    let mut hash = 0u64;
    loop {
        let number = tally.next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.seeds || tally.broken.load(Ordering::Relaxed) {
            break;
        }
        let outcome = run(
            arguments.seed.wrapping_add(number),
            arguments.bug,
            Detail::Hash,
        );
        coverage.merge(&outcome.coverage);
        hash ^= outcome.trace_hash;
        tally.steps.fetch_add(outcome.steps, Ordering::Relaxed);
        tally.done.fetch_add(1, Ordering::Relaxed);
        if !outcome.violations.is_empty() {
            tally.broken.store(true, Ordering::Relaxed);
            tally.keep(outcome);
        }
    }
    if let Ok(mut found) = tally.found.lock() {
        found.coverage.merge(&coverage);
        found.hash ^= hash;
    }
}

impl Tally {
    fn keep(&self, outcome: Outcome) {
        if let Ok(mut found) = self.found.lock()
            && found
                .failure
                .as_ref()
                .is_none_or(|kept| outcome.seed < kept.seed)
        {
            found.failure = Some(outcome);
        }
    }

    fn show_progress(&self, arguments: &Arguments, started: Instant) {
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        if shown.unwrap_or(started).elapsed() < PROGRESS_EVERY {
            return;
        }
        *shown = Some(Instant::now());
        let done = self.done.load(Ordering::Relaxed);
        let rate = done as f64 / started.elapsed().as_secs_f64();
        let mut stderr = std::io::stderr();
        // A terminal gets one line that moves, a file a line each time.
        let (before, after) = if stderr.is_terminal() {
            ("\r\x1b[K", "")
        } else {
            ("", "\n")
        };
        let text = format!(
            "{before}{done} of {} seeds, {rate:.0} seeds/s{after}",
            arguments.seeds
        );
        let _ = stderr
            .write_all(text.as_bytes())
            .and_then(|()| stderr.flush());
    }
}

fn tell(arguments: &Arguments, tally: &Tally, started: Instant) -> std::io::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if std::io::stderr().is_terminal() {
        let _ = std::io::stderr().write_all(b"\r\x1b[K");
    }
    let Ok(found) = tally.found.lock() else {
        return Ok(ExitCode::FAILURE);
    };
    let done = tally.done.load(Ordering::Relaxed);
    let steps = tally.steps.load(Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64();
    let rate = done as f64 / seconds;
    if arguments.verbose {
        for seen in Seen::ALL {
            writeln!(out, "{:>12}  {}", found.coverage.of(*seen), seen.name())?;
        }
    }
    if arguments.verbose && arguments.seeds == 1 && found.failure.is_none() {
        let outcome = run(arguments.seed, arguments.bug, Detail::Last(usize::MAX));
        for line in outcome.lines {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(
        out,
        "{done} seeds, {steps} steps in {seconds:.1} s ({rate:.0} seeds/s), trace {:016x}",
        found.hash
    )?;
    if let Some(failure) = &found.failure {
        tell_failure(&mut out, arguments, failure)?;
        return Ok(ExitCode::FAILURE);
    }
    let missing: Vec<_> = found.coverage.missing().collect();
    if done >= SEEDS_FOR_COVERAGE && !missing.is_empty() {
        writeln!(out, "never exercised, so nothing is proved about it:")?;
        for seen in missing {
            writeln!(out, "  {}", seen.name())?;
        }
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_failure(
    out: &mut impl std::io::Write,
    arguments: &Arguments,
    failure: &Outcome,
) -> std::io::Result<()> {
    let seed = failure.seed;
    let shown = if arguments.verbose {
        usize::MAX
    } else {
        STEPS_SHOWN
    };
    let again = run(seed, arguments.bug, Detail::Last(shown));
    writeln!(
        out,
        "\nseed {seed} after {} steps, the last of them:",
        failure.steps
    )?;
    for line in &again.lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    for violation in &failure.violations {
        writeln!(out, "broken promise: {violation}")?;
    }
    if again.trace_hash != failure.trace_hash {
        writeln!(
            out,
            "the seed went another way the second time: the simulation is not repeatable"
        )?;
    }
    // What comes after `--` reaches this program as it is.
    let bug = arguments
        .bug
        .map(|bug| format!(" -- --bug {bug:?}"))
        .unwrap_or_default();
    writeln!(
        out,
        "repeat it: cargo xtask sim --seeds 1 --seed {seed}{bug}"
    )
}
