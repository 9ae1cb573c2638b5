//! What the demo shows: a picture that is painted over on a terminal, lines where there is none.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::duration;

use super::DemoArgs;
use super::lag::RecentLag;
use super::reflection::State;
use super::trouble::TroubleSummary;

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BUSY: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Both sides at one moment.
#[derive(Debug)]
pub(super) struct View {
    pub(super) elapsed: Duration,
    pub(super) server_objects: usize,
    pub(super) server_version: u64,
    pub(super) changes: u64,
    pub(super) mirror_objects: usize,
    pub(super) mirror_version: Option<u64>,
    pub(super) mirror_activity: String,
    pub(super) mirror_events: u64,
    pub(super) agree: bool,
    pub(super) lag: RecentLag,
    pub(super) troubles: TroubleSummary,
}

/// The end.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) view: View,
    pub(super) played: Duration,
    pub(super) caught_up_after: Duration,
    pub(super) state: State,
    pub(super) differences: usize,
}

/// Where the demo is shown.
#[derive(Debug)]
pub(super) struct Screen {
    picture: Option<Picture>,
    rates: Rates,
}

/// Lines that are painted over. They are bars without a bar, so that widths and resizing are taken
/// care of.
#[derive(Debug)]
struct Picture {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Screen {
    /// Says what is going on and how to try it by hand.
    pub(super) fn new(args: &DemoArgs, namespaces: usize, url: &str) -> io::Result<Self> {
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{HEADING}heliostat demo{HEADING:#}: {} pods in {namespaces} namespaces at {url}, \
             {} changes a second, seed {}",
            thousands(args.pods as u64),
            args.rate,
            args.seed
        )?;
        writeln!(out, "{FAINT}Try it yourself in another terminal:{FAINT:#}")?;
        writeln!(out, "  heliostat mirror pods -A --server {url}")?;
        writeln!(out, "  kubectl --server {url} get pods -A --watch")?;
        writeln!(out)?;
        out.flush()?;
        Ok(Self {
            picture: io::stdout().is_terminal().then(Picture::new),
            rates: Rates::default(),
        })
    }

    /// Whether it is painted over.
    pub(super) const fn is_terminal(&self) -> bool {
        self.picture.is_some()
    }

    /// Shows the state of things.
    pub(super) fn paint(&mut self, view: &View) -> io::Result<()> {
        let (changes, events) = self.rates.of(view);
        let Some(picture) = &mut self.picture else {
            let mut out = anstream::stdout().lock();
            writeln!(out, "{}", line(view, changes, events))?;
            return out.flush();
        };
        picture.paint(view, changes, events);
        Ok(())
    }

    /// Shows a line that stays.
    pub(super) fn tell(&mut self, text: &str) -> io::Result<()> {
        match &self.picture {
            // On the picture it stands as the last fault anyway, and here it stays.
            Some(picture) => picture.all.println(format!("{GOOD}✓{GOOD:#} {text}")),
            None => {
                let mut out = anstream::stdout().lock();
                writeln!(out, "recovered after {}", text.trim_start())?;
                out.flush()
            }
        }
    }

    /// Takes the picture away.
    pub(super) fn clear(&mut self) {
        if let Some(picture) = self.picture.take() {
            // If the terminal is gone, so is the picture.
            let _ = picture.all.clear();
        }
    }

    /// Tells how it ended.
    pub(super) fn sum_up(&self, summary: &Summary) -> io::Result<()> {
        let Summary { view, state, .. } = summary;
        let mut out = anstream::stdout().lock();
        writeln!(out)?;
        if summary.differences == 0 {
            writeln!(
                out,
                "{GOOD}converged{GOOD:#}: {} objects, every key and version equal at version {}; \
                 caught up in {}",
                thousands(view.server_objects as u64),
                view.server_version,
                duration::show(summary.caught_up_after)
            )?;
        } else {
            writeln!(
                out,
                "{BAD}not converged{BAD:#}: {} objects differ; the server has {} at version {}, \
                 the mirror {} at {}",
                summary.differences,
                view.server_objects,
                view.server_version,
                view.mirror_objects,
                shown(view.mirror_version)
            )?;
        }
        writeln!(
            out,
            "  server  {} changes in {}",
            thousands(view.changes),
            duration::show(summary.played)
        )?;
        writeln!(
            out,
            "  mirror  told {} added, {} updated, {} deleted, {} of them found gone by a list",
            thousands(state.added),
            thousands(state.updated),
            thousands(state.deleted),
            thousands(state.vanished)
        )?;
        writeln!(
            out,
            "          from {} watches and {} pages of lists; worst lag {}",
            state.counts.watches,
            state.counts.lists,
            duration::show(view.lag.worst_ever)
        )?;
        writeln!(
            out,
            "  faults  {} survived, the slowest in {}",
            view.troubles.past,
            duration::show(view.troubles.slowest)
        )?;
        out.flush()
    }
}

impl Picture {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        Self {
            all,
            lines: Vec::new(),
        }
    }

