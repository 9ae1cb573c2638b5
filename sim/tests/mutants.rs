//! Proves the checkers: a mirror with a bug is caught, by the promise that is meant for the bug, and
//! soon.
//!
//! Most bugs break several promises, and which of them breaks first depends on the seed. So seeds are
//! run until the promise meant for the bug is among those that broke in the first bad step.

use std::collections::BTreeSet;

use heliostat_sim::mutant::Mutant;
use heliostat_sim::simulation::run;
use heliostat_sim::trace::Detail;

/// Within so many seeds every bug must be caught.
const SEEDS: u64 = 400;

/// Runs seeds with a bug until a broken promise is told of with these first words.
fn check(mutant: Mutant, promise: &str) {
    let mut named = BTreeSet::new();
    for seed in 0..SEEDS {
        let violations = run(seed, Some(mutant), Detail::Hash).violations;
        let mut texts = violations.iter().map(ToString::to_string);
        if texts.any(|text| text.starts_with(promise)) {
            return;
        }
        named.extend(violations.iter().map(ToString::to_string).take(1));
    }
    panic!("{mutant:?}: {promise} was not broken within {SEEDS} seeds, but {named:?}");
}

macro_rules! caught {
    ($($test:ident: $mutant:ident by $promise:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check(Mutant::$mutant, $promise);
            }
        )*
    };
}

caught! {
    a_delete_that_is_dropped_is_caught: DropsDeletes by "mirror",
    a_delete_that_is_dropped_was_never_told: DropsDeletes by "reliable",
    a_delete_lost_on_a_relist_is_caught: KeepsWhatARelistMisses by "replayed",
    a_stale_list_that_is_applied_is_caught: AppliesStaleLists by "mirror",
    a_version_trusted_across_a_restore_is_caught: TrustsAcrossRestores by "mirror",
    a_backoff_that_is_skipped_is_caught: SkipsBackoff by "polite",
    requests_without_any_backoff_are_caught: NeverBacksOff by "polite: too many requests",
    a_retry_after_that_is_ignored_is_caught: IgnoresRetryAfter by "polite",
    an_event_lost_at_the_hand_over_is_caught: LosesHandover by "reliable",
    a_delete_before_the_end_mark_that_is_forgotten_is_caught: ForgetsUnstage by "mirror",
    a_state_that_is_not_kept_is_caught: ForgetsKeep by "mirror",
    half_a_list_is_caught: CommitsHalfLists by "mirror",
    a_rewind_that_is_hidden_is_caught: HidesRewinds by "monotonic",
    a_rewind_that_is_not_looked_for_is_caught: IgnoresProbes by "liveness",
    a_reconnect_without_a_proof_is_caught: TrustsReconnects by "reliable",
    a_proof_without_the_last_change_is_caught: IgnoresTheLastChange by "reliable",
    a_watch_reopened_without_a_pause_is_caught: ReopensAtOnce by "polite: too many requests",
    a_list_at_once_after_a_status_is_caught:
        ListsAtOnceAfterAStatus by "polite: too many requests",
    a_list_at_once_after_a_frame_is_caught:
        ListsAtOnceAfterAFrame by "polite: too many requests",
    a_list_at_once_after_a_token_expired_is_caught:
        ListsAtOnceAfterATokenExpired by "polite: too many requests",
    a_machine_without_timers_is_caught: NeverTimesOut by "wedged",
    a_silence_that_is_not_noticed_is_caught: IgnoresSilence by "wedged",
    a_poll_without_a_pause_is_caught: PollsWithoutAPause by "paced",
    a_source_that_is_polled_once_is_caught: PollsOnce by "wedged",
    the_rest_of_a_revision_that_is_not_told_is_caught: ForgetsCutRevisions by "reliable",
    pages_of_two_revisions_are_caught: PagesAcrossCompaction by "mirror",
    a_fail_over_that_skips_changes_is_caught: FailsOverTooFar by "reliable",
    a_cluster_that_is_not_looked_at_is_caught: IgnoresClusters by "reliable",
    a_change_applied_twice_is_caught: AppliesTwice by "unique",
    changes_out_of_order_are_caught: RepeatsOldChanges by "ordered",
    a_lost_event_is_caught: LosesEvents by "reliable",
    staged_data_that_leaks_is_caught: LeaksStaged by "atomic",
    a_bookmark_that_changes_something_is_caught: BookmarksDelete by "bookmarkable",
    two_requests_at_once_are_caught: OpensTwice by "attempts",
    a_watch_that_begins_too_late_is_caught: ResumesTooLate by "resumable",
    a_late_answer_that_is_believed_is_caught: BelievesLateAnswers by "late",
    a_permit_that_is_kept_is_caught: KeepsPermits by "permits",
    a_request_that_is_not_given_up_is_caught: ForgetsAborts by "attempts",
    a_resync_too_many_is_caught: ResyncsTwice by "resynced",
    a_wrong_index_is_caught: MisfilesObjects by "indexed",
    a_version_that_runs_ahead_is_caught: VersionRunsAhead by "applied",
    a_state_kept_from_before_what_is_queued_is_caught: KeepsWhatWasApplied by "applied",
    a_lost_notification_is_caught: LosesNotifications by "believed",
    notifications_out_of_order_are_caught: TellsOutOfOrder by "sequenced",
    a_change_that_is_told_twice_is_caught: TellsTwice by "sequenced",
    a_delete_that_is_not_told_is_caught: SwallowsTombstones by "deleted",
    a_recreation_told_as_an_update_is_caught: NeverSplits by "deleted",
    synced_before_the_first_list_is_caught: SyncedTooSoon by "synced",
    synced_twice_is_caught: SyncedTwice by "synced",
    synced_and_never_told_is_caught: ForgetsSynced by "synced",
    a_listener_that_is_not_woken_is_caught: LosesWakes by "isolated",
    a_buffer_without_its_limit_is_caught: ForgetsLimits by "bounded",
    a_mirror_that_waits_for_a_slow_listener_is_caught: WaitsForSlowHandlers by "isolated",
    a_resync_told_to_all_is_caught: ResyncsEverybody by "due",
    a_byte_that_is_packed_wrong_is_caught: PacksOtherBytes by "readable",
    another_object_in_the_place_of_one_is_caught: ReadsAnother by "mirror",
    another_object_that_is_told_is_caught: ReadsAnother by "readable",
    a_memory_budget_that_is_not_kept_is_caught: KeepsAllDecoded by "frugal",
}
