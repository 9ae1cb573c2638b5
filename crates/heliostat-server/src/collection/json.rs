//! An object in JSON as a line of a watch stream, and where its parts are in it.
//!
//! The invariant to know: the line is `{"type":"ADDED","object":{..}}\n`, and every other form (the
//! bare object, the item of a list without its type, the metadata alone) is a part of it. So an event
//! costs one encoding for all watchers, and a list copies bytes instead of serializing.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::encode::encode;
use super::event_type::EventType;
use super::kind::{Kind, Object};

/// An object as a line of a watch stream.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    event_type: EventType,
    bytes: Bytes,
    object: Range<usize>,
}

impl Line {
    /// The line of an object in JSON.
    pub(crate) fn new(event_type: EventType, object: &[u8]) -> Self {
        let bytes = event_type.frame(object);
        let end = bytes.len().saturating_sub(END.len());
        let start = end.saturating_sub(object.len());
        Self {
            event_type,
            bytes,
            object: start..end,
        }
    }

    /// Returns the line under a type: shared if it is the type that it was made with.
    pub(crate) fn frame(&self, event_type: EventType) -> Bytes {
        if event_type == self.event_type {
            self.bytes.clone()
        } else {
            event_type.frame(&self.object())
        }
    }

    /// Returns the object.
    pub(crate) fn object(&self) -> Bytes {
        self.bytes.slice(self.object.clone())
    }

    /// How many bytes the line has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// What follows the object in its line.
const END: &[u8] = b"}\n";

/// An object of which the parts are known.
#[derive(Clone, Debug)]
pub(crate) struct Json {
    line: Line,
    spans: Spans,
}

/// Where the parts are inside the line.
#[derive(Clone, Debug)]
struct Spans {
    metadata: Range<usize>,
    /// The digits of the resourceVersion, without the quotes.
    version: Range<usize>,
    /// Where a list item goes on after its opening brace: behind kind and apiVersion for built-in
    /// kinds.
    item: usize,
}

impl Json {
    /// Encodes an object, whose own `resourceVersion` (if any) is replaced by `version`.
    pub(crate) fn encode(
        kind: &Kind,
        object: &Object,
        version: u64,
        event_type: EventType,
    ) -> Self {
        let mut frame = Vec::with_capacity(512);
        event_type.open(&mut frame);
        let start = frame.len();
        let encoded = encode(kind, object, version, frame);
        let mut frame = encoded.bytes;
        let object = start..frame.len();
        frame.extend_from_slice(END);
        frame.shrink_to_fit();
        Self {
            line: Line {
                event_type,
                bytes: frame.into(),
                object,
            },
            spans: Spans {
                metadata: encoded.metadata,
                version: encoded.version,
                item: encoded.item,
            },
        }
    }

    /// Takes an object as its source wrote it, and puts `version` in the place of its own. `lead` is
    /// how an object of the kind begins in front of what a list item has.
    ///
    /// # Errors
    /// If the text is no object with metadata.
    pub(crate) fn from_text(
        text: &[u8],
        lead: &str,
        version: u64,
        event_type: EventType,
    ) -> Result<Self, String> {
        let compact;
        let text = match text.contains(&b'\n') {
            true => {
                compact = without_whitespace(text);
                &compact
            }
            false => text,
        };
        let parts = Parts::of(text).map_err(|error| error.to_string())?;
        let digits = version.to_string();
        let (before, inserted, after) = match &parts.version {
            Some(span) => (span.start, digits.clone(), span.end),
            None => {
                let at = parts.metadata.start + 1;
                let comma = if parts.metadata.len() > 2 { "," } else { "" };
                (at, format!("\"resourceVersion\":\"{digits}\"{comma}"), at)
            }
        };
        let head = text.get(..before).unwrap_or_default();
        let tail = text.get(after..).unwrap_or_default();
        let object = [head, inserted.as_bytes(), tail].concat();
        let line = Line::new(event_type, &object);
        let start = line.object.start;
        let leads = object.starts_with(lead.as_bytes()) && !lead.is_empty();
        let digits_at = match parts.version {
            Some(_) => before,
            None => before + "\"resourceVersion\":\"".len(),
        };
        let grown = |end: usize| end + inserted.len() - (after - before);
        Ok(Self {
            spans: Spans {
                metadata: start + parts.metadata.start..start + grown(parts.metadata.end),
                version: start + digits_at..start + digits_at + digits.len(),
                item: start + if leads { lead.len() } else { 1 },
            },
            line,
        })
    }

