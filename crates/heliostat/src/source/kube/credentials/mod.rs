//! What a user proves its identity with: an `Authorization` header, a client certificate, or both.
//!
//! Credentials are obtained when the connection is made, obtained again before they expire, and obtained
//! again after the server has refused them (401). A request that was refused is sent once more if the
//! credentials are different by then.
//!
//! | origin | obtained by | again |
//! |---|---|---|
//! | token, basic, certificate in the kubeconfig | nothing to do | never |
//! | files of tokens, certificates, keys | reading them | every minute, and after a 401 |
//! | exec plugin | running it | before its expiry, and after a 401 |
//!
//! However many requests wait, the files are read or the plugin is run once for all of them, and the
//! work is given up when none of them waits any more. Attempts that fail, and refusals that follow each
//! other, are spaced by a growing delay.
//!
//! | module | what lives there |
//! |---|---|
//! | `shared` | the current credentials, when they are obtained again |
//! | `login` | the user of a kubeconfig as credentials |
//! | `plugin` | the protocol of exec plugins |
//! | `process` | running a plugin within limits |

mod shared;

mod login;

mod plugin;

mod process;

pub(super) use shared::{Credentials, Current, Identity};

use std::fmt;
use std::io;
use std::time::Duration;

use super::config::file::FileError;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
#[error("cannot get the credentials of {user}: {reason}")]
pub(super) struct CredentialsError {
    user: String,
    reason: Reason,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the token from {0} has a line break or another control character in it")]
    Token(String),
    #[error("{0} is not UTF-8")]
    Encoding(String),
    #[error("plugin {command}: {problem}")]
    Plugin {
        command: String,
        problem: PluginProblem,
    },
}

/// What went wrong with an exec plugin. What it printed to its standard output is left out, since that
/// is where credentials come from.
#[derive(Debug, thiserror::Error)]
enum PluginProblem {
    #[error("cannot start it: {error}{}", InstallHint(hint))]
    Start {
        error: io::Error,
        hint: Option<String>,
    },
    #[error("it failed with {status}: {last_line}")]
    Failed {
        status: std::process::ExitStatus,
        last_line: String,
    },
    #[error("it did not end within {0:?}")]
    TimedOut(Duration),
    #[error("it printed more than {} MiB", super::config::file::BYTES_MAX >> 20)]
    TooMuch,
    #[error("cannot read its output: {0}")]
    Output(io::Error),
    #[error("its output is not an ExecCredential: {0}")]
    Malformed(String),
    #[error("it returned neither a token nor a client certificate with its key")]
    Nothing,
    #[error("it asks its user (interactiveMode: Always), and standard input is not a terminal")]
    NoTerminal,
    #[error("it asks its user (interactiveMode: Always), and the program draws on the terminal")]
    TerminalInUse,
}

struct InstallHint<'a>(&'a Option<String>);

impl fmt::Display for InstallHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(f, "; {}", hint.trim()),
            None => Ok(()),
        }
    }
}
