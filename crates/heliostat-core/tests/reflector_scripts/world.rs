//! A driver and a store for one machine, both as plain as can be, and what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use heliostat_core::event::{ChangeKind, Item, ListPart, WatchEvent};
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::reflector::{Activity, AttemptId, Input, Output, ReflectorMachine, Report};
use heliostat_core::store::{History, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;

use crate::command::{duration, item, metadata, source_error, status, words};
use crate::print;
use crate::settings::Settings;

/// How many outputs one command may bring before the machine counts as running in circles.
const OUTPUTS_MAX: usize = 10_000;

/// One machine with all it needs.
#[derive(Default)]
pub(crate) struct World {
    settings: Settings,
    /// Made by the first command that is not `config`.
    machine: Option<ReflectorMachine<()>>,
    now: Time,
    store: Model,
    /// Every request ever made, in order.
    attempts: Vec<AttemptId>,
    /// Requests that are neither over nor given up.
    open: BTreeSet<AttemptId>,
    permit: Permit,
    /// The version that the machine had reached after the last command.
    reached: ResourceVersion,
    /// A consistent read confirmed since then that the source went back.
    rewound: bool,
    stopped: bool,
    lines: Vec<String>,
}

/// The store: the present set, and the set aside during a replace.
#[derive(Default)]
struct Model {
    objects: BTreeMap<ObjectKey, Entry<()>>,
    staged: Option<BTreeMap<ObjectKey, Entry<()>>>,
    commit: Answer,
    resync: Answer,
    apply: Answer,
}

/// How the store answers the next time.
#[derive(Clone, Copy, Default, PartialEq)]
enum Answer {
    #[default]
    Ok,
    Fail,
    Hold,
}

#[derive(Default, PartialEq)]
enum Permit {
    #[default]
    None,
    Wanted,
    Held,
}

impl World {
    /// Executes one command; what came of it.
    pub(crate) fn execute(&mut self, line: &str) -> Result<Vec<String>, String> {
        let mut words = words(line);
        let command = words.remove(0);
        let attempt = self.take_attempt(&mut words)?;
        match command.as_str() {
            "config" => self.configure(&words)?,
            "advance" => self.advance(words.first().ok_or("how far?")?)?,
            "oversleep" => {
                self.now = self.now + duration(words.first().ok_or("how long?")?)?;
                let now = self.now;
                self.machine().handle_timeout(now);
            }
            "store" => self.prepare_store(&words)?,
            "state" => self.show_state(),
            command => {
                for input in self.inputs(command, attempt, &words)? {
                    let now = self.now;
                    self.machine().handle_input(now, input);
                    self.execute_outputs()?;
                }
            }
        }
        self.execute_outputs()?;
        self.check_at_rest()?;
        Ok(std::mem::take(&mut self.lines))
    }

    /// What must hold whenever nothing is left to do: the version went back only where that was
    /// confirmed, no permit is held where none is needed, and nothing is staged outside of a list and
    /// a watch-list.
    fn check_at_rest(&mut self) -> Result<(), String> {
        let Some(machine) = &self.machine else {
            return Ok(());
        };
        let version = machine.last_sync_resource_version();
        let back = self.settings.strict && version.is_older_than(&self.reached);
        ensure(!back || self.rewound, "the version went back")?;
        self.reached = version.clone();
        self.rewound = false;
        match machine.activity() {
            Activity::Probing => ensure(
                self.store.staged.is_none(),
                "staged objects wait for nothing",
            ),
            Activity::Idle | Activity::Watching | Activity::BackingOff | Activity::Stopped => {
                ensure(self.permit == Permit::None, "a permit is held for nothing")?;
                ensure(
                    self.store.staged.is_none(),
                    "staged objects wait for nothing",
                )
            }
            _ => Ok(()),
        }
    }

    /// What must hold once the machine has stopped.
    pub(crate) fn check_over(&mut self) -> Result<(), String> {
        let activity = self.machine().activity();
        ensure(self.stopped, "it did not say that it stopped")?;
        ensure(activity == Activity::Stopped, "it is not stopped")?;
        ensure(self.open.is_empty(), "a request is left open")?;
        ensure(self.store.staged.is_none(), "staged objects are left")?;
        ensure(self.permit == Permit::None, "a permit is left")?;
        ensure(
            self.machine().poll_timeout().is_none(),
            "a deadline is left",
        )
    }

    fn machine(&mut self) -> &mut ReflectorMachine<()> {
        let config = &self.settings.config;
        self.machine
            .get_or_insert_with(|| ReflectorMachine::new(config.clone(), Time::ZERO, 1))
    }

    fn configure(&mut self, words: &[String]) -> Result<(), String> {
        ensure(self.machine.is_none(), "too late for config")?;
        for word in words {
            let (name, value) = word.split_once('=').ok_or("want NAME=VALUE")?;
            self.settings.set(name, value)?;
        }
        Ok(())
    }

    /// The request that a command names, or else the latest.
    fn take_attempt(&self, words: &mut Vec<String>) -> Result<Option<AttemptId>, String> {
        let Some(number) = words.first().filter(|word| word.starts_with('#')).cloned() else {
            return Ok(self.attempts.last().copied());
        };
        words.remove(0);
        let known = |attempt: &&AttemptId| attempt.to_string() == number;
        match self.attempts.iter().find(known) {
            Some(attempt) => Ok(Some(*attempt)),
            None => Err(format!("there was no request {number}")),
        }
    }

    fn inputs(
        &mut self,
        command: &str,
        attempt: Option<AttemptId>,
        words: &[String],
    ) -> Result<Vec<Input<()>>, String> {
        match (command, words.first().map(String::as_str)) {
            ("start", _) => return Ok(vec![Input::Start]),
            ("stop", _) => return Ok(vec![Input::Stop]),
            ("committed", Some(word)) => {
                let answer = answer(word)?;
                if answer.is_ok() {
                    self.store.objects = self.store.staged.take().ok_or("nothing to commit")?;
                }
                return Ok(vec![Input::Committed(answer)]);
            }
            ("resynced", Some(word)) => return Ok(vec![Input::Resynced(answer(word)?)]),
            _ => {}
        }
        let attempt = attempt.ok_or("no request was made yet")?;
        match command {
            "granted" => {
                // A permit that is no longer wanted is not granted.
                if self.permit == Permit::Wanted {
                    self.permit = Permit::Held;
                }
                Ok(vec![Input::PermitGranted { attempt }])
            }
            "page" | "part" => {
                let mut inputs = parts(attempt, words)?;
                if command == "page" {
                    self.open.remove(&attempt);
                    inputs.push(Input::ListEnded { attempt });
                }
                Ok(inputs)
            }
            "end" => {
                self.open.remove(&attempt);
                Ok(vec![Input::ListEnded { attempt }])
            }
            "closed" => {
                self.open.remove(&attempt);
                Ok(vec![Input::WatchEnded { attempt }])
            }
            "fail" => {
                self.open.remove(&attempt);
                let error = source_error(words)?;
                Ok(vec![Input::Failed { attempt, error }])
            }
            "opened" => Ok(vec![Input::WatchOpened { attempt }]),
            _ => {
                let events = events(command, words)?;
                let input = |event| Input::Event { attempt, event };
                Ok(events.into_iter().map(input).collect())
            }
        }
    }

    /// Lets time pass, stopping at every deadline on the way.
    fn advance(&mut self, how_far: &str) -> Result<(), String> {
        let end = match how_far {
            "to-timeout" => self.machine().poll_timeout().ok_or("no deadline is set")?,
            text => self.now + duration(text)?,
        };
        let mut turns = 0;
        while let Some(due) = self.machine().poll_timeout().filter(|due| *due <= end) {
            turns += 1;
            ensure(turns < OUTPUTS_MAX, "the deadlines do not come to an end")?;
            self.now = due.max(self.now);
            let before = self.lines.len();
            let now = self.now;
            self.machine().handle_timeout(now);
            self.execute_outputs()?;
            if self.lines.len() > before {
                let at = format!("at {}", print::seconds(now.elapsed()));
                self.lines.insert(before, at);
            }
        }
        self.now = end;
        Ok(())
    }

    fn prepare_store(&mut self, words: &[String]) -> Result<(), String> {
        for word in words {
            let (name, value) = word.split_once('=').ok_or("want NAME=VALUE")?;
            let answer = match value {
                "fail" => Answer::Fail,
                "hold" => Answer::Hold,
                _ => return Err(format!("no store answers {value:?}")),
            };
            match name {
                "commit" => self.store.commit = answer,
                "resync" => self.store.resync = answer,
                "apply" => self.store.apply = answer,
                _ => return Err(format!("a store has no {name:?}")),
            }
        }
        Ok(())
    }

    fn show_state(&mut self) {
        let machine = self.machine();
        let activity = machine.activity().as_str();
        let version = print::version(machine.last_sync_resource_version());
        let late = match machine.late_answers() {
            0 => String::new(),
            count => format!(" late-answers={count}"),
        };
        let objects: Vec<_> = self.store.objects.values().collect();
        let objects: Vec<_> = objects.iter().map(|e| print::header(&e.header)).collect();
        let line = format!("{activity} {version}{late} store=[{}]", objects.join(" "));
        self.lines.push(line);
    }

    fn execute_outputs(&mut self) -> Result<(), String> {
        let mut count = 0;
        while let Some(output) = self.machine().poll_output() {
            count += 1;
            ensure(count < OUTPUTS_MAX, "the outputs do not come to an end")?;
            ensure(!self.stopped, "something came after the end")?;
            let answer = self.execute_output(output)?;
            if let Some(input) = answer {
                let now = self.now;
                self.machine().handle_input(now, input);
            }
        }
        Ok(())
    }

    /// Does what an output says; the answer, if it wants one at once.
    fn execute_output(&mut self, output: Output<()>) -> Result<Option<Input<()>>, String> {
        match output {
            Output::AcquirePermit { attempt } => {
                ensure(self.permit == Permit::None, "a second permit is wanted")?;
                self.permit = Permit::Wanted;
                self.attempts.push(attempt);
                self.say(format!("acquire permit {attempt}"));
            }
            Output::ReleasePermit => {
                ensure(self.permit != Permit::None, "no permit to release")?;
                self.permit = Permit::None;
                self.say("release permit");
            }
            Output::List { attempt, options } => {
                self.requested(attempt, true)?;
                self.say(format!("list {attempt} {}", print::list(&options)));
            }
            Output::Watch { attempt, options } => {
                self.requested(attempt, options.send_initial_events)?;
                self.say(format!("watch {attempt} {}", print::watch(&options)));
            }
            Output::Abort { attempt } => {
                self.open.remove(&attempt);
                self.say(format!("abort {attempt}"));
            }
            Output::Report(report) => {
                if let Report::Rewind(rewind) = &report {
                    self.rewound |= rewind.confirmed;
                }
                if let Some(text) = print::report(&report) {
                    self.say(format!("* {text}"));
                }
            }
            Output::Stopped { cause } => {
                self.stopped = true;
                let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
                self.say(format!("stopped{cause}"));
            }
            Output::Resync => {
                self.say("resync");
                let answer = std::mem::take(&mut self.store.resync);
                return Ok(told(answer).map(Input::Resynced));
            }
            store_output => return self.execute_on_store(store_output),
        }
        Ok(None)
    }

    fn execute_on_store(&mut self, output: Output<()>) -> Result<Option<Input<()>>, String> {
        match output {
            Output::BeginReplace { history } => {
                self.store.staged = Some(BTreeMap::new());
                self.say(match history {
                    History::Same => "begin replace",
                    History::Unknown => "begin replace in an unknown history",
                });
            }
            Output::AbortReplace => {
                if self.store.staged.take().is_some() {
                    self.say("abort replace");
                }
            }
            Output::Stage(entries) => {
                for entry in entries {
                    self.say(format!("stage {}", print::header(&entry.header)));
                    self.staged()?.insert(entry.header.key.clone(), entry);
                }
            }
            Output::Unstage(key) => {
                self.staged()?.remove(&key);
                self.say(format!("unstage {key}"));
            }
            Output::Keep(key) => {
                if let Some(old) = self.store.objects.get(&key).cloned() {
                    self.staged()?.entry(key.clone()).or_insert(old);
                }
                self.say(format!("keep {key}"));
            }
            Output::Commit { version } => {
                self.say(format!("commit {}", print::version(&version)));
                return self.commit();
            }
            Output::Apply {
                change,
                entry,
                version,
            } => self.apply(change, entry, version.as_ref())?,
            Output::Remove { key, version } => {
                ensure(self.store.staged.is_none(), "a change within a replace")?;
                self.store.objects.remove(&key);
                self.say(format!("remove {key}{}", print::reached(version.as_ref())));
            }
            Output::Bookmark { version } => self.say(format!("bookmark -> rv={version}")),
            Output::Moved { version } => self.say(format!("moved -> rv={version}")),
            other => return Err(format!("nobody executes {other:?}")),
        }
        Ok(None)
    }

    fn commit(&mut self) -> Result<Option<Input<()>>, String> {
        ensure(self.store.staged.is_some(), "a commit of nothing")?;
        let answer = std::mem::take(&mut self.store.commit);
        if answer == Answer::Ok {
            self.store.objects = self.store.staged.take().unwrap_or_default();
        }
        // A store may keep what it did not commit until it is told to drop it.
        Ok(told(answer).map(Input::Committed))
    }

    fn apply(
        &mut self,
        change: ChangeKind,
        entry: Entry<()>,
        version: Option<&ResourceVersion>,
    ) -> Result<(), String> {
        ensure(self.store.staged.is_none(), "a change within a replace")?;
        let failed = std::mem::take(&mut self.store.apply) == Answer::Fail;
        let lost = if failed { ", the store fails" } else { "" };
        self.say(format!(
            "{} {}{}{lost}",
            print::change(change),
            print::header(&entry.header),
            print::reached(version)
        ));
        if failed {
            return Ok(());
        }
        match change {
            ChangeKind::Added | ChangeKind::Modified => {
                self.store.objects.insert(entry.header.key.clone(), entry);
            }
            ChangeKind::Deleted => {
                self.store.objects.remove(&entry.header.key);
            }
        }
        Ok(())
    }

    fn requested(&mut self, attempt: AttemptId, expensive: bool) -> Result<(), String> {
        ensure(self.open.is_empty(), "a second request at a time")?;
        if self.settings.budgeted && expensive {
            ensure(self.permit == Permit::Held, "a request without a permit")?;
        }
        self.attempts.push(attempt);
        self.open.insert(attempt);
        Ok(())
    }

    fn staged(&mut self) -> Result<&mut BTreeMap<ObjectKey, Entry<()>>, String> {
        let staged = self.store.staged.as_mut();
        staged.ok_or_else(|| "staging outside of a replace".to_owned())
    }

    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

fn parts(attempt: AttemptId, words: &[String]) -> Result<Vec<Input<()>>, String> {
    let (metadata, items) = metadata(words)?;
    let items: Result<Vec<Item<()>>, String> =
        items.into_iter().map(|text| item(text, None)).collect();
    let items = items?;
    let mut parts = Vec::new();
    parts.extend(metadata.map(ListPart::Metadata));
    if !items.is_empty() {
        parts.push(ListPart::Items(items));
    }
    let input = |part| Input::ListPart { attempt, part };
    Ok(parts.into_iter().map(input).collect())
}

fn events(command: &str, words: &[String]) -> Result<Vec<WatchEvent<()>>, String> {
    let first = || words.first().ok_or("of what?");
    let bookmark = |initial_events_end| -> Result<_, String> {
        Ok(vec![WatchEvent::Bookmark {
            resource_version: words.first().map_or("", String::as_str).into(),
            initial_events_end,
        }])
    };
    match command {
        "added" => changes(ChangeKind::Added, words),
        "modified" => changes(ChangeKind::Modified, words),
        "deleted" => changes(ChangeKind::Deleted, words),
        "bookmark" => bookmark(false),
        "end-mark" => bookmark(true),
        "unknown" => {
            let text = first()?;
            let (event_type, version) = text.split_once('@').unwrap_or((text, ""));
            Ok(vec![WatchEvent::Unknown {
                event_type: event_type.to_owned(),
                resource_version: version.into(),
            }])
        }
        "rejected" => match item(first()?, None)? {
            Ok(_) => Err("why was it rejected?".to_owned()),
            Err(rejection) => Ok(vec![WatchEvent::Rejected(rejection)]),
        },
        "error" => Ok(vec![WatchEvent::Error(status(words)?)]),
        _ => Err("no such command".to_owned()),
    }
}

fn changes(change: ChangeKind, words: &[String]) -> Result<Vec<WatchEvent<()>>, String> {
    words
        .iter()
        .map(|text| {
            Ok(match (item(text, Some(change))?, change) {
                (Err(rejection), _) => WatchEvent::Rejected(rejection),
                (Ok(entry), ChangeKind::Added) => WatchEvent::Added(entry),
                (Ok(entry), ChangeKind::Modified) => WatchEvent::Modified(entry),
                (Ok(entry), ChangeKind::Deleted) => WatchEvent::Deleted(entry),
            })
        })
        .collect()
}

fn answer(word: &str) -> Result<Result<(), StoreError>, String> {
    match word {
        "ok" => Ok(Ok(())),
        "fail" => Ok(Err(StoreError::new("the disk is full"))),
        _ => Err(format!("no store answers {word:?}")),
    }
}

/// The store's answer, unless it is held back.
fn told(answer: Answer) -> Option<Result<(), StoreError>> {
    match answer {
        Answer::Ok => Some(Ok(())),
        Answer::Fail => Some(Err(StoreError::new("the disk is full"))),
        Answer::Hold => None,
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}
