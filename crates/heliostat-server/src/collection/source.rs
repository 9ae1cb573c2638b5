//! Objects as a source sent them: the bytes, packed or whole, and the facts that are read from them.

use std::fmt;
use std::sync::Arc;

use heliostat_core::object::GroupVersionKind;
use heliostat_core::raw::{Encoding, FieldPath, RawView, ReadRaw};

use super::binary::{self, Binary};
use super::event_type::EventType;
use super::json::Json;
use super::kind::Kind;
use super::representations::RepresentationCache;

/// The bytes of an object, wherever they are.
pub(crate) trait Content: Send + Sync {
    /// Calls `read` with the bytes.
    ///
    /// # Errors
    /// If the bytes cannot be reached.
    fn read(&self, read: &mut dyn FnMut(RawView<'_>)) -> Result<(), String>;
}

impl<T: ReadRaw + Send + Sync> Content for T {
    fn read(&self, read: &mut dyn FnMut(RawView<'_>)) -> Result<(), String> {
        self.read_raw(read).map_err(|error| error.to_string())
    }
}

/// What the objects of one source have in common.
#[derive(Debug)]
pub(crate) struct SourceKind {
    kind: Arc<Kind>,
    gvk: Arc<GroupVersionKind>,
    /// The paths of the kind's selectable fields, in its order; `None` for what is no path.
    fields: Vec<Option<FieldPath>>,
    /// How an object begins in JSON in front of what a list item has.
    lead: String,
    representations: Arc<RepresentationCache>,
}

impl SourceKind {
    pub(crate) fn new(kind: Arc<Kind>, representations: Arc<RepresentationCache>) -> Self {
        let gvk = Arc::new(GroupVersionKind::new(kind.api_version(), kind.kind()));
        let lead = match kind.is_custom() {
            true => String::new(),
            false => format!(
                r#"{{"kind":"{}","apiVersion":"{}","#,
                kind.kind(),
                kind.api_version()
            ),
        };
        let fields = kind.selectable_fields().iter();
        Self {
            fields: fields.map(|path| path.parse().ok()).collect(),
            gvk,
            lead,
            kind,
            representations,
        }
    }

    pub(crate) fn representations(&self) -> &Arc<RepresentationCache> {
        &self.representations
    }
}

/// What selectors ask of an object.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Facts {
    pub(crate) labels: Vec<(Box<str>, Box<str>)>,
    /// The values of the kind's selectable fields; absent ones are empty.
    pub(crate) fields: Vec<Box<str>>,
}

/// An object as its source sent it.
#[derive(Clone)]
pub(crate) struct Sourced {
    content: Arc<dyn Content>,
    of: Arc<SourceKind>,
    /// The version in the bytes.
    version: u64,
    /// How many bytes there are, and what they are.
    len: usize,
    encoding: Encoding,
}

impl fmt::Debug for Sourced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sourced")
            .field("kind", &self.of.gvk)
            .field("version", &self.version)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Sourced {
    /// Takes an object, and reads its facts from the bytes without decoding it.
    ///
    /// # Errors
    /// If the bytes cannot be reached.
    pub(crate) fn read(
        of: &Arc<SourceKind>,
        content: Arc<dyn Content>,
        version: u64,
    ) -> Result<(Self, Facts), String> {
        let mut sourced = Self {
            content,
            of: Arc::clone(of),
            version,
            len: 0,
            encoding: Encoding::Json,
        };
        let (facts, len, encoding) = sourced.view(|view| {
            let labels = view.metadata().labels().into_iter();
            let mut labels: Vec<(Box<str>, Box<str>)> = labels
                .map(|(key, value)| (key.into(), value.into()))
                .collect();
            labels.sort();
            let text = |path: &Option<FieldPath>| {
                let text = view.text(path.as_ref()?).ok().flatten()?;
                Some(text.into())
            };
            let fields = of.fields.iter();
            let fields = fields.map(|path| text(path).unwrap_or_default()).collect();
            Ok((
                Facts { labels, fields },
                view.bytes().len(),
                view.encoding(),
            ))
        })?;
        sourced.len = len;
        sourced.encoding = encoding;
        Ok((sourced, facts))
    }

    /// How many bytes the object has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes its message in protobuf has under a version, if that is known without reading.
    pub(crate) fn message_len(&self, version: u64) -> Option<usize> {
        let is_own = self.encoding == Encoding::Protobuf && version == self.version;
        is_own.then_some(self.len)
    }

    /// Returns the object in JSON under a version.
    ///
    /// # Errors
    /// If the bytes are no object of the kind.
    pub(crate) fn json(&self, version: u64, event_type: EventType) -> Result<Json, String> {
        let text = self.view(|view| {
            let mut text = Vec::with_capacity(2 * view.bytes().len());
            view.to_json(&mut text).map_err(|error| error.to_string())?;
            Ok(text)
        })?;
        Json::from_text(&text, &self.of.lead, version, event_type)
    }

    /// Returns the object in protobuf under a version, if it came in protobuf.
    ///
    /// # Errors
    /// If the bytes are no object of the kind.
    pub(crate) fn binary(
        &self,
        version: u64,
        event_type: EventType,
    ) -> Option<Result<Binary, String>> {
        let kind = self.of.kind.protobuf()?;
        let made = self.view(|view| {
            if view.encoding() != Encoding::Protobuf {
                return Ok(None);
            }
            let binary = match version == self.version {
                true => Binary::new(event_type, kind, view.bytes()),
                false => {
                    let message = binary::with_version(view.bytes(), version);
                    Binary::new(
                        event_type,
                        kind,
                        &message.map_err(|error| error.to_string())?,
                    )
                }
            };
            Ok(Some(binary))
        });
        made.transpose()
    }

    /// Appends the message of the object in protobuf as an item of a list, if it is known without
    /// encoding: see [`message_len`](Self::message_len).
    ///
    /// # Errors
    /// If the bytes cannot be reached.
    pub(crate) fn write_message_item(&self, out: &mut Vec<u8>) -> Result<(), String> {
        self.view(|view| {
            binary::write_item(out, view.bytes());
            Ok(())
        })
    }

    /// Returns true if both have the same bytes.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        let compared = self.view(|view| {
            other.view(|other| {
                Ok(view.encoding() == other.encoding() && view.bytes() == other.bytes())
            })
        });
        compared.unwrap_or(false)
    }

    /// Calls `read` with the bytes and the kind that they are of.
    fn view<R>(&self, read: impl FnOnce(RawView<'_>) -> Result<R, String>) -> Result<R, String> {
        let mut read = Some(read);
        let mut result = None;
        self.content.read(&mut |view| {
            let view = RawView::new(view.encoding(), Some(&self.of.gvk), view.bytes());
            result = read.take().map(|read| read(view));
        })?;
        result.unwrap_or_else(|| Err("the object was not read".to_owned()))
    }
}
