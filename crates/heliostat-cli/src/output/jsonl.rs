//! JSON, one object a line: the format for programs.

use std::io::{self, Write};

use super::layout::Json;
use super::unprintable::{PrintError, Skipped};
use super::{Follow, Item, Message};

pub(super) fn print(items: &[Item], skipped: &mut Skipped, out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        let printed = item.read_text(|text| {
            item.write(text, &mut Json::compact(), out)?;
            out.write_all(b"\n")
        });
        skipped.note(printed)?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> Result<(), PrintError> {
        message.write(&mut Json::compact(), out)?;
        Ok(out.write_all(b"\n")?)
    }
}
