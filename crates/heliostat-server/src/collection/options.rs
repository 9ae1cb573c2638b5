//! What a list or a watch asks for, validated: the two matrices of resourceVersion,
//! resourceVersionMatch, limit, continue and sendInitialEvents end here in plans without a
//! combination left to check.
//!
//! The order of the checks is kube-apiserver's, because the causes come in that order.

use std::time::Duration;

use super::kind::Kind;
use super::query::Query;
use super::selector::Selection;
use super::status::{Status, StatusCause};
use super::token::{At, Continue};

const MATCH: &str = "resourceVersionMatch";
const INITIAL: &str = "sendInitialEvents";

/// How new what is read must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// Whatever there is.
    Any,
    /// At least this version.
    AtLeast(u64),
    /// Nothing that happened before the request is missing.
    Newest,
}

impl Freshness {
    /// The version that must have been reached, where one is named.
    pub(crate) fn required(self) -> u64 {
        match self {
            Self::AtLeast(version) => version,
            Self::Any | Self::Newest => 0,
        }
    }

    /// What a version says as a parameter: none is the newest state, `0` any.
    fn of(text: &str, version: u64) -> Self {
        match (text, version) {
            ("", _) => Self::Newest,
            (_, 0) => Self::Any,
            (_, version) => Self::AtLeast(version),
        }
    }
}

/// Which state a list reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// The newest state, once it is new enough.
    Current(Freshness),
    /// The state as of this version.
    Exact(u64),
    /// From `start` on, as of `at`.
    Continue(Continue),
}

/// A list, validated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ListPlan {
    pub(crate) read: Read,
    pub(crate) limit: Option<usize>,
    pub(crate) selection: Selection,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// With the current state as ADDED events, once it is new enough.
    State(Freshness),
    /// With what comes from now on, once what is known is new enough.
    Now(Freshness),
    /// With the first change after this version.
    After(u64),
}

/// A watch, validated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WatchPlan {
    pub(crate) start: Start,
    pub(crate) selection: Selection,
    pub(crate) bookmarks: bool,
    /// Whether the client asked for the initial state as a stream, by parameter.
    pub(crate) watch_list: bool,
    /// When to end; `None` leaves it to the server.
    pub(crate) timeout: Option<Duration>,
}

