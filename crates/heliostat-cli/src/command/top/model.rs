//! What `top` shows: a row for each mirror, taken now and then.

use std::collections::VecDeque;
use std::time::Duration;

use heliostat::object::Encoding;
use heliostat::reflector::Activity;
use heliostat_core::printable::printable;
use serde::Serialize;
use tokio::time::Instant;

use crate::command::fleet::{Fleet, Mirror};

/// How many rates are remembered for the little curve.
pub(super) const HISTORY: usize = 12;

/// How a mirror is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MirrorRow {
    pub(super) name: String,
    /// What it is doing, in a word.
    pub(super) state: &'static str,
    pub(super) synced: bool,
    /// It is waiting to try again.
    pub(super) failing: bool,
    pub(super) resource_version: String,
    pub(super) objects: usize,
    /// Changes since the start.
    pub(super) events: u64,
    pub(super) events_per_second: f64,
    /// The rates of the last looks, the oldest first.
    #[serde(skip)]
    pub(super) history: Vec<f64>,
    /// Changes that wait between reflector and store.
    pub(super) queue_depth: usize,
    /// How long the slowest handler is behind.
    pub(super) handler_lag_seconds: f64,
    pub(super) seconds_since_event: Option<f64>,
    pub(super) lists: u64,
    pub(super) watches: u64,
    pub(super) failures: u64,
    pub(super) last_error: Option<String>,
    /// What the objects take: compressed, and those that are kept unpacked.
    pub(super) memory_bytes: u64,
    /// What they would take as the bytes they came in.
    pub(super) raw_bytes: u64,
    /// What has come in, compressed where it was.
    pub(super) received_bytes: u64,
    /// What it came in.
    pub(super) encoding: Option<&'static str>,
}

/// All mirrors at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) rows: Vec<MirrorRow>,
    /// The resident memory of this process in bytes, where the system tells.
    pub(super) memory: Option<u64>,
}

/// Takes samples; remembers enough of the last ones for rates.
pub(super) struct Sampler {
    last: Vec<Remembered>,
}

struct Remembered {
    at: Instant,
    events: u64,
    rates: VecDeque<f64>,
}

impl Sampler {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let at = Instant::now();
        let last = fleet.mirrors.iter().map(|_| Remembered {
            at,
            events: 0,
            rates: VecDeque::new(),
        });
        Self {
            last: last.collect(),
        }
    }

    /// How all are doing now.
    pub(super) fn sample(&mut self, fleet: &Fleet) -> Sample {
        let now = Instant::now();
        let mirrors = fleet.mirrors.iter().zip(&mut self.last);
        Sample {
            rows: mirrors
                .map(|(mirror, last)| row(mirror, last, now))
                .collect(),
            memory: resident_bytes(),
        }
    }
}

impl Remembered {
    /// How many events a second there were since the last look.
    fn rate(&mut self, now: Instant, events: u64) -> f64 {
        let seconds = (now - self.at).as_secs_f64();
        let rate = if seconds > 0.0 {
            events.saturating_sub(self.events) as f64 / seconds
        } else {
            0.0
        };
        self.at = now;
        self.events = events;
        if self.rates.len() == HISTORY {
            self.rates.pop_front();
        }
        self.rates.push_back(rate);
        rate
    }
}

fn row(mirror: &Mirror, last: &mut Remembered, now: Instant) -> MirrorRow {
    let status = mirror.informer.status();
    let lag = mirror
        .informer
        .handlers()
        .into_iter()
        .map(|handler| handler.lag)
        .max();
    let (packing, traffic) = (mirror.packing(), mirror.received());
    MirrorRow {
        name: printable(&mirror.name).to_string(),
        state: status.activity.as_str(),
        synced: status.synced,
        failing: status.activity == Activity::BackingOff,
        resource_version: printable(&status.resource_version).to_string(),
        objects: mirror.object_count(),
        events: status.counts.events,
        events_per_second: last.rate(now, status.counts.events),
        history: last.rates.iter().copied().collect(),
        queue_depth: mirror.informer.queue_depth(),
        handler_lag_seconds: lag.unwrap_or(Duration::ZERO).as_secs_f64(),
        seconds_since_event: status.time_since_last_event().map(|it| it.as_secs_f64()),
        lists: status.counts.lists,
        watches: status.counts.watches,
        failures: status.counts.failures,
        last_error: status.last_error.map(|error| error.message),
        memory_bytes: (packing.packed_bytes + packing.decoded_bytes) as u64,
        raw_bytes: packing.raw_bytes as u64,
        received_bytes: traffic.received_bytes,
        encoding: traffic.encoding.map(|encoding| match encoding {
            Encoding::Protobuf => "protobuf",
            _ => "json",
        }),
    }
}

/// The resident set of this process, as Linux tells it: the second number of `/proc/self/statm`, in
/// pages of 4 KiB, the size on all machines that we build for.
fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_since_the_last_look() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut last = Remembered {
            at: start,
            events: 0,
            rates: VecDeque::new(),
        };
        assert_eq!(last.rate(at(2), 10).to_string(), "5");
        assert_eq!(last.rate(at(2), 10).to_string(), "0", "no time has passed");
        for second in 3..30 {
            last.rate(at(second), 10);
        }
        assert_eq!(last.rates.len(), HISTORY);
    }
}
