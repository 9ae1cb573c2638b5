//! Where the workspace lies on disk and what cargo says about its crates.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::TaskError;
use crate::process;

/// The checkout that the tasks work on.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// One crate of the workspace, as `cargo metadata` tells it.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// The names of its features, in alphabetical order.
    pub(crate) features: Vec<String>,
    /// Where its manifest lies.
    pub(crate) manifest: String,
    /// Its normal and build dependencies (not those of its tests), by name.
    pub(crate) dependencies: Vec<String>,
}

impl Workspace {
    /// Finds the workspace that this program was built from.
    ///
    /// # Errors
    ///
    /// When the folder is gone, which happens to a program that was kept after its checkout moved.
    pub(crate) fn locate() -> Result<Self, TaskError> {
        // Cargo sets the variable for `cargo run`, so a moved checkout is found too.
        let manifest = env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let root = Path::new(&manifest).join("..");
        let root = root
            .canonicalize()
            .map_err(TaskError::file("find the workspace at", root))?;
        Ok(Self { root })
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for installed programs. It stays the same whatever `CARGO_TARGET_DIR` says, so
    /// that all builds of one checkout share it; created when absent.
    pub(crate) fn tools(&self) -> Result<PathBuf, TaskError> {
        self.folder("target/tools")
    }

    /// A folder for what tasks leave behind: logs and the like; created when absent.
    pub(crate) fn scratch(&self) -> Result<PathBuf, TaskError> {
        self.folder("target/xtask")
    }

    /// The crates of the workspace.
    pub(crate) fn packages(&self) -> Result<Vec<Package>, TaskError> {
        parse_packages(&self.metadata()?)
    }

    /// The folder that cargo builds into at the moment.
    pub(crate) fn target(&self) -> Result<PathBuf, TaskError> {
        let metadata = parse_metadata(&self.metadata()?)?;
        let folder = metadata["target_directory"].as_str();
        folder
            .map(PathBuf::from)
            .ok_or_else(|| unexpected("there is no target_directory"))
    }

    fn metadata(&self) -> Result<String, TaskError> {
        let mut command = process::cargo(self);
        process::output(command.args(["metadata", "--no-deps", "--format-version=1"]))
    }

    fn folder(&self, relative: &str) -> Result<PathBuf, TaskError> {
        let folder = self.root.join(relative);
        fs::create_dir_all(&folder).map_err(TaskError::file("create", &folder))?;
        Ok(folder)
    }
}

/// Reads the crates out of what `cargo metadata` prints.
pub(crate) fn parse_packages(metadata: &str) -> Result<Vec<Package>, TaskError> {
    let metadata = parse_metadata(metadata)?;
    let packages = metadata["packages"].as_array();
    let packages = packages.ok_or_else(|| unexpected("there are no packages"))?;
    packages.iter().map(parse_package).collect()
}

fn parse_package(package: &Value) -> Result<Package, TaskError> {
    let text = |field: &str| {
        let value = package[field].as_str().map(str::to_owned);
        value.ok_or_else(|| unexpected(&format!("a package has no {field}")))
    };
    let features = package["features"].as_object();
    let mut features: Vec<String> = features
        .map(|features| features.keys().cloned().collect())
        .unwrap_or_default();
    features.sort();
    let dependencies = package["dependencies"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let dependencies = dependencies
        .iter()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect();
    Ok(Package {
        name: text("name")?,
        features,
        manifest: text("manifest_path")?,
        dependencies,
    })
}

fn parse_metadata(metadata: &str) -> Result<Value, TaskError> {
    serde_json::from_str(metadata).map_err(|error| unexpected(&error.to_string()))
}

fn unexpected(reason: &str) -> TaskError {
    TaskError::UnexpectedOutput {
        command: "cargo metadata".to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_without_the_dependencies_of_tests() {
        let packages = parse_packages(
            r#"{"packages": [{
                "name": "one",
                "manifest_path": "one/Cargo.toml",
                "features": {"kube": [], "default": [], "etcd": []},
                "dependencies": [
                    {"name": "bytes", "kind": null},
                    {"name": "cc", "kind": "build"},
                    {"name": "proptest", "kind": "dev"}
                ]
            }]}"#,
        )
        .unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].name, "one");
        assert_eq!(packages[0].features, ["default", "etcd", "kube"]);
        assert_eq!(packages[0].dependencies, ["bytes", "cc"]);
    }

    #[test]
    fn metadata_that_is_no_json_is_an_error_that_names_the_command() {
        let error = parse_packages("error: no such command").unwrap_err();
        assert!(error.to_string().contains("`cargo metadata`"), "{error}");
    }
}
