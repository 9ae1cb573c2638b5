//! The fields of a protobuf message, in the order in which they lie.
//!
//! What a field means is for the caller to know: here is only where it begins and ends. Any bytes are
//! safe to read; what cannot be a message ends the walk with a [`Malformed`].

/// One field of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    /// Its number in the schema.
    pub number: u32,
    /// What it holds.
    pub value: Value<'a>,
    /// The field with its tag, as it lies in the message.
    pub bytes: &'a [u8],
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// A text, some bytes, or a message.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32([u8; 4]),
}

/// Why some bytes are no message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end inside a field.
    #[error("a field goes beyond the end of its message")]
    Truncated,
    /// A number is longer than ten bytes, or larger than 64 bits.
    #[error("a number has more than 64 bits")]
    Varint,
    /// Groups have been dead since 2008 and no Kubernetes type has one; 6 and 7 never were.
    #[error("wire type {0} is not used")]
    WireType(u8),
    /// Field numbers begin at 1 and have 29 bits.
    #[error("{0} is no field number")]
    FieldNumber(u64),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
}

/// What stands before the contents of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tag {
    pub(super) number: u32,
    pub(super) wire_type: WireType,
}

/// How the contents of a field are delimited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    Fixed32,
}

/// Walks over the fields of a message. After an error it is over.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The longest a number may be, in bytes: 64 bits, seven to a byte.
pub(super) const VARINT_BYTES_MAX: usize = 10;

impl<'a> Fields<'a> {
    /// The fields of `message`.
    #[must_use]
    pub const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes of the message are behind the last field.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let whole = self.rest;
        let mut rest = whole;
        let tag = Tag::of(varint(&mut rest)?)?;
        let value = match tag.wire_type {
            WireType::Varint => Value::Varint(varint(&mut rest)?),
            WireType::Fixed64 => Value::Fixed64(array(&mut rest)?),
            WireType::Fixed32 => Value::Fixed32(array(&mut rest)?),
            WireType::Bytes => {
                let len = varint(&mut rest)?;
                let len = usize::try_from(len).map_err(|_| Malformed::Truncated)?;
                let (bytes, after) = rest.split_at_checked(len).ok_or(Malformed::Truncated)?;
                rest = after;
                Value::Bytes(bytes)
            }
        };
        let length = whole.len() - rest.len();
        let bytes = whole.get(..length).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(Field {
            number: tag.number,
            value,
            bytes,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Value<'a> {
    /// The bytes of a text or a message.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => None,
        }
    }

    /// The text, if it is one.
    ///
    /// # Errors
    /// If the bytes are not UTF-8.
    pub fn as_text(&self) -> Result<Option<&'a str>, Malformed> {
        match self.as_bytes() {
            Some(bytes) => match str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Malformed::Utf8),
            },
            None => Ok(None),
        }
    }
}

impl Tag {
    pub(super) fn of(tag: u64) -> Result<Self, Malformed> {
        let number = tag >> 3;
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            5 => WireType::Fixed32,
            other => return Err(Malformed::WireType(other as u8)),
        };
        match u32::try_from(number) {
            Ok(number @ 1..=0x1fff_ffff) => Ok(Self { number, wire_type }),
            _ => Err(Malformed::FieldNumber(number)),
        }
    }
}

/// Reads a number of variable length off the front.
#[inline]
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    // Nearly every tag and most lengths are one byte.
    match *rest {
        [byte, after @ ..] if *byte < 0x80 => {
            *rest = after;
            Ok(u64::from(*byte))
        }
        _ => long_varint(rest),
    }
}

/// The numbers that a list holds in one run of bytes. After an error it is over.
pub(crate) fn varints(mut packed: &[u8]) -> impl Iterator<Item = Result<u64, Malformed>> {
    std::iter::from_fn(move || {
        if packed.is_empty() {
            return None;
        }
        let number = varint(&mut packed);
        if number.is_err() {
            packed = &[];
        }
        Some(number)
    })
}

fn long_varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0u64;
    for (index, &byte) in rest.iter().enumerate().take(VARINT_BYTES_MAX) {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == VARINT_BYTES_MAX - 1 && bits > 1 {
            return Err(Malformed::Varint);
        }
        number |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *rest = rest.get(index + 1..).unwrap_or_default();
            return Ok(number);
        }
    }
    if rest.len() < VARINT_BYTES_MAX {
        Err(Malformed::Truncated)
    } else {
        Err(Malformed::Varint)
    }
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (array, after) = rest.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
    *rest = after;
    Ok(*array)
}

/// Appends a number of variable length.
pub(super) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
