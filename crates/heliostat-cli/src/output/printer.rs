//! The thread that prints. Writing to a pipe that nobody reads may block for ever, and must keep
//! neither signals nor the mirror's other work waiting.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;

use super::unprintable::{PrintError, UnprintableLog};
use super::{Destination, Follow, Format, Message};

/// How many messages may wait to be printed. When there are more, the mirror waits: the server then
/// holds the rest back, and in the end cuts the watch, which costs a list and loses nothing.
const WAITING_MAX: usize = 4096;

/// How long the last lines may take once the end has come: who reads slowly may miss some, but a
/// pipe that is stuck does not hold up the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The printing thread.
pub(crate) struct Printer {
    done: oneshot::Receiver<io::Result<()>>,
}

/// A way to the printer. Once all are dropped, it prints what is waiting and ends.
#[derive(Clone)]
pub(crate) struct Outlet {
    sender: mpsc::Sender<Message>,
}

impl Outlet {
    /// Hands a message over; waits while too many are waiting. Must be called on a task of a
    /// multi-threaded runtime. After the end of the printer, messages are dropped.
    pub(crate) fn put(&self, message: Message) {
        match self.sender.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(message)) => {
                // An error says that the printer has ended meanwhile.
                let _ = block_in_place(|| self.sender.blocking_send(message));
            }
        }
    }
}

impl Printer {
    /// Starts to print to stdout.
    pub(crate) fn start(format: Format) -> io::Result<(Self, Outlet)> {
        let mut follower = format.follow(Destination::of_stdout());
        let (sender, mut messages) = mpsc::channel(WAITING_MAX);
        let (finished, done) = oneshot::channel();
        thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || {
                let mut out = super::stdout(format);
                let result = print(&mut *follower, &mut messages, &mut out);
                // An error says that nobody waits for it any more.
                let _ = finished.send(result);
            })?;
        Ok((Self { done }, Outlet { sender }))
    }

    /// Waits until the printer has ended: all outlets are gone, or nothing can be written any more.
    /// Cancel safe.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        match (&mut self.done).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("the printer failed")),
        }
    }

    /// Waits for the last lines, but not for long.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        match tokio::time::timeout(LAST_LINES, self.ended()).await {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!("the last lines were not read in time and are lost");
                Ok(())
            }
        }
    }
}

fn print(
    follower: &mut dyn Follow,
    messages: &mut mpsc::Receiver<Message>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut log = UnprintableLog::new();
    loop {
        let message = match messages.try_recv() {
            Ok(message) => message,
            // Nothing is waiting: now what was printed has to be seen.
            Err(_) => {
                out.flush()?;
                match messages.blocking_recv() {
                    Some(message) => message,
                    None => return Ok(()),
                }
            }
        };
        match follower.tell(&message, out) {
            Err(PrintError::Object(unprintable)) => {
                log.log(&unprintable);
                tell(follower, &Message::Unprintable(unprintable), out)?;
            }
            Err(PrintError::Write(error)) => return Err(error),
            Ok(()) => {}
        }
    }
}

/// Prints a message that has no object.
fn tell(follower: &mut dyn Follow, message: &Message, out: &mut dyn Write) -> io::Result<()> {
    match follower.tell(message, out) {
        Err(PrintError::Write(error)) => Err(error),
        Err(PrintError::Object(_)) | Ok(()) => Ok(()),
    }
}
