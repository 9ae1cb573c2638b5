//! A server, or an object, that is made to do harm.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::common::{Finished, Running, Server, request, run};
use crate::fake::{Fake, list};

/// A pod with this in its spec.
fn pod(name: &str, spec: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop","resourceVersion":"3","uid":"{name}"}},"spec":{spec}}}"#
    )
}

/// A server that lists these pods and has nothing more to say: a watch is never answered.
fn lists(items: Vec<String>) -> Fake {
    Fake::start(move |target| {
        if target.contains("watch=") {
            // A watch-list is refused, so that it is listed.
            let refused = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":422,"reason":"Invalid"}"#;
            return target
                .contains("sendInitialEvents")
                .then(|| (422, refused.to_owned()));
        }
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        list(&items)
    })
}

fn once(server: &Fake, arguments: &[&str]) -> Finished {
    let mut all = vec!["mirror", "pods", "-A", "--once", "--server", &server.url];
    all.extend(arguments);
    run(&all)
}

fn deep() -> String {
    format!("{}1{}", r#"{"a":["#.repeat(100), "]}".repeat(100))
}

#[test]
fn objects_that_cannot_be_printed_are_named_and_the_others_are_printed() {
    let server = lists(vec![
        pod("a", "{}"),
        pod("half", r#"{"x":"\ud800"}"#),
        pod("large", r#"{"x":1e400}"#),
        pod("deep", &deep()),
        pod("z", "{}"),
    ]);
    for format in ["json", "jsonl", "yaml"] {
        let finished = once(&server, &["-o", format]);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        for word in [
            "shop/half",
            "surrogate",
            "shop/large",
            "out of range",
            "2 objects are missing from the output: 0 were rejected, 2 cannot be printed",
        ] {
            assert!(finished.stderr.contains(word), "{}", finished.stderr);
        }
        let printed = &finished.stdout;
        for name in ["a", "deep", "z"] {
            let dense: String = printed.split([' ', '"']).collect();
            assert!(dense.contains(&format!("name:{name}")), "{name}: {dense}");
        }
        match format {
            "json" => {
                assert!(printed.ends_with("    ]\n}\n"), "{printed}");
                assert_eq!(printed.matches("\"kind\": \"Pod\"").count(), 3);
            }
            "jsonl" => {
                let deep = finished.lines()[1];
                assert!(deep.contains(&self::deep()), "{deep}");
            }
            _ => assert_eq!(printed.matches("---\n").count(), 3),
        }
    }
}

#[test]
fn a_follow_goes_on_after_an_object_that_cannot_be_printed() {
    let server = lists(vec![
        pod("a", "{}"),
        pod("half", r#"{"x":"\ud800"}"#),
        pod("z", "{}"),
    ]);
    let mirror = Running::start(&[
        "mirror",
        "pods",
        "-A",
        "-o",
        "jsonl",
        "--server",
        &server.url,
    ]);
    let keys = [mirror.json(), mirror.json(), mirror.json()].map(|record| {
        let word = record["type"].as_str().unwrap().to_owned();
        (word, record["key"].as_str().unwrap().to_owned())
    });
    let expected = [
        ("Added", "shop/a"),
        ("Error", "shop/half"),
        ("Added", "shop/z"),
    ];
    assert_eq!(
        keys,
        expected.map(|(word, key)| (word.to_owned(), key.to_owned()))
    );
    assert_eq!(mirror.json()["type"], "Synced");
    mirror.complaint("cannot print pods shop/half");
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
}

#[test]
fn a_list_with_rejected_objects_ends_with_1_and_their_number() {
    let server = lists(vec![
        pod("a", "{}"),
        "{}".to_owned(),
        r#"{"metadata":{}}"#.to_owned(),
    ]);
    let finished = once(&server, &["-o", "name"]);
    assert_eq!((finished.code, &*finished.stdout), (Some(1), "shop/a\n"));
    let count = "2 objects are missing from the output: 2 were rejected, 0 cannot be printed";
    assert!(finished.stderr.contains(count), "{}", finished.stderr);
    let got = run(&["get", "pods", "-A", "-o", "name", "--server", &server.url]);
    assert_eq!((got.code, &*got.stdout), (Some(1), "shop/a\n"));
    assert!(got.stderr.contains(count), "{}", got.stderr);
    let top = run(&["top", "pods", "-A", "--once", "--server", &server.url]);
    assert_eq!(
        (top.code, top.lines().len()),
        (Some(1), 4),
        "{}",
        top.stdout
    );
    assert!(top.stderr.contains(count), "{}", top.stderr);
}

#[test]
fn get_ends_with_1_where_an_index_could_not_file_objects() {
    let server = lists(vec![
        pod("a", r#"{"nodeName":"n1"}"#),
        pod("b", r#"{"nodeName":["n1"]}"#),
        pod("c", r#"{"nodeName":{}}"#),
    ]);
    let by = ["--by", "spec.nodeName=n1", "--server", &server.url];
    let mut arguments = vec!["get", "pods", "-A", "-o", "name", "--log", "off"];
    arguments.extend(by);
    let found = run(&arguments);
    assert_eq!((found.code, &*found.stdout), (Some(1), "shop/a\n"));
    let count = "objects may be missing from the output: 2 could not be filed by spec.nodeName: \
                 spec.nodeName is not a single value";
    assert!(found.stderr.contains(count), "{}", found.stderr);
    // Beside another failure it is said too.
    arguments.insert(2, "b");
    let missing = run(&arguments);
    assert_eq!((missing.code, &*missing.stdout), (Some(1), ""));
    for text in [count, "pods \"b\" not found"] {
        assert!(missing.stderr.contains(text), "{}", missing.stderr);
    }
}

#[test]
fn a_group_that_is_not_discovered_is_named_and_the_others_are_mirrored() {
    let server = Fake::overriding(|target| {
        if target.contains("watch=") {
            return Some((422, String::new()));
        }
        match target {
            "/apis" => Some((200, GROUPS.to_owned())),
            "/apis/broken.example.com/v1" => Some((503, String::new())),
            _ if target.starts_with("/api/v1/pods") => list(&[&pod("a", "{}")]),
            _ => None,
        }
    });
    for arguments in [
        &["mirror", "pods", "-A", "--once", "-o", "name"][..],
        &["get", "pods", "-A", "-o", "name"],
        &["top", "pods", "-A", "--once"],
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--server", &server.url]);
        let finished = run(&all);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stderr.contains("WARN"), "{}", finished.stderr);
        let warning = "what is in broken.example.com/v1 (";
        assert!(finished.stderr.contains(warning), "{}", finished.stderr);
    }
}

/// The groups of a server that has one, whose own server may be broken.
const GROUPS: &str = r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"broken.example.com",
    "versions":[{"groupVersion":"broken.example.com/v1","version":"v1"}],
    "preferredVersion":{"groupVersion":"broken.example.com/v1","version":"v1"}}]}"#;

#[test]
fn a_list_after_an_expired_version_prints_only_what_differs() {
    let (lists, watches) = (AtomicU64::new(0), AtomicU64::new(0));
    let expired = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410,"reason":"Expired","message":"too old"}}"#;
    let modified = pod("b", r#"{"x":2}"#).replacen(r#""3""#, r#""10""#, 1);
    let modified = format!(r#"{{"type":"MODIFIED","object":{modified}}}"#).replacen(
        r#"{"metadata""#,
        r#"{"kind":"Pod","apiVersion":"v1","metadata""#,
        1,
    );
    let server = Fake::start(move |target| {
        if target.contains("sendInitialEvents") {
            return Some((422, String::new()));
        }
        if target.contains("watch=") {
            return match watches.fetch_add(1, Ordering::Relaxed) {
                0 => Some((200, expired.to_owned())),
                1 => Some((200, modified.clone())),
                _ => None,
            };
        }
        // One object differs in the second list though its version does not, as after a restore.
        let spec = match lists.fetch_add(1, Ordering::Relaxed) {
            0 => r#"{"x":1}"#,
            _ => r#"{"x":3}"#,
        };
        list(&[&pod("a", "{}"), &pod("b", "{}"), &pod("c", spec)])
    });
    let arguments = [
        "mirror",
        "pods",
        "-A",
        "-o",
        "name",
        "--server",
        &server.url,
    ];
    let mirror = Running::start(&arguments);
    for line in ["+ shop/a", "+ shop/b", "+ shop/c", "~ shop/c", "~ shop/b"] {
        assert_eq!(mirror.line(), line);
    }
    mirror.signal("INT");
    let finished = mirror.finish();
    assert_eq!((finished.code, &*finished.stdout), (Some(0), ""));
    let tally = "0 added, 2 updated, 0 deleted";
    assert!(finished.stderr.contains(tally), "{}", finished.stderr);
}

#[test]
fn half_a_million_rejected_objects_are_a_few_lines() {
    let server = lists(vec!["{}".to_owned(); 500_000]);
    let finished = once(&server, &["-o", "json", "--timeout", "100s"]);
    assert_eq!(finished.code, Some(1));
    let list: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 0);
    let text = &finished.stderr;
    assert!(text.contains("500000 were rejected"), "{}", text.len());
    assert!(text.len() < 100_000, "{} bytes", text.len());
}

#[test]
fn a_kind_of_megabytes_is_cut() {
    let kind = "K".repeat(5_000_000);
    let event = format!(
        r#"{{"type":"ADDED","object":{{"kind":"{kind}","apiVersion":"v1","metadata":{{"name":"x","resourceVersion":"10"}}}}}}"#
    );
    let server = Fake::start(move |target| match target {
        target if target.contains("sendInitialEvents") => Some((422, String::new())),
        target if target.contains("watch=") => Some((200, event.clone())),
        _ => list(&[]),
    });
    let mirror = Running::start(&["mirror", "pods", "-A", "--server", &server.url]);
    let line = mirror.complaint("expected v1, Kind=Pod, got v1, Kind=KKK");
    assert!(line.len() < 4_000, "{} bytes", line.len());
    mirror.signal("INT");
    assert!(mirror.finish().stderr.len() < 100_000);
}

#[test]
fn the_words_of_a_server_reach_the_terminal_as_text() {
    let evil = r"x\u001b[2J\u001b]0;owned\u0007\r\nERROR forged\u009b2J";
    for code in [403, 500] {
        let body = format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{evil}","reason":"{evil}","code":{code}}}"#
        );
        let server = Fake::start(move |_| Some((code, body.clone())));
        let finished = once(&server, &["--timeout", "1s"]);
        assert_eq!(finished.code, Some(1));
        let text = finished.stderr;
        let harmful = |it: char| it.is_control() && it != '\n';
        assert!(!text.contains(harmful), "{text:?}");
        assert!(text.contains(r"x\u{1b}[2J"), "{text}");
        assert!(
            !text.lines().any(|line| line.starts_with("ERROR")),
            "{text}"
        );
    }
}

