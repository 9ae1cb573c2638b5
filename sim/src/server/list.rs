//! Lists: which state a list is served from, its pages and tokens, and its body part by part.

use heliostat_core::error::SourceError;
use heliostat_core::event::{Item, ListMetadata, ListPart, Rejection, RejectionReason};
use heliostat_core::object::{GroupVersionKind, ObjectKey};
use heliostat_core::options::ListOptions;
use heliostat_core::status::Status;
use heliostat_core::version::ResourceVersion;

use super::{Server, Surroundings};
use crate::connection::{Answer, ConnectionId, Origin};
use crate::coverage::Seen;
use crate::faults::{BodyFault, RequestFault, draw, too_large, truncated};
use crate::mutant::Mutant;
use crate::world::Widget;

/// What a page is served from.
struct Page {
    revision: u64,
    /// The last key of the page before.
    after: Option<ObjectKey>,
    limit: Option<usize>,
    odd_version: bool,
    /// The cluster of the state.
    cluster: usize,
}

/// How long a repeated token lasts, in seconds: longer than a machine's limit of pages.
const ENDLESS_SECONDS: u64 = 20;

/// Items on a page that was not asked for.
const UNASKED_LIMIT: usize = 2;

impl Server {
    pub(super) fn answer_list(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        options: &ListOptions,
    ) {
        let fault = if self.quiet {
            None
        } else {
            draw(&self.faults.body, self.faults.body_chance, &mut self.rng)
        };
        if self.is_another_cluster(around, id) {
            let status = Status::failure(410, "Expired", "another cluster answers");
            return self.refuse(around, id, Some(status.into()));
        }
        let page = match self.resolve(around, options, fault) {
            Ok(page) => page,
            Err(status) => return self.refuse(around, id, Some((*status).into())),
        };
        let seen = match options.continue_token {
            Some(_) => Seen::PageServed,
            None => Seen::ListServed,
        };
        around.coverage.count(seen);
        if fault == Some(BodyFault::Endless) {
            let lasts = std::time::Duration::from_secs(ENDLESS_SECONDS);
            self.endless_until = around.now + lasts;
        }
        self.compact_between_pages(around);
        let parts = self.body(around, &page, options, fault);
        let origin = Origin {
            timeline: 0,
            revision: page.revision,
            odd_version: page.odd_version,
            ..Origin::default()
        };
        self.send_body(around, id, parts, origin, fault);
    }

    /// Which state answers these options.
    fn resolve(
        &mut self,
        around: &mut Surroundings<'_>,
        options: &ListOptions,
        fault: Option<BodyFault>,
    ) -> Result<Page, Box<Status>> {
        let present = around.world.revision();
        let limit = options.limit.map(|limit| limit as usize);
        let cluster = around.world.cluster_of(around.world.current());
        if let Some(token) = &options.continue_token {
            let (revision, after, token_cluster) = parse_token(token);
            let expired = fault == Some(BodyFault::ExpiredToken) || token_cluster != cluster;
            let mixes = self.mutant == Some(Mutant::PagesAcrossCompaction) && !expired;
            if mixes && revision < self.compacted {
                return Ok(Page {
                    revision: present,
                    after,
                    limit,
                    odd_version: false,
                    cluster,
                });
            }
            if expired || revision < self.compacted || revision > present {
                around.coverage.count(Seen::TokenExpired);
                if self.plan.etcd.is_some() && !expired {
                    around.coverage.count(Seen::CompactedWhilePaging);
                }
                if self.rng.one_in(4) {
                    return Err(Status::failure(410, "Gone", "token too old").into());
                }
                return Err(Status::failure(410, "Expired", "token too old").into());
            }
            return Ok(Page {
                revision,
                after,
                limit,
                odd_version: false,
                cluster,
            });
        }
        let version = &options.resource_version;
        let asked = version.as_decimal().unwrap_or_default();
        let stale = fault == Some(BodyFault::Stale) && version.is_real();
        let exact = self.plan.exact_pages && limit.is_some();
        let revision = if version.is_unset() {
            present
        } else if stale {
            around.coverage.count(Seen::StaleAnswer);
            asked
                .saturating_sub(1 + self.rng.below(5))
                .max(self.compacted)
                .min(present)
        } else if asked > present {
            around.coverage.count(Seen::TooLarge);
            return Err(too_large().into());
        } else if version.is_real() && exact {
            asked
        } else {
            self.replica(around, asked)
        };
        if revision < self.compacted {
            around.coverage.count(Seen::ExactExpired);
            return Err(Status::failure(410, "Expired", "version too old").into());
        }
        let whole = version.is_any() && self.plan.whole_from_cache;
        let limit = match fault {
            Some(BodyFault::UnaskedPages) => Some(UNASKED_LIMIT),
            _ => limit.filter(|_| !whole),
        };
        Ok(Page {
            revision,
            after: None,
            limit,
            odd_version: stale,
            cluster,
        })
    }

    /// The revision that some replica is at, not older than asked for.
    pub(super) fn replica(&mut self, around: &mut Surroundings<'_>, at_least: u64) -> u64 {
        let present = around.world.revision();
        let behind = self.rng.below(self.plan.lag + 1);
        // Replicas catch up once nothing is written. A watch does not wait for that; a mirror that polls
        // has nothing else.
        let behind = if self.quiet && !self.plan.watches {
            0
        } else {
            behind
        };
        let revision = present
            .saturating_sub(behind)
            .max(at_least)
            .max(self.compacted);
        if revision < present {
            around.coverage.count(Seen::StaleList);
        }
        revision
    }

