//! Answers as bytes: lists, single objects and watch frames in each of the three views.
//!
//! A list is written piece by piece, so that a collection of any size needs one piece of memory
//! beside the objects themselves.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::history::Event;
use super::kind::Kind;
use super::negotiate::View;
use super::object::{EventType, StoredObject};
use super::storage::Page;
use super::table::{self, Columns, IncludeObject};

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
    /// A renderer for a view; `include` matters for tables alone.
    pub(crate) fn new(kind: Arc<Kind>, view: View, include: IncludeObject) -> Self {
        let form = match view {
            View::Object => Form::Object,
            View::Partial => Form::Partial,
            View::Table => Form::Table {
                columns: Columns::of(&kind),
                include,
                defined: false,
            },
        };
        Self { kind, form }
    }

    /// The frame of an event under the type that the watcher sees, which may not be its own.
    pub(crate) fn event(
        &mut self,
        event: &Event,
        event_type: EventType,
        object: &StoredObject,
        now: Timestamp,
    ) -> Bytes {
        let own = event_type == event.event_type() && object.version() == event.version();
        match &self.form {
            Form::Partial if own => event.partial_frame(),
            _ => self.object_frame(event_type, object, now),
        }
    }

    /// The frame of an object.
    pub(crate) fn object_frame(
        &mut self,
        event_type: EventType,
        object: &StoredObject,
        now: Timestamp,
    ) -> Bytes {
        match &mut self.form {
            Form::Object => object.frame(event_type),
            Form::Partial => object.partial_frame(event_type),
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
                write_row(&mut out, columns, *include, object, now);
                out.extend_from_slice(b"]}");
                event_type.frame(&out)
            }
        }
    }

    /// A bookmark at a version; `end` marks the end of the initial state.
    pub(crate) fn bookmark(&mut self, version: u64, end: bool, now: Timestamp) -> Bytes {
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
                return EventType::Bookmark.frame(&out);
            }
        };
        EventType::Bookmark.frame(object.as_bytes())
    }

    /// One object as a get or a write answers it, with the newline at its end.
    pub(crate) fn single(&self, object: &StoredObject, now: Timestamp) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.form {
            Form::Object => out.extend_from_slice(&object.json()),
            Form::Partial => object.write_partial(&mut out),
            Form::Table {
                columns, include, ..
            } => {
                open_table(&mut out, &version_member(object.version()), columns, true);
                write_row(&mut out, columns, *include, object, now);
                out.extend_from_slice(b"]}");
            }
        }
        out.push(b'\n');
        out
    }

    /// A page of a list, as pieces.
    pub(crate) fn list(self, page: Page, now: Timestamp) -> ListPieces {
        ListPieces {
            renderer: self,
            page,
            now,
            next_item: 0,
            state: Piece::Head,
        }
    }

    fn list_head(&self, page: &Page) -> Vec<u8> {
        let kind = &self.kind;
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

    fn write_item(&self, out: &mut Vec<u8>, object: &StoredObject, now: Timestamp) {
        match &self.form {
            Form::Object => object.write_item(out),
            Form::Partial => object.write_partial(out),
            Form::Table {
                columns, include, ..
            } => {
                write_row(out, columns, *include, object, now);
            }
        }
    }
}

/// The bytes of a list, as an iterator of pieces.
#[derive(Debug)]
pub(crate) struct ListPieces {
    renderer: Renderer,
    page: Page,
    now: Timestamp,
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
        let bytes: usize = self.page.items.iter().map(|object| object.size()).sum();
        bytes < PIECE_BYTES
    }
}

impl Iterator for ListPieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = match self.state {
            Piece::Done => return None,
            Piece::Head => self.renderer.list_head(&self.page),
            Piece::Items => Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4),
        };
        self.state = Piece::Items;
        while out.len() < PIECE_BYTES {
            let Some(object) = self.page.items.get(self.next_item) else {
                out.extend_from_slice(&self.renderer.list_tail(&self.page));
                self.state = Piece::Done;
                break;
            };
            if self.next_item > 0 {
                out.push(b',');
            }
            self.renderer.write_item(&mut out, object, self.now);
            self.next_item += 1;
        }
        Some(out)
    }
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
) {
    out.extend_from_slice(b"{\"cells\":");
    out.extend_from_slice(&columns.cells(&object.decode(), now));
    match include {
        IncludeObject::Metadata => {
            out.extend_from_slice(b",\"object\":");
            object.write_partial(out);
        }
        IncludeObject::Object => {
            out.extend_from_slice(b",\"object\":");
            out.extend_from_slice(&object.json());
        }
        IncludeObject::None => {}
    }
    out.push(b'}');
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
