//! Where the fields of a message are.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::de;

use crate::error::{ReadError, ReadErrorKind};
use crate::object::Object;
use crate::read::occurrences::Content;
use crate::read::{DEPTH_MAX, JSON_DEPTH_MAX, TypeMeta};
use crate::schema::{Field, Message};
use crate::wire::{Cursor, Span};

/// Reads one object.
#[derive(Debug)]
pub(crate) struct Reader<'de> {
    input: &'de [u8],
    type_meta: TypeMeta<'de>,
    /// Set when a field is passed over that the message does not have.
    unknown: Option<&'de AtomicBool>,
    /// One for each field of each message that is being read, from the outermost on. Those of fields
    /// that are absent hold what was there before.
    slots: Vec<Slot>,
    /// How many slots are in use.
    used: usize,
    /// Occurrences that are not beside those before them.
    pub(super) links: Vec<Link>,
    /// How many objects and lists of JSON are open, with those around the object.
    depth: usize,
    /// How many of them were open when the object began.
    depth_around: usize,
    /// How many of them may be open.
    depth_max: usize,
    /// Whether structs may be read in the order of their bytes.
    streams: bool,
    /// Whether such a struct has a field in several places, so that what was read is void.
    is_scattered: bool,
}

/// Where a field occurs.
///
/// For a value of which the last occurrence counts, `first` is where that value starts; for others it
/// is where the tag of the first occurrence starts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    pub(super) first: u32,
    /// How often the field occurs from there on with nothing between.
    pub(super) count: u32,
    /// Where the last occurrence ends.
    end: u32,
    /// One more than the index of the link with further occurrences, or 0.
    pub(super) link: u32,
}

/// Further occurrences of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(super) first: u32,
    pub(super) count: u32,
    /// One more than the index of the next link, or 0.
    pub(super) next: u32,
    /// One more than the index of the last link; kept by the first one.
    last: u32,
}

/// A message that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    slots: u32,
    links: u32,
    /// Which fields there are, a bit for each slot.
    pub(crate) present: u64,
}

/// Slots for two messages of the largest kind. There are as many as are in use, and more.
const SLOTS_AT_FIRST: usize = 128;

/// Down to this depth embedded JSON may have all the levels that `serde_json` allows.
const EMBEDDED_FREE_DEPTH: usize = 16;

