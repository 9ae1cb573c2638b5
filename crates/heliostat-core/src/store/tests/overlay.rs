//! Own writes over a mirror that lags.

use std::time::Duration;

use super::super::overlay::{Overlay, OverlayConfig};
use super::*;
use crate::informer::Notification;
use crate::time::Time;

const NOW: Time = Time::ZERO;

/// A state of the object `a`.
fn state(uid: &str, version: &str, labels: &str) -> Entry<Labels> {
    let mut entry = entry("a", 0, labels);
    entry.header.uid = uid.into();
    entry.header.resource_version = version.into();
    entry
}

fn overlay() -> Overlay<Labels> {
    Overlay::default()
}

fn with_creates() -> Overlay<Labels> {
    Overlay::new(OverlayConfig::new().includes_creates(true))
}

/// `uid@version` of what is read of `a`, given what the mirror holds of it.
fn read(overlay: &mut Overlay<Labels>, mirrored: Option<&Entry<Labels>>) -> String {
    match overlay.newest(NOW, &key("a"), mirrored) {
        Some(entry) => format!("{}@{}", entry.header.uid, entry.header.resource_version),
        None => "nothing".to_owned(),
    }
}

fn updated(new: Entry<Labels>) -> Notification<Labels> {
    Notification::Updated {
        old: new.clone(),
        new,
    }
}

const fn gone(last: Entry<Labels>) -> Notification<Labels> {
    Notification::Deleted {
        last,
        tombstone: false,
    }
}

#[test]
fn s_40_versions_that_cannot_be_compared_let_the_mirror_count() {
    for (own, mirrored) in [
        ("x", "y"),
        ("2", "y"),
        ("x", "2"),
        ("", "2"),
        ("2", ""),
        ("", ""),
    ] {
        let mut overlay = overlay();
        overlay.written(NOW, state("u", own, ""));
        let expected = format!("u@{mirrored}");
        let mirrored = state("u", mirrored, "");
        assert_eq!(read(&mut overlay, Some(&mirrored)), expected, "{own:?}");
        assert!(overlay.is_empty());
    }
    // The caller's last word stands against its own words before.
    let mut overlay = with_creates();
    overlay.written(NOW, state("u", "x", ""));
    overlay.written(NOW, state("u", "y", ""));
    assert_eq!(read(&mut overlay, None), "u@y");
    overlay.deleted(NOW, &state("u", "z", ""));
    assert_eq!(read(&mut overlay, None), "nothing");
    assert_eq!(read(&mut overlay, Some(&state("v", "w", ""))), "v@w");
}

#[test]
fn s_41_the_newer_of_mirror_and_own_write_is_read() {
    let mut overlay = overlay();
    overlay.written(NOW, state("u", "10", ""));
    assert_eq!(read(&mut overlay, Some(&state("u", "9", ""))), "u@10");
    assert_eq!(
        read(&mut overlay, None),
        "nothing",
        "the mirror decides what there is"
    );
    assert_eq!(
        read(&mut overlay, Some(&state("u", "9", ""))),
        "u@10",
        "still known"
    );
    assert_eq!(read(&mut overlay, Some(&state("u", "11", ""))), "u@11");
    assert!(overlay.is_empty(), "the mirror has caught up");
}

#[test]
fn s_41_an_object_that_the_mirror_does_not_have_is_read_where_creates_are_included() {
    let mut overlay = with_creates();
    overlay.written(NOW, state("u", "10", ""));
    assert_eq!(read(&mut overlay, None), "u@10");
    overlay.deleted(NOW, &state("u", "11", ""));
    assert_eq!(
        read(&mut overlay, None),
        "nothing",
        "a deletion is no object"
    );
}

