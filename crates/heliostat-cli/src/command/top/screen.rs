//! The live picture on a terminal: what it shows is in `view`, here are keys and time.

use std::io;
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::command::fleet::Fleet;
use crate::failure::Failure;
use crate::log;
use crate::signals::Signals;

use super::TopArgs;
use super::model::{Sample, Sampler};
use super::view::{Choice, draw};

/// How many keys may wait: more than anybody presses while a frame is drawn.
const KEYS_MAX: usize = 64;

/// Shows the mirrors until somebody has seen enough. The terminal is given back as it was, also
/// after a panic.
pub(super) async fn run(
    args: &TopArgs,
    fleet: &Fleet,
    sampler: &mut Sampler,
    signals: &mut Signals,
) -> Result<(), Failure> {
    // Shown when the picture is gone.
    let _lines = log::hold_back();
    let mut terminal = ratatui::try_init().map_err(Failure::Write)?;
    let shown = show(args, fleet, sampler, signals, &mut terminal).await;
    let restored = ratatui::try_restore();
    shown.and(restored).map_err(Failure::Write)
}

async fn show(
    args: &TopArgs,
    fleet: &Fleet,
    sampler: &mut Sampler,
    signals: &mut Signals,
    terminal: &mut DefaultTerminal,
) -> io::Result<()> {
    let mut keys = keys()?;
    let mut looks = interval(args.interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = async {
        match args.period {
            Some(period) => sleep(period).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut choice = Choice::default();
    let mut sample = Sample::default();
    loop {
        tokio::select! {
            biased;
            () = signals.wait() => return Ok(()),
            () = &mut end => return Ok(()),
            event = keys.recv() => match event {
                Some(event) if is_enough(&event, &mut choice, sample.rows.len()) => return Ok(()),
                Some(_) => {}
                None => return Ok(()),
            },
            _ = looks.tick() => {
                if !choice.paused {
                    sample = sampler.sample(fleet);
                }
            }
        }
        terminal.draw(|frame: &mut Frame<'_>| draw(frame, &sample, &choice))?;
    }
}

/// What is pressed, from a thread of its own: reading keys blocks. The thread ends with the program,
/// or when a key is pressed that nobody waits for any more.
fn keys() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS_MAX);
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            while let Ok(event) = event::read() {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

/// Does what a key says; true if somebody has seen enough.
fn is_enough(event: &Event, choice: &mut Choice, rows: usize) -> bool {
    let Event::Key(key) = event else {
        return false;
    };
    if key.kind == KeyEventKind::Release {
        return false;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        // In raw mode the terminal makes no signal of it.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
        KeyCode::Char('s') => choice.order = choice.order.next(),
        KeyCode::Char('p') => choice.paused = !choice.paused,
        KeyCode::Char('?') => choice.help = !choice.help,
        KeyCode::Up => choice.selected = choice.selected.saturating_sub(1),
        KeyCode::Down => choice.selected = (choice.selected + 1).min(rows.saturating_sub(1)),
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;
    use crate::command::top::view::Order;

    fn press(choice: &mut Choice, code: KeyCode) -> bool {
        is_enough(&Event::Key(KeyEvent::from(code)), choice, 2)
    }

    #[test]
    fn keys_do_what_the_help_says() {
        let mut choice = Choice::default();
        assert!(!press(&mut choice, KeyCode::Char('s')));
        assert_eq!(choice.order, Order::Name);
        press(&mut choice, KeyCode::Char('p'));
        press(&mut choice, KeyCode::Char('?'));
        assert!(choice.paused && choice.help);
        press(&mut choice, KeyCode::Up);
        assert_eq!(choice.selected, 0);
        press(&mut choice, KeyCode::Down);
        press(&mut choice, KeyCode::Down);
        assert_eq!(choice.selected, 1, "there are two rows");
        assert!(press(&mut choice, KeyCode::Char('q')));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(is_enough(&Event::Key(interrupt), &mut choice, 2));
    }
}
