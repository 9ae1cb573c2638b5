//! What kube-apiserver stores, mirrored out of a real etcd: values that were recorded from one.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heliostat::source::etcd::{EncryptionConfig, Registry};
use heliostat::{ObjectKey, Packing, Reflector};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde_json::Value;
use tokio::time::timeout;

use super::etcd_server::{EtcdClient, Member, PATIENCE, Put, Version};
use super::support::{connect, impatient};

fn testdata(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../heliostat-core/testdata/etcd");
    std::fs::read(folder.join(name)).unwrap()
}

/// Keys and values of a registry.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let packed = testdata("registry.jsonl.gz");
    let mut text = String::new();
    let mut unpacked = flate2::read::MultiGzDecoder::new(&*packed);
    unpacked.read_to_string(&mut text).unwrap();
    let pair = |line: &str| {
        let pair: Value = serde_json::from_str(line).unwrap();
        let value = STANDARD.decode(pair["value"].as_str().unwrap()).unwrap();
        (pair["key"].as_str().unwrap().to_owned(), value)
    };
    text.lines().map(pair).collect()
}

pub(crate) async fn load(client: &EtcdClient) -> Vec<(String, Vec<u8>)> {
    let recorded = recorded();
    for batch in recorded.chunks(100) {
        let put = |(key, value): &'_ (String, Vec<u8>)| -> (Vec<u8>, Vec<u8>) {
            (key.clone().into_bytes(), value.clone())
        };
        let owned: Vec<_> = batch.iter().map(put).collect();
        let puts: Vec<Put<'_>> = owned
            .iter()
            .map(|(key, value)| Put {
                key,
                value,
                lease: None,
            })
            .collect();
        client.put_all(&puts).await;
    }
    recorded
}

#[tokio::test]
async fn objects_of_a_registry_are_mirrored_typed_raw_and_packed() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    let recorded = load(&client).await;
    let count = |prefix: &str| {
        recorded
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .count()
    };
    let registry = Registry::new(&connect([&member]).await);

    let (reflector, pods) = Reflector::with_indexer(registry.typed::<Pod>("", "pods"));
    let handle = reflector.start();
    handle.wait_synced(PATIENCE).await.unwrap();
    assert_eq!(pods.len(), count("/registry/pods/"));
    let pod = pods.list().remove(0);
    let version = pod.object.metadata.resource_version.clone();
    assert_eq!(version, Some(pod.header.resource_version.to_string()));
    assert_eq!(pod.object.metadata.name.as_deref(), Some(pod.key().name()));

    let widgets = registry.raw("example.com", "widgets");
    let (reflector, widgets) = Reflector::with_indexer(widgets);
    let handle = reflector.start();
    handle.wait_synced(PATIENCE).await.unwrap();
    assert_eq!(widgets.len(), count("/registry/example.com/widgets/"));
    assert_eq!(widgets.list()[0].object.kind().unwrap().kind, "Widget");

    let packing = Packing::<ConfigMap>::new();
    let maps = registry
        .without_managed_fields()
        .raw("", "configmaps")
        .packed(&packing);
    let (reflector, maps) = Reflector::with_indexer(maps);
    let mirror = reflector.start();
    mirror.wait_synced(PATIENCE).await.unwrap();
    assert_eq!(maps.len(), count("/registry/configmaps/"));
    let (key, value) = recorded
        .iter()
        .find(|(key, _)| key.starts_with("/registry/configmaps/"))
        .unwrap();
    let revision = client.put(key, value).await;
    maps.wait_for(&revision.into()).await.unwrap();
    let name = key.trim_start_matches("/registry/configmaps/");
    let map = maps.get(&name.parse::<ObjectKey>().unwrap()).unwrap();
    assert_eq!(map.header.resource_version, revision.into());
    assert_eq!(map.object.get().unwrap().metadata.managed_fields, None);
    let revision = client.delete(key).await;
    maps.wait_for(&revision.into()).await.unwrap();
    assert_eq!(maps.len(), count("/registry/configmaps/") - 1);
    assert_eq!(mirror.status().counts.rejected, 0);
}

#[tokio::test]
async fn an_encrypted_value_makes_its_collection_unready_until_there_is_its_key() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    let vectors: Value = serde_json::from_slice(&testdata("encrypted.json")).unwrap();
    let etcd_key = vectors["etcdKey"].as_str().unwrap();
    let vector = &vectors["encrypted"][0];
    let value = STANDARD.decode(vector["value"].as_str().unwrap()).unwrap();
    client.put(etcd_key, value).await;
    let registry = Registry::new(&connect([&member]).await);

    let maps = registry.typed::<ConfigMap>("", "configmaps");
    let (reflector, indexer) = Reflector::with_indexer(maps);
    let handle = reflector.config(impatient()).start();
    let failed = async {
        let mut statuses = handle.watch_status();
        let status = statuses
            .wait_for(|status| status.last_error.is_some())
            .await;
        status.unwrap().last_error.clone().unwrap().message
    };
    let message = timeout(PATIENCE, failed).await.unwrap();
    let provider = vector["provider"].as_str().unwrap();
    for part in [etcd_key, provider, vector["name"].as_str().unwrap()] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
    assert!(!indexer.is_synced() && !handle.status().synced);
    assert!(
        handle
            .wait_synced(Duration::from_millis(300))
            .await
            .is_err()
    );

    let config = format!(
        "{{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration, resources: [{{resources: \
         [configmaps], providers: [{{{provider}: {{keys: [{{name: {}, secret: {}}}]}}}}]}}]}}",
        vector["name"], vector["secret"]
    );
    let config = EncryptionConfig::from_yaml(&config).unwrap();
    let maps = registry
        .encryption(config)
        .typed::<ConfigMap>("", "configmaps");
    let (reflector, maps) = Reflector::with_indexer(maps);
    let mirror = reflector.start();
    mirror.wait_synced(PATIENCE).await.unwrap();
    assert_eq!(maps.len(), 1);
}
