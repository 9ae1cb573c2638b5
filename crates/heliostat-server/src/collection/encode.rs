//! Objects into JSON, in the order of keys that real servers write: built-in kinds as their Go types
//! have them, custom resources sorted.

use std::ops::Range;

use serde_json::Value;

use super::kind::{Kind, Object, Shape};

/// The order of ObjectMeta's fields in the Go type, which is the order on the wire.
const METADATA_ORDER: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// The same for an entry of managedFields.
const MANAGED_ORDER: &[&str] = &[
    "manager",
    "operation",
    "apiVersion",
    "time",
    "fieldsType",
    "fieldsV1",
    "subresource",
];

/// An object in bytes, and where its parts are.
pub(crate) struct Encoded {
    /// What was there before, and the object.
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: Range<usize>,
    /// The digits of the resourceVersion, without the quotes.
    pub(crate) version: Range<usize>,
    /// Where a list item goes on after its opening brace.
    pub(crate) item: usize,
}

/// Appends `object` to `bytes` in the order that its kind has on the wire.
pub(crate) fn encode(kind: &Kind, object: &Object, version: u64, bytes: Vec<u8>) -> Encoded {
    let mut writer = Writer {
        out: bytes,
        version,
        version_span: 0..0,
    };
    let (metadata, item) = match kind.shape() {
        Shape::Custom => writer.custom(kind, object),
        Shape::Builtin => writer.builtin(kind, object),
    };
    Encoded {
        bytes: writer.out,
        metadata,
        version: writer.version_span,
        item,
    }
}

/// Writes an object and remembers where its version went.
struct Writer {
    out: Vec<u8>,
    version: u64,
    version_span: Range<usize>,
}

impl Writer {
    /// Everything sorted by key. Returns the span of the metadata and where the item goes on.
    fn custom(&mut self, kind: &Kind, object: &Object) -> (Range<usize>, usize) {
        self.out.push(b'{');
        let item = self.out.len();
        let mut span = 0..0;
        let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
        keys.extend(["apiVersion", "kind", "metadata"]);
        keys.sort_unstable();
        keys.dedup();
        for (index, key) in keys.into_iter().enumerate() {
            self.key(index, key);
            match key {
                "apiVersion" => self.text(kind.api_version()),
                "kind" => self.text(kind.kind()),
                "metadata" => {
                    let start = self.out.len();
                    self.metadata(object, Shape::Custom);
                    span = start..self.out.len();
                }
                other => self.member(object.get(other)),
            }
        }
        self.out.push(b'}');
        (span, item)
    }

    /// kind, apiVersion, metadata in ObjectMeta's order, then the rest sorted.
    fn builtin(&mut self, kind: &Kind, object: &Object) -> (Range<usize>, usize) {
        self.out.push(b'{');
        self.key(0, "kind");
        self.text(kind.kind());
        self.key(1, "apiVersion");
        self.text(kind.api_version());
        self.out.push(b',');
        let item = self.out.len();
        self.key(0, "metadata");
        let start = self.out.len();
        self.metadata(object, Shape::Builtin);
        let span = start..self.out.len();
        for (key, value) in object {
            if !matches!(key.as_str(), "kind" | "apiVersion" | "metadata") {
                self.key(1, key);
                self.member(Some(value));
            }
        }
        self.out.push(b'}');
        (span, item)
    }

    fn metadata(&mut self, object: &Object, shape: Shape) {
        let none = Object::new();
        let metadata = object
            .get("metadata")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let keys = match shape {
            Shape::Builtin => ordered_keys(metadata, METADATA_ORDER),
            Shape::Custom => {
                let mut keys: Vec<&str> = metadata.keys().map(String::as_str).collect();
                keys.push("resourceVersion");
                keys.sort_unstable();
                keys.dedup();
                keys
            }
        };
        self.out.push(b'{');
        for (index, key) in keys.into_iter().enumerate() {
            self.key(index, key);
            match (key, shape) {
                ("resourceVersion", _) => self.version(),
                ("managedFields", Shape::Builtin) => self.managed(metadata.get(key)),
                _ => self.member(metadata.get(key)),
            }
        }
        self.out.push(b'}');
    }

    fn version(&mut self) {
        self.out.push(b'"');
        let start = self.out.len();
        self.out
            .extend_from_slice(self.version.to_string().as_bytes());
        self.version_span = start..self.out.len();
        self.out.push(b'"');
    }

    fn managed(&mut self, entries: Option<&Value>) {
        let Some(entries) = entries.and_then(Value::as_array) else {
            return self.member(entries);
        };
        self.out.push(b'[');
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let Some(entry) = entry.as_object() else {
                self.member(Some(entry));
                continue;
            };
            self.out.push(b'{');
            let keys = ordered_keys(entry, MANAGED_ORDER);
            for (index, key) in keys
                .into_iter()
                .filter(|key| entry.contains_key(*key))
                .enumerate()
            {
                self.key(index, key);
                self.member(entry.get(key));
            }
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    fn key(&mut self, index: usize, key: &str) {
        if index > 0 {
            self.out.push(b',');
        }
        self.text(key);
        self.out.push(b':');
    }

    fn text(&mut self, text: &str) {
        // Writing a string to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    fn member(&mut self, value: Option<&Value>) {
        // Writing a value with text keys to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.out, value.unwrap_or(&Value::Null));
    }
}

/// The keys of `map` in the given order, unknown ones behind, sorted. `resourceVersion` is among
/// them whenever the order knows it: the writer has a value for it.
fn ordered_keys<'a>(map: &'a Object, order: &[&'a str]) -> Vec<&'a str> {
    let mut keys: Vec<&str> = order
        .iter()
        .copied()
        .filter(|key| *key == "resourceVersion" || map.contains_key(*key))
        .collect();
    keys.extend(
        map.keys()
            .map(String::as_str)
            .filter(|key| !order.contains(key)),
    );
    keys
}
