//! Input in pieces: an object, list or event each.
//!
//! Text is cut by its brackets or by the marks of YAML documents, an envelope in protobuf where its
//! fields end, and a watch in protobuf by the lengths before its events.

use std::io::{self, Read};
use std::ops::Range;

use heliostat_kinds::MAGIC;

use super::From;

/// Reads pieces, one at a time.
pub(super) struct Pieces<R> {
    input: R,
    from: Option<From>,
    buffer: Vec<u8>,
    /// What was cut off.
    at: usize,
    is_at_end: bool,
}

/// A piece of input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    Json(&'a [u8]),
    Yaml(&'a [u8]),
    /// An object or a list with its envelope.
    Envelope(&'a [u8]),
    /// An event of a watch, without the length before it.
    Event(&'a [u8]),
}

/// Why the input cannot be cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum SplitError {
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
    #[error("the input ends within the object")]
    Cut,
    #[error("the object has more than {PIECE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the envelope has a field that is no field of an envelope")]
    Envelope,
    #[error("there is no JSON; it begins with an object or an array")]
    NotJson,
    #[error(
        "there is no Kubernetes protobuf; it begins with \"k8s\\0\", or with a length in a watch"
    )]
    NotProtobuf,
}

/// The most bytes of a piece.
const PIECE_BYTES_MAX: usize = 1 << 30;

/// How many bytes are read at once, at least.
const READ_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Syntax {
    Json,
    Yaml,
    Envelope,
    Event,
}

/// The next piece, as far as it is known.
enum Split {
    Piece(Syntax, Range<usize>),
    /// More has to be read.
    More,
    End,
}

impl<R: Read> Pieces<R> {
    pub(super) const fn new(input: R, from: Option<From>) -> Self {
        Self {
            input,
            from,
            buffer: Vec::new(),
            at: 0,
            is_at_end: false,
        }
    }

    /// Returns the next piece. After an error there is none.
    pub(super) fn next(&mut self) -> Result<Option<Piece<'_>>, SplitError> {
        let (syntax, range) = loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            match split(rest, self.from, self.is_at_end)? {
                Split::End => return Ok(None),
                Split::More if self.is_at_end => return Err(SplitError::Cut),
                Split::More => self.read()?,
                Split::Piece(syntax, range) => {
                    // Indentation may make anything of what follows in YAML.
                    if syntax == Syntax::Yaml {
                        self.from = Some(From::Yaml);
                    }
                    break (syntax, range);
                }
            }
        };
        let range = self.at + range.start..self.at + range.end;
        self.at = range.end;
        let bytes = self.buffer.get(range).unwrap_or_default();
        Ok(Some(match syntax {
            Syntax::Json => Piece::Json(bytes),
            Syntax::Yaml => Piece::Yaml(bytes),
            Syntax::Envelope => Piece::Envelope(bytes),
            Syntax::Event => Piece::Event(bytes),
        }))
    }

    fn read(&mut self) -> Result<(), SplitError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        if self.buffer.len() > PIECE_BYTES_MAX {
            return Err(SplitError::TooLarge);
        }
        // As much again, so that a large piece is not looked at often; but what is there of a watch
        // comes out at once.
        let room = READ_BYTES.max(self.buffer.len());
        let length = self.buffer.len();
        self.buffer.resize(length + room, 0);
        let room = self.buffer.get_mut(length..).unwrap_or_default();
        let read = loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        self.is_at_end = read? == 0;
        Ok(())
    }
}

