//! Seeds: a sweep of them keeps every promise, and each of them goes the same way twice.

use std::sync::Mutex;
use std::thread;

use heliostat_sim::coverage::{Coverage, Seen};
use heliostat_sim::simulation::{run, run_unpacked};
use heliostat_sim::trace::Detail;

#[test]
fn a_seed_goes_the_same_way_twice() {
    for seed in 0..50 {
        let first = run(seed, None, Detail::Hash);
        let second = run(seed, None, Detail::Last(10));
        assert_eq!(
            (first.trace_hash, first.steps, first.lasted),
            (second.trace_hash, second.steps, second.lasted),
            "seed {seed}"
        );
    }
}

#[test]
fn a_seed_goes_the_same_way_whether_its_objects_are_packed_or_not() {
    for seed in 0..100 {
        let (drawn, unpacked) = (
            run(seed, None, Detail::Hash),
            run_unpacked(seed, Detail::Hash),
        );
        assert_eq!(
            (drawn.trace_hash, drawn.steps),
            (unpacked.trace_hash, unpacked.steps),
            "seed {seed}"
        );
    }
}

#[test]
fn two_seeds_go_different_ways() {
    let hash = |seed| run(seed, None, Detail::Hash).trace_hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_thousand_seeds_keep_every_promise_and_leave_nothing_out() {
    const SEEDS: u64 = 1000;
    let workers = thread::available_parallelism().map_or(1, usize::from) as u64;
    let coverage = Mutex::new(Coverage::default());
    thread::scope(|scope| {
        for first in 0..workers {
            let coverage = &coverage;
            scope.spawn(move || {
                let mine = sweep((first..SEEDS).step_by(usize::try_from(workers).unwrap()));
                coverage.lock().unwrap().merge(&mine);
            });
        }
    });
    let coverage = coverage.into_inner().unwrap();
    let missing: Vec<_> = coverage.missing().map(Seen::name).collect();
    assert!(missing.is_empty(), "never exercised: {missing:?}");
}

/// Runs seeds that keep every promise, and tells what they exercised.
fn sweep(seeds: impl Iterator<Item = u64>) -> Coverage {
    let mut coverage = Coverage::default();
    for seed in seeds {
        let outcome = run(seed, None, Detail::Hash);
        if let Some(violation) = outcome.violations.first() {
            panic!("seed {seed}: {violation}; cargo xtask sim --seeds 1 --seed {seed}");
        }
        coverage.merge(&outcome.coverage);
    }
    coverage
}