impl<'de> Reader<'de> {
    /// Reads the object, whose bytes are less than 4 GiB.
    pub(crate) fn new(object: &Object<'de>) -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS_AT_FIRST],
            streams: false,
            ..Self::streaming(object)
        }
    }

    /// Reads the object like [`Reader::new`], and structs in the order of their bytes.
    ///
    /// [`Reader::is_scattered`] must be asked at the end.
    pub(crate) fn streaming(object: &Object<'de>) -> Self {
        Self {
            input: object.bytes(),
            type_meta: object.type_meta(),
            unknown: object.unknown_flag(),
            slots: Vec::new(),
            used: 0,
            links: Vec::new(),
            depth: 0,
            depth_around: 0,
            depth_max: DEPTH_MAX,
            streams: true,
            is_scattered: false,
        }
    }

    /// Reads the object like [`Reader::new`], with the limit of JSON text.
    pub(crate) fn for_json(object: &Object<'de>) -> Self {
        Self {
            depth_max: JSON_DEPTH_MAX,
            ..Self::new(object)
        }
    }

    /// Whether structs may be read in the order of their bytes.
    #[inline(always)]
    pub(super) fn streams(&self) -> bool {
        self.streams
    }

    /// Whether the bytes must be read again without streaming: a field is in several places.
    pub(crate) fn is_scattered(&self) -> bool {
        self.is_scattered
    }

    /// Notes that a field is in several places.
    #[cold]
    pub(super) fn scattered(&mut self) -> ReadError {
        self.is_scattered = true;
        de::Error::custom("a field is in several places")
    }

    /// Reads an object that is embedded in the one that this reads.
    pub(crate) fn embedded(&self, object: &Object<'de>) -> Self {
        Self {
            depth: self.depth,
            depth_around: self.depth,
            depth_max: self.depth_max,
            unknown: self.unknown,
            ..Self::new(object)
        }
    }

    /// Notes that a field is passed over that the message does not have.
    #[cold]
    pub(super) fn note_unknown(&self) {
        if let Some(flag) = self.unknown {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// The kind and the API version of the object.
    pub(crate) fn type_meta(&self) -> TypeMeta<'de> {
        self.type_meta
    }

    /// Whether one message is open, which is the object itself.
    #[inline(always)]
    pub(crate) fn is_outermost(&self) -> bool {
        self.depth == self.depth_around + 1
    }

    /// A cursor over a part of the input.
    #[inline(always)]
    pub(crate) fn cursor(&self, span: Span) -> Cursor<'de> {
        Cursor::new(self.input, span)
    }

    /// A cursor from a position on; what it reads was passed over before.
    #[inline(always)]
    pub(crate) fn cursor_at(&self, start: u32) -> Cursor<'de> {
        let end = self.input.len() as u32;
        self.cursor(Span { start, end })
    }

    /// Notes where the fields of a message are. [`Reader::close`] forgets it.
    #[inline(always)]
    pub(crate) fn open(
        &mut self,
        message: &'static Message,
        content: Content,
    ) -> Result<Mark, ReadError> {
        self.descend()?;
        let slots = self.used;
        self.used += message.slots();
        if self.used > self.slots.len() {
            self.slots.resize(2 * self.used, Slot::default());
        }
        let links = self.links.len() as u32;
        let start = Start {
            base: slots,
            offset: 0,
        };
        let mut present = 0;
        match content {
            Content::Span(span) => present = self.index(message, start, span, present)?,
            Content::Merged(mut elements) => {
                while let Some((_, span)) = elements.next_bytes(self)? {
                    present = self.index(message, start, span, present)?;
                }
            }
        }
        Ok(Mark {
            slots: slots as u32,
            links,
            present,
        })
    }

    /// Opens a message without a note of its fields. [`Reader::close`] closes it.
    #[inline(always)]
    pub(super) fn open_stream(&mut self) -> Result<Mark, ReadError> {
        self.descend()?;
        Ok(Mark {
            slots: self.used as u32,
            links: self.links.len() as u32,
            present: 0,
        })
    }

    /// Goes into an object or a list of JSON. [`Reader::ascend`] leaves it.
    #[inline(always)]
    pub(crate) fn descend(&mut self) -> Result<(), ReadError> {
        if self.depth >= self.depth_max {
            return Err(ReadErrorKind::TooDeep.into());
        }
        self.depth += 1;
        Ok(())
    }

    /// Leaves an object or a list of JSON.
    #[inline(always)]
    pub(crate) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Checks that embedded JSON goes no deeper than is allowed where it is.
    ///
    /// `serde_json` limits what it reads, so only JSON in a deep object needs a look.
    #[inline(always)]
    pub(crate) fn check_embedded(&self, json: &[u8]) -> Result<(), ReadError> {
        if self.depth > EMBEDDED_FREE_DEPTH && json_depth(json) > self.depth_max - self.depth {
            return Err(ReadErrorKind::TooDeep.into());
        }
        Ok(())
    }

    /// Forgets a message that was opened.
    #[inline(always)]
    pub(crate) fn close(&mut self, mark: Mark) {
        self.links.truncate(mark.links as usize);
        self.close_slots(mark);
    }

    /// Forgets where the fields of a message are, but not the occurrences of a field that is to be read.
    ///
    /// These are forgotten with the message around it.
    #[inline(always)]
    pub(super) fn close_slots(&mut self, mark: Mark) {
        self.used = mark.slots as usize;
        self.ascend();
    }

    /// The slot of a field of an open message. It means nothing if the field is absent.
    #[inline(always)]
    pub(crate) fn slot(&self, mark: Mark, at: usize) -> Slot {
        let slot = self.slots.get(mark.slots as usize + at);
        slot.copied().unwrap_or_default()
    }

    /// Notes where fields are. Those of an inlined struct are among those of its parent.
    ///
    /// Takes and returns which fields there are, a bit for each slot.
    fn index(
        &mut self,
        message: &'static Message,
        start: Start,
        span: Span,
        mut present: u64,
    ) -> Result<u64, ReadError> {
        let fields = message.fields();
        let mut cursor = self.cursor(span);
        while !cursor.is_at_end() {
            let tag_at = cursor.at();
            let (number, wire_type) = cursor.tag()?;
            let known = message.index_of_number(number);
            let Some(field) = known.and_then(|index| fields.get(index)) else {
                cursor.skip(wire_type)?;
                self.note_unknown();
                continue;
            };
            let at = cursor.at();
            check_wire_type(field, at, wire_type)?;
            let slot = start.offset + field.slot();
            if field.is_inline() {
                let inner = cursor.span()?;
                if let Some(inlined) = field.message() {
                    let start = Start {
                        offset: slot,
                        ..start
                    };
                    present = self.index(inlined, start, inner, present)?;
                }
                continue;
            }
            cursor.skip(wire_type)?;
            let is_first = present >> slot & 1 == 0;
            present |= 1 << slot;
            let Some(place) = self.slots.get_mut(start.base + slot) else {
                continue;
            };
            // The input has less than 4 GiB.
            let end = cursor.at() as u32;
            if is_first || field.last_counts() {
                let first = if field.last_counts() { at } else { tag_at };
                *place = Slot::once(first as u32, end);
            } else if place.end == tag_at as u32 && place.link == 0 {
                place.count += 1;
                place.end = end;
            } else {
                note_further(place, &mut self.links, tag_at as u32, end);
            }
        }
        Ok(present)
    }
}

