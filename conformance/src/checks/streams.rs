//! Promises about streams as such: bookmarks, bad objects, independence, and giving up.

use heliostat::source::WatchOptions;
use heliostat::{ObjectKey, ResourceVersion};

use super::mirror::not_older;
use crate::harness::Scope;
use crate::report::{Checked, Stop, ensure};
use crate::seen::{Change, Seen, show};
use crate::session::{Reader, Session, expect_same, need, watch_from};

pub(super) async fn bookmarks_never_run_ahead<S: Scope>(session: &Session<'_, S>) -> Checked {
    let from = watch_from(session.list().await?.metadata.resource_version);
    let without = WatchOptions {
        allow_bookmarks: false,
        ..from.clone()
    };
    let mut allowed = session.watch(from).await?;
    let mut refused = session.watch(without).await?;
    let mut written = Vec::new();
    let mut confirmed = Vec::new();
    for name in ["a", "b", "c"] {
        let first = session.create(name, 1).await?;
        let second = session.update(name, 2).await?;
        let lacking = "the collection cannot have bookmarks sent";
        need(session.scope().send_bookmark().await, lacking)?;
        let third = session.update(name, 3).await?;
        let changes = [first, second, third];
        let bookmark = read_to_bookmark(&mut allowed, &changes, confirmed.last()).await?;
        confirmed.push(bookmark);
        written.extend(changes);
    }
    for change in &written {
        let seen = refused.next(change).await?;
        let is_met = matches!(&seen, Seen::Change(seen) if change.is_met_by(seen));
        ensure(is_met, change, seen)?;
    }
    let last = session.create("last", 1).await?;
    resume_from_bookmarks(session, &written, &last, &confirmed).await
}

/// Reads these changes and at least one bookmark after the first two; gives the last bookmark.
async fn read_to_bookmark<S: Scope>(
    reader: &mut Reader<'_, S>,
    changes: &[Change],
    before: Option<&ResourceVersion>,
) -> Checked<ResourceVersion> {
    let mut delivered = 0;
    let mut confirmed: Option<ResourceVersion> = before.cloned();
    let mut has_bookmark = false;
    while delivered < changes.len() || !has_bookmark {
        let seen = reader.next("three changes and a bookmark").await?;
        match &seen {
            Seen::Change(change) => {
                let expected = changes.get(delivered);
                let is_next = expected.is_some_and(|expected| expected.is_met_by(change));
                ensure(is_next, "the next of the changes, once", &seen)?;
                let version = &change.state.version;
                let is_ahead = confirmed.as_ref().is_some_and(|confirmed| {
                    confirmed == version || version.is_older_than(confirmed)
                });
                ensure(!is_ahead, "no change that a bookmark has confirmed", &seen)?;
                delivered += 1;
            }
            Seen::Bookmark { version, .. } => {
                if let Some(last) = delivered.checked_sub(1).and_then(|it| changes.get(it)) {
                    not_older(version, &last.state.version)?;
                }
                if let Some(confirmed) = &confirmed {
                    not_older(version, confirmed)?;
                }
                // A bookmark from before the second change may come on its own account.
                has_bookmark |= delivered >= 2;
                confirmed = Some(version.clone());
            }
            other => return Err(Stop::unexpected("a change or a bookmark", other)),
        }
    }
    confirmed.ok_or_else(|| Stop::unexpected("a bookmark", "none"))
}

/// A watch from a bookmark sees what was written after it, and nothing that it confirmed.
async fn resume_from_bookmarks<S: Scope>(
    session: &Session<'_, S>,
    written: &[Change],
    last: &Change,
    bookmarks: &[ResourceVersion],
) -> Checked {
    for bookmark in bookmarks {
        let is_confirmed = |change: &&Change| {
            *bookmark == change.state.version || change.state.version.is_older_than(bookmark)
        };
        let rest = written.iter().skip_while(is_confirmed);
        let rest: Vec<Change> = rest.chain([last]).cloned().collect();
        let mut reader = session.watch(watch_from(bookmark.clone())).await?;
        reader.expect(&rest).await?;
    }
    Ok(())
}

pub(super) async fn bad_object_is_one_item<S: Scope>(session: &Session<'_, S>) -> Checked {
    let states = session.create_all(&["a", "bad", "c"]).await?;
    let lacking = "the collection cannot hold what the source does not decode";
    need(session.scope().spoil("bad").await, lacking)?;
    let [a, bad, c] = states.as_slice() else {
        unreachable!("three were created");
    };
    let answer = session.list().await?;
    expect_same(&[a.clone(), c.clone()], &answer.states)?;
    let rejected: Vec<_> = answer.rejections.iter().map(|it| it.key.as_ref()).collect();
    let seen = format!("{rejected:?}, {}", show(&answer.states));
    ensure(
        rejected == [Some(&bad.key)],
        "one rejected object, bad",
        seen,
    )?;

    let from = watch_from(answer.metadata.resource_version);
    let mut reader = session.watch(from).await?;
    session.update("bad", 20).await?;
    let a = session.update("a", 10).await?;
    expect_rejection(&mut reader, &bad.key).await?;
    reader.expect(&[a]).await?;
    Ok(())
}

async fn expect_rejection<S: Scope>(reader: &mut Reader<'_, S>, key: &ObjectKey) -> Checked {
    let expected = format!("the rejection of {key}");
    loop {
        match reader.next(&expected).await? {
            Seen::Bookmark { .. } => {}
            Seen::Rejected(rejection) => {
                let is_it = rejection.key.as_ref() == Some(key);
                return ensure(is_it, expected, rejection);
            }
            other => return Err(Stop::unexpected(expected, other)),
        }
    }
}

pub(super) async fn watches_are_independent<S: Scope>(session: &Session<'_, S>) -> Checked {
    let early = session.list().await?.metadata.resource_version;
    let mut changes = vec![session.create("a", 1).await?];
    let late = session.list().await?.metadata.resource_version;
    let mut first = session.watch(watch_from(early.clone())).await?;
    let mut unread = session.watch(watch_from(early.clone())).await?;
    let mut dropped = session.watch(watch_from(early)).await?;
    let mut second = session.watch(watch_from(late)).await?;
    changes.push(session.update("a", 2).await?);
    dropped.expect(&changes[..1]).await?;
    drop(dropped);
    changes.push(session.create("b", 1).await?);
    first.expect(&changes).await?;
    let a = changes[1].state.clone();
    let more = [session.delete(&a).await?, session.create("last", 1).await?];
    first.expect(&more).await?;
    changes.extend(more);
    second.expect(&changes[1..]).await?;
    unread.expect(&changes).await?;
    Ok(())
}

pub(super) async fn drop_gives_up<S: Scope>(session: &Session<'_, S>) -> Checked {
    let version = session.list().await?.metadata.resource_version;
    let mut kept = session.watch(watch_from(version.clone())).await?;
    let idle = session.watch(watch_from(version.clone())).await?;
    let mut read = session.watch(watch_from(version)).await?;
    let a = session.create("a", 1).await?;
    read.expect(std::slice::from_ref(&a)).await?;
    drop(read);
    drop(idle);
    kept.expect(&[a, session.create("b", 1).await?]).await?;
    drop(kept);
    let wait = session.scope().wait_for_no_watches();
    let told = session.within(wait, "no open watches").await?;
    need(
        told,
        "the collection does not tell whether watches are open",
    )
}
