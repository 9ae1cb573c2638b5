//! What the changes of a source are told as.

use std::time::Duration;

use heliostat::{Entry, HandlerFuncs, HandlerOptions, Header, Notification, ResourceVersion};

use crate::support::{Gated, Log, caught_up, key, listing, settle, source};

#[tokio::test(start_paused = true)]
async fn i_05_i_06_p_02_p_13_changes_are_told_in_their_order() {
    let source = source(&["a", "b"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    assert_eq!(log.reach(3).await, ["+a@2!", "+b@3!", "synced"]);
    log.take();
    source.create(key("c"), "c".to_owned()).unwrap();
    source.update(key("a"), "a2".to_owned()).unwrap();
    let gone = source.delete(&key("b")).unwrap();
    source.create(key("b"), "b2".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    let gone = format!("-b@{}", gone.header.resource_version);
    assert_eq!(log.take(), ["+c@4", "~a@2>5", &gone, "+b@7"]);
}

/// The reference's story of each object that is added, changed and then deleted.
#[tokio::test(start_paused = true)]
async fn i_05_i_06_every_object_is_told_from_its_beginning_to_its_end() {
    let source = source(&[]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let deletes = source.clone();
    let deletes = HandlerFuncs::new().on_update(move |_, new: &Entry<String>| {
        deletes.delete(new.key()).unwrap();
    });
    let _registrations = [
        informer.add_handler(log.clone()).unwrap(),
        informer.add_handler(deletes).unwrap(),
    ];
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let names: Vec<_> = (0..20).map(|number| format!("n{number:02}")).collect();
    for name in &names {
        source.create(key(name), "from".to_owned()).unwrap();
        settle().await;
        source.update(key(name), "to".to_owned()).unwrap();
    }
    caught_up(&source, &informer).await;
    for name in &names {
        let about = format!("{name}@");
        let signs: String = log
            .words()
            .iter()
            .filter(|word| word[1..].starts_with(&about))
            .map(|word| &word[..1])
            .collect();
        assert_eq!(signs, "+~-");
    }
    assert!(informer.indexer().is_empty());
}

/// The deletion is known only by its key: the object could not be read when it went.
#[tokio::test(start_paused = true)]
async fn i_06_p_19_an_end_that_could_not_be_read_is_told_with_the_last_known_state() {
    let source = source(&["team/a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    log.reach(2).await;
    source.wait_for_open_watches(1).await;
    source.reject(key("team/a"));
    source.delete(&key("team/a")).unwrap();
    assert_eq!(log.reach(3).await[2], "-team/a@2?");
    assert!(informer.indexer().is_empty());
}

#[tokio::test(start_paused = true)]
async fn i_07_the_store_is_changed_before_anybody_is_told() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let seen = |log: &Log, store: &heliostat::Indexer<String>| {
        let (log, store) = (log.clone(), store.clone());
        move |entry: &Entry<String>| {
            let here = store.get(entry.key());
            let here = here.map(|here| here.header.resource_version.to_string());
            log.write(format!(
                "{}: {here:?} at {}",
                entry.key(),
                store.resource_version()
            ));
        }
    };
    let store = informer.indexer().clone();
    let (add, update, delete) = (seen(&log, &store), seen(&log, &store), seen(&log, &store));
    let handler = HandlerFuncs::new()
        .on_add(move |entry, _| add(entry))
        .on_update(move |_, new| update(new))
        .on_delete(move |last, _| delete(last));
    let _registration = informer.add_handler(handler).unwrap();
    informer.start();
    assert_eq!(log.reach(1).await, ["a: Some(\"2\") at 2"]);
    source.wait_for_open_watches(1).await;
    source.update(key("a"), "a2".to_owned()).unwrap();
    assert_eq!(log.reach(2).await[1], "a: Some(\"3\") at 3");
    source.delete(&key("a")).unwrap();
    assert_eq!(log.reach(3).await[2], "a: None at 4");
}

#[tokio::test(start_paused = true)]
async fn i_08_a_bookmark_moves_the_store_and_is_told_to_nobody() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    log.reach(2).await;
    source.wait_for_open_watches(1).await;
    source.advance();
    source.bookmark();
    caught_up(&source, &informer).await;
    assert_eq!(informer.indexer().resource_version(), 3.into());
    assert_eq!(informer.last_sync_resource_version(), 3.into());
    assert_eq!(log.words().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn i_11_a_backlog_goes_through_in_batches_and_in_order() {
    let source = source(&[]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    log.reach(1).await;
    source.wait_for_open_watches(1).await;
    for number in 0..3000 {
        source
            .create(key(&format!("n{number}")), String::new())
            .unwrap();
    }
    caught_up(&source, &informer).await;
    let expected: Vec<_> = (0..3000)
        .map(|number| format!("+n{number}@{}", number + 2))
        .collect();
    assert_eq!(log.words()[1..], expected);
    assert_eq!(informer.queue_depth(), 0);
    assert_eq!(informer.queue_age(), None);
}

#[test]
fn i_18_an_update_to_the_very_same_object_is_a_sync_and_nothing_else_is() {
    let state = |version: &str, uid: &str| {
        let header = Header {
            key: key("a"),
            resource_version: ResourceVersion::from(version),
            uid: uid.into(),
        };
        Entry::<String>::new(header, String::new())
    };
    let updated = |old: (&str, &str), new: (&str, &str)| Notification::Updated {
        old: state(old.0, old.1),
        new: state(new.0, new.1),
    };
    assert!(!updated(("5", "u"), ("6", "u")).is_sync());
    assert!(!updated(("5", "u"), ("5", "other")).is_sync());
    assert!(
        !updated(("5", "u"), ("5", "u")).is_sync(),
        "a restored backup uses a version twice"
    );
    let entry = state("5", "u");
    let again = Notification::Updated {
        old: entry.clone(),
        new: entry.clone(),
    };
    assert!(again.is_sync());
    let added = Notification::Added {
        entry: entry.clone(),
        is_in_initial_list: true,
    };
    let deleted = Notification::Deleted {
        last: entry,
        tombstone: true,
    };
    assert!(!added.is_sync() && !deleted.is_sync() && !Notification::<String>::Synced.is_sync());
}

/// A handler that falls behind finds the newest state in the store, and its own story complete.
#[tokio::test(start_paused = true)]
async fn i_27_a_slow_handler_sees_every_state_of_an_object_in_order() {
    let source = source(&["a"]);
    let (informer, slow) = (listing(&source).build(), Gated::new());
    let registration = informer.add_handler(slow.clone()).unwrap();
    informer.start();
    slow.log.reach(1).await;
    source.wait_for_open_watches(1).await;
    for number in 0..5 {
        source.update(key("a"), number.to_string()).unwrap();
    }
    caught_up(&source, &informer).await;
    assert_eq!(
        *informer
            .indexer()
            .get(&"a".parse().unwrap())
            .unwrap()
            .object,
        "4"
    );
    // Five updates, and that it is synced; the call that is under way counts too.
    assert_eq!(registration.status().pending, 7);
    slow.open(10);
    let expected = ["+a@2!", "~a@2>3", "~a@3>4", "~a@4>5", "~a@5>6", "~a@6>7"];
    assert_eq!(slow.log.reach(6).await, expected);
}

#[tokio::test(start_paused = true)]
async fn p_01_a_stuck_handler_delays_nobody_but_itself() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let (stuck, quick) = (Gated::new(), Log::new());
    let held = informer
        .add_handler_with(stuck.clone(), &HandlerOptions::new().name("stuck"))
        .unwrap();
    let _quick = informer.add_handler(quick.clone()).unwrap();
    informer.start();
    stuck.log.reach(1).await;
    source.wait_for_open_watches(1).await;
    for number in 0..100 {
        source.update(key("a"), number.to_string()).unwrap();
    }
    caught_up(&source, &informer).await;
    assert_eq!(quick.words().len(), 102);
    assert_eq!(stuck.log.words(), ["+a@2!"]);
    assert!(informer.wait_synced(Duration::MAX).await.is_ok() && !held.is_synced());
    stuck.open(101);
    stuck.handled.reach(101).await;
    held.wait_synced(Duration::MAX).await.unwrap();
    settle().await;
    assert_eq!((held.status().pending, held.status().told), (0, 102));
}
