//! Several resources at once, indexes, `get` and `top`.

use crate::common::{Server, run};
use serde_json::Value;

/// A server with pods on two nodes, and their nodes.
fn world() -> Server {
    Server::with(&["--pods", "20"])
}

fn get(server: &Server, arguments: &[&str]) -> crate::common::Finished {
    let url = format!("http://{}", server.address());
    let mut all = vec!["get", "--server", &url];
    all.extend(arguments);
    run(&all)
}

#[test]
fn several_resources_say_what_they_are_of() {
    let server = world();
    let names = server.once(&["pods,nodes", "-A", "-o", "name"]).stdout;
    let of = |resource: &str| {
        names
            .lines()
            .filter(|line| line.starts_with(resource))
            .count()
    };
    assert_eq!(of("pods/"), 20, "{names}");
    assert!(of("nodes/") > 0, "{names}");

    let table = server.once(&["nodes", "pods", "-A"]).stdout;
    let headings = table.lines().filter(|line| line.contains("NAME ")).count();
    assert_eq!(headings, 2, "{table}");

    let list: Value =
        serde_json::from_str(&server.once(&["pods,nodes", "-A", "-o", "json"]).stdout).unwrap();
    let kinds = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["kind"]);
    let kinds: Vec<_> = kinds.collect();
    assert!(kinds.iter().any(|kind| *kind == "Pod") && kinds.iter().any(|kind| *kind == "Node"));
}

#[test]
fn several_resources_are_followed_in_one_stream() {
    let server = Server::start();
    let mirror = server.mirror(&[
        "pods",
        "nodes",
        "-A",
        "-o",
        "jsonl",
        "--index",
        "spec.nodeName",
    ]);
    let mut synced = Vec::new();
    while synced.len() < 2 {
        let record = mirror.json();
        assert_eq!(record["type"], "Synced", "{record}");
        synced.push(record["resource"].as_str().unwrap().to_owned());
    }
    synced.sort();
    assert_eq!(synced, ["nodes", "pods"]);
    server.pod("shop", "a", "web");
    let record = mirror.json();
    assert_eq!(
        (&record["type"], &record["resource"]),
        (&"Added".into(), &"pods".into())
    );
    mirror.signal("INT");
    let finished = mirror.finish();
    assert_eq!(finished.code, Some(0));
    assert!(
        finished.stderr.contains("mirrored 2 collections")
            && finished.stderr.contains("index spec.nodeName: "),
        "{}",
        finished.stderr
    );
}

#[test]
fn an_unknown_resource_among_several_ends_the_command() {
    let server = Server::start();
    let url = format!("http://{}", server.address());
    let finished = run(&["mirror", "pods,pots", "-A", "--once", "--server", &url]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("pots"), "{}", finished.stderr);
}

#[test]
fn get_answers_from_an_index() {
    let server = world();
    let all = server.once(&["pods", "-A", "-o", "jsonl"]).stdout;
    let pods: Vec<Value> = all
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let node = pods[0]["spec"]["nodeName"].as_str().unwrap();
    let expected = pods
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == node)
        .count();
    let by = format!("spec.nodeName={node}");
    let finished = get(&server, &["pods", "-A", "--by", &by, "-o", "name"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.lines().len(), expected);

    let phase = pods[0]["status"]["phase"].as_str().unwrap();
    let other = format!("status.phase={phase}");
    let both = get(
        &server,
        &["pods", "-A", "--by", &by, "--by", &other, "-o", "jsonl"],
    );
    for line in both.lines() {
        let pod: Value = serde_json::from_str(line).unwrap();
        assert_eq!(pod["spec"]["nodeName"], node);
        assert_eq!(pod["status"]["phase"], phase);
    }
    assert!(!both.lines().is_empty());

    let nobody = get(&server, &["pods", "-A", "--by", "spec.nodeName=nowhere"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(0), ""));
    assert_eq!(nobody.stderr, "no pods found\n");
}

#[test]
fn get_finds_by_name_and_says_what_is_missing() {
    let server = Server::start();
    server.pod("shop", "web", "web");
    server.pod("shop", "cart", "cart");
    let found = get(&server, &["pods", "web", "-n", "shop", "-o", "name"]);
    assert_eq!((found.code, found.lines()), (Some(0), vec!["shop/web"]));
    let missing = get(&server, &["pods", "web", "wob", "-n", "shop", "-o", "name"]);
    assert_eq!((missing.code, missing.lines()), (Some(1), vec!["shop/web"]));
    assert!(
        missing.stderr.contains("pods \"wob\" not found"),
        "{}",
        missing.stderr
    );
}

#[test]
fn get_refuses_what_is_no_path() {
    let finished = run(&["get", "pods", "--by", "spec..x=1"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("expected a name at byte 5"),
        "{}",
        finished.stderr
    );
}

#[test]
fn top_tells_of_every_mirror_without_a_terminal() {
    let server = world();
    let url = format!("http://{}", server.address());
    let table = run(&["top", "pods,nodes", "-A", "--once", "--server", &url]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let lines = table.lines();
    assert!(lines[0].starts_with("MIRROR"), "{lines:?}");
    assert!(
        lines[1].starts_with("pods in all namespaces") && lines[1].contains("watching"),
        "{lines:?}"
    );
    assert!(
        lines[0].contains("   MEMORY") && lines[1].contains(" KiB"),
        "{lines:?}"
    );

    let usual = run(&["top", "-A", "--once", "-o", "jsonl", "--server", &url]);
    let rows: Vec<Value> = usual
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let pods = rows
        .iter()
        .find(|row| row["name"] == "pods in all namespaces")
        .unwrap();
    assert_eq!(
        (&pods["objects"], &pods["synced"]),
        (&20.into(), &true.into())
    );
    let bytes = |name: &str| pods[name].as_u64().unwrap();
    assert!(
        bytes("memoryBytes") > 0 && bytes("memoryBytes") < bytes("rawBytes"),
        "{pods}"
    );
    assert!(bytes("receivedBytes") > bytes("rawBytes"), "{pods}");
    assert_eq!(pods["encoding"], "protobuf");
    assert!(
        rows.len() > 1,
        "the usual kinds that the server has: {rows:?}"
    );
}
