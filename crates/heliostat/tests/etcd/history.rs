//! Gaps, compactions, restored backups: what is in the history, and what is not.

use std::time::Duration;

use futures_util::StreamExt as _;
use heliostat::source::etcd::EtcdSource;
use heliostat::source::{WatchEvent, WatchOptions, WatchStream};
use heliostat::{Entry, ListerWatcher as _};

use super::etcd_server::{Member, Options, PATIENCE, Put, Version};
use super::support::{Mirror, PREFIX, connect};

/// Writes that no mirror of the prefix sees.
async fn write_elsewhere(member: &Member, count: u32) -> u64 {
    let client = member.client();
    let mut revision = 0;
    for number in 0..count {
        revision = client.put("/elsewhere", number.to_string()).await;
    }
    revision
}

#[tokio::test]
async fn progress_moves_the_version_of_a_quiet_prefix() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let cluster = connect([&member]).await;
    let source = EtcdSource::bytes(&cluster, PREFIX);
    let mirror = Mirror::of(source.progress_interval(Some(Duration::from_millis(100)))).await;
    let revision = write_elsewhere(&member, 5).await;
    mirror.wait_for(revision).await;
    assert_eq!(mirror.relists(), 0);
}

#[tokio::test]
async fn an_old_server_is_not_asked_for_progress_and_notifies_by_itself() {
    let options = Options {
        arguments: vec!["--experimental-watch-progress-notify-interval=100ms".to_owned()],
        ..Options::default()
    };
    let Some(member) = Member::start_with(Version::Old, &options).await else {
        return;
    };
    let mirror = Mirror::start(&connect([&member]).await).await;
    let revision = write_elsewhere(&member, 5).await;
    mirror.wait_for(revision).await;
    assert_eq!(mirror.relists(), 0);
}

#[tokio::test]
async fn after_a_gap_within_the_history_nothing_is_listed() {
    let Some(mut member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    client.put("/app/a", "1").await;
    client.put("/app/b", "1").await;
    let mirror = Mirror::start(&connect([&member]).await).await;
    let revision = client.put("/app/c", "1").await;
    mirror.wait_for(revision).await;
    member.kill();
    member.run();
    client.wait_ready().await;
    client.delete("/app/a").await;
    let revision = client.put("/app/b", "2").await;
    mirror.equals_after(&client, revision).await;
    assert_eq!((mirror.relists(), mirror.counts().rewinds), (0, 0));
}

#[tokio::test]
async fn a_gap_that_is_compacted_is_listed_over() {
    let Some(mut member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    for key in ["a", "b", "c"] {
        client.put(format!("/app/{key}"), "1").await;
    }
    let mirror = Mirror::start(&connect([&member]).await).await;
    member.pause();
    member.go_on();
    member.kill();
    member.run();
    client.wait_ready().await;
    // Before the mirror is back: its history is gone, a delete in it.
    client.delete("/app/a").await;
    let revision = client.put("/app/b", "2").await;
    client.compact(revision).await;
    mirror.equals_after(&client, revision).await;
    let revision = client.put("/app/d", "1").await;
    mirror.equals_after(&client, revision).await;
}

#[tokio::test]
async fn a_restored_backup_is_a_rewind_and_its_objects_replace_the_others() {
    let Some(mut member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    for key in ["a", "b", "c"] {
        client.put(format!("/app/{key}"), "1").await;
    }
    let mirror = Mirror::start(&connect([&member]).await).await;
    mirror.equals_after(&client, 4).await;
    member.forget_data();
    member.run();
    client.wait_ready().await;
    let revision = client.put("/app/z", "restored").await;
    assert!(revision < 4, "the revisions went back");
    let settled = async {
        while mirror.objects.len() != 1 {
            mirror.handle.watch_status().changed().await.unwrap();
        }
    };
    let settled = tokio::time::timeout(PATIENCE, settled).await;
    settled.unwrap_or_else(|_| panic!("{:?}", mirror.handle.status()));
    assert!(mirror.counts().rewinds > 0);
    let revision = client.put("/app/y", "1").await;
    mirror.equals_after(&client, revision).await;
}

#[tokio::test]
async fn another_cluster_under_the_same_address_is_listed_although_its_revisions_are_higher() {
    let Some(mut member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    client.put("/app/a", "1").await;
    let mirror = Mirror::start(&connect([&member]).await).await;
    member.forget_data();
    member.set_argument("initial-cluster-token", "another");
    member.run();
    client.wait_ready().await;
    for key in ["v", "w", "x", "y", "z"] {
        client.put(format!("/app/{key}"), "other").await;
    }
    let revision = client.put("/app/last", "other").await;
    mirror.equals_after(&client, revision).await;
}

#[tokio::test]
async fn a_watch_that_is_given_up_within_a_revision_begins_with_all_of_it_again() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    let source = EtcdSource::text(&connect([&member]).await, PREFIX);
    let before = client.put("/app/first", "1").await;
    let put = |key: &'static str| Put {
        key: key.as_bytes(),
        value: b"x",
        lease: None,
    };
    let revision = client
        .put_all(&[put("/app/a"), put("/app/b"), put("/app/c")])
        .await;
    let from = |version: u64| WatchOptions {
        resource_version: version.into(),
        ..WatchOptions::default()
    };
    let mut watch = source.watch(from(before)).await.unwrap();
    assert_eq!(added(&mut watch).await, "a");
    drop(watch);
    // What was applied is of this version, and there is more of it.
    let mut watch = source.watch(from(revision)).await.unwrap();
    for name in ["a", "b", "c"] {
        assert_eq!(added(&mut watch).await, name);
    }
    client.put("/app/d", "x").await;
    assert_eq!(added(&mut watch).await, "d");
    drop(watch);
}

#[tokio::test]
async fn a_mirror_with_history_replays_what_happened_before_it_began() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    for compacts in [false, true] {
        client.put("/app/a", "1").await;
        let oldest = client.put("/app/b", "1").await;
        if compacts {
            client.compact(oldest).await;
        }
        client.delete("/app/a").await;
        client.put("/app/b", "2").await;
        let source = EtcdSource::text(&connect([&member]).await, PREFIX).with_history();
        let options = WatchOptions::default();
        let mut watch = source.watch(options).await.unwrap();
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(('M', text)) if text == "b=2") {
            match next(&mut watch).await {
                WatchEvent::Added(entry) => seen.push(('A', show(&entry))),
                WatchEvent::Modified(entry) => seen.push(('M', show(&entry))),
                WatchEvent::Deleted(entry) => seen.push(('D', show(&entry))),
                other => panic!("{other:?}"),
            }
        }
        let expected = [('A', "a=1"), ('A', "b=1"), ('D', "a=1"), ('M', "b=2")];
        let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
        assert_eq!(seen, expected, "compacts: {compacts}");
        let last = client.delete_prefix("/app/").await;
        client.compact(last).await;
    }
}

fn show(entry: &Entry<String>) -> String {
    format!("{}={}", entry.key(), *entry.object)
}

async fn next(watch: &mut WatchStream<String>) -> WatchEvent<String> {
    let event = tokio::time::timeout(PATIENCE, watch.next()).await;
    event.unwrap().unwrap().unwrap()
}

async fn added(watch: &mut WatchStream<String>) -> String {
    match next(watch).await {
        WatchEvent::Added(entry) => entry.key().to_string(),
        other => panic!("{other:?}"),
    }
}
