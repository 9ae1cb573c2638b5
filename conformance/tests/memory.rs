//! The source in memory keeps every promise.

#[path = "sources/memory.rs"]
mod memory;

use heliostat::source::memory::MemorySource;
use heliostat_conformance::{Promise, run_all};
use memory::MemoryHarness;

#[tokio::test]
async fn the_memory_source_keeps_every_promise() {
    let report = run_all(&MemoryHarness(|source| source)).await;
    assert!(report.is_kept(), "\n{report}");
    let passed_over: Vec<Promise> = report.passed_over().collect();
    assert_eq!(passed_over, [], "everything can be put to the test here");
}

#[tokio::test]
async fn only_its_check_is_passed_over_without_watch_lists() {
    let harness = MemoryHarness(|source: MemorySource<u64>| source.without_watch_list());
    let report = run_all(&harness).await;
    assert!(report.is_kept(), "\n{report}");
    let passed_over: Vec<Promise> = report.passed_over().collect();
    assert_eq!(passed_over, [Promise::WatchListEndsWithMark]);
}