/// Finds the first piece of the bytes.
fn split(rest: &[u8], from: Option<From>, is_at_end: bool) -> Result<Split, SplitError> {
    let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
    let start = match rest.get(spaces..) {
        Some([]) | None if is_at_end => return Ok(Split::End),
        Some([]) | None => return Ok(Split::More),
        Some(start) => start,
    };
    if start.len() < MAGIC.len() && MAGIC.starts_with(start) && !is_at_end {
        return Ok(Split::More);
    }
    let first = start.first().copied().unwrap_or_default();
    let found = match first {
        b'{' | b'[' => Syntax::Json,
        _ if start.starts_with(MAGIC) => Syntax::Envelope,
        0 => Syntax::Event,
        _ => Syntax::Yaml,
    };
    if from == Some(From::Protobuf) && start.len() <= LENGTH_BYTES && !is_at_end {
        return Ok(Split::More);
    }
    let syntax = match (from, found) {
        (Some(From::Yaml), _) => Syntax::Yaml,
        (Some(From::Json), Syntax::Yaml | Syntax::Envelope | Syntax::Event) => {
            return Err(SplitError::NotJson);
        }
        // Any length may be before an event.
        (Some(From::Protobuf), Syntax::Yaml) if is_event(start) => Syntax::Event,
        (Some(From::Protobuf), Syntax::Yaml) => return Err(SplitError::NotProtobuf),
        (_, found) => found,
    };
    let end = match syntax {
        Syntax::Json => json_end(start),
        Syntax::Envelope => envelope_end(start, is_at_end)?,
        Syntax::Event => event_end(start)?,
        // The indentation of the first line belongs to the document.
        Syntax::Yaml => {
            let end = yaml_end(rest, is_at_end);
            return Ok(end.map_or(Split::More, |end| Split::Piece(syntax, 0..end)));
        }
    };
    let end = end.map(|end| spaces + end);
    let skipped = spaces
        + if syntax == Syntax::Event {
            LENGTH_BYTES
        } else {
            0
        };
    Ok(end.map_or(Split::More, |end| Split::Piece(syntax, skipped..end)))
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The end of the value, if it is there.
fn json_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next()? {
                    (_, b'"') => break,
                    (_, b'\\') => _ = bytes.next()?,
                    _ => {}
                }
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The end of the document: where a line begins with the mark of the next.
fn yaml_end(text: &[u8], is_at_end: bool) -> Option<usize> {
    let mut at = 0;
    let mut has_content = false;
    while let Some(line) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = line.iter().position(|byte| *byte == b'\n');
        let line = line.get(..length.unwrap_or(line.len())).unwrap_or_default();
        let is_mark = |mark: &[u8]| {
            line.strip_prefix(mark)
                .is_some_and(|rest| rest.first().is_none_or(|byte| is_space(*byte)))
        };
        if length.is_none() && !is_at_end {
            return None;
        }
        if is_mark(b"---") && has_content {
            return Some(at);
        }
        let next = length.map_or(text.len(), |length| at + length + 1);
        if is_mark(b"...") {
            return Some(next);
        }
        has_content |= !line.trim_ascii().is_empty() && !line.starts_with(b"#");
        at = next;
    }
    is_at_end.then_some(text.len())
}

/// The number of bytes before an event, which are its length.
const LENGTH_BYTES: usize = 4;

/// True if a length comes first, and the type of an event behind it.
fn is_event(bytes: &[u8]) -> bool {
    let is_text = std::str::from_utf8(bytes.get(..LENGTH_BYTES).unwrap_or_default()).is_ok();
    !is_text && bytes.get(LENGTH_BYTES) == Some(&0x0a)
}

fn event_end(bytes: &[u8]) -> Result<Option<usize>, SplitError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > PIECE_BYTES_MAX {
        return Err(SplitError::TooLarge);
    }
    Ok((rest.len() >= length).then_some(LENGTH_BYTES + length))
}

/// The end of the envelope. Nothing says how long it is: it goes on as long as fields follow.
///
/// The fields come in the order of their numbers. So once the object (2) is there, a line feed is not
/// the tag of the kind (1) but what etcdctl prints after a value.
fn envelope_end(bytes: &[u8], is_at_end: bool) -> Result<Option<usize>, SplitError> {
    let mut at = MAGIC.len();
    let mut has_object = false;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first() {
            None => return Ok(is_at_end.then_some(at)),
            Some(b'\n' | b'\r' | b'{' | b'k') if has_object => return Ok(Some(at)),
            Some(0x0a | 0x12 | 0x1a | 0x22) => {}
            Some(_) => return Err(SplitError::Envelope),
        }
        has_object |= rest.first() == Some(&0x12);
        let Some((length, size)) = varint(rest.get(1..).unwrap_or_default())? else {
            return Ok(None);
        };
        let end = usize::try_from(length)
            .ok()
            .filter(|length| *length <= PIECE_BYTES_MAX)
            .map(|length| at + 1 + size + length)
            .ok_or(SplitError::TooLarge)?;
        if end > bytes.len() {
            return Ok(None);
        }
        at = end;
    }
}

