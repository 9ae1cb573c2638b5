//! A folder for one test: empty at its start, gone at its end.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

/// The folder; dropping it removes it.
#[derive(Debug)]
pub(crate) struct TestFolder {
    path: PathBuf,
}

impl TestFolder {
    /// Makes the folder; `name` tells the tests of one process apart.
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("heliostat-xtask-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // A folder that stays is no reason to fail a test that has passed.
        _ = fs::remove_dir_all(&self.path);
    }
}
