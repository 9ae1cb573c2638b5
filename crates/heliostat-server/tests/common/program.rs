//! Programs of others that suites run against the server.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Returns where a program is: what the variable names, else among the workspace's tools, else in
/// `PATH`. Reports the suite as skipped if there is none.
pub fn find_or_skip(name: &str, variable: &str) -> Option<PathBuf> {
    let found = find(name, variable);
    if found.is_none() {
        skipped(name);
    }
    found
}

fn find(name: &str, variable: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(target.join("tools"))
        .chain(std::env::split_paths(&folders))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Says so where people look, and where the task runner does: cargo hides what passing tests print.
#[expect(
    clippy::print_stdout,
    reason = "a skipped suite must say so in the test log"
)]
fn skipped(name: &str) {
    let line = format!("SKIPPED suite {name}: no {name} found (run `cargo xtask test`)");
    println!("{line}");
    if let Some(path) = std::env::var_os("HELIOSTAT_SKIP_LOG") {
        let log = OpenOptions::new().create(true).append(true).open(path);
        writeln!(log.unwrap(), "{line}").unwrap();
    }
}
