//! The primitives of protobuf's wire format, read as the generated Go code reads them.

use crate::error::{ReadError, ReadErrorKind};

/// Wire type of numbers and booleans.
pub(crate) const VARINT: u8 = 0;
/// Wire type of eight bytes.
pub(crate) const FIXED64: u8 = 1;
/// Wire type of a length and so many bytes.
pub(crate) const BYTES: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;

/// The most groups in each other that are skipped. No kind has groups.
const GROUPS_MAX: u32 = 100;

/// Reads forward through bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'de> {
    bytes: &'de [u8],
    at: usize,
}

/// A run of bytes, by position.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// All of the bytes, of which there are less than 4 GiB.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, ReadError> {
        match u32::try_from(bytes.len()) {
            Ok(end) => Ok(Self { start: 0, end }),
            Err(_) => Err(ReadErrorKind::TooLarge(bytes.len()).into()),
        }
    }
}

impl<'de> Cursor<'de> {
    /// Reads the span of the bytes.
    pub(crate) fn new(bytes: &'de [u8], span: Span) -> Self {
        let bytes = bytes.get(..span.end as usize).unwrap_or_default();
        Self {
            bytes,
            at: span.start as usize,
        }
    }

    /// Reads a span of the same bytes.
    pub(crate) fn within(&self, span: Span) -> Self {
        Self::new(self.bytes, span)
    }

    /// Where the next byte is.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    #[inline(always)]
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes from the start to the end of what is read.
    #[inline(always)]
    pub(crate) fn slice(&self, span: Span) -> &'de [u8] {
        self.bytes
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Reads a field's number and wire type.
    #[inline(always)]
    pub(crate) fn tag(&mut self) -> Result<(u32, u8), ReadError> {
        let at = self.at;
        let tag = self.varint()?;
        // Go takes the number as 32 bits with a sign.
        let number = (tag >> 3) as u32;
        if number == 0 || number > i32::MAX as u32 {
            return Err(ReadErrorKind::Tag { at }.into());
        }
        Ok((number, (tag & 7) as u8))
    }

    /// Reads a varint.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, ReadError> {
        match self.bytes.get(self.at..) {
            Some(&[byte @ 0..0x80, ..]) => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            // Lengths of messages.
            Some(&[low, high @ 0..0x80, ..]) => {
                self.at += 2;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, ReadError> {
        let start = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(ReadErrorKind::Truncated { at: start }.into());
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ReadErrorKind::Varint { at: start }.into())
    }

    /// Reads a length and passes over so many bytes.
    #[inline(always)]
    pub(crate) fn span(&mut self) -> Result<Span, ReadError> {
        let at = self.at;
        let len = self.varint()?;
        let start = self.at;
        let left = self.bytes.len() - start;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                self.at = start + len;
                // The input has less than 4 GiB.
                Ok(Span {
                    start: start as u32,
                    end: self.at as u32,
                })
            }
            _ => Err(ReadErrorKind::Truncated { at }.into()),
        }
    }

    /// Reads eight bytes as a floating point number.
    pub(crate) fn float64(&mut self) -> Result<f64, ReadError> {
        let bytes = self.bytes.get(self.at..);
        let Some(bytes) = bytes.and_then(<[u8]>::first_chunk) else {
            return Err(ReadErrorKind::Truncated { at: self.at }.into());
        };
        self.at += bytes.len();
        Ok(f64::from_le_bytes(*bytes))
    }

    /// Passes over a value.
    #[inline(always)]
    pub(crate) fn skip(&mut self, wire_type: u8) -> Result<(), ReadError> {
        match wire_type {
            VARINT => self.varint().map(drop),
            BYTES => self.span().map(drop),
            _ => self.skip_other(wire_type),
        }
    }

    #[inline(never)]
    fn skip_other(&mut self, wire_type: u8) -> Result<(), ReadError> {
        let mut wire_type = wire_type;
        let mut groups = 0;
        loop {
            match wire_type {
                VARINT => drop(self.varint()?),
                BYTES => drop(self.span()?),
                FIXED64 => self.pass(8)?,
                FIXED32 => self.pass(4)?,
                START_GROUP if groups < GROUPS_MAX => groups += 1,
                START_GROUP => return Err(ReadErrorKind::TooDeep.into()),
                END_GROUP if groups > 0 => groups -= 1,
                _ => return Err(ReadErrorKind::Tag { at: self.at }.into()),
            }
            if groups == 0 {
                return Ok(());
            }
            wire_type = self.tag()?.1;
        }
    }

    fn pass(&mut self, len: usize) -> Result<(), ReadError> {
        if self.bytes.len() - self.at < len {
            return Err(ReadErrorKind::Truncated { at: self.at }.into());
        }
        self.at += len;
        Ok(())
    }
}
