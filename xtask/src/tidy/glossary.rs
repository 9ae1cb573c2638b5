//! Prose uses the words of the project's glossary; those that it replaces may only become fewer.
//!
//! The replaced words are counted in each crate: in comments and docs, in string literals outside
//! of tests, and in Markdown. Code, also in backticks and fenced blocks, is not prose. The counts
//! are committed beside the words. A count above its committed number is a finding for each new
//! occurrence; one below asks to be committed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::tidy::Finding;
use crate::tidy::rust_source::{RustSource, words};
use crate::tidy::tree::{SourceFile, Tree};

const RULE: &str = "glossary";

/// The words, and what to write instead.
pub(crate) const WORDS: &str = "xtask/ratchets/glossary-words.txt";

/// The committed counts.
pub(crate) const COUNTS: &str = "xtask/ratchets/glossary-counts.txt";

/// Where files outside of every crate are counted.
const PROJECT: &str = "project";

/// Number of occurrences by crate.
pub(crate) type Counts = BTreeMap<String, usize>;

/// A replaced word in prose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Occurrence {
    krate: String,
    pub(crate) path: String,
    pub(crate) line: usize,
    word: String,
    instead: String,
}

/// Finds every replaced word in prose.
pub(crate) fn occurrences(tree: &Tree) -> Vec<Occurrence> {
    let glossary = glossary(tree);
    let mut found = Vec::new();
    for file in tree.files() {
        let Some(prose) = prose(file) else { continue };
        let krate = crate_of(&file.path);
        for (number, line) in without_code(&prose).enumerate() {
            let line = line.to_lowercase();
            for (word, instead) in &glossary {
                found.extend(words(&line, word).map(|_| Occurrence {
                    krate: krate.clone(),
                    path: file.path.clone(),
                    line: number + 1,
                    word: word.clone(),
                    instead: instead.clone(),
                }));
            }
        }
    }
    found
}

/// Counts occurrences by crate.
pub(crate) fn count(occurrences: &[Occurrence]) -> Counts {
    let mut counts = Counts::new();
    for occurrence in occurrences {
        *counts.entry(occurrence.krate.clone()).or_default() += 1;
    }
    counts
}

/// Reads the committed counts: a crate and its number on each line.
pub(crate) fn committed(tree: &Tree) -> Counts {
    let text = tree.file(COUNTS).map_or("", |file| file.text.as_str());
    let rows = text.lines().filter_map(|line| line.split_once(' '));
    rows.filter_map(|(krate, count)| Some((krate.to_owned(), count.trim().parse().ok()?)))
        .collect()
}

/// Finds crates whose count has risen. Each new occurrence is a finding, as far as `is_new` knows
/// which ones are; a crate of which it knows none has one finding for all.
pub(crate) fn check(
    occurrences: &[Occurrence],
    committed: &Counts,
    is_new: impl Fn(&Occurrence) -> bool,
) -> Vec<Finding> {
    let risen = count(occurrences)
        .into_iter()
        .map(|(krate, now)| (committed.get(&krate).copied().unwrap_or(0), krate, now))
        .filter(|(before, _, now)| now > before);
    let finding = |path: &str, line, message| Finding {
        path: path.to_owned(),
        line,
        rule: RULE,
        message,
    };
    risen
        .flat_map(|(before, krate, now)| {
            let new: Vec<Finding> = occurrences
                .iter()
                .filter(|it| it.krate == krate && is_new(it))
                .map(|it| {
                    let message = format!("`{}`: write {}", it.word, it.instead);
                    finding(&it.path, it.line, message)
                })
                .collect();
            if new.is_empty() {
                let message = format!(
                    "{krate} has {now} words that {WORDS} replaces, {before} are committed"
                );
                return vec![finding(COUNTS, 0, message)];
            }
            new
        })
        .collect()
}

/// The counts to commit: a known crate's only if it has fallen.
pub(crate) fn lowered(now: &Counts, committed: &Counts) -> Counts {
    let lower = |(krate, count): (&String, &usize)| {
        let before = committed.get(krate).copied().unwrap_or(*count);
        (krate.clone(), before.min(*count))
    };
    now.iter()
        .map(lower)
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The counts as the file has them.
pub(crate) fn to_text(counts: &Counts) -> String {
    counts
        .iter()
        .fold(String::new(), |mut text, (krate, count)| {
            _ = writeln!(text, "{krate} {count}");
            text
        })
}

/// Every replaced word in lower case, with what to write instead.
fn glossary(tree: &Tree) -> Vec<(String, String)> {
    let text = tree.file(WORDS).map_or("", |file| file.text.as_str());
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_once('='))
        .flat_map(|(words, instead)| {
            words
                .split(',')
                .map(|word| (word.trim().to_lowercase(), instead.trim().to_owned()))
        })
        .collect()
}

/// The crate of a file: the folder of its manifest, as the workspace lays crates out.
fn crate_of(path: &str) -> String {
    let folders: Vec<&str> = path.split('/').collect();
    match folders.as_slice() {
        ["crates", name, _, ..] => (*name).to_owned(),
        ["docs", ..] | [_] => PROJECT.to_owned(),
        [folder, ..] => (*folder).to_owned(),
        [] => PROJECT.to_owned(),
    }
}

/// The prose of a file, every line and byte where it is in the file; none in other files.
fn prose(file: &SourceFile) -> Option<String> {
    match &file.rust {
        Some(rust) => Some(prose_of_rust(file, rust)),
        None => file.path.ends_with(".md").then(|| file.text.clone()),
    }
}

