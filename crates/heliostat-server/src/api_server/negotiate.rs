//! The `Accept` header: which form and encoding of an answer the client wants, among those that the
//! server has.
//!
//! Clauses are tried by quality, those with wildcards last, and each against the encodings in the
//! server's order. A clause with parameters that the server cannot satisfy is passed over.

use super::media::{Encoding, media_types};
use crate::collection::kind::Kind;
use crate::collection::status::Status;

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

/// What is being asked for: metadata-only answers have two names, one for lists, and watches have
/// encodings of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// One object.
    Object,
    /// A list.
    List,
    /// A watch.
    Watch,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Format {
    pub(crate) view: View,
    pub(crate) encoding: Encoding,
}

/// One alternative of the header.
#[derive(Debug)]
struct Clause<'a> {
    main: &'a str,
    sub: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    /// Reads a clause. `None` if it has no media type, or is refused by its quality.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (main, sub) = match parts.next()? {
            "*" => ("*", "*"),
            media_type => media_type.split_once('/')?,
        };
        let parameters: Vec<(&str, &str)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(k, v)| (k.trim(), v.trim()))
            .collect();
        let quality = parameters
            .iter()
            .find(|(key, _)| *key == "q")
            .map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0));
        let clause = Self {
            main: main.trim(),
            sub: sub.trim(),
            parameters,
            quality,
        };
        (quality > 0.0).then_some(clause)
    }

    fn get(&self, key: &str) -> &'a str {
        self.parameters
            .iter()
            .find(|(known, _)| *known == key)
            .map_or("", |(_, value)| value)
    }

    fn accepts(&self, encoding: Encoding) -> bool {
        let media_type = encoding.media_type();
        match (self.main, self.sub) {
            ("*", "*") => true,
            (main, sub) => media_type
                .split_once('/')
                .is_some_and(|known| main == known.0 && (sub == known.1 || sub == "*")),
        }
    }

    /// Returns true if the clause accepts a stream where the server has one, or none at all.
    fn fits_stream(&self) -> bool {
        matches!(self.get("stream"), "" | "watch")
    }

    /// The form that the clause asks for; `None` if there is no such form.
    fn view(&self) -> Option<Wanted> {
        let known_version = self.get("g") == "meta.k8s.io" && self.get("v") == "v1";
        match self.get("as") {
            "" => Some(Wanted::Object),
            "Table" if known_version => Some(Wanted::Table),
            "PartialObjectMetadata" if known_version => Some(Wanted::Partial),
            "PartialObjectMetadataList" if known_version => Some(Wanted::PartialList),
            _ => None,
        }
    }
}

/// What a clause names with `as`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    Object,
    Partial,
    PartialList,
    Table,
}

/// The alternatives, best first; alternatives of the same rank stay in order.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept.split(',').filter_map(Clause::parse).collect();
    clauses.sort_by(|a, b| {
        let wildcards = |clause: &Clause<'_>| (clause.main == "*", clause.sub == "*");
        let by_quality = b.quality.total_cmp(&a.quality);
        by_quality.then_with(|| wildcards(a).cmp(&wildcards(b)))
    });
    clauses
}

/// Chooses how an answer is written. No header means JSON.
///
/// # Errors
/// A 406 if the server has none of what is accepted.
pub(crate) fn negotiate(
    kind: &Kind,
    accept: Option<&str>,
    answer: Answer,
) -> Result<Format, Status> {
    let accept = accept.unwrap_or_default();
    let (wanted, encoding) = if accept.trim().is_empty() {
        (Wanted::Object, Encoding::Json)
    } else {
        choose(kind, accept).ok_or_else(|| refused(kind, accept, answer))?
    };
    if answer == Answer::Watch && encoding == Encoding::Yaml {
        return Err(only(&[Encoding::Json, Encoding::Protobuf].map(stream)));
    }
    let view = match (wanted, answer) {
        (Wanted::Object, _) => View::Object,
        (Wanted::Table, _) => View::Table,
        (Wanted::Partial, Answer::Object | Answer::Watch) | (Wanted::PartialList, Answer::List) => {
            View::Partial
        }
        (Wanted::Partial, Answer::List) => {
            return Err(Status::not_acceptable(
                "you requested PartialObjectMetadata, but the requested object is a list",
            ));
        }
        (Wanted::PartialList, Answer::Object | Answer::Watch) => {
            return Err(Status::not_acceptable(
                "you requested PartialObjectMetadataList, but the requested object is not a list",
            ));
        }
    };
    Ok(Format { view, encoding })
}

