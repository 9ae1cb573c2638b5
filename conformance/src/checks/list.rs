//! Promises about lists: their version, their pages, and what a version asked for means.

use heliostat::source::{ListOptions, ResourceVersionMatch};
use heliostat::{ListerWatcher, ResourceVersion};

use super::mirror::{apply, not_older};
use crate::harness::Scope;
use crate::report::{Checked, Stop, ensure};
use crate::seen::State;
use crate::session::{Session, expect_same, watch_from};

pub(super) async fn empty_list_has_version<S: Scope>(session: &Session<'_, S>) -> Checked {
    let empty = session.list().await?;
    expect_same(&[], &empty.states)?;
    let first = session.create("first", 1).await?;
    let from = watch_from(empty.metadata.resource_version);
    session.watch(from).await?.expect(&[first]).await?;
    Ok(())
}

pub(super) async fn list_tells_its_version<S: Scope>(session: &Session<'_, S>) -> Checked {
    let created = session.create_all(&["a", "b", "c"]).await?;
    let before = session.list().await?;
    expect_same(&created, &before.states)?;
    let [a, b, c] = created.as_slice() else {
        unreachable!("three were created");
    };
    let updated = session.update("a", 10).await?.state;
    session.delete(b).await?;
    let after = session.list().await?;
    expect_same(&[updated, c.clone()], &after.states)?;
    for state in [a, c].into_iter().chain(&after.states) {
        not_older(&after.metadata.resource_version, &state.version)?;
    }
    let version = &after.metadata.resource_version;
    ensure(
        before.metadata.resource_version != *version,
        "a newer version after two writes",
        format!("{version} again"),
    )?;
    not_older(version, &before.metadata.resource_version)
}

pub(super) async fn pages_join_to_the_list<S: Scope>(session: &Session<'_, S>) -> Checked {
    let states = session
        .create_all(&["a", "b", "c", "d", "e", "f", "g"])
        .await?;
    let mut later = Vec::new();
    let first = limited(3);
    let pages = session
        .pages(&first, async |page| {
            // Changes on a page that was told, on one that is still to come, and around both.
            if page == 1 {
                later.push(session.update("a", 10).await?);
                later.push(session.update("f", 60).await?);
                later.push(session.delete(last_of(&states)).await?);
                later.push(session.create("ee", 50).await?);
            }
            Ok(())
        })
        .await?;
    let version = pages[0].metadata.resource_version.clone();
    for page in &pages {
        let told = &page.metadata.resource_version;
        let expected = format!("every page to be of version {version}");
        ensure(*told == version, expected, format!("a page of {told}"))?;
    }
    let joined: Vec<State> = pages.into_iter().flat_map(|page| page.states).collect();
    expect_same(&states, &joined)?;
    later.push(session.create("last", 1).await?);
    let mut reader = session.watch(watch_from(version)).await?;
    reader.expect(&later).await?;
    Ok(())
}

pub(super) async fn limit_is_honoured<S: Scope>(session: &Session<'_, S>) -> Checked {
    let states = session.create_all(&["a", "b", "c", "d"]).await?;
    for version in [ResourceVersion::UNSET, ResourceVersion::ANY] {
        for limit in 1..=5 {
            let first = ListOptions {
                resource_version: version.clone(),
                ..limited(limit)
            };
            let pages = session.pages(&first, async |_| Ok(())).await?;
            let is_whole = pages.len() == 1;
            for page in &pages {
                let count = page.states.len();
                let expected = format!("at most {limit} items on a page, or all on one");
                let seen = format!("{count} items on one of {} pages", pages.len());
                ensure(is_whole || count <= limit as usize, expected, seen)?;
            }
            let joined: Vec<State> = pages.into_iter().flat_map(|page| page.states).collect();
            expect_same(&states, &joined)?;
        }
    }
    Ok(())
}

