//! Polite: a server in trouble is left alone. Nothing is asked before an announced delay is over,
//! nor before the time that the server named; and in no ten seconds are there more requests than the
//! backoff and a reconnect a second account for, whatever the answers are. Only the further pages of a
//! list are not counted: a list has a limit of its own.

use std::collections::VecDeque;
use std::time::Duration;

use heliostat_core::event::ListPart;
use heliostat_core::reflector::Report;
use heliostat_core::status::Status;
use heliostat_core::time::Time;

use super::{Heard, Promise, Verdict, View};
use crate::client::Said;
use crate::connection::Answer;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Polite {
    /// Nothing is asked before this: the announced delay.
    announced: Time,
    /// Nothing is asked before this: the server's own word.
    asked_for: Time,
    /// The requests of the window that nothing paid for.
    requests: VecDeque<Time>,
    /// The page that is being read has another one after it.
    is_page: bool,
    /// The next request is that page.
    progress: bool,
}

/// The window in which requests are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// How many requests one round may make without a delay: a watch-list, the same once more, a list,
/// the same for the most recent state, the same whole, the watch, and after a failure a proof, the
/// same without the object, and the watch again, with some room.
const REQUESTS_A_ROUND: usize = 10;

impl Promise for Polite {
    fn name(&self) -> &'static str {
        "polite"
    }

    fn hear(&mut self, view: View<'_>, heard: Heard<'_>) -> Verdict {
        if heard.late {
            return Ok(());
        }
        match heard.answer {
            Answer::Failed(error) => {
                let status = error.status();
                // A version too large is asked about otherwise, at once.
                let wait = status
                    .filter(|status| !status.is_too_large())
                    .and_then(Status::retry_after);
                if let Some(wait) = wait {
                    self.asked_for = view.now + wait;
                }
                self.is_page = false;
            }
            Answer::Part(ListPart::Metadata(metadata)) => {
                let token = metadata.continue_token.as_deref().unwrap_or_default();
                self.is_page = !token.is_empty();
            }
            Answer::ListEnded => self.progress = std::mem::take(&mut self.is_page),
            Answer::Part(ListPart::Items(_))
            | Answer::Event(_)
            | Answer::Opened
            | Answer::WatchEnded => {}
        }
        Ok(())
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if let Said::Report(Report::BackingOff { delay }) = said {
            self.announced = view.now + *delay;
            return longest_delay(view, *delay);
        }
        if said.request().is_none() {
            return Ok(());
        }
        if view.now < self.announced {
            return Err(format!(
                "{said} before the announced delay is over at {}",
                self.announced
            ));
        }
        if view.now < self.asked_for {
            return Err(format!(
                "{said} before the server wants to be asked at {}",
                self.asked_for
            ));
        }
        if std::mem::take(&mut self.progress) {
            return Ok(());
        }
        self.requests.push_back(view.now);
        while self
            .requests
            .front()
            .is_some_and(|first| view.now - *first > WINDOW)
        {
            self.requests.pop_front();
        }
        let most = most_requests(view);
        if self.requests.len() > most {
            let count = self.requests.len();
            return Err(format!(
                "too many requests: {count} within {WINDOW:?}, at most {most} are accounted for"
            ));
        }
        Ok(())
    }
}

/// No delay is longer than the cap with its jitter, or the server's word.
fn longest_delay(view: View<'_>, delay: Duration) -> Verdict {
    let longest = (view.seat.plan.backoff.1 * 2).max(crate::faults::WAIT_MAX);
    if delay <= longest {
        return Ok(());
    }
    Err(format!("a delay of {delay:?}"))
}

/// How many rounds fit in the window, each delay the shortest that the backoff may draw; one more
/// for the round under way, and two for a backoff that starts over within it.
fn most_requests(view: View<'_>) -> usize {
    let (mut delay, cap) = view.seat.plan.backoff;
    let (mut rounds, mut spent) = (3, Duration::ZERO);
    while spent + delay <= WINDOW {
        spent += delay;
        delay = (delay * 2).min(cap);
        rounds += 1;
    }
    let backoffs = if view.seat.plan.own_connection_backoff {
        2
    } else {
        1
    };
    // A watch may be opened again at once, once a second.
    let watches = usize::try_from(WINDOW.as_secs()).unwrap_or_default();
    backoffs * rounds * REQUESTS_A_ROUND + watches
}
