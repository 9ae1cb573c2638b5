//! A JSON object cut into its members, and one member into its elements, at any chunk boundary.
//!
//! A value that lies wholly inside a chunk is handed out as a part of that chunk; one that straddles
//! chunks is put together in a carry buffer, which is given back to the allocator once it has grown
//! large. What nobody asked for is passed over and not kept.
//!
//! The invariant: tokens and errors depend on the bytes alone, never on how they were cut.

use std::ops::Range;

use crate::error::DecodeError;
use crate::wire::DecodeLimits;

use super::header;
use super::scan::{Broken, TextScan, ValueScan, is_space};

/// The members of an object that are worth something to somebody.
pub(super) trait Member: Copy {
    /// The member of this name.
    fn named(name: &str) -> Option<Self>;

    /// A bit of its own, to notice a second member of the same name.
    fn bit(self) -> u32;

    /// What is to be done with its value.
    fn want(self, limits: &DecodeLimits) -> Want;
}

/// What is to be done with a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    /// Nothing.
    Skip,
    /// Hand it out; fail if it is larger.
    Whole(usize),
    /// Hand it out; pass it over if it is larger.
    WholeIfWithin(usize),
    /// Hand out each element of the array, none larger than this; another value as `Whole`.
    Elements(usize),
}

/// What a document consists of.
#[derive(Clone, Debug)]
pub(super) enum Token<M> {
    /// The whole value of a member.
    Member(M, Span),
    /// The member is an array; its elements follow.
    Array(M),
    /// One element of the array.
    Element(Span),
    /// The document is complete.
    End,
}

/// Where the bytes of a value are, until the splitter is asked for the next token.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// How many bytes came before the value.
    pub(super) offset: u64,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Chunk(Range<usize>),
    Carry,
}

/// How many documents there are to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Documents {
    One,
    Many,
}

/// Cuts documents into tokens.
#[derive(Debug)]
pub(super) struct Splitter<M> {
    what: &'static str,
    documents: Documents,
    limits: DecodeLimits,
    state: State<M>,
    /// The bits of the members that this document has had.
    seen: u32,
    carry: Vec<u8>,
    /// How many bytes the chunks before the present one had.
    before: u64,
}

#[derive(Clone, Debug)]
enum State<M> {
    /// Between documents.
    Outside,
    /// After `{`.
    FirstKey,
    /// After the comma between members.
    NextKey,
    InKey(Capture),
    /// In a key that is too long to be of interest.
    LongKey(ValueScan),
    /// The member and what is wanted of it; none is one of no interest.
    Colon(Option<M>),
    ValueStart(Option<M>),
    InValue(M, Capture),
    Skipping(ValueScan),
    AfterValue,
    /// After `[`.
    FirstElement(usize),
    /// After the comma between elements.
    NextElement(usize),
    InElement(Capture),
    AfterElement(usize),
    /// After the only document.
    Ended,
}

/// A value that is being put together.
#[derive(Clone, Debug)]
struct Capture {
    scan: ValueScan,
    limit: usize,
    /// How many bytes came before the value.
    offset: u64,
}

/// What became of a value in a chunk.
enum Captured {
    Complete(Span),
    GoesOn,
    TooLarge,
}

/// The longest key that can be one of interest: `apiVersion`, each character as `\u0061`, in quotes.
const KEY_BYTES_MAX: usize = 6 * "apiVersion".len() + 2;

/// What the carry buffer may keep between two values: more than most objects have, and little next
/// to what a connection costs.
pub(super) const CARRY_KEEP_BYTES: usize = 128 << 10;

impl<M: Member> Splitter<M> {
    pub(super) const fn new(
        what: &'static str,
        documents: Documents,
        limits: DecodeLimits,
    ) -> Self {
        Self {
            what,
            documents,
            limits,
            state: State::Outside,
            seen: 0,
            carry: Vec::new(),
            before: 0,
        }
    }

    /// The next token of a chunk, of which `at` bytes have been consumed; nothing once all have
    /// been. Must be called until it gives nothing before the next chunk is begun.
    pub(super) fn next(
        &mut self,
        chunk: &[u8],
        at: &mut usize,
    ) -> Result<Option<Token<M>>, DecodeError> {
        if !self.is_inside_value() {
            self.release();
        }
        loop {
            let Some(&byte) = chunk.get(*at) else {
                self.before += chunk.len() as u64;
                return Ok(None);
            };
            if is_space(byte) && !self.is_inside_value() {
                *at += 1;
                continue;
            }
            if let Some(token) = self.step(byte, chunk, at)? {
                return Ok(Some(token));
            }
        }
    }

    /// The bytes of a token of this chunk.
    pub(super) fn bytes<'a>(&'a self, chunk: &'a [u8], span: &Span) -> &'a [u8] {
        match &span.place {
            Place::Chunk(range) => chunk.get(range.clone()).unwrap_or_default(),
            Place::Carry => &self.carry,
        }
    }

