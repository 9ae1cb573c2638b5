//! What is printed: the words for objects and changes, one file for each format, and the thread that
//! writes them.
//!
//! Objects are bytes, also when they are printed: tables read a few fields out of them, and the formats
//! that print whole objects lay their JSON out again; protobuf becomes JSON first, object by object. An
//! object that cannot be printed is named and passed over.

mod columns;

mod json_text;

mod layout;

mod unprintable;

mod json;

mod jsonl;

mod name;

mod table;

mod yaml;

pub(crate) mod printer;

pub(crate) mod document;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use heliostat::object::{Encoding, FieldPath, RawView};
use heliostat::source::kube::DiscoveredResource;
use heliostat::{Entry, Header, Notification, Packed, RawObject, ResourceVersion};
use heliostat_core::printable::printable;
use heliostat_kinds::{Object, ReadError, schema, unknown_fields};
use serde::Serialize;

use json_text::{Defect, JsonText, Token, Tokens};
use layout::Layout;
use unprintable::{PrintError, Skipped, Unprintable};

/// The formats.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people; changes follow as lines with +, ~ and -
    #[default]
    Table,
    /// `namespace/name`, one a line; changes as `+ key`, `~ key`, `- key`
    Name,
    /// A List; changes as one indented object each
    Json,
    /// One object a line; changes as one line each
    Jsonl,
    /// One document for each object or change
    Yaml,
}

/// An object as mirrors keep it.
pub(crate) type Stored = Packed<RawObject>;

/// An object with its header and its kind.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) kind: Arc<Kind>,
    pub(crate) header: Header,
    object: Arc<Stored>,
    reading: Reading,
}

/// How often an object is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reading {
    /// Once: it is unpacked, and what was unpacked is forgotten.
    Once,
    /// Again when it changes: what was unpacked is kept within the memory budget.
    Again,
}

impl Item {
    pub(crate) fn new(kind: &Arc<Kind>, entry: Entry<Stored>, reading: Reading) -> Self {
        Self {
            kind: kind.as_stored(&entry.object),
            header: entry.header,
            object: entry.object,
            reading,
        }
    }

    /// What the object is called, among objects of other kinds if there are several.
    fn label(&self) -> String {
        if self.kind.is_one_of_several {
            format!("{}/{}", self.kind.resource, self.header.key)
        } else {
            self.header.key.to_string()
        }
    }

    /// What the object is called where it is printed alone.
    fn name(&self, destination: Destination) -> String {
        destination.name(&self.label())
    }

    /// Reads the object's bytes.
    fn read<R>(&self, read: impl FnOnce(RawView<'_>) -> R) -> Result<R, PrintError> {
        match self.reading {
            Reading::Once => self.object.inspect(read),
            Reading::Again => self.object.get().map(|object| read(object.view())),
        }
        .map_err(|error| self.unprintable(&error))
    }

    /// Reads the object as JSON that has been checked.
    fn read_text(
        &self,
        read: impl FnOnce(JsonText<'_>) -> io::Result<()>,
    ) -> Result<(), PrintError> {
        let outcome = self.read(|object| match object.encoding() {
            Encoding::Json => {
                Ok(JsonText::check(object.bytes()).map(|text| read(text.version_first()))?)
            }
            _ => {
                let text = self.kind.json_of_protobuf(object.bytes())?;
                Ok(JsonText::check(&text).map(read)?)
            }
        })?;
        Ok(outcome.map_err(|error: Unreadable| self.unprintable(&error))??)
    }

    /// Writes the object. Items of lists may come without their kind; here they have it.
    fn write(
        &self,
        text: JsonText<'_>,
        layout: &mut dyn Layout,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let kind = &self.kind;
        text.visit(&kind.api_version, &kind.kind, &mut |token| {
            layout.token(token, out)
        })
    }

    fn unprintable(&self, reason: &dyn std::error::Error) -> PrintError {
        PrintError::Object(Box::new(Unprintable {
            kind: Arc::clone(&self.kind),
            key: self.header.key.clone(),
            reason: reason.to_string(),
        }))
    }
}

/// Why the bytes of an object cannot be printed.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Text(#[from] Defect),
    #[error(transparent)]
    Protobuf(#[from] ReadError),
    #[error("it is in protobuf, and {0} is not a built-in kind; give --encoding json")]
    NotBuiltIn(String),
}

/// Where the output goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Destination {
    /// To a person: what a terminal obeys is escaped.
    Terminal,
    /// To a program: names go out as they are.
    Pipe,
}

impl Destination {
    /// Where stdout goes.
    pub(crate) fn of_stdout() -> Self {
        if io::stdout().is_terminal() {
            Self::Terminal
        } else {
            Self::Pipe
        }
    }

