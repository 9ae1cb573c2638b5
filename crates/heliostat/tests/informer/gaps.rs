//! What is told after a time in which nothing could be watched, and of recreated objects.

use std::time::Duration;

use heliostat::informer::Recreation;
use heliostat::{Entry, HandlerFuncs, HandlerOptions};

use crate::support::{Gated, Log, caught_up, key, listing, settle, silently, source};

/// The reference's story of a replace: deletions first, then what is there, and the store is already
/// in its final state.
#[tokio::test(start_paused = true)]
async fn i_09_a_list_is_told_as_what_went_and_then_what_is_there() {
    let source = source(&["1", "2", "3"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let store = informer.indexer().clone();
    let sizes = Log::new();
    let (write, write_deleted) = (sizes.clone(), sizes.clone());
    let (read, read_deleted) = (store.clone(), store.clone());
    let handler = HandlerFuncs::new()
        .on_update(move |_: &Entry<String>, new| {
            write.write(format!("~{} {}", new.key(), read.resource_version()));
        })
        .on_delete(move |last: &Entry<String>, _| {
            write_deleted.write(format!(
                "-{} {}",
                last.key(),
                read_deleted.resource_version()
            ));
        });
    let _registrations = [
        informer.add_handler(log.clone()).unwrap(),
        informer.add_handler(handler).unwrap(),
    ];
    informer.start();
    source.wait_for_open_watches(1).await;
    settle().await;
    log.take();
    silently(&source, &informer, |source| {
        source.update(key("1"), "1".to_owned()).unwrap();
        source.update(key("2"), "2".to_owned()).unwrap();
        source.create(key("4"), "4".to_owned()).unwrap();
        source.delete(&key("3")).unwrap();
    })
    .await;
    assert_eq!(log.take(), ["-3@4?", "~1@2>5", "~2@3>6", "+4@7"]);
    assert_eq!(
        sizes.take(),
        ["-3 8", "~1 8", "~2 8"],
        "the store is ahead of the handlers"
    );
    silently(&source, &informer, |source| {
        source.replace_all(Vec::<(_, String)>::new());
    })
    .await;
    assert_eq!(log.take(), ["-1@5?", "-2@6?", "-4@7?"]);
    assert!(store.is_empty());
}

/// The reference's story of a watch that is reset.
#[tokio::test(start_paused = true)]
async fn i_09_p_13_what_a_later_list_brings_is_not_initial() {
    let source = source(&["1"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    assert_eq!(log.reach(2).await, ["+1@2!", "synced"]);
    source.wait_for_open_watches(1).await;
    silently(&source, &informer, |source| {
        source.update(key("1"), "1".to_owned()).unwrap();
        source.create(key("2"), "2".to_owned()).unwrap();
    })
    .await;
    assert_eq!(log.words()[2..], ["~1@2>3", "+2@4"]);
}

#[tokio::test(start_paused = true)]
async fn i_27_a_recreated_object_is_one_update_or_a_delete_and_an_add() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let (update, both) = (Log::new(), Log::new());
    let apart = HandlerOptions::new().recreation(Recreation::AsDeleteAndAdd);
    let _update = informer.add_handler(update.clone()).unwrap();
    let _both = informer.add_handler_with(both.clone(), &apart).unwrap();
    let mut stream = informer.subscribe_with(&apart).unwrap();
    informer.start();
    both.reach(2).await;
    source.wait_for_open_watches(1).await;
    silently(&source, &informer, |source| {
        source.delete(&key("a")).unwrap();
        source.create(key("a"), "other".to_owned()).unwrap();
    })
    .await;
    assert_eq!(update.words()[2..], ["~a@2>4"]);
    assert_eq!(both.words()[2..], ["-a@2?", "+a@4"]);
    let streamed = Log::new();
    while let Some(notification) = stream.try_recv() {
        streamed.hear(&notification);
    }
    assert_eq!(streamed.words(), ["+a@2!", "synced", "-a@2?", "+a@4"]);
}

/// The story of a handler that was not told of anything meanwhile is the same as of one that was.
#[tokio::test(start_paused = true)]
async fn i_27_a_coalescing_handler_that_was_held_up_knows_of_the_gap() {
    let source = source(&["a", "b", "c"]);
    let (informer, held) = (listing(&source).build(), Gated::new());
    let options = HandlerOptions::new().coalescing(1);
    let registration = informer.add_handler_with(held.clone(), &options).unwrap();
    informer.start();
    held.log.reach(1).await;
    source.wait_for_open_watches(1).await;
    silently(&source, &informer, |source| {
        source.delete(&key("a")).unwrap();
        source.update(key("b"), "b2".to_owned()).unwrap();
        source.create(key("d"), "d".to_owned()).unwrap();
    })
    .await;
    source.delete(&key("d")).unwrap();
    source.update(key("b"), "b3".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    held.open(100);
    registration.wait_synced(Duration::MAX).await.unwrap();
    settle().await;
    // It had the first state in hand; of what followed, `d` came and went untold.
    let expected = ["+a@2!", "+b@3!", "+c@4!", "-a@2?", "~b@3>9"];
    assert_eq!(held.handled.words(), expected);
}

/// A list that cannot read an object carries over what was last known of it, also what is still on
/// its way to the store.
#[tokio::test(start_paused = true)]
async fn i_09_what_a_list_carries_over_is_the_newest_state_that_came() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    log.reach(2).await;
    source.wait_for_open_watches(1).await;
    source.update(key("a"), "new".to_owned()).unwrap();
    source.create(key("b"), "b".to_owned()).unwrap();
    source.reject(key("a"));
    source.reject(key("b"));
    source.expire();
    source.close_watches();
    caught_up(&source, &informer).await;
    assert_eq!(log.words()[2..], ["~a@2>3", "+b@4"]);
    assert_eq!(
        *informer
            .indexer()
            .get(&"a".parse().unwrap())
            .unwrap()
            .object,
        "new"
    );
}
