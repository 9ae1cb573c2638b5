//! What a mirror of a prefix holds, as the prefix changes.

use heliostat::source::etcd::EtcdSource;
use heliostat::{ObjectKey, Reflector};
use serde::Deserialize;

use super::etcd_server::{Member, PATIENCE, Put, Version};
use super::support::{Mirror, PREFIX, connect};

async fn follows(version: Version) {
    let Some(member) = Member::start(version).await else {
        return;
    };
    let client = member.client();
    client.put("/app/a", "1").await;
    client.put("/apples", "foreign").await;
    client.put("/app/b/c", "2").await;
    let mirror = Mirror::start(&connect([&member]).await).await;
    assert_eq!(mirror.objects.len(), 2);
    let before = mirror.objects.get(&ObjectKey::cluster("a")).unwrap();
    client.put("/app/a", "1.1").await;
    client.delete("/app/b/c").await;
    let revision = client.put("/app/d", "").await;
    mirror.equals_after(&client, revision).await;
    client.delete("/app/a").await;
    let revision = client.put("/app/a", "again").await;
    mirror.equals_after(&client, revision).await;
    let after = mirror.objects.get(&ObjectKey::cluster("a")).unwrap();
    assert_ne!(
        before.header.uid, after.header.uid,
        "another life of the key"
    );
    let counts = mirror.counts();
    assert_eq!((counts.lists, counts.watches, counts.failures), (1, 1, 0));
}

#[tokio::test]
async fn a_mirror_follows_its_prefix() {
    follows(Version::Newest).await;
}

#[tokio::test]
async fn a_mirror_follows_its_prefix_on_an_old_server() {
    follows(Version::Old).await;
}

#[tokio::test]
async fn keys_that_change_in_one_transaction_or_end_with_one_lease_all_change() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    let mirror = Mirror::start(&connect([&member]).await).await;
    let lease = client.grant(600).await;
    let keys: Vec<String> = (0..100).map(|number| format!("/app/{number:03}")).collect();
    let put = |key| Put {
        key: str::as_bytes(key),
        value: b"x",
        lease: Some(lease),
    };
    let puts: Vec<Put<'_>> = keys.iter().map(|key| put(key.as_str())).collect();
    let revision = client.put_all(&puts).await;
    mirror.equals_after(&client, revision).await;
    assert_eq!(mirror.objects.len(), 100);
    client.revoke(lease).await;
    let revision = client.put("/app/last", "1").await;
    mirror.equals_after(&client, revision).await;
    assert_eq!(mirror.objects.len(), 1);
    assert_eq!(mirror.counts().lists, 1);
}

#[tokio::test]
async fn values_of_megabytes_and_many_pages_are_mirrored() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    for number in 0..6u8 {
        let value = vec![number; 1 << 20];
        client.put(format!("/app/large-{number}"), value).await;
    }
    for batch in 0..12 {
        let keys: Vec<String> = (0..100)
            .map(|key| format!("/app/{batch:02}-{key}"))
            .collect();
        let puts: Vec<Put<'_>> = keys
            .iter()
            .map(|key| Put {
                key: key.as_bytes(),
                value: b"small",
                lease: None,
            })
            .collect();
        client.put_all(&puts).await;
    }
    let mirror = Mirror::start(&connect([&member]).await).await;
    assert_eq!(mirror.objects.len(), 1206);
    let revision = client.put("/app/large-0", vec![9; 1 << 20]).await;
    mirror.equals_after(&client, revision).await;
    assert_eq!(mirror.counts().failures, 0);
}

/// With both states of each key the answer is larger than the server sends at once.
#[tokio::test]
async fn a_revision_that_comes_in_fragments_is_delivered_whole() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    let mirror = Mirror::start(&connect([&member]).await).await;
    let keys: Vec<String> = (0..14).map(|number| format!("/app/{number}")).collect();
    let mut revision = 0;
    for byte in [b'a', b'b', b'c'] {
        let value = vec![byte; 100 << 10];
        let puts: Vec<Put<'_>> = keys
            .iter()
            .map(|key| Put {
                key: key.as_bytes(),
                value: &value,
                lease: None,
            })
            .collect();
        revision = client.put_all(&puts).await;
    }
    mirror.equals_after(&client, revision).await;
    let revision = client.delete_prefix(PREFIX).await;
    mirror.equals_after(&client, revision).await;
    assert_eq!((mirror.relists(), mirror.counts().failures), (0, 0));
}

#[tokio::test]
async fn keys_that_are_no_text_and_the_whole_store_can_be_mirrored() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    client.put(b"/app/\xff\xfe", "binary").await;
    client.put("other", "text").await;
    let source = EtcdSource::bytes(&connect([&member]).await, "");
    let mirror = Mirror::of(source).await;
    let keys = mirror.objects.keys();
    let keys: Vec<&str> = keys.iter().map(ObjectKey::as_str).collect();
    assert_eq!(keys, [r"/app/\xff\xfe", "other"]);
    let revision = client.delete(b"/app/\xff\xfe").await;
    mirror.wait_for(revision).await;
    assert_eq!(mirror.objects.len(), 1);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Service {
    port: u16,
}

#[tokio::test]
async fn a_value_that_does_not_decode_is_rejected_alone() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    client.put("/app/good", r#"{"port": 80}"#).await;
    client.put("/app/bad", "no json").await;
    let source = EtcdSource::<Service>::json(&connect([&member]).await, PREFIX);
    let (reflector, services) = Reflector::with_indexer(source);
    let handle = reflector.start();
    handle.wait_synced(PATIENCE).await.unwrap();
    assert_eq!(services.len(), 1);
    assert_eq!(handle.status().counts.rejected, 1);
    let revision = client.put("/app/bad", r#"{"port": 81}"#).await;
    services.wait_for(&revision.into()).await.unwrap();
    let healed = services.get(&ObjectKey::cluster("bad")).unwrap();
    assert_eq!(*healed.object, Service { port: 81 });
    client.put("/app/bad", "worse").await;
    let revision = client.delete("/app/bad").await;
    services.wait_for(&revision.into()).await.unwrap();
    assert_eq!(
        services.len(),
        1,
        "its last state is unreadable, and it is deleted"
    );
}
