//! Every Rust file begins with `//!`: what lives there, and the invariant to know first.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

const RULE: &str = "module-docs";

/// Finds Rust files that do not begin with module docs.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let undocumented = tree
        .rust_files()
        .filter(|(file, _)| !begins_with_docs(&file.text));
    undocumented
        .map(|(file, _)| Finding {
            path: file.path.clone(),
            line: 1,
            rule: RULE,
            message: "the file does not begin with `//!` docs that say what lives here".to_owned(),
        })
        .collect()
}

fn begins_with_docs(text: &str) -> bool {
    let first = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//!"));
    first.is_some_and(|docs| !docs.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(text: &str, findings: usize) {
        assert_eq!(
            check(&Tree::of(&[("a.rs", text)])).len(),
            findings,
            "of {text}"
        );
    }

    #[test]
    fn files_must_begin_with_docs() {
        check_file("//! Docs.\nfn a() {}\n", 0);
        check_file("fn a() {}\n", 1);
        check_file("\n//! Docs.\n", 1);
        check_file("// Docs.\n", 1);
        check_file("//!\n", 1);
        check_file("", 1);
    }

    #[test]
    fn other_files_may_begin_as_they_like() {
        assert_eq!(check(&Tree::of(&[("README.md", "# Title\n")])), []);
    }
}
