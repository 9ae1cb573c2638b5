//! One object as the storage keeps it: its watch frame, encoded once, and the few facts that
//! selectors, keys and versions need.
//!
//! The invariant to know: `frame` is a whole line of a watch stream,
//! `{"type":"ADDED","object":{..}}\n`, and every other form (the bare object, the list item without
//! its type, the metadata alone) is a slice of it. So an event costs one encoding for all watchers,
//! and a list copies bytes instead of serializing. The same holds for protobuf, which is encoded
//! when the first client asks for it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use heliostat_kinds::schema;
use serde_json::Value;

use super::binary::{Binary, partial_kind};
use super::encode::encode;
use super::event_type::EventType;
use super::kind::{Kind, Object};
use super::status::Status;

/// An object in the storage, immutable: a change makes a new one.
#[derive(Debug)]
pub(crate) struct StoredObject {
    key: Arc<str>,
    version: u64,
    uid: Box<str>,
    labels: Box<[(Box<str>, Box<str>)]>,
    /// Values of the kind's selectable fields, in the kind's order; absent ones are empty.
    fields: Box<[Box<str>]>,
    event_type: EventType,
    frame: Bytes,
    spans: Spans,
    /// The object in protobuf, once a client has asked for it, or why it has none.
    binary: Encodings,
}

/// The encodings in protobuf of one object.
#[derive(Debug, Default)]
struct Encodings {
    object: OnceLock<Box<Result<Binary, String>>>,
    /// Its metadata alone.
    partial: OnceLock<Box<Result<Binary, String>>>,
}

/// Where the parts are inside the frame.
#[derive(Clone, Debug)]
struct Spans {
    object: Range<usize>,
    metadata: Range<usize>,
    /// The digits of the resourceVersion, without the quotes.
    version: Range<usize>,
    /// Where a list item goes on after its opening brace: behind kind and apiVersion for built-in
    /// kinds.
    item: usize,
}

impl StoredObject {
    /// Encodes `object`, whose own `resourceVersion` (if any) is replaced by `version`.
    pub(crate) fn encode(
        kind: &Kind,
        key: Arc<str>,
        object: &Object,
        version: u64,
        event_type: EventType,
    ) -> Self {
        let mut frame = Vec::with_capacity(512);
        event_type.open(&mut frame);
        let start = frame.len();
        let encoded = encode(kind, object, version, frame);
        let mut frame = encoded.bytes;
        let spans = Spans {
            object: start..frame.len(),
            metadata: encoded.metadata,
            version: encoded.version,
            item: encoded.item,
        };
        frame.extend_from_slice(b"}\n");
        frame.shrink_to_fit();
        Self {
            key,
            version,
            uid: text_of(object, "metadata.uid").into(),
            labels: labels_of(object),
            fields: kind
                .selectable_fields()
                .iter()
                .map(|path| text_of(object, path).into_boxed_str())
                .collect(),
            event_type,
            frame: frame.into(),
            spans,
            binary: Encodings::default(),
        }
    }

    /// The same state under another version and event type, without decoding: what a deletion
    /// and a selector's DELETED need.
    pub(crate) fn at(&self, version: u64, event_type: EventType) -> Self {
        let digits = version.to_string();
        let object = &self.spans.object;
        let mut frame = Vec::with_capacity(self.frame.len() + 8);
        event_type.open(&mut frame);
        let start = frame.len();
        let moved = |offset: usize| start + (offset - object.start);
        let version_start = moved(self.spans.version.start);
        frame.extend_from_slice(&self.frame[object.start..self.spans.version.start]);
        frame.extend_from_slice(digits.as_bytes());
        frame.extend_from_slice(&self.frame[self.spans.version.end..object.end]);
        let end = frame.len();
        frame.extend_from_slice(b"}\n");
        let grown = |offset: usize| {
            let moved = moved(offset);
            moved + digits.len() - self.spans.version.len()
        };
        let spans = Spans {
            object: start..end,
            metadata: moved(self.spans.metadata.start)..grown(self.spans.metadata.end),
            version: version_start..version_start + digits.len(),
            item: moved(self.spans.item),
        };
        Self {
            key: Arc::clone(&self.key),
            version,
            uid: self.uid.clone(),
            labels: self.labels.clone(),
            fields: self.fields.clone(),
            event_type,
            frame: frame.into(),
            spans,
            binary: Encodings::default(),
        }
    }