    fn paint(&mut self, view: &View, changes: f64, events: f64) {
        let lines = [
            format!("{FAINT}            objects      version   per second{FAINT:#}"),
            format!(
                "  server {:>10} {:>12} {changes:>12.0}",
                thousands(view.server_objects as u64),
                view.server_version,
            ),
            format!(
                "  mirror {:>10} {:>12} {events:>12.0}   {}",
                thousands(view.mirror_objects as u64),
                shown(view.mirror_version),
                view.mirror_activity
            ),
            format!("  {}", verdict(view)),
            String::new(),
            trouble_line(&view.troubles),
        ];
        for (index, text) in lines.into_iter().enumerate() {
            if self.lines.len() <= index {
                let bar = ProgressBar::no_length();
                let style = ProgressStyle::with_template("{wide_msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                self.lines.push(self.all.add(bar));
            }
            if let Some(line) = self.lines.get(index) {
                line.set_message(text);
            }
        }
    }
}

fn verdict(view: &View) -> String {
    let lag = &view.lag;
    let lags = match lag.changes {
        0 => "nothing came lately".to_owned(),
        changes => format!(
            "lag {} median, {} worst of the last {changes} changes",
            duration::show(lag.median),
            duration::show(lag.worst),
        ),
    };
    if view.agree {
        return format!("{GOOD}equal, key by key{GOOD:#}; {lags}");
    }
    let behind = view
        .mirror_version
        .map(|version| view.server_version.saturating_sub(version));
    match behind {
        Some(0) | None => format!("{BUSY}on its way{BUSY:#}; {lags}"),
        Some(behind) => format!("{BUSY}{behind} versions behind{BUSY:#}; {lags}"),
    }
}

fn trouble_line(troubles: &TroubleSummary) -> String {
    match &troubles.under_way {
        Some(fault) => format!("  {BAD}fault{BAD:#}: {fault}"),
        None => format!(
            "  {} faults survived, the slowest in {}",
            troubles.past,
            duration::show(troubles.slowest)
        ),
    }
}

/// The state of things in one line.
fn line(view: &View, changes: f64, events: f64) -> String {
    format!(
        "{:>5.0} s  server {}@{}  mirror {}@{} ({})  {}  {changes:.0} changes/s  {events:.0} \
         events/s  lag {}",
        view.elapsed.as_secs_f64(),
        view.server_objects,
        view.server_version,
        view.mirror_objects,
        shown(view.mirror_version),
        view.mirror_activity,
        if view.agree { "equal" } else { "behind" },
        match view.lag.changes {
            0 => "-".to_owned(),
            _ => duration::show(view.lag.median),
        }
    )
}

fn shown(version: Option<u64>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

/// `12345` as `12,345`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Changes a second, from one painting to the next, smoothed.
#[derive(Debug, Default)]
struct Rates {
    last: Option<(Duration, u64, u64)>,
    smooth: (f64, f64),
}

impl Rates {
    fn of(&mut self, view: &View) -> (f64, f64) {
        let now = (view.elapsed, view.changes, view.mirror_events);
        if let Some((elapsed, changes, events)) = self.last {
            let seconds = now.0.saturating_sub(elapsed).as_secs_f64().max(0.001);
            // A second's worth of smoothing.
            let weight = seconds.min(1.0);
            let blend = |old: f64, count: u64| old + (count as f64 / seconds - old) * weight;
            self.smooth.0 = blend(self.smooth.0, now.1.saturating_sub(changes));
            self.smooth.1 = blend(self.smooth.1, now.2.saturating_sub(events));
        }
        self.last = Some(now);
        self.smooth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown: Vec<String> = [0, 999, 1_000, 1_234_567].map(thousands).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
