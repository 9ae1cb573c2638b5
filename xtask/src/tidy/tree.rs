//! Every text file of the project, read once, so that checks are pure functions.
//!
//! The project is what git tracks, and what it would track if it were added now: a check that saw
//! only committed files would speak a commit too late.

use std::fs;
use std::io::ErrorKind;

use crate::error::TaskError;
use crate::kinds;
use crate::process;
use crate::tidy::rust_source::RustSource;
use crate::workspace::Workspace;

/// Every text file of the project.
#[derive(Debug)]
pub(crate) struct Tree {
    files: Vec<SourceFile>,
}

/// One text file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Its path from the root of the workspace, with `/` between folders.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
    /// Its content as Rust sees it, for a file that ends in `.rs`.
    pub(crate) rust: Option<RustSource>,
}

impl Tree {
    /// Reads the project from disk. Files that are not UTF-8 are left out: no check reads them.
    ///
    /// # Errors
    ///
    /// When git cannot list the files or one of them cannot be read.
    pub(crate) fn load(workspace: &Workspace) -> Result<Self, TaskError> {
        let mut git = process::command(workspace, "git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = process::output(&mut git)?;
        let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let file = workspace.root().join(path);
            match fs::read(&file) {
                Ok(bytes) => files.extend(
                    String::from_utf8(bytes)
                        .ok()
                        .map(|text| SourceFile::new(path, text)),
                ),
                // Deleted but not yet committed as such, or a link to a folder.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
                Err(error) => return Err(TaskError::file("read", file)(error)),
            }
        }
        Ok(Self { files })
    }

    /// A tree of the given paths and contents, for tests of checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| SourceFile::new(path, (*text).to_owned()));
        Self {
            files: files.collect(),
        }
    }

    /// The file at a path.
    pub(crate) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every file, in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// Every Rust file with what Rust sees of it.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = (&SourceFile, &RustSource)> {
        self.files
            .iter()
            .filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }
}

impl SourceFile {
    fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs").then(|| RustSource::parse(&text));
        Self {
            path: path.to_owned(),
            text,
            rust,
        }
    }

    /// Whether the whole file is a test: it lies in a `tests` folder or is a `tests.rs`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }

    /// Whether a task writes the file; its first line says so.
    pub(crate) fn is_generated(&self) -> bool {
        self.text.starts_with(kinds::MARK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_this_checkout_holds_this_file() {
        let tree = Tree::load(&Workspace::locate().unwrap()).unwrap();
        let this = tree.file("xtask/src/tidy/tree.rs").unwrap();
        assert!(
            this.text
                .contains("the_tree_of_this_checkout_holds_this_file")
        );
        assert!(this.rust.is_some());
        assert!(tree.files().all(|file| !file.path.starts_with("target/")));
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        let is_test = |path: &str| SourceFile::new(path, String::new()).is_test();
        assert!(is_test("crates/a/tests/end_to_end.rs"));
        assert!(is_test("crates/a/src/store/tests.rs"));
        assert!(!is_test("crates/a/src/contests.rs"));
    }
}
