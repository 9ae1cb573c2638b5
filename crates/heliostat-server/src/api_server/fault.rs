//! Faults on demand: which request goes wrong, and how. Pure bookkeeping; the http room carries
//! the faults out.

use std::time::Duration;

/// What goes wrong with a request.
///
/// Faults of a stream take effect after `after` events have been sent, so that a test can say
/// exactly where a stream breaks; bookmarks count as events.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed without an answer.
    DropConnection,
    /// The request is accepted and never answered.
    Stall,
    /// The stream stays open and says nothing more: neither events nor bookmarks nor an end.
    StallStream {
        /// Events sent before.
        after: usize,
    },
    /// The stream breaks off in the middle of a frame, without a clean end.
    CutStream {
        /// Whole events sent before.
        after: usize,
    },
    /// The stream ends cleanly, as at a timeout.
    CloseStream {
        /// Events sent before.
        after: usize,
    },
    /// 429 as plain text with `Retry-After`, as flow control answers.
    TooManyRequests {
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// 429 with a Status and `Retry-After`, as a watch cache answers that is still loading.
    NotReady {
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// 500 with reason InternalError.
    InternalError,
    /// 503 with reason ServiceUnavailable and `Retry-After`.
    Unavailable {
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// An HTTP-level 410, for lists and watches alike.
    Expired,
    /// 403, as when permissions were taken away.
    Forbidden,
    /// An ERROR event with a 410 in a stream that had been opened.
    ExpiredEvent {
        /// Events sent before.
        after: usize,
    },
    /// 422 for a watch that asks for initial events, as servers without watch-list answer.
    RefuseWatchList,
    /// Initial events are ignored: 200, and then neither state nor end mark.
    IgnoreWatchList,
    /// The initial state is sent, but never its end mark.
    OmitEndMark,
    /// 200 with an HTML page, as a proxy's login page is.
    Html,
    /// The first object of the answer is valid JSON of a shape that no typed client can decode:
    /// its labels are a text.
    MalformedObject,
    /// The answer, or the first frame of a stream, is not valid JSON.
    InvalidJson,
    /// Every page says that there is more, at the same place.
    RepeatContinue,
    /// No bookmarks are sent.
    OmitBookmarks,
}

/// The verbs that a fault may be limited to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verb {
    /// One object.
    Get,
    /// A collection.
    List,
    /// Changes of a collection.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of an object or a collection.
    Delete,
}

impl Verb {
    /// The word that Kubernetes has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A fault and the requests that it applies to: all, unless limited.
///
/// ```
/// use heliostat_server::{Fault, FaultRule, Verb};
///
/// let rule = FaultRule::new(Fault::DropConnection).on(Verb::Watch).resource("pods").times(2);
/// # let _ = rule;
/// ```
#[derive(Clone, Debug)]
pub struct FaultRule {
    fault: Fault,
    verb: Option<Verb>,
    resource: Option<String>,
    remaining: Option<usize>,
    skip: usize,
}

impl FaultRule {
    /// A fault for every request, until it is cleared.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            verb: None,
            resource: None,
            remaining: None,
            skip: 0,
        }
    }

    /// Only requests with this verb.
    #[must_use]
    pub fn on(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Only requests for this resource, as `pods` or `deployments.apps`.
    #[must_use]
    pub fn resource(mut self, qualified: &str) -> Self {
        self.resource = Some(qualified.to_owned());
        self
    }

    /// Only the next `count` requests that match.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.remaining = Some(count);
        self
    }

    /// Only the next request that matches.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Lets the first `count` requests that match pass.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    fn applies(&self, verb: Verb, resource: &str) -> bool {
        self.verb.is_none_or(|wanted| wanted == verb)
            && self
                .resource
                .as_deref()
                .is_none_or(|wanted| wanted == resource)
    }
}

/// Names a rule, to count its hits or to take it away.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FaultId(u64);

/// All rules of a server. Several may apply to one request, in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    rules: Vec<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    id: FaultId,
    rule: FaultRule,
    hits: usize,
}

impl FaultBook {
    pub(crate) fn add(&mut self, rule: FaultRule) -> FaultId {
        let id = FaultId(self.next);
        self.next += 1;
        self.rules.push(Entry { id, rule, hits: 0 });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) {
        self.rules.retain(|entry| entry.id != id);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many requests a rule has applied to; a cleared rule has none.
    pub(crate) fn hits(&self, id: FaultId) -> usize {
        self.rules
            .iter()
            .find(|entry| entry.id == id)
            .map_or(0, |entry| entry.hits)
    }

    /// The faults of a request, which uses up their counts.
    pub(crate) fn take(&mut self, verb: Verb, resource: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for entry in self
            .rules
            .iter_mut()
            .filter(|entry| entry.rule.applies(verb, resource))
        {
            let rule = &mut entry.rule;
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            match &mut rule.remaining {
                Some(0) => continue,
                Some(remaining) => *remaining -= 1,
                None => {}
            }
            entry.hits += 1;
            faults.push(rule.fault.clone());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_applies_to_its_requests_and_as_often_as_it_says() {
        let mut book = FaultBook::default();
        let rule = FaultRule::new(Fault::Stall)
            .on(Verb::Watch)
            .resource("pods")
            .skip(1)
            .times(2);
        let id = book.add(rule);
        assert!(book.take(Verb::List, "pods").is_empty());
        assert!(book.take(Verb::Watch, "nodes").is_empty());
        assert!(
            book.take(Verb::Watch, "pods").is_empty(),
            "the first one is skipped"
        );
        assert_eq!(book.take(Verb::Watch, "pods"), [Fault::Stall]);
        assert_eq!(book.take(Verb::Watch, "pods"), [Fault::Stall]);
        assert!(book.take(Verb::Watch, "pods").is_empty());
        assert_eq!(book.hits(id), 2);
    }

    #[test]
    fn several_rules_apply_in_order_until_they_are_taken_away() {
        let mut book = FaultBook::default();
        let first = book.add(FaultRule::new(Fault::OmitBookmarks));
        book.add(FaultRule::new(Fault::OmitEndMark));
        assert_eq!(
            book.take(Verb::Get, "x"),
            [Fault::OmitBookmarks, Fault::OmitEndMark]
        );
        book.remove(first);
        assert_eq!(book.take(Verb::Get, "x"), [Fault::OmitEndMark]);
        book.clear();
        assert!(book.take(Verb::Get, "x").is_empty());
    }
}
