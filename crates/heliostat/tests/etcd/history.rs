//! Gaps, compactions, restored backups: what is in the history, and what is not.

use std::time::Duration;

use heliostat::source::etcd::EtcdSource;

use super::etcd_server::{Member, Options, PATIENCE, Version};
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
    assert_eq!(mirror.counts().lists, 1);
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
    assert_eq!(mirror.counts().lists, 1);
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
    let counts = mirror.counts();
    assert_eq!(counts.rewinds, 0);
    // The second is the proof that the history is the same: one object.
    assert!(counts.watches > 1, "{counts:?}");
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