    /// The same object under another version and event type, without decoding.
    pub(crate) fn at(&self, version: u64, event_type: EventType) -> Self {
        let (line, spans) = (&self.line, &self.spans);
        let digits = version.to_string();
        let mut frame = Vec::with_capacity(line.len() + 8);
        event_type.open(&mut frame);
        let start = frame.len();
        let moved = |offset: usize| start + (offset - line.object.start);
        let part = |range: Range<usize>| line.bytes.get(range).unwrap_or_default();
        frame.extend_from_slice(part(line.object.start..spans.version.start));
        frame.extend_from_slice(digits.as_bytes());
        frame.extend_from_slice(part(spans.version.end..line.object.end));
        let object = start..frame.len();
        frame.extend_from_slice(END);
        let grown = |offset: usize| moved(offset) + digits.len() - spans.version.len();
        let version = moved(spans.version.start);
        Self {
            spans: Spans {
                metadata: moved(spans.metadata.start)..grown(spans.metadata.end),
                version: version..version + digits.len(),
                item: moved(spans.item),
            },
            line: Line {
                event_type,
                bytes: frame.into(),
                object,
            },
        }
    }

    /// Returns the object and its line.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Appends the object as a list item: built-in kinds leave out kind and apiVersion.
    pub(crate) fn write_item(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(self.part(self.spans.item..self.line.object.end));
    }

    /// Appends the object as PartialObjectMetadata.
    pub(crate) fn write_partial(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#,
        );
        out.extend_from_slice(self.part(self.spans.metadata.clone()));
        out.push(b'}');
    }

    /// Returns true if both have the same bytes but for the version.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        let around = |json: &Self| {
            let (object, version) = (&json.line.object, &json.spans.version);
            (object.start..version.start, version.end..object.end)
        };
        let ((before, after), (other_before, other_after)) = (around(self), around(other));
        self.part(before) == other.part(other_before) && self.part(after) == other.part(other_after)
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        self.line.bytes.get(range).unwrap_or_default()
    }
}

/// Where the metadata and the version are in an object in JSON.
struct Parts {
    metadata: Range<usize>,
    version: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, rename = "resourceVersion")]
    version: Option<&'a RawValue>,
}

impl Parts {
    fn of(text: &[u8]) -> Result<Self, serde_json::Error> {
        let top: Top<'_> = serde_json::from_slice(text)?;
        let metadata: Metadata<'_> = serde_json::from_str(top.metadata.get())?;
        // A raw value is a part of the text that it was read from.
        let span = |value: &RawValue| {
            let start = value.get().as_ptr().addr() - text.as_ptr().addr();
            start..start + value.get().len()
        };
        let version = metadata.version.filter(|it| it.get().starts_with('"'));
        Ok(Self {
            metadata: span(top.metadata),
            version: version.map(|value| span(value).start + 1..span(value).end - 1),
        })
    }
}

/// Leaves out whitespace between values: a line of a watch stream has no line breaks.
fn without_whitespace(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for &byte in json {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            out.push(byte);
        } else if !byte.is_ascii_whitespace() {
            in_text = byte == b'"';
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &Json) -> [String; 3] {
        let (mut item, mut partial) = (Vec::new(), Vec::new());
        json.write_item(&mut item);
        json.write_partial(&mut partial);
        [json.line().object().to_vec(), item, partial].map(|it| String::from_utf8(it).unwrap())
    }

    #[test]
    fn a_source_s_text_is_kept_but_for_the_version() {
        let lead = r#"{"kind":"Pod","apiVersion":"v1","#;
        let text =
            format!(r#"{lead}"metadata":{{"name":"a","resourceVersion":"7"}},"spec":{{}}}}"#);
        let json = Json::from_text(text.as_bytes(), lead, 1234, EventType::Added).unwrap();
        let [object, item, partial] = texts(&json);
        assert_eq!(object, text.replace("\"7\"", "\"1234\""));
        assert_eq!(
            item,
            r#"{"metadata":{"name":"a","resourceVersion":"1234"},"spec":{}}"#
        );
        assert!(partial.ends_with(r#""metadata":{"name":"a","resourceVersion":"1234"}}"#));
        assert_eq!(texts(&json.at(7, EventType::Deleted))[0], text);
    }

    #[test]
    fn a_version_is_added_where_the_text_has_none() {
        for (text, expected) in [
            (
                r#"{"metadata":{}}"#,
                r#"{"metadata":{"resourceVersion":"5"}}"#,
            ),
            (
                "{\n \"metadata\": {\"name\": \"a\\\" b\"}\n}\n",
                r#"{"metadata":{"resourceVersion":"5","name":"a\" b"}}"#,
            ),
        ] {
            let json = Json::from_text(text.as_bytes(), "", 5, EventType::Added).unwrap();
            let [object, item, _] = texts(&json);
            assert_eq!((&*object, &*item), (expected, expected));
            assert_eq!(
                texts(&json.at(66, EventType::Added))[0],
                expected.replace('5', "66")
            );
        }
        for text in ["", "[]", "{}", r#"{"metadata":7}"#, r#"{"metadata":{"#] {
            assert!(Json::from_text(text.as_bytes(), "", 5, EventType::Added).is_err());
        }
    }
}
