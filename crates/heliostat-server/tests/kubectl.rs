//! kubectl against the server: get, watch, create, apply, delete, discovery.
//!
//! The program is looked for at `$HELIOSTAT_KUBECTL`, then among the workspace's tools, then in
//! `PATH`. Where there is none the suite says so and passes.

mod common;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use common::program;
use heliostat_server::{ApiServer, Kind, RunningServer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// Long enough for any machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server and a kubectl that knows it, with a home of its own.
struct Setup {
    kubectl: PathBuf,
    home: PathBuf,
    server: RunningServer,
}

impl Setup {
    /// `None` where there is no kubectl.
    async fn new(test: &str) -> Option<Self> {
        let kubectl = program::find_or_skip("kubectl", "HELIOSTAT_KUBECTL")?;
        let widget = Kind::custom("example.com", "v1", "Widget", "widgets")
            .with_short_name("wd")
            .with_category("all");
        let server = ApiServer::builder().with_kind(widget).build();
        // kubectl asks for the namespace when an object is missing.
        server
            .storage()
            .create("namespaces", json!({"metadata": {"name": "ns"}}))
            .unwrap();
        let server = server.serve_local().await.unwrap();
        let home = std::env::temp_dir().join(format!(
            "heliostat-kubectl-{test}-{}-{}",
            std::process::id(),
            server.addr().port()
        ));
        std::fs::create_dir_all(&home).unwrap();
        Some(Self {
            kubectl,
            home,
            server,
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("KUBECONFIG", self.home.join("none"))
            .args(["--server", &self.server.url(), "--cache-dir"])
            .arg(self.home.join("cache"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// What it prints; it must succeed.
    async fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "kubectl {arguments:?} failed: {error}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    async fn output(&self, arguments: &[&str]) -> Output {
        timeout(PATIENCE, self.command(arguments).output())
            .await
            .expect("kubectl ends")
            .unwrap()
    }

    /// The same with an object on standard input.
    async fn feed(&self, arguments: &[&str], object: &Value) -> String {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input
            .write_all(object.to_string().as_bytes())
            .await
            .unwrap();
        drop(input);
        let output = timeout(PATIENCE, child.wait_with_output())
            .await
            .expect("kubectl ends")
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "kubectl {arguments:?} failed: {error}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    async fn end(self) {
        self.server.shutdown().await;
        std::fs::remove_dir_all(&self.home).unwrap();
    }
}

fn pod(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "image:1"}]},
    })
}

#[tokio::test]
async fn create_get_and_delete_work_with_validation_on() {
    let Some(setup) = Setup::new("create").await else {
        return;
    };
    setup
        .feed(&["create", "-n", "ns", "-f", "-"], &pod("web", "a"))
        .await;
    setup
        .feed(&["create", "-n", "ns", "-f", "-"], &pod("db", "b"))
        .await;
    setup
        .feed(&["create", "-n", "other", "-f", "-"], &pod("far", "a"))
        .await;

    let table = setup.run(&["get", "pods", "-n", "ns", "-o", "wide"]).await;
    let heads: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        heads,
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    );
    let rows: Vec<&str> = table
        .lines()
        .skip(1)
        .map(|row| row.split(' ').next().unwrap())
        .collect();
    assert_eq!(rows, ["db", "web"]);
    assert!(table.contains("0/1") && table.contains("Pending") && table.contains("node-1"));

    let names = setup
        .run(&["get", "po", "-n", "ns", "-l", "app in (a)", "-o", "name"])
        .await;
    assert_eq!(names, "pod/web\n");
    let names = setup.run(&[
        "get",
        "pods",
        "-A",
        "--field-selector",
        "metadata.name=far",
        "-o",
        "name",
    ]);
    assert_eq!(names.await, "pod/far\n");
    let object: Value = serde_json::from_str(
        &setup
            .run(&["get", "pod", "web", "-n", "ns", "-o", "json"])
            .await,
    )
    .unwrap();
    assert_eq!(object["spec"]["containers"][0]["image"], "image:1");
    assert_eq!(object["metadata"]["namespace"], "ns");

    let again = setup.output(&["get", "pod", "missing", "-n", "ns"]).await;
    let error = String::from_utf8_lossy(&again.stderr);
    assert_eq!(
        error,
        "Error from server (NotFound): pods \"missing\" not found\n"
    );

    // kubectl waits here until the object is gone.
    let deleted = setup.run(&["delete", "pod", "web", "-n", "ns"]).await;
    assert!(deleted.starts_with("pod \"web\" deleted"), "{deleted}");
    assert_eq!(setup.server.storage().versions("pods").unwrap().len(), 2);
    let all = setup.run(&["delete", "pods", "--all", "-n", "ns"]).await;
    assert!(all.starts_with("pod \"db\" deleted"), "{all}");
    setup.end().await;
}

