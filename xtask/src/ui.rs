//! What tasks print: progress and errors to stderr, results to stdout.
//!
//! Colours appear only on a terminal (anstream strips them elsewhere and honours `NO_COLOR`).
//! A closed pipe is no error: whoever reads the output may have seen enough.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::error::TaskError;

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const HEAD: Style = AnsiColor::Cyan.on_default().bold();
const QUIET: Style = Style::new().dimmed();
const WARN: Style = AnsiColor::Yellow.on_default().bold();

/// A line of a result, to stdout.
pub(crate) fn line(text: &str) {
    _ = writeln!(anstream::stdout(), "{text}");
}

/// A line of a result that is good news.
pub(crate) fn good(text: &str) {
    _ = writeln!(anstream::stdout(), "{GOOD}{text}{GOOD:#}");
}

/// A line of a result that is bad news.
pub(crate) fn bad(text: &str) {
    _ = writeln!(anstream::stdout(), "{BAD}{text}{BAD:#}");
}

/// The start of a part of a task.
pub(crate) fn heading(text: &str) {
    _ = writeln!(anstream::stderr(), "\n{HEAD}==> {text}{HEAD:#}");
}

/// What is being done at the moment.
pub(crate) fn progress(text: &str) {
    _ = writeln!(anstream::stderr(), "{QUIET}{text}{QUIET:#}");
}

/// Something to know that does not fail the task.
pub(crate) fn warning(text: &str) {
    _ = writeln!(anstream::stderr(), "{WARN}warning{WARN:#}: {text}");
}

/// The end of a task that failed, with what to do next.
pub(crate) fn failure(error: &TaskError) {
    let mut stderr = anstream::stderr().lock();
    _ = writeln!(stderr, "{BAD}error{BAD:#}: {error}");
    if let Some(next) = error.next() {
        _ = writeln!(stderr, " {HEAD}next{HEAD:#}: {next}");
    }
}
