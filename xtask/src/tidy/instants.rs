//! No `+` on an `Instant`: it panics for durations that a user may choose, such as `Duration::MAX`.
//!
//! The names of instants are found by their declarations in the same file, so an addition to one
//! that is declared elsewhere is missed.

use std::collections::BTreeSet;

use crate::tidy::Finding;
use crate::tidy::rust_source::{RustSource, is_word, words};
use crate::tidy::tree::{SourceFile, Tree};

const RULE: &str = "instants";

/// Finds additions to instants in the code of all crates, tests excepted.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust_files()
        .filter(|(file, _)| file.path.starts_with("crates/") && !file.is_test())
        .flat_map(|(file, rust)| additions(file, rust))
        .collect()
}

fn additions(file: &SourceFile, rust: &RustSource) -> Vec<Finding> {
    let code = rust.code();
    let mut ends: Vec<usize> = code
        .match_indices("Instant::now()")
        .map(|(at, text)| at + text.len())
        .collect();
    for name in names(code) {
        ends.extend(words(code, name).map(|at| at + name.len()));
    }
    ends.sort_unstable();
    ends.into_iter()
        .filter(|&end| !rust.is_in_test(end) && is_added_to(&code[end..]))
        .map(|end| Finding {
            path: file.path.clone(),
            line: rust.line_of(end),
            rule: RULE,
            message: "`+` on an `Instant` panics for a duration that is too long: use `checked_add`, or a `Time` and the clock that owns it".to_owned(),
        })
        .collect()
}

fn is_added_to(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.starts_with("+ ") || rest.starts_with("+= ")
}

/// The variables, parameters and fields that are declared as an instant.
fn names(code: &str) -> BTreeSet<&str> {
    words(code, "Instant")
        .filter_map(|at| declared(code, at))
        .collect()
}

/// The name before `: Instant`, `: tokio::time::Instant` or `= Instant::now()`.
fn declared(code: &str, at: usize) -> Option<&str> {
    let mut before = &code[..at];
    while let Some(path) = before.strip_suffix("::") {
        before = path.trim_end_matches(is_word);
    }
    let before = before.trim_end();
    let before = before
        .strip_suffix('=')
        .or_else(|| before.strip_suffix(':'))?;
    let before = before.trim_end();
    let name = &before[before.trim_end_matches(is_word).len()..];
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_code(text: &str, findings: usize) {
        let tree = Tree::of(&[("crates/a/src/a.rs", text)]);
        assert_eq!(check(&tree).len(), findings, "of {text}");
    }

    #[test]
    fn an_addition_to_an_instant_is_found_by_its_declaration() {
        check_code("fn f() { let at = Instant::now() + wait; }", 1);
        check_code("fn f(at: Instant) { at + wait; }", 1);
        check_code("fn f(at: tokio::time::Instant) { at + wait; }", 1);
        check_code(
            "struct A { started: Instant }\nfn f(a: A) { a.started + wait; }",
            1,
        );
        check_code("fn f() { let mut at = Instant::now(); at += wait; }", 1);
        check_code(
            "fn f() { let at = std::time::Instant::now(); at\n + wait; }",
            1,
        );
    }

    #[test]
    fn other_additions_are_not() {
        check_code(
            "fn f(at: Instant, n: u64) { n + 1; at.checked_add(wait); }",
            0,
        );
        check_code("fn f(at: Time) { at + wait; }", 0);
        check_code("use tokio::time::Instant;\nfn f(at: usize) { at + 1; }", 0);
        check_code("// Instant::now() + wait\n", 0);
        check_code("fn f(a: Instant, b: Instant) { a - b; }", 0);
        check_code(
            "#[cfg(test)]\nmod tests { fn f(at: Instant) { at + wait; } }",
            0,
        );
    }
}
