//! What `cargo metadata` reports about the crates of the workspace.

use std::path::PathBuf;

use serde_json::Value;

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// One crate of the workspace, as `cargo metadata` reports it.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// The names of its features, in alphabetical order.
    pub(crate) features: Vec<String>,
    /// The path of its manifest.
    pub(crate) manifest: String,
    /// Its normal and build dependencies (not those of its tests), by name.
    pub(crate) dependencies: Vec<String>,
}

impl Workspace {
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
