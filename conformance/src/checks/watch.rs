//! Promises about what a watch delivers: the changes, the present state, the end mark.

use futures_util::future::join;
use heliostat::source::{ChangeKind, ResourceVersionMatch, WatchOptions};
use heliostat::{ListerWatcher, ResourceVersion};

use super::mirror::{apply, not_older};
use crate::harness::Scope;
use crate::report::{Checked, Stop, ensure};
use crate::seen::{Seen, State};
use crate::session::{Reader, Session, expect_same, watch_from};

/// How many times the concurrent writer changes its objects.
const CONCURRENT_ROUNDS: u64 = 40;

pub(super) async fn delivers_later_changes<S: Scope>(session: &Session<'_, S>) -> Checked {
    let states = session.create_all(&["a", "b", "c"]).await?;
    session.update("a", 10).await?;
    let version = session.list().await?.metadata.resource_version;
    // Some before the watch, which it has to fetch, and some after, which it has to follow.
    let mut later = vec![
        session.update("a", 11).await?,
        session.delete(&states[1]).await?,
    ];
    let mut reader = session.watch(watch_from(version.clone())).await?;
    later.push(session.update("c", 30).await?);
    later.push(session.create("d", 4).await?);
    later.push(session.update("a", 12).await?);
    let c = &later[2].state;
    later.push(session.delete(c).await?);
    later.push(session.create("last", 1).await?);
    let seen = reader.expect(&later).await?;
    let mut before = &version;
    for change in &seen {
        let now = &change.state.version;
        let expected = format!("a version after {before}");
        let is_later = now != before && !now.is_older_than(before);
        ensure(is_later, expected, change)?;
        before = now;
    }
    Ok(())
}

pub(super) async fn nothing_lost_after_list<S: Scope>(session: &Session<'_, S>) -> Checked {
    session.create_all(&["a", "b"]).await?;
    let writer = async {
        for value in 0..CONCURRENT_ROUNDS {
            session.update("a", 100 + value).await?;
            session.update("b", 100 + value).await?;
            yield_once().await;
        }
        session.create("last", 1).await
    };
    let reader = async {
        let mut rounds = 0;
        // Lists again and again while the writer writes; every watch has to lead to the end.
        loop {
            let answer = session.list().await?;
            let is_over = answer.states.iter().any(|it| it.key.name() == "last");
            if is_over {
                return Ok::<u32, Stop>(rounds);
            }
            yield_once().await;
            let from = watch_from(answer.metadata.resource_version);
            let reader = session.watch(from).await?;
            follow(reader, answer.states, rounds).await?;
            rounds += 1;
        }
    };
    let (written, read) = join(writer, reader).await;
    written?;
    let rounds = read?;
    ensure(
        rounds > 0,
        "a list before the writer's last write",
        "only lists after it",
    )
}

/// Follows a watch for some changes, or to the end; no counter may jump.
async fn follow<S: Scope>(
    mut reader: Reader<'_, S>,
    mut mirror: Vec<State>,
    round: u32,
) -> Checked {
    for _ in 0..=(round % 7) {
        let change = reader.next_change("the writer's next change").await?;
        if change.state.key.name() == "last" {
            return Ok(());
        }
        let before = mirror.iter().find(|it| it.key == change.state.key);
        let before = before.and_then(|state| state.value);
        let expected = match before {
            Some(value) if value >= 100 => value + 1,
            _ => 100,
        };
        let is_next = change.state.value == Some(expected);
        let wanted = format!("{} = {expected} next", change.state.key);
        ensure(is_next, wanted, &change)?;
        apply(&mut mirror, change);
    }
    Ok(())
}

pub(super) async fn delete_carries_last_state<S: Scope>(session: &Session<'_, S>) -> Checked {
    session.create("a", 1).await?;
    let last = session.update("a", 2).await?.state;
    let version = session.list().await?.metadata.resource_version;
    let mut reader = session.watch(watch_from(version)).await?;
    let deletion = session.delete(&last).await?;
    let seen = reader.expect(std::slice::from_ref(&deletion)).await?;
    let [seen] = seen.as_slice() else {
        unreachable!("one change was expected");
    };
    let is_newer = seen.state.version != last.version
        && !seen.state.version.is_unset()
        && !seen.state.version.is_older_than(&last.version);
    let expected = format!("{deletion} with a version after {}", last.version);
    ensure(is_newer, expected, seen)
}

pub(super) async fn recreated_object_is_another<S: Scope>(session: &Session<'_, S>) -> Checked {
    let first = session.create("a", 1).await?.state;
    if first.uid.is_unset() {
        return Err(Stop::PassOver("the collection knows no uids"));
    }
    let version = session.list().await?.metadata.resource_version;
    let deletion = session.delete(&first).await?;
    let second = session.create("a", 2).await?;
    let expected = format!("another uid than {}", first.uid);
    ensure(second.state.uid != first.uid, expected, &second)?;
    let mut reader = session.watch(watch_from(version)).await?;
    reader.expect(&[deletion, second.clone()]).await?;
    expect_same(&[second.state], &session.list().await?.states)
}

