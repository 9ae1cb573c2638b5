//! Keys alone. Objects are never turned into JSON for it.

use std::io::{self, Write};

use super::unprintable::PrintError;
use super::{Destination, Follow, Item, Message};

pub(super) fn print(
    items: &[Item],
    destination: Destination,
    out: &mut dyn Write,
) -> io::Result<()> {
    for item in items {
        writeln!(out, "{}", item.name(destination))?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower(pub(super) Destination);

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> Result<(), PrintError> {
        if let Message::Change(change) = message {
            writeln!(out, "{} {}", change.verb.sign(), change.item.name(self.0))?;
        }
        Ok(())
    }
}
