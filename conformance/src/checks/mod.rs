//! The checks, one for each promise.

use crate::harness::Scope;
use crate::promise::Promise;
use crate::report::Checked;
use crate::session::Session;

mod list;

mod watch;

mod history;

mod streams;

mod mirror;

pub(crate) async fn check<S: Scope>(scope: &S, promise: Promise) -> Checked {
    let session = Session::new(scope);
    let session = &session;
    match promise {
        Promise::EmptyListHasVersion => list::empty_list_has_version(session).await,
        Promise::ListTellsItsVersion => list::list_tells_its_version(session).await,
        Promise::PagesJoinToTheList => list::pages_join_to_the_list(session).await,
        Promise::LimitIsHonoured => list::limit_is_honoured(session).await,
        Promise::ListOfOneObjectIsIt => list::list_of_one_object_is_it(session).await,
        Promise::ListIsNotOlder => list::list_is_not_older(session).await,
        Promise::AnyListIsConsistent => list::any_list_is_consistent(session).await,
        Promise::ExactListIsThatState => list::exact_list_is_that_state(session).await,
        Promise::WatchDeliversLaterChanges => watch::delivers_later_changes(session).await,
        Promise::NothingLostAfterList => watch::nothing_lost_after_list(session).await,
        Promise::DeleteCarriesLastState => watch::delete_carries_last_state(session).await,
        Promise::RecreatedObjectIsAnother => watch::recreated_object_is_another(session).await,
        Promise::StateComesFirst => watch::state_comes_first(session).await,
        Promise::WatchListEndsWithMark => watch::watch_list_ends_with_mark(session).await,
        Promise::WatchResumesFromAnyEvent => watch::resumes_from_any_event(session).await,
        Promise::OldVersionIsRefused => history::old_version_is_refused(session).await,
        Promise::OldTokenIsRefused => history::old_token_is_refused(session).await,
        Promise::FutureVersionIsNotServed => history::future_version_is_not_served(session).await,
        Promise::BookmarksNeverRunAhead => streams::bookmarks_never_run_ahead(session).await,
        Promise::BadObjectIsOneItem => streams::bad_object_is_one_item(session).await,
        Promise::WatchesAreIndependent => streams::watches_are_independent(session).await,
        Promise::DropGivesUp => streams::drop_gives_up(session).await,
    }
}