fn choose(kind: &Kind, accept: &str) -> Option<(Wanted, Encoding)> {
    let served = |wanted: Wanted, encoding: Encoding| match wanted {
        Wanted::Object => encoding != Encoding::Protobuf || kind.protobuf().is_some(),
        Wanted::Table => encoding != Encoding::Protobuf,
        Wanted::Partial | Wanted::PartialList => true,
    };
    clauses(accept).iter().find_map(|clause| {
        let wanted = clause.view().filter(|_| clause.fits_stream())?;
        let mut encodings = Encoding::ALL.into_iter();
        let encoding = encodings.find(|it| clause.accepts(*it) && served(wanted, *it))?;
        Some((wanted, encoding))
    })
}

/// The 406 of a header that accepts nothing which the server has. Built-in kinds are refused by the
/// router, which looks at media types alone and lists those of the route, custom ones by the handler.
fn refused(kind: &Kind, accept: &str, answer: Answer) -> Status {
    let known = |clause: &Clause<'_>| Encoding::ALL.into_iter().any(|it| clause.accepts(it));
    if kind.is_custom() || clauses(accept).iter().any(known) {
        return only(&Encoding::ALL.map(|it| it.media_type().to_owned()));
    }
    let mut available = media_types(&Encoding::ALL);
    if matches!(answer, Answer::List | Answer::Watch) {
        let streams = [Encoding::Json, Encoding::Protobuf].map(stream);
        available = format!("{available}, {}", streams.join(", "));
    }
    Status::not_acceptable_route(&available)
}

fn stream(encoding: Encoding) -> String {
    format!("{};stream=watch", encoding.media_type())
}

fn only(media_types: &[String]) -> Status {
    Status::not_acceptable(format!(
        "only the following media types are accepted: {}",
        media_types.join(", ")
    ))
}

/// Chooses the encoding of a `Status`, which has no other form. `None` if the client accepts none of
/// them; a `Status` is sent all the same, as indented JSON.
pub(crate) fn negotiate_status(accept: Option<&str>) -> Option<Encoding> {
    let accept = accept.unwrap_or_default();
    if accept.trim().is_empty() {
        return Some(Encoding::Json);
    }
    clauses(accept)
        .iter()
        .filter(|clause| clause.get("as").is_empty() && clause.fits_stream())
        .find_map(|clause| Encoding::ALL.into_iter().find(|it| clause.accepts(*it)))
}

