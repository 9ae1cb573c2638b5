//! `heliostat mirror`: what changes is told, and nothing else; the end is orderly.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::common::{Running, Server, command, eventually, request};
use serde_json::{Value, json};

/// One word for a record: the type, the key, and a mark for a tombstone.
fn word(record: &Value) -> String {
    let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    let mark = if record["tombstone"] == true { "?" } else { "" };
    format!("{} {}{mark}", text("type"), text("key"))
}

/// Reads records until the first list is in.
fn until_synced(mirror: &Running) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        let record = mirror.json();
        if record["type"] == "Synced" {
            return words;
        }
        words.push(word(&record));
    }
}

#[test]
fn every_change_is_one_line_and_sigint_ends_with_a_summary() {
    let server = Server::start();
    server.pod("shop", "old", "web");
    let mirror = server.mirror(&["pods", "-A", "-o", "jsonl"]);
    assert_eq!(until_synced(&mirror), ["Added shop/old"]);
    let created = server.pod("shop", "new", "cart");
    let line = mirror.line();
    assert!(
        line.starts_with("{\"type\":\"Added\",\"key\":\"shop/new\",\"resourceVersion\":\""),
        "{line}"
    );
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["object"]["spec"], created["spec"]);
    assert_eq!(
        record["resourceVersion"],
        record["object"]["metadata"]["resourceVersion"]
    );
    server.patch(
        "/api/v1/namespaces/shop/pods/new",
        &json!({"metadata": {"labels": {"tier": "front"}}}),
    );
    let record = mirror.json();
    assert_eq!(word(&record), "Updated shop/new");
    assert_eq!(record["object"]["metadata"]["labels"]["tier"], "front");
    server.delete("/api/v1/namespaces/shop/pods/new");
    let record = mirror.json();
    assert_eq!(word(&record), "Deleted shop/new");
    assert_eq!(record["object"]["metadata"]["labels"]["tier"], "front");
    mirror.signal("INT");
    let finished = mirror.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    assert!(
        finished.stderr.contains("1 objects at version")
            && finished.stderr.contains("1 added, 1 updated, 1 deleted"),
        "{}",
        finished.stderr
    );
}

