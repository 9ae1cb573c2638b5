//! The three patch dialects: JSON patch, JSON merge patch and, for built-in kinds, strategic merge
//! patch. Pure functions from an object and a patch to an object.

mod json;
mod merge;
mod strategic;

use serde_json::Value;

use crate::collection::kind::{Kind, Object};
use crate::collection::status::{Status, StatusCause};

/// What the server accepts as a patch body.
pub(crate) const MEDIA_TYPES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// A patch, parsed.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Vec<json::Operation>),
    /// RFC 7386.
    Merge(Value),
    /// Merge that knows the keys of lists.
    Strategic(Value),
}

impl Patch {
    /// Reads a patch of a media type, whose parameters are ignored.
    ///
    /// # Errors
    /// 415 for other media types and for strategic patches of custom resources, 400 for a body
    /// that is not JSON.
    pub(crate) fn parse(kind: &Kind, media_type: &str, body: &[u8]) -> Result<Self, Status> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let [json, merge, strategic] = MEDIA_TYPES;
        let broken = |error: serde_json::Error| {
            Status::bad_request(format!("error decoding patch: {error}"))
        };
        if media_type == json {
            Ok(Self::Json(serde_json::from_slice(body).map_err(broken)?))
        } else if media_type == merge {
            Ok(Self::Merge(serde_json::from_slice(body).map_err(broken)?))
        } else if media_type == strategic && !kind.is_custom() {
            Ok(Self::Strategic(
                serde_json::from_slice(body).map_err(broken)?,
            ))
        } else {
            let accepted = if kind.is_custom() {
                &MEDIA_TYPES[..2]
            } else {
                &MEDIA_TYPES[..]
            };
            Err(Status::unsupported_media_type(&accepted.join(", ")))
        }
    }

    /// Applies the patch to an object of that name.
    ///
    /// # Errors
    /// A 422 for a patch that does not apply, or whose result is no object.
    pub(crate) fn apply(&self, kind: &Kind, name: &str, object: Object) -> Result<Object, Status> {
        let failed = |why: String| {
            let cause = StatusCause::invalid("patch", "", &why);
            Status::invalid(kind.group(), kind.kind(), name, vec![cause])
        };
        let mut value = Value::Object(object);
        match self {
            Self::Json(operations) => json::apply(&mut value, operations).map_err(failed)?,
            Self::Merge(patch) => merge::apply(&mut value, patch),
            Self::Strategic(patch) => strategic::apply(&mut value, patch),
        }
        match value {
            Value::Object(object) => Ok(object),
            _ => Err(failed("the result is not an object".to_owned())),
        }
    }
}
