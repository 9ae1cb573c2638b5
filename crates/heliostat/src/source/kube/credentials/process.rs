//! Running a plugin: within a time, and with a limit to what it prints.

use std::io::{self, Write as _};
use std::process::Stdio;
use std::time::Duration;

use heliostat_core::printable::printable;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::log_limit::LineLimit;
use crate::source::kube::config::file::BYTES_MAX;

use super::PluginProblem;

/// How long a plugin may run. A login in a browser takes minutes; kubelogin waits three.
const RUN_TIME_MAX: Duration = Duration::from_secs(300);

/// How much of a plugin's standard error is shown.
const SHOWN_BYTES_MAX: usize = 64 << 10;

/// How much of it is kept for the message of an error.
const KEPT_BYTES_MAX: usize = 1 << 10;

/// How much of the terminal the plugin gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Terminal {
    /// All of it: it reads standard input and writes to standard error itself.
    Lent,
    /// It reads standard input; what it writes to standard error is passed on, escaped.
    Input,
    /// It has no standard input; what it writes to standard error is passed on, escaped.
    Withheld,
    /// It has no standard input; what it writes to standard error is logged, since the program draws on
    /// the terminal.
    InUse,
}

/// Runs a program to its end and returns what it printed. A dropped future ends the program. The owner of
/// `lines` is the user whose credentials it obtains.
pub(super) async fn run(
    mut command: Command,
    terminal: Terminal,
    install_hint: Option<&str>,
    lines: &LineLimit,
) -> Result<Vec<u8>, PluginProblem> {
    let (input, error) = match terminal {
        Terminal::Lent => (Stdio::inherit(), Stdio::inherit()),
        Terminal::Input => (Stdio::inherit(), Stdio::piped()),
        Terminal::Withheld | Terminal::InUse => (Stdio::null(), Stdio::piped()),
    };
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(error)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| PluginProblem::Start {
        hint: install_hint
            .filter(|_| error.kind() == io::ErrorKind::NotFound)
            .map(str::to_owned),
        error,
    })?;
    let sink = if terminal == Terminal::InUse {
        let command = command.as_std().get_program();
        Sink::Log(Log {
            lines,
            command: command.to_string_lossy().into_owned(),
            rest: String::new(),
        })
    } else {
        Sink::Stderr
    };
    match tokio::time::timeout(RUN_TIME_MAX, wait(child, sink)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(PluginProblem::TimedOut(RUN_TIME_MAX)),
    }
}

async fn wait(mut child: Child, sink: Sink<'_>) -> Result<Vec<u8>, PluginProblem> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let output = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            let mut limited = stdout.take(BYTES_MAX + 1);
            let read = limited.read_to_end(&mut bytes).await;
            read.map_err(PluginProblem::Output)?;
        }
        if bytes.len() as u64 > BYTES_MAX {
            return Err(PluginProblem::TooMuch);
        }
        Ok(bytes)
    };
    let messages = async {
        match stderr {
            Some(stderr) => pass_on(stderr, sink).await.map_err(PluginProblem::Output),
            None => Ok("its messages are above".to_owned()),
        }
    };
    let end = async { child.wait().await.map_err(PluginProblem::Output) };
    let (bytes, last_line, status) = tokio::try_join!(output, messages, end)?;
    if status.success() {
        Ok(bytes)
    } else {
        Err(PluginProblem::Failed { status, last_line })
    }
}

/// Passes on what comes, escaped, and returns its last line.
async fn pass_on(mut input: impl AsyncRead + Unpin, mut sink: Sink<'_>) -> io::Result<String> {
    let mut shown = 0;
    let mut escaper = Escaper::default();
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; KEPT_BYTES_MAX];
    loop {
        let count = input.read(&mut buffer).await?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        kept.extend_from_slice(bytes);
        kept.drain(..kept.len().saturating_sub(KEPT_BYTES_MAX));
        if shown < SHOWN_BYTES_MAX {
            shown += count;
            sink.show(escaper.push(bytes)).await;
        }
    }
    sink.show(escaper.finish()).await;
    sink.finish();
    let text = String::from_utf8_lossy(&kept);
    let last = text.trim().lines().last().unwrap_or("it printed no reason");
    Ok(printable(last).bytes_max(KEPT_BYTES_MAX).to_string())
}

/// Escapes text that comes in pieces. Line ends are kept; everything else that a terminal obeys is
/// escaped.
#[derive(Default)]
struct Escaper {
    /// The start of a character or of a line end whose rest has not come yet.
    rest: Vec<u8>,
}

