//! Real etcds for tests: started on free ports, written to through their JSON gateway, which the source
//! under test does not use.
//!
//! Several suites include this file. The program is looked for at `$HELIOSTAT_ETCD` (or
//! `$HELIOSTAT_ETCD_3_4`), then among the workspace's tools. Where there is none, the suite says so.

#![allow(dead_code, unused_imports, reason = "each suite uses a part of it")]

mod client;
mod program;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) use client::{EtcdClient, Put};
pub(crate) use program::Version;

/// Long enough for any machine; nothing waits this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A member that runs, or has run. It ends, and its data goes, when this is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    url: String,
    process: Option<Child>,
}

/// How a member is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Further arguments.
    pub(crate) arguments: Vec<String>,
    /// The token of the cluster, on which its id depends.
    pub(crate) token: String,
    /// Whether clients use `https`.
    pub(crate) is_secure: bool,
}

impl Member {
    /// A cluster of one member; none where there is no such program.
    pub(crate) async fn start(version: Version) -> Option<Self> {
        Self::start_with(version, &Options::default()).await
    }

    /// The same with options.
    pub(crate) async fn start_with(version: Version, options: &Options) -> Option<Self> {
        let program = program::find_or_skip(version)?;
        let mut member = Self::prepare(&program, 1, options).pop()?;
        member.run();
        member.client().wait_ready().await;
        Some(member)
    }

    /// A member whose gateway is behind TLS, so that nobody waits for it here.
    pub(crate) fn start_secure(version: Version, options: &Options) -> Option<Self> {
        let program = program::find_or_skip(version)?;
        let mut member = Self::prepare(&program, 1, options).pop()?;
        member.run();
        Some(member)
    }

    /// The program that it runs.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A cluster of several members.
    pub(crate) async fn start_cluster(
        version: Version,
        count: usize,
        options: &Options,
    ) -> Option<Vec<Self>> {
        let program = program::find_or_skip(version)?;
        let mut members = Self::prepare(&program, count, options);
        members.iter_mut().for_each(Self::run);
        for member in &members {
            member.client().wait_ready().await;
        }
        Some(members)
    }

    fn prepare(program: &Path, count: usize, options: &Options) -> Vec<Self> {
        let ports = free_ports(2 * count);
        let peer = |index: usize| format!("http://127.0.0.1:{}", ports[2 * index + 1]);
        let cluster: Vec<String> = (0..count)
            .map(|index| format!("m{index}={}", peer(index)))
            .collect();
        let members = (0..count).map(|index| {
            let folder = new_folder();
            let scheme = if options.is_secure { "https" } else { "http" };
            let url = format!("{scheme}://127.0.0.1:{}", ports[2 * index]);
            let mut arguments: Vec<String> = [
                ("name", format!("m{index}")),
                ("data-dir", folder.join("data").display().to_string()),
                ("listen-client-urls", url.clone()),
                ("advertise-client-urls", url.clone()),
                ("listen-peer-urls", peer(index)),
                ("initial-advertise-peer-urls", peer(index)),
                ("initial-cluster", cluster.join(",")),
                ("initial-cluster-token", format!("token-{}", options.token)),
                ("logger", "zap".to_owned()),
                ("log-level", "error".to_owned()),
            ]
            .into_iter()
            .map(|(name, value)| format!("--{name}={value}"))
            .collect();
            arguments.extend(options.arguments.iter().cloned());
            Self {
                program: program.to_owned(),
                arguments,
                folder,
                url,
                process: None,
            }
        });
        members.collect()
    }

    /// Starts the process, also after it was killed.
    pub(crate) fn run(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let process = Command::new(&self.program)
            .args(&self.arguments)
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap());
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What its process logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn client(&self) -> EtcdClient {
        EtcdClient::new(&self.url)
    }

    /// Ends the process without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts again, with no data, under the same address, as after a backup that was empty.
    pub(crate) fn forget_data(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.folder.join("data")).unwrap();
    }

    /// Changes the argument of this name for the next run.
    pub(crate) fn set_argument(&mut self, name: &str, value: &str) {
        let start = format!("--{name}=");
        self.arguments
            .retain(|argument| !argument.starts_with(&start));
        self.arguments.push(format!("{start}{value}"));
    }

    /// Stops the process where it is, as a machine that hangs.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Has the process go on.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// A folder for files of the test.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let ports = listeners.iter().map(|it| it.local_addr().unwrap().port());
    ports.collect()
}

fn new_folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("heliostat-etcd-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A free address for another process, such as a proxy.
pub(crate) fn free_address() -> String {
    format!("127.0.0.1:{}", free_ports(1)[0])
}