/// Comments, and literals that are not those of a test.
fn prose_of_rust(file: &SourceFile, rust: &RustSource) -> String {
    let mut prose: String = String::with_capacity(file.text.len());
    let mut hidden = rust.hidden().iter().peekable();
    for (at, c) in file.text.char_indices() {
        while hidden.next_if(|it| it.span.end <= at).is_some() {}
        let is_prose = hidden.peek().is_some_and(|it| {
            let in_test = || file.is_test() || rust.is_in_test(it.span.start);
            it.span.contains(&at) && (it.is_comment || !in_test())
        });
        if c == '\n' || is_prose {
            prose.push(c);
        } else {
            prose.push(' ');
        }
    }
    prose
}

/// The lines with fenced blocks and what is in backticks left out.
fn without_code(prose: &str) -> impl Iterator<Item = String> {
    let mut in_fence = false;
    prose.lines().map(move |line| {
        let text = line
            .trim_start()
            .trim_start_matches(['/', '!'])
            .trim_start();
        if text.starts_with("```") {
            in_fence = !in_fence;
            return String::new();
        }
        // A fence that is left open ends with its comment.
        in_fence &= !line.trim().is_empty();
        if in_fence {
            return String::new();
        }
        line.split('`').step_by(2).collect::<Vec<_>>().join("`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOSSARY: &str = "# words\n\ntold, tells = report\nend mark = end bookmark\n";

    fn lines(path: &str, text: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[(path, text), (WORDS, GLOSSARY)]);
        let found = occurrences(&tree);
        found.into_iter().map(|it| (it.line, it.word)).collect()
    }

    fn told_at(line: usize) -> (usize, String) {
        (line, "told".to_owned())
    }

    #[test]
    fn words_are_counted_in_comments_docs_and_messages() {
        let text = "//! Who is told.\n/// Told, and told.\nfn f() { g(\"was told\"); }\n// told\n";
        let expected = [told_at(1), told_at(2), told_at(2), told_at(3), told_at(4)];
        assert_eq!(lines("crates/a/src/b.rs", text), expected);
    }

    #[test]
    fn code_is_no_prose() {
        assert_eq!(lines("a/src/b.rs", "fn told(told: u8) {}\n"), []);
        assert_eq!(
            lines("a/src/b.rs", "/// Calls `told` and `it.told()`.\n"),
            []
        );
        let fenced = "/// ```\n/// told();\n/// ```\n/// told\n";
        assert_eq!(lines("a/src/b.rs", fenced), [told_at(4)]);
        assert_eq!(lines("README.md", "```\ntold\n```\ntold\n"), [told_at(4)]);
    }

    #[test]
    fn words_stand_alone_and_phrases_are_found() {
        assert_eq!(lines("README.md", "untold told_it retold\n"), []);
        let found = lines("README.md", "The end mark.\n");
        assert_eq!(found, [(1, "end mark".to_owned())]);
    }

    #[test]
    fn literals_of_tests_and_other_files_are_free() {
        let text = "#[cfg(test)]\nmod tests {\n    // told\n    fn f() { g(\"told\"); }\n}\n";
        assert_eq!(lines("a/src/b.rs", text), [told_at(3)]);
        assert_eq!(lines("a/tests/b.rs", "fn f() { g(\"told\"); }\n"), []);
        assert_eq!(lines("a/data.txt", "told\n"), []);
    }

    #[test]
    fn files_are_counted_with_their_crate() {
        let tree = Tree::of(&[
            ("crates/one/src/lib.rs", "// told\n"),
            ("crates/one/README.md", "told\n"),
            ("sim/src/main.rs", "// told\n"),
            ("docs/guide.md", "told\n"),
            ("README.md", "told\n"),
            (WORDS, GLOSSARY),
        ]);
        let text = to_text(&count(&occurrences(&tree)));
        assert_eq!(text, "one 2\nproject 2\nsim 1\n");
    }

    fn two_in_one(counts: &str) -> (Vec<Occurrence>, Counts) {
        let tree = Tree::of(&[
            ("crates/one/src/lib.rs", "// told\n// told\n"),
            (WORDS, GLOSSARY),
            (COUNTS, counts),
        ]);
        (occurrences(&tree), committed(&tree))
    }

    #[test]
    fn a_rise_names_file_and_line_of_each_new_occurrence() {
        let (found, committed) = two_in_one("one 1\n");
        let findings = check(&found, &committed, |it| it.line == 2);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].to_string(),
            "crates/one/src/lib.rs:2: `told`: write report [glossary]"
        );
        // Which ones are new may be unknown; a rise fails all the same.
        let findings = check(&found, &committed, |_| false);
        assert_eq!((findings.len(), findings[0].path.as_str()), (1, COUNTS));
    }

    #[test]
    fn an_equal_or_lower_count_passes_and_only_a_fall_is_written() {
        for (counts, written) in [("one 2\n", 2), ("one 5\n", 2), ("one 1\n", 1), ("", 2)] {
            let (found, committed) = two_in_one(counts);
            let now = count(&found);
            assert_eq!(lowered(&now, &committed)["one"], written, "of {counts:?}");
            let passes = committed.get("one").is_some_and(|before| *before >= 2);
            assert_eq!(check(&found, &committed, |_| true).is_empty(), passes);
        }
    }

    #[test]
    fn a_crate_without_such_words_leaves_the_file() {
        let committed = Counts::from([("one".to_owned(), 3)]);
        assert_eq!(lowered(&Counts::new(), &committed), Counts::new());
    }
}