impl ListPlan {
    /// Validates the parameters of a list.
    ///
    /// # Errors
    /// The 400 or 422 that the real server answers for the combination.
    pub(crate) fn parse(
        kind: &Kind,
        namespace: Option<&str>,
        query: &Query,
    ) -> Result<Self, Status> {
        let selection = selection(kind, namespace, query)?;
        let limit = integer(query, "limit")?.filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let (version, matching) = (query.text("resourceVersion"), query.text(MATCH));
        // A watch cache answers version 0 from memory as a whole.
        let whole = version == "0" && kind.has_watch_cache();
        let limit = limit.filter(|_| !whole);
        let token = query.text("continue");
        let causes = list_causes(query);
        if !causes.is_empty() {
            return Err(Status::invalid_options(causes));
        }
        if !token.is_empty() {
            if !matches!(version, "" | "0") {
                return Err(Status::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let read = Read::Continue(Continue::decode(token)?);
            return Ok(Self {
                read,
                limit,
                selection,
            });
        }
        let freshness = freshness(version)?;
        let read = match (matching, freshness.required(), limit) {
            ("Exact", version, _) => Read::Exact(version),
            // The legacy rule: a version with a limit and without a match is exact.
            ("", version, Some(_)) if version > 0 => Read::Exact(version),
            _ => Read::Current(freshness),
        };
        Ok(Self {
            read,
            limit,
            selection,
        })
    }

    /// How new the state must be that this list is answered from.
    pub(crate) fn freshness(&self) -> Freshness {
        match &self.read {
            Read::Current(freshness) => *freshness,
            Read::Exact(version)
            | Read::Continue(Continue {
                at: At::Version(version),
                ..
            }) => Freshness::AtLeast(*version),
            Read::Continue(Continue { at: At::Newest, .. }) => Freshness::Newest,
        }
    }
}

impl WatchPlan {
    /// Validates the parameters of a watch.
    ///
    /// # Errors
    /// The 400, 422 or (for a version that is not a number) 500 of the real server.
    pub(crate) fn parse(
        kind: &Kind,
        namespace: Option<&str>,
        query: &Query,
    ) -> Result<Self, Status> {
        let selection = selection(kind, namespace, query)?;
        let initial = query.optional_flag(INITIAL);
        let causes = watch_causes(query, initial);
        if !causes.is_empty() {
            return Err(Status::invalid_options(causes));
        }
        let text = query.text("resourceVersion");
        let version = parse_version(text).map_err(Status::plain_error)?;
        let freshness = Freshness::of(text, version);
        let start = match (initial, version) {
            (Some(true), _) | (None, 0) => Start::State(freshness),
            (Some(false), 0) => Start::Now(freshness),
            (Some(false) | None, version) => Start::After(version),
        };
        let seconds = integer(query, "timeoutSeconds")?;
        // A negative time is over at once, as in kube-apiserver; 0 is no time.
        let timeout = seconds
            .filter(|seconds| *seconds != 0)
            .map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let bookmarks = query.flag("allowWatchBookmarks");
        Ok(Self {
            start,
            selection,
            bookmarks,
            watch_list: initial.is_some(),
            timeout,
        })
    }

    /// How new the state must be that this watch starts from.
    pub(crate) fn freshness(&self) -> Freshness {
        match self.start {
            Start::State(freshness) | Start::Now(freshness) => freshness,
            Start::After(_) => Freshness::Any,
        }
    }
}

/// How new the state must be that a get is answered from.
///
/// # Errors
/// A 400 for what is not a version.
pub(crate) fn get_freshness(query: &Query) -> Result<Freshness, Status> {
    freshness(query.text("resourceVersion"))
}

fn freshness(text: &str) -> Result<Freshness, Status> {
    let version = parse_version(text)
        .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
    Ok(Freshness::of(text, version))
}

/// The selection of a delete collection, which has no other parameters of a list.
///
/// # Errors
/// A 400 for selectors that cannot be parsed.
pub(crate) fn selection(
    kind: &Kind,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Selection, Status> {
    Selection::parse(
        kind,
        namespace,
        query.text("labelSelector"),
        query.text("fieldSelector"),
    )
}

fn list_causes(query: &Query) -> Vec<StatusCause> {
    let (version, matching) = (query.text("resourceVersion"), query.text(MATCH));
    let mut causes = Vec::new();
    if !matching.is_empty() {
        if version.is_empty() {
            let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(StatusCause::forbidden(MATCH, text));
        }
        causes.extend(match_with_continue(query));
        match (matching, version) {
            ("Exact", "0") => {
                let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                causes.push(StatusCause::forbidden(MATCH, text));
            }
            ("Exact" | "NotOlderThan", _) => {}
            (other, _) => {
                let supported = r#""Exact", "NotOlderThan", """#;
                causes.push(StatusCause::not_supported(MATCH, other, supported));
            }
        }
    }
    if query.get(INITIAL).is_some() {
        let text = "sendInitialEvents is forbidden for list";
        causes.push(StatusCause::forbidden(INITIAL, text));
    }
    causes
}

fn watch_causes(query: &Query, initial: Option<bool>) -> Vec<StatusCause> {
    let matching = query.text(MATCH);
    let mut causes = Vec::new();
    if initial.is_some() && matching != "NotOlderThan" {
        let text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(StatusCause::forbidden(MATCH, text));
    }
    if matching.is_empty() {
        return causes;
    }
    if initial.is_none() {
        let text =
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        causes.push(StatusCause::forbidden(MATCH, text));
    }
    causes.extend(match_with_continue(query));
    if matching != "NotOlderThan" {
        causes.push(StatusCause::not_supported(
            MATCH,
            matching,
            r#""NotOlderThan""#,
        ));
    }
    causes
}

fn match_with_continue(query: &Query) -> Option<StatusCause> {
    let text = "resourceVersionMatch is forbidden when continue is provided";
    (!query.text("continue").is_empty()).then(|| StatusCause::forbidden(MATCH, text))
}

/// Unset is 0; anything but an unsigned decimal is the error text of the real server.
fn parse_version(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits {
        "value out of range"
    } else {
        "invalid syntax"
    };
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}"
        )
    })
}

