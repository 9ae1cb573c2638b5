//! Text of the tables: where it starts in the one string of the tables, and its length.

use crate::tables::{LISTS, TEXT};

/// A piece of [`TEXT`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Text(u32);

impl Text {
    /// The text of `len` bytes at `at`.
    pub(crate) const fn new(at: u32, len: u8) -> Self {
        Self(at << 8 | len as u32)
    }

    /// The text itself.
    #[inline]
    pub(crate) fn get(self) -> &'static str {
        let at = (self.0 >> 8) as usize;
        TEXT.get(at..at + self.len()).unwrap_or_default()
    }

    /// The text between quotes and with a colon behind it. Only names of fields are stored so.
    #[inline]
    pub(crate) fn json_key(self) -> &'static str {
        let at = (self.0 >> 8) as usize;
        TEXT.get(at - 1..at + self.len() + 2).unwrap_or_default()
    }

    /// The text, unless it is empty.
    pub(crate) fn some(self) -> Option<&'static str> {
        (self.len() > 0).then(|| self.get())
    }

    const fn len(self) -> usize {
        (self.0 & 0xff) as usize
    }
}

/// A run of [`LISTS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TextList {
    first: u16,
    len: u16,
}

impl TextList {
    /// The `len` texts from `first` on.
    pub(crate) const fn new(first: u16, len: u16) -> Self {
        Self { first, len }
    }

    /// Every text of the list.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        let first = usize::from(self.first);
        let texts = LISTS.get(first..first + usize::from(self.len));
        texts.unwrap_or_default().iter().map(|text| text.get())
    }
}
