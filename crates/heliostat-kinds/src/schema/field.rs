//! One field of a message: its names, its type, when JSON shows it, and how it is merged.

use std::fmt;

use crate::schema::{Message, Text, TextList};
use crate::tables::{CONSTRAINTS, MESSAGES};

/// A field of a [`Message`], as the Go type declares it.
///
/// The patch strategy comes from the Go type; what is required, defaults, enums and list types come
/// from the OpenAPI document, which describes only the versions that the server serves.
pub struct Field {
    name: Text,
    value_type: u16,
    constraint: u16,
    number: u8,
    slot: u8,
    flags: u8,
    /// How the field is read: its wire type, and what of the bits below holds.
    reading: u8,
}

/// How many values a field has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// One value.
    Singular,
    /// A list; in protobuf a repeated field.
    List,
    /// A map with strings as keys; in protobuf repeated entries of key (1) and value (2).
    Map,
}

/// The type of a field's value, or of each value of a list or map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValueType {
    /// Text.
    String,
    /// A boolean; a varint.
    Bool,
    /// A signed number of 32 bits; a varint.
    Int32,
    /// A signed number of 64 bits; a varint.
    Int64,
    /// A floating point number; eight bytes.
    Float64,
    /// Bytes; base64 in JSON.
    Bytes,
    /// A time in seconds; RFC 3339 in JSON.
    Time,
    /// A time in microseconds; RFC 3339 in JSON.
    MicroTime,
    /// A quantity, which is a string in JSON.
    Quantity,
    /// A number of 32 bits or a string.
    IntOrString,
    /// Any object, as JSON.
    RawExtension,
    /// The fields that a manager owns, as JSON.
    FieldsV1,
    /// Any JSON value.
    Json,
    /// A schema, a list of schemas, or null.
    JsonSchemaPropsOrArray,
    /// A schema or a boolean.
    JsonSchemaPropsOrBool,
    /// A schema, a list of strings, or null.
    JsonSchemaPropsOrStringArray,
    /// A list of strings as the value of a map; in protobuf a message with a repeated field 1.
    StringList,
    /// A value of any type, which only messages without protobuf have.
    Any,
    /// A message.
    Message(&'static Message),
}

/// What makes two elements of a list the same in server-side apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListType {
    /// The list is replaced as a whole.
    Atomic,
    /// Elements are values, each at most once.
    Set,
    /// Elements are objects, identified by [`Field::list_map_keys`].
    Map,
}

/// Whether the fields of a map or object are owned one by one in server-side apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MapType {
    /// The map is replaced as a whole.
    Atomic,
    /// Each key has its own owners.
    Granular,
}

/// What a strategic merge patch does with a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatchStrategy {
    /// Replaces the value, the strategy of fields that declare none.
    Replace,
    /// Merges the elements of a list, by [`Field::patch_merge_key`] if they are objects.
    Merge,
    /// Replaces the value, keeping the keys that the patch names in `$retainKeys`.
    RetainKeys,
    /// Merges the elements of a list and obeys `$retainKeys` in each.
    MergeRetainKeys,
}

/// What the OpenAPI document and the patch tags say about a field.
#[derive(Debug)]
pub(crate) struct Constraint {
    patch_strategy: PatchStrategy,
    merge_key: Text,
    list_type: Option<ListType>,
    map_type: Option<MapType>,
    list_map_keys: TextList,
    default: Text,
    values: TextList,
}

impl Constraint {
    pub(crate) const fn new(
        merging: (PatchStrategy, Text),
        applying: Applying,
        value: (Text, TextList),
    ) -> Self {
        Self {
            patch_strategy: merging.0,
            merge_key: merging.1,
            list_type: applying.0,
            map_type: applying.1,
            list_map_keys: applying.2,
            default: value.0,
            values: value.1,
        }
    }
}

/// The list type, the map type and the keys of a list.
pub(crate) type Applying = (Option<ListType>, Option<MapType>, TextList);

impl Field {
    pub(crate) const SHAPE: u8 = 0b11;
    pub(crate) const POINTER: u8 = 1 << 2;
    pub(crate) const OMIT_EMPTY: u8 = 1 << 3;
    pub(crate) const OMIT_ZERO: u8 = 1 << 4;
    pub(crate) const INLINE: u8 = 1 << 5;
    pub(crate) const REQUIRED: u8 = 1 << 6;

    /// The first number of a type that is a message.
    const MESSAGES_FROM: u16 = 32;

    const WIRE_TYPE: u8 = 0b111;
    const PACKED: u8 = 1 << 3;
    const LAST_COUNTS: u8 = 1 << 4;

    pub(crate) const fn new(
        name: Text,
        (number, slot): (u8, u8),
        value_type: u16,
        flags: u8,
        constraint: u16,
    ) -> Self {
        let wire_type = match (flags & Self::SHAPE, value_type) {
            (0 | 1, 1..=3) => 0,
            (0 | 1, 4) => 1,
            _ => 2,
        };
        let is_packed = flags & Self::SHAPE == 1 && wire_type == 0;
        let last_counts = flags & Self::SHAPE == 0 && value_type <= 7;
        Self {
            name,
            value_type,
            constraint,
            number,
            slot,
            flags,
            reading: wire_type
                | if is_packed { Self::PACKED } else { 0 }
                | if last_counts { Self::LAST_COUNTS } else { 0 },
        }
    }

