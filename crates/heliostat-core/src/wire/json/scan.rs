//! Where a JSON value ends.
//!
//! The scan goes over 64 bytes at a time: one bit mask for quotes, one for backslashes, one each for
//! opening and closing brackets; what lies in strings is masked out, and the brackets left are
//! counted. The state between two calls is three words, so a value may be cut at any byte.
//!
//! The invariant: the end that is found depends on the bytes alone, never on how they were cut.
//!
//! Brackets are counted, not paired: `[}` balances. Well-formed input has the same end either way,
//! and whoever meets input that does not parse asks [`check_structure`] before trusting the end.

use wide::u8x16;

/// How many bytes are looked at together: as many as a mask has bits.
const BLOCK: usize = 64;

/// How many bytes a vector has.
const LANES: usize = 16;

/// Finds the end of one value, given its bytes piece by piece.
#[derive(Clone, Debug)]
pub(super) enum ValueScan {
    /// An object or an array.
    Nested(NestedScan),
    /// A string.
    Text(TextScan),
    /// A number or a literal: it ends before whatever cannot be part of one.
    Scalar,
}

impl ValueScan {
    /// The scan for a value that begins with this byte; none if no value begins so.
    pub(super) const fn of(first: u8) -> Option<Self> {
        match first {
            b'{' | b'[' => Some(Self::Nested(NestedScan::new())),
            b'"' => Some(Self::Text(TextScan::new())),
            b'}' | b']' | b',' | b':' => None,
            _ => Some(Self::Scalar),
        }
    }

    /// Goes on with the next bytes of the value, the first of all included. Gives the number of
    /// them that belong to it, or nothing if it goes on after them.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Nested(nested) => nested.find_end(bytes),
            Self::Text(text) => text.find_end(bytes),
            Self::Scalar => bytes.iter().position(|&byte| ends_scalar(byte)),
        }
    }
}

/// JSON's four kinds of white space (RFC 8259, section 2).
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

const fn ends_scalar(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"')
}

/// Finds the end of a string.
#[derive(Clone, Debug)]
pub(super) struct TextScan {
    opened: bool,
    escaped: bool,
}

impl TextScan {
    pub(super) const fn new() -> Self {
        Self {
            opened: false,
            escaped: false,
        }
    }

    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if !self.opened && !bytes.is_empty() {
            self.opened = true;
            at = 1;
        }
        loop {
            if self.escaped && at < bytes.len() {
                self.escaped = false;
                at += 1;
            }
            let rest = bytes.get(at..)?;
            let found = memchr::memchr2(b'"', b'\\', rest)?;
            at += found + 1;
            if rest.get(found) == Some(&b'"') {
                return Some(at);
            }
            self.escaped = true;
        }
    }
}

/// Finds the end of an object or an array.
#[derive(Clone, Debug)]
pub(super) struct NestedScan {
    /// How many brackets are open.
    depth: u64,
    /// All ones within a string, else zero.
    in_string: u64,
    /// One if the next byte is escaped, else zero.
    escaped: u64,
}

