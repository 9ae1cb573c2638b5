//! Logging on stderr: plain warnings by default, everything with `--log` or `RUST_LOG`.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Mutex;

use indicatif::ProgressBar;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(detailed);
    if detailed {
        subscriber.init();
    } else {
        subscriber.without_time().init();
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

/// Writes to stderr, above the progress bar.
#[derive(Clone, Copy, Debug)]
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
