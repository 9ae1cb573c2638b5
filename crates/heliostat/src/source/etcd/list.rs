//! Lists: ranges of keys, page by page, all of one revision.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use heliostat_core::error::{DecodeError, SourceError};
use heliostat_core::event::{Item, ListMetadata, ListPart};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, RangeFailure};
use super::decode::Reader;
use super::failure::{expired, too_large};
use super::keys::{after, escape};
use super::message::{RangeRequest, RangeResponse, ResponseHeader, signed, unsigned};
use super::token::{ContinueToken, Pin};
use crate::list_watch::ListStream;
use crate::source::decode_thread::{Lane, Panicked, Step};

/// Number of keys in the first page: few enough that it is no danger if the values are large.
const FIRST_PAGE_KEYS: usize = 32;

/// Number of keys in a page of small values.
const PAGE_KEYS_MAX: usize = 10_000;

/// How many times larger than a page the next one may be.
const PAGE_GROWTH: usize = 4;

/// How many times smaller than a page that did not come in time the next one is.
const PAGE_SHRINKAGE: usize = 8;

/// A page that takes longer is followed by a smaller one.
const PAGE_TIME: Duration = Duration::from_secs(1);

/// How large a page should be, in bytes of keys and values. Two are held at a time: one that is decoded,
/// and the next one.
const PAGE_BYTES: usize = 2 << 20;

/// Which keys, in which state.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) first: Bytes,
    /// The key after the last one; empty for the first key alone.
    pub(super) end: Bytes,
    pub(super) state: Wanted,
    /// At most so many keys.
    pub(super) limit: Option<usize>,
}

/// Which state is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// The most recent one, which must not be older than this revision.
    NotOlderThan(u64),
    /// That of a revision.
    Exactly(u64),
    /// That of an earlier page.
    Pinned(Pin),
}

/// Number of pages that are decoded or wait for it, beside the one that is fetched.
const PAGES_AHEAD: usize = 2;

/// A list of which the first page has been read.
pub(super) struct Listing<T> {
    pages: Pages,
    /// Read, and not sent to the decoder.
    page: Option<RangeResponse>,
    lane: Lane<Reader<T>, Decoded<T>>,
    /// The metadata, once the last page has been read.
    end: Option<ListMetadata>,
    is_over: bool,
}

/// What becomes of a page.
type Decoded<T> = Result<Vec<Item<T>>, SourceError>;

