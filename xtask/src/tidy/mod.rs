//! The source checks that neither the compiler nor clippy makes, and the behaviour coverage.
//!
//! A check is a pure function from the [`Tree`] (every file of the project, in memory) to
//! [`Finding`]s, so each has tests on sources of a few lines. A finding in Rust code can be allowed
//! where it stands, on its line or the one above, with the reason:
//! `// tidy: allow(core-purity): the reason`.

pub(crate) mod arrows;
pub(crate) mod behaviour;
mod core_purity;
pub(crate) mod coverage;
pub(crate) mod glossary;
mod ignored_tests;
mod instants;
mod machine_paths;
mod module_docs;
pub(crate) mod modules;
pub(crate) mod new_lines;
mod rust_source;
mod sizes;
mod test_names;
pub(crate) mod tree;
mod use_paths;

use std::fmt;

use crate::tidy::tree::Tree;

/// Every check of the sources, in the order in which they report.
const CHECKS: [fn(&Tree) -> Vec<Finding>; 7] = [
    module_docs::check,
    sizes::check,
    machine_paths::check,
    core_purity::check,
    ignored_tests::check,
    instants::check,
    test_names::check,
];

/// Something that a check objects to.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Finding {
    /// The file, from the root of the workspace.
    pub(crate) path: String,
    /// The line, counted from 1; 0 for the file as a whole.
    pub(crate) line: usize,
    /// The name of the check, as an `allow` comment spells it.
    pub(crate) rule: &'static str,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {} [{}]", self.message, self.rule)
    }
}

/// Runs every check of the sources and returns what they found and nobody allowed.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    CHECKS
        .iter()
        .flat_map(|check| check(tree))
        .filter(|finding| !is_allowed(tree, finding))
        .collect()
}

/// Whether the line of the finding, or the one above it, allows the rule and says why.
fn is_allowed(tree: &Tree, finding: &Finding) -> bool {
    let Some(file) = tree.file(&finding.path) else {
        return false;
    };
    let mark = format!("// tidy: allow({}):", finding.rule);
    let above = finding.line.saturating_sub(2);
    file.text
        .lines()
        .skip(above)
        .take(finding.line - above)
        .any(|line| {
            line.split_once(&mark)
                .is_some_and(|(_, reason)| !reason.trim().is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core_file(body: &str) -> Tree {
        let text = format!("//! Docs.\n{body}");
        Tree::of(&[("crates/heliostat-core/src/a.rs", &text)])
    }

    #[test]
    fn a_clean_tree_has_no_findings() {
        let tree = core_file("fn now(now: Time) -> Time { now }\n");
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_finding_says_where_what_and_which_rule() {
        let findings = check(&core_file("fn now() { Instant::now(); }\n"));
        assert_eq!(findings.len(), 1);
        let text = findings[0].to_string();
        assert!(
            text.starts_with("crates/heliostat-core/src/a.rs:2: "),
            "{text}"
        );
        assert!(text.ends_with(" [core-purity]"), "{text}");
    }

    #[test]
    fn an_allow_with_a_reason_is_obeyed_on_its_line_and_the_next() {
        let above = "// tidy: allow(core-purity): only measures\nfn now() { Instant::now(); }\n";
        assert_eq!(check(&core_file(above)), []);
        let beside = "fn now() { Instant::now(); } // tidy: allow(core-purity): only measures\n";
        assert_eq!(check(&core_file(beside)), []);
    }

    #[test]
    fn an_allow_without_a_reason_or_for_another_rule_is_not() {
        let bare = "// tidy: allow(core-purity):\nfn now() { Instant::now(); }\n";
        assert_eq!(check(&core_file(bare)).len(), 1);
        let other = "// tidy: allow(sizes): only measures\nfn now() { Instant::now(); }\n";
        assert_eq!(check(&core_file(other)).len(), 1);
    }

    #[test]
    fn an_allow_further_up_is_not_in_reach() {
        let far = "// tidy: allow(core-purity): only measures\n\nfn now() { Instant::now(); }\n";
        assert_eq!(check(&core_file(far)).len(), 1);
    }
}
