//! The members of an object by their places in the bytes, for those who cut or insert one.

use std::ops::Range;

use super::scan::{ValueScan, is_space};

/// One member of an object, by its places in the bytes.
pub(super) struct Member {
    /// With its quotes.
    pub(super) name: Range<usize>,
    /// Its place between the separators.
    pub(super) value: Range<usize>,
}

impl Member {
    /// True if the name is written so, quotes included.
    pub(super) fn is(&self, bytes: &[u8], name: &[u8]) -> bool {
        bytes.get(self.name.clone()) == Some(name)
    }
}

/// The members of an object, in turn; ends early where the bytes are not as they should be.
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    /// Where the last member ends, or the object begins.
    pub(super) at: usize,
}

impl<'a> Members<'a> {
    /// The members of the object that begins at `start`.
    pub(super) fn of(bytes: &'a [u8], start: usize) -> Option<Self> {
        let start = skip_spaces(bytes, start);
        (bytes.get(start) == Some(&b'{')).then_some(Self {
            bytes,
            at: start + 1,
        })
    }

    fn value(&self, start: usize) -> Option<Range<usize>> {
        let rest = self.bytes.get(start..)?;
        let length = ValueScan::of(*rest.first()?)?.find_end(rest)?;
        Some(start..start + length)
    }
}

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let mut start = skip_spaces(self.bytes, self.at);
        if self.bytes.get(start) == Some(&b',') {
            start = skip_spaces(self.bytes, start + 1);
        }
        if self.bytes.get(start) != Some(&b'"') {
            return None;
        }
        let name = self.value(start)?;
        let colon = skip_spaces(self.bytes, name.end);
        if self.bytes.get(colon) != Some(&b':') {
            return None;
        }
        let value = self.value(skip_spaces(self.bytes, colon + 1))?;
        self.at = value.end;
        Some(Member { name, value })
    }
}

/// The place of the first byte from `from` on that is not white space.
pub(super) fn skip_spaces(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|&&byte| is_space(byte)).count()
}