    /// Returns the name in JSON; for an inlined struct the name of its Go type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.get()
    }

    /// Returns the name between quotes and with a colon behind it, as it stands in JSON.
    pub(crate) fn json_key(&self) -> &'static str {
        self.name.json_key()
    }

    /// Returns the number in protobuf, or 0 for a field that protobuf does not have.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number as u32
    }

    /// Returns whether the field has one value, a list or a map.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        match self.flags & Self::SHAPE {
            0 => Shape::Singular,
            1 => Shape::List,
            _ => Shape::Map,
        }
    }

    /// Returns the type of the value, or of each value of a list or map.
    #[must_use]
    #[inline]
    pub fn value_type(&self) -> ValueType {
        match self.value_type {
            0 => ValueType::String,
            1 => ValueType::Bool,
            2 => ValueType::Int32,
            3 => ValueType::Int64,
            4 => ValueType::Float64,
            5 => ValueType::Bytes,
            6 => ValueType::Time,
            7 => ValueType::MicroTime,
            8 => ValueType::Quantity,
            9 => ValueType::IntOrString,
            10 => ValueType::RawExtension,
            11 => ValueType::FieldsV1,
            12 => ValueType::Json,
            13 => ValueType::JsonSchemaPropsOrArray,
            14 => ValueType::JsonSchemaPropsOrBool,
            15 => ValueType::JsonSchemaPropsOrStringArray,
            16 => ValueType::StringList,
            message => match MESSAGES.get(usize::from(message.wrapping_sub(Self::MESSAGES_FROM))) {
                Some(message) => ValueType::Message(message),
                None => ValueType::Any,
            },
        }
    }

    /// Returns the place among the fields of the message, with those of inlined structs; for one of
    /// these the place of its first field.
    #[inline]
    pub(crate) fn slot(&self) -> usize {
        usize::from(self.slot)
    }

    /// Returns whether a value of the field may have the wire type.
    #[inline]
    pub(crate) const fn takes(&self, wire_type: u8) -> bool {
        wire_type == self.reading & Self::WIRE_TYPE || (wire_type == 2 && self.can_be_packed())
    }

    /// Returns true for a list of numbers or booleans, which may stand in one run of bytes.
    #[inline]
    pub(crate) const fn can_be_packed(&self) -> bool {
        self.reading & Self::PACKED != 0
    }

    /// Returns true for values of which the last counts; others are collected or merged.
    #[inline]
    pub(crate) const fn last_counts(&self) -> bool {
        self.reading & Self::LAST_COUNTS != 0
    }

    /// Returns true for values of which one is enough to know them: scalars and times.
    #[inline]
    pub(crate) const fn has_scalar_values(&self) -> bool {
        self.value_type <= 7
    }

    /// Returns the message that the value is, if it is one.
    #[must_use]
    pub fn message(&self) -> Option<&'static Message> {
        match self.value_type() {
            ValueType::Message(message) => Some(message),
            _ => None,
        }
    }

    /// Returns true for a pointer in Go: its zero value is shown in JSON, its absence is not zero.
    #[must_use]
    pub const fn is_pointer(&self) -> bool {
        self.flags & Self::POINTER != 0
    }

    /// Returns true if JSON does not show the field when it is empty.
    ///
    /// Empty is false, 0, the empty string, an empty list or map, and a pointer that is absent. A
    /// struct is never empty.
    #[must_use]
    pub const fn omits_empty(&self) -> bool {
        self.flags & Self::OMIT_EMPTY != 0
    }

    /// Returns true if JSON does not show the field when it is the zero value of its type.
    #[must_use]
    pub const fn omits_zero(&self) -> bool {
        self.flags & Self::OMIT_ZERO != 0
    }

    /// Returns true for an embedded struct: in JSON its fields are fields of the parent.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        self.flags & Self::INLINE != 0
    }

    /// Returns true if the OpenAPI document requires the field.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.flags & Self::REQUIRED != 0
    }

    /// Returns what a strategic merge patch does with the field.
    #[must_use]
    pub fn patch_strategy(&self) -> PatchStrategy {
        self.constraint().patch_strategy
    }

    /// Returns the field by which a strategic merge patch matches the elements of the list.
    #[must_use]
    pub fn patch_merge_key(&self) -> Option<&'static str> {
        self.constraint().merge_key.some()
    }

    /// Returns the `x-kubernetes-list-type` of the field.
    #[must_use]
    pub fn list_type(&self) -> Option<ListType> {
        self.constraint().list_type
    }

    /// Returns the `x-kubernetes-list-map-keys` of the field, none unless its list type is a map.
    pub fn list_map_keys(&self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        self.constraint().list_map_keys.iter()
    }

    /// Returns the `x-kubernetes-map-type` of the field itself, which wins over that of its message.
    #[must_use]
    pub fn map_type(&self) -> Option<MapType> {
        self.constraint().map_type
    }

    /// Returns the default, as JSON text.
    #[must_use]
    pub fn default_json(&self) -> Option<&'static str> {
        self.constraint().default.some()
    }

    /// Returns the values that the field may have, none if it may have any.
    pub fn enum_values(&self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        self.constraint().values.iter()
    }

    fn constraint(&self) -> &'static Constraint {
        // The generator writes no other index.
        &CONSTRAINTS[usize::from(self.constraint)]
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("name", &self.name())
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
