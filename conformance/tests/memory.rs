//! The source in memory keeps every promise, and what is worse than it does not.

#[path = "sources/memory.rs"]
mod memory;

#[path = "sources/mutant.rs"]
mod mutant;

#[path = "memory/mutants.rs"]
mod mutants;

use heliostat::source::memory::MemorySource;
use heliostat_conformance::{Promise, run_all};
use memory::MemoryHarness;

#[tokio::test]
async fn the_memory_source_keeps_every_promise() {
    let report = run_all(&MemoryHarness::new(|source| source)).await;
    assert!(report.is_kept(), "\n{report}");
    let passed_over: Vec<Promise> = report.passed_over().collect();
    assert_eq!(passed_over, [], "everything can be put to the test here");
}

#[tokio::test]
async fn only_its_check_is_passed_over_without_watch_lists() {
    let harness = MemoryHarness::new(|source: MemorySource<u64>| source.without_watch_list());
    let report = run_all(&harness).await;
    assert!(report.is_kept(), "\n{report}");
    let passed_over: Vec<Promise> = report.passed_over().collect();
    assert_eq!(passed_over, [Promise::WatchListEndsWithMark]);
}

/// A selection is a collection like any other, whatever happens outside of it.
#[tokio::test]
async fn a_selection_among_the_writes_of_others_keeps_every_promise() {
    let harness = MemoryHarness::among_others(|source: MemorySource<u64>| {
        source.filtered(|entry| entry.key().namespace().is_none())
    });
    let report = run_all(&harness).await;
    assert!(report.is_kept(), "\n{report}");
    assert_eq!(report.passed_over().count(), 0, "\n{report}");
}
