//! The examples do what they say.

use super::etcd_server::{Member, PATIENCE, Put, Version};
use super::registry::load;
use super::support::connect;
use super::{registry_pods, service_discovery};

#[tokio::test]
async fn the_directory_of_services_follows_instances_and_the_ends_of_their_leases() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    let lease = client.grant(600).await;
    let put = |key: &'static str, value: &'static str, lease| Put {
        key: key.as_bytes(),
        value: value.as_bytes(),
        lease,
    };
    let first = put(
        "/services/web/1",
        r#"{"address":"10.0.0.1:80"}"#,
        Some(lease),
    );
    let second = put("/services/web/2", r#"{"address":"10.0.0.2:80"}"#, None);
    let other = put(
        "/services/api/1",
        r#"{"address":"10.0.0.3:80"}"#,
        Some(lease),
    );
    client.put_all(&[first, second, other]).await;
    let directory = service_discovery::Directory::follow(&connect([&member]).await)
        .await
        .unwrap();
    assert_eq!(directory.addresses("web"), ["10.0.0.1:80", "10.0.0.2:80"]);
    client.revoke(lease).await;
    let ended = async {
        let mut statuses = directory.mirror.watch_status();
        while directory.addresses("web").len() != 1 || !directory.addresses("api").is_empty() {
            statuses.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(directory.addresses("web"), ["10.0.0.2:80"]);
}

#[tokio::test]
async fn pods_are_mirrored_out_of_the_registry_with_their_nodes() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let recorded = load(&member.client()).await;
    let expected = recorded
        .iter()
        .filter(|(key, _)| key.starts_with("/registry/pods/"))
        .count();
    let (mirror, pods) = registry_pods::mirror(&connect([&member]).await)
        .await
        .unwrap();
    assert_eq!(pods.len(), expected);
    let nodes = pods.index_values(registry_pods::BY_NODE);
    let on_nodes = nodes
        .iter()
        .map(|node| pods.index_keys(registry_pods::BY_NODE, node).unwrap().len());
    assert!(on_nodes.sum::<usize>() > 0);
    mirror.shutdown().await;
}
