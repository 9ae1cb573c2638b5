//! `Gather`: a run of bytes that chunks may cut.

use super::field::{Malformed, Tag, VARINT_BYTES_MAX, WireType, varint};

/// Gives runs of bytes out of chunks. A run that lies within one chunk is given where it lies; one
/// that is cut is put together here, so what is held is one unfinished run.
#[derive(Debug, Default)]
pub(super) struct Gather {
    held: Vec<u8>,
    /// The held bytes have been given out.
    spent: bool,
    /// How many bytes have been taken, for messages.
    offset: u64,
}

/// A chunk, and how much of it has been taken.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What stands before the contents of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) tag: Tag,
    /// How many bytes the contents have. The number of a varint field is part of the head.
    pub(super) content: u64,
    /// How many bytes the head itself has.
    pub(super) bytes: u64,
}

/// Room above this is given back once the run is over: one large object must not cost its size for
/// as long as the watch lasts. Most objects are smaller.
const HELD_BYTES_KEPT: usize = 64 << 10;

impl Gather {
    /// A run of `n` bytes, if they are there.
    pub(super) fn take<'a, 'c: 'a>(
        &'a mut self,
        chunk: &mut Chunk<'c>,
        n: usize,
    ) -> Option<&'a [u8]> {
        self.renew();
        let rest = chunk.rest();
        if self.held.is_empty()
            && let Some(run) = rest.get(..n)
        {
            chunk.at += n;
            self.offset += n as u64;
            return Some(run);
        }
        let missing = n.saturating_sub(self.held.len()).min(rest.len());
        self.hold(rest.get(..missing).unwrap_or_default());
        chunk.at += missing;
        if self.held.len() < n {
            return None;
        }
        self.spent = true;
        Some(&self.held)
    }

    /// The head of a field, if it is there.
    pub(super) fn head(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Head>, Malformed> {
        self.renew();
        let rest = chunk.rest();
        if self.held.is_empty()
            && let Some(head) = Head::read(rest)?
        {
            chunk.at += head.bytes as usize;
            self.offset += head.bytes;
            return Ok(Some(head));
        }
        // A cut head: byte by byte, at most twenty of them.
        for &byte in rest {
            self.hold(&[byte]);
            chunk.at += 1;
            if let Some(head) = Head::read(&self.held)? {
                self.spent = true;
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Passes over up to `n` bytes; gives how many.
    pub(super) fn skip(&mut self, chunk: &mut Chunk<'_>, n: u64) -> u64 {
        let rest = chunk.rest().len();
        let skipped = rest.min(usize::try_from(n).unwrap_or(usize::MAX));
        chunk.at += skipped;
        self.offset += skipped as u64;
        skipped as u64
    }

    /// True if no run is unfinished.
    pub(super) const fn is_clear(&self) -> bool {
        self.held.is_empty() || self.spent
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the run begins that is not complete, wherever chunks were cut.
    pub(super) const fn start(&self) -> u64 {
        match self.spent {
            true => self.offset,
            false => self.offset - self.held.len() as u64,
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
    }

    fn renew(&mut self) {
        if self.spent {
            self.spent = false;
            self.held.clear();
            self.held.shrink_to(HELD_BYTES_KEPT);
        }
    }
}

impl<'a> Chunk<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes that have not been taken, all of them.
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest();
        self.at = self.bytes.len();
        rest
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

impl Head {
    /// Reads a head off the front; none if it is not complete.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut rest = bytes;
        let complete = |result: Result<u64, Malformed>| match result {
            Ok(number) => Ok(Some(number)),
            Err(Malformed::Truncated) => Ok(None),
            Err(error) => Err(error),
        };
        let Some(tag) = complete(varint(&mut rest))? else {
            return Ok(None);
        };
        let tag = Tag::of(tag)?;
        let content = match tag.wire_type {
            WireType::Fixed64 => Some(8),
            WireType::Fixed32 => Some(4),
            WireType::Bytes => complete(varint(&mut rest))?,
            WireType::Varint => complete(varint(&mut rest))?.map(|_| 0),
        };
        let bytes = (bytes.len() - rest.len()) as u64;
        debug_assert!(bytes <= 2 * VARINT_BYTES_MAX as u64, "two numbers at most");
        Ok(content.map(|content| Self {
            tag,
            content,
            bytes,
        }))
    }
}