impl NestedScan {
    pub(super) const fn new() -> Self {
        Self {
            depth: 0,
            in_string: 0,
            escaped: 0,
        }
    }

    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        while let Some((block, tail)) = rest.split_first_chunk::<BLOCK>() {
            if let Some(end) = self.block(block, BLOCK) {
                return Some(bytes.len() - rest.len() + end);
            }
            rest = tail;
        }
        if rest.is_empty() {
            return None;
        }
        // Spaces change nothing, wherever they stand.
        let mut padded = [b' '; BLOCK];
        padded.get_mut(..rest.len())?.copy_from_slice(rest);
        let end = self.block(&padded, rest.len())?;
        Some(bytes.len() - rest.len() + end)
    }

    /// Takes in one block, of which `len` bytes are meant, and gives the end if it is in there.
    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], len: usize) -> Option<usize> {
        let masks = Masks::of(block);
        let quotes = masks.quotes & !self.escaped_bytes(masks.backslashes, len);
        let in_string = prefix_xor(quotes) ^ self.in_string;
        self.in_string = 0u64.wrapping_sub(in_string >> (BLOCK - 1));
        let opens = masks.opens & !in_string;
        let closes = masks.closes & !in_string;
        let closed = u64::from(closes.count_ones());
        if self.depth > closed {
            self.depth = self.depth + u64::from(opens.count_ones()) - closed;
            return None;
        }
        self.brackets(opens, closes)
    }

    /// Takes the brackets of a block one by one.
    fn brackets(&mut self, opens: u64, closes: u64) -> Option<usize> {
        let mut both = opens | closes;
        while both != 0 {
            let lowest = both & both.wrapping_neg();
            if opens & lowest != 0 {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(lowest.trailing_zeros() as usize + 1);
                }
            }
            both ^= lowest;
        }
        None
    }

    /// The bytes that follow an odd number of backslashes, by the carry of an addition: a run that
    /// begins at an odd place ripples out at an even one if its length is odd, and the reverse.
    #[inline]
    fn escaped_bytes(&mut self, backslashes: u64, len: usize) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        let escaping = backslashes & !self.escaped;
        let follows = escaping << 1 | self.escaped;
        let odd_starts = escaping & !EVEN & !follows;
        let (rippled, overflow) = odd_starts.overflowing_add(escaping);
        let escaped = (EVEN ^ (rippled << 1)) & follows;
        self.escaped = if len < BLOCK {
            escaped >> len & 1
        } else {
            u64::from(overflow)
        };
        escaped
    }
}

/// True if no bracket of the value can lie deeper than `levels`. May be false for a value that is
/// flatter, never true for one that is deeper: within a block all opening brackets count.
pub(super) fn is_at_most(levels: u64, value: &[u8]) -> bool {
    let mut scan = NestedScan::new();
    value.chunks(BLOCK).all(|chunk| {
        let mut block = [b' '; BLOCK];
        for (place, byte) in block.iter_mut().zip(chunk) {
            *place = *byte;
        }
        let opens = u64::from(Masks::of(&block).opens.count_ones());
        let fits = scan.depth + opens <= levels;
        scan.block(&block, chunk.len());
        fits
    })
}

/// Which bytes of a block are what.
#[derive(Clone, Copy, Debug, Default)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Masks {
    /// By vectors of 16 bytes, which every processor of note has; a plain loop is ten times slower,
    /// because the compiler does not find the instruction that gathers the bits.
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self::default();
        let (vectors, _) = block.as_chunks::<LANES>();
        for (index, bytes) in vectors.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            // `[` and `{` differ in one bit, and so do `]` and `}`; no other byte maps onto them.
            let folded = bytes | u8x16::splat(0x20);
            let shift = index * LANES;
            masks.quotes |= equal(bytes, b'"') << shift;
            masks.backslashes |= equal(bytes, b'\\') << shift;
            masks.opens |= equal(folded, b'{') << shift;
            masks.closes |= equal(folded, b'}') << shift;
        }
        masks
    }
}

/// Bit `n` of the result says whether lane `n` has this byte.
#[inline]
fn equal(bytes: u8x16, byte: u8) -> u64 {
    let lanes = bytes.cmp_eq(u8x16::splat(byte)).move_mask();
    // Sixteen lanes, so the sign is never set.
    u64::from(lanes.cast_unsigned())
}

/// Bit `n` of the result is the parity of the bits up to `n`: one between an opening quote, this
/// one included, and the closing one.
const fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

/// A value whose brackets do not pair, or that has a backslash outside a string, so that the end
/// which the scan found cannot be relied on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Broken {
    /// How many bytes of the value come before the place.
    pub(super) place: usize,
}

/// Checks what the scan leaves unchecked. Of use only for a value that did not parse.
pub(super) fn check_structure(value: &[u8]) -> Result<(), Broken> {
    let mut open = Vec::new();
    let mut in_string = false;
    let mut bytes = value.iter().enumerate();
    while let Some((place, &byte)) = bytes.next() {
        match byte {
            b'\\' if in_string => {
                bytes.next();
            }
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'\\' => return Err(Broken { place }),
            b'{' | b'[' => open.push(byte),
            // The closing bracket's code is the opening one's plus two.
            b'}' | b']' if open.pop() != Some(byte - 2) => return Err(Broken { place }),
            _ => {}
        }
    }
    if in_string || !open.is_empty() {
        let place = value.len();
        return Err(Broken { place });
    }
    Ok(())
}
