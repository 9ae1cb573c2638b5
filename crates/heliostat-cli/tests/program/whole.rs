//! The program as a whole: demo, server, help, version, completions.

use crate::common::{Running, Server, run, succeed};

#[test]
fn the_demo_converges() {
    let finished = succeed(&["demo", "--for", "8", "--pods", "200", "--rate", "100"]);
    let lines = finished.lines();
    assert!(
        lines[0].starts_with("heliostat demo: 200 pods in "),
        "{}",
        finished.stdout
    );
    assert!(
        finished
            .stdout
            .contains("heliostat mirror pods -A --server http://127.0.0.1:")
    );
    let last = lines.iter().find(|line| line.starts_with("converged: "));
    assert!(last.is_some(), "{}", finished.stdout);
    assert!(
        finished.stdout.contains("recovered after "),
        "no fault: {}",
        finished.stdout
    );
    assert!(!finished.stdout.contains('\x1b'), "colours in a pipe");
}

#[test]
fn the_demo_without_faults_lists_once() {
    let finished = succeed(&[
        "demo",
        "--for",
        "2s",
        "--pods",
        "50",
        "--no-faults",
        "--seed",
        "9",
    ]);
    assert!(
        finished.stdout.contains("  faults  0 survived"),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stdout.contains("from 1 watches"),
        "{}",
        finished.stdout
    );
}

#[test]
fn the_demo_compares_also_when_it_is_interrupted() {
    let demo = Running::start(&["demo", "--pods", "50"]);
    while !demo.line().contains("server 5") {}
    demo.signal("INT");
    let finished = demo.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("converged: "),
        "{}",
        finished.stdout
    );
}

#[test]
fn the_server_says_where_it_listens_and_ends_with_a_signal() {
    for signal in ["INT", "TERM"] {
        let server = Server::start();
        assert!(server.url.starts_with("http://127.0.0.1:"));
        server.running.signal(signal);
        let finished = server.running.finish();
        assert_eq!(
            (finished.code, &*finished.stdout),
            (Some(0), ""),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn the_same_seed_serves_the_same_pods() {
    let names = |seed| {
        let server = Server::with(&["--pods", "20", "--seed", seed]);
        server.once(&["pods", "-A", "-o", "name"]).stdout
    };
    assert_eq!(names("3"), names("3"));
    assert_ne!(names("3"), names("4"));
}

#[test]
fn help_fits_the_page_and_has_examples() {
    for command in [
        &[][..],
        &["mirror"],
        &["get"],
        &["top"],
        &["demo"],
        &["apiserver"],
        &["completions"],
    ] {
        for flag in ["-h", "--help"] {
            let mut arguments = command.to_vec();
            arguments.push(flag);
            let help = succeed(&arguments).stdout;
            assert!(help.contains("Examples:\n"), "{command:?}");
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "{command:?}: {line}");
            }
        }
    }
    let whole = succeed(&["mirror", "--help"]).stdout;
    for word in [
        "--watch-list",
        "tombstone",
        "--field-selector",
        "deployments.apps",
        "--encoding",
        "--memory-budget",
        "--keep-managed-fields",
        "kubectl does not show them",
        "--summary",
    ] {
        assert!(whole.contains(word), "{word}");
    }
}

#[test]
fn the_version_is_told() {
    let version = format!("heliostat {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(succeed(&["--version"]).stdout, version);
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = succeed(&["completions", shell]).stdout;
        for word in [
            "mirror",
            "metadata-only",
            "apiserver",
            "encoding",
            "memory-budget",
            "keep-managed-fields",
            "summary",
        ] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
}

#[test]
fn nothing_is_logged_unless_asked_for() {
    let server = Server::with(&["--pods", "3"]);
    assert_eq!(server.once(&["pods", "-A"]).stderr, "");
    let chatty = server.once(&["pods", "-A", "--log", "heliostat=debug"]);
    assert!(chatty.stderr.contains("synced"), "{}", chatty.stderr);
    assert!(
        run(&["mirror", "pods", "--log", "loud==", "--once"])
            .stderr
            .contains("debug")
    );
}