pub(super) async fn list_of_one_object_is_it<S: Scope>(session: &Session<'_, S>) -> Checked {
    if !session.scope().source().supports_single_object() {
        return Err(Stop::PassOver("the source does not list single objects"));
    }
    let states = session.create_all(&["a", "b", "c"]).await?;
    let present = session.list().await?.metadata.resource_version;
    for state in &states {
        let one = session.served_page(&object(state)).await?;
        expect_same(std::slice::from_ref(state), &one.states)?;
        not_older(&one.metadata.resource_version, &present)?;
    }
    session.delete(&states[0]).await?;
    let present = session.list().await?.metadata.resource_version;
    let none = session.served_page(&object(&states[0])).await?;
    expect_same(&[], &none.states)?;
    not_older(&none.metadata.resource_version, &present)
}

fn object(state: &State) -> ListOptions {
    ListOptions {
        object: Some(state.key.clone()),
        ..ListOptions::default()
    }
}

pub(super) async fn list_is_not_older<S: Scope>(session: &Session<'_, S>) -> Checked {
    let old = session.create("a", 1).await?.state;
    let newer = session.update("a", 2).await?.state;
    for asked in [&old, &newer] {
        for version_match in [None, Some(ResourceVersionMatch::NotOlderThan)] {
            let options = ListOptions {
                resource_version: asked.version.clone(),
                resource_version_match: version_match,
                ..ListOptions::default()
            };
            let answer = session.served_page(&options).await?;
            not_older(&answer.metadata.resource_version, &asked.version)?;
            // A source may answer with the state asked for or with any later one.
            let allowed = if *asked == newer {
                vec![&newer]
            } else {
                vec![&old, &newer]
            };
            let is_allowed = matches!(
                answer.states.as_slice(),
                [state] if allowed.iter().any(|allowed| allowed.is_met_by(state))
            );
            let expected = format!("{asked} or a later state");
            ensure(is_allowed, expected, crate::seen::show(&answer.states))?;
        }
    }
    Ok(())
}

pub(super) async fn any_list_is_consistent<S: Scope>(session: &Session<'_, S>) -> Checked {
    let states = session.create_all(&["a", "b", "c"]).await?;
    let a = session.update("a", 10).await?.state;
    session.delete(last_of(&states)).await?;
    let options = ListOptions {
        resource_version: ResourceVersion::ANY,
        ..ListOptions::default()
    };
    let answer = session.served_page(&options).await?;
    let last = session.create("last", 1).await?.state;
    let mut mirror = answer.states;
    let from = watch_from(answer.metadata.resource_version);
    let mut reader = session.watch(from).await?;
    while !mirror.iter().any(|state| state.key == last.key) {
        let change = reader.next_change("the changes up to the last").await?;
        apply(&mut mirror, change);
    }
    expect_same(&[a, states[1].clone(), last], &mirror)
}

pub(super) async fn exact_list_is_that_state<S: Scope>(session: &Session<'_, S>) -> Checked {
    let mut states = session.create_all(&["a", "b", "c"]).await?;
    let before = session.list().await?.metadata.resource_version;
    session.update("a", 10).await?;
    session.delete(&states[1]).await?;
    session.create("d", 4).await?;
    let options = ListOptions {
        resource_version: before.clone(),
        resource_version_match: Some(ResourceVersionMatch::Exact),
        ..ListOptions::default()
    };
    let Ok(answer) = session.page(&options).await? else {
        return Ok(());
    };
    let told = &answer.metadata.resource_version;
    let expected = format!("a list of exactly {before}");
    ensure(*told == before, expected, format!("one of {told}"))?;
    states.sort_by(|one, other| one.key.cmp(&other.key));
    expect_same(&states, &answer.states)
}

fn limited(limit: u32) -> ListOptions {
    ListOptions {
        limit: Some(limit),
        ..ListOptions::default()
    }
}

fn last_of(states: &[State]) -> &State {
    states.last().expect("objects were created")
}
