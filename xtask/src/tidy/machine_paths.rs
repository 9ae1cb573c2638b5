//! The project names no path of one machine: whoever clones it has other folders.
//!
//! Recorded data is left alone: a path in it belongs to what was recorded.

use crate::tidy::Finding;
use crate::tidy::tree::{SourceFile, Tree};

const RULE: &str = "machine-paths";

/// Where checkouts and home folders lie on this machine or that. Written in two parts each, so
/// that this file does not find itself.
const PREFIXES: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
];

/// What holds recorded data, by the end of the name.
const DATA: [&str; 6] = [".json", ".jsonl", ".http", ".lock", ".pem", ".yaml"];

/// Finds paths of one machine.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .filter(|file| !is_data(file))
        .flat_map(check_file)
        .collect()
}

fn is_data(file: &SourceFile) -> bool {
    DATA.iter().any(|end| file.path.ends_with(end))
}

fn check_file(file: &SourceFile) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    let found = lines.filter_map(|(at, line)| {
        PREFIXES
            .iter()
            .find(|prefix| has_path(line, prefix))
            .map(|prefix| (at + 1, prefix))
    });
    found
        .map(|(line, prefix)| Finding {
            path: file.path.clone(),
            line,
            rule: RULE,
            message: format!(
                "`{prefix}..` is a path of one machine: use one relative to the project"
            ),
        })
        .collect()
}

/// Whether a line holds a path that begins so; a longer path or an address may contain the same.
fn has_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.~}/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(path: &str, line: &str, findings: usize) {
        assert_eq!(
            check(&Tree::of(&[(path, line)])).len(),
            findings,
            "of {line}"
        );
    }

    #[test]
    fn absolute_paths_of_one_machine_are_found_anywhere() {
        check_line("README.md", &format!("see {}x", PREFIXES[0]), 1);
        check_line("a.rs", &format!("open(\"{}me/.cache\")", PREFIXES[1]), 1);
        check_line(".ci/run", &format!("cd {}me", PREFIXES[2]), 1);
    }

    #[test]
    fn relative_paths_addresses_and_data_are_left_alone() {
        check_line("README.md", &format!("see crates{}x", PREFIXES[0]), 0);
        check_line(
            "README.md",
            &format!("https://example.com{}x", PREFIXES[2]),
            0,
        );
        check_line(
            "testdata/pod.json",
            &format!("\"path\": \"{}x\"", PREFIXES[1]),
            0,
        );
    }
}