    /// The same object in a shape that no typed client can decode, though it is valid JSON: its
    /// labels are a text.
    pub(crate) fn malformed(&self, kind: &Kind) -> Self {
        let mut object = self.decode();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("labels".to_owned(), "malformed".into());
        }
        let malformed = Self::encode(
            kind,
            Arc::clone(&self.key),
            &object,
            self.version,
            self.event_type,
        );
        let spoil = |found: Result<&Binary, Status>, kind: &'static schema::Kind| {
            let binary = found.map(|binary| binary.malformed(kind));
            Box::new(binary.map_err(|status| status.message().to_owned()))
        };
        if let Some(typed) = kind.protobuf() {
            _ = (malformed.binary.object).set(spoil(self.binary(typed), typed));
        }
        _ = (malformed.binary.partial).set(spoil(self.partial_binary(), partial_kind()));
        malformed
    }

    /// The object in protobuf, encoded when the first client asks for it.
    ///
    /// # Errors
    /// A 500 if the storage holds what its kind does not allow, which a writer in process may do.
    pub(crate) fn binary(&self, kind: &'static schema::Kind) -> Result<&Binary, Status> {
        let encode = || Box::new(Binary::encode(self.event_type, kind, &self.json()));
        let binary = self.binary.object.get_or_init(encode);
        binary
            .as_ref()
            .as_ref()
            .map_err(|error| self.unencodable(error))
    }

    /// The metadata alone in protobuf, encoded when the first client asks for it.
    ///
    /// # Errors
    /// As [`StoredObject::binary`].
    pub(crate) fn partial_binary(&self) -> Result<&Binary, Status> {
        let encode = || {
            let mut json = Vec::with_capacity(self.spans.metadata.len() + 80);
            self.write_partial(&mut json);
            Box::new(Binary::encode(self.event_type, partial_kind(), &json))
        };
        let binary = self.binary.partial.get_or_init(encode);
        binary
            .as_ref()
            .as_ref()
            .map_err(|error| self.unencodable(error))
    }

    fn unencodable(&self, error: &str) -> Status {
        let key = &self.key;
        Status::internal_error(&format!(
            "object {key:?} cannot be written as protobuf: {error}"
        ))
    }

    /// The watch frame under a type: shared when it is the type the object was written with.
    pub(crate) fn frame(&self, event_type: EventType) -> Bytes {
        if event_type == self.event_type {
            self.frame.clone()
        } else {
            event_type.frame(&self.frame[self.spans.object.clone()])
        }
    }

    /// The watch frame of the metadata alone.
    pub(crate) fn partial_frame(&self, event_type: EventType) -> Bytes {
        let mut object = Vec::with_capacity(self.spans.metadata.len() + 80);
        self.write_partial(&mut object);
        event_type.frame(&object)
    }

    /// The whole object, as a get answers.
    pub(crate) fn json(&self) -> Bytes {
        self.frame.slice(self.spans.object.clone())
    }

    /// Appends the object as a list item: built-in kinds leave out kind and apiVersion.
    pub(crate) fn write_item(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(&self.frame[self.spans.item..self.spans.object.end]);
    }

    /// Appends the object as PartialObjectMetadata.
    pub(crate) fn write_partial(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#,
        );
        out.extend_from_slice(&self.frame[self.spans.metadata.clone()]);
        out.push(b'}');
    }

    /// Decodes the object. What the storage wrote is always an object.
    pub(crate) fn decode(&self) -> Object {
        serde_json::from_slice(&self.frame[self.spans.object.clone()]).unwrap_or_default()
    }

    /// Whether both have the same bytes but for the version.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        let (a, b) = (&self.spans, &other.spans);
        self.frame[a.object.start..a.version.start] == other.frame[b.object.start..b.version.start]
            && self.frame[a.version.end..a.object.end] == other.frame[b.version.end..b.object.end]
    }

    pub(crate) fn key(&self) -> &Arc<str> {
        &self.key
    }

    pub(crate) fn namespace(&self) -> &str {
        self.key
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    pub(crate) fn name(&self) -> &str {
        self.key
            .split_once('/')
            .map_or(&*self.key, |(_, name)| name)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let at = self
            .labels
            .binary_search_by(|(known, _)| (**known).cmp(key))
            .ok()?;
        self.labels.get(at).map(|(_, value)| &**value)
    }

    pub(crate) fn field(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", |value| value)
    }

    pub(crate) fn size(&self) -> usize {
        self.frame.len()
    }
}

