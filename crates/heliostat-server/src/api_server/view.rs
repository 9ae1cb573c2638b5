//! Answers as bytes: lists, single objects and watch frames in each of the three views, and in each
//! encoding.
//!
//! A list is written piece by piece, so that a collection of any size needs one piece of memory
//! beside the objects themselves.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::media::Encoding;
use super::negotiate::{Format, View};
use super::table::{self, Columns, IncludeObject};
use super::yaml;
use crate::collection::binary::{self, Binary};
use crate::collection::event_type::EventType;
use crate::collection::kind::{Kind, Object};
use crate::collection::object::StoredObject;
use crate::collection::reading::Page;
use crate::collection::status::Status;

/// The annotation of the bookmark that ends an initial state, from KEP-3157.
pub const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// About how many bytes one piece of a list has. Large enough to make system calls rare, small
/// enough not to matter beside one object.
const PIECE_BYTES: usize = 128 * 1024;

/// How objects are written for one request.
#[derive(Debug)]
pub(crate) struct Renderer {
    kind: Arc<Kind>,
    form: Form,
    encoding: Encoding,
}

#[derive(Debug)]
enum Form {
    Object,
    Partial,
    Table {
        columns: Columns,
        include: IncludeObject,
        /// Whether a watch has sent the column definitions: only its first frame has them.
        defined: bool,
    },
}

impl Renderer {
    /// A renderer for a format; `include` matters for tables alone.
    pub(crate) fn new(kind: Arc<Kind>, format: Format, include: IncludeObject) -> Self {
        let form = match format.view {
            View::Object => Form::Object,
            View::Partial => Form::Partial,
            View::Table => Form::Table {
                columns: Columns::of(&kind),
                include,
                defined: false,
            },
        };
        Self {
            kind,
            form,
            encoding: format.encoding,
        }
    }

    /// Returns the encoding of the answers.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The frame of an object under the type that the watcher sees.
    ///
    /// # Errors
    /// A 500 for an object that the encoding cannot have.
    pub(crate) fn object_frame(
        &mut self,
        event_type: EventType,
        object: &StoredObject,
        now: Timestamp,
    ) -> Result<Bytes, Status> {
        if self.encoding == Encoding::Protobuf {
            return Ok(self.binary(object)?.frame(event_type));
        }
        Ok(match &mut self.form {
            Form::Object => object.json()?.line().frame(event_type),
            Form::Partial => object.partial()?.frame(event_type),
            Form::Table {
                columns,
                include,
                defined,
            } => {
                let mut out = Vec::new();
                open_table(
                    &mut out,
                    &version_member(object.version()),
                    columns,
                    !*defined,
                );
                *defined = true;
                write_row(&mut out, columns, *include, object, now)?;
                out.extend_from_slice(b"]}");
                event_type.frame(&out)
            }
        })
    }

    /// A bookmark at a version; `end` marks the end of the initial state.
    ///
    /// # Errors
    /// As [`Renderer::object_frame`].
    pub(crate) fn bookmark(
        &mut self,
        version: u64,
        end: bool,
        now: Timestamp,
    ) -> Result<Bytes, Status> {
        let object = match &mut self.form {
            Form::Object => bookmark_object(
                self.kind.kind(),
                self.kind.api_version(),
                self.kind.is_custom(),
                version,
                end,
            ),
            Form::Partial => partial_bookmark(version, end),
            Form::Table {
                columns, defined, ..
            } => {
                let mut out = Vec::new();
                open_table(&mut out, &version_member(version), columns, !*defined);
                *defined = true;
                out.extend_from_slice(b"{\"cells\":");
                out.extend_from_slice(&columns.cells(&table::empty(), now));
                out.extend_from_slice(b",\"object\":");
                out.extend_from_slice(partial_bookmark(version, end).as_bytes());
                out.extend_from_slice(b"}]}");
                return Ok(EventType::Bookmark.frame(&out));
            }
        };
        if self.encoding != Encoding::Protobuf {
            return Ok(EventType::Bookmark.frame(object.as_bytes()));
        }
        let kind = match &self.form {
            Form::Partial => Some(binary::partial_kind()),
            Form::Object | Form::Table { .. } => self.kind.protobuf(),
        };
        let kind = kind.ok_or_else(|| no_protobuf(&self.kind))?;
        Binary::encode(EventType::Bookmark, kind, object.as_bytes())
            .map(|binary| binary.frame(EventType::Bookmark))
            .map_err(|error| Status::internal_error(&error))
    }

