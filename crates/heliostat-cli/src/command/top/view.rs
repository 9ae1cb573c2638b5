//! The picture: a pure function from a sample to a frame.

use std::cmp::Reverse;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState, Wrap};

use super::model::{MirrorRow, Sample};
use crate::size;

/// What the one who looks has chosen.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) order: Order,
    pub(super) selected: usize,
    pub(super) paused: bool,
    pub(super) help: bool,
}

/// By what the rows are sorted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Order {
    /// As they were named.
    #[default]
    AsNamed,
    Name,
    Objects,
    Memory,
    Rate,
    Lag,
}

impl Order {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::AsNamed => Self::Name,
            Self::Name => Self::Objects,
            Self::Objects => Self::Memory,
            Self::Memory => Self::Rate,
            Self::Rate => Self::Lag,
            Self::Lag => Self::AsNamed,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::AsNamed => "as named",
            Self::Name => "name",
            Self::Objects => "objects",
            Self::Memory => "memory",
            Self::Rate => "events/s",
            Self::Lag => "lag",
        }
    }

    /// The rows in this order; the largest first.
    pub(super) fn sort(self, rows: &mut [MirrorRow]) {
        match self {
            Self::AsNamed => {}
            Self::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
            Self::Objects => rows.sort_by_key(|row| Reverse(row.objects)),
            Self::Memory => rows.sort_by_key(|row| Reverse(row.memory_bytes)),
            Self::Rate => rows.sort_by(|a, b| b.events_per_second.total_cmp(&a.events_per_second)),
            Self::Lag => {
                rows.sort_by(|a, b| b.handler_lag_seconds.total_cmp(&a.handler_lag_seconds));
            }
        }
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, sample: &Sample, choice: &Choice) {
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(6),
        Constraint::Length(1),
    ]);
    let [head, table, detail, foot] = areas.areas(frame.area());
    draw_head(frame, head, sample, choice);
    let mut rows = sample.rows.clone();
    choice.order.sort(&mut rows);
    draw_table(frame, table, &rows, choice);
    if choice.help {
        draw_help(frame, detail);
    } else if let Some(row) = rows.get(choice.selected) {
        draw_detail(frame, detail, row);
    }
    let keys = " q quit   s sort   ↑↓ select   p pause   ? help";
    frame.render_widget(Paragraph::new(keys).style(faint()), foot);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, sample: &Sample, choice: &Choice) {
    let objects: usize = sample.rows.iter().map(|row| row.objects).sum();
    let kept: u64 = sample.rows.iter().map(|row| row.memory_bytes).sum();
    let rate: f64 = sample.rows.iter().map(|row| row.events_per_second).sum();
    let mut spans = vec![
        Span::styled(
            " heliostat top ",
            Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
        ),
        Span::raw(format!(
            "{} mirrors, {objects} objects in {}, {rate:.1} events/s",
            sample.rows.len(),
            size::show(kept),
        )),
    ];
    if let Some(memory) = sample.memory {
        spans.push(Span::raw(format!(", {} resident", size::show(memory))));
    }
    spans.push(Span::styled(
        format!("   sorted: {}", choice.order.as_str()),
        faint(),
    ));
    if choice.paused {
        spans.push(Span::styled("   PAUSED", Style::new().fg(Color::Yellow)));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// The headings of the table; also those of the plain one.
pub(super) const HEADINGS: [&str; 10] = [
    "MIRROR",
    "STATE",
    "VERSION",
    "OBJECTS",
    "MEMORY",
    "EVENTS/S",
    "RECENT",
    "QUEUE",
    "LAG",
    "LAST EVENT",
];

/// The cells of a row, as text; also those of the plain table.
pub(super) fn cells(row: &MirrorRow) -> [String; 10] {
    [
        row.name.clone(),
        row.state.to_owned(),
        row.resource_version.clone(),
        row.objects.to_string(),
        size::show(row.memory_bytes),
        format!("{:.1}", row.events_per_second),
        curve(&row.history),
        row.queue_depth.to_string(),
        seconds(row.handler_lag_seconds),
        row.seconds_since_event
            .map_or_else(|| "-".to_owned(), seconds),
    ]
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, rows: &[MirrorRow], choice: &Choice) {
    let widths = [
        Constraint::Min(20),
        Constraint::Length(13),
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(10),
    ];
    let heading = Row::new(HEADINGS).style(Style::new().add_modifier(Modifier::BOLD));
    let lines = rows.iter().map(|row| {
        let state = if row.failing {
            Style::new().fg(Color::Red)
        } else if row.synced {
            Style::new().fg(Color::Green)
        } else {
            Style::new().fg(Color::Yellow)
        };
        let cells = cells(row).into_iter().enumerate().map(|(index, text)| {
            let style = if index == 1 { state } else { Style::new() };
            Cell::new(text).style(style)
        });
        Row::new(cells)
    });
    let table = Table::new(lines, widths)
        .header(heading)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(Some(choice.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_detail(frame: &mut Frame<'_>, area: Rect, row: &MirrorRow) {
    let counts = format!(
        "{} events, {} lists, {} watches, {} failures",
        row.events, row.lists, row.watches, row.failures
    );
    let came = match row.encoding {
        Some(encoding) => format!(
            "{} received as {encoding}; {} kept for objects of {}",
            size::show(row.received_bytes),
            size::show(row.memory_bytes),
            size::show(row.raw_bytes),
        ),
        None => "nothing received yet".to_owned(),
    };
    let error = match &row.last_error {
        Some(error) => Line::styled(format!("last error: {error}"), Style::new().fg(Color::Red)),
        None => Line::styled("no error so far", faint()),
    };
    let text = vec![Line::raw(counts), Line::raw(came), error];
    let block = Block::bordered().title(format!(" {} ", row.name));
    frame.render_widget(
        Paragraph::new(text).block(block).wrap(Wrap { trim: true }),
        area,
    );
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let text = "MEMORY: what the objects take, compressed. EVENTS/S and RECENT: changes applied. QUEUE: changes that wait between the watch and \
                the store. LAG: how long the slowest listener is behind. LAST EVENT: when the server \
                last said anything, bookmarks included.";
    let block = Block::bordered().title(" help ");
    frame.render_widget(
        Paragraph::new(text).block(block).wrap(Wrap { trim: true }),
        area,
    );
}

/// A little curve, as high as its highest point.
fn curve(history: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = history.iter().copied().fold(0.0, f64::max);
    let bar = |rate: &f64| {
        let height = if highest > 0.0 {
            rate / highest * 7.0
        } else {
            0.0
        };
        BARS.get(height.round() as usize).copied().unwrap_or('█')
    };
    history.iter().map(bar).collect()
}

/// A time for people; what is below a millisecond is none.
fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.001 => "0".to_owned(),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

const fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn row(name: &str, objects: usize) -> MirrorRow {
        MirrorRow {
            name: name.to_owned(),
            state: "watching",
            synced: true,
            failing: false,
            resource_version: "4711".to_owned(),
            objects,
            events: 12,
            events_per_second: 3.5,
            history: vec![0.0, 1.0, 3.5],
            queue_depth: 7,
            handler_lag_seconds: 0.25,
            seconds_since_event: Some(2.0),
            lists: 1,
            watches: 2,
            failures: 1,
            last_error: Some("connection refused".to_owned()),
            memory_bytes: 3 << 19,
            raw_bytes: 6 << 20,
            received_bytes: 12 << 20,
            encoding: Some("protobuf"),
        }
    }

    /// What is on the screen, line by line.
    fn drawn(sample: &Sample, choice: &Choice) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(130, 14)).unwrap();
        terminal.draw(|frame| draw(frame, sample, choice)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let lines = buffer.content().chunks(130);
        lines
            .map(|cells| {
                cells
                    .iter()
                    .map(ratatui::buffer::Cell::symbol)
                    .collect::<String>()
            })
            .collect()
    }

    #[test]
    fn everything_about_a_mirror_is_on_the_screen() {
        let sample = Sample {
            rows: vec![row("pods in all namespaces", 1234), row("nodes", 3)],
            memory: Some(10 << 20),
        };
        let lines = drawn(&sample, &Choice::default());
        let all = lines.join("\n");
        for word in [
            "2 mirrors, 1237 objects in 3.00 MiB, 7.0 events/s, 10.0 MiB resident",
            "pods in all namespaces",
            "watching",
            "4711",
            "1234",
            "1.50 MiB",
            "12.0 MiB received as protobuf; 1.50 MiB kept for objects of 6.00 MiB",
            "▁▃█",
            "250 ms",
            "2.0 s",
            "last error: connection refused",
            "12 events, 1 lists, 2 watches, 1 failures",
            "q quit",
        ] {
            assert!(all.contains(word), "no {word:?} in\n{all}");
        }
        let paused = Choice {
            paused: true,
            help: true,
            ..Choice::default()
        };
        let all = drawn(&sample, &paused).join("\n");
        assert!(
            all.contains("PAUSED") && all.contains("LAG: how long"),
            "{all}"
        );
    }

    #[test]
    fn rows_are_sorted_as_chosen() {
        let mut rows = vec![row("b", 1), row("a", 2), row("c", 3)];
        let mut names = |order: Order| {
            order.sort(&mut rows);
            rows.iter().map(|row| row.name.clone()).collect::<String>()
        };
        assert_eq!(names(Order::AsNamed), "bac");
        assert_eq!(names(Order::Name), "abc");
        assert_eq!(names(Order::Objects), "cab");
        let mut order = Order::AsNamed;
        for _ in 0..6 {
            order = order.next();
        }
        assert_eq!(order, Order::AsNamed);
    }

    #[test]
    fn a_screen_without_room_does_no_harm() {
        let sample = Sample {
            rows: vec![row("pods", 1)],
            memory: None,
        };
        for (width, height) in [(1, 1), (5, 3), (200, 2)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal
                .draw(|frame| draw(frame, &sample, &Choice::default()))
                .unwrap();
        }
    }
}
