//! Which lines of the project are newer than the last commit of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// Lines that were added or changed, by file.
#[derive(Debug, Default)]
pub(crate) struct NewLines {
    files: BTreeSet<String>,
    lines: BTreeMap<String, Vec<Range<usize>>>,
}

impl NewLines {
    /// Every line that was added since `path` was last committed; none if it never was.
    ///
    /// # Errors
    ///
    /// When git cannot compare.
    pub(crate) fn since(workspace: &Workspace, path: &str) -> Result<Self, TaskError> {
        let git = |arguments: &[&str]| {
            let mut git = process::command(workspace, "git");
            process::output(git.args(arguments))
        };
        let commit = git(&["log", "-1", "--format=%H", "--", path])?;
        let commit = commit.trim();
        if commit.is_empty() {
            return Ok(Self::default());
        }
        let diff = git(&["diff", "--unified=0", "--no-color", "--no-ext-diff", commit])?;
        let others = git(&["ls-files", "--others", "--exclude-standard"])?;
        Ok(Self {
            files: others.lines().map(str::to_owned).collect(),
            lines: parse_diff(&diff),
        })
    }

    /// Whether a line, counted from 1, is new.
    pub(crate) fn contains(&self, path: &str, line: usize) -> bool {
        let added = self.lines.get(path);
        self.files.contains(path)
            || added.is_some_and(|ranges| ranges.iter().any(|range| range.contains(&line)))
    }
}

/// The added lines of a diff without context.
fn parse_diff(diff: &str) -> BTreeMap<String, Vec<Range<usize>>> {
    let mut lines: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
    let mut path = "";
    for line in diff.lines() {
        if let Some(file) = line.strip_prefix("+++ b/") {
            path = file;
        } else if let Some(hunk) = line.strip_prefix("@@ ")
            && let Some(range) = added(hunk)
        {
            lines.entry(path.to_owned()).or_default().push(range);
        }
    }
    lines
}

/// The added lines of a hunk: `-1,2 +3,4 @@`.
fn added(hunk: &str) -> Option<Range<usize>> {
    let (_, rest) = hunk.split_once('+')?;
    let (span, _) = rest.split_once(' ')?;
    let (start, count) = span.split_once(',').unwrap_or((span, "1"));
    let start: usize = start.parse().ok()?;
    let count: usize = count.parse().ok()?;
    Some(start..start + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_lines_are_read_out_of_a_diff() {
        let diff = "--- a/x.rs\n+++ b/x.rs\n@@ -1 +1,2 @@ fn f()\n-a\n+b\n+c\n@@ -9,2 +10,0 @@\n-d\n-e\n\
                    --- /dev/null\n+++ b/y.rs\n@@ -0,0 +1 @@\n+f\n";
        let new = NewLines {
            files: BTreeSet::from(["z.rs".to_owned()]),
            lines: parse_diff(diff),
        };
        assert!(new.contains("x.rs", 1) && new.contains("x.rs", 2));
        assert!(!new.contains("x.rs", 3) && !new.contains("x.rs", 10));
        assert!(new.contains("y.rs", 1) && !new.contains("y.rs", 2));
        assert!(new.contains("z.rs", 77) && !new.contains("w.rs", 1));
    }
}
