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
    a_list_that_stalls_is_given_up,
    an_endless_list_is_given_up,
    e_04_a_timeout_without_details_is_not_too_large,
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
    l_11_an_empty_list_is_valid,
    l_11_w_03_r_20_a_list_without_a_version_is_watched_from_none_and_listed_from_any,
    l_12_the_version_of_the_pages_is_the_first_ones,
    l_14_the_limit_is_kept_for_all_pages_but_not_for_the_rescue,
    l_15_an_empty_token_is_no_token,
    l_17_an_expired_page_is_rescued_by_one_whole_list_as_first_asked_for,
    l_17_l_03_the_rescue_may_expire_too_and_is_then_listed_without_a_version,
    l_18_gone_on_a_later_page_is_no_rescue_but_a_list_without_a_version,
    l_18_l_19_any_other_error_on_a_later_page_ends_the_list,
    l_19_stop_between_pages_asks_for_no_more,
    r_14_wl_13_a_refusal_costs_one_request_a_round_and_is_asked_again,
    r_20_r_22_l_03_l_08_a_relist_starts_from_the_last_version_and_from_none_once_it_expired,
    the_servers_time_to_wait_is_the_least_delay_after_a_list,
}

#[test]
fn every_script_is_listed() {
    let listed = LISTED.iter().map(|name| (*name).to_owned()).collect();
    let present: std::collections::BTreeSet<String> = story::names();
    assert_eq!(present, listed, "left: the files, right: the list in this file");
}

/// A stop at any moment gives up what is under way: no request, no staged object, no permit.
#[test]
fn r_23_a_stop_after_any_command_of_any_script_leaves_nothing_behind() {
    for name in story::names() {
        story::check_stops(&name);
    }
}
