//! kubectl and the program side by side on one server.
//!
//! The program is named by `$HELIOSTAT_KUBECTL`. Where it is not set the suite says so and passes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Server, folder};

fn kubectl(server: &Server, program: &PathBuf, arguments: &[&str]) -> String {
    let home = folder("kubectl-home");
    let output = Command::new(program)
        .env_clear()
        .env("HOME", &home)
        .env("KUBECONFIG", home.join("none"))
        .args(["--server", &server.url, "--cache-dir"])
        .arg(home.join("cache"))
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "kubectl {arguments:?} failed: {error}"
    );
    std::fs::remove_dir_all(home).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// kubectl, if the environment names one.
pub(crate) fn named_kubectl() -> Option<PathBuf> {
    std::env::var_os("HELIOSTAT_KUBECTL").map(PathBuf::from)
}

#[expect(
    clippy::print_stdout,
    reason = "a skipped suite must say so in the test log"
)]
pub(crate) fn skipped(suite: &str) {
    let line =
        format!("SKIPPED suite {suite}: HELIOSTAT_KUBECTL is not set (run `cargo xtask test`)");
    println!("{line}");
    if let Some(path) = std::env::var_os("HELIOSTAT_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(log, "{line}").unwrap();
    }
}

#[test]
fn both_list_the_same_and_what_kubectl_changes_is_told() {
    let Some(program) = named_kubectl() else {
        skipped("cli-kubectl");
        return;
    };
    let server = Server::with(&["--pods", "25"]);
    for resource in ["pods", "deployments.apps", "nodes"] {
        let listed = kubectl(
            &server,
            &program,
            &[
                "get",
                resource,
                "-A",
                "-o",
                "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{\"\\n\"}{end}",
            ],
        );
        let mut expected: Vec<&str> = listed
            .lines()
            .map(|line| line.trim_start_matches('/'))
            .collect();
        expected.sort_unstable();
        let mirrored = server.once(&[resource, "-A", "-o", "name"]);
        assert_eq!(mirrored.lines(), expected, "{resource}");
    }
    let mirror = server.mirror(&[
        "configmaps",
        "-n",
        "default",
        "-o",
        "name",
        "--watch-only",
        "--metrics-addr",
        "127.0.0.1:0",
    ]);
    let line = mirror.complaint("metrics on http://");
    let address = line.strip_prefix("metrics on http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    crate::common::eventually(|| {
        (crate::common::request(address, "GET", "/readyz", None).0 == 200).then_some(())
    });
    let folder = folder("kubectl-manifest");
    let manifest = folder.join("settings.json");
    let settings = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"}}"#;
    std::fs::write(&manifest, settings).unwrap();
    kubectl(
        &server,
        &program,
        &["create", "-f", manifest.to_str().unwrap()],
    );
    kubectl(
        &server,
        &program,
        &["label", "configmap", "settings", "tier=web"],
    );
    kubectl(&server, &program, &["delete", "configmap", "settings"]);
    let key = "default/settings";
    assert_eq!(mirror.line(), format!("+ {key}"));
    assert_eq!(mirror.line(), format!("~ {key}"));
    assert_eq!(mirror.line(), format!("- {key}"));
    std::fs::remove_dir_all(folder).unwrap();
}
