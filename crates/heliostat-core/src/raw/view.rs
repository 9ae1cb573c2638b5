//! `RawView`: the bytes of an object, borrowed, and what can be read out of them.

use std::borrow::Cow;
use std::sync::Arc;

use heliostat_kinds::schema::{self, Message};

use super::json;
use super::metadata::RawMetadata;
use super::path::{FieldPath, Step};
use super::protobuf::{self, Pieces};
use super::value::{Failure, FieldError, FieldValue};
use super::{Encoding, RawObject};
use crate::object::GroupVersionKind;
use crate::selector::LabelSelector;
use crate::wire::json::header::Cursor;
use crate::wire::protobuf::header::METADATA;

/// An object as the bytes it came in, wherever they lie: what a [`RawObject`] owns, or what was
/// unpacked into room that is used again.
///
/// ```
/// use heliostat_core::raw::{Encoding, RawView};
///
/// let bytes = br#"{"metadata":{"labels":{"app":"web"}},"status":{"phase":"Running"}}"#;
/// let pod = RawView::new(Encoding::Json, None, bytes);
/// assert_eq!(pod.label("app").as_deref(), Some("web"));
/// assert_eq!(pod.phase()?.as_deref(), Some("Running"));
/// # Ok::<(), heliostat_core::raw::FieldError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RawView<'a> {
    encoding: Encoding,
    kind: Option<&'a Arc<GroupVersionKind>>,
    bytes: &'a [u8],
}

impl<'a> RawView<'a> {
    /// An object of these bytes. They are not checked: what is broken is found when it is asked for.
    #[must_use]
    pub const fn new(
        encoding: Encoding,
        kind: Option<&'a Arc<GroupVersionKind>>,
        bytes: &'a [u8],
    ) -> Self {
        Self {
            encoding,
            kind,
            bytes,
        }
    }

    /// What the bytes are.
    #[must_use]
    pub const fn encoding(self) -> Encoding {
        self.encoding
    }

