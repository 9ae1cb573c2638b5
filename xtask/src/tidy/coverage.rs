//! Which behaviour of the table is covered, by which test or script, and which was decided against.
//!
//! A test covers a behaviour by bearing its id in its name; so does a script below a `testdata`
//! folder by its file name, and a case of the conformance suite, which are plain functions that
//! the suite's macro turns into tests. What is decided against says so in the decisions, on one
//! line with the id and the words `decided against`.

use crate::tidy::behaviour::{BehaviourId, Behaviours};
use crate::tidy::tree::{SourceFile, Tree};

/// Where decisions are written down.
pub(crate) const DECISIONS: &str = "docs/decisions.md";

/// Where the plain functions are tests too.
const CONFORMANCE: &str = "conformance/src/";

/// What the project has for one behaviour.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Coverage {
    /// Tests or scripts bear its id: where the first stands, and how many there are.
    Tested {
        /// `path: name` of the first.
        first: String,
        /// The number of all.
        count: usize,
    },
    /// It is decided against, on this line of the decisions.
    DecidedAgainst {
        /// Counted from 1.
        line: usize,
    },
    /// Neither.
    Missing,
}

/// The coverage of every behaviour, in the order of the table.
pub(crate) fn of(tree: &Tree, behaviours: &Behaviours) -> Vec<Coverage> {
    let named = named(tree);
    let decisions = tree
        .file(DECISIONS)
        .map(|file| file.text.as_str())
        .unwrap_or_default();
    let cover = |id: &BehaviourId| {
        let mut tests = named
            .iter()
            .filter(|(ids, _)| ids.contains(id))
            .map(|(_, place)| place);
        if let Some(first) = tests.next() {
            return Coverage::Tested {
                first: first.clone(),
                count: 1 + tests.count(),
            };
        }
        let line = decisions.lines().position(|line| decides_against(line, id));
        line.map_or(Coverage::Missing, |at| Coverage::DecidedAgainst {
            line: at + 1,
        })
    };
    behaviours.rows().iter().map(|(id, _)| cover(id)).collect()
}

/// Everything that bears an id: the ids, and where it stands.
fn named(tree: &Tree) -> Vec<(Vec<BehaviourId>, String)> {
    tree.files()
        .flat_map(|file| names(file).into_iter().map(move |name| (file, name)))
        .filter_map(|(file, name)| {
            let ids = BehaviourId::all_in_name(&name);
            (!ids.is_empty()).then(|| (ids, format!("{}: {name}", file.path)))
        })
        .collect()
}

/// The names of a file that may bear ids.
fn names(file: &SourceFile) -> Vec<String> {
    if let Some(rust) = &file.rust {
        let in_suite = file.path.starts_with(CONFORMANCE);
        let tests = rust
            .functions()
            .into_iter()
            .filter(|function| function.is_test || in_suite);
        return tests.map(|function| function.name).collect();
    }
    let mut folders = file.path.split('/').rev();
    let script = folders.next().and_then(|name| name.split('.').next());
    let is_script = folders.any(|folder| folder == "testdata");
    script
        .filter(|_| is_script)
        .map(str::to_owned)
        .into_iter()
        .collect()
}

fn decides_against(line: &str, id: &BehaviourId) -> bool {
    let ids = line.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    line.to_lowercase().contains("decided against")
        && ids.filter_map(BehaviourId::parse).any(|other| other == *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[Coverage]) {
        let behaviours = Behaviours::parse("W-1 a\nW-2 b\nW-12 c").unwrap();
        assert_eq!(of(&Tree::of(files), &behaviours), expected);
    }

    fn tested(first: &str, count: usize) -> Coverage {
        Coverage::Tested {
            first: first.to_owned(),
            count,
        }
    }

    #[test]
    fn tests_scripts_and_conformance_cases_cover() {
        check(
            &[
                (
                    "a.rs",
                    "#[test]\nfn w_01_x() {}\n#[test]\nfn also_w_1_y() {}",
                ),
                ("b/testdata/w_02_story.txt", "text"),
                ("conformance/src/lib.rs", "pub async fn w_12_case() {}"),
            ],
            &[
                tested("a.rs: w_01_x", 2),
                tested("b/testdata/w_02_story.txt: w_02_story", 1),
                tested("conformance/src/lib.rs: w_12_case", 1),
            ],
        );
    }

    #[test]
    fn helpers_comments_and_other_files_do_not() {
        check(
            &[
                ("a.rs", "fn w_01_x() {}\n// #[test] fn w_02_y() {}"),
                ("docs/w_12_story.txt", "text"),
            ],
            &[Coverage::Missing, Coverage::Missing, Coverage::Missing],
        );
    }

    #[test]
    fn what_is_decided_against_names_the_id_on_the_same_line() {
        check(
            &[(
                DECISIONS,
                "# Decisions\nW-1, W-12: Decided against, because.\nW-2 is done.\n",
            )],
            &[
                Coverage::DecidedAgainst { line: 2 },
                Coverage::Missing,
                Coverage::DecidedAgainst { line: 2 },
            ],
        );
    }

    #[test]
    fn a_test_counts_before_a_decision() {
        check(
            &[
                ("a.rs", "#[test]\nfn w_01_x() {}"),
                (DECISIONS, "W-1 decided against\n"),
            ],
            &[
                tested("a.rs: w_01_x", 1),
                Coverage::Missing,
                Coverage::Missing,
            ],
        );
    }
}
