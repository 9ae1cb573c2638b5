//! CustomResourceDefinitions: creating one makes the server serve its kind, deleting one takes the
//! kind and its objects away.
//!
//! Only the storage version is served, schemas are not checked, and there is no conversion.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rules::time;
use super::storage::Storage;
use crate::collection::kind::{Kind, Object};
use crate::collection::object::text_of;
use crate::collection::status::{Status, StatusCause};

const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Checks a definition and writes the status that tells clients it is served. Other kinds pass.
///
/// # Errors
/// A 422 for a definition that cannot be served.
pub(crate) fn complete(kind: &Kind, object: &mut Object, now: Timestamp) -> Result<(), Status> {
    if kind.qualified() != CRDS {
        return Ok(());
    }
    let name = text_of(object, "metadata.name");
    let defined = defined(object).map_err(|(field, text)| {
        let cause = StatusCause::required(field, text);
        Status::invalid(kind.group(), kind.kind(), &name, vec![cause])
    })?;
    if name != defined.qualified() {
        let text = "must be spec.names.plural+\".\"+spec.group";
        let cause = StatusCause::invalid("metadata.name", &name, text);
        return Err(Status::invalid(
            kind.group(),
            kind.kind(),
            &name,
            vec![cause],
        ));
    }
    let names = object
        .get("spec")
        .and_then(|spec| spec.get("names"))
        .cloned();
    let since = object
        .get("status")
        .and_then(|status| status.pointer("/conditions/0/lastTransitionTime"))
        .cloned()
        .unwrap_or_else(|| time(now));
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "lastTransitionTime": since, "message": message, "reason": reason,
            "status": "True", "type": kind,
        })
    };
    let status = json!({
        "acceptedNames": names,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": [defined.version()],
    });
    object.insert("status".to_owned(), status);
    Ok(())
}

/// Serves what a definition defines. Other kinds pass.
pub(crate) fn changed(storage: &mut Storage, kind: &Kind, object: &Object) {
    if kind.qualified() == CRDS
        && let Ok(defined) = defined(object)
    {
        storage.register(defined);
    }
}

/// Stops serving what a definition of this name defined. Other kinds pass.
pub(crate) fn removed(storage: &mut Storage, kind: &Kind, name: &str) {
    if kind.qualified() == CRDS {
        storage.unregister(name);
    }
}

/// The kind of a definition, or the field that is missing and what it should be.
fn defined(object: &Object) -> Result<Kind, (&'static str, &'static str)> {
    let required = |path: &'static str| {
        Some(text_of(object, path))
            .filter(|text| !text.is_empty())
            .ok_or((path, ""))
    };
    let spec = object
        .get("spec")
        .and_then(Value::as_object)
        .ok_or(("spec", ""))?;
    let (group, plural) = (required("spec.group")?, required("spec.names.plural")?);
    let name = required("spec.names.kind")?;
    let version = storage_version(spec)?;
    let version_name = version
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut kind = Kind::custom(&group, version_name, &name, &plural);
    let singular = text_of(object, "spec.names.singular");
    if !singular.is_empty() {
        kind = kind.with_singular(&singular);
    }
    if text_of(object, "spec.scope") == "Cluster" {
        kind = kind.cluster_scoped();
    }
    if version.pointer("/subresources/status").is_some() {
        kind = kind.with_status();
    }
    let texts = |list: Option<&Value>| -> Vec<String> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let names = spec.get("names");
    for short in texts(names.and_then(|names| names.get("shortNames"))) {
        kind = kind.with_short_name(&short);
    }
    for category in texts(names.and_then(|names| names.get("categories"))) {
        kind = kind.with_category(&category);
    }
    let fields = version
        .get("selectableFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for path in fields
        .filter_map(|field| field.get("jsonPath"))
        .filter_map(Value::as_str)
    {
        kind = kind.with_selectable_field(path.trim_start_matches('.'));
    }
    Ok(kind)
}

fn storage_version(spec: &Object) -> Result<&Value, (&'static str, &'static str)> {
    let flag = |version: &Value, name: &str| version.get(name).and_then(Value::as_bool);
    spec.get("versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|version| {
            flag(version, "served") == Some(true) && flag(version, "storage") == Some(true)
        })
        .filter(|version| version.get("name").is_some_and(Value::is_string))
        .ok_or((
            "spec.versions",
            "must have one version that is served and stored",
        ))
}
