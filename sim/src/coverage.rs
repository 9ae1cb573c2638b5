//! What a run of seeds has exercised: a counter for each fault, each way to recover and each state.
//!
//! A simulation that silently stops producing a fault proves nothing about it, so a long run fails
//! if an essential counter stays at zero.

/// Names a counter for each thing worth seeing, in one place.
macro_rules! things_seen {
    ($($variant:ident => $name:literal,)*) => {
        /// A thing that a run has seen.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Seen {
            $(#[doc = $name] $variant,)*
        }

        impl Seen {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// For people.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

things_seen! {
    Write => "source: write",
    WriteHeldBack => "source: write held back after a restore",
    Recreated => "source: object recreated under its old name",
    Compaction => "source: compaction",
    Restart => "source: restart without its window",
    Restore => "source: restored from a backup",
    Transaction => "source: several objects written in one revision",
    OtherCluster => "source: replaced by another cluster",
    Overtaken => "source: restored and ran past a mirror that has not noticed",
    ListServed => "server: list served",
    PageServed => "server: further page served",
    StaleList => "server: list served from a stale replica",
    ExactExpired => "server: exact version expired",
    TokenExpired => "server: continue token expired",
    WatchServed => "server: watch served",
    WatchExpired => "server: watch expired",
    WatchFuture => "server: watch from a future version",
    TooLarge => "server: version too large",
    WatchListServed => "server: watch-list served",
    WatchListRefused => "server: watch-list refused",
    WatchListIgnored => "server: watch-list taken for a watch",
    WatchListEndMark => "server: end mark sent",
    WatchListEndMarkLate => "server: end mark sent late",
    ChangeBeforeEndMark => "server: change before the end mark",
    DeleteBeforeEndMark => "server: delete before the end mark",
    Bookmark => "server: bookmark sent",
    WatchTimeout => "server: watch ended by its timeout",
    IdleClosed => "server: idle watch closed",
    SeveralInOneRevision => "etcd: several changes of one revision sent",
    RevisionRepeated => "etcd: watch resumed in the middle of a revision",
    CompactedWhilePaging => "etcd: compacted between two pages",
    MemberBehind => "etcd: watch at a member that is behind",
    FailedOver => "etcd: watch moved to another member",
    OtherClusterRefused => "etcd: request refused for another cluster",
    Refused => "fault: connection refused",
    Closed => "fault: connection closed before an answer",
    TimedOut => "fault: request timed out",
    Unroutable => "fault: other transport error",
    Unanswered => "fault: request never answered",
    TooManyRequests => "fault: 429",
    TooManyRequestsWithWait => "fault: 429 with a time to wait",
    InternalError => "fault: 500 internal error",
    StoreReadError => "fault: 500 store read error",
    UnavailableWithWait => "fault: 503 with a time to wait",
    Forbidden => "fault: 403",
    NotFound => "fault: 404",
    Expired => "fault: 410 out of nowhere",
    TooLargeForNoReason => "fault: 504 too large out of nowhere",
    Garbage => "fault: answer that is no list",
    Outage => "fault: outage",
    BodyCut => "fault: list cut in the middle",
    BodyTruncated => "fault: list truncated",
    BodyStalled => "fault: list stalled in the middle",
    BodyWithoutMetadata => "fault: list without metadata",
    BodyWithMetadataTwice => "fault: list metadata twice",
    StaleAnswer => "fault: answer older than asked for",
    EndlessToken => "fault: endless continue token",
    StreamCut => "fault: watch cut",
    StreamTimedOut => "fault: watch timed out",
    StreamTruncated => "fault: watch frame truncated",
    StreamClosedEarly => "fault: watch closed early",
    StreamVeryShort => "fault: very short watch",
    StreamStalled => "fault: half-open watch",
    StreamOverdue => "fault: watch that does not end",
    StreamError => "fault: error event",
    BareStatus => "fault: status without an event in a watch",
    UnknownFrame => "fault: frame that is no event",
    HastyWatch => "fault: watch with events that ends at once",
    UnaskedPages => "fault: pages that were not asked for, with expired tokens",
    UnknownEvent => "fault: unknown event type",
    WrongKind => "fault: object of another kind",
    Unversioned => "fault: event without a version",
    StaleBookmark => "fault: bookmark from the past",
    StrayEndMark => "fault: end mark in a plain watch",
    Undecodable => "fault: undecodable object",
    SlowAnswer => "fault: slow answer",
    LateAnswer => "fault: answer to a request that is over",
    CommitFailed => "fault: store refused a replace",
    ChangeFailed => "fault: store refused a change",
    ResyncFailed => "fault: store refused a resync",
    Synced => "mirror: synced by a list",
    SyncedByWatchList => "mirror: synced by a watch-list",
    Applied => "mirror: change applied",
    DeleteOnRelist => "mirror: delete noticed by a relist",
    Kept => "mirror: last good state kept",
    Dropped => "mirror: undecodable object dropped",
    RoundFailed => "mirror: round failed",
    BackedOff => "mirror: backed off",
    FellBack => "mirror: fell back to a list",
    NoEndMark => "mirror: gave up waiting for the end mark",
    WaitingForEndMark => "mirror: warned of the missing end mark",
    Silence => "mirror: silence noticed",
    Overdue => "mirror: overdue watch given up",
    VeryShortWatch => "mirror: very short watch noticed",
    Probed => "mirror: source probed",
    RewindByObject => "mirror: another history noticed by the object that changed last",
    DeleteMissed => "mirror: another history noticed by a delete that did not come",
    RewindRejected => "mirror: old answer not applied",
    RewindConfirmed => "mirror: rewind confirmed",
    Stopped => "mirror: stopped in the middle",
    Polled => "mirror: listed again after the poll interval",
    Resynced => "mirror: resynced",
    PermitWaited => "mirror: waited for a permit",
    RetriedInPlace => "mirror: watch retried in place",
    Converged => "mirror: converged",
    Packed => "packing: objects packed",
    PackedLater => "packing: objects packed after they were read",
    PackedInBothEncodings => "packing: objects in both encodings",
    DictionaryTrained => "packing: dictionary trained",
    DictionaryReplaced => "packing: dictionary replaced",
    BudgetFull => "packing: no room for another decoded object",
    NothingKeptDecoded => "packing: no room for any decoded object",
    Congested => "queue: congested",
    Requeued => "queue: object put back",
    ReplaceBegunBehind => "queue: replace begun while changes waited",
    ReplaceBegunInWork => "queue: replace begun while changes were in work",
    KeptBehind => "queue: state kept that was not applied yet",
    InitialTold => "informer: first list told as one state",
    BatchTold => "informer: batch of several changes told",
    TombstoneTold => "informer: delete told that nobody saw",
    ResyncTold => "informer: everything told again",
    JoinedBeforeList => "listener: joined after the start, before the first list",
    JoinedDuringList => "listener: joined while the first list was queued",
    JoinedLate => "listener: joined a synced mirror",
    Left => "listener: left with nothing pending",
    LeftWithPending => "listener: left with something pending",
    ListenerStalled => "listener: stalled",
    ListenerPanicked => "listener: panicked",
    Coalesced => "listener: notifications folded together",
    Voided => "listener: object gone before it was told",
    SyncedTold => "listener: told that it is synced",
    ToldAgain => "listener: told an unchanged object again",
    RecreationTold => "listener: recreated object told as an update",
    RecreationSplit => "listener: recreated object told as gone and come",
}

/// The counters of a run.
#[derive(Clone, Debug)]
pub struct Coverage {
    counts: Vec<u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            counts: vec![0; Seen::ALL.len()],
        }
    }
}

impl Coverage {
    /// Counts one.
    pub fn count(&mut self, seen: Seen) {
        if let Some(count) = self.counts.get_mut(seen as usize) {
            *count += 1;
        }
    }

    /// Adds the counters of another run.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// How often a thing was seen.
    #[must_use]
    pub fn of(&self, seen: Seen) -> u64 {
        self.counts.get(seen as usize).copied().unwrap_or_default()
    }

    /// What was never seen. All of it is essential.
    pub fn missing(&self) -> impl Iterator<Item = Seen> + '_ {
        Seen::ALL.iter().copied().filter(|seen| self.of(*seen) == 0)
    }
}
