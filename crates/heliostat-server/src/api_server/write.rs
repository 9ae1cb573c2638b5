//! The rules of writing: names, optimistic locking, generation, status, finalizers.
//!
//! Every method either changes nothing and returns the `Status` that a client gets, or commits
//! exactly one change per object it returns as changed. A dry run goes the whole way but for the
//! commit.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::crd;
use super::kind::{Kind, Object};
use super::object::{EventType, StoredObject, text_of};
use super::options;
use super::patch::Patch;
use super::query::Query;
use super::status::{Status, StatusCause};
use super::storage::{Storage, matching};
use super::validate;

/// What a write needs from outside: the time, and entropy for uids and generated names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) now: Timestamp,
    pub(crate) entropy: u128,
}

/// Who writes, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) stamp: Stamp,
    pub(crate) dry_run: bool,
    /// A writer inside the process may set the status together with the rest, as the parts of a
    /// control plane do through several requests.
    pub(crate) internal: bool,
}

/// Which object, and which part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) part: Part,
}

/// The part of an object that a URL names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The object itself.
    Main,
    /// Its status subresource.
    Status,
}

/// What a delete may say about itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
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

/// What became of a delete.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; this is its last state.
    Gone(Arc<StoredObject>),
    /// Finalizers hold it; this is its state with the deletion timestamp.
    Pending(Arc<StoredObject>),
}

impl Deleted {
    pub(crate) fn object(&self) -> &Arc<StoredObject> {
        match self {
            Self::Gone(object) | Self::Pending(object) => object,
        }
    }
}

