//! Handlers made of functions, and handlers that are told only what a function accepts.

use std::time::Duration;

use heliostat::informer::Filtered;
use heliostat::{Entry, EventHandler, HandlerFuncs, Header, Notification};

use crate::support::{Log, caught_up, key, listing, silently, source};

fn entry(name: &str, version: u64, object: &str) -> Entry<String> {
    let header = Header {
        key: key(name),
        resource_version: version.into(),
        uid: "u".into(),
    };
    Entry::new(header, object.to_owned())
}

fn added(entry: &Entry<String>, is_in_initial_list: bool) -> Notification<String> {
    Notification::Added {
        entry: entry.clone(),
        is_in_initial_list,
    }
}

fn updated(old: &Entry<String>, new: &Entry<String>) -> Notification<String> {
    Notification::Updated {
        old: old.clone(),
        new: new.clone(),
    }
}

fn deleted(last: &Entry<String>, tombstone: bool) -> Notification<String> {
    Notification::Deleted {
        last: last.clone(),
        tombstone,
    }
}

/// Calls the handler as an informer would.
async fn tell<const N: usize>(
    handler: &mut impl EventHandler<String>,
    notifications: [Notification<String>; N],
) {
    for notification in &notifications {
        match notification {
            Notification::Added {
                entry,
                is_in_initial_list,
            } => handler.on_add(entry, *is_in_initial_list).await,
            Notification::Updated { old, new } => handler.on_update(old, new).await,
            Notification::Deleted { last, tombstone } => handler.on_delete(last, *tombstone).await,
            Notification::Synced => handler.on_synced().await,
        }
    }
}

#[tokio::test]
async fn p_18_functions_that_are_not_given_are_skipped() {
    let log = Log::new();
    let write = log.clone();
    let mut only = HandlerFuncs::<String>::new().on_delete(move |last, _| {
        write.write(format!("-{}", last.key()));
    });
    let a = entry("a", 1, "");
    let all = [
        added(&a, true),
        updated(&a, &a),
        deleted(&a, false),
        Notification::Synced,
    ];
    tell(&mut only, all).await;
    assert_eq!(log.words(), ["-a"]);
    let expected =
        "HandlerFuncs { on_add: false, on_update: false, on_delete: true, on_synced: false }";
    assert_eq!(format!("{only:?}"), expected);
}

#[tokio::test]
async fn p_18_each_function_is_told_its_own_with_the_flags() {
    let log = Log::new();
    let (add, update, delete, synced) = (log.clone(), log.clone(), log.clone(), log.clone());
    let mut handler = HandlerFuncs::<String>::new()
        .on_add(move |entry, initial| add.write(format!("+{} {initial}", entry.key())))
        .on_update(move |old, new| update.write(format!("~{}>{}", old.object, new.object)))
        .on_delete(move |last, tombstone| delete.write(format!("-{} {tombstone}", last.key())))
        .on_synced(move || synced.write("synced".to_owned()));
    let (one, two) = (entry("a", 1, "one"), entry("a", 2, "two"));
    let all = [
        added(&one, true),
        added(&one, false),
        Notification::Synced,
        updated(&one, &two),
        deleted(&two, true),
        deleted(&two, false),
    ];
    tell(&mut handler, all).await;
    let expected = [
        "+a true", "+a false", "synced", "~one>two", "-a true", "-a false",
    ];
    assert_eq!(log.words(), expected);
}

fn accepts(entry: &Entry<String>) -> bool {
    entry.object.starts_with("yes")
}

#[tokio::test]
async fn p_18_a_filter_tells_what_comes_into_its_view_and_what_leaves_it() {
    let log = Log::new();
    let mut filtered = Filtered::new(accepts, log.clone());
    let (yes, also, no) = (
        entry("a", 1, "yes"),
        entry("a", 2, "yes too"),
        entry("a", 3, "no"),
    );
    tell(&mut filtered, [added(&no, true), updated(&no, &no)]).await;
    assert_eq!(log.take(), [""; 0]);
    let steps = [
        updated(&no, &yes),
        updated(&yes, &also),
        updated(&also, &no),
    ];
    tell(&mut filtered, steps).await;
    assert_eq!(log.take(), ["+a@1", "~a@1>2", "-a@2"]);
    tell(&mut filtered, [deleted(&no, false)]).await;
    assert_eq!(log.take(), [""; 0], "it is gone already");
    let steps = [added(&yes, true), Notification::Synced, deleted(&yes, true)];
    tell(&mut filtered, steps).await;
    assert_eq!(log.take(), ["+a@1!", "synced", "-a@1?"]);
    let debug = format!("{filtered:?}");
    assert!(debug.contains("passed_on: 0"), "{debug}");
}

/// The last state that is carried by a deletion may be one that the filter never saw.
#[tokio::test]
async fn p_18_the_end_of_an_object_that_was_told_is_told_whatever_its_last_state() {
    let log = Log::new();
    let mut filtered = Filtered::new(accepts, log.clone());
    let steps = [
        added(&entry("a", 1, "yes"), false),
        deleted(&entry("a", 2, "no"), false),
        added(&entry("b", 3, "no"), false),
        deleted(&entry("b", 4, "yes"), false),
    ];
    tell(&mut filtered, steps).await;
    assert_eq!(log.words(), ["+a@1", "-a@2"]);
}

#[tokio::test(start_paused = true)]
async fn p_18_p_19_a_filtered_handler_of_an_informer_adds_up_to_the_filtered_mirror() {
    let source = source(&["yes/a", "no/b"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let registration = informer
        .add_handler(Filtered::new(accepts, log.clone()))
        .unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.update(key("no/b"), "yes".to_owned()).unwrap();
    source.update(key("yes/a"), "no".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    silently(&source, &informer, |source| {
        source.delete(&key("no/b")).unwrap();
        source.delete(&key("yes/a")).unwrap();
    })
    .await;
    // A deletion always has its key and a last state, also when nobody saw it.
    let expected = ["+yes/a@2!", "synced", "+no/b@4", "-yes/a@2", "-no/b@4?"];
    assert_eq!(log.words(), expected);
}
