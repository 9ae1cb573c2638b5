//! Keys alone. Objects are never turned into JSON for it.

use std::io::{self, Write};

use super::{Follow, Item, Message};

pub(super) fn print(items: &[Item], out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        writeln!(out, "{}", item.label())?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> io::Result<()> {
        match message {
            Message::Change(change) => {
                writeln!(out, "{} {}", change.verb.sign(), change.item.label())
            }
            Message::Synced { .. } | Message::Error { .. } => Ok(()),
        }
    }
}
