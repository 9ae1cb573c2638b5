//! Three members, of which some fail.

use std::time::Duration;

use heliostat::ReflectorStatus;

use super::etcd_server::{EtcdClient, Member, Options, PATIENCE, Version};
use super::support::{Mirror, connect};

/// Keys that one churn writes and deletes.
const KEYS: u32 = 40;

async fn cluster() -> Option<Vec<Member>> {
    Member::start_cluster(Version::Newest, 3, &Options::default()).await
}

/// Writes and deletes through the first member that answers; returns the last revision.
async fn churn(clients: &[EtcdClient], rounds: u32) -> u64 {
    let mut revision = 0;
    for round in 0..rounds {
        let number = (round * 7) % KEYS;
        let key = format!("/app/{number}");
        revision = write(clients, &key, round).await;
    }
    revision
}

/// One write, at the first member that takes it: writes of this kind can be repeated.
async fn write(clients: &[EtcdClient], key: &str, round: u32) -> u64 {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (path, request) = match round % 5 {
        4 => (
            "/v3/kv/deleterange",
            serde_json::json!({"key": encode(key)}),
        ),
        _ => (
            "/v3/kv/put",
            serde_json::json!({"key": encode(key), "value": encode(&round.to_string())}),
        ),
    };
    loop {
        for client in clients {
            let call = client.try_call(path, &request);
            let answer = tokio::time::timeout(Duration::from_secs(2), call).await;
            if let Ok(Ok(answer)) = answer {
                let revision = answer["header"]["revision"].as_str().unwrap();
                return revision.parse().unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_outlives_every_member_in_turn_without_a_relist() {
    let Some(mut members) = cluster().await else {
        return;
    };
    let clients: Vec<EtcdClient> = members.iter().map(Member::client).collect();
    churn(&clients, 50).await;
    let mirror = Mirror::start(&connect(&members).await).await;
    let mut last = 0;
    for index in 0..3 {
        members[index].kill();
        let others: Vec<EtcdClient> = clients
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, client)| client.clone())
            .collect();
        last = churn(&others, 60).await;
        mirror.equals_after(&others[0], last).await;
        members[index].run();
        clients[index].wait_ready().await;
    }
    mirror.equals_after(&clients[0], last).await;
    assert_eq!((mirror.relists(), mirror.counts().rewinds), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_hangs_is_left() {
    let Some(members) = cluster().await else {
        return;
    };
    let clients: Vec<EtcdClient> = members.iter().map(Member::client).collect();
    churn(&clients, 50).await;
    let mirror = Mirror::start(&connect(&members).await).await;
    members[0].pause();
    let others = &clients[1..];
    let last = churn(others, 60).await;
    mirror.equals_after(&others[0], last).await;
    members[0].go_on();
    let last = churn(others, 60).await;
    mirror.equals_after(&others[0], last).await;
    assert_eq!((mirror.relists(), mirror.counts().rewinds), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_a_leader_is_left() {
    let Some(mut members) = cluster().await else {
        return;
    };
    let clients: Vec<EtcdClient> = members.iter().map(Member::client).collect();
    churn(&clients, 10).await;
    let mirror = Mirror::start(&connect(&members).await).await;
    // The first has no leader without the others; with one of them there is one again.
    members[1].kill();
    members[2].kill();
    members[1].run();
    clients[1].wait_ready().await;
    let last = churn(&clients[1..2], 30).await;
    mirror.equals_after(&clients[1], last).await;
    assert_eq!((mirror.relists(), mirror.counts().rewinds), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_delete_is_lost_where_the_history_is_compacted_under_churn() {
    let Some(mut members) = cluster().await else {
        return;
    };
    let clients: Vec<EtcdClient> = members.iter().map(Member::client).collect();
    let mirror = Mirror::start(&connect(&members).await).await;
    let mut last = 0;
    for index in 0..3 {
        members[index].kill();
        let others: Vec<EtcdClient> = clients
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, client)| client.clone())
            .collect();
        last = churn(&others, 80).await;
        others[0].compact(last - 10).await;
        last = churn(&others, 20).await;
        members[index].run();
        clients[index].wait_ready().await;
    }
    mirror.equals_after(&clients[0], last).await;
    assert_eq!(mirror.counts().rewinds, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_a_leader_is_named_and_the_mirror_keeps_what_it_has() {
    let Some(mut members) = cluster().await else {
        return;
    };
    let clients: Vec<EtcdClient> = members.iter().map(Member::client).collect();
    let revision = churn(&clients, 20).await;
    let mirror = Mirror::start(&connect(&members).await).await;
    mirror.equals_after(&clients[0], revision).await;
    let before = mirror.objects.len();
    members[1].kill();
    members[2].kill();
    let said = async {
        let mut statuses = mirror.handle.watch_status();
        let says_so = |status: &ReflectorStatus| {
            let error = status.last_error.as_ref();
            error.is_some_and(|error| error.message.contains("leader"))
        };
        statuses.wait_for(says_so).await.unwrap();
    };
    let said = tokio::time::timeout(PATIENCE, said).await;
    said.unwrap_or_else(|_| panic!("{:?}", mirror.handle.status()));
    assert_eq!(mirror.objects.len(), before);
    members[1].run();
    clients[1].wait_ready().await;
    let last = churn(&clients[1..2], 20).await;
    mirror.equals_after(&clients[1], last).await;
    assert_eq!((mirror.relists(), mirror.counts().rewinds), (0, 0));
}

/// A mirror without objects has nothing to prove its history with but the version.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mirror_does_not_go_on_in_another_cluster() {
    let Some(mut member) = Member::start(Version::Newest).await else {
        return;
    };
    let Some(other) = Member::start(Version::Newest).await else {
        return;
    };
    let before = member.client().put("/elsewhere", "1").await;
    let client = other.client();
    client.put("/app/a", "1").await;
    let mut revision = 0;
    for number in 0..20 {
        revision = client.put("/elsewhere", number.to_string()).await;
    }
    assert!(before < revision);
    let mirror = Mirror::start(&connect([&member, &other]).await).await;
    assert!(mirror.objects.is_empty());
    member.kill();
    let last = client.put("/app/b", "1").await;
    mirror.equals_after(&client, last).await;
    assert_eq!((mirror.relists(), mirror.counts().rewinds), (1, 0));
}
