//! Fields of raw objects against serde_json, and those of pods in protobuf against a decoder of prost.

use std::fmt;
use std::sync::Arc;

use heliostat_core::object::GroupVersionKind;
use heliostat_core::raw::{Encoding, FieldError, FieldPath, FieldValue, RawObject, Step};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::raw_pod;

/// Asks the bytes after the first line for the path that stands in it.
///
/// # Panics
///
/// If serde_json finds something else there.
pub fn check(input: &[u8]) {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (path, bytes) = (&input[..end], &input[end + 1..]);
    let Some(path) = str::from_utf8(path).ok().and_then(|path| path.parse().ok()) else {
        return;
    };
    let path: FieldPath = path;
    assert_eq!(path.to_string().parse().as_ref(), Ok(&path));
    ask(Encoding::Protobuf, &path, bytes);
    raw_pod::check(bytes);
    let object = ask(Encoding::Json, &path, bytes);
    let Ok(tree @ Tree::Object(_)) = serde_json::from_slice(bytes) else {
        return;
    };
    let mut expected = Some(Vec::new());
    values(&tree, path.steps(), &mut expected);
    let found = object.field(&path).map(|values| {
        let values = values.into_iter().map(Tree::from);
        values.collect::<Vec<_>>()
    });
    match expected {
        Some(expected) => assert_eq!(found, Ok(expected)),
        None => assert!(
            matches!(found, Err(FieldError::NotAValue { .. })),
            "{found:?}"
        ),
    }
}

/// Asks all there is to ask.
fn ask(encoding: Encoding, path: &FieldPath, bytes: &[u8]) -> RawObject {
    for kind in ["Pod", "Secret", "Event", "Node", "Service"] {
        let kind = Some(Arc::new(GroupVersionKind::new("v1", kind)));
        let object = RawObject::new(encoding, kind, bytes.into());
        let _ = (object.field(path), object.keys(path), object.phase());
    }
    let object = RawObject::new(encoding, None, bytes.into());
    let metadata = object.metadata();
    for (key, _) in metadata.labels() {
        let _ = metadata.label(&key);
    }
    for (key, _) in metadata.annotations() {
        let _ = metadata.annotation(&key);
    }
    let _ = (
        metadata.owner_references(),
        metadata.finalizers(),
        metadata.deletion_timestamp(),
    );
    object
}

/// A value as serde_json reads it, with every member in its place.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl From<FieldValue<'_>> for Tree {
    fn from(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Text(text) => Self::Text(text.into_owned()),
            FieldValue::Integer(number) => Self::Integer(number),
            FieldValue::Float(number) => Self::Float(number),
            FieldValue::Bool(truth) => Self::Bool(truth),
            other => panic!("what is {other:?}?"),
        }
    }
}

/// The values at a path; none if something else is there. Of a name that comes twice the first counts.
fn values(tree: &Tree, steps: &[Step], out: &mut Option<Vec<Tree>>) {
    match (tree, steps) {
        (Tree::Null, []) => {}
        (Tree::Object(_) | Tree::List(_), []) => *out = None,
        (value, []) => {
            if let Some(out) = out {
                out.push(value.clone());
            }
        }
        (Tree::Object(members), [Step::Name(name), rest @ ..]) => {
            if let Some((_, member)) = members.iter().find(|(found, _)| *found == **name) {
                values(member, rest, out);
            }
        }
        (Tree::Object(members), [Step::Each, rest @ ..]) => {
            members
                .iter()
                .for_each(|(_, member)| values(member, rest, out));
        }
        (Tree::List(elements), [Step::Each, rest @ ..]) => {
            elements
                .iter()
                .for_each(|element| values(element, rest, out));
        }
        (Tree::List(elements), [Step::Index(index), rest @ ..]) => {
            if let Some(element) = elements.get(*index) {
                values(element, rest, out);
            }
        }
        _ => {}
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        // Whole numbers beyond 64 bits with a sign are told as fractions.
        Ok(i64::try_from(number).map_or(Tree::Float(number as f64), Tree::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}
