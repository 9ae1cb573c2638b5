//! `RawCodec`: objects as the bytes they came in.

use std::sync::Arc;

use super::{Encoding, RawObject, RawView};
use crate::event::RejectionReason;
use crate::object::{Entry, GroupVersionKind, Header};
use crate::wire::{Codec, json, protobuf};

/// Keeps of each object the bytes it came in, in an allocation of their size.
///
/// ```
/// use heliostat_core::event::ListPart;
/// use heliostat_core::raw::RawCodec;
/// use heliostat_core::wire::DecodeLimits;
/// use heliostat_core::wire::json::ListDecoder;
///
/// let codec = RawCodec::json().without_managed_fields();
/// let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
/// let mut parts = Vec::new();
/// decoder.push(br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},
///     "items":[{"metadata":{"name":"a"},"spec":{"nodeName":"n"}}]}"#, &mut parts)?;
/// decoder.finish()?;
/// let ListPart::Items(items) = &parts[1] else { panic!() };
/// let pod = &items[0].as_ref().unwrap().object;
/// assert_eq!(pod.kind().unwrap().kind, "Pod");
/// assert_eq!(pod.text(&"spec.nodeName".parse()?)?.as_deref(), Some("n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RawCodec {
    encoding: Encoding,
    expected_kind: Option<GroupVersionKind>,
    /// Shared by all objects; there is one kind in a collection.
    kind: Option<Arc<GroupVersionKind>>,
    keeps_managed_fields: bool,
    is_checked: bool,
    /// Where an object is put together that something was cut out of.
    scratch: Vec<u8>,
}

/// Room above this is given back after an object: most are far smaller.
const SCRATCH_BYTES_KEPT: usize = 256 << 10;

impl RawCodec {
    /// For the decoders of [`wire::json`](crate::wire::json).
    #[must_use]
    pub const fn json() -> Self {
        Self::new(Encoding::Json)
    }

    /// For the decoders of [`wire::protobuf`](crate::wire::protobuf).
    #[must_use]
    pub const fn protobuf() -> Self {
        Self::new(Encoding::Protobuf)
    }

    const fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            expected_kind: None,
            kind: None,
            keeps_managed_fields: true,
            is_checked: true,
            scratch: Vec::new(),
        }
    }

    /// Cuts `metadata.managedFields` out of every object, which is about half of a typical one; by
    /// default they are kept.
    #[must_use]
    pub const fn without_managed_fields(mut self) -> Self {
        self.keeps_managed_fields = false;
        self
    }

    /// Watch events with an object of another kind are rejected; by default none is.
    #[must_use]
    pub fn expecting(mut self, kind: GroupVersionKind) -> Self {
        self.expected_kind = Some(kind);
        self
    }

    /// Takes objects in JSON without checking that they are JSON all through; by default they are
    /// checked, which costs more than everything else that is done with them.
    ///
    /// Of an answer that is broken in its middle, as no server makes one, the objects around the place
    /// may then be mirrored although they are not what they should be. Objects in protobuf are checked
    /// as far as their fields and their metadata, always.
    #[must_use]
    pub const fn unchecked(mut self) -> Self {
        self.is_checked = false;
        self
    }

    /// Reads the header of an object and cuts out of its bytes what is not kept. The view lies in
    /// `bytes`, or in room of the codec.
    ///
    /// # Errors
    /// As for [`Codec::decode`].
    pub(crate) fn read<'a>(
        &'a mut self,
        bytes: &'a [u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<(Header, RawView<'a>), RejectionReason> {
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        match self.encoding {
            Encoding::Json => self.read_json(bytes, envelope_kind),
            Encoding::Protobuf => self.read_protobuf(bytes, envelope_kind),
        }
    }

    fn read_json<'a>(
        &'a mut self,
        bytes: &'a [u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<(Header, RawView<'a>), RejectionReason> {
        // An item of a list tells its kind seldom, and the end of it is far.
        let read = match envelope_kind {
            Some(_) => json::header::RawHeader::read_identity(bytes),
            None => json::header::RawHeader::read(bytes),
        };
        let header = read.header().ok_or_else(no_name)?;
        let has_kind = match (&read.api_version, &read.kind, envelope_kind) {
            (None, _, Some(implied)) | (_, None, Some(implied)) => self.share_kind(implied),
            (Some(_), Some(_), _) => {
                if !self.kind.as_ref().is_some_and(|last| read.is(last)) {
                    self.kind = Some(Arc::new(read.group_version_kind()));
                }
                true
            }
            (None, _, None) | (_, None, None) => false,
        };
        let kept = match self.keeps_managed_fields {
            true => bytes,
            false => json::without_managed_fields(bytes, &mut self.scratch),
        };
        if self.is_checked {
            check_json(kept)?;
        }
        let kind = self.kind.as_ref().filter(|_| has_kind);
        Ok((header, RawView::new(Encoding::Json, kind, kept)))
    }

    fn read_protobuf<'a>(
        &'a mut self,
        bytes: &'a [u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<(Header, RawView<'a>), RejectionReason> {
        let has_kind = envelope_kind.is_some_and(|kind| self.share_kind(kind));
        let read = match self.keeps_managed_fields {
            true => protobuf::header::RawHeader::read(bytes).map(|header| (header, bytes)),
            false => protobuf::without_managed_fields(bytes, &mut self.scratch),
        };
        let (header, kept) =
            read.map_err(|error| RejectionReason::Undecodable(error.to_string()))?;
        let header = header.header().ok_or_else(no_name)?;
        let kind = self.kind.as_ref().filter(|_| has_kind);
        Ok((header, RawView::new(Encoding::Protobuf, kind, kept)))
    }

    /// Takes this for the present kind, which stays the one it was if it is the same.
    fn share_kind(&mut self, kind: &GroupVersionKind) -> bool {
        if self.kind.as_deref() != Some(kind) {
            self.kind = Some(Arc::new(kind.clone()));
        }
        true
    }
}

impl Codec for RawCodec {
    type Object = RawObject;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<RawObject>, RejectionReason> {
        let (header, view) = self.read(bytes, envelope_kind)?;
        Ok(Entry::new(header, view.to_object()))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.expected_kind.as_ref()
    }
}

/// Managed fields that were cut out are not looked at: nothing will read them.
fn check_json(bytes: &[u8]) -> Result<(), RejectionReason> {
    let undecodable = |error: &dyn ToString| RejectionReason::Undecodable(error.to_string());
    let text = str::from_utf8(bytes).map_err(|error| undecodable(&error))?;
    let _: serde::de::IgnoredAny =
        serde_json::from_str(text).map_err(|error| undecodable(&error))?;
    Ok(())
}

fn no_name() -> RejectionReason {
    RejectionReason::NoMetadata("it has no name".to_owned())
}
