//! Pieces taken apart into objects, and what is reported about them.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use heliostat_core::log_limit::{LogLimit, PERIOD};
use heliostat_core::printable::printable;
use heliostat_core::time::Time;
use heliostat_core::wire::protobuf::field::{Fields, Value};
use heliostat_kinds::schema::{self, Kind, ValueType};
use heliostat_kinds::{Envelope, MAGIC, Object, ReadError, unknown_fields, yaml_to_json};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::output::{Content, Found, ObjectError, Output};
use super::split::Piece;

/// How many lists may be in each other.
const NESTING_MAX: usize = 8;

/// Number of reports of one kind in each period: more than a person reads, and too few to fill a disk.
const LINES_MAX: u32 = 100;

/// Writes the objects of pieces, and reports those that it cannot write.
pub(super) struct Converter<'a> {
    output: Output,
    out: &'a mut dyn Write,
    input: String,
    /// How many objects of this input there were.
    position: u64,
    objects: u64,
    failed: u64,
    lines: LogLimit<&'static str>,
    started: Instant,
}

/// What distinguishes an object from a list and an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    items: Option<&'a RawValue>,
    #[serde(rename = "type", borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
}

/// The metadata of an object in protobuf.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    metadata: Names,
}

/// What an object is called.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Names {
    namespace: Option<String>,
    name: Option<String>,
}

/// The kind of an object that does not have it.
type TypeMeta<'a> = (&'a str, &'a str);

impl<'a> Converter<'a> {
    pub(super) fn new(output: Output, out: &'a mut dyn Write) -> Self {
        Self {
            output,
            out,
            input: String::new(),
            position: 0,
            objects: 0,
            failed: 0,
            lines: LogLimit::new(LINES_MAX, PERIOD),
            started: Instant::now(),
        }
    }

    /// Begins an input, which has this name in reports.
    pub(super) fn begin(&mut self, input: &str) {
        input.clone_into(&mut self.input);
        self.position = 0;
    }

    /// Returns how many objects there were, and how many were not written.
    pub(super) fn finish(self) -> (u64, u64) {
        (self.objects, self.failed)
    }

    /// Reports an object of which nothing is known.
    pub(super) fn fail(&mut self, error: &dyn Display) {
        self.count();
        self.report("", error);
    }

    /// Writes the objects of the piece. Fails only if nothing can be written any more.
    pub(super) fn convert(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        let converted = match *piece {
            Piece::Json(text) => self.json(text, ("", ""), 0),
            Piece::Yaml(text) => self.yaml(text),
            Piece::Envelope(bytes) => self.envelope(bytes, 0),
            Piece::Event(bytes) => self.event(bytes),
        };
        self.handle(converted)
    }