    fn body(
        &mut self,
        around: &mut Surroundings<'_>,
        page: &Page,
        options: &ListOptions,
        fault: Option<BodyFault>,
    ) -> Vec<ListPart<Widget>> {
        let objects = around.world.truth().state_at(page.revision);
        let asked = options.object.as_ref();
        let left = objects
            .values()
            .filter(|widget| asked.is_none_or(|key| widget.key == *key))
            .filter(|widget| page.after.as_ref().is_none_or(|after| widget.key > *after));
        let shown: Vec<_> = left
            .clone()
            .take(page.limit.unwrap_or(usize::MAX))
            .collect();
        let remaining = left.count() - shown.len();
        let more = remaining > 0;
        let last_key = shown
            .last()
            .map(|widget| widget.key.clone())
            .or_else(|| page.after.clone());
        let mut token = more.then(|| make_token(page, page.revision, last_key.as_ref(), 0));
        if more && fault == Some(BodyFault::UnaskedPages) {
            around.coverage.count(Seen::UnaskedPages);
            // Revision 0 has left every history.
            token = Some(make_token(
                page,
                0,
                last_key.as_ref(),
                around.agenda.count(),
            ));
        }
        if around.now < self.endless_until && options.limit.is_some() {
            around.coverage.count(Seen::EndlessToken);
            let number = self.rng.below(2) * around.agenda.count();
            token.get_or_insert_with(|| make_token(page, page.revision, last_key.as_ref(), number));
        }
        let metadata = ListMetadata {
            resource_version: ResourceVersion::from(page.revision),
            continue_token: token,
            remaining_item_count: more.then_some(remaining as u64),
        };
        let mut items: Vec<Item<Widget>> = shown.into_iter().map(item).collect();
        if !self.quiet && self.faults.event_chance > 0 && self.rng.one_in(20) {
            around.coverage.count(Seen::WrongKind);
            items.push(Err(wrong_kind()));
        }
        let mut parts = Vec::new();
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(self.plan.part_items));
            parts.push(ListPart::Items(std::mem::replace(&mut items, rest)));
        }
        if fault == Some(BodyFault::MetadataTwice) {
            around.coverage.count(Seen::BodyWithMetadataTwice);
            parts.insert(parts.len() / 2, ListPart::Metadata(metadata.clone()));
        }
        if fault == Some(BodyFault::WithoutMetadata) {
            around.coverage.count(Seen::BodyWithoutMetadata);
        } else if self.plan.metadata_last {
            parts.push(ListPart::Metadata(metadata));
        } else {
            parts.insert(0, ListPart::Metadata(metadata));
        }
        parts
    }

    fn send_body(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        mut parts: Vec<ListPart<Widget>>,
        origin: Origin,
        fault: Option<BodyFault>,
    ) {
        let (seen, error) = match fault {
            Some(BodyFault::Cut) => (
                Some(Seen::BodyCut),
                RequestFault::Closed.error(&mut self.rng),
            ),
            Some(BodyFault::Truncated) => {
                let error = SourceError::from(truncated("list"));
                (Some(Seen::BodyTruncated), Some(error))
            }
            Some(BodyFault::Stalled) => (Some(Seen::BodyStalled), None),
            Some(
                BodyFault::WithoutMetadata
                | BodyFault::MetadataTwice
                | BodyFault::Stale
                | BodyFault::Endless
                | BodyFault::ExpiredToken
                | BodyFault::UnaskedPages,
            )
            | None => (None, None),
        };
        if seen.is_some() {
            let kept = self.rng.below(parts.len() as u64 + 1);
            parts.truncate(usize::try_from(kept).unwrap_or_default());
        }
        for part in parts {
            self.send(around, id, Answer::Part(part), origin);
        }
        match seen {
            None => self.send(around, id, Answer::ListEnded, origin),
            Some(seen) => {
                around.coverage.count(seen);
                self.refuse(around, id, error);
            }
        }
    }
}

#[expect(clippy::result_large_err, reason = "the core's own type of an item")]
fn item(widget: &std::sync::Arc<Widget>) -> Item<Widget> {
    let version = ResourceVersion::from(widget.revision);
    if widget.decodable {
        Ok(widget.entry(version))
    } else {
        Err(widget.rejection(None, version))
    }
}

/// Something that does not belong into the collection.
pub(super) fn wrong_kind() -> Rejection {
    Rejection {
        key: Some(ObjectKey::namespaced("blue", "gadget")),
        resource_version: ResourceVersion::from(3),
        change: None,
        reason: RejectionReason::WrongKind {
            expected: GroupVersionKind::new("sim/v1", "Widget"),
            actual: GroupVersionKind::new("sim/v1", "Gadget"),
        },
    }
}

fn make_token(page: &Page, revision: u64, after: Option<&ObjectKey>, number: u64) -> String {
    let after = after.map_or("", ObjectKey::as_str);
    format!("{revision}:{after}:{number}:{}", page.cluster)
}

/// The revision, the key that it goes on after, and the cluster.
fn parse_token(token: &str) -> (u64, Option<ObjectKey>, usize) {
    let mut words = token.split(':');
    let revision = words.next().and_then(|word| word.parse().ok());
    let after = words.next().filter(|word| !word.is_empty());
    let cluster = words.nth(1).and_then(|word| word.parse().ok());
    (
        revision.unwrap_or_default(),
        after.and_then(|word| word.parse().ok()),
        cluster.unwrap_or_default(),
    )
}
