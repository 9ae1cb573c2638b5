//! The source in memory keeps every promise, and what is worse than it does not.

#[path = "sources/memory.rs"]
mod memory;

#[path = "sources/mutant.rs"]
mod mutant;

#[path = "memory/mutants.rs"]
mod mutants;

use heliostat::source::PackedSource;
use heliostat::source::memory::MemorySource;
use heliostat::{Packing, RawObject};
use heliostat_conformance::{Promise, run_all};
use memory::MemoryHarness;

#[tokio::test]
async fn the_memory_source_keeps_every_promise() {
    let report = run_all(&MemoryHarness::new(|source: MemorySource<u64>| source)).await;
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

/// Objects that are packed are those that were written, whether they are kept decoded or not.
#[tokio::test]
async fn packed_objects_keep_every_promise() {
    for budget in [0, 1 << 20] {
        let packing = Packing::raw().memory_budget(budget);
        let harness = MemoryHarness::new({
            let packing = packing.clone();
            move |source: MemorySource<RawObject>| PackedSource::new(source, &packing)
        });
        let report = run_all(&harness).await;
        assert!(report.is_kept(), "\n{report}");
        assert_eq!(report.passed_over().count(), 0, "\n{report}");
        assert!(packing.stats().packed_total > 0);
    }
}

/// The same, read as a type of the user's. None of them decodes as it, which is for whoever reads them to find.
#[tokio::test]
async fn packed_objects_that_do_not_decode_keep_every_promise() {
    let packing = Packing::<Vec<String>>::new();
    let harness = MemoryHarness::new(move |source: MemorySource<RawObject>| {
        PackedSource::<_, Vec<String>>::new(source, &packing)
    });
    let report = run_all(&harness).await;
    assert!(report.is_kept(), "\n{report}");
}
