//! Tables for people. Every line is coloured here; the stream behind `out` takes the colours away
//! where nobody sees them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use heliostat_core::printable::{is_harmful, printable};
use jiff::Timestamp;

use super::columns::Columns;
use super::unprintable::{PrintError, Skipped};
use super::{Change, Follow, Item, Kind, Message, Verb};

/// Prints a whole table, or one for each kind.
pub(super) fn print(items: &[Item], skipped: &mut Skipped, out: &mut dyn Write) -> io::Result<()> {
    let kinds = items.chunk_by(|one, other| one.kind.resource == other.kind.resource);
    for (index, items) in kinds.enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        print_kind(items, skipped, out)?;
    }
    Ok(())
}

fn print_kind(items: &[Item], skipped: &mut Skipped, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = items.first() else {
        return Ok(());
    };
    let mut table = Table::new(&first.kind);
    let rows = items
        .iter()
        .filter_map(|item| skipped.note(table.row(item)).transpose())
        .collect::<io::Result<Vec<_>>>()?;
    table.widen(&rows);
    table.heading("", out)?;
    for row in &rows {
        table.line("", row, None, out)?;
    }
    Ok(())
}

/// Prints the first state as a table, and every change as a line of it with a sign in front; for each
/// kind its own.
#[derive(Debug, Default)]
pub(super) struct Follower {
    kinds: BTreeMap<String, KindFollower>,
    /// Something has been printed.
    has_begun: bool,
}

#[derive(Debug)]
struct KindFollower {
    table: Table,
    /// What came before the first list was complete; then there is nothing to wait for.
    initial: Option<Vec<Vec<String>>>,
}

impl Follower {
    fn kind(&mut self, kind: &Kind) -> &mut KindFollower {
        self.kinds
            .entry(kind.resource.clone())
            .or_insert_with(|| KindFollower {
                table: Table::new(kind),
                initial: Some(Vec::new()),
            })
    }
}

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> Result<(), PrintError> {
        match message {
            Message::Change(change) => self.kind(&change.item.kind).change(change, out),
            Message::Synced { kind, .. } => {
                let separate = std::mem::replace(&mut self.has_begun, true);
                let follower = self.kind(kind);
                if follower.initial.is_some() && separate {
                    writeln!(out)?;
                }
                Ok(follower.synced(out)?)
            }
            // Told on stderr.
            Message::Error { .. } | Message::Unprintable(_) => Ok(()),
        }
    }
}

impl KindFollower {
    fn synced(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(rows) = self.initial.take() else {
            return Ok(());
        };
        self.table.widen(&rows);
        self.table.heading("  ", out)?;
        rows.iter()
            .try_for_each(|row| self.table.line("  ", row, None, out))
    }

    fn change(&mut self, change: &Change, out: &mut dyn Write) -> Result<(), PrintError> {
        let row = self.table.row(&change.item)?;
        if let Some(initial) = &mut self.initial
            && change.verb == Verb::Added
        {
            initial.push(row);
            return Ok(());
        }
        let old = change.old.as_ref();
        let old = old.map(|old| self.table.row(old)).transpose()?;
        let sign = format!("{} ", change.verb.sign());
        let style = match change.verb {
            Verb::Added => AnsiColor::Green.on_default(),
            Verb::Updated => AnsiColor::Yellow.on_default(),
            Verb::Deleted => AnsiColor::Red.on_default(),
            Verb::Resynced => Style::new().dimmed(),
        };
        write!(out, "{style}{sign}{style:#}")?;
        let paint = Paint {
            row: match change.verb {
                Verb::Updated => Style::new(),
                Verb::Added | Verb::Deleted | Verb::Resynced => style,
            },
            old: old.as_deref(),
        };
        Ok(self.table.line("", &row, Some(&paint), out)?)
    }
}

/// How a line is coloured.
struct Paint<'a> {
    row: Style,
    /// The row before: cells that changed stand out.
    old: Option<&'a [String]>,
}

#[derive(Debug)]
struct Table {
    headings: Vec<&'static str>,
    columns: Columns,
    widths: Vec<usize>,
}

impl Table {
    fn new(kind: &Kind) -> Self {
        let columns = Columns::of(kind);
        let namespace = kind.namespaced.then_some("NAMESPACE");
        let headings: Vec<_> = namespace
            .into_iter()
            .chain(["NAME"])
            .chain(columns.headings.iter().copied())
            .chain(["AGE"])
            .collect();
        Self {
            widths: headings.iter().map(|heading| heading.len()).collect(),
            headings,
            columns,
        }
    }

    fn row(&self, item: &Item) -> Result<Vec<String>, PrintError> {
        let (key, kind) = (&item.header.key, &item.kind);
        let mut row = Vec::with_capacity(self.headings.len());
        if kind.namespaced {
            row.push(key.namespace().unwrap_or_default().to_owned());
        }
        row.push(match kind.if_several() {
            Some(resource) => format!("{resource}/{}", key.name()),
            None => key.name().to_owned(),
        });
        item.read(|object| {
            row.extend(self.columns.cells(object));
            row.push(self.columns.age(object, Timestamp::now()));
        })?;
        // A row is a line for people, wherever it goes: a line break would forge another row.
        for cell in &mut row {
            if cell.contains(is_harmful) {
                *cell = printable(&*cell).bytes_max(usize::MAX).to_string();
            }
        }
        Ok(row)
    }

    fn widen(&mut self, rows: &[Vec<String>]) {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
    }

    fn heading(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        let headings: Vec<String> = self.headings.iter().map(|&text| text.to_owned()).collect();
        let bold = Style::new().bold();
        let paint = Paint {
            row: bold,
            old: None,
        };
        self.line(indent, &headings, Some(&paint), out)
    }

    fn line(
        &self,
        indent: &str,
        row: &[String],
        paint: Option<&Paint<'_>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        write!(out, "{indent}")?;
        for (index, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
            let last = index + 1 == row.len();
            // The age is the time that passed, not a change.
            let changed = !last
                && paint
                    .and_then(|paint| paint.old?.get(index))
                    .is_some_and(|old| old != cell);
            let style = match paint {
                Some(_) if changed => AnsiColor::Yellow.on_default().bold(),
                Some(paint) => paint.row,
                None => Style::new(),
            };
            write!(out, "{style}{cell}{style:#}")?;
            if !last {
                let padding = width.saturating_sub(cell.chars().count()) + 3;
                write!(out, "{:padding$}", "")?;
            }
        }
        writeln!(out)
    }
}