    /// The frame that ends a watch with a status.
    pub(crate) fn error(&self, status: &Status) -> Bytes {
        match self.encoding {
            Encoding::Protobuf => binary::status(&status.to_json())
                .map(|binary| binary.frame(EventType::Error))
                .unwrap_or_default(),
            Encoding::Json | Encoding::Yaml => EventType::Error.frame(&status.to_json()),
        }
    }

    /// One object as a get or a write answers it; text ends with a newline.
    ///
    /// # Errors
    /// As [`Renderer::object_frame`].
    pub(crate) fn single(&self, object: &StoredObject, now: Timestamp) -> Result<Vec<u8>, Status> {
        let mut out = Vec::new();
        if self.encoding == Encoding::Protobuf {
            return Ok(self.binary(object)?.object().to_vec());
        }
        match &self.form {
            Form::Object => out.extend_from_slice(&object.json_once()?.line().object()),
            Form::Partial => object.json_once()?.write_partial(&mut out),
            Form::Table {
                columns, include, ..
            } => {
                open_table(&mut out, &version_member(object.version()), columns, true);
                write_row(&mut out, columns, *include, object, now)?;
                out.extend_from_slice(b"]}");
            }
        }
        if self.encoding == Encoding::Yaml {
            return yaml::from_json(&out);
        }
        out.push(b'\n');
        Ok(out)
    }

    /// A page of a list, as pieces.
    ///
    /// # Errors
    /// As [`Renderer::object_frame`]: what the encoding cannot have is found before the first piece.
    pub(crate) fn list(self, page: Page, now: Timestamp) -> Result<ListPieces, Status> {
        let mut items_len = 0;
        if self.encoding == Encoding::Protobuf {
            for object in &page.items {
                items_len += self.item_len(object)?;
            }
        }
        let is_yaml = self.encoding == Encoding::Yaml;
        let writer = ListWriter {
            renderer: self,
            page,
            now,
            items_len,
            next_item: 0,
            state: Piece::Head,
        };
        if is_yaml {
            let json: Vec<u8> = writer.flatten().collect();
            return Ok(ListPieces::Whole(Some(yaml::from_json(&json)?)));
        }
        Ok(ListPieces::Written(writer))
    }

    /// The object in protobuf, in the form of the answer.
    fn binary(&self, object: &StoredObject) -> Result<Binary, Status> {
        match &self.form {
            Form::Partial => object.partial_binary(),
            Form::Object | Form::Table { .. } => {
                let kind = self.kind.protobuf();
                object.binary(kind.ok_or_else(|| no_protobuf(&self.kind))?)
            }
        }
    }

    /// How many bytes an item of a list in protobuf has.
    fn item_len(&self, object: &StoredObject) -> Result<usize, Status> {
        match &self.form {
            Form::Partial => Ok(binary::item_len(object.partial_binary()?.message())),
            Form::Object | Form::Table { .. } => {
                let kind = self.kind.protobuf();
                object.message_item_len(kind.ok_or_else(|| no_protobuf(&self.kind))?)
            }
        }
    }

