//! The words of a script: items, errors and durations as text.
//!
//! | command | what happens |
//! |---|---|
//! | `config NAME=VALUE ..` | sets options, before everything else |
//! | `start`, `stop` | the inputs of these names |
//! | `granted` | the permit is granted |
//! | `page rv=5 [continue=T] [remaining=N] ITEM ..` | a whole page: metadata, items, end |
//! | `part [rv=5 ..] [ITEM ..]`, `end` | the same in pieces |
//! | `opened` | the server accepts the watch |
//! | `added ITEM ..`, `modified ITEM ..`, `deleted ITEM ..` | events |
//! | `bookmark RV`, `end-mark RV` | a bookmark; the one that ends a watch-list |
//! | `unknown TYPE[@RV]`, `rejected ITEM` | an unknown event; an unreadable one without a type |
//! | `error CODE REASON ..` | an error event |
//! | `closed` | the watch ends without an error |
//! | `fail refused`, `closed`, `timed-out`, `other`, `decode`, `not-a-list`, `request`, `CODE REASON ..` | the request fails |
//! | `advance 5s`, `advance to-timeout` | time passes, every deadline in its turn |
//! | `oversleep 5s` | time passes, and the machine is told only at the end |
//! | `store commit=fail`, `resync=fail`, `apply=fail` | the next one fails |
//! | `store commit=hold`, `resync=hold` | the next one is not answered |
//! | `committed ok`, `committed fail`, `resynced ..` | the answers that were held back |
//! | `state` | shows where the machine and the store are |
//!
//! An item is `name@version`, with `!uid` and `~reason` where they matter; a key that cannot be read
//! is `?`. The answer belongs to the latest request unless a `#number` follows the command.

use std::time::Duration;

use heliostat_core::error::{DecodeError, SourceError, TransportError, TransportErrorKind};
use heliostat_core::event::{ChangeKind, Item, ListMetadata, Rejection, RejectionReason};
use heliostat_core::object::{Entry, GroupVersionKind, Header, Uid};
use heliostat_core::status::{Status, StatusCause, StatusDetails};

/// Splits a command into words; double quotes keep a word with spaces together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().expect("never empty").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `5s`, `300ms`, `2m` or `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{text:?} is no duration")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no duration"))?;
    Ok(Duration::from_secs_f64(number * seconds))
}

/// An object, or one that could not be understood.
pub(crate) fn item(text: &str, change: Option<ChangeKind>) -> Result<Item<()>, String> {
    let (text, reason) = match text.split_once('~') {
        Some((text, reason)) => (text, Some(rejection_reason(reason)?)),
        None => (text, None),
    };
    let (key, rest) = text.split_once('@').unwrap_or((text, ""));
    let (version, uid) = rest.split_once('!').unwrap_or((rest, ""));
    let named = (key != "?").then(|| key.parse()).transpose();
    let key = named.map_err(|error| format!("{error}"))?;
    match (reason, key) {
        (None, Some(key)) => Ok(Ok(Entry::new(
            Header {
                key,
                resource_version: version.into(),
                uid: Uid::from(uid),
            },
            (),
        ))),
        (None, None) => Err("an object needs a key".to_owned()),
        (Some(reason), key) => Ok(Err(Rejection {
            key,
            resource_version: version.into(),
            change,
            reason,
        })),
    }
}

fn rejection_reason(text: &str) -> Result<RejectionReason, String> {
    Ok(match text {
        "wrong-kind" => RejectionReason::WrongKind {
            expected: GroupVersionKind::new("v1", "Pod"),
            actual: GroupVersionKind::new("v1", "Service"),
        },
        "table" => RejectionReason::Table,
        "no-metadata" => RejectionReason::NoMetadata("metadata is no object".to_owned()),
        "undecodable" => RejectionReason::Undecodable("spec is no object".to_owned()),
        "transform" => RejectionReason::Transform("refused".to_owned()),
        _ => return Err(format!("no object is rejected for {text:?}")),
    })
}

/// The metadata of a page, as far as these words tell it; the rest of the words.
pub(crate) fn metadata(words: &[String]) -> Result<(Option<ListMetadata>, Vec<&str>), String> {
    let mut metadata = None;
    let mut rest = Vec::new();
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            rest.push(word.as_str());
            continue;
        };
        let metadata = metadata.get_or_insert_with(ListMetadata::default);
        match name {
            "rv" => metadata.resource_version = value.into(),
            "continue" => metadata.continue_token = Some(value.to_owned()),
            "remaining" => {
                let count = value.parse().map_err(|_| format!("{word:?}: no number"))?;
                metadata.remaining_item_count = Some(count);
            }
            _ => return Err(format!("a list has no {name:?}")),
        }
    }
    Ok((metadata, rest))
}

/// Why a request failed.
pub(crate) fn source_error(words: &[String]) -> Result<SourceError, String> {
    let first = words.first().ok_or("why did it fail?")?;
    let transport = |kind, message| Ok(TransportError::new(kind, message).into());
    match first.as_str() {
        "refused" => transport(TransportErrorKind::Refused, "connection refused"),
        "closed" => transport(TransportErrorKind::Closed, "connection closed"),
        "timed-out" => transport(TransportErrorKind::TimedOut, "nothing came in time"),
        "other" => transport(TransportErrorKind::Other, "no route to host"),
        "decode" => Ok(DecodeError::Malformed {
            what: "watch frame",
            offset: 7,
            reason: "unexpected end".to_owned(),
        }
        .into()),
        "not-a-list" => Ok(DecodeError::NotAList("Table".to_owned()).into()),
        "request" => Ok(SourceError::Request("no such resource".into())),
        _ => Ok(status(words)?.into()),
    }
}

/// `CODE [REASON] [message=..] [cause=..] [cause-message=..] [retry-after=SECONDS]`; the reason `-`
/// is none.
pub(crate) fn status(words: &[String]) -> Result<Status, String> {
    let (code, words) = words.split_first().ok_or("a status needs a code")?;
    let code = code.parse().map_err(|_| format!("{code:?} is no code"))?;
    let mut status = Status::failure(code, "", "");
    let mut details = StatusDetails::default();
    let mut cause = StatusCause::default();
    for word in words {
        match word.split_once('=') {
            None => status.reason = word.replace('-', ""),
            Some(("message", text)) => status.message = text.to_owned(),
            Some(("cause", text)) => cause.reason = text.to_owned(),
            Some(("cause-message", text)) => cause.message = text.to_owned(),
            Some(("retry-after", seconds)) => {
                let seconds = seconds.parse();
                details.retry_after_seconds = seconds.map_err(|_| format!("{word:?}"))?;
            }
            Some(("details", "none")) => {}
            Some((name, _)) => return Err(format!("a status has no {name:?}")),
        }
    }
    if cause != StatusCause::default() {
        details.causes.push(cause);
    }
    if !words.iter().any(|word| word == "details=none") {
        status.details = Some(details);
    }
    Ok(status)
}