#[test]
fn s_42_an_own_write_is_found_under_the_values_that_it_has_itself() {
    let mut overlay = overlay();
    let mirror = store_of(&[("a", "x"), ("b", "x"), ("c", "y")]).snapshot();
    let mut found = |label: &str, writes: &[(&str, &str)]| {
        for (name, labels) in writes {
            overlay.written(NOW, entry(name, 5, labels));
        }
        let found = overlay.by_index(NOW, &mirror, "label", label).unwrap();
        let told = found.iter();
        let told = told.map(|e| format!("{}@{}", e.key(), e.header.resource_version));
        told.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("x", &[]), "a@1 b@1");
    // A write that keeps its value, one that loses it, one that gains it, and a create.
    let writes = [("a", "x,z"), ("b", "y"), ("c", "x"), ("d", "x")];
    assert_eq!(found("x", &writes), "a@5 c@5");
    assert_eq!(found("y", &[]), "b@5");
    assert_eq!(found("z", &[]), "a@5");
    assert_eq!(
        found("x", &[("a", "bad"), ("c", "boom")]),
        "",
        "cannot be filed"
    );
    let unknown = overlay.by_index(NOW, &mirror, "none", "x");
    assert!(matches!(unknown, Err(IndexError::Unknown(_))));
}

#[test]
fn s_42_s_45_a_create_is_found_by_its_values_until_it_is_deleted() {
    let mut overlay = with_creates();
    let mirror = store().snapshot();
    let found =
        |overlay: &mut Overlay<Labels>| overlay.by_index(NOW, &mirror, "label", "x").unwrap().len();
    overlay.written(NOW, state("u", "2", "x"));
    assert_eq!(found(&mut overlay), 1);
    overlay.observe(NOW, &gone(state("u", "1", "x")));
    assert_eq!(
        found(&mut overlay),
        0,
        "of the same life, however old its last state"
    );
}

#[test]
fn s_42_a_deletion_hides_what_the_mirror_still_has() {
    let mut overlay = overlay();
    let mirror = store_of(&[("a", "x"), ("b", "x")]).snapshot();
    overlay.deleted(NOW, &entry("a", 2, "x"));
    let found = overlay.by_index(NOW, &mirror, "label", "x").unwrap();
    assert_eq!(names(&found), ["b"]);
}

#[test]
fn s_43_an_older_write_and_a_write_that_a_deletion_has_overtaken_are_ignored() {
    let mut overlay = with_creates();
    overlay.written(NOW, state("u", "5", ""));
    overlay.written(NOW, state("u", "4", ""));
    assert_eq!(read(&mut overlay, None), "u@5");
    overlay.written(NOW, state("u", "6", ""));
    assert_eq!(read(&mut overlay, None), "u@6");
    // The mirror's last state may be older than the write: the uid tells that it is the same life.
    overlay.deleted(NOW, &state("u", "6", ""));
    overlay.written(NOW, state("u", "9", ""));
    overlay.written(NOW, state("v", "6", ""));
    assert_eq!(read(&mut overlay, None), "nothing");
    overlay.written(NOW, state("v", "7", ""));
    assert_eq!(read(&mut overlay, None), "v@7");
}

#[test]
fn s_41_s_44_what_the_mirror_tells_at_the_same_version_or_later_takes_the_write_away() {
    for (told, read_then) in [("2", "u@1"), ("3", "u@1"), ("1", "u@2")] {
        let mut overlay = overlay();
        overlay.written(NOW, state("u", "2", ""));
        overlay.observe(NOW, &updated(state("another", told, "")));
        let mirrored = state("u", "1", "");
        assert_eq!(read(&mut overlay, Some(&mirrored)), read_then, "{told}");
    }
    let mut overlay = overlay();
    overlay.written(NOW, state("u", "2", ""));
    overlay.observe(NOW, &Notification::Synced);
    assert_eq!(overlay.len(), 1);
    overlay.observe(
        NOW,
        &Notification::Added {
            entry: state("u", "2", ""),
            is_in_initial_list: true,
        },
    );
    assert!(overlay.is_empty());
}