impl Storage {
    /// Creates an object.
    ///
    /// # Errors
    /// 400, 409 AlreadyExists, 422 or the plain 500 of the real server.
    pub(crate) fn create(
        &mut self,
        kind: &Kind,
        namespace: Option<&str>,
        mut object: Object,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        validate::types(kind, &object)?;
        let namespace = validate::namespace(kind, namespace, &mut object)?;
        let name = validate::new_name(kind, &mut object, writer.stamp.entropy)?;
        if !text_of(&object, "metadata.resourceVersion").is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Status::plain_error(message));
        }
        let key = kind.key(&namespace, &name);
        if self.get(kind, &key).is_some() {
            return Err(Status::already_exists(kind, &name));
        }
        let metadata = metadata_of(&mut object);
        metadata.remove("deletionTimestamp");
        metadata.remove("deletionGracePeriodSeconds");
        metadata.remove("generation");
        metadata.insert("uid".to_owned(), uid(writer.stamp.entropy).into());
        metadata.insert("creationTimestamp".to_owned(), time(writer.stamp.now));
        if kind.has_generation() {
            metadata.insert("generation".to_owned(), 1.into());
        }
        if kind.has_status() && !writer.internal && kind.qualified() != "nodes" {
            object.remove("status");
        }
        defaults(kind, &mut object);
        crd::complete(kind, &mut object, writer.stamp.now)?;
        Ok(self.enter(kind, key.into(), &object, writer))
    }

    /// Puts an object in as it is, whatever is there: uid, times, status and all. Absent uids and
    /// times are filled in. For loading prepared data.
    ///
    /// # Errors
    /// 400 or 422 for an object without a usable name or namespace.
    pub(crate) fn load(
        &mut self,
        kind: &Kind,
        mut object: Object,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        validate::types(kind, &object)?;
        let namespace = validate::namespace(kind, None, &mut object)?;
        let name = validate::new_name(kind, &mut object, writer.stamp.entropy)?;
        let metadata = metadata_of(&mut object);
        let absent = |value: Option<&Value>| value.is_none_or(Value::is_null);
        if absent(metadata.get("uid")) {
            metadata.insert("uid".to_owned(), uid(writer.stamp.entropy).into());
        }
        if absent(metadata.get("creationTimestamp")) {
            metadata.insert("creationTimestamp".to_owned(), time(writer.stamp.now));
        }
        if kind.has_generation() && absent(metadata.get("generation")) {
            metadata.insert("generation".to_owned(), 1.into());
        }
        crd::complete(kind, &mut object, writer.stamp.now)?;
        Ok(self.enter(kind, kind.key(&namespace, &name).into(), &object, writer))
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// 400, 404, 409 Conflict or 422.
    pub(crate) fn update(
        &mut self,
        kind: &Kind,
        address: Address<'_>,
        mut object: Object,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        validate::types(kind, &object)?;
        let namespace = validate::namespace(kind, address.namespace, &mut object)?;
        validate::same_name(&mut object, address.name)?;
        let key = kind.key(&namespace, address.name);
        let current = self.get(kind, &key).cloned();
        let current = current.ok_or_else(|| Status::not_found(kind, address.name))?;
        check_lock(kind, &object, &current)?;
        let old = current.decode();
        if address.part == Part::Status {
            object = with_status_of(old.clone(), &mut object);
        }
        carry_over(
            kind,
            &old,
            &mut object,
            address.part == Part::Main && !writer.internal,
        );
        validate::update(kind, address.name, &old, &object)?;
        if kind.has_generation() && spec_differs(&old, &object) {
            let generation = old
                .get("metadata")
                .and_then(|metadata| metadata.get("generation"))
                .and_then(Value::as_i64)
                .unwrap_or(0);
            metadata_of(&mut object).insert("generation".to_owned(), (generation + 1).into());
        }
        crd::complete(kind, &mut object, writer.stamp.now)?;
        let event_type = EventType::Modified;
        let same = StoredObject::encode(kind, Arc::clone(current.key()), &object, 0, event_type);
        if same.same_content(&current) {
            return Ok(current);
        }
        if is_deleting(&object) && !has_finalizers(&object) {
            return Ok(self.finish(kind, &same, writer));
        }
        Ok(self.enter(kind, key.into(), &object, writer))
    }

    /// Patches an object.
    ///
    /// # Errors
    /// As [`Storage::update`], and 400 or 422 for a patch that does not apply.
    pub(crate) fn patch(
        &mut self,
        kind: &Kind,
        address: Address<'_>,
        patch: &Patch,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        let key = kind.key(address.namespace.unwrap_or_default(), address.name);
        let current = self.get(kind, &key);
        let current = current.ok_or_else(|| Status::not_found(kind, address.name))?;
        let patched = patch.apply(kind, address.name, current.decode())?;
        self.update(kind, address, patched, writer)
    }

    /// Deletes an object, or marks it as to be deleted while finalizers hold it.
    ///
    /// # Errors
    /// 404, or 409 Conflict for a precondition that does not hold.
    pub(crate) fn delete(
        &mut self,
        kind: &Kind,
        address: Address<'_>,
        options: &DeleteOptions,
        writer: &Writer,
    ) -> Result<Deleted, Status> {
        let key = kind.key(address.namespace.unwrap_or_default(), address.name);
        let current = self.get(kind, &key).cloned();
        let current = current.ok_or_else(|| Status::not_found(kind, address.name))?;
        if let Some(preconditions) = &options.preconditions {
            check_preconditions(kind, &current, preconditions)?;
        }
        let mut object = current.decode();
        if !has_finalizers(&object) {
            return Ok(Deleted::Gone(self.finish(kind, &current, writer)));
        }
        if is_deleting(&object) {
            return Ok(Deleted::Pending(current));
        }
        let metadata = metadata_of(&mut object);
        metadata.insert("deletionTimestamp".to_owned(), time(writer.stamp.now));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
            metadata.insert("generation".to_owned(), (generation + 1).into());
        }
        Ok(Deleted::Pending(self.enter(
            kind,
            key.into(),
            &object,
            writer,
        )))
    }

    /// Deletes every object that the query selects; returns them in key order.
    ///
    /// # Errors
    /// A 400 for selectors that cannot be parsed.
    pub(crate) fn delete_collection(
        &mut self,
        kind: &Kind,
        namespace: Option<&str>,
        query: &Query,
        writer: &Writer,
    ) -> Result<Vec<Arc<StoredObject>>, Status> {
        let selection = options::selection(kind, namespace, query)?;
        let options = DeleteOptions::default();
        matching(&self.objects(kind), &selection)
            .into_iter()
            .map(|object| {
                let namespace = kind.is_namespaced().then(|| object.namespace());
                let address = Address {
                    namespace,
                    name: object.name(),
                    part: Part::Main,
                };
                let deleted = self.delete(kind, address, &options, writer)?;
                Ok(Arc::clone(deleted.object()))
            })
            .collect()
    }

    fn enter(
        &mut self,
        kind: &Kind,
        key: Arc<str>,
        object: &Object,
        writer: &Writer,
    ) -> Arc<StoredObject> {
        let exists = self.get(kind, &key).is_some();
        let event_type = if exists {
            EventType::Modified
        } else {
            EventType::Added
        };
        let version = if writer.dry_run {
            self.revision()
        } else {
            self.revision() + 1
        };
        let stored = Arc::new(StoredObject::encode(kind, key, object, version, event_type));
        if !writer.dry_run {
            self.commit(kind, Arc::clone(&stored));
            crd::changed(self, kind, object);
        }
        stored
    }

    /// Removes the object; its last state is the one handed in.
    fn finish(&mut self, kind: &Kind, last: &StoredObject, writer: &Writer) -> Arc<StoredObject> {
        if writer.dry_run {
            return Arc::new(last.at(self.revision(), EventType::Deleted));
        }
        let removed = self.remove(kind, last.key());
        crd::removed(self, kind, last.name());
        removed.unwrap_or_else(|| Arc::new(last.at(self.revision(), EventType::Deleted)))
    }
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
fn uid(entropy: u128) -> String {
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
fn defaults(kind: &Kind, object: &mut Object) {
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

/// What only the server sets comes from the old object, whatever the writer sent.
fn carry_over(kind: &Kind, old: &Object, object: &mut Object, keep_status: bool) {
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
fn with_status_of(mut old: Object, new: &mut Object) -> Object {
    match new.remove("status") {
        Some(status) => old.insert("status".to_owned(), status),
        None => old.remove("status"),
    };
    old
}

fn check_lock(kind: &Kind, object: &Object, current: &StoredObject) -> Result<(), Status> {
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

fn check_preconditions(
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
fn spec_differs(old: &Object, new: &Object) -> bool {
    let counts =
        |key: &&String| !matches!(key.as_str(), "metadata" | "status" | "kind" | "apiVersion");
    old.keys()
        .chain(new.keys())
        .filter(counts)
        .any(|key| old.get(key) != new.get(key))
}

fn is_deleting(object: &Object) -> bool {
    !text_of(object, "metadata.deletionTimestamp").is_empty()
}

fn has_finalizers(object: &Object) -> bool {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get("finalizers"))
        .and_then(Value::as_array)
        .is_some_and(|finalizers| !finalizers.is_empty())
}
