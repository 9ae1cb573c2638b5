//! JSON, one object a line: the format for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::{Follow, Item, Message};

pub(super) fn print(items: &[Item], out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        line(&item.value()?, out)?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> io::Result<()> {
        line(&message.to_record()?, out)
    }
}

fn line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
