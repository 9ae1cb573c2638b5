//! The store that forgets what is not told again.

use std::time::Duration;

use super::super::expiring::{Ttl, TtlStore};
use super::*;
use crate::time::Time;

const fn at(seconds: u64) -> Time {
    Time::since_start(Duration::from_secs(seconds))
}

/// Objects live as many seconds as their label says; without one, for ever.
fn by_label_ttl() -> Ttl<Labels> {
    Ttl::by(|entry: &Entry<Labels>| {
        let seconds = entry.object.0.first()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    })
}

fn alive(store: &TtlStore<Labels>, now: Time) -> String {
    let list = store.list(now);
    let all: Vec<&str> = list.iter().map(|entry| entry.key().as_str()).collect();
    all.join(" ")
}

#[test]
fn s_31_expired_is_what_is_strictly_older_than_its_time() {
    let mut store = TtlStore::new(Ttl::Fixed(Duration::from_secs(30)));
    store.add(entry("a", 1, "")).unwrap();
    let nanosecond = Duration::from_nanos(1);
    for (now, lives) in [(at(0), true), (at(30), true), (at(30) + nanosecond, false)] {
        assert_eq!(store.get(now, &key("a")).is_some(), lives, "{now:?}");
    }
    assert_eq!(store.next_expiry(), Some(at(30)));
    let far = at(u64::MAX);
    for for_ever in [
        Ttl::Fixed(Duration::ZERO),
        Ttl::by(|_: &Entry<Labels>| None),
    ] {
        let mut store = TtlStore::new(for_ever);
        store.add(entry("a", 1, "")).unwrap();
        assert!(store.get(far, &key("a")).is_some());
        assert!(store.expire(far).unwrap().is_empty());
        assert_eq!(store.next_expiry(), None);
    }
}

#[test]
fn s_31_every_write_stamps_anew_and_a_replace_stamps_all_alike() {
    let mut store = TtlStore::new(Ttl::Fixed(Duration::from_secs(10)));
    store.add(entry("a", 1, "")).unwrap();
    store.add(entry("b", 1, "")).unwrap();
    store.advance(at(8));
    store.update(entry("a", 1, "")).unwrap();
    assert_eq!(alive(&store, at(12)), "a");
    // Not older than the last time it was told: the clock does not go back.
    store.advance(at(3));
    let mut staging = store.begin_replace();
    staging.stage(entry("a", 1, ""));
    staging.stage(entry("c", 1, ""));
    staging.keep(&key("b"));
    store.advance(at(10));
    store.commit(staging, &5.into()).unwrap();
    assert_eq!(alive(&store, at(20)), "a b c");
    assert_eq!(alive(&store, at(21)), "");
    assert_eq!(store.expire(at(21)).unwrap().len(), 3);
    assert_eq!(*store.store().view().resource_version(), 5.into());
}

#[test]
fn s_32_what_has_expired_is_not_shown_and_leaves_with_the_next_write() {
    let mut store = TtlStore::new(by_label_ttl());
    for (name, ttl) in [("foo", "5"), ("foo1", ""), ("foo2", "7")] {
        store.add(entry(name, 1, ttl)).unwrap();
    }
    assert_eq!(alive(&store, at(6)), "foo1 foo2");
    assert_eq!(alive(&store, at(8)), "foo1");
    assert_eq!(store.get(at(8), &key("foo")).map(|_| ()), None);
    assert_eq!(store.object_count(), None);
    assert_eq!(store.store().view().len(), 3, "reads change nothing");
    store.advance(at(8));
    store.add(entry("new", 2, "")).unwrap();
    assert_eq!(names(store.store().view().iter()), ["foo1", "new"]);
}

#[test]
fn s_32_an_object_that_comes_again_lives_by_its_new_time() {
    let mut store = TtlStore::new(by_label_ttl());
    store.add(entry("foo", 1, "5")).unwrap();
    assert!(store.get(at(9), &key("foo")).is_none());
    store.advance(at(9));
    store.add(entry("foo", 2, "")).unwrap();
    let found = store.get(at(99), &key("foo")).unwrap();
    assert_eq!(found.header.resource_version, 2.into());
    assert!(store.expire(at(99)).unwrap().is_empty());
}

#[test]
fn s_32_expire_gives_back_what_went_in_the_order_of_its_end() {
    let mut store = TtlStore::over(store(), by_label_ttl());
    for (name, ttl) in [("a", "9"), ("b", "3"), ("c", "6"), ("d", "20")] {
        store.add(entry(name, 1, ttl)).unwrap();
    }
    store.delete(&key("c"), None).unwrap();
    assert_eq!(store.next_expiry(), Some(at(3)));
    let expired = store.expire(at(10)).unwrap();
    assert_eq!(names(&expired), ["b", "a"]);
    assert_eq!(
        values(store.store().view(), "label"),
        ["20"],
        "from indexes too"
    );
    assert_eq!(store.next_expiry(), Some(at(20)));
}

#[test]
fn s_32_what_has_expired_is_not_carried_over_a_replace() {
    let mut store = TtlStore::new(by_label_ttl());
    store.add(entry("old", 1, "5")).unwrap();
    store.add(entry("young", 1, "50")).unwrap();
    store.advance(at(10));
    let mut staging = store.begin_replace();
    staging.keep(&key("old"));
    staging.keep(&key("young"));
    store.commit(staging, &2.into()).unwrap();
    assert_eq!(alive(&store, at(10)), "young");
}

#[test]
fn s_33_objects_come_back_as_they_were_put_in_and_an_expiry_moves_no_version() {
    let mut store = TtlStore::over(store_of(&[("there", "4")]), by_label_ttl());
    let put = entry("a", 7, "5");
    store.add(put.clone()).unwrap();
    let got = store.get(at(5), &key("a")).unwrap();
    assert!(Arc::ptr_eq(&put.object, &got.object));
    assert_eq!(put.header, got.header);
    assert_eq!(store.expire(at(6)).unwrap().len(), 2);
    assert_eq!(*store.store().view().resource_version(), 1.into());
    store.bookmark(&9.into());
    assert_eq!(*store.store().view().resource_version(), 9.into());
}
