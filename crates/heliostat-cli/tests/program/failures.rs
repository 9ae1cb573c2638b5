//! What goes wrong: the cause, the next step, and the exit code.

use crate::common::{Finished, Running, Server, folder, nobody, run};
use crate::fake::Fake;
use heliostat_server::{ApiServer, Fault, FaultRule};

/// Fails with this code, tells all these words on stderr, and nothing on stdout.
fn check(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "no {word:?} in {}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn an_unknown_resource_offers_what_comes_near() {
    let server = Server::start();
    let finished = run(&["mirror", "deploymnets", "-A", "--server", &server.url]);
    check(
        &finished,
        1,
        &[
            "no resource \"deploymnets\"",
            "did you mean deployments.apps",
        ],
    );
}

#[test]
fn a_refused_connection_names_the_address_and_the_next_step() {
    let url = format!("http://{}", nobody());
    let arguments = [
        "mirror",
        "pods",
        "--once",
        "--timeout",
        "1s",
        "--server",
        &url,
    ];
    check(
        &run(&arguments),
        1,
        &[
            "gave up after 1.00 s",
            "connection refused",
            &url,
            "--server",
        ],
    );
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arguments = [
        "mirror",
        "pods",
        "--once",
        "--timeout",
        "1s",
        "--server",
        &url,
    ];
    check(
        &run(&arguments),
        1,
        &["gave up after 1.00 s", "did not answer"],
    );
}

#[test]
fn in_follow_mode_a_server_is_waited_for() {
    let address = nobody();
    let url = format!("http://{address}");
    let mirror = Running::start(&["mirror", "pods", "-A", "-o", "jsonl", "--server", &url]);
    let line = mirror.complaint("connection refused");
    assert!(line.contains("trying again in"), "{line}");
    let server = Server::listening(&address, &[]);
    server.pod("shop", "a", "web");
    while mirror.json()["type"] != "Added" {}
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
}

#[test]
fn a_signal_while_waiting_ends_it() {
    let url = format!("http://{}", nobody());
    let follow = Running::start(&["mirror", "pods", "--server", &url]);
    follow.complaint("trying again in");
    follow.signal("INT");
    check(
        &follow.finish(),
        0,
        &["interrupted before the server was reached"],
    );
    let once = Running::start(&[
        "mirror",
        "pods",
        "--once",
        "--timeout",
        "1h",
        "--server",
        &url,
    ]);
    once.complaint("trying again in");
    once.signal("TERM");
    check(
        &once.finish(),
        1,
        &["interrupted before the mirror was complete"],
    );
}

#[test]
fn an_invalid_selector_is_not_tried_again() {
    let server = Server::start();
    for mode in [&["--once"][..], &[]] {
        for selector in [
            &["-l", "app in (a"][..],
            &["--field-selector", "spec.nope=1"],
        ] {
            let mut arguments = vec!["mirror", "pods", "-A", "--server", &server.url];
            arguments.extend(mode);
            arguments.extend(selector);
            check(
                &run(&arguments),
                1,
                &["cannot mirror pods", "check --selector"],
            );
        }
    }
}

