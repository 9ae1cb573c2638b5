//! The `Accept` header: which form of an answer the client wants, among those the server has.

use super::status::Status;

/// The form in which objects are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// The object itself.
    Object,
    /// Its metadata alone.
    Partial,
    /// A table for people.
    Table,
}

/// What is being asked for: metadata-only answers have two names, one for lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// One object, or a watch of them.
    Object,
    /// A list.
    List,
}

/// One alternative of the header.
struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let parameters: Vec<(&str, &str)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(k, v)| (k.trim(), v.trim()))
            .collect();
        let quality = parameters
            .iter()
            .find(|(key, _)| *key == "q")
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(1.0);
        Self {
            media_type,
            parameters,
            quality,
        }
    }

    fn get(&self, key: &str) -> &'a str {
        self.parameters
            .iter()
            .find(|(known, _)| *known == key)
            .map_or("", |(_, value)| value)
    }

    fn is_json(&self) -> bool {
        matches!(
            self.media_type,
            "application/json" | "application/*" | "*/*"
        )
    }
}

/// The alternatives, best first; alternatives of the same quality stay in order.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept
        .split(',')
        .map(str::trim)
        .filter(|clause| !clause.is_empty())
        .map(Clause::parse)
        .filter(|clause| clause.quality > 0.0)
        .collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses
}

/// Chooses the form of an answer. No header means JSON.
///
/// # Errors
/// A 406 if the server has none of what is accepted.
pub(crate) fn negotiate(accept: Option<&str>, answer: Answer) -> Result<View, Status> {
    let accept = accept.unwrap_or_default();
    if accept.trim().is_empty() {
        return Ok(View::Object);
    }
    for clause in clauses(accept).iter().filter(|clause| clause.is_json()) {
        let meta = clause.get("g") == "meta.k8s.io" && clause.get("v") == "v1";
        match (clause.get("as"), answer) {
            ("", _) => return Ok(View::Object),
            ("Table", _) if meta => return Ok(View::Table),
            ("PartialObjectMetadata", Answer::Object) if meta => return Ok(View::Partial),
            ("PartialObjectMetadataList", Answer::List) if meta => return Ok(View::Partial),
            ("PartialObjectMetadata", Answer::List) if meta => {
                return Err(Status::not_acceptable(
                    "you requested PartialObjectMetadata, but the requested object is a list",
                ));
            }
            ("PartialObjectMetadataList", Answer::Object) if meta => {
                return Err(Status::not_acceptable(
                    "you requested PartialObjectMetadataList, but the requested object is not a \
                     list",
                ));
            }
            _ => {}
        }
    }
    Err(Status::not_acceptable(
        "only the following media types are accepted: application/json, \
         application/json;stream=watch",
    ))
}

/// Whether discovery is asked for in its aggregated form, before any other form.
pub(crate) fn wants_aggregated_discovery(accept: Option<&str>) -> bool {
    clauses(accept.unwrap_or_default())
        .iter()
        .filter(|clause| clause.is_json())
        .find_map(|clause| match clause.get("as") {
            "" => Some(false),
            "APIGroupDiscoveryList"
                if clause.get("g") == "apidiscovery.k8s.io"
                    && clause.get("v") == "v2"
                    && clause.get("profile").is_empty() =>
            {
                Some(true)
            }
            _ => None,
        })
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    const PARTIALS: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

    #[test]
    fn the_best_known_alternative_wins() {
        let table = [
            (None, Answer::List, View::Object),
            (Some(""), Answer::List, View::Object),
            (Some("*/*"), Answer::List, View::Object),
            (
                Some("application/json;stream=watch"),
                Answer::Object,
                View::Object,
            ),
            (
                Some("application/vnd.kubernetes.protobuf, */*"),
                Answer::List,
                View::Object,
            ),
            (
                Some("application/json;q=0.9,application/cbor;q=1"),
                Answer::List,
                View::Object,
            ),
            (Some(TABLE), Answer::List, View::Table),
            (
                Some("application/json;as=Odd,application/json"),
                Answer::List,
                View::Object,
            ),
            (Some(PARTIAL), Answer::Object, View::Partial),
            (Some(PARTIALS), Answer::List, View::Partial),
        ];
        for (accept, answer, expected) in table {
            assert_eq!(negotiate(accept, answer).unwrap(), expected, "{accept:?}");
        }
    }

    #[test]
    fn what_the_server_has_not_is_not_acceptable() {
        for (accept, answer) in [
            ("application/xml", Answer::List),
            ("application/vnd.kubernetes.protobuf", Answer::List),
            ("application/json;q=0", Answer::List),
            (PARTIAL, Answer::List),
            (PARTIALS, Answer::Object),
        ] {
            assert_eq!(
                negotiate(Some(accept), answer).unwrap_err().code(),
                406,
                "{accept}"
            );
        }
    }

    #[test]
    fn aggregated_discovery_must_come_before_the_plain_form() {
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        assert!(wants_aggregated_discovery(Some(&format!(
            "{v2},application/json"
        ))));
        assert!(wants_aggregated_discovery(Some(&format!("{beta},{v2}"))));
        assert!(!wants_aggregated_discovery(Some(&format!(
            "application/json,{v2}"
        ))));
        assert!(!wants_aggregated_discovery(Some(beta)));
        assert!(!wants_aggregated_discovery(None));
    }
}