#[test]
fn a_failure_in_the_log_names_mirror_request_attempt_and_delay() {
    let failures = AtomicU64::new(0);
    let server = Fake::start(move |target| {
        if target.contains("watch=") {
            return target
                .contains("sendInitialEvents")
                .then(|| (422, String::new()));
        }
        match failures.fetch_add(1, Ordering::Relaxed) {
            0 => Some((503, String::new())),
            _ => list(&[]),
        }
    });
    let mirror = Running::start(&[
        "mirror",
        "pods",
        "-A",
        "--log",
        "info",
        "--server",
        &server.url,
    ]);
    let line = mirror.complaint("listing pods in all namespaces failed");
    let request = format!("GET /api/v1/pods at {}", server.url);
    for word in [&*request, "attempt=#", "failures=1", "retrying in "] {
        assert!(line.contains(word), "no {word} in {line}");
    }
    let line = mirror.complaint("synced");
    for word in [
        &*request,
        "attempt=#",
        "reflector=\"pods in all namespaces\"",
    ] {
        assert!(line.contains(word), "no {word} in {line}");
    }
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
}

#[test]
fn top_gives_a_silent_server_up() {
    let nothing = Fake::start(|_| None);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    for url in [&nothing.url, &silent] {
        let finished = run(&[
            "top",
            "pods",
            "-A",
            "--once",
            "--timeout",
            "1s",
            "--server",
            url,
        ]);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(
            finished.stderr.contains("gave up after 1.00 s"),
            "{}",
            finished.stderr
        );
    }
}

