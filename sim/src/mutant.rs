//! The names of the bugs that can be put in: each proves that the promise meant for it would notice.

/// Names each bug once.
macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $variant:ident,)*) => {
        /// A bug.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

mutants! {
    /// A `Deleted` moves the version and deletes nothing.
    DropsDeletes,
    /// A delete that only a relist shows is not carried out.
    KeepsWhatARelistMisses,
    /// A list older than the store is taken for a new one.
    AppliesStaleLists,
    /// Equal versions mean the same object even after a restored backup.
    TrustsAcrossRestores,
    /// Delays are announced and not waited for.
    SkipsBackoff,
    /// Delays are not even announced.
    NeverBacksOff,
    /// Delays that the server asked for are not waited for.
    IgnoresRetryAfter,
    /// The first event after a watch-list's end mark is lost.
    LosesHandover,
    /// A delete before the end mark is not carried out.
    ForgetsUnstage,
    /// An undecodable object of a list is dropped instead of kept.
    ForgetsKeep,
    /// The first page counts as the whole list.
    CommitsHalfLists,
    /// A version that goes back is not reported.
    HidesRewinds,
    /// The answer to a probe is not believed.
    IgnoresProbes,
    /// A watch is opened after a failure as if nothing could have happened.
    TrustsReconnects,
    /// The object that changed last is not asked for.
    IgnoresTheLastChange,
    /// A watch that ended is opened again without a pause.
    ReopensAtOnce,
    /// A `Status` in a watch leads to a list without a pause.
    ListsAtOnceAfterAStatus,
    /// A frame that is no event leads to a list without a pause.
    ListsAtOnceAfterAFrame,
    /// A list whose tokens are always expired is asked for without a pause.
    ListsAtOnceAfterATokenExpired,
    /// No timer ever fires.
    NeverTimesOut,
    /// No timer fires while watching.
    IgnoresSilence,
    /// A polled source is listed again at once.
    PollsWithoutAPause,
    /// A polled source is listed once.
    PollsOnce,
    /// A source forgets in which revisions its watches were cut.
    ForgetsCutRevisions,
    /// A source goes on with the next page at another revision if the first one's is compacted.
    PagesAcrossCompaction,
    /// A source that fails over goes on at the revision of the other member.
    FailsOverTooFar,
    /// A source does not look which cluster answers.
    IgnoresClusters,
    /// Every change is applied twice.
    AppliesTwice,
    /// After a change the one before it is applied again.
    RepeatsOldChanges,
    /// Every fifth event of a watch is lost.
    LosesEvents,
    /// What is staged is seen before the commit.
    LeaksStaged,
    /// A bookmark takes an object away.
    BookmarksDelete,
    /// A watch is opened twice.
    OpensTwice,
    /// A watch begins one version too late.
    ResumesTooLate,
    /// Answers to requests that are over are believed.
    BelievesLateAnswers,
    /// Permits are not given back.
    KeepsPermits,
    /// Requests are not given up.
    ForgetsAborts,
    /// Every resync is asked for twice.
    ResyncsTwice,
    /// The index files every object under one value.
    MisfilesObjects,
    /// The version of the store behind the queue moves when it is queued, not when it is applied.
    VersionRunsAhead,
    /// What is kept is what was applied, not what is queued.
    KeepsWhatWasApplied,
    /// The last change of every fifth batch is told to nobody.
    LosesNotifications,
    /// Of two portions the second is told first.
    TellsOutOfOrder,
    /// Every change is told twice.
    TellsTwice,
    /// A delete that nobody saw is not told.
    SwallowsTombstones,
    /// A recreated object is an update to everybody.
    NeverSplits,
    /// Who joins is told at once to be synced.
    SyncedTooSoon,
    /// All are told twice that they are synced.
    SyncedTwice,
    /// Nobody is told to be synced who joined before the first list was applied.
    ForgetsSynced,
    /// Some of what is put into a buffer wakes nobody, then or later.
    LosesWakes,
    /// Everything is kept for everybody.
    ForgetsLimits,
    /// Nothing is applied while much waits for one of the listeners.
    WaitsForSlowHandlers,
    /// Everybody is told what did not change.
    ResyncsEverybody,
    /// Objects are packed with another last letter.
    PacksOtherBytes,
    /// Every tenth object that is decoded is the one before.
    ReadsAnother,
    /// Decoded objects are kept whatever they take.
    KeepsAllDecoded,
}

impl std::str::FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = |mutant: &&Self| format!("{mutant:?}").eq_ignore_ascii_case(name);
        let found = Self::ALL.iter().find(named).copied();
        found.ok_or_else(|| format!("there is no bug of this name, but: {:?}", Self::ALL))
    }
}
