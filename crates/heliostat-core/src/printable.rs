//! `Printable`: text from outside, made harmless before it reaches a terminal, a log or an error.
//!
//! Messages of servers, names of objects and the output of plugins are data of someone else. Printed
//! as they are, they can clear a terminal, change its title, or forge a log line with a line break; one
//! of several megabytes fills a disk. This is the only place that escapes and cuts such text. Values
//! keep their text unchanged; it is escaped where it is formatted for people.

use std::fmt::{self, Write as _};

/// Number of bytes of a text from outside that are printed by default. The longest name that
/// Kubernetes accepts has 253 bytes; two of them and a slash fit.
pub const TEXT_BYTES_MAX: usize = 512;

/// Returns a value that displays as `text` does, escaped and cut to [`TEXT_BYTES_MAX`] bytes.
///
/// Control characters and characters that change the direction of text are written as Rust escapes
/// (`\n`, `\u{1b}`). A text that is longer ends with the number of bytes that are left out. To escape
/// twice is the same as to escape once.
///
/// ```
/// use heliostat_core::printable::printable;
///
/// assert_eq!(printable("kube-system/dns").to_string(), "kube-system/dns");
/// assert_eq!(printable("a\x1b[2J\r\nb").to_string(), r"a\u{1b}[2J\r\nb");
/// assert_eq!(printable("abcdef").bytes_max(4).to_string(), "abcd… (2 more bytes)");
/// ```
pub const fn printable<T: fmt::Display>(text: T) -> Printable<T> {
    Printable {
        text,
        bytes_max: TEXT_BYTES_MAX,
    }
}

/// A text from outside that is safe to print; see [`printable`].
#[derive(Clone, Copy)]
pub struct Printable<T> {
    text: T,
    bytes_max: usize,
}

impl<T> Printable<T> {
    /// Number of bytes after which the text is cut. Default [`TEXT_BYTES_MAX`].
    #[must_use]
    pub const fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }
}

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaper = Escaper {
            out: f,
            room: self.bytes_max,
            cut: 0,
        };
        write!(escaper, "{}", self.text)?;
        escaper.finish()
    }
}

/// The same as its `Display`: a log that prints fields with `Debug` shows the text without quotes.
impl<T: fmt::Display> fmt::Debug for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes text escaped until there is no more room, and counts the rest.
struct Escaper<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    /// Number of bytes of the text that may still be written.
    room: usize,
    /// Number of bytes of the text that were left out.
    cut: usize,
}

impl Escaper<'_, '_> {
    fn finish(self) -> fmt::Result {
        match self.cut {
            0 => Ok(()),
            cut => write!(self.out, "… ({cut} more bytes)"),
        }
    }
}

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What follows a cut is cut as well, also if it would fit.
        let room = if self.cut > 0 { 0 } else { self.room };
        let (kept, rest) = text.split_at(text.floor_char_boundary(room));
        self.room -= kept.len();
        self.cut += rest.len();
        let mut from = 0;
        for (at, character) in kept.char_indices().filter(|(_, it)| is_harmful(*it)) {
            self.out.write_str(kept.get(from..at).unwrap_or_default())?;
            write!(self.out, "{}", character.escape_default())?;
            from = at + character.len_utf8();
        }
        self.out.write_str(kept.get(from..).unwrap_or_default())
    }
}

/// Returns true for a character that a terminal obeys or a reader cannot see: control characters (C0,
/// DEL and C1), line and paragraph separators, and marks that change the direction of text.
#[must_use]
pub const fn is_harmful(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let title = "\x1b]0;owned\x07 \u{9b}2J \u{7f} \u{202e}";
        let shown = printable(title).to_string();
        assert_eq!(shown, r"\u{1b}]0;owned\u{7} \u{9b}2J \u{7f} \u{202e}");
        assert_eq!(format!("{:?}", printable(title)), shown);
    }

    #[test]
    fn a_cut_falls_between_characters_and_names_the_rest() {
        assert_eq!(
            printable("äöü").bytes_max(3).to_string(),
            "ä… (4 more bytes)"
        );
        let long = "x".repeat(5_000_000);
        let shown = printable(&long).to_string();
        assert_eq!(shown.len(), TEXT_BYTES_MAX + "… (4999488 more bytes)".len());
    }

    #[test]
    fn a_text_in_pieces_is_cut_as_a_whole() {
        let pieces = format_args!("{}{}", "abc", "d");
        assert_eq!(
            printable(pieces).bytes_max(2).to_string(),
            "ab… (2 more bytes)"
        );
        let pieces = format_args!("{}{}", "ä", "b");
        assert_eq!(
            printable(pieces).bytes_max(1).to_string(),
            "… (3 more bytes)"
        );
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_harmful_character(text: String, bytes_max in 0usize..64) {
            let shown = printable(&text).bytes_max(bytes_max).to_string();
            prop_assert!(!shown.contains(is_harmful), "{shown:?}");
            let whole = printable(&text).bytes_max(usize::MAX).to_string();
            let twice = printable(&whole).bytes_max(usize::MAX).to_string();
            prop_assert_eq!(whole, twice);
        }
    }
}