pub(super) async fn state_comes_first<S: Scope>(session: &Session<'_, S>) -> Checked {
    let mut states = session.create_all(&["b", "a", "c"]).await?;
    states[0] = session.update("b", 20).await?.state;
    for (version, name) in [
        (ResourceVersion::UNSET, "after-unset"),
        (ResourceVersion::ANY, "after-any"),
    ] {
        let is_any = version.is_any();
        let mut reader = session.watch(watch_from(version)).await?;
        if is_any {
            // Any state is good, so long as it leads to the present one.
            let last = session.create(name, 1).await?.state;
            states.push(last.clone());
            let mut mirror = Vec::new();
            while !mirror.iter().any(|it: &State| it.key == last.key) {
                let change = reader.next_change("the state and the last change").await?;
                apply(&mut mirror, change);
            }
            expect_same(&states, &mirror)?;
        } else {
            reader.expect_state(&states).await?;
            let last = session.create(name, 1).await?;
            reader.expect(std::slice::from_ref(&last)).await?;
            states.push(last.state);
        }
    }
    Ok(())
}

pub(super) async fn watch_list_ends_with_mark<S: Scope>(session: &Session<'_, S>) -> Checked {
    if !session.scope().source().supports_watch_list() {
        return Err(Stop::PassOver("the source says it knows no watch-lists"));
    }
    let empty = session.list().await?.metadata.resource_version;
    let options = watch_list(ResourceVersion::UNSET);
    let mut reader = match session.try_watch(options).await? {
        Ok(reader) => reader,
        Err(error) if error.status().is_some() => {
            return Err(Stop::PassOver("the source refuses watch-lists"));
        }
        Err(error) => return Err(Stop::unexpected("a watch-list, or its refusal", error)),
    };
    expect_mark(&mut reader, &[], &empty).await?;
    let states = session.create_all(&["b", "a", "c"]).await?;
    let listed = session.list().await?.metadata.resource_version;
    for version in [ResourceVersion::UNSET, ResourceVersion::ANY, listed.clone()] {
        let mut reader = session.watch(watch_list(version.clone())).await?;
        // At 0 any state will do, and that may be one from before the list.
        let least = if version.is_any() { &empty } else { &listed };
        expect_mark(&mut reader, &states, least).await?;
        let update = session.update("a", 2).await?;
        reader.expect(std::slice::from_ref(&update)).await?;
    }
    Ok(())
}

/// The state as added, then its end mark, and nothing else before.
async fn expect_mark<S: Scope>(
    reader: &mut Reader<'_, S>,
    states: &[State],
    least: &ResourceVersion,
) -> Checked {
    let mut seen = Vec::new();
    loop {
        let expected = format!("{} objects, then the end mark", states.len());
        match reader.next(&expected).await? {
            Seen::Change(change) if change.kind == ChangeKind::Added => seen.push(change.state),
            Seen::Bookmark {
                version,
                is_end: true,
            } => {
                let keys = |states: &[State]| -> Vec<_> {
                    let mut keys: Vec<_> = states.iter().map(|it| it.key.clone()).collect();
                    keys.sort();
                    keys
                };
                let is_whole = keys(states) == keys(&seen);
                ensure(is_whole, &expected, crate::seen::show(&seen))?;
                for state in &seen {
                    not_older(&version, &state.version)?;
                }
                return not_older(&version, least);
            }
            other => return Err(Stop::unexpected(expected, other)),
        }
    }
}

pub(super) async fn resumes_from_any_event<S: Scope>(session: &Session<'_, S>) -> Checked {
    let version = session.list().await?.metadata.resource_version;
    let a = session.create("a", 1).await?;
    let b = session.create("b", 2).await?;
    let changes = [
        a.clone(),
        b.clone(),
        session.update("a", 10).await?,
        session.delete(&b.state).await?,
        session.create("b", 20).await?,
        session.create("last", 1).await?,
    ];
    let mut reader = session.watch(watch_from(version)).await?;
    let seen = reader.expect(&changes).await?;
    drop(reader);
    for (index, change) in seen.iter().enumerate() {
        let from = watch_from(change.state.version.clone());
        let mut resumed = session.watch(from).await?;
        let rest = changes.get(index + 1..).unwrap_or_default();
        resumed.expect(rest).await?;
    }
    Ok(())
}

fn watch_list(version: ResourceVersion) -> WatchOptions {
    WatchOptions {
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        send_initial_events: true,
        ..watch_from(version)
    }
}

/// Lets the other side of a `join` have a turn, whatever the runtime.
async fn yield_once() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if has_yielded {
            return std::task::Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
