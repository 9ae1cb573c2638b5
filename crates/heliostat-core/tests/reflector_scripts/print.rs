//! What comes out of the machine, as the text of a script.

use std::time::Duration;

use heliostat_core::event::ChangeKind;
use heliostat_core::object::Header;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::reflector::{FallBackReason, Phase, Report};
use heliostat_core::version::ResourceVersion;

/// `name@version`, with the uid if there is one.
pub(crate) fn header(header: &Header) -> String {
    let uid = if header.uid.is_unset() {
        String::new()
    } else {
        format!("!{}", header.uid)
    };
    format!("{}@{}{uid}", header.key, header.resource_version)
}

/// `rv=5`; an unset version stays empty.
pub(crate) fn version(version: &ResourceVersion) -> String {
    format!("rv={version}")
}

/// The version that is published with a change, if there is one.
pub(crate) fn reached(reached: Option<&ResourceVersion>) -> String {
    reached.map_or_else(String::new, |reached| format!(" -> {}", version(reached)))
}

/// Seconds without needless zeros.
pub(crate) fn seconds(duration: Duration) -> String {
    let text = format!("{:.3}", duration.as_secs_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}s")
}

/// The options of a list.
pub(crate) fn list(options: &ListOptions) -> String {
    let mut text = version(&options.resource_version);
    if let Some(version_match) = options.resource_version_match {
        text += &format!(" match={}", version_match.as_str());
    }
    match options.limit {
        Some(limit) => text += &format!(" limit={limit}"),
        None => text += " no-limit",
    }
    if let Some(key) = &options.object {
        text += &format!(" object={key}");
    }
    if let Some(token) = &options.continue_token {
        text += &format!(" continue={token}");
    }
    text
}

/// The options of a watch.
pub(crate) fn watch(options: &WatchOptions) -> String {
    let mut text = version(&options.resource_version);
    if let Some(version_match) = options.resource_version_match {
        text += &format!(" match={}", version_match.as_str());
    }
    if options.send_initial_events {
        text += " initial-events";
    }
    if options.allow_bookmarks {
        text += " bookmarks";
    }
    if let Some(timeout) = options.timeout_seconds {
        text += &format!(" timeout={timeout}s");
    }
    text
}

/// What an event does to its object.
pub(crate) const fn change(change: ChangeKind) -> &'static str {
    match change {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "modified",
        ChangeKind::Deleted => "deleted",
    }
}

/// A report; nothing for progress without news.
#[expect(clippy::too_many_lines, reason = "one flat match over the reports")]
pub(crate) fn report(report: &Report) -> Option<String> {
    Some(match report {
        Report::RoundFailed { phase, error } => {
            format!(
                "round failed, handler told: {}: {error}",
                phase_word(*phase)
            )
        }
        Report::WatchFailed { error, relist } => {
            let next = if *relist { "list" } else { "watch again" };
            format!("watch failed, {next}: {error}")
        }
        Report::BackingOff { delay } => format!("back off {}", seconds(*delay)),
        Report::ListCompleted {
            duration,
            items,
            pages,
        } => format!(
            "list completed: items={items} pages={pages} in {}",
            seconds(*duration)
        ),
        Report::ListProgress { items, remaining } => {
            let remaining = (*remaining)?;
            format!("list progress: items={items} remaining={remaining}")
        }
        Report::WatchCompleted { duration, events } => {
            format!("watch completed: events={events} in {}", seconds(*duration))
        }
        Report::RetryAfterShortened { asked, granted } => format!(
            "the server asked for {}, and gets {}",
            seconds(*asked),
            seconds(*granted)
        ),
        Report::VeryShortWatch => "very short watch".to_owned(),
        Report::SilentWatch { silence } => format!("silent watch: {}", seconds(*silence)),
        Report::OverdueWatch => "overdue watch".to_owned(),
        Report::Synced {
            version,
            watch_list,
        } => {
            let through = if *watch_list { "watch-list" } else { "list" };
            format!("synced at rv={version} through a {through}")
        }
        Report::WatchListFellBack { reason } => {
            format!("watch-list fell back: {}", fall_back(reason))
        }
        Report::WatchListWaiting {
            waiting,
            since_event,
        } => {
            let since = since_event.map_or_else(
                || "no event yet".to_owned(),
                |since| format!("last event {} ago", seconds(since)),
            );
            format!(
                "waiting for the end mark for {}, {since}",
                seconds(*waiting)
            )
        }
        Report::Rejected(rejection) => rejection.to_string(),
        Report::UnknownEvent { event_type } => format!("unknown event {event_type}"),
        Report::Rewind(rewind) => format!(
            "rewind: seen {} got {}{}{}",
            rewind.seen,
            rewind.got,
            rewind
                .object
                .as_ref()
                .map_or_else(String::new, |key| format!(" of {key}")),
            if rewind.confirmed { ", confirmed" } else { "" }
        ),
        Report::ResyncFailed(error) => format!("resync failed: {error}"),
        other => format!("{other:?}"),
    })
}

fn fall_back(reason: &FallBackReason) -> String {
    match reason {
        FallBackReason::Failed(error) => error.to_string(),
        FallBackReason::NoEndMark { waited } => format!("no end mark in {}", seconds(*waited)),
        FallBackReason::VeryShort => "very short".to_owned(),
        FallBackReason::Store(error) => format!("the store did not take it: {error}"),
        other => format!("{other:?}"),
    }
}

const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::List => "list",
        Phase::WatchRequest => "watch request",
        Phase::WatchStream => "watch stream",
        Phase::WatchList => "watch-list",
    }
}