/// A number of variable length, and how many bytes it has.
fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, SplitError> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        if index > 8 {
            return Err(SplitError::TooLarge);
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((number, index + 1)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let length = usize::from(!room.is_empty());
            self.0.read(&mut room[..length])
        }
    }

    fn pieces(input: &[u8], from: Option<From>) -> (Vec<String>, Option<String>) {
        let read = |mut pieces: Pieces<Box<dyn Read + '_>>| {
            let mut found = Vec::new();
            loop {
                match pieces.next() {
                    Ok(Some(piece)) => {
                        let (word, bytes) = match piece {
                            Piece::Json(bytes) => ("json", bytes),
                            Piece::Yaml(bytes) => ("yaml", bytes),
                            Piece::Envelope(bytes) => ("envelope", bytes),
                            Piece::Event(bytes) => ("event", bytes),
                        };
                        found.push(format!("{word} {}", bytes.escape_ascii()));
                    }
                    Ok(None) => return (found, None),
                    Err(error) => return (found, Some(error.to_string())),
                }
            }
        };
        let whole = read(Pieces::new(Box::new(input), from));
        assert_eq!(read(Pieces::new(Box::new(Slow(input)), from)), whole);
        whole
    }

    #[test]
    fn every_encoding_is_cut_into_pieces() {
        for (input, expected) in [
            (&b""[..], &[][..]),
            (b" \n\r\t", &[]),
            (
                br#"{"a":"}\""}[1] {}"#,
                &[r#"json {\"a\":\"}\\\"\"}"#, "json [1]", "json {}"],
            ),
            (b"a: 1\n---\nb: 2", &["yaml a: 1\\n", "yaml ---\\nb: 2"]),
            (
                b"---\na: 1\n...\n---\nb: |\n  ---\n",
                &["yaml ---\\na: 1\\n...\\n", "yaml ---\\nb: |\\n  ---\\n"],
            ),
            (
                b"k8s\0\x0a\x01a\x12\x01b\x1a\0\n\nk8s\0\x12\0k8s\0\x12\0{}\n",
                &[
                    r"envelope k8s\x00\n\x01a\x12\x01b\x1a\x00",
                    r"envelope k8s\x00\x12\x00",
                    r"envelope k8s\x00\x12\x00",
                    "json {}",
                ],
            ),
            (b"\0\0\0\x02ab\0\0\0\0", &["event ab", "event "]),
        ] {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            let found = pieces(input, None);
            assert_eq!(found, (expected, None), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn what_cannot_be_cut_is_said() {
        for (input, from, expected) in [
            (&b"{\"a\":"[..], None, "ends within"),
            (b"{\"a", None, "ends within"),
            (b"k8s\0\x12\x05a", None, "ends within"),
            (b"k8s\0\x12\xff", None, "ends within"),
            (
                b"k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                None,
                "more than",
            ),
            (b"k8s\0\x12\xff\xff\xff\xff\x7f", None, "more than"),
            (b"k8s\0\xff", None, "no field of an envelope"),
            (b"\0\0\0\x05a", None, "ends within"),
            (b"\0\0", None, "ends within"),
            (b"\xff\xff\xff\xff\x0a", Some(From::Protobuf), "more than"),
            (b"a: 1", Some(From::Json), "no JSON"),
            (b"k8s\0\x12\0", Some(From::Json), "no JSON"),
            (b"a: 1", Some(From::Protobuf), "no Kubernetes protobuf"),
        ] {
            let (found, error) = pieces(input, from);
            let error = error.unwrap_or_default();
            assert!(
                error.contains(expected),
                "{}: {error}",
                input.escape_ascii()
            );
            assert_eq!(found, Vec::<String>::new());
        }
    }
}