/// Whether discovery is asked for in its aggregated form, before any other form.
pub(crate) fn wants_aggregated_discovery(accept: Option<&str>) -> bool {
    clauses(accept.unwrap_or_default())
        .iter()
        .filter(|clause| clause.accepts(Encoding::Json))
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
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

    fn pods() -> Kind {
        Kind::builtin("", "v1", "Pod", "pods")
    }

    fn widgets() -> Kind {
        Kind::custom("example.com", "v1", "Widget", "widgets")
    }

    #[test]
    fn the_best_known_alternative_wins() {
        use Encoding::{Json, Protobuf, Yaml};

        let metadata = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        let metadata = &format!("{PROTOBUF};{metadata},application/json;{metadata}");
        let table = [
            ("", Answer::List, View::Object, Json),
            ("*/*", Answer::List, View::Object, Json),
            ("application/*", Answer::List, View::Object, Json),
            (
                "application/json;stream=watch",
                Answer::Watch,
                View::Object,
                Json,
            ),
            (PROTOBUF, Answer::List, View::Object, Protobuf),
            (
                &format!("{PROTOBUF}, */*"),
                Answer::List,
                View::Object,
                Protobuf,
            ),
            (
                &format!("*/*, {PROTOBUF}"),
                Answer::List,
                View::Object,
                Protobuf,
            ),
            (
                &format!("{PROTOBUF};q=0.1,application/json"),
                Answer::List,
                View::Object,
                Json,
            ),
            (
                &format!("application/json;q=0.9,{PROTOBUF}"),
                Answer::Watch,
                View::Object,
                Protobuf,
            ),
            (
                &format!("{PROTOBUF};stream=watch"),
                Answer::Watch,
                View::Object,
                Protobuf,
            ),
            (
                "application/json;q=0.9,application/cbor;q=1",
                Answer::List,
                View::Object,
                Json,
            ),
            ("application/yaml", Answer::Object, View::Object, Yaml),
            (TABLE, Answer::List, View::Table, Json),
            (
                &format!("{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{TABLE}"),
                Answer::List,
                View::Table,
                Json,
            ),
            (
                "application/yaml;as=Table;v=v1;g=meta.k8s.io",
                Answer::List,
                View::Table,
                Yaml,
            ),
            (
                "application/json;as=Odd,application/json",
                Answer::List,
                View::Object,
                Json,
            ),
            (PARTIAL, Answer::Object, View::Partial, Json),
            (PARTIALS, Answer::List, View::Partial, Json),
            (metadata, Answer::List, View::Partial, Protobuf),
        ];
        for (accept, answer, view, encoding) in table {
            let format = negotiate(&pods(), Some(accept), answer).unwrap();
            assert_eq!(format, Format { view, encoding }, "{accept:?}");
        }
        let format = negotiate(&pods(), None, Answer::List).unwrap();
        assert_eq!(format.encoding, Json);
    }

    #[test]
    fn custom_resources_have_no_protobuf_but_their_metadata_has() {
        let choose = |accept: &str, answer| negotiate(&widgets(), Some(accept), answer);
        let both = format!("{PROTOBUF},application/json");
        assert_eq!(
            choose(&both, Answer::List).unwrap().encoding,
            Encoding::Json
        );
        assert_eq!(choose(PROTOBUF, Answer::List).unwrap_err().code(), 406);
        let metadata = format!("{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
        let format = choose(&metadata, Answer::Watch).unwrap();
        assert_eq!(
            (format.view, format.encoding),
            (View::Partial, Encoding::Protobuf)
        );
    }

    #[test]
    fn what_the_server_has_not_is_not_acceptable() {
        let table = format!("{PROTOBUF};as=Table;v=v1;g=meta.k8s.io");
        for (accept, answer) in [
            ("application/xml", Answer::List),
            ("application/json;q=0", Answer::List),
            ("application/json;stream=other", Answer::Watch),
            ("application/yaml", Answer::Watch),
            (&table, Answer::List),
            (PARTIAL, Answer::List),
            (PARTIALS, Answer::Object),
            ("nothing", Answer::Object),
        ] {
            let refused = negotiate(&pods(), Some(accept), answer).unwrap_err();
            assert_eq!(refused.code(), 406, "{accept}");
        }
    }

    #[test]
    fn a_status_takes_the_first_clause_that_does_not_transform() {
        assert_eq!(negotiate_status(None), Some(Encoding::Json));
        assert_eq!(negotiate_status(Some(TABLE)), Some(Encoding::Json));
        assert_eq!(negotiate_status(Some(PROTOBUF)), Some(Encoding::Protobuf));
        assert_eq!(
            negotiate_status(Some("application/yaml")),
            Some(Encoding::Yaml)
        );
        assert_eq!(negotiate_status(Some(PARTIAL)), None);
        assert_eq!(negotiate_status(Some("application/xml")), None);
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
