//! `RawMetadata`: what is in the metadata of every object, whatever its kind.
//!
//! The reading is tolerant, as that of headers is: what is not as it should be is as good as absent.

use std::borrow::Cow;

use super::json::{Elements, MemberValues, member, text_at};
use super::protobuf::{Pieces, map_entries, map_entry, time_text};
use crate::selector::LabelSelector;
use crate::wire::json::header::Cursor;
use crate::wire::protobuf::field::{Fields, Value};
use crate::wire::protobuf::header::object_meta;

/// The metadata of a [`RawObject`](super::RawObject), found once to be asked several times.
#[derive(Clone, Debug)]
pub struct RawMetadata<'a>(Place<'a>);

#[derive(Clone, Debug)]
enum Place<'a> {
    Json(Cursor<'a>),
    Protobuf(Pieces<'a>),
}

/// What an object belongs to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct OwnerReference<'a> {
    /// `v1`, or `group/version`.
    pub api_version: Cow<'a, str>,
    /// For example `ReplicaSet`.
    pub kind: Cow<'a, str>,
    /// The owner's name, in the same namespace or in none.
    pub name: Cow<'a, str>,
    /// Which life of the owner is meant.
    pub uid: Cow<'a, str>,
    /// True for the one that manages the object.
    pub controller: bool,
    /// True if the owner must not go before the object.
    pub block_owner_deletion: bool,
}

/// The fields of `OwnerReference`.
mod owner_reference {
    pub(super) const KIND: u32 = 1;
    pub(super) const NAME: u32 = 3;
    pub(super) const UID: u32 = 4;
    pub(super) const API_VERSION: u32 = 5;
    pub(super) const CONTROLLER: u32 = 6;
    pub(super) const BLOCK_OWNER_DELETION: u32 = 7;
}

/// The pairs of a map of texts.
pub type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl<'a> RawMetadata<'a> {
    pub(super) const fn of_json(metadata: Cursor<'a>) -> Self {
        Self(Place::Json(metadata))
    }

    pub(super) const fn of_protobuf(metadata: Pieces<'a>) -> Self {
        Self(Place::Protobuf(metadata))
    }

    /// The labels, in the order in which they lie: sorted, from a real server.
    #[must_use]
    pub fn labels(&self) -> Pairs<'a> {
        self.pairs("labels", object_meta::LABELS)
    }

    /// The annotations, in the order in which they lie.
    #[must_use]
    pub fn annotations(&self) -> Pairs<'a> {
        self.pairs("annotations", object_meta::ANNOTATIONS)
    }

    /// One label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<Cow<'a, str>> {
        self.value("labels", object_meta::LABELS, key)
    }

    /// One annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<Cow<'a, str>> {
        self.value("annotations", object_meta::ANNOTATIONS, key)
    }

    /// True if the selector asks for an object with these labels. Nothing is allocated for it, unless
    /// a label is escaped in JSON, as no server does.
    #[must_use]
    pub fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        selector.matches(|key| self.label(key))
    }

    /// What the object belongs to.
    #[must_use]
    pub fn owner_references(&self) -> Vec<OwnerReference<'a>> {
        match &self.0 {
            Place::Json(metadata) => elements(*metadata, "ownerReferences")
                .map(json_owner)
                .collect(),
            Place::Protobuf(metadata) => metadata
                .runs(object_meta::OWNER_REFERENCES)
                .map_while(Result::ok)
                .map(protobuf_owner)
                .collect(),
        }
    }

    /// What must be done before the object goes.
    #[must_use]
    pub fn finalizers(&self) -> Vec<Cow<'a, str>> {
        match &self.0 {
            Place::Json(metadata) => elements(*metadata, "finalizers")
                .filter_map(text_at)
                .collect(),
            Place::Protobuf(metadata) => metadata
                .runs(object_meta::FINALIZERS)
                .map_while(Result::ok)
                .filter_map(|text| str::from_utf8(text).ok().map(Cow::Borrowed))
                .collect(),
        }
    }

    /// Since when, or by when, the object is to go; in the form of RFC 3339. None while it is to stay.
    #[must_use]
    pub fn deletion_timestamp(&self) -> Option<Cow<'a, str>> {
        match &self.0 {
            Place::Json(metadata) => text_at(find(*metadata, "deletionTimestamp")?),
            Place::Protobuf(metadata) => metadata
                .runs(object_meta::DELETION_TIMESTAMP)
                .map_while(Result::ok)
                .last()
                .and_then(time_text),
        }
    }

    fn pairs(&self, name: &str, number: u32) -> Pairs<'a> {
        match &self.0 {
            Place::Json(metadata) => {
                let Some(map) = find(*metadata, name) else {
                    return Vec::new();
                };
                let mut members = MemberValues::of(map);
                std::iter::from_fn(|| members.next().ok().flatten())
                    .filter_map(|(key, value)| Some((key, text_at(value)?)))
                    .collect()
            }
            Place::Protobuf(metadata) => map_entries(metadata, number)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| Some((key.into(), str::from_utf8(value).ok()?.into())))
                .collect(),
        }
    }

    fn value(&self, name: &str, number: u32, key: &str) -> Option<Cow<'a, str>> {
        match &self.0 {
            Place::Json(metadata) => text_at(find(find(*metadata, name)?, key)?),
            Place::Protobuf(metadata) => metadata
                .runs(number)
                .map_while(Result::ok)
                .filter_map(|entry| map_entry(entry).ok())
                .filter(|(name, _)| *name == key)
                .last()
                .and_then(|(_, value)| str::from_utf8(value).ok().map(Cow::Borrowed)),
        }
    }
}

