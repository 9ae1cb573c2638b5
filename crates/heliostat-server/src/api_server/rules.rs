//! The single rules of writing, each a function of objects: what a writer may not change, when a
//! version or precondition conflicts, what counts as a change of the specification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::collection::kind::{Kind, Object};
use crate::collection::object::{StoredObject, text_of};
use crate::collection::status::{Status, StatusCause};

/// What a delete may say about itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    pub(crate) kind: Option<String>,
    pub(crate) preconditions: Option<Preconditions>,
    pub(crate) dry_run: Option<Vec<String>>,
}

/// What must hold for a delete to go ahead.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

/// The metadata of an object, made if it is absent.
pub(crate) fn metadata_of(object: &mut Object) -> &mut Object {
    let entry = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Object::new()));
    if !entry.is_object() {
        *entry = Value::Object(Object::new());
    }
    // The entry is an object by the lines above.
    entry.as_object_mut().expect("metadata is an object")
}

/// A time as Kubernetes writes it: RFC 3339 in UTC, whole seconds.
pub(crate) fn time(now: Timestamp) -> Value {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

/// A version 4 uid made of the entropy.
pub(crate) fn uid(entropy: u128) -> String {
    let bits = entropy & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// The few defaults that clients look at; everything else is stored as it was sent.
pub(crate) fn defaults(kind: &Kind, object: &mut Object) {
    let phase = match kind.qualified() {
        "pods" => "Pending",
        "namespaces" => "Active",
        _ => return,
    };
    let status = object
        .entry("status")
        .or_insert_with(|| Value::Object(Object::new()));
    if let Some(status) = status.as_object_mut() {
        status.entry("phase").or_insert_with(|| phase.into());
    }
}

/// Moves the texts of a secret's `stringData`, which is for writing alone, to its data.
pub(crate) fn merge_string_data(kind: &Kind, object: &mut Object) {
    if kind.qualified() != "secrets" {
        return;
    }
    let Some(Value::Object(texts)) = object.remove("stringData") else {
        return;
    };
    let data = object
        .entry("data")
        .or_insert_with(|| Value::Object(Object::new()));
    let Some(data) = data.as_object_mut() else {
        return;
    };
    for (key, text) in texts {
        let text = text.as_str().unwrap_or_default();
        data.insert(key, STANDARD.encode(text).into());
    }
}

/// What only the server sets comes from the old object, whatever the writer sent.
pub(crate) fn carry_over(kind: &Kind, old: &Object, object: &mut Object, keep_status: bool) {
    let old_metadata = old.get("metadata").and_then(Value::as_object);
    let metadata = metadata_of(object);
    for field in [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match old_metadata.and_then(|old| old.get(field)) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    if let Some(managed) = old_metadata.and_then(|old| old.get("managedFields"))
        && !metadata.contains_key("managedFields")
    {
        metadata.insert("managedFields".to_owned(), managed.clone());
    }
    if keep_status && kind.has_status() {
        match old.get("status") {
            Some(status) => object.insert("status".to_owned(), status.clone()),
            None => object.remove("status"),
        };
    }
}

/// The old object with the new one's status: what a write to the status subresource does.
pub(crate) fn with_status_of(mut old: Object, new: &mut Object) -> Object {
    match new.remove("status") {
        Some(status) => old.insert("status".to_owned(), status),
        None => old.remove("status"),
    };
    old
}

pub(crate) fn check_lock(
    kind: &Kind,
    object: &Object,
    current: &StoredObject,
) -> Result<(), Status> {
    let version = text_of(object, "metadata.resourceVersion");
    if version.is_empty() && kind.is_custom() {
        let text = "must be specified for an update";
        let cause = StatusCause::invalid("metadata.resourceVersion", "", text);
        return Err(Status::invalid(
            kind.group(),
            kind.kind(),
            current.name(),
            vec![cause],
        ));
    }
    if !version.is_empty() && version != current.version().to_string() {
        return Err(Status::modified(kind, current.name()));
    }
    let uid = text_of(object, "metadata.uid");
    if !uid.is_empty() && uid != current.uid() {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            current.uid()
        );
        return Err(Status::conflict(kind, current.name(), &why));
    }
    Ok(())
}

pub(crate) fn check_preconditions(
    kind: &Kind,
    current: &StoredObject,
    preconditions: &Preconditions,
) -> Result<(), Status> {
    if let Some(uid) = preconditions
        .uid
        .as_deref()
        .filter(|uid| *uid != current.uid())
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object \
             might have been deleted and then recreated",
            current.uid()
        );
        return Err(Status::conflict(kind, current.name(), &why));
    }
    let version = current.version().to_string();
    let wanted = preconditions.resource_version.as_deref();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != version) {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion \
             in record ({version}). The object might have been modified"
        );
        return Err(Status::conflict(kind, current.name(), &why));
    }
    Ok(())
}

/// Whether anything but metadata and status differs.
pub(crate) fn spec_differs(old: &Object, new: &Object) -> bool {
    let counts =
        |key: &&String| !matches!(key.as_str(), "metadata" | "status" | "kind" | "apiVersion");
    old.keys()
        .chain(new.keys())
        .filter(counts)
        .any(|key| old.get(key) != new.get(key))
}

pub(crate) fn is_deleting(object: &Object) -> bool {
    !text_of(object, "metadata.deletionTimestamp").is_empty()
}

pub(crate) fn has_finalizers(object: &Object) -> bool {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get("finalizers"))
        .and_then(Value::as_array)
        .is_some_and(|finalizers| !finalizers.is_empty())
}

/// One more change of the specification.
pub(crate) fn count_generation(object: &mut Object) {
    let metadata = metadata_of(object);
    let generation = metadata
        .get("generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    metadata.insert("generation".to_owned(), generation.saturating_add(1).into());
}