#[tokio::test]
async fn apply_creates_changes_and_leaves_alone() {
    let Some(setup) = Setup::new("apply").await else {
        return;
    };
    let deployment = |image: &str| {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "ns"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "main", "image": image}]},
                },
            },
        })
    };
    let apply = ["apply", "-f", "-"];
    let said = setup.feed(&apply, &deployment("a:1")).await;
    assert_eq!(said, "deployment.apps/web created\n");
    let said = setup.feed(&apply, &deployment("a:1")).await;
    assert_eq!(said, "deployment.apps/web unchanged\n");
    let said = setup.feed(&apply, &deployment("a:2")).await;
    assert_eq!(said, "deployment.apps/web configured\n");
    let stored = setup
        .server
        .storage()
        .get("deployments.apps", "ns/web")
        .unwrap()
        .unwrap();
    assert_eq!(stored["metadata"]["generation"], 2);
    assert_eq!(
        stored["spec"]["template"]["spec"]["containers"][0]["image"],
        "a:2"
    );
    assert_eq!(
        stored["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let widget = |size: u32| {
        json!({
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "metadata": {"name": "w", "namespace": "ns"},
            "spec": {"size": size},
        })
    };
    assert_eq!(
        setup.feed(&apply, &widget(1)).await,
        "widget.example.com/w created\n"
    );
    assert_eq!(
        setup.feed(&apply, &widget(2)).await,
        "widget.example.com/w configured\n"
    );
    let table = setup.run(&["get", "wd", "-n", "ns"]).await;
    assert!(table.starts_with("NAME   AGE\nw "), "{table}");
    let all = setup.run(&["get", "all", "-n", "ns", "-o", "name"]).await;
    assert_eq!(all, "deployment.apps/web\nwidget.example.com/w\n");
    setup.end().await;
}

