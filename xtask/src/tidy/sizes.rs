//! No Rust file without its tests is longer than the cap; clippy has the caps on functions.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

const RULE: &str = "sizes";

/// The cap of the house style; what one sits down to write has half of it.
const LINES_MAX: usize = 800;

/// Finds Rust files that are too long without their tests.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.rust_files().filter(|(file, _)| !file.is_test());
    let sized = sources.map(|(file, rust)| (file, rust.lines_without_tests()));
    sized
        .filter(|&(_, lines)| lines > LINES_MAX)
        .map(|(file, lines)| Finding {
            path: file.path.clone(),
            line: 0,
            rule: RULE,
            message: format!(
                "{lines} lines without tests, the cap is {LINES_MAX}: split it by state, by event or by concern"
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(path: &str, text: &str, findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), findings);
    }

    #[test]
    fn a_file_may_reach_the_cap_and_not_pass_it() {
        check_file("a.rs", &"a();\n".repeat(LINES_MAX), 0);
        check_file("a.rs", &"a();\n".repeat(LINES_MAX + 1), 1);
    }

    #[test]
    fn tests_do_not_count() {
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "a();\n".repeat(LINES_MAX)
        );
        check_file("a.rs", &tests, 0);
        let source = format!("{}{tests}", "a();\n".repeat(LINES_MAX + 1));
        check_file("a.rs", &source, 1);
        check_file("a/tests/b.rs", &"a();\n".repeat(LINES_MAX + 1), 0);
    }
}
