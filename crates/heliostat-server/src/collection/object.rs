//! One object of a collection: the few facts that selectors, keys and versions need, and its bytes as
//! its owner has them.
//!
//! A storage encodes an object in JSON when it is written; a watch cache has what its source sent, in
//! either encoding and packed. Every other representation is made when the first client asks for it:
//! see [`representations`](super::representations).

use std::sync::Arc;

use bytes::Bytes;
use heliostat_core::object::Header;
use heliostat_kinds::schema;
use serde_json::Value;

use super::binary::{self, Binary, partial_kind};
use super::event_type::EventType;
use super::json::{Json, Line};
use super::kind::{Kind, Object};
use super::representations::{Holder, Representations};
use super::source::{Content, Facts, SourceKind, Sourced};
use super::status::Status;

/// An object in a collection, immutable: a change makes a new one.
#[derive(Debug)]
pub(crate) struct StoredObject {
    key: Arc<str>,
    version: u64,
    /// The version at which the object came into being; 0 if that is not known.
    created: u64,
    uid: Arc<str>,
    facts: Arc<Facts>,
    /// About how many bytes there are.
    size: usize,
    event_type: EventType,
    body: Body,
    made: Holder,
}

/// The bytes of an object.
#[derive(Clone, Debug)]
enum Body {
    /// As a storage encoded it.
    Json(Json),
    /// As a source sent it.
    Source(Sourced),
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
        let json = Json::encode(kind, object, version, event_type);
        let fields = kind.selectable_fields().iter();
        Self {
            key,
            version,
            created: version,
            uid: text_of(object, "metadata.uid").into(),
            facts: Arc::new(Facts {
                labels: labels_of(object),
                fields: fields.map(|path| text_of(object, path).into()).collect(),
            }),
            size: json.line().len(),
            event_type,
            body: Body::Json(json),
            made: Holder::object(),
        }
    }

    /// Takes an object as a source sent it. `key`, the version and the uid are the header's; the rest
    /// is read from the bytes.
    ///
    /// # Errors
    /// If the version is no number, or the bytes cannot be reached.
    pub(crate) fn from_source(
        source: &Arc<SourceKind>,
        header: &Header,
        content: Arc<dyn Content>,
        event_type: EventType,
    ) -> Result<Self, String> {
        let version = header.resource_version.as_decimal().ok_or_else(|| {
            format!(
                "the version {} of {} is not a number",
                header.resource_version, header.key
            )
        })?;
        let (sourced, facts) = Sourced::read(source, content, version)?;
        Ok(Self {
            key: header.key.as_str().into(),
            version,
            created: 0,
            uid: header.uid.to_string().into(),
            facts: Arc::new(facts),
            size: sourced.len(),
            event_type,
            body: Body::Source(sourced),
            made: Holder::cache(source.representations()),
        })
    }

    /// The same state under another version and event type, without decoding: what a deletion
    /// and a selector's DELETED need.
    pub(crate) fn at(&self, version: u64, event_type: EventType) -> Self {
        Self {
            key: Arc::clone(&self.key),
            version,
            created: self.created,
            uid: Arc::clone(&self.uid),
            facts: Arc::clone(&self.facts),
            size: self.size,
            event_type,
            body: match &self.body {
                Body::Json(json) => Body::Json(json.at(version, event_type)),
                Body::Source(sourced) => Body::Source(sourced.clone()),
            },
            made: self.made.like(),
        }
    }

    /// The next state of an object that exists: it keeps the version of its creation, and shares facts
    /// that did not change.
    #[must_use]
    pub(crate) fn after(mut self, previous: &Self) -> Self {
        self.created = previous.created;
        if self.uid == previous.uid {
            self.uid = Arc::clone(&previous.uid);
        }
        if *self.facts == *previous.facts {
            self.facts = Arc::clone(&previous.facts);
        }
        self.key = Arc::clone(&previous.key);
        self
    }

    /// The first state of an object, of which the version of its creation is known.
    #[must_use]
    pub(crate) fn created_now(mut self) -> Self {
        self.created = self.version;
        self
    }

    /// The same object in a shape that no typed client can decode, though it is valid JSON: its
    /// labels are a text.
    pub(crate) fn malformed(&self, kind: &Kind) -> Self {
        let mut object = self.decode();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("labels".to_owned(), "malformed".into());
        }
        let key = Arc::clone(&self.key);
        let malformed = Self::encode(kind, key, &object, self.version, self.event_type);
        let spoil = |found: Result<Binary, Status>, kind: &'static schema::Kind| {
            let binary = found.map(|binary| binary.malformed(kind));
            binary.map_err(|status| status.message().to_owned())
        };
        let made = Representations::default();
        if let Some(typed) = kind.protobuf() {
            _ = made.binary.set(spoil(self.binary(typed), typed));
        }
        let partial = spoil(self.partial_binary(), partial_kind());
        _ = made.partial_binary.set(partial);
        Self {
            made: Holder::of(made),
            ..malformed
        }
    }

    /// The object in JSON.
    ///
    /// # Errors
    /// A 500 if the source sent what is no object of its kind.
    pub(crate) fn json(&self) -> Result<Json, Status> {
        if let Body::Json(json) = &self.body {
            return Ok(json.clone());
        }
        let make = || {
            let json = self.make_json()?;
            let bytes = json.line().len();
            Ok((json, bytes))
        };
        let made = self.made.get_or_make(|made| &made.json, make);
        made.map_err(|error| self.unencodable("JSON", &error))
    }

    fn make_json(&self) -> Result<Json, String> {
        match &self.body {
            Body::Json(json) => Ok(json.clone()),
            Body::Source(sourced) => sourced.json(self.version, self.event_type),
        }
    }

    /// The object in JSON for a reader who reads many objects once: it is not kept.
    ///
    /// # Errors
    /// As [`StoredObject::json`].
    pub(crate) fn json_once(&self) -> Result<Json, Status> {
        if let Some(json) = self.made.made(|made| &made.json) {
            return Ok(json);
        }
        let json = self.make_json();
        json.map_err(|error| self.unencodable("JSON", &error))
    }

    /// The object in protobuf.
    ///
    /// # Errors
    /// A 500 if the object is not what its kind allows: what a writer in process stored, or a source
    /// sent.
    pub(crate) fn binary(&self, kind: &'static schema::Kind) -> Result<Binary, Status> {
        let make = || {
            let own = match &self.body {
                Body::Source(sourced) => sourced.binary(self.version, self.event_type),
                Body::Json(_) => None,
            };
            let binary = match own {
                Some(own) => own?,
                None => {
                    let json = self.json().map_err(|status| status.message().to_owned())?;
                    Binary::encode(self.event_type, kind, &json.line().object())?
                }
            };
            let bytes = binary.len();
            Ok((binary, bytes))
        };
        let made = self.made.get_or_make(|made| &made.binary, make);
        made.map_err(|error| self.unencodable("protobuf", &error))
    }

    /// The metadata alone in protobuf.
    ///
    /// # Errors
    /// As [`StoredObject::binary`].
    pub(crate) fn partial_binary(&self) -> Result<Binary, Status> {
        let make = || {
            let partial = self
                .partial()
                .map_err(|status| status.message().to_owned())?;
            let binary = Binary::encode(self.event_type, partial_kind(), &partial.object())?;
            let bytes = binary.len();
            Ok((binary, bytes))
        };
        let made = self.made.get_or_make(|made| &made.partial_binary, make);
        made.map_err(|error| self.unencodable("protobuf", &error))
    }

    /// The metadata alone in JSON.
    ///
    /// # Errors
    /// As [`StoredObject::json`].
    pub(crate) fn partial(&self) -> Result<Line, Status> {
        let make = || {
            let json = self.json().map_err(|status| status.message().to_owned())?;
            let mut object = Vec::with_capacity(512);
            json.write_partial(&mut object);
            let line = Line::new(self.event_type, &object);
            let bytes = line.len();
            Ok((line, bytes))
        };
        let made = self.made.get_or_make(|made| &made.partial, make);
        made.map_err(|error| self.unencodable("JSON", &error))
    }

    fn unencodable(&self, encoding: &str, error: &str) -> Status {
        let key = &self.key;
        Status::internal_error(&format!(
            "object {key:?} cannot be written as {encoding}: {error}"
        ))
    }

    /// The whole object in JSON, as a get answers it.
    ///
    /// # Errors
    /// As [`StoredObject::json`].
    pub(crate) fn text(&self) -> Result<Bytes, Status> {
        Ok(self.json()?.line().object())
    }

    /// Decodes the object. What cannot be decoded has no members.
    pub(crate) fn decode(&self) -> Object {
        let text = self.text().unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Whether both have the same bytes but for the version.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        match (&self.body, &other.body) {
            (Body::Json(json), Body::Json(other)) => json.same_content(other),
            (Body::Source(sourced), Body::Source(other)) if sourced.same_bytes(other) => true,
            // The same object may come in another encoding.
            _ => match (self.json(), other.json()) {
                (Ok(json), Ok(other)) => json.same_content(&other),
                _ => false,
            },
        }
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

    /// The version at which the object came into being; 0 if that is not known.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let labels = &self.facts.labels;
        let at = labels.binary_search_by(|(known, _)| (**known).cmp(key));
        labels.get(at.ok()?).map(|(_, value)| &**value)
    }

    pub(crate) fn field(&self, index: usize) -> &str {
        self.facts.fields.get(index).map_or("", |value| value)
    }

    /// About how many bytes the object has.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Appends the object in protobuf as an item of a list.
    ///
    /// # Errors
    /// As [`StoredObject::binary`].
    pub(crate) fn write_message_item(
        &self,
        out: &mut Vec<u8>,
        kind: &'static schema::Kind,
    ) -> Result<(), Status> {
        match &self.body {
            Body::Source(sourced) if self.message_len().is_some() => {
                let written = sourced.write_message_item(out);
                written.map_err(|error| self.unencodable("protobuf", &error))
            }
            _ => {
                binary::write_item(out, self.binary(kind)?.message());
                Ok(())
            }
        }
    }

    /// How many bytes the object has in protobuf as an item of a list.
    ///
    /// # Errors
    /// As [`StoredObject::binary`].
    pub(crate) fn message_item_len(&self, kind: &'static schema::Kind) -> Result<usize, Status> {
        match self.message_len() {
            Some(len) => Ok(binary::bytes_field_len(len)),
            None => Ok(binary::item_len(self.binary(kind)?.message())),
        }
    }

    /// How many bytes the message of the object in protobuf has, where the source sent it so.
    fn message_len(&self) -> Option<usize> {
        match &self.body {
            Body::Source(sourced) => sourced.message_len(self.version),
            Body::Json(_) => None,
        }
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

fn labels_of(object: &Object) -> Vec<(Box<str>, Box<str>)> {
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
    pairs
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
            std::str::from_utf8(&stored.text().unwrap()).unwrap(),
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
        stored.json().unwrap().write_item(&mut item);
        assert!(item.starts_with(br#"{"metadata":{"name":"cm-1","namespace":"cap""#));
        let frame = stored.json().unwrap().line().frame(EventType::Modified);
        assert!(frame.starts_with(br#"{"type":"MODIFIED","object":{"kind":"ConfigMap","#));
        assert!(frame.ends_with(b"}}\n"));
        let frame = stored.partial().unwrap().frame(EventType::Added);
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
            let (moved, fresh) = (moved.json().unwrap(), fresh.json().unwrap());
            assert_eq!(
                moved.line().frame(EventType::Deleted),
                fresh.line().frame(EventType::Deleted)
            );
            let (mut a, mut b) = (Vec::new(), Vec::new());
            moved.write_partial(&mut a);
            fresh.write_partial(&mut b);
            assert_eq!(a, b);
            a.clear();
            b.clear();
            moved.write_item(&mut a);
            fresh.write_item(&mut b);
            assert_eq!(a, b);
            let old = stored(&kind, &object, 20_392, EventType::Added);
            assert!(moved.same_content(&old.json().unwrap()));
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
        stored.json().unwrap().write_item(&mut item);
        assert!(WIDGETS.contains(std::str::from_utf8(&item).unwrap()));
        assert_eq!(item, stored.text().unwrap());
    }
}
