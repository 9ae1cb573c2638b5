//! The etcd source keeps every promise, over real etcds: the newest that can be had, and 3.4.

#[path = "../../crates/heliostat/tests/etcd_server/mod.rs"]
mod etcd_server;

#[path = "sources/etcd.rs"]
mod etcd;

use etcd::EtcdHarness;
use etcd_server::{Member, Version};
use heliostat::source::etcd::Connection;
use heliostat_conformance::{Promise, run_all};

async fn check(version: Version, among_others: bool, not_tested: &[Promise]) {
    let Some(member) = Member::start(version).await else {
        return;
    };
    let cluster = Connection::new()
        .endpoint(member.url())
        .connect()
        .await
        .unwrap();
    let harness = EtcdHarness {
        member,
        cluster,
        answers_progress: version == Version::Newest,
        among_others,
    };
    let report = Box::pin(run_all(&harness)).await;
    assert!(report.is_kept(), "\n{report}");
    let passed_over: Vec<Promise> = report.passed_over().collect();
    assert_eq!(passed_over, not_tested, "\n{report}");
}

/// etcd has no watch-lists, and does not say which watches are open.
const NEVER_TESTED: [Promise; 2] = [Promise::WatchListEndsWithMark, Promise::DropGivesUp];

#[tokio::test]
async fn a_prefix_keeps_every_promise() {
    check(Version::Newest, false, &NEVER_TESTED).await;
}

#[tokio::test]
async fn a_prefix_among_the_writes_of_others_keeps_every_promise() {
    check(Version::Newest, true, &NEVER_TESTED).await;
}

#[tokio::test]
async fn a_prefix_of_an_old_server_keeps_every_promise_that_needs_no_progress() {
    let [first, last] = NEVER_TESTED;
    let not_tested = [first, Promise::BookmarksNeverRunAhead, last];
    check(Version::Old, false, &not_tested).await;
}
