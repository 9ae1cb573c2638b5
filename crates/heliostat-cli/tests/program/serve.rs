//! `heliostat serve` over `heliostat apiserver`: what its clients see, also while the source is away.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::{Running, Server, eventually, folder, request, run};
use crate::kubectl::{named_kubectl, skipped};

/// A mirror of a server, as a program that serves.
struct Mirror {
    running: Running,
    url: String,
}

impl Mirror {
    fn of(source: &str, arguments: &[&str]) -> Self {
        let fixed = ["serve", "--server", source, "--listen", "127.0.0.1:0"];
        let running = Running::start(&[&fixed[..], arguments].concat());
        let line = running.line();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { running, url }
    }

    /// One that has all its resources.
    fn ready(source: &str, arguments: &[&str]) -> Self {
        let mirror = Self::of(source, arguments);
        eventually(|| (mirror.get("/readyz").0 == 200).then_some(()));
        mirror
    }

    fn request(&self, method: &str, path: &str) -> (u16, String) {
        request(
            self.url.strip_prefix("http://").unwrap(),
            method,
            path,
            None,
        )
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path)
    }

    fn json(&self, path: &str) -> Value {
        let (code, body) = self.get(path);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{code} {error}: {body}"))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let list = self.json(path);
        let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
        let names = items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }
}

const PODS: &str = "/api/v1/pods";

#[test]
fn a_mirror_serves_what_its_source_has_with_its_versions() {
    let source = Server::start();
    let created = source.pod("shop", "cart-1", "cart");
    let mirror = Mirror::ready(&source.url, &["pods,nodes"]);
    // A read without a version is not older than the request.
    let changed = source.pod("shop", "cart-2", "cart");
    assert_eq!(mirror.names(PODS), ["cart-1", "cart-2"]);
    let pod = mirror.json("/api/v1/namespaces/shop/pods/cart-1");
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert_eq!(
            pod["metadata"][field], created["metadata"][field],
            "{field}"
        );
    }
    let version = changed["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{PODS}?resourceVersion={version}&resourceVersionMatch=Exact&limit=1");
    assert_eq!(mirror.names(&path), ["cart-1"]);
    assert_eq!(
        mirror.names(&format!("{PODS}?fieldSelector=spec.nodeName%3Dnode-none")),
        [""; 0]
    );

    assert_eq!(
        mirror.get("/version").1,
        request(source.address(), "GET", "/version", None).1
    );
    let openapi = request(source.address(), "GET", "/openapi/v3/apis/apps/v1", None).1;
    assert_eq!(
        mirror.get("/openapi/v3/apis/apps/v1").1,
        openapi,
        "also of what is not mirrored"
    );
    assert!(mirror.get("/metrics").1.contains("reflector_"));
    assert_eq!(
        mirror
            .get("/readyz?verbose")
            .1
            .matches("[+]watch-cache/")
            .count(),
        2
    );
    assert_eq!(
        mirror.get("/api/v1/configmaps").0,
        404,
        "it is not mirrored"
    );
    let refused = mirror.request("DELETE", "/api/v1/namespaces/shop/pods/cart-1");
    assert_eq!(refused.0, 405);
    let place = format!("write to {}", source.url);
    assert!(refused.1.contains(&place), "{}", refused.1);

    mirror.running.signal("TERM");
    assert_eq!(mirror.running.finish().code, Some(0));
}

