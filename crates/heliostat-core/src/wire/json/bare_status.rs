//! The members of a `Status` that comes where a list or a watch frame should be.
//!
//! Which of them a value has is known only at its end, so they are collected as they come.

use serde_json::{Map, Value};

use crate::object::GroupVersionKind;
use crate::status::Status;

/// The members collected so far.
#[derive(Debug, Default)]
pub(super) struct BareStatus(Map<String, Value>);

impl BareStatus {
    /// The member of a `Status` with this name, besides `kind`, `apiVersion` and `metadata`.
    pub(super) fn member(name: &str) -> Option<&'static str> {
        ["status", "message", "reason", "details", "code"]
            .into_iter()
            .find(|member| *member == name)
    }

    /// Keeps a member. A value that is not JSON is left out.
    pub(super) fn take(&mut self, name: &'static str, bytes: &[u8]) {
        if let Ok(value) = serde_json::from_slice(bytes) {
            self.set(name, value);
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// The `Status`, if the members are those of one.
    pub(super) fn status(&self) -> Option<Status> {
        Status::parse(&serde_json::to_vec(&self.0).ok()?)
    }

    /// The kind, with empty words for what is missing.
    pub(super) fn kind(&self) -> GroupVersionKind {
        let text = |name| self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        GroupVersionKind::new(text("apiVersion"), text("kind"))
    }
}