/// Checks that a value of the field may have the wire type.
#[inline(always)]
pub(super) fn check_wire_type(
    field: &'static Field,
    at: usize,
    wire_type: u8,
) -> Result<(), ReadError> {
    if field.takes(wire_type) {
        return Ok(());
    }
    let field = field.name();
    Err(ReadErrorKind::WireType {
        field,
        at,
        wire_type,
    }
    .into())
}

/// Where the slots of a message start, and how far behind those of an inlined struct.
#[derive(Clone, Copy, Debug)]
struct Start {
    base: usize,
    offset: usize,
}

impl Mark {
    /// Whether there is the field of the slot.
    #[inline(always)]
    pub(crate) const fn contains(&self, slot: usize) -> bool {
        self.present >> slot & 1 != 0
    }
}

impl Slot {
    pub(super) const fn once(first: u32, end: u32) -> Self {
        Self {
            first,
            count: 1,
            end,
            link: 0,
        }
    }

    /// Adds the occurrences that follow at the cursor.
    #[inline(always)]
    pub(super) fn extend(
        &mut self,
        cursor: &mut Cursor<'_>,
        field: &'static Field,
    ) -> Result<(), ReadError> {
        while !cursor.is_at_end() {
            let mut ahead = *cursor;
            let (number, wire_type) = ahead.tag()?;
            if number != field.number() {
                break;
            }
            check_wire_type(field, ahead.at(), wire_type)?;
            ahead.skip(wire_type)?;
            self.count += 1;
            *cursor = ahead;
        }
        self.end = cursor.at() as u32;
        Ok(())
    }

    /// Whether there is one occurrence.
    #[inline(always)]
    pub(super) const fn is_single(self) -> bool {
        self.count == 1 && self.link == 0
    }
}

/// How deep JSON text goes, or deeper if it is malformed.
#[cold]
fn json_depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut in_string = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Notes an occurrence behind a gap.
#[cold]
fn note_further(slot: &mut Slot, links: &mut Vec<Link>, first: u32, end: u32) {
    let index = |link: u32| (link as usize).wrapping_sub(1);
    let is_beside = slot.end == first;
    slot.end = end;
    let last = links.get(index(slot.link)).map_or(0, |link| link.last);
    if is_beside && let Some(link) = links.get_mut(index(last)) {
        link.count += 1;
        return;
    }
    let new = links.len() as u32 + 1;
    links.push(Link {
        first,
        count: 1,
        next: 0,
        last: new,
    });
    if let Some(link) = links.get_mut(index(last)) {
        link.next = new;
    }
    match links.get_mut(index(slot.link)) {
        Some(head) => head.last = new,
        None => slot.link = new,
    }
}
