//! What users write into kubeconfigs and environments, and what hostile files do to the program.
//!
//! Where `$HELIOSTAT_KUBECTL` names kubectl, it is held against the program on the same files.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Finished, Running, Server, command, folder, nobody};
use crate::kubectl::{named_kubectl, skipped};

/// A server with one pod, and a folder for kubeconfigs.
struct Place {
    server: Server,
    folder: PathBuf,
}

impl Place {
    fn new(test: &str) -> Self {
        let server = Server::start();
        server.pod("shop", "web-1", "web");
        Self {
            server,
            folder: folder(test),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A whole kubeconfig of which each part can be replaced.
    fn kubeconfig(&self, replace: &[(&str, &str)]) -> PathBuf {
        let mut text = format!(
            "apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: c, cluster: {{server: '{}'}}}}]
users: [{{name: ann, user: {{token: t}}}}]
contexts: [{{name: here, context: {{cluster: c, user: ann, namespace: shop}}}}]
",
            self.server.url
        );
        for (from, to) in replace {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        self.file("config", &text)
    }

    /// Both list the pod with these files.
    #[track_caller]
    fn both_list_it(&self, kubeconfig: &str) {
        let finished = once(kubeconfig, &[]);
        assert_eq!(finished.stdout, "shop/web-1\n", "{}", finished.stderr);
        let Some(program) = named_kubectl() else {
            skipped("cli-configuration");
            return;
        };
        let output = Command::new(program)
            .env_clear()
            .env("HOME", &self.folder)
            .env("KUBECONFIG", kubeconfig)
            .args(["get", "pods", "-o", "name", "--cache-dir"])
            .arg(self.folder.join("cache"))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.stdout, b"pod/web-1\n", "{error}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const ONCE: [&str; 7] = ["mirror", "pods", "--once", "-o", "name", "--timeout", "60s"];

fn once(kubeconfig: &str, variables: &[(&str, &str)]) -> Finished {
    let mut program = command(&ONCE);
    program.env("KUBECONFIG", kubeconfig);
    program.envs(variables.iter().copied());
    Running::spawn(program).finish()
}

#[test]
fn an_empty_string_is_an_unset_field() {
    let place = Place::new("empty");
    let first = place.file(
        "first",
        "current-context: ''\nkind: Config\napiVersion: v1\n",
    );
    let second = place.kubeconfig(&[(
        "token: t",
        "token: t, username: '', password: '', tokenFile: '', client-certificate: ''",
    )]);
    place.both_list_it(&format!("{}:{}", first.display(), second.display()));
}

#[test]
fn what_is_not_used_need_not_be_whole() {
    let place = Place::new("half");
    let path = place.kubeconfig(&[
        (
            "contexts: [",
            "contexts: [{name: half, context: {user: u}}, {name: none}, ",
        ),
        (
            "clusters: [",
            "extensions: [{name: foo}]\nclusters: [{name: half}, ",
        ),
        ("token: t", "token: t, extensions: [{name: foo}]"),
    ]);
    place.both_list_it(path.to_str().unwrap());
}

#[test]
fn an_address_without_a_scheme_is_one_of_http() {
    let place = Place::new("scheme");
    let bare = place.server.address().to_owned();
    let path = place.kubeconfig(&[(place.server.url.as_str(), bare.as_str())]);
    place.both_list_it(path.to_str().unwrap());
    let mut by_option = ONCE.to_vec();
    by_option.extend(["-A", "--server", &bare]);
    let finished = crate::common::succeed(&by_option);
    assert_eq!(finished.stdout, "shop/web-1\n");
}

#[test]
fn what_is_no_address_is_refused_with_its_text_and_file() {
    let place = Place::new("address");
    for wrong in [
        "127.0.0.1:1/path",
        "ftp://x",
        "http://:1",
        "https://h:99999",
    ] {
        let path = place.kubeconfig(&[(place.server.url.as_str(), wrong)]);
        let path = path.to_str().unwrap();
        let finished = once(path, &[]);
        assert_eq!(finished.code, Some(1), "{wrong}");
        for said in [format!("{wrong:?}"), path.to_owned()] {
            assert!(
                finished.stderr.contains(&said),
                "{said}: {}",
                finished.stderr
            );
        }
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    }
}

/// The first line that a program sends to whom it connects, without the path that it asks for.
fn first_line(
    program: &str,
    variables: &[(&str, &str)],
    change: impl Fn(&str) -> Vec<(String, String)>,
) -> String {
    let place = Place::new("proxy");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let replace = change(&address);
    let mut all: Vec<(&str, &str)> = vec![(&place.server.url, "http://cluster.invalid:80")];
    all.extend(
        replace
            .iter()
            .map(|(from, to)| (from.as_str(), to.as_str())),
    );
    let path = place.kubeconfig(&all);
    let mut command = if program == OURS {
        command(&ONCE)
    } else {
        let mut kubectl = Command::new(program);
        kubectl.env_clear().env("HOME", &place.folder);
        kubectl.args(["get", "pods"]);
        kubectl
    };
    command.env("KUBECONFIG", path);
    for (name, value) in variables {
        command.env(name, value.replace("PROXY", &address));
    }
    let _running = Running::spawn(command);
    let (stream, _) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(crate::common::PATIENCE))
        .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let host = line.trim().splitn(4, '/').take(3);
    host.collect::<Vec<_>>().join("/")
}

const OURS: &str = "heliostat";

/// Both send this first line.
#[track_caller]
fn both_send(
    expected: &str,
    variables: &[(&str, &str)],
    change: impl Fn(&str) -> Vec<(String, String)>,
) {
    assert_eq!(
        first_line(OURS, variables, &change),
        expected,
        "{variables:?}"
    );
    match named_kubectl() {
        Some(program) => {
            let program = program.to_str().unwrap().to_owned();
            let line = first_line(&program, variables, &change);
            assert_eq!(line, expected, "kubectl: {variables:?}");
        }
        None => skipped("cli-configuration"),
    }
}

const BY_REQUEST: &str = "GET http://cluster.invalid:80";
const BY_TUNNEL: &str = "CONNECT cluster.invalid:80 HTTP/1.1";

fn unchanged(_: &str) -> Vec<(String, String)> {
    Vec::new()
}

fn secure(_: &str) -> Vec<(String, String)> {
    let from = "http://cluster.invalid:80".to_owned();
    vec![(from, "https://cluster.invalid:80".to_owned())]
}

#[test]
fn no_proxy_is_held_against_the_server_and_only_for_the_environments_proxy() {
    let own = |address: &str| {
        let from = "cluster.invalid:80'".to_owned();
        let to = format!("cluster.invalid:80', proxy-url: 'http://{address}'");
        vec![(from, to)]
    };
    for exceptions in ["localhost,127.0.0.1", "cluster.invalid", "*", "a,,b"] {
        both_send(BY_REQUEST, &[("NO_PROXY", exceptions)], own);
    }
    for proxy in ["http://PROXY", "PROXY"] {
        let variables = [("HTTPS_PROXY", proxy), ("NO_PROXY", "127.0.0.1,,localhost")];
        both_send(BY_TUNNEL, &variables, secure);
    }
}

#[test]
fn a_server_of_http_is_reached_by_its_own_proxy() {
    for variables in [
        &[("HTTP_PROXY", "http://PROXY")][..],
        &[
            ("http_proxy", "PROXY"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ],
        &[
            ("HTTP_PROXY", "PROXY"),
            ("NO_PROXY", "127.0.0.1,cluster.invalid:443"),
        ],
    ] {
        both_send(BY_REQUEST, variables, unchanged);
    }
    // Also of a server that is named on the command line alone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut arguments = ONCE.to_vec();
    arguments.extend(["--server", "cluster.invalid:80"]);
    let mut program = command(&arguments);
    program.env("HTTP_PROXY", listener.local_addr().unwrap().to_string());
    let _running = Running::spawn(program);
    let (stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with(BY_REQUEST), "{line}");
}

#[test]
fn a_server_on_this_machine_is_reached_without_a_proxy() {
    let place = Place::new("no-proxy");
    let path = place.kubeconfig(&[]);
    let proxy = format!("http://{}", nobody());
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        let finished = once(path.to_str().unwrap(), &[(name, &proxy)]);
        assert_eq!(finished.stdout, "shop/web-1\n", "{}", finished.stderr);
    }
}

#[test]
fn of_a_key_that_comes_twice_the_last_value_counts() {
    let place = Place::new("twice");
    let twice = "token: old, exec: {command: /bin/false, command: /bin/true}, exec: null, token: t";
    let path = place.kubeconfig(&[
        ("token: t", twice),
        (
            "current-context: here",
            "current-context: gone\ncurrent-context: here",
        ),
    ]);
    place.both_list_it(path.to_str().unwrap());
}

#[test]
fn a_token_with_a_line_break_is_an_error_that_names_user_and_file() {
    let place = Place::new("token");
    let path = place.kubeconfig(&[("token: t", "token: \"to\\nken\"")]);
    let path = path.to_str().unwrap();
    let finished = once(path, &[]);
    assert_eq!(finished.code, Some(1));
    for said in ["user \"ann\"", path, "line break"] {
        assert!(
            finished.stderr.contains(said),
            "{said}: {}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    let path = place.kubeconfig(&[("token: t", "token: \" token\\n\"")]);
    assert_eq!(once(path.to_str().unwrap(), &[]).code, Some(0));
}

/// A user with a plugin that is a shell script.
fn plugin(place: &Place, script: &str) -> PathBuf {
    let script = place.file("plugin", &format!("#!/bin/sh\n{script}\n"));
    let user = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, \
         args: ['{}'], interactiveMode: Never}}",
        script.display()
    );
    place.kubeconfig(&[("token: t", &user)])
}

