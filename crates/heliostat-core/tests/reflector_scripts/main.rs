//! The reflector's stories: scripts of what goes in and what must come out, one story a file.
//!
//! `testdata/reflector/NAME.txt` is run by the test `NAME`; a script that is not listed below fails
//! `every_script_is_listed`. `UPDATE_SCRIPTS=1 cargo test -p heliostat-core --test reflector_scripts`
//! writes what came out into the scripts: commit only a difference that you can explain.
//!
//! A script is made of commands, each followed by what came of it, indented by two spaces; what
//! commands there are stands in [`command`]. While a script runs, [`world`] checks what must hold in
//! every story: one request at a time, expensive requests only with a permit, staging only within a
//! replace. And every story is told again as often as it has commands, each time cut off after one
//! more of them by a stop, which must leave nothing behind.

mod command;
mod print;
mod random;
mod settings;
mod story;
mod world;

macro_rules! scripts {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                story::check(stringify!($name));
            }
        )*

        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}

scripts! {
    a_bookmark_that_goes_back_is_a_rewind_too,
    a_consistent_watch_list_confirms_a_rewind_too,
    a_fence_that_changed_after_the_version_proves_the_history,
    a_fence_that_changed_where_the_mirror_saw_nothing_is_a_rewind,
    a_fence_that_is_gone_by_a_delete_proves_the_history,
    a_fence_that_is_gone_is_refuted_by_silence_and_by_the_end_of_the_watch,
    a_fence_that_is_gone_without_a_delete_is_a_rewind,
    a_fence_that_was_deleted_must_stay_away,
    a_list_that_stalls_is_given_up,
    a_permit_for_a_request_that_is_over_is_not_used,
    a_permit_is_given_back_on_every_way_out_of_a_list,
    a_permit_is_given_back_on_every_way_out_of_a_watch_list,
    a_polled_list_with_pages_asks_for_the_most_recent_state,
    a_polled_source_may_have_no_versions,
    a_proof_is_made_after_a_failure_and_not_after_a_clean_end,
    a_proof_waits_for_its_permit_beside_a_resync_that_fails,
    a_restored_source_that_is_behind_is_noticed_before_the_watch,
    a_restored_source_that_ran_past_the_version_is_noticed_by_the_fence,
    a_rewind_found_by_a_probe_waits_for_its_permit,
    a_rewind_found_by_a_watch_list_is_settled_by_a_consistent_list,
    a_rewind_that_a_consistent_list_confirms_is_followed,
    a_rewind_that_cannot_be_settled_yet_stays_open,
    a_source_is_listed_at_an_interval_instead_of_watched,
    a_source_that_cannot_list_one_object_is_asked_for_its_version_alone,
    an_endless_list_is_given_up,
    an_unreadable_event_older_than_the_version_is_a_rewind,
    an_unreadable_event_without_a_key_only_moves_the_version,
    an_unreadable_object_is_dropped_where_the_user_says_so,
    an_unreadable_object_of_a_list_keeps_its_last_state,
    an_unreadable_object_of_a_list_stops_where_the_user_says_so,
    an_unreadable_object_of_a_watch_list_is_dropped_where_the_user_says_so,
    an_unreadable_object_of_a_watch_list_keeps_its_last_state,
    an_unreadable_object_of_a_watch_list_stops_where_the_user_says_so,
    an_unreadable_object_stops_where_the_user_says_so,
    b_04_the_backoff_starts_over_two_minutes_after_it_last_did,
    b_06_a_connection_backoff_of_its_own,
    b_06_w_04_one_backoff_for_rounds_and_for_watches,
    b_10_the_older_backoff_starts_over_after_a_quiet_time,
    e_04_a_timeout_without_details_is_not_too_large,
    e_06_w_09_l_08_a_store_read_error_is_settled_by_a_list,
    e_12_a_late_driver_gets_every_deadline_in_its_turn,
    expensive_requests_wait_for_their_permit_and_give_it_back,
    forbidden_and_not_found_never_empty_the_store,
    l_01_l_02_r_20_the_first_list_asks_for_any_state_in_pages,
    l_02_a_relist_at_a_real_version_has_no_limit,
    l_02_l_16_a_page_size_holds_for_every_list_and_every_page,
    l_03_e_04_too_large_in_its_three_shapes_is_listed_at_once_without_a_version,
    l_03_gone_and_a_bare_410_are_expired_too,
    l_03_r_22_a_second_failure_is_the_lists_failure,
    l_04_r_17_a_failed_list_keeps_its_cause_goes_to_the_handler_and_is_tried_again,
    l_05_l_02_pages_of_a_first_list_make_every_later_list_paged,
    l_05_l_17_pages_that_were_dropped_for_a_whole_list_count_too,
    l_05_pages_of_a_list_at_a_real_version_prove_nothing,
    l_06_a_table_instead_of_a_list_fails_the_round,
    l_07_a_list_without_metadata_is_a_failure,
    l_08_r_17_a_store_that_refuses_the_list_fails_the_round_and_the_version_stays,
    l_10_l_19_a_stop_between_pages_asks_for_no_more,
    l_11_an_empty_list_is_valid,
    l_11_w_03_r_20_a_list_without_a_version_is_watched_from_none_and_listed_from_any,
    l_12_the_version_of_the_pages_is_the_first_ones,
    l_13_l_14_the_limit_is_kept_for_all_pages_but_not_for_the_rescue,
    l_15_an_empty_token_is_no_token,
    l_17_a_token_that_expires_after_the_rescue_fails_the_list,
    l_17_an_expired_page_is_rescued_by_one_whole_list_as_first_asked_for,
    l_17_l_03_the_rescue_may_expire_too_and_is_then_listed_without_a_version,
    l_18_gone_on_a_later_page_is_no_rescue_but_a_list_without_a_version,
    l_18_l_19_any_other_error_on_a_later_page_ends_the_list,
    late_answers_are_counted_and_change_nothing,
    options_of_zero_do_not_ask_without_a_pause,
    r_09_r_13_r_26_rounds_follow_each_other_until_the_stop,
    r_14_wl_13_a_refusal_costs_one_request_a_round_and_is_asked_again,
    r_15_a_resync_that_outlasts_its_round,
    r_15_r_23_a_resync_that_is_answered_after_the_stop,
    r_15_resync_goes_on_beside_the_watches_of_a_round,
    r_15_resync_goes_on_between_the_lists_of_a_polled_source,
    r_15_w_19_a_resync_that_fails_does_not_shorten_a_delay,
    r_15_w_19_resync_runs_only_while_watching_and_its_failure_ends_the_round,
    r_19_an_older_event_is_a_rewind_and_is_settled_by_a_consistent_list,
    r_19_r_22_a_list_older_than_what_was_seen_is_never_applied_silently,
    r_20_lists_from_any_always_are_still_held_against_what_was_seen,
    r_20_r_22_l_03_l_08_a_relist_starts_from_the_last_version_and_from_none_once_it_expired,
    r_20_the_first_list_may_ask_for_the_most_recent_state,
    r_23_a_second_stop_or_start_does_nothing,
    r_23_a_stop_between_the_lists_of_a_polled_source,
    r_23_a_stop_during_each_delay,
    r_23_a_stop_while_listing_with_a_permit,
    r_23_a_stop_while_probing,
    r_23_a_stop_while_the_store_commits,
    r_23_a_stop_while_the_store_commits_a_watch_list,
    r_23_a_stop_while_waiting_for_the_permit,
    r_23_r_17_a_stop_while_listing,
    r_23_w_04_a_stop_during_the_delay_of_a_watch,
    r_23_w_15_a_stop_while_the_watch_is_being_opened,
    r_23_w_15_a_stop_while_watching_gives_the_stream_up,
    r_23_wl_06_a_stop_during_the_delay_of_a_watch_list,
    the_servers_time_to_wait_is_the_least_delay_after_a_list,
    versions_that_are_no_numbers_are_taken_in_the_order_they_come,
    w_01_w_24_a_watch_asks_for_the_last_version_bookmarks_and_an_end,
    w_02_r_10_a_stop_before_the_start_requests_nothing,
    w_03_a_delete_ends_the_unordered_part,
    w_03_added_does_not_move_the_version_from_unset,
    w_03_the_older_rule_records_every_event,
    w_03_w_14_a_bookmark_a_delete_and_a_modify_each_end_the_unordered_part,
    w_04_closed_and_timed_out_connections_are_asked_again_too,
    w_04_e_08_e_09_refused_and_throttled_watches_are_asked_again_after_a_delay,
    w_04_r_17_e_12_any_other_refusal_of_a_watch_ends_the_round,
    w_04_r_22_r_20_an_expired_watch_request_lists_at_the_last_version_first,
    w_04_w_21_a_busy_servers_time_to_wait_is_kept,
    w_05_a_watch_that_ends_again_within_a_second_is_opened_after_a_delay,
    w_05_a_watch_that_ends_is_opened_again_at_once,
    w_05_w_21_a_connection_that_breaks_is_a_watch_that_ended,
    w_06_a_very_short_watch_ends_the_round_without_an_error,
    w_06_w_18_the_second_counts_from_the_request,
    w_06_w_21_a_connection_that_breaks_at_once_is_very_short_too,
    w_07_unknown_events_and_bookmarks_count_and_strangers_do_not,
    w_07_unknown_events_without_news_are_no_progress,
    w_08_an_answer_after_the_error_event_is_late,
    w_08_w_09_expired_in_the_stream_lists_at_the_last_version_after_a_delay,
    w_09_a_throttled_stream_is_opened_again_after_a_delay,
    w_09_a_version_that_expires_again_is_listed_without_it,
    w_09_e_06_e_12_everything_else_in_the_stream_ends_the_round_in_silence,
    w_09_e_06_internal_errors_end_the_round_by_default,
    w_09_w_16_e_06_internal_errors_are_retried_at_once_within_the_window,
    w_10_r_19_w_11_w_13_the_reference_rule_lets_the_version_go_back,
    w_10_strangers_are_reported_and_skipped,
    w_11_an_unknown_type_moves_the_version_and_changes_nothing,
    w_11_w_13_r_24_each_type_of_event_and_the_version_after_it,
    w_12_r_19_a_store_that_fails_loses_the_event_and_not_the_stream,
    w_16_a_quiet_minute_opens_a_new_window,
    w_18_w_05_the_stream_handed_over_is_a_watch_like_any_other,
    w_18_w_06_the_stream_handed_over_counts_from_the_end_mark,
    w_18_w_09_expired_on_the_second_watch,
    w_20_the_end_mark_in_a_plain_watch_is_a_bookmark,
    w_21_the_ceiling_of_the_servers_time_to_wait_may_be_set,
    w_21_the_servers_time_to_wait_has_a_ceiling,
    w_23_a_half_open_watch_is_noticed_by_silence,
    w_23_a_probe_that_fails_is_handled_like_a_watch_request,
    w_23_a_probe_that_finds_an_older_version_is_a_rewind,
    w_23_a_watch_kept_alive_beyond_its_end_is_opened_again,
    w_23_a_watch_that_is_never_answered_is_asked_again,
    w_23_after_a_stream_without_any_sign_of_life_the_source_is_asked_for_its_version,
    w_23_short_watches_that_bring_nothing_do_not_hide_a_source_that_went_back,
    w_23_without_a_silence_deadline_the_end_of_the_watch_is_the_deadline,
    wl_01_wl_05_wl_14_r_21_the_initial_state_through_a_watch,
    wl_02_wl_04_l_08_later_events_win_and_deletions_remove,
    wl_03_only_the_end_mark_ends_it,
    wl_04_an_end_mark_without_a_version_after_a_bookmark,
    wl_04_w_10_strangers_and_unknown_events_before_the_end_mark,
    wl_04_w_14_an_end_mark_without_a_version_takes_the_last_one_told,
    wl_05_a_stream_that_ends_while_the_store_commits_is_followed_by_a_plain_watch,
    wl_05_a_stream_that_fails_while_the_store_commits_is_followed_by_a_plain_watch,
    wl_05_an_empty_collection_is_synced_by_its_end_mark,
    wl_05_an_event_before_the_commit_is_answered_is_not_lost,
    wl_06_e_12_wl_10_any_other_error_falls_back_to_a_list,
    wl_06_r_22_expired_starts_over_without_a_version_once_at_once_then_with_delays,
    wl_06_r_23_refused_and_throttled_watch_lists_are_asked_again_after_a_delay,
    wl_06_the_older_rule_falls_back_on_invalid_only,
    wl_06_the_servers_time_to_wait_has_a_ceiling_for_a_watch_list,
    wl_06_w_21_a_5xx_with_a_time_to_wait_is_waited_for,
    wl_06_wl_07_in_stream_errors_drop_what_was_collected,
    wl_07_wl_08_a_stream_that_closes_early_starts_over_and_then_with_delays,
    wl_08_a_stream_cut_off_again_and_again_ends_in_a_list,
    wl_08_a_stream_throttled_again_and_again_ends_in_a_list,
    wl_08_the_server_ends_the_watch_before_the_end_mark,
    wl_08_w_06_a_very_short_watch_list_falls_back,
    wl_08_w_06_a_watch_list_cut_off_at_once_falls_back,
    wl_09_r_23_a_stop_while_collecting_stores_nothing,
    wl_10_no_resync_before_the_end_mark,
    wl_11_a_commit_refused_after_the_stream_is_gone,
    wl_11_wl_05_a_store_that_refuses_falls_back_to_a_list,
    wl_12_an_end_mark_that_is_late_though_events_come,
    wl_12_waiting_long_for_the_end_mark_is_told,
    wl_13_wl_06_the_end_mark_that_never_comes,
}

#[test]
fn every_script_is_listed() {
    let listed = LISTED.iter().map(|name| (*name).to_owned()).collect();
    let present: std::collections::BTreeSet<String> = story::names();
    assert_eq!(
        present, listed,
        "left: the files, right: the list in this file"
    );
}

/// A stop at any moment gives up what is under way: no request, no staged object, no permit.
#[test]
fn r_23_a_stop_after_any_command_of_any_script_leaves_nothing_behind() {
    for name in story::names() {
        story::check_stops(&name);
    }
}

/// The promises that hold in every story hold in stories that nobody wrote, too.
#[test]
fn any_commands_in_any_order_keep_every_promise() {
    random::check();
}
