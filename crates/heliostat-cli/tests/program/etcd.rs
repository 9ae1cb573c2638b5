//! The program over a real etcd: prefixes that have nothing to do with Kubernetes, and a registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::common::{Running, run, succeed};
use super::etcd_server::{EtcdClient, Member, Version};

async fn start() -> Option<(Member, EtcdClient)> {
    let member = Member::start(Version::Newest).await?;
    let client = member.client();
    Some((member, client))
}

/// Runs what blocks beside the runtime.
async fn blocking<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> R {
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn a_prefix_is_followed_and_every_change_printed() {
    let Some((member, client)) = start().await else {
        return;
    };
    client.put("/my/app/web/1", r#"{"port":80}"#).await;
    client.put("/other", "foreign").await;
    let url = member.url().to_owned();
    let arguments = [
        "mirror", "--etcd", &url, "--prefix", "/my/app/", "-o", "jsonl",
    ];
    let running = Running::start(&arguments);
    let (running, added) = blocking(move || {
        let added = running.json();
        let synced = running.json();
        assert_eq!(synced["type"], "Synced");
        (running, added)
    })
    .await;
    assert_eq!(
        (&added["type"], &added["key"]),
        (&json!("Added"), &json!("web/1"))
    );
    assert_eq!(added["object"]["value"]["port"], 80);
    assert_eq!(added["object"]["key"], "/my/app/web/1");
    let revision = client.put("/my/app/web/1", "text").await;
    let (running, updated) = blocking(move || {
        let updated = running.json();
        (running, updated)
    })
    .await;
    assert_eq!(updated["type"], "Updated");
    assert_eq!(updated["resourceVersion"], revision.to_string());
    assert_eq!(updated["object"]["value"], "text");
    client.delete("/my/app/web/1").await;
    let deleted = blocking(move || {
        let deleted = running.json();
        running.signal("INT");
        assert_eq!(running.finish().code, Some(0));
        deleted
    })
    .await;
    assert_eq!(deleted["type"], "Deleted");
}

#[tokio::test]
async fn keys_are_looked_up_and_tables_show_their_values() {
    let Some((member, client)) = start().await else {
        return;
    };
    client.put("/my/app/web/1", "10.0.0.1:80").await;
    client.put("/my/app/mode", "fast").await;
    let url = member.url().to_owned();
    blocking(move || {
        let arguments = [
            "get", "--etcd", &url, "--prefix", "/my/app/", "web/1", "-o", "json",
        ];
        let found: Value = serde_json::from_str(&succeed(&arguments).stdout).unwrap();
        assert_eq!(found["items"][0]["value"], "10.0.0.1:80");
        let table = succeed(&["mirror", "--etcd", &url, "--prefix", "/my/app/", "--once"]);
        assert!(table.stdout.contains("VALUE"), "{}", table.stdout);
        assert!(table.stdout.contains("10.0.0.1:80"), "{}", table.stdout);
        let missing = run(&["get", "--etcd", &url, "--prefix", "/my/app/", "nothing"]);
        assert_eq!(missing.code, Some(1));
        let top = succeed(&["top", "--etcd", &url, "--prefix", "/my/app/", "--once"]);
        assert!(top.stdout.contains("/my/app/"), "{}", top.stdout);
    })
    .await;
}

#[tokio::test]
async fn resources_are_mirrored_out_of_a_registry() {
    let Some((member, client)) = start().await else {
        return;
    };
    let pod = include_bytes!("../../../heliostat-kinds/testdata/captures/etcd-value-pod.bin");
    let widget = include_bytes!("../../testdata/etcd-value-widget.json");
    let revision = client.put("/registry/pods/ns/pod", pod).await;
    client
        .put("/registry/example.com/widgets/ns/one", widget)
        .await;
    let url = member.url().to_owned();
    blocking(move || {
        let pods = succeed(&["mirror", "po", "--etcd", &url, "--once", "-o", "jsonl"]);
        let pod: Value = serde_json::from_str(&pods.stdout).unwrap();
        assert_eq!(
            (&pod["apiVersion"], &pod["kind"]),
            (&json!("v1"), &json!("Pod"))
        );
        assert_eq!(pod["metadata"]["resourceVersion"], revision.to_string());
        let widgets = [
            "mirror",
            "widgets.example.com",
            "--etcd",
            &url,
            "--once",
            "-o",
            "yaml",
        ];
        let widgets = succeed(&widgets).stdout;
        assert!(widgets.contains("kind: Widget"), "{widgets}");
        let unknown = run(&["mirror", "wombats", "--etcd", &url, "--once"]);
        assert_eq!(unknown.code, Some(1));
        assert!(unknown.stderr.contains("wombats"), "{}", unknown.stderr);
    })
    .await;
}

#[tokio::test]
async fn an_encrypted_value_is_never_printed_and_names_its_key() {
    let Some((member, client)) = start().await else {
        return;
    };
    let vectors = include_str!("../../../heliostat-core/testdata/etcd/encrypted.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let vector = &vectors["encrypted"][0];
    let value = STANDARD.decode(vector["value"].as_str().unwrap()).unwrap();
    let key = vectors["etcdKey"].as_str().unwrap().to_owned();
    client.put(&key, value).await;
    let url = member.url().to_owned();
    let refused = blocking(move || run(&["mirror", "configmaps", "--etcd", &url, "--once"])).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains(&key), "{}", refused.stderr);
    assert!(refused.stderr.contains("encrypted"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
}
