//! The data files of the crate `heliostat-kinds`, as they are.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::TaskError;

/// What the data files say.
#[derive(Debug)]
pub(crate) struct Data {
    /// `types.json`: the version, the kinds and the Go types with their fields.
    pub(crate) types: Value,
    /// `schemas.json`: the schemas of the OpenAPI document by their names.
    pub(crate) schemas: Value,
    /// `resources.json`: the resources of the discovery documents by API version.
    pub(crate) resources: Value,
    /// `columns.json`: the columns of tables by the path of the resource.
    pub(crate) columns: Value,
}

impl Data {
    /// Reads the files of the folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, TaskError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let text = fs::read_to_string(&path).map_err(TaskError::file("read", &path))?;
            serde_json::from_str(&text).map_err(|error| TaskError::Found {
                what: format!("{} is not JSON: {error}", path.display()),
                next: "mend the file".to_owned(),
            })
        };
        Ok(Self {
            types: read("types.json")?,
            schemas: read("schemas.json")?,
            resources: read("resources.json")?,
            columns: read("columns.json")?,
        })
    }

    /// The OpenAPI schema of a Go type, for the types that the document has.
    pub(crate) fn schema(&self, go_type: &str) -> Option<&Value> {
        let dotted = go_type.replace('/', ".");
        ["io.k8s.api.", "io.k8s.apimachinery.pkg.", "io.k8s."]
            .iter()
            .find_map(|package| self.schemas.get(format!("{package}{dotted}")))
    }
}