#[test]
fn s_45_only_a_newer_write_of_another_life_outlives_a_deletion() {
    for (last, read_then) in [
        (state("uid-1", "1", ""), "nothing"),
        (state("uid-2", "3", ""), "nothing"),
        (state("uid-2", "1", ""), "uid-1@3"),
    ] {
        let mut overlay = with_creates();
        overlay.written(NOW, state("uid-1", "3", ""));
        overlay.observe(NOW, &gone(last.clone()));
        assert_eq!(read(&mut overlay, None), read_then, "{:?}", last.header);
    }
}

#[test]
fn s_43_s_45_a_write_that_is_told_after_its_deletion_stays_away() {
    let mut overlay = with_creates();
    overlay.observe(NOW, &updated(state("uid-1", "2", "")));
    overlay.observe(NOW, &gone(state("uid-1", "2", "")));
    overlay.written(NOW, state("uid-1", "2", ""));
    assert_eq!(read(&mut overlay, None), "nothing");
    assert_eq!(overlay.len(), 1, "the deletion is remembered");
}

#[test]
fn s_41_s_44_a_late_write_does_not_hide_the_object_that_came_again() {
    let mut overlay = with_creates();
    overlay.observe(NOW, &updated(state("uid-1", "2", "")));
    overlay.observe(NOW, &gone(state("uid-1", "2", "")));
    let again = state("uid-2", "3", "");
    overlay.observe(
        NOW,
        &Notification::Added {
            entry: again.clone(),
            is_in_initial_list: false,
        },
    );
    overlay.written(NOW, state("uid-1", "2", ""));
    assert_eq!(read(&mut overlay, Some(&again)), "uid-2@3");
    assert!(overlay.is_empty());
}

#[test]
fn s_44_s_45_an_object_that_comes_back_into_the_selection_is_shown() {
    // It left a label selection and came back: the same life, told as a deletion and an addition.
    let mut overlay = overlay();
    overlay.observe(NOW, &gone(state("u", "4", "")));
    assert_eq!(read(&mut overlay, Some(&state("u", "3", ""))), "nothing");
    assert_eq!(read(&mut overlay, Some(&state("u", "5", ""))), "u@5");
}

#[test]
fn s_46_what_was_not_asked_for_longest_goes_first() {
    let config = OverlayConfig::new().capacity(2).includes_creates(true);
    let mut overlay = Overlay::new(config);
    let is_known =
        |overlay: &mut Overlay<Labels>, name: &str| overlay.newest(NOW, &key(name), None).is_some();
    overlay.written(NOW, entry("a", 1, "x"));
    overlay.written(NOW, entry("b", 1, "x"));
    assert!(is_known(&mut overlay, "a"), "and is asked for");
    overlay.written(NOW, entry("c", 1, "y"));
    assert!(!is_known(&mut overlay, "b"));
    let mirror = store().snapshot();
    assert!(is_known(&mut overlay, "c"));
    assert_eq!(
        overlay.by_index(NOW, &mirror, "label", "x").unwrap().len(),
        1
    );
    overlay.written(NOW, entry("d", 1, ""));
    assert!(is_known(&mut overlay, "a"), "the index has asked for it");
    assert!(!is_known(&mut overlay, "c"));
    let mut nothing = Overlay::new(OverlayConfig::new().capacity(0).includes_creates(true));
    nothing.written(NOW, entry("a", 1, ""));
    assert!(nothing.is_empty());
}

#[test]
fn s_40_s_46_the_default_is_a_hundred_writes_for_five_minutes() {
    let mut overlay = with_creates();
    for n in 0..150 {
        overlay.written(NOW, entry(&n.to_string(), 1, ""));
    }
    assert_eq!(overlay.len(), 100);
    let end = NOW + Duration::from_secs(300);
    assert!(overlay.newest(end, &key("149"), None).is_some());
    // Asking does not make it live longer.
    let after = end + Duration::from_nanos(1);
    assert!(overlay.newest(after, &key("149"), None).is_none());
    assert_eq!(overlay.len(), 99);
    overlay.expire(end);
    assert_eq!(overlay.len(), 99);
    overlay.expire(after);
    assert!(overlay.is_empty());
}
