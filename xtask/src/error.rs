//! What can go wrong in a task, who must act, and the exit code that tells scripts apart.
//!
//! Every variant says what failed on what; [`TaskError::next`] says what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a task did not end well.
#[derive(Debug, Error)]
pub(crate) enum TaskError {
    /// A command ran and said no.
    #[error("`{command}` failed: {status}")]
    CommandFailed {
        /// The command as a person would type it.
        command: String,
        /// How it ended, in words.
        status: String,
    },
    /// A command could not be run at all.
    #[error("`{command}` could not be started: {source}")]
    CommandNotStarted {
        /// The command as a person would type it.
        command: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A check looked and found something; the findings are printed already.
    #[error("{what}")]
    Found {
        /// What was found, counted.
        what: String,
        /// What to do about it.
        next: String,
    },
    /// A program that the task needs is not there and could not be had.
    #[error("{tool} is not available: {reason}")]
    ToolMissing {
        /// The program.
        tool: &'static str,
        /// Why it could not be installed.
        reason: String,
        /// What to do about it.
        next: String,
    },
    /// A command printed something that the task does not understand.
    #[error("cannot understand the output of `{command}`: {reason}")]
    UnexpectedOutput {
        /// The command as a person would type it.
        command: String,
        /// What was not understood.
        reason: String,
    },
}

impl TaskError {
    /// An error about a file, for use in `map_err`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// What the reader should do next, where there is something better than reading the message.
    pub(crate) fn next(&self) -> Option<&str> {
        match self {
            Self::Found { next, .. } | Self::ToolMissing { next, .. } => Some(next),
            Self::CommandFailed { .. } => {
                Some("read its output above; the same command can be run alone")
            }
            Self::CommandNotStarted { .. } => Some("install the program and try again"),
            Self::File { .. } | Self::UnexpectedOutput { .. } => None,
        }
    }

    /// 1 for a check or test that failed, 3 for a program that is missing (2 is clap's own).
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::ToolMissing { .. } | Self::CommandNotStarted { .. } => 3,
            Self::CommandFailed { .. }
            | Self::File { .. }
            | Self::Found { .. }
            | Self::UnexpectedOutput { .. } => 1,
        }
    }
}
