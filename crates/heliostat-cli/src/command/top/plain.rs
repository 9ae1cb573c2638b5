//! The same without a terminal: a table or lines of JSON, every interval.

use std::io::{self, Write};

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::command::fleet::Fleet;
use crate::command::mirror::once;
use crate::command::progress::Progress;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::size;

use super::model::{Sample, Sampler};
use super::view::{HEADINGS, cells};
use super::{Shown, TopArgs};

/// Prints until the time is up, or a signal comes.
pub(super) async fn run(
    args: &TopArgs,
    fleet: &mut Fleet,
    sampler: &mut Sampler,
    signals: &mut Signals,
) -> Result<(), Failure> {
    if args.once {
        let mut progress = Progress::new("mirrors");
        once::wait(args.timeout, fleet, signals, &mut progress).await?;
        progress.clear();
        let rejected = fleet.rejected().await;
        print(args, &sampler.sample(fleet)).map_err(Failure::Write)?;
        return once::complete(rejected, 0);
    }
    let mut looks = interval(args.interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = async {
        match args.period {
            Some(period) => sleep(period).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            biased;
            () = signals.wait() => return Ok(()),
            () = &mut end => return Ok(()),
            _ = looks.tick() => {}
        }
        print(args, &sampler.sample(fleet)).map_err(Failure::Write)?;
    }
}

fn print(args: &TopArgs, sample: &Sample) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match args.output {
        Shown::Jsonl => print_lines(sample, &mut out)?,
        Shown::Live | Shown::Table => print_table(sample, &mut out)?,
    }
    out.flush()
}

fn print_lines(sample: &Sample, out: &mut dyn Write) -> io::Result<()> {
    for row in &sample.rows {
        serde_json::to_writer(&mut *out, row)?;
        writeln!(out)?;
    }
    Ok(())
}

fn print_table(sample: &Sample, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(sample.rows.iter().map(cells));
    let mut widths = [0; HEADINGS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| {
            let padding = width - cell.chars().count();
            format!("{cell}{:padding$}", "")
        });
        let text = cells.collect::<Vec<_>>().join("   ");
        writeln!(out, "{}", text.trim_end())?;
    }
    if let Some(memory) = sample.memory {
        writeln!(out, "{} resident", size::show(memory))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_mirrors_is_its_headings() {
        let mut out = Vec::new();
        print_table(&Sample::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("MIRROR   STATE"), "{text}");
    }
}
