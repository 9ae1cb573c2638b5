//! No test is switched off: it runs, or it is gone. A suite that lacks a program skips itself.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

const RULE: &str = "ignored-tests";

/// Finds tests that are switched off.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let attributes = tree.rust_files().flat_map(|(file, rust)| {
        rust.attributes()
            .iter()
            .map(move |attribute| (file, attribute))
    });
    attributes
        .filter(|(_, attribute)| attribute.path == "ignore")
        .map(|(file, attribute)| Finding {
            path: file.path.clone(),
            line: attribute.line,
            rule: RULE,
            message: "a test is switched off: mend it or remove it".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_tests_are_found_with_their_line() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n";
        let findings = check(&Tree::of(&[("a.rs", text)]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }

    #[test]
    fn words_about_them_are_not() {
        let text = "// #[ignore]\nlet a = \"#[ignore]\";\n#[ignored]\nfn b() {}\n";
        assert_eq!(check(&Tree::of(&[("a.rs", text)])), []);
    }
}
