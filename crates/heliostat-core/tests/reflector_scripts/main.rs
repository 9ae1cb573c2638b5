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
    l_01_l_02_r_20_the_first_list_asks_for_any_state_in_pages,
    r_14_wl_13_a_refusal_costs_one_request_a_round_and_is_asked_again,
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