    fn list_head(&self, page: &Page, items_len: usize) -> Vec<u8> {
        let kind = &self.kind;
        if self.encoding == Encoding::Protobuf {
            let (api_version, kind) = match &self.form {
                Form::Partial => ("meta.k8s.io/v1", "PartialObjectMetadata"),
                Form::Object | Form::Table { .. } => (kind.api_version(), kind.kind()),
            };
            let metadata =
                binary::list_metadata(page.version, page.next.as_deref(), page.remaining);
            return binary::list_head(api_version, &format!("{kind}List"), &metadata, items_len);
        }
        let metadata = list_metadata(page, false);
        match &self.form {
            Form::Object if kind.is_custom() => {
                format!(r#"{{"apiVersion":{},"items":["#, quoted(kind.api_version())).into_bytes()
            }
            Form::Object => format!(
                r#"{{"kind":"{}List","apiVersion":{},"metadata":{metadata},"items":["#,
                kind.kind(),
                quoted(kind.api_version())
            )
            .into_bytes(),
            Form::Partial => format!(
                r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"items":["#
            )
            .into_bytes(),
            Form::Table { columns, .. } => {
                let mut out = Vec::new();
                open_table(&mut out, &metadata, columns, true);
                out
            }
        }
    }

    fn list_tail(&self, page: &Page) -> Vec<u8> {
        if self.encoding == Encoding::Protobuf {
            return binary::list_tail().to_vec();
        }
        match &self.form {
            Form::Object if self.kind.is_custom() => format!(
                "],\"kind\":\"{}List\",\"metadata\":{}}}\n",
                self.kind.kind(),
                list_metadata(page, true)
            )
            .into_bytes(),
            Form::Object | Form::Partial | Form::Table { .. } => b"]}\n".to_vec(),
        }
    }

    fn write_item(
        &self,
        out: &mut Vec<u8>,
        object: &StoredObject,
        now: Timestamp,
    ) -> Result<(), Status> {
        if self.encoding == Encoding::Protobuf {
            match &self.form {
                Form::Partial => binary::write_item(out, object.partial_binary()?.message()),
                Form::Object | Form::Table { .. } => {
                    let kind = self.kind.protobuf();
                    let kind = kind.ok_or_else(|| no_protobuf(&self.kind))?;
                    object.write_message_item(out, kind)?;
                }
            }
            return Ok(());
        }
        match &self.form {
            Form::Object => object.json_once()?.write_item(out),
            Form::Partial => object.json_once()?.write_partial(out),
            Form::Table {
                columns, include, ..
            } => write_row(out, columns, *include, object, now)?,
        }
        Ok(())
    }
}

/// A status as the body of an answer.
pub(crate) fn status_body(status: &Status, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => status.to_line(),
        Encoding::Yaml => yaml::from_json(&status.to_json()).unwrap_or_default(),
        Encoding::Protobuf => binary::status(&status.to_json())
            .map(|binary| binary.object().to_vec())
            .unwrap_or_default(),
    }
}

/// The bytes of a list, as an iterator of pieces.
#[derive(Debug)]
pub(crate) enum ListPieces {
    /// One piece, which is made of the whole list.
    Whole(Option<Vec<u8>>),
    /// Pieces that are written one after another.
    Written(ListWriter),
}

/// Writes a list piece by piece.
#[derive(Debug)]
pub(crate) struct ListWriter {
    renderer: Renderer,
    page: Page,
    now: Timestamp,
    /// How many bytes the items have in protobuf, which is written before them.
    items_len: usize,
    next_item: usize,
    state: Piece,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece {
    Head,
    Items,
    Done,
}

impl ListPieces {
    /// A bound below which the whole list certainly stays, for answers that fit one piece.
    pub(crate) fn is_small(&self) -> bool {
        let bytes: usize = match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, Vec::len),
            Self::Written(writer) => writer.page.items.iter().map(|object| object.size()).sum(),
        };
        bytes < PIECE_BYTES
    }
}

impl Iterator for ListPieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Whole(bytes) => bytes.take(),
            Self::Written(writer) => writer.next(),
        }
    }
}

