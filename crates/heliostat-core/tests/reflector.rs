//! What of the reflector's machine is told better by counting than by a story: spreads and long runs.
//!
//! The stories are in `reflector_scripts`.

use std::time::Duration;

use heliostat_core::error::{TransportError, TransportErrorKind};
use heliostat_core::event::{ListMetadata, ListPart, WatchEvent};
use heliostat_core::reflector::{
    Activity, AttemptId, BackoffConfig, Input, Output, ReflectorConfig, ReflectorMachine, Report,
    WatchListMode,
};
use heliostat_core::status::Status;
use heliostat_core::time::Time;

/// A machine at its first request, and that request.
struct Started {
    machine: ReflectorMachine<()>,
    now: Time,
    request: Option<AttemptId>,
    timeouts: Vec<u32>,
    delays: Vec<Duration>,
    lists: u32,
    watches: u32,
}

impl Started {
    fn new(config: ReflectorConfig, seed: u64) -> Self {
        let mut started = Self {
            machine: ReflectorMachine::new(config, Time::ZERO, seed),
            now: Time::ZERO,
            request: None,
            timeouts: Vec::new(),
            delays: Vec::new(),
            lists: 0,
            watches: 0,
        };
        started.tell(Input::Start);
        started
    }

    /// Started, and listed at version 10: the watch is being opened.
    fn watching(config: ReflectorConfig, seed: u64) -> Self {
        let mut started = Self::new(config.watch_list(WatchListMode::Off), seed);
        started.list();
        started
    }

    /// Answers the list with an empty one.
    fn list(&mut self) {
        let attempt = self.request();
        let metadata = ListMetadata {
            resource_version: 10.into(),
            ..ListMetadata::default()
        };
        let part = ListPart::Metadata(metadata);
        self.tell(Input::ListPart { attempt, part });
        self.tell(Input::ListEnded { attempt });
    }

    fn refuse(&mut self) {
        let attempt = self.request();
        let error = TransportError::new(TransportErrorKind::Refused, "refused").into();
        self.tell(Input::Failed { attempt, error });
    }

    fn internal_error(&mut self) {
        let attempt = self.request();
        let event = WatchEvent::Error(Status::failure(500, "InternalError", ""));
        self.tell(Input::Event { attempt, event });
    }

    fn request(&self) -> AttemptId {
        self.request.expect("a request was made")
    }

    fn tell(&mut self, input: Input<()>) {
        let now = self.now;
        self.machine.handle_input(now, input);
        self.execute();
    }

    fn sleep_to_timeout(&mut self) {
        self.now = self.machine.poll_timeout().expect("a deadline is set");
        let now = self.now;
        self.machine.handle_timeout(now);
        self.execute();
    }

    fn execute(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::List { attempt, .. } => {
                    self.lists += 1;
                    self.request = Some(attempt);
                }
                Output::Watch { attempt, options } => {
                    self.watches += 1;
                    self.request = Some(attempt);
                    self.timeouts.extend(options.timeout_seconds);
                }
                Output::Commit { .. } => {
                    let now = self.now;
                    self.machine.handle_input(now, Input::Committed(Ok(())));
                }
                Output::Report(Report::BackingOff { delay }) => self.delays.push(delay),
                _ => {}
            }
        }
    }
}

/// The timeouts that a thousand machines ask of their first watch, in order.
fn first_timeouts(config: &ReflectorConfig) -> Vec<u32> {
    let first = |seed| Started::watching(config.clone(), seed).timeouts;
    let mut timeouts: Vec<u32> = (0..1000).flat_map(first).collect();
    timeouts.sort_unstable();
    timeouts
}

#[test]
fn w_01_r_02_timeouts_are_spread_over_the_whole_window() {
    let long = ReflectorConfig::default().min_watch_timeout(Duration::from_secs(1800));
    let short = ReflectorConfig::default().min_watch_timeout(Duration::from_secs(1));
    for (config, min) in [
        (ReflectorConfig::default(), 300),
        (short, 300),
        (long, 1800),
    ] {
        let timeouts = first_timeouts(&config);
        assert_eq!(timeouts.len(), 1000);
        let (first, last) = (timeouts[0], timeouts[999]);
        assert!(first >= min && first < min + min / 50, "{first}");
        assert!(last < 2 * min && last >= 2 * min - min / 50, "{last}");
        // A tenth of them in every tenth of the window, give or take.
        for tenth in 0..10 {
            let (from, to) = (min + tenth * min / 10, min + (tenth + 1) * min / 10);
            let count = timeouts.iter().filter(|t| (from..to).contains(t)).count();
            assert!((60..=140).contains(&count), "{count} in {from}..{to}");
        }
    }
}

