//! What an object must look like to be written: its type, its name and namespace, its labels and
//! finalizers. Specifications are not checked: the server has no schemas.

use std::fmt;

use heliostat_kinds::schema;
use serde_json::Value;

use super::rules::metadata_of;
use crate::collection::kind::{Kind, Object};
use crate::collection::object::text_of;
use crate::collection::status::{Status, StatusCause};

/// Length of the part that `generateName` adds, and its alphabet: no vowels, no digits that look
/// like letters, so that no words appear.
const SUFFIX_LEN: usize = 5;
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Longest name: a DNS subdomain.
const NAME_MAX: usize = 253;

/// The object says what it is, or nothing; what it says must be the kind of the URL.
pub(crate) fn types(kind: &Kind, object: &Object) -> Result<(), Status> {
    type_names(
        kind,
        &text_of(object, "kind"),
        &text_of(object, "apiVersion"),
    )?;
    metadata(kind, object)
}

/// The kind and the API version that an object has are those of the URL, or empty for built-in kinds.
pub(crate) fn type_names(kind: &Kind, found_kind: &str, found_version: &str) -> Result<(), Status> {
    let wrong =
        |found: &str, expected: &str| found != expected && (!found.is_empty() || kind.is_custom());
    let wrong_kind = wrong(found_kind, kind.kind());
    if !wrong_kind && !wrong(found_version, kind.api_version()) {
        return Ok(());
    }
    if kind.is_custom() {
        return Err(Status::bad_request(format!(
            "{found_kind} in version {found_version:?} cannot be handled as a {}: the object \
             provided is unrecognized (must be of type {})",
            kind.kind(),
            kind.kind()
        )));
    }
    let or = |found: &str, default: &str| {
        let text = if found.is_empty() { default } else { found };
        text.to_owned()
    };
    let (name, api_version) = (
        or(found_kind, kind.kind()),
        or(found_version, kind.api_version()),
    );
    let is_known = schema::kind(&api_version, &name).is_some();
    if is_known && !wrong_kind {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version \
             ({})",
            kind.api_version()
        )));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let why = if is_known {
        format!(
            "converting ({version}.{name}) to ({}.{}): unknown conversion",
            go_package(kind.group()),
            kind.kind()
        )
    } else {
        let full = if group.is_empty() {
            version
        } else {
            &api_version
        };
        format!("no kind {name:?} is registered for version {full:?} in scheme {GO_SCHEME:?}")
    };
    Err(Status::bad_request(format!(
        "{name} in version {version:?} cannot be handled as a {}: {why}",
        kind.kind()
    )))
}

/// Where kube-apiserver has its list of kinds; part of its message about others.
const GO_SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// The Go package of a group's kinds.
fn go_package(group: &str) -> &str {
    match group {
        "" => "core",
        "internal.apiserver.k8s.io" => "apiserverinternal",
        group => group.split('.').next().unwrap_or_default(),
    }
}

/// The 400 of an object whose kind is right and whose content is not.
pub(crate) fn not_handled(kind: &Kind, error: impl fmt::Display) -> Status {
    Status::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}: {error}",
        kind.kind(),
        kind.version(),
        kind.kind()
    ))
}

/// Labels and annotations are maps of text, finalizers a list of it.
fn metadata(kind: &Kind, object: &Object) -> Result<(), Status> {
    let Some(metadata) = object.get("metadata") else {
        return Ok(());
    };
    let Some(metadata) = metadata.as_object() else {
        return Err(unreadable(kind, "metadata", "ObjectMeta"));
    };
    for field in [
        "name",
        "generateName",
        "namespace",
        "resourceVersion",
        "uid",
    ] {
        if !metadata
            .get(field)
            .is_none_or(|value| value.is_string() || value.is_null())
        {
            return Err(unreadable(kind, &format!("metadata.{field}"), "string"));
        }
    }
    for field in ["labels", "annotations"] {
        let fits = match metadata.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::Object(map)) => map.values().all(Value::is_string),
            Some(_) => false,
        };
        if !fits {
            return Err(unreadable(
                kind,
                &format!("metadata.{field}"),
                "map[string]string",
            ));
        }
    }
    let fits = match metadata.get("finalizers") {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.iter().all(Value::is_string),
        Some(_) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(unreadable(kind, "metadata.finalizers", "[]string"))
    }
}

