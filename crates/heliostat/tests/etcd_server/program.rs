//! Where the programs are.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Which etcd.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// The newest that can be had.
    Newest,
    /// 3.4, which cannot be asked for the progress of a watch.
    Old,
}

impl Version {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Newest => ("etcd", "HELIOSTAT_ETCD"),
            Self::Old => ("etcd-3.4", "HELIOSTAT_ETCD_3_4"),
        }
    }
}

/// Returns where the program is, or reports the suite as skipped.
pub(crate) fn find_or_skip(version: Version) -> Option<PathBuf> {
    let (name, variable) = version.names();
    let named = std::env::var_os(variable).filter(|path| !path.is_empty());
    let found = named.map_or_else(
        || {
            let tools = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
            let mut programs = tools.map(|folder| folder.join("target/tools").join(name));
            programs.find(|path| path.is_file())
        },
        |path| Some(PathBuf::from(path)),
    );
    if found.is_none() {
        skipped(name, variable);
    }
    found
}

/// Says so where people look, and where the task runner does: cargo hides what passing tests print.
#[expect(
    clippy::print_stdout,
    reason = "a skipped suite must say so in the test log"
)]
fn skipped(name: &str, variable: &str) {
    let line = format!("SKIPPED suite {name}: {variable} is not set (run `cargo xtask test`)");
    println!("{line}");
    if let Some(path) = std::env::var_os("HELIOSTAT_SKIP_LOG") {
        let log = OpenOptions::new().create(true).append(true).open(path);
        writeln!(log.unwrap(), "{line}").unwrap();
    }
}
