//! What the tests of the program share: running it, reading its lines, talking HTTP to a server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Long enough for any machine; nothing waits this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The program, with an environment of its own: no kubeconfig, no colours asked for.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heliostat"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent-home")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null());
    command
}

/// What a finished run gave.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Finished {
    Running::start(arguments).finish()
}

/// Runs it, and fails unless it succeeds.
pub(crate) fn succeed(arguments: &[&str]) -> Finished {
    let finished = run(arguments);
    assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
    finished
}

/// A running program.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines_of(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The next line of stdout.
    pub(crate) fn line(&self) -> String {
        self.stdout
            .recv_timeout(PATIENCE)
            .expect("there is another line")
    }

    /// The next line of stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next line of stderr that contains this text.
    pub(crate) fn complaint(&self, text: &str) -> String {
        loop {
            let line = self
                .stderr
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("nothing on stderr says {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end, and gives what was not read yet.
    pub(crate) fn finish(mut self) -> Finished {
        let status = self.wait();
        let rest = |lines: &Receiver<String>| {
            let mut text = String::new();
            while let Ok(line) = lines.recv_timeout(PATIENCE) {
                text.push_str(&line);
                text.push('\n');
            }
            text
        };
        Finished {
            code: status.code(),
            stdout: rest(&self.stdout),
            stderr: rest(&self.stderr),
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let (sender, waited) = channel();
        let pid = self.child.id().to_string();
        // If it does not end, it is ended, so that the test fails and does not hang.
        let watchdog = thread::spawn(move || {
            if waited.recv_timeout(PATIENCE).is_err() {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
        });
        let status = self.child.wait().unwrap();
        sender.send(()).unwrap();
        watchdog.join().unwrap();
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A running `heliostat apiserver`.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) url: String,
}

impl Server {
    /// An empty one.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::listening("127.0.0.1:0", arguments)
    }

    pub(crate) fn listening(address: &str, arguments: &[&str]) -> Self {
        let mut all = vec!["apiserver", "--listen", address];
        all.extend(arguments);
        let running = Running::start(&all);
        let line = running.line();
        let url = line
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("{line}"));
        Self {
            url: url.to_owned(),
            running,
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Starts a mirror of it.
    pub(crate) fn mirror(&self, arguments: &[&str]) -> Running {
        Running::start(&self.arguments(arguments))
    }

    /// Runs a mirror of it to its end; it must succeed.
    pub(crate) fn once(&self, arguments: &[&str]) -> Finished {
        let mut all = self.arguments(arguments);
        all.push("--once");
        succeed(&all)
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["mirror"];
        all.extend(arguments);
        all.extend(["--server", &self.url]);
        all
    }

    pub(crate) fn create(&self, path: &str, object: &Value) -> Value {
        let (status, body) = request(self.address(), "POST", path, Some(object));
        assert!(matches!(status, 200 | 201), "{status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn patch(&self, path: &str, patch: &Value) {
        let (status, body) = request(self.address(), "PATCH", path, Some(patch));
        assert_eq!(status, 200, "{body}");
    }

    pub(crate) fn delete(&self, path: &str) {
        let (status, body) = request(self.address(), "DELETE", path, None);
        assert_eq!(status, 200, "{body}");
    }

    /// Creates a pod in a namespace.
    pub(crate) fn pod(&self, namespace: &str, name: &str, app: &str) -> Value {
        let object = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": app}},
            "spec": {
                "nodeName": format!("node-{app}"),
                "containers": [{"name": "main", "image": "example.com/app:1"}],
            },
        });
        self.create(&format!("/api/v1/namespaces/{namespace}/pods"), &object)
    }
}

/// One HTTP request; gives the code and the body.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let content_type = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A folder of the test's own, empty.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("cli-{test}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Asks again and again until the answer is there: for what tells nobody when it is ready.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come to be");
        thread::yield_now();
    }
}