fn unreadable(kind: &Kind, field: &str, wanted: &str) -> Status {
    let error = format!("json: cannot unmarshal into Go struct field {field} of type {wanted}");
    not_handled(kind, error)
}

/// The namespace of the object: the URL's, and the object must not say another.
pub(crate) fn namespace(
    kind: &Kind,
    of_url: Option<&str>,
    object: &mut Object,
) -> Result<String, Status> {
    let found = text_of(object, "metadata.namespace");
    if !kind.is_namespaced() {
        metadata_of(object).remove("namespace");
        return Ok(String::new());
    }
    let namespace = match of_url {
        Some(namespace) if found.is_empty() || found == namespace => namespace.to_owned(),
        Some(_) => {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        None if found.is_empty() || found.contains('/') => {
            return Err(Status::bad_request(
                "an object of this kind needs a namespace",
            ));
        }
        None => found,
    };
    metadata_of(object).insert("namespace".to_owned(), namespace.clone().into());
    Ok(namespace)
}

/// The name of a new object: its own, or one made of `generateName`.
pub(crate) fn new_name(kind: &Kind, object: &mut Object, entropy: u128) -> Result<String, Status> {
    let mut name = text_of(object, "metadata.name");
    let prefix = text_of(object, "metadata.generateName");
    if name.is_empty() && !prefix.is_empty() {
        name = format!("{prefix}{}", suffix(entropy));
        metadata_of(object).insert("name".to_owned(), name.clone().into());
    }
    let cause = if name.is_empty() {
        Some(StatusCause::required(
            "metadata.name",
            "name or generateName is required",
        ))
    } else {
        name_cause(kind, &name)
    };
    match cause {
        None => Ok(name),
        Some(cause) => Err(Status::invalid(
            kind.group(),
            kind.kind(),
            &name,
            vec![cause],
        )),
    }
}

/// Names of roles and their bindings are free but for slashes; all others are DNS subdomains.
fn name_cause(kind: &Kind, name: &str) -> Option<StatusCause> {
    let cause = |text| Some(StatusCause::invalid("metadata.name", name, text));
    if matches!(name, "." | "..") || name.contains(['/', '%']) {
        return cause("may not be '.' or '..' nor contain '/' or '%'");
    }
    if kind.group() == "rbac.authorization.k8s.io" {
        return None;
    }
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |part: &str| {
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-')
    };
    if name.len() > NAME_MAX || !name.split('.').all(label) {
        return cause(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. \
             'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        );
    }
    None
}

fn suffix(entropy: u128) -> String {
    let base = SUFFIX_ALPHABET.len() as u128;
    let mut rest = entropy;
    (0..SUFFIX_LEN)
        .filter_map(|_| {
            let digit = usize::try_from(rest % base).ok()?;
            rest /= base;
            SUFFIX_ALPHABET.get(digit).copied().map(char::from)
        })
        .collect()
}

/// The name in the object is the one of the URL, or absent.
pub(crate) fn same_name(object: &mut Object, of_url: &str) -> Result<(), Status> {
    let found = text_of(object, "metadata.name");
    if !found.is_empty() && found != of_url {
        return Err(Status::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({of_url})"
        )));
    }
    metadata_of(object).insert("name".to_owned(), of_url.into());
    Ok(())
}

/// An object on its way out takes no new finalizers.
pub(crate) fn update(kind: &Kind, name: &str, old: &Object, new: &Object) -> Result<(), Status> {
    if text_of(old, "metadata.deletionTimestamp").is_empty() {
        return Ok(());
    }
    let before = finalizers(old);
    let added: Vec<&str> = finalizers(new)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let text = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers \
         []string{{{}}}",
        added
            .iter()
            .map(|name| format!("{name:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let cause = StatusCause::forbidden("metadata.finalizers", &text);
    Err(Status::invalid(
        kind.group(),
        kind.kind(),
        name,
        vec![cause],
    ))
}

fn finalizers(object: &Object) -> Vec<&str> {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get("finalizers"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
