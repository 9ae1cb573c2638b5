//! An object by way of serde.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::event::RejectionReason;
use crate::object::{Entry, GroupVersionKind, Header};
use crate::wire::Codec;

/// Decodes objects with serde into `K`.
///
/// ```
/// use heliostat_core::event::ListPart;
/// use heliostat_core::object::{Header, ObjectKey, Uid};
/// use heliostat_core::wire::DecodeLimits;
/// use heliostat_core::wire::json::{JsonCodec, ListDecoder};
///
/// let header = |object: &serde_json::Value| {
///     let metadata = object.get("metadata")?;
///     Some(Header {
///         key: ObjectKey::cluster(metadata.get("name")?.as_str()?),
///         resource_version: metadata.get("resourceVersion")?.as_str()?.into(),
///         uid: Uid::UNSET,
///     })
/// };
/// let codec = JsonCodec::<serde_json::Value, _>::new(header);
/// let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
/// let mut parts = Vec::new();
/// let list = br#"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"7"},
///     "items":[{"metadata":{"name":"a","resourceVersion":"5"}}]}"#;
/// for chunk in list.chunks(10) {
///     decoder.push(chunk, &mut parts)?;
/// }
/// decoder.finish()?;
/// let ListPart::Items(items) = &parts[1] else { panic!() };
/// assert_eq!(items[0].as_ref().unwrap().key().as_str(), "a");
/// # Ok::<(), heliostat_core::error::DecodeError>(())
/// ```
pub struct JsonCodec<K, F> {
    header: F,
    expected_kind: Option<GroupVersionKind>,
    adopt: Option<fn(&mut K, &GroupVersionKind)>,
    object: PhantomData<fn() -> K>,
}

impl<K, F> JsonCodec<K, F>
where
    K: DeserializeOwned,
    F: Fn(&K) -> Option<Header> + Send,
{
    /// A codec that reads the header from the decoded object. An object without a name has none.
    pub const fn new(header: F) -> Self {
        Self {
            header,
            expected_kind: None,
            adopt: None,
            object: PhantomData,
        }
    }

    /// Watch events with an object of another kind are rejected; by default none is.
    #[must_use]
    pub fn expecting(mut self, kind: GroupVersionKind) -> Self {
        self.expected_kind = Some(kind);
        self
    }

    /// Called for each item of a list whose kind is known, so that an object which does not know
    /// its kind by its type can be told; by default nothing is.
    #[must_use]
    pub const fn adopting(mut self, adopt: fn(&mut K, &GroupVersionKind)) -> Self {
        self.adopt = Some(adopt);
        self
    }
}

impl<K, F> Codec for JsonCodec<K, F>
where
    K: DeserializeOwned,
    F: Fn(&K) -> Option<Header> + Send,
{
    type Object = K;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<K>, RejectionReason> {
        // Checked as a whole once, the text need not be checked string by string.
        let text = std::str::from_utf8(bytes)
            .map_err(|error| RejectionReason::Undecodable(error.to_string()))?;
        let mut object: K = serde_json::from_str(text)
            .map_err(|error| RejectionReason::Undecodable(error.to_string()))?;
        if let (Some(adopt), Some(kind)) = (self.adopt, envelope_kind) {
            adopt(&mut object, kind);
        }
        let header = (self.header)(&object)
            .ok_or_else(|| RejectionReason::NoMetadata("it has no name".to_owned()))?;
        Ok(Entry::new(header, object))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.expected_kind.as_ref()
    }
}

impl<K, F> fmt::Debug for JsonCodec<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonCodec")
            .field("expected_kind", &self.expected_kind)
            .finish_non_exhaustive()
    }
}
