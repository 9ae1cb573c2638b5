//! Writes: create, load, update, patch, delete, as sequences of the rules in `rules.rs` and
//! `validate.rs`.
//!
//! Every method either changes nothing and returns the `Status` that a client gets, or commits
//! exactly one change per object it returns as changed. A dry run goes the whole way but for the
//! commit.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::crd;
use super::patch::Patch;
use super::rules::{self, DeleteOptions};
use super::storage::Storage;
use super::validate;
use crate::collection::event_type::EventType;
use crate::collection::kind::{Kind, Object};
use crate::collection::object::{StoredObject, text_of};
use crate::collection::options;
use crate::collection::query::Query;
use crate::collection::reading::matching;
use crate::collection::status::Status;

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

/// An object as it is stored, and decoded.
struct Change {
    current: Arc<StoredObject>,
    old: Object,
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
        let metadata = rules::metadata_of(&mut object);
        metadata.remove("deletionTimestamp");
        metadata.remove("deletionGracePeriodSeconds");
        metadata.remove("generation");
        metadata.insert("uid".to_owned(), rules::uid(writer.stamp.entropy).into());
        metadata.insert(
            "creationTimestamp".to_owned(),
            rules::time(writer.stamp.now),
        );
        if kind.has_generation() {
            metadata.insert("generation".to_owned(), 1.into());
        }
        if kind.has_status() && !writer.internal && kind.qualified() != "nodes" {
            object.remove("status");
        }
        rules::defaults(kind, &mut object);
        rules::merge_string_data(kind, &mut object);
        crd::complete(kind, &mut object, writer.stamp.now)?;
        let stored = self.encode(kind, &key, &object, writer);
        self.enter(kind, stored, &object, writer)
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
        let metadata = rules::metadata_of(&mut object);
        let absent = |value: Option<&Value>| value.is_none_or(Value::is_null);
        if absent(metadata.get("uid")) {
            metadata.insert("uid".to_owned(), rules::uid(writer.stamp.entropy).into());
        }
        if absent(metadata.get("creationTimestamp")) {
            metadata.insert(
                "creationTimestamp".to_owned(),
                rules::time(writer.stamp.now),
            );
        }
        if kind.has_generation() && absent(metadata.get("generation")) {
            metadata.insert("generation".to_owned(), 1.into());
        }
        crd::complete(kind, &mut object, writer.stamp.now)?;
        let stored = self.encode(kind, &kind.key(&namespace, &name), &object, writer);
        self.enter(kind, stored, &object, writer)
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// 400, 404, 409 Conflict or 422.
    pub(crate) fn update(
        &mut self,
        kind: &Kind,
        address: Address<'_>,
        object: Object,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        let current = self.current(kind, address)?;
        let old = current.decode();
        self.replace(kind, address, &Change { current, old }, object, writer)
    }

    /// Patches an object. What comes of it is handed to `conform` before it is written.
    ///
    /// # Errors
    /// As [`Storage::update`], 400 or 422 for a patch that does not apply, and those of `conform`.
    pub(crate) fn patch(
        &mut self,
        kind: &Kind,
        address: Address<'_>,
        patch: &Patch,
        conform: impl FnOnce(Object) -> Result<Object, Status>,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        let current = self.current(kind, address)?;
        let old = current.decode();
        let patched = conform(patch.apply(kind, address.name, old.clone())?)?;
        self.replace(kind, address, &Change { current, old }, patched, writer)
    }

    fn current(&self, kind: &Kind, address: Address<'_>) -> Result<Arc<StoredObject>, Status> {
        let key = kind.key(address.namespace.unwrap_or_default(), address.name);
        self.get(kind, &key)
            .cloned()
            .ok_or_else(|| Status::not_found(kind, address.name))
    }

    fn replace(
        &mut self,
        kind: &Kind,
        address: Address<'_>,
        change: &Change,
        mut object: Object,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        let Change { current, old } = change;
        validate::types(kind, &object)?;
        validate::namespace(kind, address.namespace, &mut object)?;
        validate::same_name(&mut object, address.name)?;
        rules::check_lock(kind, &object, current)?;
        if address.part == Part::Status {
            object = rules::with_status_of(old.clone(), &mut object);
        }
        let keep_status = address.part == Part::Main && !writer.internal;
        rules::carry_over(kind, old, &mut object, keep_status);
        rules::merge_string_data(kind, &mut object);
        validate::update(kind, address.name, old, &object)?;
        if kind.has_generation() && rules::spec_differs(old, &object) {
            rules::count_generation(&mut object);
        }
        crd::complete(kind, &mut object, writer.stamp.now)?;
        let version = self.version_for(writer);
        let key = Arc::clone(current.key());
        let stored = StoredObject::encode(kind, key, &object, version, EventType::Modified);
        if stored.same_content(current) {
            return Ok(Arc::clone(current));
        }
        if rules::is_deleting(&object) && !rules::has_finalizers(&object) {
            return Ok(self.finish(kind, &stored, writer));
        }
        self.enter(kind, stored, &object, writer)
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
        let current = self.current(kind, address)?;
        if let Some(preconditions) = &options.preconditions {
            rules::check_preconditions(kind, &current, preconditions)?;
        }
        let mut object = current.decode();
        if !rules::has_finalizers(&object) {
            return Ok(Deleted::Gone(self.finish(kind, &current, writer)));
        }
        if rules::is_deleting(&object) {
            return Ok(Deleted::Pending(current));
        }
        let metadata = rules::metadata_of(&mut object);
        metadata.insert(
            "deletionTimestamp".to_owned(),
            rules::time(writer.stamp.now),
        );
        metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        if metadata.contains_key("generation") {
            rules::count_generation(&mut object);
        }
        let stored = self.encode(kind, current.key(), &object, writer);
        Ok(Deleted::Pending(self.enter(kind, stored, &object, writer)?))
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

    /// The version that a write gives its object: a dry run takes none.
    fn version_for(&self, writer: &Writer) -> u64 {
        self.revision() + u64::from(!writer.dry_run)
    }

    /// Encodes an object as the next change.
    fn encode(&self, kind: &Kind, key: &str, object: &Object, writer: &Writer) -> StoredObject {
        let event_type = match self.get(kind, key) {
            Some(_) => EventType::Modified,
            None => EventType::Added,
        };
        StoredObject::encode(
            kind,
            key.into(),
            object,
            self.version_for(writer),
            event_type,
        )
    }

    /// Enters what was encoded as the next change.
    ///
    /// # Errors
    /// 404 if the kind is no longer served.
    fn enter(
        &mut self,
        kind: &Kind,
        stored: StoredObject,
        object: &Object,
        writer: &Writer,
    ) -> Result<Arc<StoredObject>, Status> {
        let stored = Arc::new(stored);
        if !writer.dry_run {
            self.commit(kind, Arc::clone(&stored))?;
            crd::changed(self, kind, object);
        }
        Ok(stored)
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
