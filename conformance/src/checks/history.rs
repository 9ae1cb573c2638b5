//! Promises about the ends of the history: versions that have left it, and versions not in it yet.

use heliostat::source::ListOptions;
use heliostat::{ResourceVersion, Status};

use crate::harness::Scope;
use crate::report::{Breach, Checked, Stop, ensure};
use crate::seen::{Seen, State};
use crate::session::{Session, expect_same, need, next_page, watch_from};

/// How far ahead a version is that no check reaches.
const FAR_AHEAD: u64 = 1_000_000;

/// How far ahead a version is that a few writes reach.
const SHORTLY_AHEAD: u64 = 2;

/// How many writes may be needed to get so far, with other writers on the same storage or none.
const WRITES_MAX: u64 = 20;

const CANNOT_EXPIRE: &str = "the collection cannot make its history expire";

pub(super) async fn old_version_is_refused<S: Scope>(session: &Session<'_, S>) -> Checked {
    let a = session.create("a", 1).await?.state;
    let old = session.list().await?.metadata.resource_version;
    let a = session.update(a.key.name(), 2).await?.state;
    let b = session.create("b", 1).await?.state;
    need(session.scope().expire_history().await, CANNOT_EXPIRE)?;
    let expected = "an error 410 Expired, as the answer or as the first event";
    match session.try_watch(watch_from(old)).await? {
        Err(error) if error.status().is_some_and(Status::is_expired) => {}
        Err(error) => return Err(Stop::unexpected(expected, error)),
        Ok(mut reader) => {
            let seen = reader.next(expected).await?;
            let is_expired = matches!(&seen, Seen::Error(status) if status.is_expired());
            ensure(is_expired, expected, &seen)?;
            let after = reader.next("the end of the stream").await?;
            let is_end = matches!(after, Seen::End);
            ensure(is_end, "the end of the stream after its error", after)?;
        }
    }
    let fresh = session.list().await?;
    expect_same(&[a, b], &fresh.states)?;
    let c = session.create("c", 1).await?;
    let from = watch_from(fresh.metadata.resource_version);
    session.watch(from).await?.expect(&[c]).await?;
    Ok(())
}

pub(super) async fn old_token_is_refused<S: Scope>(session: &Session<'_, S>) -> Checked {
    let states = session.create_all(&["a", "b", "c", "d"]).await?;
    let first = ListOptions {
        limit: Some(2),
        ..ListOptions::default()
    };
    let page = session.served_page(&first).await?;
    let Some(token) = page.metadata.continue_token.clone() else {
        return Err(Stop::PassOver("the source has no pages"));
    };
    session.update("c", 30).await?;
    need(session.scope().expire_history().await, CANNOT_EXPIRE)?;
    match session.page(&next_page(&first, token)).await? {
        Err(error) => ensure(
            error.status().is_some_and(Status::is_resource_expired),
            "an error 410 Expired",
            error,
        ),
        // A source that keeps the state of a token alive may go on with it, and only with it.
        Ok(rest) => {
            let joined: Vec<State> = page.states.into_iter().chain(rest.states).collect();
            expect_same(&states, &joined)
        }
    }
}

pub(super) async fn future_version_is_not_served<S: Scope>(session: &Session<'_, S>) -> Checked {
    session.create("a", 1).await?;
    let Some(current) = session.list().await?.metadata.resource_version.as_decimal() else {
        return Err(Stop::PassOver("versions cannot be compared"));
    };
    list_of_the_future(session, current + FAR_AHEAD).await?;
    let ahead = ResourceVersion::from(current + SHORTLY_AHEAD);
    let mut reader = match session.try_watch(watch_from(ahead.clone())).await? {
        Ok(reader) => reader,
        Err(error) => {
            let is_too_large = error.status().is_some_and(Status::is_too_large);
            return ensure(is_too_large, "a refusal as too large, or silence", error);
        }
    };
    for value in 2..WRITES_MAX {
        let update = session.update("a", value).await?;
        if !ahead.is_older_than(&update.state.version) {
            continue;
        }
        let expected = format!("nothing up to {ahead}, then {update}");
        let seen = reader.next_change(&expected).await?;
        return ensure(update.is_met_by(&seen), expected, seen);
    }
    let seen = format!("{WRITES_MAX} writes that did not reach it");
    Err(Stop::unexpected(format!("versions after {ahead}"), seen))
}

/// A list of a version that is far away must not be answered, nor fail in another way.
async fn list_of_the_future<S: Scope>(session: &Session<'_, S>, version: u64) -> Checked {
    let options = ListOptions {
        resource_version: version.into(),
        ..ListOptions::default()
    };
    let expected = "a refusal as too large, or silence";
    match session.page(&options).await {
        Err(Stop::Breach(Breach::Silence { .. })) => Ok(()),
        Err(stop) => Err(stop),
        Ok(Err(error)) => {
            let is_too_large = error.status().is_some_and(Status::is_too_large);
            ensure(is_too_large, expected, error)
        }
        Ok(Ok(answer)) => {
            let told = answer.metadata.resource_version;
            Err(Stop::unexpected(expected, format!("a list of {told}")))
        }
    }
}
