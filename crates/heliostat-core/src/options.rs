//! What a list or a watch asks for: Kubernetes' `ListOptions`, as two types that cannot be mixed up.
//!
//! The names on the wire and their order are those of the reference client; what is unset is left
//! out.

use std::fmt::Write as _;

use crate::object::ObjectKey;
use crate::version::ResourceVersion;

/// How a server may answer a request that names a version.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ResourceVersionMatch {
    /// Exactly the state of the version.
    Exact,
    /// That state or a newer one.
    NotOlderThan,
}

impl ResourceVersionMatch {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "Exact",
            Self::NotOlderThan => "NotOlderThan",
        }
    }
}

/// One page of a list. Scope and selectors belong to the source and are not here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListOptions {
    /// Unset: the most recent state. `0`: any state. Otherwise a state not older than that.
    pub resource_version: ResourceVersion,
    /// How the version is meant.
    pub resource_version_match: Option<ResourceVersionMatch>,
    /// At most so many items in the answer.
    pub limit: Option<u32>,
    /// Go on where an earlier page ended.
    pub continue_token: Option<String>,
    /// Only the object of this key, if the scope and the selectors of the source include it. The
    /// version in the answer is still that of the whole collection. Default: all objects.
    ///
    /// On the wire this is a field selector, which the source joins with its own: see
    /// [`field_selector`](Self::field_selector).
    pub object: Option<ObjectKey>,
}

impl ListOptions {
    /// The field selector that selects [`object`](Self::object), if it is set.
    ///
    /// `metadata.name` and `metadata.namespace` are the only fields that an API server selects by for
    /// every resource; the second only for a namespaced one.
    #[must_use]
    pub fn field_selector(&self) -> Option<String> {
        let key = self.object.as_ref()?;
        let name = format!("metadata.name={}", key.name());
        Some(match key.namespace() {
            Some(namespace) => format!("{name},metadata.namespace={namespace}"),
            None => name,
        })
    }

    /// The query parameters, in the order of their names, without the field selector.
    #[must_use]
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::with_capacity(4);
        if let Some(token) = &self.continue_token {
            query.push(("continue", token.clone()));
        }
        if let Some(limit) = self.limit {
            query.push(("limit", limit.to_string()));
        }
        push_version(
            &mut query,
            &self.resource_version,
            self.resource_version_match,
        );
        query
    }
}

/// A watch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WatchOptions {
    /// Events after this version. Unset or `0`: the present state first.
    pub resource_version: ResourceVersion,
    /// How the version is meant; only together with [`send_initial_events`](Self::send_initial_events).
    pub resource_version_match: Option<ResourceVersionMatch>,
    /// After how many seconds the server is to end the watch.
    pub timeout_seconds: Option<u32>,
    /// The server may send bookmarks.
    pub allow_bookmarks: bool,
    /// Send the present state as events first, then a bookmark that says so.
    pub send_initial_events: bool,
}

impl WatchOptions {
    /// The query parameters, in the order of their names, `watch=true` last.
    #[must_use]
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::with_capacity(6);
        if self.allow_bookmarks {
            query.push(("allowWatchBookmarks", "true".to_owned()));
        }
        push_version(
            &mut query,
            &self.resource_version,
            self.resource_version_match,
        );
        if self.send_initial_events {
            query.push(("sendInitialEvents", "true".to_owned()));
        }
        if let Some(seconds) = self.timeout_seconds {
            query.push(("timeoutSeconds", seconds.to_string()));
        }
        query.push(("watch", "true".to_owned()));
        query
    }
}

/// What may be asked of a list that is to be streamed as a watch-list instead.
///
/// Gives the watch that yields the same objects, or nothing where there is none: the match without a
/// version, an exact version, a page of a list, a single object, or a limit with a version other than `0`.
#[must_use]
pub fn watch_list_options(list: &ListOptions) -> Option<WatchOptions> {
    let version = &list.resource_version;
    let exact = list.resource_version_match == Some(ResourceVersionMatch::Exact);
    let unbacked_match = list.resource_version_match.is_some() && version.is_unset();
    let page = list.continue_token.is_some() || list.object.is_some();
    let limited = list.limit.is_some_and(|limit| limit > 0) && !version.is_any();
    if exact || unbacked_match || page || limited {
        return None;
    }
    Some(WatchOptions {
        resource_version: version.clone(),
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        timeout_seconds: None,
        allow_bookmarks: true,
        send_initial_events: true,
    })
}