#[test]
fn sigterm_is_as_good_as_sigint() {
    let server = Server::start();
    let mirror = server.mirror(&["pods", "-A", "-o", "jsonl"]);
    until_synced(&mirror);
    mirror.signal("TERM");
    let finished = mirror.finish();
    assert_eq!(finished.code, Some(0));
    assert!(
        finished
            .stderr
            .starts_with("mirrored pods in all namespaces for "),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_selection_tells_what_enters_and_leaves_it() {
    let server = Server::start();
    let mirror = server.mirror(&["pods", "-n", "shop,pay", "-l", "app=web", "-o", "jsonl"]);
    assert!(until_synced(&mirror).is_empty());
    assert_eq!(mirror.json()["type"], "Synced", "one for each namespace");
    server.pod("shop", "a", "cart");
    server.pod("zoo", "b", "web");
    server.pod("pay", "c", "web");
    assert_eq!(word(&mirror.json()), "Added pay/c");
    let web = json!({"metadata": {"labels": {"app": "web"}}});
    server.patch("/api/v1/namespaces/shop/pods/a", &web);
    assert_eq!(word(&mirror.json()), "Added shop/a");
    let cart = json!({"metadata": {"labels": {"app": "cart"}}});
    server.patch("/api/v1/namespaces/shop/pods/a", &cart);
    assert_eq!(word(&mirror.json()), "Deleted shop/a");
}

#[test]
fn relist_tells_what_vanished_and_nothing_of_what_stayed() {
    let server = Server::start();
    server.pod("shop", "goes", "web");
    server.pod("shop", "stays", "web");
    let address = server.address().to_owned();
    let mirror = server.mirror(&["pods", "-A", "-o", "jsonl"]);
    assert_eq!(until_synced(&mirror).len(), 2);
    server.running.signal("TERM");
    assert_eq!(server.running.finish().code, Some(0));
    // Another server at the same address: older versions, other uids, other objects.
    let error = loop {
        let record = mirror.json();
        assert_eq!(record["type"], "Error", "{record}");
        if record["class"] == "refused" {
            break record;
        }
    };
    assert!(error["retryInSeconds"].as_f64().unwrap() > 0.0, "{error}");
    mirror.complaint("connection refused");
    let server = Server::listening(&address, &[]);
    server.pod("shop", "comes", "web");
    let mut words = Vec::new();
    while words.len() < 3 {
        let record = mirror.json();
        match record["type"].as_str().unwrap() {
            "Error" | "Synced" => {}
            _ => words.push(word(&record)),
        }
    }
    words.sort();
    assert_eq!(
        words,
        [
            "Added shop/comes",
            "Deleted shop/goes?",
            "Deleted shop/stays?"
        ]
    );
    mirror.complaint("watching again after");
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
}

#[test]
fn resync_tells_everything_again() {
    let server = Server::start();
    server.pod("shop", "a", "web");
    let mirror = server.mirror(&["pods", "-A", "-o", "jsonl", "--resync", "100ms"]);
    until_synced(&mirror);
    assert_eq!(word(&mirror.json()), "Resynced shop/a");
    assert_eq!(word(&mirror.json()), "Resynced shop/a");
}

#[test]
fn the_other_formats_follow_too() {
    let server = Server::start();
    server.pod("shop", "old", "web");
    let follow = |format: &str| {
        server.mirror(&[
            "pods",
            "-A",
            "--watch-only",
            "-o",
            format,
            "--metrics-addr",
            "127.0.0.1:0",
        ])
    };
    let mirrors: Vec<_> = ["name", "table", "json", "yaml"].map(follow).into();
    for mirror in &mirrors {
        let line = mirror.complaint("metrics on http://");
        let address = line.strip_prefix("metrics on http://").unwrap();
        let address = address.strip_suffix("/metrics").unwrap();
        eventually(|| (request(address, "GET", "/readyz", None).0 == 200).then_some(()));
    }
    server.pod("shop", "new", "web");
    server.delete("/api/v1/namespaces/shop/pods/old");
    let [name, table, json, yaml] = &mirrors[..] else {
        unreachable!("there are four");
    };
    assert_eq!([name.line(), name.line()], ["+ shop/new", "- shop/old"]);
    assert!(table.line().starts_with("  NAMESPACE"));
    let added = table.line();
    let cells: Vec<&str> = added.split_whitespace().collect();
    assert_eq!(cells[..3], ["+", "shop", "new"]);
    assert!(table.line().starts_with("- shop"));
    assert_eq!(
        [json.line(), json.line()],
        ["{", "    \"type\": \"Synced\","]
    );
    assert_eq!([yaml.line(), yaml.line()], ["---", "type: Synced"]);
    for mirror in mirrors {
        mirror.signal("INT");
        assert_eq!(mirror.finish().code, Some(0));
    }
}

#[test]
fn a_table_tells_the_same_however_little_may_stay_unpacked() {
    let server = Server::start();
    server.pod("shop", "a", "web");
    let mirrors = ["0", "1KiB", "64MiB"].map(|budget| {
        let mirror = server.mirror(&["pods", "-A", "--memory-budget", budget]);
        assert!(mirror.line().starts_with("  NAMESPACE"));
        assert!(mirror.line().starts_with("  shop"));
        mirror
    });
    for phase in ["Running", "Failed", "Running"] {
        server.patch(
            "/api/v1/namespaces/shop/pods/a/status",
            &json!({"status": {"phase": phase}}),
        );
        for mirror in &mirrors {
            let line = mirror.line();
            let cells: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(cells[..5], ["~", "shop", "a", "0/1", phase]);
        }
    }
    for mirror in mirrors {
        mirror.signal("INT");
        let finished = mirror.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        for word in [
            "  first state  1 objects in ",
            "  since then   0 added, 3 updated, 0 deleted",
            "  received     ",
            "  kept         ",
        ] {
            assert!(
                finished.stderr.contains(word),
                "no {word} in {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn metadata_alone_is_followed_as_well() {
    let server = Server::start();
    let mirror = server.mirror(&["pods", "-A", "--metadata-only", "-o", "jsonl"]);
    until_synced(&mirror);
    server.pod("shop", "a", "web");
    let record = mirror.json();
    assert_eq!(word(&record), "Added shop/a");
    assert_eq!(record["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(record["object"].get("spec"), None);
}

#[test]
fn a_reader_that_goes_away_ends_it_in_silence() {
    let server = Server::with(&["--pods", "50", "--churn", "200"]);
    for arguments in [
        &["mirror", "pods", "-A", "-o", "jsonl"][..],
        &["mirror", "pods", "-A", "-o", "yaml", "--once"],
        &["mirror", "pods", "-A"],
    ] {
        let mut command = command(arguments);
        let mut child = command
            .args(["--server", &server.url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), &*stderr),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_reader_that_stops_reading_does_not_hold_the_end_up() {
    // More than a pipe takes.
    let server = Server::with(&["--pods", "100", "--churn", "100"]);
    let mut child = command(&["mirror", "pods", "-A", "-o", "jsonl"])
        .args(["--server", &server.url, "--metrics-addr", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("metrics on http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    eventually(|| (request(address, "GET", "/readyz", None).0 == 200).then_some(()));
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(
        rest.contains("the last lines were not read in time"),
        "{rest}"
    );
    assert!(rest.contains("mirrored pods in all namespaces"), "{rest}");
}

#[test]
fn metrics_and_health_can_be_asked_for() {
    let server = Server::start();
    server.pod("shop", "a", "web");
    let mirror = server.mirror(&["pods", "-A", "-o", "jsonl", "--metrics-addr", "127.0.0.1:0"]);
    let line = mirror.complaint("metrics on http://");
    until_synced(&mirror);
    let address = line.strip_prefix("metrics on http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    let (status, metrics) = request(address, "GET", "/metrics", None);
    assert_eq!(status, 200);
    let value = |name: &str| {
        let start = format!("{name}{{name=\"pods in all namespaces\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&*start));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
            .to_owned()
    };
    assert_eq!(value("reflector_watches_total"), "1");
    assert!(
        metrics.contains("# TYPE reflector_list_duration_seconds histogram")
            || value("reflector_lists_total") == "0"
    );
    assert_eq!(
        request(address, "GET", "/healthz", None),
        (200, "ok\n".to_owned())
    );
    assert_eq!(request(address, "GET", "/elsewhere", None).0, 404);
    assert_eq!(request(address, "POST", "/metrics", None).0, 405);
    let taken = crate::common::run(&[
        "mirror",
        "pods",
        "--server",
        &server.url,
        "--metrics-addr",
        address,
    ]);
    assert_eq!(taken.code, Some(1));
    assert!(
        taken.stderr.contains("cannot listen on") && taken.stderr.contains("port 0"),
        "{}",
        taken.stderr
    );
}
