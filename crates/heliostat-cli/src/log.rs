//! Logging on stderr: plain warnings by default, everything with `--log` or `RUST_LOG`.
//!
//! Every value of every line is escaped here, also those of lines that other libraries write: what a
//! server or an object says neither reaches the terminal as anything but text nor forges a line.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Mutex;

use heliostat_core::printable::printable;
use indicatif::ProgressBar;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};

/// Number of bytes of a value that are logged.
const VALUE_BYTES_MAX: usize = 4096;

/// What is logged, as it was written on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Filter(String);

impl Filter {
    /// Reads a level or directives.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        EnvFilter::try_new(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|error| format!("{error}; want for example debug, or heliostat=debug,warn"))
    }
}

/// Starts logging.
pub(crate) fn install(filter: Option<&Filter>) {
    let environment = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let asked_for = filter.map(|filter| filter.0.clone()).or(environment);
    // Who asks for a log wants to know when and where; a bare warning is for anybody.
    let detailed = asked_for.is_some();
    let directives = asked_for.unwrap_or_else(|| "warn".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(Stderr)
        .fmt_fields(fields())
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(detailed);
    if detailed {
        subscriber.init();
    } else {
        subscriber.without_time().init();
    }
}

/// Writes fields: the message as it is, others with their names.
fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(
        |out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
            let value = printable(Value(value)).bytes_max(VALUE_BYTES_MAX);
            match field.name() {
                "message" => write!(out, "{value}"),
                // Text in the log of a terminal is dimmed around its values.
                name if out.has_ansi_escapes() => write!(out, "\x1b[2m{name}=\x1b[0m{value}"),
                name => write!(out, "{name}={value}"),
            }
        },
    )
    .delimited(" ")
}

/// A value of a field, which displays as it debugs.
struct Value<'a>(&'a dyn fmt::Debug);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The progress bar that is on the terminal, if one is: what is logged has to go above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Keeps log lines clear of this bar from now on; of none, with `None`.
pub(crate) fn keep_clear_of(bar: Option<ProgressBar>) {
    if let Ok(mut present) = BAR.lock() {
        *present = bar;
    }
}

/// Lines that wait for the end of a picture on the whole terminal, if there is one.
static HELD_BACK: Mutex<Option<Lines>> = Mutex::new(None);

/// Number of bytes of lines that wait; later ones are counted.
const HELD_BACK_BYTES_MAX: usize = 64 << 10;

/// Lines that are written later.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    left_out: u64,
}

impl Lines {
    /// Takes one line, as the subscriber writes it.
    fn push(&mut self, line: &[u8]) {
        if self.text.len() + line.len() <= HELD_BACK_BYTES_MAX {
            self.text.extend_from_slice(line);
        } else {
            self.left_out += 1;
        }
    }

    fn write(self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.text)?;
        match self.left_out {
            0 => Ok(()),
            count => writeln!(to, "{count} more lines were logged meanwhile"),
        }
    }
}

/// Holds log lines back until the guard is dropped, which writes them: a picture on the whole terminal
/// has no place for them.
pub(crate) fn hold_back() -> HoldBack {
    if let Ok(mut held_back) = HELD_BACK.lock() {
        held_back.get_or_insert_default();
    }
    HoldBack
}

/// While it lives, log lines wait.
#[must_use = "lines are held back until it is dropped"]
pub(crate) struct HoldBack;

impl Drop for HoldBack {
    fn drop(&mut self) {
        let lines = HELD_BACK.lock().ok().and_then(|mut lines| lines.take());
        if let Some(lines) = lines {
            // If stderr is gone, there is no place for them.
            let _ = lines.write(io::stderr());
        }
    }
}

/// Writes to stderr, above the progress bar.
#[derive(Clone, Copy, Debug)]
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(mut held_back) = HELD_BACK.lock()
            && let Some(lines) = &mut *held_back
        {
            lines.push(bytes);
            return Ok(bytes.len());
        }
        let bar = BAR.lock().ok().and_then(|bar| bar.clone());
        match bar {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn lines_that_wait_for_the_end_of_a_picture_have_a_limit() {
        let mut lines = Lines::default();
        let line = [b'x'; 1023];
        for _ in 0..100 {
            lines.push(&[&line[..], b"\n"].concat());
        }
        let mut written = Vec::new();
        lines.write(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text.lines().count(), 65);
        assert!(text.ends_with("\n36 more lines were logged meanwhile\n"));
    }

    /// What is logged by this code.
    fn logged(code: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Written(Arc::clone(&lines)))
            .fmt_fields(fields())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, code);
        String::from_utf8(lines.lock().unwrap().clone()).unwrap()
    }

    #[derive(Clone)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let evil = "x\x1b[2J\r\nERROR forged";
        let text = logged(|| {
            tracing::warn!(said = %evil, quoted = evil, error = ?Some(evil), "{evil}");
            tracing::info_span!("span", %evil).in_scope(|| tracing::warn!("inside"));
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        let is_harmful = |it| heliostat_core::printable::is_harmful(it) && it != '\n';
        assert!(!text.contains(is_harmful), "{text:?}");
        assert_eq!(text.matches(r"\u{1b}[2J\r\nERROR").count(), 5, "{text}");
    }

    #[test]
    fn a_value_of_megabytes_is_cut() {
        let long = "x".repeat(5_000_000);
        let text = logged(|| tracing::warn!(kind = %long, "{long}"));
        assert!(text.len() < 3 * VALUE_BYTES_MAX, "{} bytes", text.len());
    }
}