#[test]
fn a_name_that_cannot_be_a_namespace_is_told() {
    let server = Server::start();
    let finished = run(&["mirror", "pods", "-n", "../nodes", "--server", &server.url]);
    check(&finished, 1, &["cannot be a namespace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_list_learns_which_verbs_are_needed() {
    let server = ApiServer::builder().build();
    server
        .faults()
        .inject(FaultRule::new(Fault::Forbidden).resource("pods"));
    let running = server.serve_local().await.unwrap();
    for mode in [&["--once"][..], &[]] {
        let mut arguments = vec![
            "mirror".to_owned(),
            "pods".into(),
            "--server".into(),
            running.url(),
        ];
        arguments.extend(mode.iter().map(|&text| text.to_owned()));
        let finished = tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(&arguments)
        });
        check(
            &finished.await.unwrap(),
            1,
            &["forbidden", "`list` and `watch`", "-n"],
        );
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_told_from_an_api() {
    let server = ApiServer::builder().build();
    server
        .faults()
        .inject(FaultRule::new(Fault::Html).resource("pods"));
    let running = server.serve_local().await.unwrap();
    let url = running.url();
    let finished = tokio::task::spawn_blocking(move || {
        run(&[
            "mirror",
            "pods",
            "--once",
            "--timeout",
            "2s",
            "--server",
            &url,
        ])
    });
    check(&finished.await.unwrap(), 1, &["text/html"]);
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_failing_is_given_up() {
    let server = ApiServer::builder().build();
    let fault = FaultRule::new(Fault::InternalError).resource("pods");
    server.faults().inject(fault);
    let running = server.serve_local().await.unwrap();
    let url = running.url();
    let finished = tokio::task::spawn_blocking(move || {
        run(&[
            "mirror",
            "pods",
            "--once",
            "--timeout",
            "1s",
            "--server",
            &url,
        ])
    });
    let finished = finished.await.unwrap();
    check(
        &finished,
        1,
        &["retrying in", "gave up after 1.00 s: listing pods"],
    );
    let last = finished
        .stderr
        .lines()
        .find(|line| line.contains("gave up"));
    assert!(!last.unwrap().contains("retrying"), "{}", finished.stderr);
    running.shutdown().await;
}

#[test]
fn without_a_configuration_every_place_that_was_looked_at_is_named() {
    let finished = run(&["mirror", "pods"]);
    check(
        &finished,
        1,
        &[
            "no cluster configuration found",
            "KUBECONFIG",
            "/nonexistent-home/.kube/config",
        ],
    );
}

#[test]
fn a_broken_kubeconfig_is_named() {
    let folder = folder("broken");
    let path = folder.join("config");
    std::fs::write(&path, "contexts: 3").unwrap();
    let finished = run(&["mirror", "pods", "--kubeconfig", path.to_str().unwrap()]);
    check(
        &finished,
        1,
        &["cannot read the kubeconfig", path.to_str().unwrap()],
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_no_address_is_refused() {
    let finished = run(&["mirror", "pods", "--server", "unix:///run/k.sock"]);
    let said = "\"unix:///run/k.sock\" is not the address of a server";
    check(&finished, 1, &[said]);
}

#[test]
fn an_address_that_is_taken_is_told_with_the_way_out() {
    let server = Server::start();
    let finished = run(&["apiserver", "--listen", server.address()]);
    check(
        &finished,
        1,
        &[
            "cannot listen on",
            server.address(),
            "port 0 takes a free one",
        ],
    );
    let finished = run(&["apiserver", "--listen", "nonsense"]);
    check(&finished, 1, &["cannot listen on nonsense", "127.0.0.1:0"]);
}

#[test]
fn protobuf_is_not_asked_for_whole_objects_that_it_does_not_have() {
    let server = Server::start();
    for format in ["json", "jsonl", "yaml"] {
        let arguments = ["mirror", "statefulsets", "-A", "--once", "-o", format];
        let protobuf = ["--encoding", "protobuf", "--server", &server.url];
        check(
            &run(&[&arguments[..], &protobuf].concat()),
            2,
            &[
                "statefulsets.apps cannot be printed whole from protobuf",
                "--encoding json",
                "-o table or -o name",
            ],
        );
    }
}

#[test]
fn protobuf_is_not_asked_for_fields_whose_places_are_not_known() {
    let server = Server::start();
    let arguments = |more: &[&'static str]| {
        let mut all = vec!["mirror", "pods", "-A", "--once", "--server", &server.url];
        all.extend(["--encoding", "protobuf"]);
        all.extend(more);
        run(&all)
    };
    check(
        &arguments(&["-o", "name", "--index", "spec.volumez[*].name"]),
        2,
        &["spec.volumez[*].name of pods", "--encoding json"],
    );
}

#[test]
fn a_server_without_protobuf_cannot_be_asked_in_it() {
    let refusal = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
        "message":"only the following media types are accepted: application/json",
        "reason":"NotAcceptable","code":406}"#;
    let server = Fake::start(move |_| Some((406, refusal.to_owned())));
    let arguments = [
        "mirror",
        "pods",
        "-A",
        "--once",
        "--encoding",
        "protobuf",
        "--server",
        &server.url,
    ];
    let finished = run(&arguments);
    check(
        &finished,
        1,
        &["does not have pods in protobuf", "leave --encoding out"],
    );
    assert!(!finished.stderr.contains("WARN"), "{}", finished.stderr);
}

#[test]
fn an_amount_of_memory_is_told_by_examples() {
    let finished = run(&["mirror", "pods", "--memory-budget", "64MB"]);
    check(&finished, 2, &["\"64MB\"", "512KiB", "64MiB"]);
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["mirror"][..],
        &["mirror", "pods", "--nope"],
        &["mirror", "pods", "-A", "-n", "shop"],
        &["mirror", "pods", "-o", "xml"],
        &["mirror", "pods", "--resync", "soon"],
        &["mirror", "pods", "--encoding", "cbor"],
        &["mirror", "pods", "--memory-budget", "64MB"],
        &["mirror", "pods", "--memory-budget", "-1"],
        &["mirror", "pods", "--summary"],
        &["mirror", "pods", "--once", "--watch-only"],
        &["mirror", "pods", "--log", "a=b=c"],
        &["mirror", "pods", "--poll", "0"],
        &["mirror", "pods", "--once", "--poll", "30s"],
        &["top", "--interval", "0"],
        &["apiserver", "--churn", "5"],
        &["demo", "--rate", "0"],
        &["completions", "tcsh"],
        &["nope"],
        &[],
    ] {
        let finished = run(arguments);
        check(&finished, 2, &["help"]);
    }
}