/// The text of a field by its dotted path; numbers and booleans as JSON writes them, else empty.
pub(crate) fn text_of(object: &Object, path: &str) -> String {
    let mut parts = path.split('.');
    let first = parts.next().and_then(|part| object.get(part));
    match parts.fold(first, |value, part| value?.get(part)) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

fn labels_of(object: &Object) -> Box<[(Box<str>, Box<str>)]> {
    let labels = object
        .get("metadata")
        .and_then(|metadata| metadata.get("labels"));
    let mut pairs: Vec<(Box<str>, Box<str>)> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
        .collect();
    pairs.sort();
    pairs.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../../testdata/recorded/get-json.body");
    const WIDGETS: &str = include_str!("../../testdata/recorded/list-cr-json.body");

    fn config_map() -> (Kind, Object) {
        let kind = Kind::builtin("", "v1", "ConfigMap", "configmaps");
        (kind, serde_json::from_str(RECORDED).unwrap())
    }

    fn stored(kind: &Kind, object: &Object, version: u64, event_type: EventType) -> StoredObject {
        StoredObject::encode(kind, "cap/cm-1".into(), object, version, event_type)
    }

    #[test]
    fn a_recorded_config_map_is_written_byte_for_byte() {
        let (kind, object) = config_map();
        let stored = stored(&kind, &object, 20_392, EventType::Added);
        assert_eq!(
            std::str::from_utf8(&stored.json()).unwrap(),
            RECORDED.trim_end()
        );
        assert_eq!((stored.namespace(), stored.name()), ("cap", "cm-1"));
        assert_eq!(stored.label("app"), Some("a1"));
        assert_eq!(stored.label("other"), None);
    }

    #[test]
    fn a_list_item_has_no_type_and_a_frame_has_one() {
        let (kind, object) = config_map();
        let stored = stored(&kind, &object, 20_392, EventType::Added);
        let mut item = Vec::new();
        stored.write_item(&mut item);
        assert!(item.starts_with(br#"{"metadata":{"name":"cm-1","namespace":"cap""#));
        let frame = stored.frame(EventType::Modified);
        assert!(frame.starts_with(br#"{"type":"MODIFIED","object":{"kind":"ConfigMap","#));
        assert!(frame.ends_with(b"}}\n"));
        let frame = stored.partial_frame(EventType::Added);
        let value: Value = serde_json::from_slice(&frame).unwrap();
        assert_eq!(value["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(value["object"]["metadata"]["resourceVersion"], "20392");
    }

    #[test]
    fn another_version_changes_the_version_and_nothing_else() {
        let (kind, object) = config_map();
        for version in [7, 20_393, u64::MAX] {
            let moved =
                stored(&kind, &object, 20_392, EventType::Added).at(version, EventType::Deleted);
            let fresh = stored(&kind, &object, version, EventType::Deleted);
            assert_eq!(moved.frame, fresh.frame);
            let (mut a, mut b) = (Vec::new(), Vec::new());
            moved.write_partial(&mut a);
            fresh.write_partial(&mut b);
            assert_eq!(a, b);
            a.clear();
            b.clear();
            moved.write_item(&mut a);
            fresh.write_item(&mut b);
            assert_eq!(a, b);
            assert!(moved.same_content(&stored(&kind, &object, 20_392, EventType::Added)));
        }
    }

    #[test]
    fn a_recorded_custom_resource_is_written_byte_for_byte() {
        let kind = Kind::custom("example.com", "v1", "Widget", "widgets");
        let list: Value = serde_json::from_str(WIDGETS).unwrap();
        let object = list["items"][0].as_object().unwrap();
        let stored =
            StoredObject::encode(&kind, "cap/w-1".into(), object, 20_405, EventType::Added);
        let mut item = Vec::new();
        stored.write_item(&mut item);
        assert!(WIDGETS.contains(std::str::from_utf8(&item).unwrap()));
        assert_eq!(item, stored.json());
    }
}