fn find<'a>(object: Cursor<'a>, name: &str) -> Option<Cursor<'a>> {
    member(object, name).ok().flatten()
}

/// The elements of a member that is an array.
fn elements<'a>(object: Cursor<'a>, name: &str) -> impl Iterator<Item = Cursor<'a>> {
    let mut elements = find(object, name).map(Elements::of);
    std::iter::from_fn(move || elements.as_mut()?.next().ok().flatten())
}

fn json_owner(reference: Cursor<'_>) -> OwnerReference<'_> {
    let mut owner = OwnerReference::default();
    let mut members = MemberValues::of(reference);
    while let Ok(Some((key, mut value))) = members.next() {
        let text = match &*key {
            "apiVersion" => &mut owner.api_version,
            "kind" => &mut owner.kind,
            "name" => &mut owner.name,
            "uid" => &mut owner.uid,
            "controller" => {
                owner.controller = value.value() == Some(b"true");
                continue;
            }
            "blockOwnerDeletion" => {
                owner.block_owner_deletion = value.value() == Some(b"true");
                continue;
            }
            _ => continue,
        };
        *text = text_at(value).unwrap_or_default();
    }
    owner
}

fn protobuf_owner(reference: &[u8]) -> OwnerReference<'_> {
    let mut owner = OwnerReference::default();
    for field in Fields::of(reference).map_while(Result::ok) {
        let text = match (field.number, field.value) {
            (owner_reference::API_VERSION, _) => &mut owner.api_version,
            (owner_reference::KIND, _) => &mut owner.kind,
            (owner_reference::NAME, _) => &mut owner.name,
            (owner_reference::UID, _) => &mut owner.uid,
            (owner_reference::CONTROLLER, Value::Varint(bits)) => {
                owner.controller = bits != 0;
                continue;
            }
            (owner_reference::BLOCK_OWNER_DELETION, Value::Varint(bits)) => {
                owner.block_owner_deletion = bits != 0;
                continue;
            }
            _ => continue,
        };
        if let Ok(Some(read)) = field.value.as_text() {
            *text = Cow::Borrowed(read);
        }
    }
    owner
}
