//! Where the fields of a message are.

use crate::error::{ReadError, ReadErrorKind};
use crate::read::DEPTH_MAX;
use crate::read::occurrences::Content;
use crate::schema::{Field, Message};
use crate::wire::{self, Cursor, Span};

/// Reads one object.
#[derive(Debug)]
pub(crate) struct Reader<'de> {
    input: &'de [u8],
    /// One for each field of each message that is being read, from the outermost on.
    slots: Vec<Slot>,
    /// Occurrences that are not beside those before them.
    pub(super) links: Vec<Link>,
    depth: usize,
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

/// What is to be undone when a message has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) slots: usize,
    links: usize,
}

impl<'de> Reader<'de> {
    /// Reads the bytes.
    pub(crate) fn new(input: &'de [u8]) -> Result<Self, ReadError> {
        if u32::try_from(input.len()).is_err() {
            return Err(ReadErrorKind::TooLarge(input.len()).into());
        }
        Ok(Self {
            input,
            slots: Vec::with_capacity(128),
            links: Vec::new(),
            depth: 0,
        })
    }

    /// A cursor over a part of the input.
    #[inline]
    pub(crate) fn cursor(&self, span: Span) -> Cursor<'de> {
        Cursor::new(self.input, span)
    }

    /// A cursor from a position on; what it reads was passed over before.
    #[inline]
    pub(crate) fn cursor_at(&self, at: u32) -> Cursor<'de> {
        let span = Span {
            start: at as usize,
            end: self.input.len(),
        };
        self.cursor(span)
    }

    /// Notes where the fields of a message are. [`Reader::close`] forgets it.
    pub(crate) fn open(
        &mut self,
        message: &'static Message,
        content: Content,
    ) -> Result<Mark, ReadError> {
        if self.depth == DEPTH_MAX {
            return Err(ReadErrorKind::TooDeep.into());
        }
        self.depth += 1;
        let mark = Mark {
            slots: self.slots.len(),
            links: self.links.len(),
        };
        let len = mark.slots + message.slots();
        self.slots.resize(len, Slot::default());
        match content {
            Content::Span(span) => self.index(message, mark.slots, span)?,
            Content::Merged(mut elements) => {
                while let Some((_, span)) = elements.next_bytes(self)? {
                    self.index(message, mark.slots, span)?;
                }
            }
        }
        Ok(mark)
    }

    /// Forgets a message that was opened.
    #[inline]
    pub(crate) fn close(&mut self, mark: Mark) {
        self.slots.truncate(mark.slots);
        self.links.truncate(mark.links);
        self.depth -= 1;
    }

    /// Forgets where the fields of a message are, but not the occurrences of a field that is to be read.
    ///
    /// These are forgotten with the message around it.
    pub(super) fn close_slots(&mut self, mark: Mark) {
        self.slots.truncate(mark.slots);
        self.depth -= 1;
    }

    /// The slot of a field of an open message.
    #[inline]
    pub(crate) fn slot(&self, at: usize) -> Slot {
        self.slots.get(at).copied().unwrap_or_default()
    }

    /// Notes where fields are. The fields of an inlined struct have slots behind those of its parent.
    fn index(
        &mut self,
        message: &'static Message,
        base: usize,
        span: Span,
    ) -> Result<(), ReadError> {
        let fields = message.fields();
        let mut cursor = self.cursor(span);
        while !cursor.is_at_end() {
            let tag_at = cursor.at();
            let (number, wire_type) = cursor.tag()?;
            let known = message.index_of_number(number);
            let Some((index, field)) = known.and_then(|index| Some((index, fields.get(index)?)))
            else {
                cursor.skip(wire_type)?;
                continue;
            };
            let at = cursor.at();
            if !field.takes(wire_type) {
                let field = field.name();
                return Err(ReadErrorKind::WireType {
                    field,
                    at,
                    wire_type,
                }
                .into());
            }
            if field.is_inline() {
                let inner = cursor.span()?;
                if let Some(inlined) = field.message() {
                    self.index(inlined, base + inline_slots(fields, index), inner)?;
                }
                continue;
            }
            cursor.skip(wire_type)?;
            let first = if field.last_counts() { at } else { tag_at };
            self.note(base + index, field, [first, tag_at, cursor.at()]);
        }
        Ok(())
    }

    /// Notes one occurrence: what to remember of it, where its tag starts and where its value ends.
    #[inline]
    fn note(&mut self, slot: usize, field: &Field, places: [usize; 3]) {
        // The input has less than 4 GiB.
        let [first, tag_at, end] = places.map(|at| at as u32);
        let Some(slot) = self.slots.get_mut(slot) else {
            return;
        };
        if slot.count == 0 || field.last_counts() {
            *slot = Slot {
                first,
                count: 1,
                end,
                link: 0,
            };
            return;
        }
        let is_beside = slot.end == tag_at;
        slot.end = end;
        if is_beside && slot.link == 0 {
            slot.count += 1;
        } else {
            note_further(slot, &mut self.links, first, is_beside);
        }
    }
}

/// Notes an occurrence behind a gap.
#[cold]
fn note_further(slot: &mut Slot, links: &mut Vec<Link>, first: u32, is_beside: bool) {
    let index = |link: u32| (link as usize).wrapping_sub(1);
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

/// How far behind the first slot of the parent those of an inlined struct are.
pub(crate) fn inline_slots(fields: &[Field], index: usize) -> usize {
    let before = fields.iter().take(index).filter(|field| field.is_inline());
    let inlined = before.filter_map(Field::message);
    fields.len() + inlined.map(Message::slots).sum::<usize>()
}

impl Field {
    /// Whether a value of the field may have the wire type.
    #[inline]
    fn takes(&self, wire_type: u8) -> bool {
        wire_type == self.wire_type() || (wire_type == wire::BYTES && self.can_be_packed())
    }
}