/// Joins query parameters as `a=b&c=d`, percent-encoding what a URL does not allow.
#[must_use]
pub fn encode_query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        push_encoded(&mut text, name);
        text.push('=');
        push_encoded(&mut text, value);
    }
    text
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn push_encoded(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

fn push_version(
    query: &mut Vec<(&'static str, String)>,
    version: &ResourceVersion,
    version_match: Option<ResourceVersionMatch>,
) {
    if !version.is_unset() {
        query.push(("resourceVersion", version.to_string()));
    }
    if let Some(version_match) = version_match {
        query.push(("resourceVersionMatch", version_match.as_str().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(query: &[(&'static str, String)]) -> String {
        encode_query(query.iter().map(|(name, value)| (*name, value.as_str())))
    }

    #[test]
    fn w_24_wire_names_and_what_is_left_out() {
        let first = ListOptions {
            resource_version: ResourceVersion::ANY,
            limit: Some(500),
            ..ListOptions::default()
        };
        assert_eq!(text(&first.query()), "limit=500&resourceVersion=0");
        assert_eq!(text(&ListOptions::default().query()), "");
        let watch = WatchOptions {
            resource_version: "7".into(),
            timeout_seconds: Some(300),
            allow_bookmarks: true,
            ..WatchOptions::default()
        };
        assert_eq!(
            text(&watch.query()),
            "allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300&watch=true"
        );
        let initial = WatchOptions {
            resource_version: ResourceVersion::UNSET,
            resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
            send_initial_events: true,
            ..watch
        };
        assert_eq!(
            text(&initial.query()),
            "allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true\
             &timeoutSeconds=300&watch=true"
        );
    }

    #[test]
    fn one_object_is_selected_by_its_name_and_its_namespace_if_it_has_one() {
        let one = |key: &str| {
            ListOptions {
                object: Some(key.parse().unwrap()),
                ..ListOptions::default()
            }
            .field_selector()
        };
        let pod = one("default/web-0");
        assert_eq!(
            pod.as_deref(),
            Some("metadata.name=web-0,metadata.namespace=default")
        );
        assert_eq!(one("node-1").as_deref(), Some("metadata.name=node-1"));
        assert_eq!(ListOptions::default().field_selector(), None);
    }

    #[test]
    fn values_are_percent_encoded() {
        assert_eq!(
            encode_query([("labelSelector", "a in (b,c)")]),
            "labelSelector=a%20in%20%28b%2Cc%29"
        );
    }

    #[test]
    fn wl_15_which_lists_can_be_streamed() {
        let list = |version: &str, version_match, limit, token: Option<&str>| ListOptions {
            resource_version: version.into(),
            resource_version_match: version_match,
            limit,
            continue_token: token.map(str::to_owned),
            object: None,
        };
        let ok = |options: &ListOptions| watch_list_options(options).is_some();
        let newer = Some(ResourceVersionMatch::NotOlderThan);
        let exact = Some(ResourceVersionMatch::Exact);
        for version in ["", "0", "100"] {
            assert!(ok(&list(version, None, None, None)));
            assert!(!ok(&list(version, exact, None, None)));
        }
        assert!(ok(&list("0", None, Some(4), None)));
        assert!(!ok(&list("100", None, Some(4), None)));
        assert!(!ok(&list("", None, Some(4), None)));
        assert!(!ok(&list("0", None, None, Some("token"))));
        assert!(!ok(&list("", newer, None, None)));
        assert!(ok(&list("0", newer, None, None)));
        assert!(ok(&list("100", newer, None, None)));
        assert!(ok(&list("0", newer, Some(4), None)));
        assert!(!ok(&list("0", newer, None, Some("token"))));
        assert!(!ok(&list("0", exact, Some(4), None)));
        let streamed = watch_list_options(&list("0", None, Some(4), None)).unwrap();
        assert_eq!(streamed.resource_version, ResourceVersion::ANY);
        assert_eq!(streamed.resource_version_match, newer);
        assert!(streamed.send_initial_events && streamed.allow_bookmarks);
    }
}