#[test]
fn a_mirror_of_a_mirror_is_told_every_change_and_survives_its_source() {
    let source = Server::start();
    source.pod("shop", "cart-1", "cart");
    let address = source.address().to_owned();
    let mirror = Mirror::ready(&source.url, &["pods"]);
    let arguments = [
        "mirror",
        "pods",
        "-A",
        "--server",
        &mirror.url,
        "-o",
        "jsonl",
    ];
    let client = Running::start(&arguments);
    let next = || {
        let line = client.json();
        let key = line["key"].as_str().unwrap_or_default().to_owned();
        (
            line["type"].as_str().unwrap_or_default().to_owned(),
            key,
            line,
        )
    };
    let is = |wanted: &str| loop {
        let (_, _, line) = next();
        if line.to_string().contains(wanted) {
            return;
        }
    };
    is("cart-1");
    source.pod("shop", "cart-2", "cart");
    is("cart-2");
    source.delete("/api/v1/namespaces/shop/pods/cart-1");
    is("cart-1");

    // The source goes, and what is there is still served; a read that must be new is not.
    source.running.signal("TERM");
    source.running.finish();
    assert_eq!(
        mirror.names(&format!("{PODS}?resourceVersion=0")),
        ["cart-2"]
    );
    let (code, body) = mirror.get(PODS);
    assert_eq!(code, 504, "{body}");
    assert_eq!(mirror.get("/readyz").0, 200);

    // Another source takes its place, with another history.
    let other = Server::listening(&address, &[]);
    other.pod("shop", "cart-9", "cart");
    is("cart-9");
    eventually(|| (mirror.names(&format!("{PODS}?resourceVersion=0")) == ["cart-9"]).then_some(()));
}

#[test]
fn a_mirror_says_what_it_cannot_do() {
    let away = run(&[
        "serve",
        "pods",
        "--server",
        "http://127.0.0.1:9",
        "--timeout",
        "1s",
    ]);
    assert_eq!(away.code, Some(1), "{}", away.stderr);
    let open = run(&["serve", "pods", "--listen", "0.0.0.0:0"]);
    assert_eq!(open.code, Some(2));
    assert!(
        open.stderr.contains("without TLS and authentication"),
        "{}",
        open.stderr
    );
    let source = Server::start();
    let unknown = run(&["serve", "gadgets", "--server", &source.url]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("gadgets"), "{}", unknown.stderr);
    let all = Mirror::ready(&source.url, &["--all", "--consistent-reads", "off"]);
    assert_eq!(
        all.get("/api/v1/secrets?resourceVersion=0").0,
        404,
        "secrets must be named"
    );
    assert_eq!(all.get("/api/v1/configmaps?resourceVersion=0").0, 200);
    let (code, body) = all.get("/api/v1/configmaps");
    assert_eq!(code, 400);
    assert!(body.contains("resourceVersion=0"), "{body}");
}

fn kubectl(program: &PathBuf, mirror: &Mirror, arguments: &[&str]) -> String {
    let home = folder("kubectl-serve-home");
    let output = Command::new(program)
        .env_clear()
        .env("HOME", &home)
        .env("KUBECONFIG", home.join("none"))
        .args(["--server", &mirror.url, "--cache-dir"])
        .arg(home.join("cache"))
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {error}");
    std::fs::remove_dir_all(home).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn kubectl_reads_a_mirror_as_it_reads_a_server() {
    let Some(program) = named_kubectl() else {
        skipped("cli-serve-kubectl");
        return;
    };
    let source = Server::with(&["--pods", "25"]);
    let mirror = Mirror::ready(&source.url, &["pods", "nodes", "deployments.apps"]);
    let direct = Mirror {
        running: Running::start(&["--version"]),
        url: source.url.clone(),
    };
    for arguments in [
        &["get", "pods", "-A", "-o", "wide"][..],
        &["get", "nodes"],
        &["get", "deploy", "-A", "-o", "name"],
        &["get", "pods", "-A", "--chunk-size", "7", "-o", "name"],
        &[
            "get",
            "pods",
            "-A",
            "-l",
            "tier=api",
            "-o",
            "jsonpath={.items[*].metadata.uid}",
        ],
        &["wait", "nodes", "--all", "--for", "condition=Ready"],
    ] {
        let without_ages = |text: String| -> String {
            let is_age = |word: &&str| !word.ends_with(['s', 'm', 'h', 'd', 'y']) || word.len() > 6;
            text.split_whitespace().filter(is_age).collect()
        };
        let served = without_ages(kubectl(&program, &mirror, arguments));
        let expected = without_ages(kubectl(&program, &direct, arguments));
        assert_eq!(served, expected, "{arguments:?}");
    }
    let described = kubectl(&program, &mirror, &["describe", "deploy", "-A"]);
    assert!(described.contains("Replicas:"), "{described}");
}