    /// A name as it is written there.
    pub(crate) fn name(self, name: &str) -> String {
        match self {
            Self::Terminal => printable(name).to_string(),
            Self::Pipe => name.to_owned(),
        }
    }
}

/// What a format reads of objects, beside their keys.
#[derive(Clone, Debug)]
pub(crate) enum Reads {
    /// All of them.
    Whole,
    /// These fields.
    Fields(Vec<FieldPath>),
}

impl Reads {
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The fields, where it is fields.
    pub(crate) fn paths(&self) -> &[FieldPath] {
        match self {
            Self::Whole => &[],
            Self::Fields(paths) => paths,
        }
    }
}

/// What kind of object is printed.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// As the objects themselves say it.
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// The kind that is mirrored, also where only its metadata is.
    pub(crate) resource: String,
    pub(crate) namespaced: bool,
    pub(crate) metadata_only: bool,
    /// Objects of other kinds are printed along: each says what it is of.
    pub(crate) is_one_of_several: bool,
    /// Whether it was said that objects have fields which are not printed; shared by all clones.
    pub(crate) is_warned_of_fields: Arc<AtomicBool>,
}

impl Kind {
    pub(crate) fn of(found: &DiscoveredResource, metadata_only: bool) -> Self {
        let (api_version, kind) = if metadata_only {
            ("meta.k8s.io/v1", "PartialObjectMetadata")
        } else {
            (&*found.resource.api_version, &*found.resource.kind)
        };
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            resource: found.full_name(),
            namespaced: found.namespaced,
            metadata_only,
            is_one_of_several: false,
            is_warned_of_fields: Arc::default(),
        }
    }

    /// The kind of this object. An API server has all in one version; etcd has each in the version in which
    /// it was stored.
    fn as_stored(self: &Arc<Self>, object: &Stored) -> Arc<Self> {
        match object.kind() {
            Some(own) if own.api_version != self.api_version || own.kind != self.kind => {
                Arc::new(Self {
                    api_version: own.api_version.clone(),
                    kind: own.kind.clone(),
                    ..(**self).clone()
                })
            }
            Some(_) | None => Arc::clone(self),
        }
    }

    /// The resource, where that has to be said.
    fn if_several(&self) -> Option<&str> {
        self.is_one_of_several.then_some(self.resource.as_str())
    }

    /// Returns the JSON of an object in protobuf, as an item of a list: without its kind.
    fn json_of_protobuf(&self, bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let built_in = schema::kind(&self.api_version, &self.kind);
        let built_in = built_in.ok_or_else(|| Unreadable::NotBuiltIn(self.kind.clone()))?;
        let mut text = Vec::with_capacity(2 * bytes.len());
        let object = Object::of_message(built_in.message(), bytes);
        let has_unknown = AtomicBool::new(false);
        object
            .noting_unknown_fields(&has_unknown)
            .to_json(&mut text)?;
        if has_unknown.into_inner() {
            self.warn_of_fields(&unknown_fields(&object)?);
        }
        Ok(text)
    }

    /// Says once that a newer server sends fields that are not printed.
    #[cold]
    fn warn_of_fields(&self, fields: &[String]) {
        if !self.is_warned_of_fields.swap(true, Ordering::Relaxed) {
            let (resource, fields) = (printable(&self.resource), fields.join(", "));
            tracing::warn!(
                "{resource} have fields that are not known and left out: {fields}; \
                 --encoding json shows them"
            );
        }
    }

    /// Says that objects of other kinds are printed along.
    #[must_use]
    pub(crate) const fn one_of_several(mut self, several: bool) -> Self {
        self.is_one_of_several = several;
        self
    }
}

