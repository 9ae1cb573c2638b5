//! Running other programs: what is run is shown, how it ends is an error that names it.
//!
//! Children do not see the variables that cargo set for this program (`CARGO_PKG_*` and the like):
//! build scripts watch some of them, and everything behind such a script would be built anew
//! whenever a task is run through `cargo xtask`.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::ui;
use crate::workspace::Workspace;

/// How often a child with a deadline is looked at. Short against any deadline, long against the
/// cost of looking.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How a child with a deadline ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// By itself, well.
    Done,
    /// Not by itself: it was ended at its deadline.
    Overdue,
}

/// `cargo`, at the root of the workspace.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    command(
        workspace,
        env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
    )
}

/// Any program, at the root of the workspace.
pub(crate) fn command(workspace: &Workspace, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace.root());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

/// Shows and runs a command whose output goes where ours goes.
///
/// # Errors
///
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    ui::progress(&format!("$ {}", describe(command)));
    let status = command.status().map_err(not_started(command))?;
    succeeded(command, status)
}

/// Runs a command whose output goes where ours goes, and ends it when it takes longer than it may.
/// It is not shown: it is one of many alike.
///
/// # Errors
///
/// When it cannot be started or does not succeed; being late is not an error here.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<Ended, TaskError> {
    let mut child = command.spawn().map_err(not_started(command))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(not_started(command))? {
            return succeeded(command, status).map(|()| Ended::Done);
        }
        if started.elapsed() >= limit {
            end(&mut child);
            return Ok(Ended::Overdue);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a command without showing it and returns what it wrote to stdout.
///
/// # Errors
///
/// When it cannot be started or does not succeed; then with what it wrote to stderr.
pub(crate) fn output(command: &mut Command) -> Result<String, TaskError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(not_started(command))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let status = format!("{}: {}", output.status, said.trim());
    Err(TaskError::CommandFailed {
        command: describe(command),
        status,
    })
}

/// Looks a program up on `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

/// The command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut text = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            text.push_str(&format!("'{argument}'"));
        } else {
            text.push_str(&argument);
        }
    }
    text
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn is_set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || matches!(
            name,
            "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE"
        )
}

fn not_started(command: &Command) -> impl FnOnce(std::io::Error) -> TaskError {
    let command = describe(command);
    move |source| TaskError::CommandNotStarted { command, source }
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), TaskError> {
    if status.success() {
        return Ok(());
    }
    Err(TaskError::CommandFailed {
        command: describe(command),
        status: status.to_string(),
    })
}

/// Ends a child; one that has just ended by itself is as good.
fn end(child: &mut Child) {
    _ = child.kill();
    _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_described_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "two words", ""]);
        assert_eq!(describe(&command), "cargo test 'two words' ''");
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_name_and_what_it_said() {
        let error = output(Command::new("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`sh -c") && text.contains('3') && text.contains("reason"),
            "{text}"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_command_that_does_not_exist_is_a_missing_program() {
        let error = run(&mut Command::new("heliostat-no-such-program")).unwrap_err();
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn a_command_past_its_limit_is_ended() {
        let mut command = Command::new("sh");
        // It reads a pipe that nobody writes to: it would wait for ever.
        command.args(["-c", "read line"]).stdin(Stdio::piped());
        assert_eq!(
            run_within(&mut command, Duration::from_millis(1)).unwrap(),
            Ended::Overdue
        );
    }

    #[test]
    fn a_command_within_its_limit_ends_by_itself() {
        let ended = run_within(&mut Command::new("true"), Duration::from_secs(3600));
        assert_eq!(ended.unwrap(), Ended::Done);
    }

    #[test]
    fn variables_of_the_outer_cargo_run_are_told_from_settings() {
        assert!(is_set_by_cargo_run("CARGO_PKG_NAME"));
        assert!(is_set_by_cargo_run("CARGO_MANIFEST_DIR"));
        assert!(!is_set_by_cargo_run("CARGO_TARGET_DIR"));
        assert!(!is_set_by_cargo_run("CARGO_HOME"));
    }
}
