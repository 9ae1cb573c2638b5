//! A message of protobuf, which is a struct of Go.

use std::fmt;
use std::ptr;

use crate::schema::{Field, Location, MapType, Text};
use crate::tables::{FIELDS, MESSAGES, NUMBERS, SLOTS, TYPE_META};

/// A struct of the API: its fields in the order in which Go declares them and JSON shows them.
pub struct Message {
    name: Text,
    fields: (u16, u8),
    numbers: (u16, u8),
    slots: (u16, u8),
    shown: u64,
    map_type: Option<MapType>,
}

impl Message {
    /// The place in [`NUMBERS`] of a number that no field has.
    const NO_FIELD: u8 = u8::MAX;

    pub(crate) const fn new(
        name: Text,
        fields: (u16, u8),
        numbers: (u16, u8),
        slots: (u16, u8),
        shown: u64,
        map_type: Option<MapType>,
    ) -> Self {
        Self {
            name,
            fields,
            numbers,
            slots,
            shown,
            map_type,
        }
    }

    /// Returns the name of the Go type with its package, like `core/v1.Pod`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.get()
    }

    /// Returns the index of the message among all messages, below [`Message::count`].
    #[must_use]
    pub fn id(&'static self) -> u16 {
        let at = (ptr::from_ref(self).addr() - MESSAGES.as_ptr().addr()) / size_of::<Self>();
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Returns the message with the index.
    #[must_use]
    pub fn from_id(id: u16) -> Option<&'static Self> {
        MESSAGES.get(usize::from(id))
    }

    /// Returns the number of messages.
    #[must_use]
    pub const fn count() -> usize {
        MESSAGES.len()
    }

    /// Returns the fields in the order of the Go struct; an inlined struct is one field.
    #[must_use]
    #[inline]
    pub fn fields(&self) -> &'static [Field] {
        let from = usize::from(self.fields.0);
        let fields = FIELDS.get(from..from + usize::from(self.fields.1));
        fields.unwrap_or_default()
    }

    /// Returns the field with the number in protobuf.
    #[must_use]
    pub fn field_by_number(&self, number: u32) -> Option<&'static Field> {
        self.index_of_number(number)
            .and_then(|index| self.fields().get(index))
    }

    /// Returns the index in [`Message::fields`] of the field with the number in protobuf.
    #[must_use]
    #[inline]
    pub fn index_of_number(&self, number: u32) -> Option<usize> {
        if number >= u32::from(self.numbers.1) {
            return None;
        }
        let index = *NUMBERS.get(usize::from(self.numbers.0) + number as usize)?;
        (index != Self::NO_FIELD).then_some(usize::from(index))
    }

    /// Returns the fields that protobuf has, by their numbers.
    #[inline]
    pub(crate) fn fields_by_number(&self) -> impl Iterator<Item = &'static Field> {
        let (from, len) = (usize::from(self.numbers.0), usize::from(self.numbers.1));
        let indexes = NUMBERS.get(from..from + len).unwrap_or_default();
        let fields = self.fields();
        let indexes = indexes.iter().filter(|&&index| index != Self::NO_FIELD);
        indexes.filter_map(|&index| fields.get(usize::from(index)))
    }

    /// Finds a field and its slot. `next` is where it is looked for first, and then the slot behind it:
    /// fields come mostly in the order of the Go struct.
    #[inline]
    pub(crate) fn find_from(
        &self,
        next: &mut usize,
        name: &[u8],
    ) -> Option<(usize, &'static Field)> {
        let count = self.slots();
        let from = (*next).min(count);
        for slot in (from..count).chain(0..from) {
            let field = self.field_of_slot(slot)?;
            if field.name().as_bytes() == name {
                *next = slot + 1;
                return Some((slot, field));
            }
        }
        None
    }

    /// Returns the number of fields, with those of inlined structs in their place; 64 at most.
    #[inline]
    pub(crate) fn slots(&self) -> usize {
        usize::from(self.slots.1)
    }

    /// Returns a field, counted with those of inlined structs.
    #[inline]
    pub(crate) fn field_of_slot(&self, slot: usize) -> Option<&'static Field> {
        let field = SLOTS.get(usize::from(self.slots.0) + slot)?;
        FIELDS.get(usize::from(*field))
    }

    /// Returns which fields JSON shows when they are absent: a bit for each, counted likewise.
    #[inline]
    pub(crate) const fn shown_when_absent(&self) -> u64 {
        self.shown
    }

    /// Returns true if `kind` and `apiVersion` are its first fields.
    #[inline]
    pub(crate) fn has_type_meta(&self) -> bool {
        let first = self.fields().first();
        first.is_some_and(|field| field.is_inline() && field.number() == 0)
    }

    /// Returns the field with the name in JSON, also of inlined structs.
    ///
    /// The metadata of the type, `kind` and `apiVersion`, is one of these.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let fields = self.fields();
        let own = fields.iter().filter(|field| !field.is_inline());
        if let Some(field) = own.clone().find(|field| field.name() == name) {
            return Some(field);
        }
        let inline = fields.iter().filter(|field| field.is_inline());
        inline
            .filter_map(Field::message)
            .find_map(|message| message.field(name))
    }

    /// Returns the field at a path, like `spec.nodeName` or `spec.containers[*].image`.
    ///
    /// `[*]` or a number in brackets is an element of a list, and any key of a map, after a dot or in
    /// brackets with quotes (`metadata.labels['app.kubernetes.io/name']`), is a value of it.
    #[must_use]
    pub fn locate(&'static self, path: &str) -> Option<Location> {
        Location::find(self, path)
    }

    /// Returns the `x-kubernetes-map-type` of the struct.
    #[must_use]
    pub const fn map_type(&self) -> Option<MapType> {
        self.map_type
    }

    /// Returns true for the struct of `kind` and `apiVersion`, which protobuf has in the envelope.
    #[must_use]
    pub fn is_type_meta(&self) -> bool {
        ptr::eq(self, &raw const MESSAGES[TYPE_META])
    }
}

impl Eq for Message {}

impl PartialEq for Message {
    /// Messages are equal if they are the same row of the table.
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.name())
    }
}
