//! How a list request is answered from a collection: which revision, which page, or why not.
//!
//! The rules are those of the Kubernetes API for `resourceVersion`, `resourceVersionMatch`, `limit`
//! and `continue` (API concepts, "Resource versions"), as kube-apiserver 1.36 with its watch cache
//! applies them: a list at `0` ignores the limit, a list at a version with a limit means exactly that
//! version.

use std::fmt;

use heliostat_core::error::SourceError;
use heliostat_core::event::ListMetadata;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::options::{ListOptions, ResourceVersionMatch};

use super::collection::Collection;
use super::refusal;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The version that the whole list is true at, and where the next page begins.
    pub metadata: ListMetadata,
    /// The objects in the order of their keys.
    pub items: Vec<Entry<T>>,
}

/// What a request asks for, once it is found to make sense.
struct Extent {
    revision: u64,
    after: Option<ObjectKey>,
    page: u32,
    limit: Option<u32>,
}

impl<T> Collection<T> {
    /// Answers a list of the objects that `selects` wants.
    ///
    /// # Errors
    /// [`SourceError::Api`] with a `Status` as a Kubernetes API server gives it: 410 for a version or a continue token that has
    /// left the history, 504 for a version not reached yet, 400 and 422 for what makes no sense.
    pub fn list(
        &self,
        options: &ListOptions,
        selects: impl Fn(&Entry<T>) -> bool,
    ) -> Result<Page<T>, SourceError> {
        let extent = self.extent(options)?;
        let mut rest = self
            .state_at(extent.revision, extent.after.as_ref())
            .filter(|entry| {
                let object = options.object.as_ref();
                object.is_none_or(|key| key == entry.key()) && selects(entry)
            });
        let count = extent.limit.map_or(usize::MAX, |limit| limit as usize);
        let items: Vec<Entry<T>> = rest.by_ref().take(count).cloned().collect();
        let remaining = rest.count() as u64;
        let next = items.last().filter(|_| remaining > 0).map(|last| Token {
            revision: Some(extent.revision),
            page: extent.page + 1,
            after: last.key().clone(),
        });
        let metadata = ListMetadata {
            resource_version: extent.revision.into(),
            continue_token: next.map(|token| token.to_string()),
            remaining_item_count: (remaining > 0).then_some(remaining),
        };
        Ok(Page { metadata, items })
    }

    fn extent(&self, options: &ListOptions) -> Result<Extent, SourceError> {
        validate(options)?;
        let limit = options.limit.filter(|&limit| limit > 0);
        if let Some(token) = &options.continue_token {
            return self.continued(token, limit);
        }
        let version = &options.resource_version;
        let first = |revision, limit| Extent {
            revision,
            after: None,
            page: 1,
            limit,
        };
        if version.is_unset() {
            return Ok(first(self.revision(), limit));
        }
        if version.is_any() {
            return Ok(first(self.revision(), None));
        }
        let Some(asked) = version.as_decimal() else {
            return Err(refusal::malformed_list_version(version).into());
        };
        if asked > self.revision() {
            return Err(refusal::too_large(asked, self.revision()).into());
        }
        let exact = match options.resource_version_match {
            Some(ResourceVersionMatch::Exact) => true,
            Some(ResourceVersionMatch::NotOlderThan) => false,
            None => limit.is_some(),
        };
        if !exact {
            return Ok(first(self.revision(), limit));
        }
        if !self.can_read(asked) {
            return Err(refusal::expired_list().into());
        }
        Ok(first(asked, limit))
    }

    fn continued(&self, token: &str, limit: Option<u32>) -> Result<Extent, SourceError> {
        let Some(token) = Token::parse(token) else {
            return Err(
                refusal::bad_request("the continue token is not one of this source").into(),
            );
        };
        let revision = token.revision.unwrap_or_else(|| self.revision());
        if revision > self.revision() {
            return Err(refusal::too_large(revision, self.revision()).into());
        }
        if !self.can_read(revision) {
            let fresh = Token {
                revision: None,
                ..token
            };
            return Err(refusal::expired_token(fresh.to_string()).into());
        }
        Ok(Extent {
            revision,
            after: Some(token.after),
            page: token.page,
            limit,
        })
    }
}

/// The number of the page that a request asks for; the first is 1.
pub(super) fn page_number(options: &ListOptions) -> u32 {
    let token = options.continue_token.as_deref().and_then(Token::parse);
    token.map_or(1, |token| token.page)
}

fn validate(options: &ListOptions) -> Result<(), SourceError> {
    let version = &options.resource_version;
    let continued = options.continue_token.is_some();
    if options.resource_version_match.is_some() {
        if version.is_unset() {
            return Err(refusal::forbidden_match(
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            )
            .into());
        }
        if continued {
            return Err(refusal::forbidden_match(
                "resourceVersionMatch is forbidden when continue is provided",
            )
            .into());
        }
        if options.resource_version_match == Some(ResourceVersionMatch::Exact) && version.is_any() {
            return Err(refusal::forbidden_match(
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            )
            .into());
        }
    }
    if continued && version.is_real() {
        return Err(refusal::bad_request(
            "specifying resource version is not allowed when using continue",
        )
        .into());
    }
    Ok(())
}

/// Where a page begins. Opaque to clients; the text is readable, so that a failing test tells more.
struct Token {
    /// The revision of the list; none to go on at the newest, inconsistently.
    revision: Option<u64>,
    page: u32,
    after: ObjectKey,
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let revision = match parts.next()? {
            "latest" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Self {
            revision,
            page: parts.next()?.parse().ok()?,
            after: parts.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision {
            Some(revision) => write!(f, "{revision}")?,
            None => f.write_str("latest")?,
        }
        write!(f, ".{}.{}", self.page, self.after)
    }
}
