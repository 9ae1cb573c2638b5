//! The core reads no clock, never sleeps and iterates in no random order.
//!
//! Time and randomness come in as arguments, so that a seed replays everything. Its tests may keep
//! a standard map as a model; a clock may not even be read there, since no test waits.

use crate::tidy::Finding;
use crate::tidy::rust_source::{RustSource, words};
use crate::tidy::tree::{SourceFile, Tree};

const RULE: &str = "core-purity";

const CORE: &str = "crates/heliostat-core/src/";

/// Paths that read the clock or wait, with what to do instead.
const CLOCKS: [(&str, &str); 4] = [
    ("Instant::now", "take the time as an argument"),
    ("SystemTime::now", "take the time as an argument"),
    ("UNIX_EPOCH", "take the time as an argument"),
    (
        "thread::sleep",
        "give a deadline out and wait for its input",
    ),
];

/// What of `std::collections` iterates in an order that changes with every run.
const UNORDERED: [&str; 5] = ["HashMap", "HashSet", "hash_map", "hash_set", "RandomState"];

/// Finds clocks, waits and unordered maps in the core.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let core = tree
        .rust_files()
        .filter(|(file, _)| file.path.starts_with(CORE));
    core.flat_map(|(file, rust)| [clocks(file, rust), unordered(file, rust)].concat())
        .collect()
}

fn clocks(file: &SourceFile, rust: &RustSource) -> Vec<Finding> {
    let uses = CLOCKS.iter().flat_map(|&(path, instead)| {
        words(rust.code(), path).map(move |at| (at, format!("the core has no `{path}`: {instead}")))
    });
    uses.map(|(at, message)| finding(file, rust, at, message))
        .collect()
}

/// Names from the standard library only: persistent maps of the same name are seeded by us.
fn unordered(file: &SourceFile, rust: &RustSource) -> Vec<Finding> {
    if file.is_test() {
        return Vec::new();
    }
    let code = rust.code();
    let mut findings = Vec::new();
    for start in words(code, "std").filter(|&at| !rust.is_in_test(at)) {
        let statement = code[start..].split(';').next().unwrap_or_default();
        let Some(path) = path_of(statement) else {
            continue;
        };
        for name in UNORDERED {
            for at in words(path, name) {
                let message = format!(
                    "the core has no `{name}` of the standard library: its order changes with every run, use `BTreeMap` or `BTreeSet`"
                );
                findings.push(finding(file, rust, start + at, message));
            }
        }
    }
    findings
}

/// The path that code begins with: `std::collections::..`, or the whole of a braced import.
fn path_of(code: &str) -> Option<&str> {
    let is_unordered_room = |path: &str| {
        let modules = ["collections", "hash"];
        modules
            .iter()
            .any(|module| words(path, module).next().is_some())
    };
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let path = match end {
        // An import may name many things at once.
        Some(end) if code[end..].starts_with('{') => code,
        Some(end) => &code[..end],
        None => code,
    };
    is_unordered_room(path).then_some(path)
}

fn finding(file: &SourceFile, rust: &RustSource, at: usize, message: String) -> Finding {
    Finding {
        path: file.path.clone(),
        line: rust.line_of(at),
        rule: RULE,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_core(text: &str, findings: usize) {
        let tree = Tree::of(&[("crates/heliostat-core/src/a.rs", text)]);
        assert_eq!(check(&tree).len(), findings, "of {text}");
    }

    #[test]
    fn clocks_and_sleep_are_found_in_code_and_tests_but_not_in_words_about_them() {
        check_core("let t = Instant::now();", 1);
        check_core("let t = std::time::SystemTime::now();", 1);
        check_core("std::thread::sleep(d);", 1);
        check_core("#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }", 1);
        check_core("// never Instant::now()\nlet a = \"thread::sleep\";", 0);
        check_core("let t = MyInstant::nowhere();", 0);
    }

    #[test]
    fn unordered_maps_of_the_standard_library_are_found_however_they_are_imported() {
        check_core("use std::collections::HashMap;", 1);
        check_core("use std::collections::{BTreeMap, HashMap, HashSet};", 2);
        check_core(
            "use std::{collections::{hash_map::Entry, BTreeMap}, fmt};",
            1,
        );
        check_core("let m = std::collections::HashMap::new();", 1);
        check_core("use std::collections::BTreeMap;\nuse imbl::HashMap;", 0);
        check_core("fn f(m: std::fmt::Result, n: HashMap) {}", 0);
    }

    #[test]
    fn a_test_may_keep_a_standard_map_as_its_model() {
        check_core(
            "#[cfg(test)]\nmod tests { use std::collections::HashMap; }",
            0,
        );
    }

    #[test]
    fn other_crates_may_read_the_clock() {
        let tree = Tree::of(&[("crates/heliostat/src/driver.rs", "Instant::now();")]);
        assert_eq!(check(&tree), []);
    }
}
