//! How far the first lists are: a bar on stderr, if that is a terminal.

use std::fmt;
use std::io::{self, IsTerminal as _};

use heliostat::ReflectorStatus;
use heliostat_core::printable::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::totals::Totals;
use crate::{log, size};

/// With a total: a bar, as wide as there is room. A space before it, so that it stands free of the edge.
const BAR: &str = " {spinner:.cyan} {msg} [{wide_bar:.cyan/blue}] {pos}/{len} ({rate}, {elapsed})";

/// Without one: what has come so far.
const COUNT: &str = " {spinner:.cyan} {msg}, {pos} objects ({rate}, {elapsed})";

/// How far the first lists are.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    total_known: bool,
}

impl Progress {
    /// A bar, if there is a terminal to see it.
    pub(crate) fn new(what: &str) -> Self {
        let what = printable(what).to_string();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style(COUNT));
            bar.set_message(format!("listing {what}"));
            log::keep_clear_of(Some(bar.clone()));
            bar
        });
        Self {
            bar,
            what,
            total_known: false,
        }
    }

    /// Shows the state of things. Finished mirrors count with all they hold.
    pub(crate) fn show(&mut self, statuses: &[ReflectorStatus], totals: &Totals) {
        let Some(bar) = &self.bar else {
            return;
        };
        let mut received = 0;
        let mut total = Some(0);
        for status in statuses {
            let (here, expected) = match (&status.progress, status.synced) {
                (_, true) => {
                    let objects = status.objects.unwrap_or(0) as u64;
                    (objects, Some(objects))
                }
                (Some(progress), false) => {
                    let expected = progress.remaining.map(|rest| progress.received + rest);
                    (progress.received, expected)
                }
                (None, false) => (0, None),
            };
            received += here;
            total = total
                .zip(expected)
                .map(|(total, expected)| total + expected);
        }
        if let Some(total) = total {
            if !self.total_known {
                bar.set_style(style(BAR));
                self.total_known = true;
            }
            bar.set_length(total);
        }
        if totals.received_bytes > 0 {
            let received = size::show(totals.received_bytes);
            let packed = size::show(totals.packed_bytes as u64);
            let what = &self.what;
            bar.set_message(format!("listing {what}: {received} in, {packed} kept"));
        }
        bar.set_position(received);
        bar.tick();
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            log::keep_clear_of(None);
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // Its own way to show it has four decimals.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        })
        .progress_chars("━╸─")
}