fn integer(query: &Query, key: &str) -> Result<Option<i64>, Status> {
    let text = query.text(key);
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Status::bad_request(format!(
            "strconv.ParseInt: parsing {text:?}: invalid syntax"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps() -> Kind {
        Kind::builtin("", "v1", "ConfigMap", "configmaps")
    }

    fn list(query: &str) -> Result<ListPlan, Status> {
        ListPlan::parse(&maps(), Some("ns"), &Query::parse(query))
    }

    fn watch(query: &str) -> Result<WatchPlan, Status> {
        WatchPlan::parse(&maps(), Some("ns"), &Query::parse(query))
    }

    #[test]
    fn a_version_with_a_limit_and_no_match_is_exact() {
        assert_eq!(
            list("resourceVersion=7&limit=3").unwrap().read,
            Read::Exact(7)
        );
        let at_least = |version| Read::Current(Freshness::AtLeast(version));
        assert_eq!(list("resourceVersion=7").unwrap().read, at_least(7));
        let query = "resourceVersion=7&limit=3&resourceVersionMatch=NotOlderThan";
        assert_eq!(list(query).unwrap().read, at_least(7));
        assert_eq!(
            list("limit=3").unwrap().read,
            Read::Current(Freshness::Newest)
        );
        assert_eq!(
            list("resourceVersion=0").unwrap().read,
            Read::Current(Freshness::Any)
        );
    }

    #[test]
    fn a_watch_cache_ignores_the_limit_at_version_zero() {
        assert_eq!(list("resourceVersion=0&limit=3").unwrap().limit, None);
        assert_eq!(list("limit=3").unwrap().limit, Some(3));
        assert_eq!(list("limit=-1").unwrap().limit, None);
        let events = maps().without_watch_cache();
        let plan = ListPlan::parse(&events, None, &Query::parse("resourceVersion=0&limit=3"));
        assert_eq!(plan.unwrap().limit, Some(3));
    }

    #[test]
    fn a_watch_starts_where_version_and_initial_events_say() {
        let sie = "&resourceVersionMatch=NotOlderThan&sendInitialEvents=";
        let table = [
            ("watch=1".to_owned(), Start::State(Freshness::Newest)),
            ("resourceVersion=0".to_owned(), Start::State(Freshness::Any)),
            ("resourceVersion=7".to_owned(), Start::After(7)),
            (
                format!("resourceVersion=7{sie}true"),
                Start::State(Freshness::AtLeast(7)),
            ),
            (format!("resourceVersion=7{sie}false"), Start::After(7)),
            (
                format!("resourceVersion=0{sie}false"),
                Start::Now(Freshness::Any),
            ),
            (format!("a{sie}false"), Start::Now(Freshness::Newest)),
        ];
        for (query, expected) in table {
            assert_eq!(watch(&query).unwrap().start, expected, "{query}");
        }
    }

    #[test]
    fn bad_numbers_are_refused_as_the_real_server_does() {
        assert_eq!(list("limit=x").unwrap_err().code(), 400);
        assert_eq!(list("resourceVersion=-1").unwrap_err().code(), 400);
        let status = list("resourceVersion=99999999999999999999").unwrap_err();
        assert!(status.message().ends_with("value out of range"));
        let status = watch("resourceVersion=abc").unwrap_err();
        assert_eq!((status.code(), status.reason()), (500, ""));
        assert_eq!(watch("timeoutSeconds=0").unwrap().timeout, None);
        let over = watch("timeoutSeconds=-1").unwrap().timeout;
        assert_eq!(over, Some(Duration::ZERO));
        assert_eq!(
            watch("timeoutSeconds=5").unwrap().timeout,
            Some(Duration::from_secs(5))
        );
    }
}