#[test]
fn w_01_wl_01_every_watch_draws_its_own_timeout() {
    let mut started = Started::new(ReflectorConfig::default(), 7);
    for _ in 0..20 {
        started.refuse();
        started.sleep_to_timeout();
    }
    let timeouts = &started.timeouts;
    assert_eq!(timeouts.len(), 21);
    assert!(
        timeouts.iter().all(|t| (300..600).contains(t)),
        "{timeouts:?}"
    );
    let mut different = timeouts.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 10, "{timeouts:?}");
}

#[test]
fn w_01_a_timeout_below_a_second_asks_for_one_second() {
    let nothing = Duration::ZERO;
    let config = ReflectorConfig::default()
        .watch_timeout_range(nothing, nothing)
        .watch_end_grace(nothing)
        .verify_history(false);
    let mut started = Started::watching(config, 1);
    assert_eq!(started.timeouts, [1]);
    let begun = started.now;
    started.sleep_to_timeout();
    assert_eq!(started.now - begun, Duration::from_secs(1));
    assert_eq!(started.watches, 2);
}

#[test]
fn w_16_h_20_r_28_how_often_an_internal_error_is_retried_in_place() {
    let second = Duration::from_secs(1);
    // Retries while each watch takes a second; before the tenth a minute passes if `quiet`.
    let retries = |window: u64, quiet: bool| {
        let config =
            ReflectorConfig::default().max_internal_error_retry(Duration::from_secs(window));
        let config = config.silence_timeout(None).verify_history(false);
        let mut started = Started::watching(config, 1);
        loop {
            let tenth = started.watches == 10;
            started.now = started.now + if quiet && tenth { 60 * second } else { second };
            started.internal_error();
            if started.machine.activity() == Activity::BackingOff {
                return started.watches - 1;
            }
        }
    };
    assert_eq!(retries(0, false), 0);
    assert_eq!(retries(30, false), 31);
    assert_eq!(retries(30, true), 40);
}

#[test]
fn w_04_b_02_b_05_refusals_in_a_row_double_the_delay_up_to_the_cap() {
    let ms = Duration::from_millis;
    let total = |refusals: u32, seed| {
        let backoff = BackoffConfig::exponential(ms(1), ms(50));
        let config = ReflectorConfig::default()
            .backoff(backoff)
            .verify_history(false);
        let mut started = Started::watching(config, seed);
        for _ in 0..refusals {
            started.refuse();
            started.sleep_to_timeout();
        }
        assert_eq!((started.lists, started.watches), (1, refusals + 1));
        started.now - Time::ZERO
    };
    for seed in 0..50 {
        let five = total(5, seed);
        assert!(five >= ms(31) && five < ms(62), "{five:?}");
        let forty = total(40, seed);
        assert!(
            forty >= ms(63 + 34 * 50) && forty < 2 * ms(63 + 34 * 50),
            "{forty:?}"
        );
    }
}

#[test]
fn r_03_a_backoff_of_ones_own_without_jitter_is_exact() {
    let ms = Duration::from_millis;
    let backoff = BackoffConfig::exponential(ms(10), ms(100)).jitter(0.0);
    let mut started = Started::new(ReflectorConfig::default().backoff(backoff), 1);
    for _ in 0..5 {
        started.refuse();
        started.sleep_to_timeout();
    }
    assert_eq!(started.now - Time::ZERO, ms(10 + 20 + 40 + 80 + 100));
    assert_eq!(started.delays, [10, 20, 40, 80, 100].map(ms));
}

#[test]
fn b_01_b_02_the_default_delays_of_a_machine_lie_between_the_base_and_twice_the_base() {
    for seed in 0..100 {
        let mut started = Started::new(ReflectorConfig::default(), seed);
        for base in [800, 1600, 3200, 6400, 12_800, 25_600, 30_000] {
            started.refuse();
            let delay = *started.delays.last().unwrap();
            let base = Duration::from_millis(base);
            assert!(delay >= base && delay < 2 * base, "{delay:?} for {base:?}");
            // Not slept out: the delays must not pass the two minutes that start it over.
            let now = started.now;
            started.machine.handle_timeout(now + delay);
            started.execute();
        }
    }
}

#[test]
fn b_05_delays_of_different_machines_are_spread() {
    let first = |seed| {
        let mut started = Started::new(ReflectorConfig::default(), seed);
        started.refuse();
        started.delays[0]
    };
    let mut delays: Vec<Duration> = (0..100).map(first).collect();
    delays.sort_unstable();
    delays.dedup();
    assert_eq!(delays.len(), 100, "a fleet must not come back all at once");
}
