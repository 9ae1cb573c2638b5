//! The suite is worth something only if it notices: each defect put into a good source is caught by
//! the check that is meant for it.

use heliostat_conformance::{Breach, Promise, Verdict, run, run_all};

use crate::memory::MemoryHarness;
use crate::mutant::{Defect, Mutant};

/// Which promise each defect breaks.
const MEANT: [(Defect, Promise); 41] = [
    (
        Defect::EmptyListWithoutVersion,
        Promise::EmptyListHasVersion,
    ),
    (Defect::ListWithoutMetadata, Promise::ListTellsItsVersion),
    (Defect::ListVersionRunsAhead, Promise::NothingLostAfterList),
    (Defect::ListForgetsAnObject, Promise::ListTellsItsVersion),
    (Defect::PagesMoveOn, Promise::PagesJoinToTheList),
    (Defect::PagesOverlap, Promise::PagesJoinToTheList),
    (Defect::LimitExceeded, Promise::LimitIsHonoured),
    (
        Defect::OneObjectWithItsVersion,
        Promise::ListOfOneObjectIsIt,
    ),
    (Defect::OneObjectWithOthers, Promise::ListOfOneObjectIsIt),
    (Defect::PagesWithoutEnd, Promise::LimitIsHonoured),
    (Defect::ListTooOld, Promise::ListIsNotOlder),
    (Defect::AnyListFromThePast, Promise::AnyListIsConsistent),
    (Defect::ExactListOfThePresent, Promise::ExactListIsThatState),
    (Defect::EventSkipped, Promise::WatchDeliversLaterChanges),
    (Defect::EventTwice, Promise::WatchDeliversLaterChanges),
    (Defect::EventsSwapped, Promise::WatchDeliversLaterChanges),
    (
        Defect::WatchStartsTooEarly,
        Promise::WatchDeliversLaterChanges,
    ),
    (Defect::WatchStartsNow, Promise::NothingLostAfterList),
    (Defect::DeleteLost, Promise::DeleteCarriesLastState),
    (
        Defect::DeleteWithOldVersion,
        Promise::DeleteCarriesLastState,
    ),
    (Defect::DeleteWithOldState, Promise::DeleteCarriesLastState),
    (Defect::UidsReused, Promise::RecreatedObjectIsAnother),
    (Defect::StateLeftOut, Promise::StateComesFirst),
    (Defect::StateAsModified, Promise::StateComesFirst),
    (Defect::EndMarkLost, Promise::WatchListEndsWithMark),
    (Defect::EndMarkTooEarly, Promise::WatchListEndsWithMark),
    (Defect::EndMarkTooOld, Promise::WatchListEndsWithMark),
    (Defect::ResumeSkips, Promise::WatchResumesFromAnyEvent),
    (Defect::OldVersionTakenForNow, Promise::OldVersionIsRefused),
    (Defect::OldVersionEndsSilently, Promise::OldVersionIsRefused),
    (Defect::OldTokenTakenForNow, Promise::OldTokenIsRefused),
    (
        Defect::FutureListTakenForNow,
        Promise::FutureVersionIsNotServed,
    ),
    (
        Defect::FutureWatchTakenForNow,
        Promise::FutureVersionIsNotServed,
    ),
    (Defect::BookmarkRunsAhead, Promise::BookmarksNeverRunAhead),
    (Defect::BookmarkGoesBack, Promise::BookmarksNeverRunAhead),
    (Defect::BookmarkUnasked, Promise::BookmarksNeverRunAhead),
    (Defect::BadObjectFailsTheList, Promise::BadObjectIsOneItem),
    (Defect::BadObjectLeftOut, Promise::BadObjectIsOneItem),
    (Defect::BadEventEndsTheWatch, Promise::BadObjectIsOneItem),
    (Defect::WatchesStealEvents, Promise::WatchesAreIndependent),
    (Defect::DropLeaks, Promise::DropGivesUp),
];

#[tokio::test]
async fn every_defect_is_caught_by_the_check_meant_for_it() {
    for (defect, promise) in MEANT {
        let harness = MemoryHarness::new(move |source| Mutant::new(source, defect));
        let verdict = run(&harness, promise).await;
        let is_caught = matches!(
            verdict,
            Verdict::Broken(
                Breach::Unexpected { .. } | Breach::Silence { .. } | Breach::Refused { .. }
            )
        );
        assert!(
            is_caught,
            "{defect:?} should break {promise}, but: {verdict:?}"
        );
    }
}

#[test]
fn every_promise_has_a_defect_that_breaks_it() {
    for promise in Promise::ALL {
        let has_defect = MEANT.iter().any(|(_, meant)| *meant == promise);
        assert!(
            has_defect,
            "nothing shows that the check of {promise} works"
        );
    }
}

#[tokio::test]
async fn a_report_names_the_promise_and_what_was_seen() {
    let harness = MemoryHarness::new(|source| Mutant::new(source, Defect::DropLeaks));
    let report = run_all(&harness).await;
    let broken: Vec<Promise> = report.broken().map(|(promise, _)| promise).collect();
    assert_eq!(broken, [Promise::DropGivesUp], "\n{report}");
    let text = report.to_string();
    assert!(text.contains("BROKEN       drop-gives-up"), "{text}");
    assert!(
        text.contains("expected no open watches, and nothing came"),
        "{text}"
    );
}