    /// Reports what is wrong with a piece that is not known to be an object.
    fn handle(&mut self, converted: Result<(), ObjectError>) -> io::Result<()> {
        match converted {
            Err(ObjectError::Output(error)) => Err(error),
            Err(error) => {
                self.fail(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn yaml(&mut self, text: &[u8]) -> Result<(), ObjectError> {
        let text = str::from_utf8(text)
            .map_err(|_| serde::de::Error::custom("the text is not UTF-8"))
            .map_err(ObjectError::Json)?;
        let is_empty = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
        });
        if is_empty {
            return Ok(());
        }
        let json = yaml_to_json(text)?;
        match &*json {
            b"null" => Ok(()),
            json => self.json(json, ("", ""), 0),
        }
    }

    /// An object, a list, an event, or an array of such.
    fn json(&mut self, text: &[u8], outer: TypeMeta<'_>, depth: usize) -> Result<(), ObjectError> {
        if depth > NESTING_MAX {
            return Err(ObjectError::TooDeep);
        }
        if text.first() == Some(&b'[') {
            return self.json_items(text, outer, depth);
        }
        let shape: Shape<'_> = serde_json::from_slice(text)?;
        let kind = shape.kind.as_deref().unwrap_or(outer.1);
        let api_version = shape.api_version.as_deref().unwrap_or(outer.0);
        match (shape.items, shape.event, shape.object) {
            (Some(items), _, _) if kind.ends_with("List") => match items.get() {
                "null" => Ok(()),
                // The items of a `List` name their kinds.
                items => match kind.strip_suffix("List").filter(|item| !item.is_empty()) {
                    Some(item) => self.json_items(items.as_bytes(), (api_version, item), depth),
                    None => self.json_items(items.as_bytes(), ("", ""), depth),
                },
            },
            // A bookmark has a version and no object.
            (_, Some(event), Some(_)) if shape.kind.is_none() && event.get() == "\"BOOKMARK\"" => {
                Ok(())
            }
            (_, Some(_), Some(object)) if shape.kind.is_none() => {
                self.json(object.get().as_bytes(), ("", ""), depth + 1)
            }
            _ => {
                let names = shape
                    .metadata
                    .map(|it| serde_json::from_str::<Names>(it.get()));
                self.write(&Found {
                    api_version,
                    kind,
                    key: names.and_then(Result::ok).unwrap_or_default().key(),
                    content: Content::Json(text),
                })
            }
        }
    }

    fn json_items(
        &mut self,
        array: &[u8],
        outer: TypeMeta<'_>,
        depth: usize,
    ) -> Result<(), ObjectError> {
        let items: Vec<&RawValue> = serde_json::from_slice(array)?;
        for item in items {
            let converted = self.json(item.get().as_bytes(), outer, depth + 1);
            self.handle(converted).map_err(ObjectError::Output)?;
        }
        Ok(())
    }

    /// An object or a list with an envelope.
    fn envelope(&mut self, bytes: &[u8], depth: usize) -> Result<(), ObjectError> {
        if depth > NESTING_MAX {
            return Err(ObjectError::TooDeep);
        }
        let envelope = Envelope::parse(bytes)?;
        let Some(kind) = schema::kind(envelope.api_version(), envelope.kind()) else {
            return self.write(&Found {
                api_version: envelope.api_version(),
                kind: envelope.kind(),
                key: String::new(),
                content: Content::Protobuf(envelope.raw()),
            });
        };
        let object = Object::from_envelope(bytes)?;
        match kind.items() {
            Some(items) => {
                let items = (items.number(), items.value_type());
                self.protobuf_items(kind, items, object.bytes(), depth)
            }
            None => self.protobuf(kind, object.bytes()),
        }
    }

    fn protobuf_items(
        &mut self,
        list: &'static Kind,
        (number, value_type): (u32, ValueType),
        bytes: &[u8],
        depth: usize,
    ) -> Result<(), ObjectError> {
        for item in runs(bytes, number) {
            let converted = match (item, list.item_kind(), value_type) {
                (Err(error), _, _) => return Err(error),
                (Ok(item), _, ValueType::RawExtension) => self.carried(item, depth + 1),
                (Ok(item), Some(kind), _) => self.protobuf(kind, item),
                (Ok(_), None, _) => Err(ObjectError::NotBuiltIn(list.name().to_owned())),
            };
            self.handle(converted).map_err(ObjectError::Output)?;
        }
        Ok(())
    }

    /// The object in an event of a watch.
    fn event(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        for event in runs(bytes, 1) {
            // A bookmark has a version and no object.
            if event? == b"BOOKMARK" {
                return Ok(());
            }
        }
        let mut last = None;
        for object in runs(bytes, 2) {
            last = Some(object?);
        }
        match last {
            Some(object) => self.carried(object, 0),
            None => Err(ObjectError::NoKind),
        }
    }

    /// An object in a message that carries any.
    fn carried(&mut self, message: &[u8], depth: usize) -> Result<(), ObjectError> {
        let mut last: &[u8] = b"";
        for content in runs(message, 1) {
            last = content?;
        }
        if last.starts_with(MAGIC) {
            self.envelope(last, depth)
        } else {
            self.json(last, ("", ""), depth)
        }
    }

    /// An object of a built-in kind, without an envelope.
    fn protobuf(&mut self, kind: &'static Kind, bytes: &[u8]) -> Result<(), ObjectError> {
        let object = Object::of_kind(kind, bytes)?;
        let found = Found {
            api_version: kind.api_version(),
            kind: kind.name(),
            key: object.decode::<Head>().unwrap_or_default().metadata.key(),
            content: Content::Protobuf(bytes),
        };
        if let (Output::Json | Output::Jsonl | Output::Yaml, Ok(unknown)) =
            (self.output, unknown_fields(&object))
            && !unknown.is_empty()
            && let Some(held_back) = self.admit("fields")
        {
            let (fields, label) = (unknown.join(", "), label(&found));
            let held_back = some(held_back);
            tracing::warn!(
                held_back,
                "fields of {label} are not known and left out: {fields}"
            );
        }
        self.write(&found)
    }

    fn write(&mut self, found: &Found<'_>) -> Result<(), ObjectError> {
        self.count();
        match self.output.write(found, self.out) {
            Err(error @ ObjectError::Output(_)) => Err(error),
            Err(error) => {
                self.report(&label(found), &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether a line of this kind is logged, with the number of those that were held back before it: an
    /// input may have any number of broken objects, and the end of the program counts them.
    fn admit(&mut self, kind: &'static str) -> Option<u64> {
        let now = Time::since_start(self.started.elapsed());
        self.lines.admit_with_summary(now, kind)
    }

    const fn count(&mut self) {
        self.position += 1;
        self.objects += 1;
    }

    fn report(&mut self, label: &str, error: &dyn Display) {
        self.failed += 1;
        let Some(held_back) = self.admit("failed") else {
            return;
        };
        let (position, input) = (self.position, printable(&self.input));
        let label = if label.is_empty() {
            String::new()
        } else {
            format!(" ({})", printable(label))
        };
        let error = error.to_string();
        tracing::error!(
            held_back = some(held_back),
            "cannot convert object {position} of {input}{label}: {}",
            printable(error)
        );
    }
}

impl Names {
    fn key(&self) -> String {
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        match (&*text(&self.namespace), &*text(&self.name)) {
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        }
    }
}

/// A number that is worth a word.
fn some(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// What is known of an object: `v1 Pod shop/web`.
fn label(found: &Found<'_>) -> String {
    let words = [found.api_version, found.kind, &found.key];
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The runs of bytes of a field.
fn runs(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], ObjectError>> {
    Fields::of(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => match field.value {
            Value::Bytes(bytes) => Some(Ok(bytes)),
            _ => None,
        },
        Ok(_) => None,
        Err(error) => {
            let error: ReadError = serde::de::Error::custom(error);
            Some(Err(error.into()))
        }
    })
}
