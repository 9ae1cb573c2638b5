//! Which encoding an answer is asked for in, and what a refusal of it means.
//!
//! Two things decide what is asked for: what the objects can be decoded from, and what the user wants.
//! Where both encodings will do, both are named in one `Accept` header, protobuf first, and the server
//! takes its pick; most never have to be asked twice. Those that take offence at the first name are
//! asked again with the second alone, which the source and its clones keep in mind.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heliostat_core::error::SourceError;

use super::collection::{Collection, Form};
use super::encoding::Encoding;

/// In which encoding a [`KubeSource`](super::KubeSource) asks for objects.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WireEncoding {
    /// In whatever its objects can be decoded from; where that is both, in protobuf if the server has
    /// it, else in JSON. The default.
    #[default]
    Auto,
    /// In JSON, which every server has for every kind.
    Json,
    /// In protobuf, which servers have for built-in kinds, and for the metadata of all kinds. A kind
    /// that is not served in it is an error.
    Protobuf,
}

/// The encodings that objects can be decoded from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encodings {
    Json,
    Protobuf,
    Both,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offer {
    Json,
    Protobuf,
    /// Either of the two, protobuf rather.
    ProtobufOrJson,
}

/// What the user wants of one resource, and what its server has refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Negotiation {
    wanted: WireEncoding,
    /// Shared by all clones of a source.
    is_refused: Arc<AtomicBool>,
}

impl Negotiation {
    pub(super) const fn set(&mut self, wanted: WireEncoding) {
        self.wanted = wanted;
    }

    /// What to ask for, if there is anything.
    pub(super) fn offer(&self, can: Encodings) -> Option<Offer> {
        match (self.wanted, can) {
            (WireEncoding::Auto, Encodings::Both) if self.is_refused() => Some(Offer::Json),
            (WireEncoding::Auto, Encodings::Both) => Some(Offer::ProtobufOrJson),
            (WireEncoding::Auto | WireEncoding::Json, Encodings::Json)
            | (WireEncoding::Json, Encodings::Both) => Some(Offer::Json),
            (WireEncoding::Auto | WireEncoding::Protobuf, Encodings::Protobuf)
            | (WireEncoding::Protobuf, Encodings::Both) => Some(Offer::Protobuf),
            (WireEncoding::Json, Encodings::Protobuf)
            | (WireEncoding::Protobuf, Encodings::Json) => None,
        }
    }

    /// Keeps in mind that the server does not even want to hear of protobuf.
    pub(super) fn remember_refusal(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }
}

impl Offer {
    /// The `Accept` header of a list. No weaker alternative follows the metadata form: whole objects
    /// in place of metadata would be another collection.
    pub(super) const fn list_accept(self, form: Form) -> &'static str {
        match (self, form) {
            (Self::Json, Form::Full) => "application/json",
            (Self::Protobuf, Form::Full) => "application/vnd.kubernetes.protobuf",
            (Self::ProtobufOrJson, Form::Full) => {
                "application/vnd.kubernetes.protobuf,application/json"
            }
            (Self::Json, Form::Metadata) => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            }
            (Self::Protobuf, Form::Metadata) => {
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            }
            (Self::ProtobufOrJson, Form::Metadata) => {
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            }
        }
    }

    /// The `Accept` header of a watch. The parameter `stream=watch`, with which servers answer, is left
    /// out, as the reference client does: that it is a watch is said by the query.
    pub(super) const fn watch_accept(self, form: Form) -> &'static str {
        match (self, form) {
            (_, Form::Full) => self.list_accept(form),
            (Self::Json, Form::Metadata) => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
            }
            (Self::Protobuf, Form::Metadata) => {
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
            }
            (Self::ProtobufOrJson, Form::Metadata) => {
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
            }
        }
    }
}

impl Encodings {
    pub(super) const fn has(self, encoding: Encoding) -> bool {
        match self {
            Self::Both => true,
            Self::Json => matches!(encoding, Encoding::Json),
            Self::Protobuf => matches!(encoding, Encoding::Protobuf),
        }
    }
}

/// What a refusal says of the encodings that were asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is them that are refused.
    Refused,
    /// It may be them: something on the way does not like the header, or something else in the request.
    Unclear,
    /// It is about something else.
    Other,
}

impl Verdict {
    pub(super) fn of(error: &SourceError) -> Self {
        match error.status() {
            Some(status) if status.is_not_acceptable() || status.is_unsupported_media_type() => {
                Self::Refused
            }
            Some(status) if status.is_bad_request() => Self::Unclear,
            Some(_) | None => Self::Other,
        }
    }
}

