//! Media types: the encodings in which objects are sent and received.

/// An encoding of objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// JSON, the default.
    Json,
    /// YAML: the JSON of an object in another notation.
    Yaml,
    /// The protobuf of Kubernetes with its envelope. Custom resources have no messages.
    Protobuf,
}

impl Encoding {
    /// Every encoding, in the order in which the server prefers them.
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// Returns the media type of objects and lists.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// Returns the media type of watches. A watch in YAML does not exist.
    pub(crate) fn watch_media_type(self) -> &'static str {
        match self {
            Self::Json | Self::Yaml => "application/json",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// Returns the encoding of a body by its `Content-Type`. A body without one is JSON.
    pub(crate) fn of_body(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.is_empty() {
            return Some(Self::Json);
        }
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.media_type().eq_ignore_ascii_case(media_type))
    }
}

/// Returns the media types of some encodings as messages list them.
pub(crate) fn media_types(encodings: &[Encoding]) -> String {
    let names: Vec<&str> = encodings.iter().map(|it| it.media_type()).collect();
    names.join(", ")
}