#[test]
fn a_plugin_runs_once_and_its_messages_are_shown() {
    let place = Place::new("plugin");
    let runs = place.folder.join("runs");
    let script = format!(
        "echo run >> '{}'; echo please wait >&2; echo '{{\"status\": {{\"token\": \"t\"}}}}'",
        runs.display()
    );
    let path = plugin(&place, &script);
    let finished = once(path.to_str().unwrap(), &[]);
    assert_eq!(finished.stdout, "shop/web-1\n", "{}", finished.stderr);
    assert!(
        finished.stderr.contains("please wait"),
        "{}",
        finished.stderr
    );
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\n");
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn the_time_limit_bounds_pipes_and_plugins() {
    let place = Place::new("limits");
    let pipe = place.folder.join("pipe");
    fifo(&pipe);
    let token = place.kubeconfig(&[("token: t", "tokenFile: pipe")]);
    let token = std::fs::rename(token, place.folder.join("by-pipe")).map(|()| "by-pipe");
    let token = place.folder.join(token.unwrap());
    let slow = plugin(&place, "exec sleep 1000");
    for kubeconfig in [&pipe, &token, &slow] {
        let mut arguments = ONCE.to_vec();
        *arguments.last_mut().unwrap() = "100ms";
        let mut program = command(&arguments);
        program.env("KUBECONFIG", kubeconfig);
        let finished = Running::spawn(program).finish();
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let said = "gave up after 100 ms: the configuration and the credentials";
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
}

#[test]
fn a_signal_ends_the_reading_of_a_pipe() {
    let place = Place::new("signal");
    // The plugin says when it has begun, and then waits for a pipe for ever.
    let path = plugin(&place, "echo has begun >&2; exec sleep 1000");
    let mut program = command(&["mirror", "pods"]);
    program.env("KUBECONFIG", path);
    let running = Running::spawn(program);
    running.complaint("has begun");
    running.signal("TERM");
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn endless_files_and_plugins_are_refused() {
    let place = Place::new("endless");
    let sparse = place.folder.join("sparse");
    let file = std::fs::File::create(&sparse).unwrap();
    file.set_len(4 << 30).unwrap();
    let zero = PathBuf::from("/dev/zero");
    for (kubeconfig, said) in [
        (&zero, "neither a file nor a pipe"),
        (&sparse, "larger than 4 MiB"),
        (&plugin(&place, "exec yes"), "printed more than 4 MiB"),
    ] {
        let finished = once(kubeconfig.to_str().unwrap(), &[]);
        assert_eq!(finished.code, Some(1));
        assert!(
            finished.stderr.contains(said),
            "{said}: {}",
            finished.stderr
        );
    }
    let finished = once("/dev/null", &[("KUBERNETES_SERVICE_HOST", "")]);
    assert!(
        finished.stderr.contains("no current context"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_plugin_that_needs_a_terminal_is_not_run_without_one() {
    let place = Place::new("terminal");
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, \
                args: ['-c', 'echo ran >&2'], interactiveMode: Always}";
    let path = place.kubeconfig(&[("token: t", user)]);
    let mut program = command(&ONCE);
    program.env("KUBECONFIG", path).stdin(Stdio::null());
    let finished = Running::spawn(program).finish();
    assert_eq!(finished.code, Some(1));
    let said = "standard input is not a terminal";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(!finished.stderr.contains("ran\n"), "{}", finished.stderr);
}

#[test]
fn a_server_that_is_not_there_is_still_the_servers_fault() {
    let place = Place::new("nobody");
    let path = place.kubeconfig(&[(place.server.url.as_str(), &format!("http://{}", nobody()))]);
    let mut arguments = ONCE.to_vec();
    *arguments.last_mut().unwrap() = "100ms";
    let mut program = command(&arguments);
    program.env("KUBECONFIG", path);
    let finished = Running::spawn(program).finish();
    assert!(
        finished.stderr.contains("connection refused"),
        "{}",
        finished.stderr
    );
}