/// The source was told to ask for what its objects cannot be decoded from.
pub(super) fn cannot_ask(collection: &Collection, can: Encodings) -> SourceError {
    let message = match can {
        Encodings::Protobuf => format!(
            "{collection}: these objects are decoded from protobuf, which `WireEncoding::Json` \
             forbids; use `WireEncoding::Auto`, or mirror a type that serde decodes"
        ),
        Encodings::Json | Encodings::Both => format!(
            "{collection}: these objects are decoded from JSON, which `WireEncoding::Protobuf` \
             forbids; use `WireEncoding::Auto`, or mirror raw objects"
        ),
    };
    SourceError::Encoding(message.into())
}

/// The server lists the resource and does not watch it.
pub(super) fn cannot_watch(collection: &Collection) -> SourceError {
    let message = format!(
        "{collection} cannot be watched: the server only lists it; set \
         `ReflectorConfig::poll_interval` to list it again at an interval"
    );
    SourceError::Request(message.into())
}

/// The server does not serve the resource in the only encoding that was asked for.
pub(super) fn not_served(collection: &Collection, refusal: &SourceError) -> SourceError {
    let kind = kind(collection);
    let message = format!(
        "{collection}: {kind} is not served as protobuf ({refusal}); mirror it as raw objects with \
         `WireEncoding::Auto`, or as a type that serde decodes"
    );
    SourceError::Encoding(message.into())
}

/// The answer came in an encoding that the objects cannot be decoded from.
pub(super) fn cannot_decode(collection: &Collection, came: Encoding) -> SourceError {
    let kind = kind(collection);
    let message = match came {
        Encoding::Json => format!(
            "{collection}: {kind} came as JSON, and this type is decoded from protobuf only; mirror \
             raw objects, which can be either, or a type that serde decodes"
        ),
        Encoding::Protobuf => format!(
            "{collection}: {kind} came as protobuf, and this type is decoded from JSON only; mirror \
             raw objects, which can be either"
        ),
    };
    SourceError::Encoding(message.into())
}

fn kind(collection: &Collection) -> impl fmt::Display {
    let resource = collection.resource();
    format!("{}, Kind={}", resource.api_version, resource.kind)
}

#[cfg(test)]
mod tests {
    use heliostat_core::status::Status;

    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_wanted_and_can_be_decoded() {
        use Encodings::Both;
        let offer = |wanted, can| {
            let negotiation = Negotiation {
                wanted,
                ..Negotiation::default()
            };
            let fresh = negotiation.offer(can);
            negotiation.remember_refusal();
            (fresh, negotiation.clone().offer(can))
        };
        let both = |offer| (Some(offer), Some(offer));
        use WireEncoding::{Auto, Json, Protobuf};
        assert_eq!(
            offer(Auto, Both),
            (Some(Offer::ProtobufOrJson), Some(Offer::Json))
        );
        assert_eq!(offer(Json, Both), both(Offer::Json));
        assert_eq!(offer(Protobuf, Both), both(Offer::Protobuf));
        assert_eq!(offer(Auto, Encodings::Json), both(Offer::Json));
        assert_eq!(offer(Auto, Encodings::Protobuf), both(Offer::Protobuf));
        assert_eq!(offer(Json, Encodings::Protobuf), (None, None));
        assert_eq!(offer(Protobuf, Encodings::Json), (None, None));
    }

    #[test]
    fn metadata_is_never_asked_for_with_whole_objects_as_an_alternative() {
        for offer in [Offer::Json, Offer::Protobuf, Offer::ProtobufOrJson] {
            for accept in [
                offer.list_accept(Form::Metadata),
                offer.watch_accept(Form::Metadata),
            ] {
                let mut clauses = accept.split(',');
                assert!(clauses.all(|clause| clause.contains(";as=PartialObjectMetadata")));
                assert!(!accept.contains(' '), "{accept}");
            }
        }
    }

    #[test]
    fn e_02_which_refusals_are_about_the_encoding() {
        let verdict = |code, reason| Verdict::of(&Status::failure(code, reason, "").into());
        assert_eq!(verdict(406, "NotAcceptable"), Verdict::Refused);
        assert_eq!(verdict(415, "UnsupportedMediaType"), Verdict::Refused);
        assert_eq!(verdict(415, ""), Verdict::Refused);
        assert_eq!(verdict(400, "BadRequest"), Verdict::Unclear);
        assert_eq!(verdict(400, "Expired"), Verdict::Other);
        for code in [401, 403, 404, 410, 429, 500, 503, 504] {
            assert_eq!(verdict(code, ""), Verdict::Other, "{code}");
        }
    }
}
