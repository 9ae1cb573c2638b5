//! The program itself: what it prints, and its exit code.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heliostat-sim"));
    command.args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn good_seeds_are_counted_and_end_with_success() {
    let output = sim(&["--seeds", "3", "--seed", "7"]);
    assert!(output.status.success());
    assert!(text(&output).starts_with("3 seeds, "), "{}", text(&output));
}

#[test]
fn a_run_of_the_same_seeds_has_the_same_trace() {
    let trace = || {
        let text = text(&sim(&["--seeds", "4"]));
        text.split_whitespace().last().map(str::to_owned)
    };
    assert!(trace().is_some());
    assert_eq!(trace(), trace());
}

#[test]
fn a_broken_promise_is_told_with_its_seed_its_last_steps_and_how_to_repeat_it() {
    let output = sim(&["--seeds", "50", "--bug", "DropsDeletes"]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.contains("broken promise: reliable: "), "{text}");
    let last = text.lines().last().unwrap_or_default();
    let seed = last
        .strip_prefix("repeat it: cargo xtask sim --seeds 1 --seed ")
        .and_then(|rest| rest.strip_suffix(" -- --bug DropsDeletes"));
    assert!(
        seed.is_some_and(|seed| seed.parse::<u64>().is_ok()),
        "{last}"
    );
    assert!(text.contains("seat 0: "), "the last steps: {text}");
}

#[test]
fn one_seed_tells_its_whole_story_on_request() {
    let output = sim(&["--seeds", "1", "--seed", "3", "--verbose"]);
    assert!(output.status.success());
    assert!(text(&output).contains("0.000s seat 0: "));
}

#[test]
fn an_unknown_bug_is_a_mistake_in_the_command() {
    assert_eq!(sim(&["--bug", "Ant"]).status.code(), Some(2));
}