/// Something to tell of a mirror.
pub(crate) enum Message {
    Change(Box<Change>),
    /// The first state is complete.
    Synced {
        kind: Arc<Kind>,
        /// Which mirror, where there are several.
        source: Arc<str>,
        version: ResourceVersion,
    },
    /// Something failed; the mirror tries again.
    Error {
        source: Arc<str>,
        class: &'static str,
        message: String,
        retry_in: Option<Duration>,
    },
    /// A change of an object that cannot be printed.
    Unprintable(Box<Unprintable>),
}

/// A change of one object.
pub(crate) struct Change {
    pub(crate) verb: Verb,
    pub(crate) item: Item,
    /// The state before, for an update.
    old: Option<Item>,
    /// For a delete: the last state is only what was known.
    tombstone: bool,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Added,
    Updated,
    Deleted,
    Resynced,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "Added",
            Self::Updated => "Updated",
            Self::Deleted => "Deleted",
            Self::Resynced => "Resynced",
        }
    }

    const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Updated => '~',
            Self::Deleted => '-',
            Self::Resynced => '=',
        }
    }
}

impl Message {
    /// What a mirror of this kind told; none for the end of its first state.
    ///
    /// Both states of an object that changed are read, each of them twice if it changes again.
    pub(crate) fn of(
        kind: &Arc<Kind>,
        notification: Notification<Stored>,
        reading: Reading,
    ) -> Option<Self> {
        let is_sync = notification.is_sync();
        let change = |verb, entry| Change {
            verb,
            item: Item::new(kind, entry, Reading::Once),
            old: None,
            tombstone: false,
        };
        Some(Self::Change(Box::new(match notification {
            Notification::Added { entry, .. } => change(Verb::Added, entry),
            Notification::Updated { new, .. } if is_sync => change(Verb::Resynced, new),
            Notification::Updated { old, new } => Change {
                verb: Verb::Updated,
                item: Item::new(kind, new, reading),
                old: Some(Item::new(kind, old, reading)),
                tombstone: false,
            },
            Notification::Deleted { last, tombstone } => Change {
                tombstone,
                ..change(Verb::Deleted, last)
            },
            Notification::Synced => return None,
        })))
    }

    /// Writes the message as one object: what jsonl, json and yaml print.
    fn write(&self, layout: &mut dyn Layout, out: &mut dyn Write) -> Result<(), PrintError> {
        let record = serde_json::to_string(&self.to_record()).map_err(io::Error::from)?;
        let Self::Change(change) = self else {
            return Ok(write_record(&record, layout, out)?);
        };
        change.item.read_text(|text| {
            // All but the bracket at its end, before which the object goes.
            let open = record.strip_suffix('}').unwrap_or(&record);
            write_record(open, layout, out)?;
            layout.token(Token::Key("\"object\""), out)?;
            change.item.write(text, layout, out)?;
            layout.token(Token::End, out)
        })
    }

