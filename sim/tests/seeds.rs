//! Seeds: a sweep of them keeps every promise, and each of them goes the same way twice.

use heliostat_sim::coverage::{Coverage, Seen};
use heliostat_sim::simulation::run;
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
fn two_seeds_go_different_ways() {
    let hash = |seed| run(seed, None, Detail::Hash).trace_hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_thousand_seeds_keep_every_promise_and_leave_nothing_out() {
    let mut coverage = Coverage::default();
    for seed in 0..1000 {
        let outcome = run(seed, None, Detail::Hash);
        if let Some(violation) = outcome.violations.first() {
            panic!("seed {seed}: {violation}; cargo xtask sim --seeds 1 --seed {seed}");
        }
        coverage.merge(&outcome.coverage);
    }
    let missing: Vec<_> = coverage.missing().map(Seen::name).collect();
    assert!(missing.is_empty(), "never exercised: {missing:?}");
}