impl<T: Send + Sync + 'static> Listing<T> {
    /// Reads the first page.
    pub(super) async fn open(
        cluster: &Cluster,
        what: &Arc<str>,
        question: Question,
        lane: Lane<Reader<T>, Decoded<T>>,
    ) -> Result<Self, SourceError> {
        let (pages, page) = Pages::open(cluster, what, question).await?;
        Ok(Self {
            pages,
            page: Some(page),
            lane,
            end: None,
            is_over: false,
        })
    }

    /// The state that the list is of.
    pub(super) const fn pin(&self) -> Pin {
        self.pages.pin
    }

    /// The parts: items as they come, then the metadata.
    pub(super) fn into_stream(self) -> ListStream<T> {
        stream::unfold(self, |mut listing| async move {
            let part = listing.next().await?;
            Some((part, listing))
        })
        .fuse()
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<ListPart<T>, SourceError>> {
        while !self.is_over {
            if let Some(page) = self.page.take() {
                self.decode(page);
            }
            if self.lane.waiting() == 0
                && let Some(metadata) = self.end.take()
            {
                self.is_over = true;
                return Some(Ok(ListPart::Metadata(metadata)));
            }
            match self.advance().await {
                Ok(items) if items.is_empty() => {}
                Ok(items) => return Some(Ok(ListPart::Items(items))),
                Err(error) => {
                    self.is_over = true;
                    self.lane.abandon();
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Waits for the next page or for what became of one, whichever comes first.
    async fn advance(&mut self) -> Decoded<T> {
        let reads = self.end.is_none() && self.lane.waiting() < PAGES_AHEAD;
        tokio::select! {
            // Items first: what is decoded is asked for before more is read.
            biased;
            decoded = self.lane.receive() => match decoded {
                Ok(decoded) => decoded,
                Err(Panicked) => Err(malformed("the decoder panicked").into()),
            },
            page = self.pages.next(), if reads => {
                self.page = Some(page?);
                Ok(Vec::new())
            }
        }
    }

    /// Has a page decoded, and the one after it fetched.
    fn decode(&mut self, page: RangeResponse) {
        self.end = self.pages.go_on(&page);
        self.lane.send(move |reader| {
            let items = page.pairs.iter().map(|pair| reader.item(pair));
            Step::Done(items.collect())
        });
    }
}

/// The pages of one list.
struct Pages {
    cluster: Cluster,
    what: Arc<str>,
    question: Question,
    pin: Pin,
    /// The term of the first answer; later answers of the same history have no older one.
    raft_term: u64,
    size: PageSize,
    /// The page that is under way.
    next: JoinSet<Result<(RangeResponse, PageSize), SourceError>>,
    /// Number of keys that have been read.
    read: usize,
}

impl Pages {
    async fn open(
        cluster: &Cluster,
        what: &Arc<str>,
        question: Question,
    ) -> Result<(Self, RangeResponse), SourceError> {
        let size = PageSize(FIRST_PAGE_KEYS);
        let revision = match question.state {
            Wanted::NotOlderThan(_) => 0,
            Wanted::Exactly(revision) | Wanted::Pinned(Pin { revision, .. }) => revision,
        };
        let request = question.request(question.first.clone(), revision, size, 0);
        let (page, size) = fetch(cluster, what, request, size).await?;
        let header = header(&page)?;
        let pin = match question.state {
            Wanted::NotOlderThan(wanted) if header.revision() < wanted => {
                let current = header.revision();
                let message =
                    format!("Too large resource version: {wanted}, current: {current} ({what})");
                return Err(too_large(message).into());
            }
            Wanted::NotOlderThan(_) => Pin {
                revision: header.revision(),
                cluster_id: header.cluster_id,
            },
            Wanted::Exactly(revision) => Pin {
                revision,
                cluster_id: header.cluster_id,
            },
            Wanted::Pinned(pin) => pin,
        };
        let pages = Self {
            cluster: cluster.clone(),
            what: Arc::clone(what),
            question,
            pin,
            raft_term: header.raft_term,
            size,
            next: JoinSet::new(),
            read: 0,
        };
        pages.check(&header)?;
        Ok((pages, page))
    }

    /// Has the page after this one fetched; if there is none, or none is wanted, returns the metadata.
    fn go_on(&mut self, page: &RangeResponse) -> Option<ListMetadata> {
        self.read += page.pairs.len();
        let last = page.pairs.last().filter(|_| page.more);
        let Some(last) = last else {
            return Some(self.metadata(None, 0));
        };
        let next = after(&last.key);
        if self.question.limit.is_some_and(|limit| self.read >= limit) {
            let all = usize::try_from(unsigned(page.count)).unwrap_or(usize::MAX);
            let token = ContinueToken {
                pin: self.pin,
                key: next,
            };
            let left = all.saturating_sub(page.pairs.len());
            return Some(self.metadata(Some(token), left));
        }
        let question = &self.question;
        let request = question.request(next, self.pin.revision, self.size, self.read);
        let (cluster, what, size) = (self.cluster.clone(), Arc::clone(&self.what), self.size);
        self.next
            .spawn(async move { fetch(&cluster, &what, request, size).await });
        None
    }

    /// The page that is under way.
    async fn next(&mut self) -> Result<RangeResponse, SourceError> {
        match self.next.join_next().await {
            Some(Ok(Ok((page, size)))) => {
                self.size = size;
                self.check(&header(&page)?)?;
                Ok(page)
            }
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) | None => Err(malformed("a page was not fetched").into()),
        }
    }

    /// Fails if an answer is not of the history that the list is of.
    fn check(&self, header: &ResponseHeader) -> Result<(), SourceError> {
        let Pin {
            revision,
            cluster_id,
        } = self.pin;
        let what = &self.what;
        let reason = if header.cluster_id != cluster_id {
            let other = header.cluster_id;
            format!("cluster {other:x} answers in the place of cluster {cluster_id:x}")
        } else if header.raft_term < self.raft_term || header.revision() < revision {
            "the cluster went back, as after a restored backup".to_owned()
        } else {
            return Ok(());
        };
        let message = format!("{what}: revision {revision} is of no use any more: {reason}");
        Err(expired(message).into())
    }

    fn metadata(&self, token: Option<ContinueToken>, left: usize) -> ListMetadata {
        ListMetadata {
            resource_version: self.pin.revision.into(),
            remaining_item_count: token.is_some().then_some(left as u64),
            continue_token: token.map(|token| token.to_text()),
        }
    }
}

impl Question {
    fn request(&self, first: Bytes, revision: u64, size: PageSize, read: usize) -> RangeRequest {
        let limit = match self.limit {
            Some(limit) => size.0.min(limit.saturating_sub(read).max(1)),
            None => size.0,
        };
        RangeRequest {
            key: first,
            range_end: self.end.clone(),
            limit: signed(limit as u64),
            revision: signed(revision),
            count_only: false,
        }
    }
}

/// Number of keys that the next page is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct PageSize(usize);

impl PageSize {
    /// The size after a page of so many keys and bytes, which took so long.
    fn after(self, keys: usize, bytes: usize, took: Duration) -> Self {
        let Some(average) = bytes.checked_div(keys) else {
            return self;
        };
        let fits = PAGE_BYTES / average.max(1);
        let largest = match took > PAGE_TIME {
            true => self.0 / 2,
            // The next values may be larger.
            false => self.0.saturating_mul(PAGE_GROWTH),
        };
        Self(fits.min(largest).clamp(1, PAGE_KEYS_MAX))
    }

    /// The size after a page that did not come in time; none if it was no larger than a first page, so that
    /// the size is not the reason.
    fn after_timeout(self) -> Option<Self> {
        let smaller = (self.0 / PAGE_SHRINKAGE).max(FIRST_PAGE_KEYS);
        (smaller < self.0).then_some(Self(smaller))
    }
}

/// Reads a page, with fewer keys if it is larger than a message may be.
async fn fetch(
    cluster: &Cluster,
    what: &Arc<str>,
    mut request: RangeRequest,
    mut size: PageSize,
) -> Result<(RangeResponse, PageSize), SourceError> {
    loop {
        let start = Instant::now();
        match cluster.range(what, request.clone()).await {
            Ok(page) => {
                check_keys(&request, &page)?;
                let bytes = |sum: usize, pair: &super::message::Pair| {
                    sum + pair.key.len() + pair.value.len()
                };
                let bytes = page.pairs.iter().fold(0, bytes);
                let size = size.after(page.pairs.len(), bytes, start.elapsed());
                return Ok((page, size));
            }
            Err(RangeFailure::TooLarge(_)) if request.limit > 1 => {
                request.limit /= 2;
                size = PageSize(usize::try_from(request.limit).unwrap_or(1));
            }
            Err(RangeFailure::TooSlow(error)) => {
                let asked = PageSize(usize::try_from(request.limit).unwrap_or(1));
                size = asked.after_timeout().ok_or(error)?;
                request.limit = signed(size.0 as u64);
            }
            Err(RangeFailure::TooLarge(error) | RangeFailure::Error(error)) => return Err(error),
        }
    }
}

/// Fails unless the keys of a page are in its range, in order, and the next page begins after them.
fn check_keys(request: &RangeRequest, page: &RangeResponse) -> Result<(), DecodeError> {
    let is_in_range = |key: &[u8]| match &*request.range_end {
        [] => key == request.key,
        [0] => key >= &*request.key,
        end => key >= &*request.key && key < end,
    };
    if let Some(stray) = page.pairs.iter().find(|pair| !is_in_range(&pair.key)) {
        let key = escape(&stray.key);
        return Err(malformed(&format!("the key {key} is not in the range")));
    }
    if !page.pairs.is_sorted_by(|one, next| one.key < next.key) {
        return Err(malformed("its keys are not in order"));
    }
    match page.more && page.pairs.is_empty() {
        true => Err(malformed("it has no keys although there are more")),
        false => Ok(()),
    }
}

fn header(page: &RangeResponse) -> Result<ResponseHeader, SourceError> {
    match page.header {
        Some(header) if header.revision() > 0 => Ok(header),
        Some(_) | None => Err(malformed("it has no revision").into()),
    }
}

fn malformed(reason: &str) -> DecodeError {
    DecodeError::Malformed {
        what: "range response",
        offset: 0,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Pair;
    use super::*;

    #[test]
    fn a_page_that_does_not_lead_to_the_next_one_is_malformed() {
        let check = |end: &'static [u8], keys: &[&'static str], more: bool| {
            let request = RangeRequest {
                key: "/a/m".into(),
                range_end: end.into(),
                ..RangeRequest::default()
            };
            let pair = |key: &&'static str| Pair {
                key: (*key).into(),
                ..Pair::default()
            };
            let page = RangeResponse {
                pairs: keys.iter().map(pair).collect(),
                more,
                ..RangeResponse::default()
            };
            check_keys(&request, &page).map_err(|error| error.to_string())
        };
        assert_eq!(check(b"/a0", &["/a/m", "/a/n"], true), Ok(()));
        assert_eq!(check(b"/a0", &[], false), Ok(()));
        assert_eq!(check(b"\0", &["/z"], true), Ok(()));
        assert_eq!(check(b"", &["/a/m"], false), Ok(()));
        for (end, keys, more) in [
            (b"/a0".as_slice(), [].as_slice(), true),
            (b"/a0", &["/a/l"], true),
            (b"/a0", &["/a0"], false),
            (b"/a0", &["/a/n", "/a/m"], false),
            (b"/a0", &["/a/n", "/a/n"], true),
            (b"\0", &["/a/l"], false),
            (b"", &["/a/n"], false),
        ] {
            assert!(check(end, keys, more).is_err(), "{keys:?}");
        }
    }

    #[test]
    fn pages_have_the_size_that_their_values_allow() {
        let first = PageSize(FIRST_PAGE_KEYS);
        let after = |size: PageSize, keys, bytes| size.after(keys, bytes, Duration::ZERO);
        assert_eq!(
            after(first, 32, 32 * 64),
            PageSize(128),
            "it grows step by step"
        );
        assert_eq!(after(PageSize(9_000), 32, 32 * 64), PageSize(PAGE_KEYS_MAX));
        assert_eq!(after(first, 32, 32 << 20), PageSize(2));
        assert_eq!(after(first, 1, 100 << 20), PageSize(1));
        assert_eq!(after(first, 0, 0), first);
        assert_eq!(after(PageSize(9_000), 3, 0), PageSize(PAGE_KEYS_MAX));
    }

    #[test]
    fn pages_that_are_slow_become_smaller() {
        let size = PageSize(1000);
        assert_eq!(size.after(1000, 1000, PAGE_TIME * 2), PageSize(500));
        assert_eq!(PageSize(1).after(1, 1, PAGE_TIME * 2), PageSize(1));
        assert_eq!(size.after_timeout(), Some(PageSize(125)));
        assert_eq!(
            PageSize(125).after_timeout(),
            Some(PageSize(FIRST_PAGE_KEYS))
        );
        assert_eq!(PageSize(FIRST_PAGE_KEYS).after_timeout(), None);
    }
}