    /// An error if the bytes end here: inside a document, or before the only one.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        let complete = match self.documents {
            Documents::One => matches!(self.state, State::Ended),
            Documents::Many => matches!(self.state, State::Outside),
        };
        if complete {
            return Ok(());
        }
        Err(DecodeError::Truncated {
            what: self.what,
            bytes: self.before,
        })
    }

    pub(super) fn malformed(&self, offset: u64, reason: impl Into<String>) -> DecodeError {
        DecodeError::Malformed {
            what: self.what,
            offset,
            reason: reason.into(),
        }
    }

    /// A value whose end cannot be relied on.
    pub(super) fn broken(&self, span: &Span, broken: Broken) -> DecodeError {
        let offset = span.offset + broken.place as u64;
        self.malformed(offset, "brackets or quotes do not pair")
    }

    #[cfg(test)]
    pub(super) const fn carry_capacity(&self) -> usize {
        self.carry.capacity()
    }

    /// Takes in at least one byte, or changes the state.
    fn step(
        &mut self,
        byte: u8,
        chunk: &[u8],
        at: &mut usize,
    ) -> Result<Option<Token<M>>, DecodeError> {
        let offset = self.before + *at as u64;
        let state = std::mem::replace(&mut self.state, State::AfterValue);
        let (next, token) = match (state, byte) {
            (State::Outside, b'{') => {
                *at += 1;
                self.seen = 0;
                (State::FirstKey, None)
            }
            (State::FirstKey | State::AfterValue, b'}') => {
                *at += 1;
                (self.after_document(), Some(Token::End))
            }
            (State::FirstKey | State::NextKey, b'"') => {
                let scan = ValueScan::Text(TextScan::new());
                (State::InKey(self.begin(scan, KEY_BYTES_MAX, offset)), None)
            }
            (State::InKey(capture), _) => (self.key(capture, chunk, at)?, None),
            (State::LongKey(mut scan), _) => match find_end(&mut scan, chunk, at) {
                true => (State::Colon(None), None),
                false => (State::LongKey(scan), None),
            },
            (State::Colon(member), b':') => {
                *at += 1;
                (State::ValueStart(member), None)
            }
            (State::ValueStart(member), _) => self.value(member, byte, offset, at)?,
            (State::InValue(member, capture), _) => self.in_value(member, capture, chunk, at)?,
            (State::Skipping(mut scan), _) => match find_end(&mut scan, chunk, at) {
                true => (State::AfterValue, None),
                false => (State::Skipping(scan), None),
            },
            (State::AfterValue, b',') => {
                *at += 1;
                (State::NextKey, None)
            }
            (State::FirstElement(_) | State::AfterElement(_), b']') => {
                *at += 1;
                (State::AfterValue, None)
            }
            (State::AfterElement(limit), b',') => {
                *at += 1;
                (State::NextElement(limit), None)
            }
            (State::FirstElement(limit) | State::NextElement(limit), _) => {
                let scan = self.scan(byte, offset)?;
                (State::InElement(self.begin(scan, limit, offset)), None)
            }
            (State::InElement(capture), _) => self.in_element(capture, chunk, at)?,
            (state, _) => return Err(self.unexpected(&state, byte, offset)),
        };
        self.state = next;
        Ok(token)
    }

    /// The key is complete, or goes on in the next chunk.
    fn key(
        &mut self,
        mut capture: Capture,
        chunk: &[u8],
        at: &mut usize,
    ) -> Result<State<M>, DecodeError> {
        match self.capture(&mut capture, chunk, at) {
            Captured::GoesOn => Ok(State::InKey(capture)),
            Captured::TooLarge => Ok(State::LongKey(capture.scan)),
            Captured::Complete(span) => {
                let name = header::text(self.bytes(chunk, &span));
                let Some(member) = name.and_then(|name| M::named(&name)) else {
                    return Ok(State::Colon(None));
                };
                if self.seen & member.bit() != 0 {
                    return Err(self.malformed(span.offset, "a member comes twice"));
                }
                self.seen |= member.bit();
                Ok(State::Colon(Some(member)))
            }
        }
    }

    /// The first byte of a member's value.
    fn value(
        &mut self,
        member: Option<M>,
        byte: u8,
        offset: u64,
        at: &mut usize,
    ) -> Result<(State<M>, Option<Token<M>>), DecodeError> {
        let scan = self.scan(byte, offset)?;
        let want = member.map_or(Want::Skip, |member| member.want(&self.limits));
        let Some(member) = member else {
            return Ok((State::Skipping(scan), None));
        };
        Ok(match want {
            Want::Skip => (State::Skipping(scan), None),
            Want::Elements(limit) if byte == b'[' => {
                *at += 1;
                (State::FirstElement(limit), Some(Token::Array(member)))
            }
            Want::Whole(limit) | Want::WholeIfWithin(limit) | Want::Elements(limit) => {
                let capture = self.begin(scan, limit, offset);
                (State::InValue(member, capture), None)
            }
        })
    }

    fn in_value(
        &mut self,
        member: M,
        mut capture: Capture,
        chunk: &[u8],
        at: &mut usize,
    ) -> Result<(State<M>, Option<Token<M>>), DecodeError> {
        match self.capture(&mut capture, chunk, at) {
            Captured::Complete(span) => Ok((State::AfterValue, Some(Token::Member(member, span)))),
            Captured::GoesOn => Ok((State::InValue(member, capture), None)),
            Captured::TooLarge => match member.want(&self.limits) {
                Want::WholeIfWithin(_) => Ok((State::Skipping(capture.scan), None)),
                Want::Skip | Want::Whole(_) | Want::Elements(_) => Err(self.too_large(&capture)),
            },
        }
    }

    fn in_element(
        &mut self,
        mut capture: Capture,
        chunk: &[u8],
        at: &mut usize,
    ) -> Result<(State<M>, Option<Token<M>>), DecodeError> {
        match self.capture(&mut capture, chunk, at) {
            Captured::Complete(span) => Ok((
                State::AfterElement(capture.limit),
                Some(Token::Element(span)),
            )),
            Captured::GoesOn => Ok((State::InElement(capture), None)),
            Captured::TooLarge => Err(self.too_large(&capture)),
        }
    }

    /// Begins to put a value together.
    fn begin(&mut self, scan: ValueScan, limit: usize, offset: u64) -> Capture {
        self.release();
        Capture {
            scan,
            limit,
            offset,
        }
    }

    /// Empties the carry buffer, and gives back what an unusually large value made of it.
    fn release(&mut self) {
        self.carry.clear();
        self.carry.shrink_to(CARRY_KEEP_BYTES);
    }

    /// Goes on with a value. No more than the limit is looked at, so a value that has its end
    /// within the limit is found whatever comes after it.
    fn capture(&mut self, capture: &mut Capture, chunk: &[u8], at: &mut usize) -> Captured {
        let rest = chunk.get(*at..).unwrap_or_default();
        let room = capture.limit.saturating_sub(self.carry.len());
        let window = rest.get(..room).unwrap_or(rest);
        if let Some(end) = capture.scan.find_end(window) {
            let start = *at;
            *at += end;
            let place = if self.carry.is_empty() {
                Place::Chunk(start..*at)
            } else {
                self.keep(rest.get(..end).unwrap_or_default(), capture.limit);
                Place::Carry
            };
            return Captured::Complete(Span {
                offset: capture.offset,
                place,
            });
        }
        *at += window.len();
        if window.len() < rest.len() {
            return Captured::TooLarge;
        }
        self.keep(window, capture.limit);
        Captured::GoesOn
    }

    /// Appends to the carry buffer, which grows by doubling but never beyond the limit.
    fn keep(&mut self, bytes: &[u8], limit: usize) {
        let needed = self.carry.len() + bytes.len();
        if needed > self.carry.capacity() {
            let doubled = self.carry.capacity().saturating_mul(2).min(limit);
            let target = doubled.max(needed);
            self.carry.reserve_exact(target - self.carry.len());
        }
        self.carry.extend_from_slice(bytes);
    }

    fn scan(&self, byte: u8, offset: u64) -> Result<ValueScan, DecodeError> {
        ValueScan::of(byte).ok_or_else(|| {
            let found = char::from(byte);
            self.malformed(offset, format!("expected a value, found {found:?}"))
        })
    }

    const fn after_document(&self) -> State<M> {
        match self.documents {
            Documents::One => State::Ended,
            Documents::Many => State::Outside,
        }
    }

    /// True where white space belongs to a value, not between values. A scalar ends at it.
    const fn is_inside_value(&self) -> bool {
        matches!(
            self.state,
            State::InKey(_)
                | State::LongKey(_)
                | State::InValue(..)
                | State::Skipping(_)
                | State::InElement(_)
        )
    }

    const fn too_large(&self, capture: &Capture) -> DecodeError {
        DecodeError::TooLarge {
            what: self.what,
            limit: capture.limit,
        }
    }

    fn unexpected(&self, state: &State<M>, byte: u8, offset: u64) -> DecodeError {
        let expected = match state {
            State::Outside => "an object",
            State::FirstKey => "a key or `}`",
            State::NextKey | State::InKey(_) | State::LongKey(_) => "a key",
            State::Colon(_) => "`:`",
            State::ValueStart(_) | State::InValue(..) | State::Skipping(_) => "a value",
            State::AfterValue => "`,` or `}`",
            State::FirstElement(_) | State::NextElement(_) | State::InElement(_) => "an element",
            State::AfterElement(_) => "`,` or `]`",
            State::Ended => "the end",
        };
        let found = char::from(byte);
        self.malformed(offset, format!("expected {expected}, found {found:?}"))
    }
}

/// Goes to the end of the value, or of the chunk; true if it is the value's.
fn find_end(scan: &mut ValueScan, chunk: &[u8], at: &mut usize) -> bool {
    let end = scan.find_end(chunk.get(*at..).unwrap_or_default());
    *at = end.map_or(chunk.len(), |end| *at + end);
    end.is_some()
}