impl Iterator for ListWriter {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = match self.state {
            Piece::Done => return None,
            Piece::Head => self.renderer.list_head(&self.page, self.items_len),
            Piece::Items => Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4),
        };
        self.state = Piece::Items;
        while out.len() < PIECE_BYTES {
            let Some(object) = self.page.items.get(self.next_item) else {
                out.extend_from_slice(&self.renderer.list_tail(&self.page));
                self.state = Piece::Done;
                break;
            };
            if self.next_item > 0 && self.renderer.encoding != Encoding::Protobuf {
                out.push(b',');
            }
            if let Err(status) = self.renderer.write_item(&mut out, object, self.now) {
                // The head is out. A list that ends before its end is no list to any client.
                tracing::error!(%status, "a list ends early");
                self.state = Piece::Done;
                return None;
            }
            self.next_item += 1;
        }
        Some(out)
    }
}

/// What negotiation keeps from happening: a kind without messages in protobuf.
fn no_protobuf(kind: &Kind) -> Status {
    Status::internal_error(&format!("{} have no protobuf", kind.qualified()))
}

fn list_metadata(page: &Page, custom: bool) -> String {
    let remaining = page.remaining.filter(|_| page.next.is_some());
    if custom {
        let token = page.next.as_deref().unwrap_or_default();
        let remaining = remaining
            .map(|count| format!(r#","remainingItemCount":{count}"#))
            .unwrap_or_default();
        return format!(
            r#"{{"continue":{}{remaining},"resourceVersion":"{}"}}"#,
            quoted(token),
            page.version
        );
    }
    let token = page
        .next
        .as_ref()
        .map(|token| format!(r#","continue":{}"#, quoted(token)))
        .unwrap_or_default();
    let remaining = remaining
        .map(|count| format!(r#","remainingItemCount":{count}"#))
        .unwrap_or_default();
    format!(
        r#"{{"resourceVersion":"{}"{token}{remaining}}}"#,
        page.version
    )
}

fn version_member(version: u64) -> String {
    format!(r#"{{"resourceVersion":"{version}"}}"#)
}

fn open_table(out: &mut Vec<u8>, metadata: &str, columns: &Columns, define: bool) {
    out.extend_from_slice(
        format!(r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"columnDefinitions":"#)
            .as_bytes(),
    );
    if define {
        out.extend_from_slice(&columns.definitions());
    } else {
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b",\"rows\":[");
}

fn write_row(
    out: &mut Vec<u8>,
    columns: &Columns,
    include: IncludeObject,
    object: &StoredObject,
    now: Timestamp,
) -> Result<(), Status> {
    let json = object.json_once()?;
    let text = json.line().object();
    let decoded: Object = serde_json::from_slice(&text).unwrap_or_default();
    out.extend_from_slice(b"{\"cells\":");
    out.extend_from_slice(&columns.cells(&decoded, now));
    match include {
        IncludeObject::Metadata => {
            out.extend_from_slice(b",\"object\":");
            json.write_partial(out);
        }
        IncludeObject::Object => {
            out.extend_from_slice(b",\"object\":");
            out.extend_from_slice(&text);
        }
        IncludeObject::None => {}
    }
    out.push(b'}');
    Ok(())
}

fn partial_bookmark(version: u64, end: bool) -> String {
    bookmark_object(
        "PartialObjectMetadata",
        "meta.k8s.io/v1",
        false,
        version,
        end,
    )
}

fn bookmark_object(kind: &str, api_version: &str, sorted: bool, version: u64, end: bool) -> String {
    let mark = if end {
        format!(r#""annotations":{{"{INITIAL_EVENTS_END}":"true"}}"#)
    } else {
        String::new()
    };
    let comma = if end { "," } else { "" };
    let (kind, api_version) = (quoted(kind), quoted(api_version));
    if sorted {
        format!(
            r#"{{"apiVersion":{api_version},"kind":{kind},"metadata":{{{mark}{comma}"resourceVersion":"{version}"}}}}"#
        )
    } else {
        format!(
            r#"{{"kind":{kind},"apiVersion":{api_version},"metadata":{{"resourceVersion":"{version}"{comma}{mark}}}}}"#
        )
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