    /// The kind, where it was told. Protobuf does not have it in the bytes.
    #[must_use]
    pub fn kind(self) -> Option<&'a GroupVersionKind> {
        self.kind.map(|kind| &**kind)
    }

    /// The kind as it is shared by the objects of a collection.
    #[must_use]
    pub const fn shared_kind(self) -> Option<&'a Arc<GroupVersionKind>> {
        self.kind
    }

    /// The object's own bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The same object with an allocation of its own.
    #[must_use]
    pub fn to_object(self) -> RawObject {
        RawObject::new(self.encoding, self.kind.cloned(), self.bytes.into())
    }

    /// The values at a path, in their order: none if there is nothing, several for a path with `[*]`.
    ///
    /// # Errors
    /// If the path leads to something else than values, or to a broken part of the bytes; in protobuf
    /// also if the place of the field is not known.
    pub fn field(self, path: &FieldPath) -> Result<Vec<FieldValue<'a>>, FieldError> {
        let mut values = Vec::new();
        self.visit(path, &mut |value| values.push(value))?;
        Ok(values)
    }

    /// Calls `visit` with each value at a path, as [`field`](Self::field) gives them.
    ///
    /// # Errors
    /// As with [`field`](Self::field); values before the error have been visited.
    pub fn visit(
        self,
        path: &FieldPath,
        visit: &mut dyn FnMut(FieldValue<'a>),
    ) -> Result<(), FieldError> {
        if let Some(text) = self.implied(path) {
            visit(FieldValue::Text(Cow::Borrowed(text)));
            return Ok(());
        }
        let walked = match self.encoding {
            Encoding::Json => json::walk(Cursor::new(self.bytes), path.steps(), &mut |leaf| {
                match leaf {
                    json::Leaf::Value(value) => visit(value),
                    json::Leaf::Object(_) | json::Leaf::List => return Err(Failure::NotAValue),
                }
                Ok(())
            }),
            Encoding::Protobuf => self.walk_protobuf(path, &mut |leaf| {
                match leaf {
                    protobuf::Leaf::Value(value)
                    | protobuf::Leaf::Json(json::Leaf::Value(value)) => visit(value),
                    protobuf::Leaf::Map(..)
                    | protobuf::Leaf::Other
                    | protobuf::Leaf::Json(json::Leaf::Object(_) | json::Leaf::List) => {
                        return Err(Failure::NotAValue);
                    }
                }
                Ok(())
            }),
        };
        walked.map_err(|failure| self.error(path, failure))
    }

    /// The first value at a path as a text, as an index wants it.
    ///
    /// # Errors
    /// As with [`field`](Self::field).
    pub fn text(self, path: &FieldPath) -> Result<Option<Cow<'a, str>>, FieldError> {
        let mut first = None;
        self.visit(path, &mut |value| {
            first.get_or_insert(value);
        })?;
        Ok(first.map(FieldValue::into_text))
    }

    /// The keys of the map at a path, such as `data` of a `Secret`, in the order in which they lie.
    ///
    /// # Errors
    /// If something else than maps is there, or as with [`field`](Self::field). JSON does not tell an
    /// object with a fixed set of fields from a map, and gives the names of the fields.
    pub fn keys(self, path: &FieldPath) -> Result<Vec<Cow<'a, str>>, FieldError> {
        let mut keys = Vec::new();
        let walked = match self.encoding {
            Encoding::Json => json::walk(Cursor::new(self.bytes), path.steps(), &mut |leaf| {
                json_keys(&leaf, &mut keys)
            }),
            Encoding::Protobuf => self.walk_protobuf(path, &mut |leaf| {
                let (message, number) = match leaf {
                    protobuf::Leaf::Map(message, number) => (message, number),
                    protobuf::Leaf::Json(leaf) => return json_keys(&leaf, &mut keys),
                    protobuf::Leaf::Value(_) | protobuf::Leaf::Other => {
                        return Err(Failure::NotAMap);
                    }
                };
                let entries = protobuf::map_entries(&message, number)?;
                keys.extend(entries.into_iter().map(|(key, _)| Cow::Borrowed(key)));
                Ok(())
            }),
        };
        walked.map_err(|failure| self.error(path, failure))?;
        Ok(keys)
    }

    /// What objects of all kinds have.
    #[must_use]
    pub fn metadata(self) -> RawMetadata<'a> {
        match self.encoding {
            Encoding::Json => {
                let object = Cursor::new(self.bytes);
                let metadata = json::member(object, "metadata").ok().flatten();
                RawMetadata::of_json(metadata.unwrap_or(Cursor::new(b"")))
            }
            Encoding::Protobuf => {
                let metadata = Pieces::one(self.bytes).message(METADATA);
                RawMetadata::of_protobuf(metadata.ok().flatten().unwrap_or_default())
            }
        }
    }

    /// One label.
    #[must_use]
    pub fn label(self, key: &str) -> Option<Cow<'a, str>> {
        self.metadata().label(key)
    }

    /// True if the selector asks for an object with this one's labels.
    #[must_use]
    pub fn is_selected_by(self, selector: &LabelSelector) -> bool {
        self.metadata().is_selected_by(selector)
    }

    /// `status.phase`, which pods, namespaces, volumes and claims have.
    ///
    /// # Errors
    /// As with [`field`](Self::field).
    pub fn phase(self) -> Result<Option<Cow<'a, str>>, FieldError> {
        let steps = ["status", "phase"].map(|name| Step::Name(name.into()));
        self.text(&FieldPath::of_steps(steps))
    }

    fn walk_protobuf(
        self,
        path: &FieldPath,
        visit: &mut dyn FnMut(protobuf::Leaf<'a>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let schema = schema(self.kind()).ok_or(Failure::UnknownPath)?;
        protobuf::check(schema, path.steps())?;
        protobuf::walk(&Pieces::one(self.bytes), schema, path.steps(), visit)
    }

    /// `apiVersion` and `kind`, where the bytes do not have them.
    fn implied(self, path: &FieldPath) -> Option<&'a str> {
        let [Step::Name(name)] = path.steps() else {
            return None;
        };
        let kind = self.kind()?;
        let text = match &**name {
            "apiVersion" => &kind.api_version,
            "kind" => &kind.kind,
            _ => return None,
        };
        Some(text)
    }

    fn error(self, path: &FieldPath, failure: Failure) -> FieldError {
        let path = path.to_string();
        match failure {
            Failure::NotAValue => FieldError::NotAValue { path },
            Failure::NotAMap => FieldError::NotAMap { path },
            Failure::Malformed(reason) => FieldError::Malformed { path, reason },
            Failure::UnknownPath => FieldError::UnknownPath {
                path,
                kind: self
                    .kind()
                    .cloned()
                    .unwrap_or_else(|| GroupVersionKind::new("", "")),
            },
        }
    }
}

/// The schema of the kind; of a kind that is not built in, or not known, its metadata alone.
fn schema(kind: Option<&GroupVersionKind>) -> Option<&'static Message> {
    let built_in = kind.and_then(|kind| schema::kind(&kind.api_version, &kind.kind));
    let built_in = built_in.filter(|kind| kind.has_protobuf());
    let any = || schema::kind("meta.k8s.io/v1", "PartialObjectMetadata");
    built_in.or_else(any).map(schema::Kind::message)
}

/// The names of the members, if there is an object.
fn json_keys<'a>(leaf: &json::Leaf<'a>, keys: &mut Vec<Cow<'a, str>>) -> Result<(), Failure> {
    let json::Leaf::Object(object) = leaf else {
        return Err(Failure::NotAMap);
    };
    let mut members = json::MemberValues::of(*object);
    while let Some((key, _)) = members.next()? {
        keys.push(key);
    }
    Ok(())
}
