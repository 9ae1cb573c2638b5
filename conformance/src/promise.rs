//! What a source promises, each by a name that a report and a harness can use.

use std::fmt;

macro_rules! promises {
    ($($(#[doc = $statement:literal])+ $variant:ident = $name:literal,)+) => {
        /// A promise of every source. The suite has one check for each.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Promise {
            $($(#[doc = $statement])+ $variant,)+
        }

        impl Promise {
            /// All of them, in the order they are checked.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// A short name, which is a DNS label.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The promise in words.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($statement),+).trim_ascii(),)+
                }
            }
        }
    };
}

promises! {
    /// An empty list has a version, and a watch from it sees the first object.
    EmptyListHasVersion = "empty-list-has-version",
    /// A list tells once the version at which it is true, and holds every write made before it.
    ListTellsItsVersion = "list-tells-its-version",
    /// The pages of a list join to the state of one version, whatever is written meanwhile.
    PagesJoinToTheList = "pages-join-to-the-list",
    /// A limit is honoured, or the whole list comes in one page.
    LimitIsHonoured = "limit-is-honoured",
    /// A list of one object is that object alone, at the version of the whole collection.
    ListOfOneObjectIsIt = "list-of-one-object-is-it",
    /// A list not older than a version is not older.
    ListIsNotOlder = "list-is-not-older",
    /// A list at any version is true at the version it tells: a watch from there leads to the present.
    AnyListIsConsistent = "any-list-is-consistent",
    /// A list of an exact version is that state, or is refused.
    ExactListIsThatState = "exact-list-is-that-state",
    /// A watch delivers exactly the changes after its version, each once, in their order.
    WatchDeliversLaterChanges = "watch-delivers-later-changes",
    /// No change falls between a list and the watch from its version, however many are written.
    NothingLostAfterList = "nothing-lost-after-list",
    /// A deletion carries the last state, with a newer version.
    DeleteCarriesLastState = "delete-carries-last-state",
    /// An object that is created again under its name has another uid.
    RecreatedObjectIsAnother = "recreated-object-is-another",
    /// A watch from an unset version or from 0 gives the present state first.
    StateComesFirst = "state-comes-first",
    /// A watch-list ends its state with a mark whose version is not older than the list's.
    WatchListEndsWithMark = "watch-list-ends-with-mark",
    /// A watch can go on from the version of any event of another.
    WatchResumesFromAnyEvent = "watch-resumes-from-any-event",
    /// A watch from a version that has left the history is told so, and sees nothing else.
    OldVersionIsRefused = "old-version-is-refused",
    /// A continue token that has left the history is refused as expired.
    OldTokenIsRefused = "old-token-is-refused",
    /// A version that is not reached yet is refused or waited for, and never taken for another.
    FutureVersionIsNotServed = "future-version-is-not-served",
    /// A bookmark comes only where allowed, and everything up to its version before it.
    BookmarksNeverRunAhead = "bookmarks-never-run-ahead",
    /// An object that cannot be decoded is one item or event, and the others come.
    BadObjectIsOneItem = "bad-object-is-one-item",
    /// Watches do not depend on each other, nor on each other's readers.
    WatchesAreIndependent = "watches-are-independent",
    /// Dropping a watch gives the request up.
    DropGivesUp = "drop-gives-up",
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