/// A server of pods that can be listed and not watched. Every list has one more; a watch is refused.
fn unwatchable() -> Fake {
    let lists = AtomicU64::new(0);
    Fake::with_verbs(r#"["list"]"#, move |target| {
        if target.contains("watch=") {
            return Some((405, String::new()));
        }
        let count = lists.fetch_add(1, Ordering::Relaxed) + 1;
        let pods: Vec<String> = (0..count)
            .map(|number| pod(&format!("pod-{number}"), "{}"))
            .collect();
        let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
        let (code, body) = list(&pods)?;
        // A version of its own for each list.
        let version = format!(r#""resourceVersion":"{}""#, 100 + count);
        Some((code, body.replacen(r#""resourceVersion":"9""#, &version, 1)))
    })
}

#[test]
fn one_list_of_what_cannot_be_watched_needs_no_watch() {
    let server = unwatchable();
    for arguments in [
        &["mirror", "pods", "-A", "--once"][..],
        &["mirror", "pods", "-A", "--once", "--watch-list=on"],
        &["get", "pods", "-A"],
    ] {
        let mut all = arguments.to_vec();
        all.extend(["-o", "name", "--server", &server.url]);
        let finished = run(&all);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stdout.starts_with("shop/pod-0\n"));
        assert_eq!(finished.stderr, "");
    }
    let top = run(&["top", "pods", "-A", "--once", "--server", &server.url]);
    assert_eq!(top.code, Some(0), "{}", top.stderr);
}

#[test]
fn a_follow_of_what_cannot_be_watched_polls_if_it_is_asked_to() {
    let server = unwatchable();
    for command in ["mirror", "top"] {
        let refused = run(&[command, "pods", "-A", "--server", &server.url]);
        assert_eq!((refused.code, &*refused.stdout), (Some(1), ""));
        for word in ["pods cannot be watched", "--poll 30s", "--once"] {
            assert!(refused.stderr.contains(word), "{}", refused.stderr);
        }
    }
    let mirror = Running::start(&[
        "mirror",
        "pods",
        "-A",
        "-o",
        "name",
        "--poll",
        "10ms",
        "--server",
        &server.url,
    ]);
    for number in 0..3 {
        assert_eq!(mirror.line(), format!("+ shop/pod-{number}"));
    }
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
    let top = run(&[
        "top",
        "pods",
        "-A",
        "--poll",
        "10ms",
        "--for",
        "50ms",
        "-o",
        "jsonl",
        "--server",
        &server.url,
    ]);
    assert_eq!(top.code, Some(0), "{}", top.stderr);
}

#[test]
fn health_is_answered_while_silent_connections_last() {
    let server = Server::start();
    let mirror = server.mirror(&["pods", "-A", "--metrics-addr", "127.0.0.1:0"]);
    let line = mirror.complaint("metrics on http://");
    let address = line.strip_prefix("metrics on http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    let silent: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for _ in 0..3 {
        assert_eq!(
            request(address, "GET", "/healthz", None),
            (200, "ok\n".to_owned())
        );
    }
    drop(silent);
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
}