impl Escaper {
    /// Returns what can be shown after this piece.
    fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let held = (1..=3).find(|count| {
            let tail = self.rest.len().checked_sub(*count);
            let tail = tail.and_then(|from| self.rest.get(from..));
            tail.is_some_and(is_start)
        });
        let rest = self.rest.split_off(self.rest.len() - held.unwrap_or(0));
        escape_lines(&std::mem::replace(&mut self.rest, rest))
    }

    /// Returns what was held back for a rest that did not come.
    fn finish(mut self) -> String {
        escape_lines(&std::mem::take(&mut self.rest))
    }
}

/// True for the start of a character, and for that of a line end of two.
fn is_start(tail: &[u8]) -> bool {
    match str::from_utf8(tail) {
        Ok(text) => text == "\r",
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

fn escape_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split_inclusive('\n').map(|line| {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line.strip_suffix('\r').unwrap_or(line), "\n"),
            None => (line, ""),
        };
        // The length is limited by the caller.
        format!("{}{end}", printable(line).bytes_max(usize::MAX))
    });
    lines.collect()
}

/// Where escaped text goes.
enum Sink<'a> {
    Stderr,
    Log(Log<'a>),
}

/// The log, as what a plugin writes goes there.
struct Log<'a> {
    lines: &'a LineLimit,
    command: String,
    /// The start of a line whose end has not come yet.
    rest: String,
}

impl Sink<'_> {
    async fn show(&mut self, text: String) {
        match self {
            Self::Stderr => {
                // On a thread that may wait for it. If standard error is gone, the plugin goes on all
                // the same.
                let write = move || {
                    let _ = io::stderr().write_all(text.as_bytes());
                };
                let _ = tokio::task::spawn_blocking(write).await;
            }
            Self::Log(log) => {
                log.rest.push_str(&text);
                while let Some((line, after)) = log.rest.split_once('\n') {
                    log.write(line);
                    log.rest = after.to_owned();
                }
            }
        }
    }

    /// Logs a last line without an end.
    fn finish(self) {
        if let Self::Log(log) = self {
            log.write(&log.rest);
        }
    }
}

impl Log<'_> {
    fn write(&self, line: &str) {
        if !line.is_empty()
            && let Some(held_back) = self.lines.admit("plugin")
        {
            tracing::warn!(
                user = self.lines.owner(),
                command = %printable(&self.command),
                held_back,
                "a credential plugin writes: {}",
                printable(line)
            );
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn shell(script: &str) -> Result<Vec<u8>, PluginProblem> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, Terminal::Withheld, None, &LineLimit::new(None)).await
    }

    #[tokio::test]
    async fn output_has_a_limit_and_a_failure_says_why() {
        assert_eq!(shell("echo out; echo err >&2").await.unwrap(), b"out\n");
        // There is no input.
        assert!(shell("exec cat").await.unwrap().is_empty());
        let endless = shell("exec cat /dev/zero").await.unwrap_err();
        assert_eq!(endless.to_string(), "it printed more than 4 MiB");
        let failed = shell("echo a >&2; echo b >&2; exit 3").await.unwrap_err();
        assert_eq!(failed.to_string(), "it failed with exit status: 3: b");
        let hint = Some("get it at example.com");
        let (command, lines) = (Command::new("/nonexistent/x"), LineLimit::new(None));
        let missing = run(command, Terminal::Withheld, hint, &lines).await;
        let text = missing.unwrap_err().to_string();
        assert!(text.ends_with("; get it at example.com"), "{text}");
    }

    #[tokio::test]
    async fn what_a_plugin_says_cannot_command_the_terminal() {
        let said = "a\x1b]0;owned\x07\tb\r\nc\rd\u{202e}ä€\n\n\u{9b}2J".as_bytes();
        let expected = "a\\u{1b}]0;owned\\u{7}\\tb\nc\\rd\\u{202e}ä€\n\n\\u{9b}2J";
        // However it is cut into pieces.
        for size in 1..=said.len() {
            let mut escaper = Escaper::default();
            let mut shown: String = said.chunks(size).map(|piece| escaper.push(piece)).collect();
            shown.push_str(&escaper.finish());
            assert_eq!(shown, expected, "{size}");
        }
        let mut escaper = Escaper::default();
        assert_eq!(escaper.push(b"Code: x\x9b\xE2\x82"), "Code: x\u{fffd}");
        assert_eq!(escaper.finish(), "\u{fffd}");
        let failed = shell(r"printf 'no\n\033]0;owned\007 sorry' >&2; exit 1").await;
        let text = failed.unwrap_err().to_string();
        assert!(text.ends_with(r": \u{1b}]0;owned\u{7} sorry"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_not_end_is_ended() {
        let started = tokio::time::Instant::now();
        let error = shell("exec sleep 1000").await.unwrap_err();
        assert_eq!(error.to_string(), "it did not end within 300s");
        let limits = RUN_TIME_MAX..RUN_TIME_MAX + Duration::from_secs(1);
        assert!(limits.contains(&started.elapsed()));
    }
}