    /// The message as one object, without that which it is about.
    fn to_record(&self) -> Record<'_> {
        match self {
            Self::Change(change) => {
                let header = &change.item.header;
                Record {
                    word: change.verb.as_str(),
                    resource: change.item.kind.if_several(),
                    key: Some(header.key.as_str()),
                    resource_version: Some(header.resource_version.to_string()),
                    tombstone: change.tombstone,
                    ..Record::default()
                }
            }
            Self::Synced {
                kind,
                source,
                version,
            } => Record {
                word: "Synced",
                resource: kind.if_several(),
                source: Some(source),
                resource_version: Some(version.to_string()),
                ..Record::default()
            },
            Self::Error {
                source,
                class,
                message,
                retry_in,
            } => Record {
                word: "Error",
                source: Some(source),
                class: Some(class),
                message: Some(message),
                // Milliseconds are as much as anybody wants to know.
                retry_in_seconds: retry_in.map(|it| (it.as_secs_f64() * 1e3).round() / 1e3),
                ..Record::default()
            },
            Self::Unprintable(unprintable) => Record {
                word: "Error",
                resource: unprintable.kind.if_several(),
                key: Some(unprintable.key.as_str()),
                class: Some("unprintable"),
                message: Some(&unprintable.reason),
                ..Record::default()
            },
        }
    }
}

/// Writes the tokens of a text that was made here, which may lack its end.
fn write_record(text: &str, layout: &mut dyn Layout, out: &mut dyn Write) -> io::Result<()> {
    let mut tokens = Tokens::new(text);
    while let Ok(Some(token)) = tokens.next() {
        layout.token(token, out)?;
    }
    Ok(())
}

/// A message for programs. The fields come in this order.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(rename = "type")]
    word: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    tombstone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_seconds: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Prints what a mirror tells, as it comes.
trait Follow: Send {
    /// Prints one message. Nothing is written of one that cannot be printed.
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> Result<(), PrintError>;
}

/// How many bytes are collected before they are written, unless there is nothing more to print.
const BUFFER_BYTES: usize = 64 * 1024;

/// Stdout for this format. Tables are coloured, and lose their colours here where there is no
/// terminal, or none that wants them; all else goes out byte for byte.
pub(crate) fn stdout(format: Format) -> BufWriter<Box<dyn Write>> {
    let stdout = io::stdout();
    let out: Box<dyn Write> = match format {
        Format::Table => Box::new(anstream::AutoStream::auto(stdout)),
        Format::Name | Format::Json | Format::Jsonl | Format::Yaml => Box::new(stdout),
    };
    BufWriter::with_capacity(BUFFER_BYTES, out)
}

impl Format {
    /// What it reads of objects of this kind.
    pub(crate) fn reads(self, kind: &Kind) -> Reads {
        match self {
            Self::Table => Reads::Fields(columns::Columns::of(kind).into_paths()),
            Self::Name => Reads::Fields(Vec::new()),
            Self::Json | Self::Jsonl | Self::Yaml => Reads::Whole,
        }
    }

    /// How often it reads an object that changes.
    pub(crate) const fn reading(self) -> Reading {
        match self {
            // A line shows what is different from the state before.
            Self::Table => Reading::Again,
            Self::Name | Self::Json | Self::Jsonl | Self::Yaml => Reading::Once,
        }
    }

    /// What follows mirrors in this format.
    fn follow(self, destination: Destination) -> Box<dyn Follow> {
        match self {
            Self::Table => Box::new(table::Follower::default()),
            Self::Name => Box::new(name::Follower(destination)),
            Self::Json => Box::new(json::Follower),
            Self::Jsonl => Box::new(jsonl::Follower),
            Self::Yaml => Box::new(yaml::Follower),
        }
    }

    /// Prints a whole collection, or several, in the order given: the objects of a kind next to each
    /// other. Returns how many of them cannot be printed; the first of these are logged.
    pub(crate) fn print(
        self,
        items: &[Item],
        version: Option<&ResourceVersion>,
        destination: Destination,
        out: &mut dyn Write,
    ) -> io::Result<u64> {
        let mut skipped = Skipped::default();
        match self {
            Self::Table => table::print(items, &mut skipped, out),
            Self::Name => name::print(items, destination, out),
            Self::Json => json::print(items, version, &mut skipped, out),
            Self::Jsonl => jsonl::print(items, &mut skipped, out),
            Self::Yaml => yaml::print(items, &mut skipped, out),
        }?;
        out.flush()?;
        Ok(skipped.count())
    }
}

#[cfg(test)]
mod tests;