#[tokio::test]
async fn a_definition_brings_its_kind() {
    let Some(setup) = Setup::new("crd").await else {
        return;
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.test.dev"},
        "spec": {
            "group": "test.dev",
            "scope": "Cluster",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    setup.feed(&["create", "-f", "-"], &definition).await;
    setup
        .run(&[
            "wait",
            "--for",
            "condition=Established",
            "crd/gadgets.test.dev",
        ])
        .await;
    let gadget = json!({"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "g"}});
    setup.feed(&["create", "-f", "-"], &gadget).await;
    assert_eq!(
        setup.run(&["get", "gd", "-o", "name"]).await,
        "gadget.test.dev/g\n"
    );
    setup.run(&["delete", "crd", "gadgets.test.dev"]).await;
    assert!(!setup.output(&["get", "gadgets"]).await.status.success());
    setup.end().await;
}

#[tokio::test]
async fn every_resource_is_discovered() {
    let Some(setup) = Setup::new("discovery").await else {
        return;
    };
    let resources = setup.run(&["api-resources", "--no-headers"]).await;
    let row = |name: &str| -> Vec<&str> {
        let line = resources
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {resources}"))
            .split_whitespace()
            .collect()
    };
    assert_eq!(row("pods"), ["pods", "po", "v1", "true", "Pod"]);
    assert_eq!(row("nodes"), ["nodes", "no", "v1", "false", "Node"]);
    assert_eq!(
        row("deployments"),
        ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    );
    assert_eq!(
        row("leases"),
        ["leases", "coordination.k8s.io/v1", "true", "Lease"]
    );
    assert_eq!(
        row("widgets"),
        ["widgets", "wd", "example.com/v1", "true", "Widget"]
    );
    let version = setup.run(&["version", "-o", "json"]).await;
    let version: Value = serde_json::from_str(&version).unwrap();
    assert_eq!(version["serverVersion"]["minor"], "36");
    setup.end().await;
}

#[tokio::test]
async fn get_and_watch_prints_every_change() {
    let Some(setup) = Setup::new("watch").await else {
        return;
    };
    let storage = setup.server.storage();
    let map =
        |name: &str| json!({"metadata": {"name": name, "namespace": "ns"}, "data": {"a": "b"}});
    storage.create("configmaps", map("first")).unwrap();
    let arguments = [
        "get",
        "cm",
        "-n",
        "ns",
        "-w",
        "--output-watch-events",
        "--no-headers",
    ];
    let mut child = setup.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || -> Vec<String> {
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .expect("kubectl prints")
            .unwrap();
        line.unwrap_or_default()
            .split_whitespace()
            .take(3)
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(next().await, ["ADDED", "first", "1"]);
    setup.server.wait_for_watches("configmaps", 1).await;
    storage.create("configmaps", map("second")).unwrap();
    assert_eq!(next().await, ["ADDED", "second", "1"]);
    storage
        .merge_patch("configmaps", "ns/first", json!({"data": {"c": "d"}}))
        .unwrap();
    assert_eq!(next().await, ["MODIFIED", "first", "2"]);
    storage.delete("configmaps", "ns/second").unwrap();
    assert_eq!(next().await, ["DELETED", "second", "1"]);
    // kubectl ends with the stream.
    setup.server.faults().close_watches(None);
    assert!(next().await.is_empty());
    timeout(PATIENCE, child.wait())
        .await
        .expect("kubectl ends")
        .unwrap();
    setup.end().await;
}

#[tokio::test]
async fn generators_create_objects_in_protobuf() {
    let Some(setup) = Setup::new("generators").await else {
        return;
    };
    let create = async |arguments: &[&str]| setup.run(&[&["create"], arguments].concat()).await;
    assert_eq!(
        create(&["namespace", "other"]).await,
        "namespace/other created\n"
    );
    create(&[
        "deployment",
        "web",
        "-n",
        "ns",
        "--image=a:1",
        "--replicas=3",
    ])
    .await;
    create(&["configmap", "settings", "-n", "ns", "--from-literal=a=b"]).await;
    create(&["secret", "generic", "key", "-n", "ns", "--from-literal=a=b"]).await;
    create(&["serviceaccount", "web", "-n", "ns"]).await;
    let stored = |resource: &str, key: &str| {
        let object = setup.server.storage().get(resource, key).unwrap();
        object.unwrap_or_else(|| panic!("no {resource} {key}"))
    };
    assert_eq!(stored("deployments.apps", "ns/web")["spec"]["replicas"], 3);
    assert_eq!(stored("configmaps", "ns/settings")["data"]["a"], "b");
    assert_eq!(stored("secrets", "ns/key")["data"]["a"], "Yg==");
    assert_eq!(stored("namespaces", "other")["status"]["phase"], "Active");

    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "datum": {},
    });
    std::fs::write(setup.home.join("odd.yaml"), object.to_string()).unwrap();
    let file = setup.home.join("odd.yaml");
    let refused = setup
        .output(&["create", "-n", "ns", "-f", file.to_str().unwrap()])
        .await;
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("unknown field \"datum\""), "{error}");
    setup.end().await;
}
