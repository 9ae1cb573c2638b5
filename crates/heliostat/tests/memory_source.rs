//! The handle: what watches see of writes, of a server's life and of faults, without a sleep.
#![cfg(feature = "memory")]

use futures_util::{FutureExt, StreamExt};
use heliostat::source::memory::MemorySource;
use heliostat::source::{
    ListOptions, ListPart, ListStream, RejectionReason, ResourceVersionMatch, WatchEvent,
    WatchOptions, WatchStream,
};
use heliostat::testing::{
    ListFault, Request, WatchEnd, WatchFault, WatchListMode, connection_lost, connection_refused,
};
use heliostat::{Entry, ListerWatcher, ObjectKey, ResourceVersion, SourceError, Status};

type Source = MemorySource<&'static str>;

fn key(name: &str) -> ObjectKey {
    ObjectKey::cluster(name)
}

fn source(names: &[&str]) -> Source {
    let source = Source::new();
    for name in names {
        source.create(key(name), "first").unwrap();
    }
    source
}

fn from(version: impl Into<ResourceVersion>) -> WatchOptions {
    WatchOptions {
        resource_version: version.into(),
        allow_bookmarks: true,
        ..WatchOptions::default()
    }
}

fn watch_list() -> WatchOptions {
    WatchOptions {
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        send_initial_events: true,
        allow_bookmarks: true,
        ..WatchOptions::default()
    }
}

/// One event in short: `+a=2` added, `~` modified, `-` deleted, each with its version.
fn show(item: &Result<WatchEvent<&'static str>, SourceError>) -> String {
    let entry = |sign: &str, entry: &Entry<&'static str>| {
        format!("{sign}{}={}", entry.key(), entry.header.resource_version)
    };
    match item {
        Ok(WatchEvent::Added(added)) => entry("+", added),
        Ok(WatchEvent::Modified(modified)) => entry("~", modified),
        Ok(WatchEvent::Deleted(deleted)) => entry("-", deleted),
        Ok(WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        }) => {
            let mark = if *initial_events_end { "end" } else { "mark" };
            format!("{mark}={resource_version}")
        }
        Ok(WatchEvent::Error(status)) => format!("error {}", status.code),
        Ok(WatchEvent::Unknown { event_type, .. }) => format!("unknown {event_type}"),
        Ok(WatchEvent::Rejected(rejection)) => {
            format!(
                "rejected {:?} {}",
                rejection.change, rejection.resource_version
            )
        }
        Err(error) => error.class().to_owned(),
    }
}

/// All that a watch has at hand, in short; `.` if it then waits and `$` if it then ends.
fn drain(stream: &mut WatchStream<&'static str>) -> String {
    let mut shown = Vec::new();
    loop {
        match stream.next().now_or_never() {
            None => shown.push(".".to_owned()),
            Some(None) => shown.push("$".to_owned()),
            Some(Some(item)) => {
                shown.push(show(&item));
                continue;
            }
        }
        return shown.join(" ");
    }
}

/// A whole answer in short.
fn drain_list(stream: &mut ListStream<&'static str>) -> String {
    let mut shown = Vec::new();
    loop {
        match stream.next().now_or_never() {
            None => shown.push(".".to_owned()),
            Some(None) => shown.push("$".to_owned()),
            Some(Some(part)) => {
                match part {
                    Ok(ListPart::Metadata(metadata)) => {
                        shown.push(format!("v{}", metadata.resource_version));
                    }
                    Ok(ListPart::Items(items)) => shown.extend(items.into_iter().map(|item| {
                        item.map_or_else(|it| it.to_string(), |entry| entry.key().to_string())
                    })),
                    Err(error) => shown.push(error.class().to_owned()),
                }
                continue;
            }
        }
        return shown.join(" ");
    }
}

async fn list(source: &Source) -> String {
    let mut stream = source.list(ListOptions::default()).await.unwrap();
    drain_list(&mut stream)
}

/// The answers that kube-apiserver 1.36 gave to the same watches, with its versions renamed.
#[tokio::test]
async fn watches_begin_as_on_a_real_server() {
    let source = source(&["b", "a"]);
    source.update(key("a"), "second").unwrap();
    for (version, initial, newer, bookmarks, want) in [
        ("", false, false, false, "+a=4 +b=2 ."),
        ("", false, false, true, "+a=4 +b=2 end=4 ."),
        ("", true, true, false, "+a=4 +b=2 ."),
        ("", true, true, true, "+a=4 +b=2 end=4 ."),
        ("0", false, false, true, "+a=4 +b=2 end=4 ."),
        ("0", true, true, true, "+a=4 +b=2 end=4 ."),
        ("3", false, false, true, "~a=4 ."),
        ("3", true, true, true, "+a=4 +b=2 end=4 ."),
        ("99", false, false, true, "."),
        ("99", true, true, true, "error 504 $"),
        ("", true, false, true, "422"),
        ("3", false, true, true, "422"),
        ("abc", false, false, true, "500"),
        ("abc", true, true, true, "500"),
    ] {
        let options = WatchOptions {
            resource_version: version.into(),
            resource_version_match: newer.then_some(ResourceVersionMatch::NotOlderThan),
            send_initial_events: initial,
            allow_bookmarks: bookmarks,
            timeout_seconds: None,
        };
        let got = match source.watch(options.clone()).await {
            Ok(mut stream) => drain(&mut stream),
            Err(error) => error.status().unwrap().code.to_string(),
        };
        assert_eq!(got, want, "{options:?}");
    }
}

#[tokio::test]
async fn a_watch_sees_every_write_once_in_order() {
    let source = source(&["a"]);
    let mut early = source.watch(from(1)).await.unwrap();
    let mut late = source.watch(from(2)).await.unwrap();
    source.update(key("a"), "second").unwrap();
    source.create(key("b"), "first").unwrap();
    source.delete(&key("a")).unwrap();
    assert_eq!(drain(&mut early), "+a=2 ~a=3 +b=4 -a=5 .");
    assert_eq!(drain(&mut late), "~a=3 +b=4 -a=5 .");
    source.replace_all([(key("b"), "second"), (key("c"), "first")]);
    assert_eq!(drain(&mut late), "~b=6 +c=7 .");
    source.replace_all([(key("c"), "second")]);
    assert_eq!(drain(&mut late), "-b=8 ~c=9 .");
}

#[tokio::test]
async fn a_deletion_carries_the_last_state_and_its_own_version() {
    let source = source(&["a"]);
    source.update(key("a"), "last words").unwrap();
    let mut watch = source.watch(from(3)).await.unwrap();
    source.delete(&key("a")).unwrap();
    let Some(Ok(WatchEvent::Deleted(entry))) = watch.next().await else {
        panic!("no deletion");
    };
    assert_eq!(*entry.object, "last words");
    assert_eq!(entry.header.resource_version, 4.into());
}

#[tokio::test]
async fn a_watch_wakes_its_waiting_reader() {
    let source = source(&[]);
    let mut watch = source.watch(from(1)).await.unwrap();
    let reader = tokio::spawn(async move { show(&watch.next().await.unwrap()) });
    source.wait_until_settled().await;
    source.create(key("a"), "first").unwrap();
    assert_eq!(reader.await.unwrap(), "+a=2");
}

#[tokio::test]
async fn a_watch_from_the_future_is_silent_until_its_version_has_passed() {
    let source = source(&[]);
    let mut watch = source.watch(from(3)).await.unwrap();
    source.create(key("a"), "first").unwrap();
    source.bookmark();
    source.create(key("b"), "first").unwrap();
    assert_eq!(drain(&mut watch), ".");
    source.create(key("c"), "first").unwrap();
    assert_eq!(drain(&mut watch), "+c=4 .");
}

#[tokio::test]
async fn bookmarks_come_after_what_they_confirm_and_only_if_allowed() {
    let source = source(&[]);
    let mut allowed = source.watch(from(1)).await.unwrap();
    let mut refused = source
        .watch(WatchOptions {
            allow_bookmarks: false,
            ..from(1)
        })
        .await
        .unwrap();
    source.create(key("a"), "first").unwrap();
    source.bookmark();
    source.advance();
    source.bookmark();
    assert_eq!(drain(&mut allowed), "+a=2 mark=2 mark=3 .");
    assert_eq!(drain(&mut refused), "+a=2 .");
}

#[tokio::test]
async fn an_expired_version_is_told_in_the_stream() {
    let source = source(&["a"]);
    let mut open = source.watch(from(2)).await.unwrap();
    source.expire();
    let mut expired = source.watch(from(2)).await.unwrap();
    assert_eq!(drain(&mut expired), "error 410 $");
    source.create(key("b"), "first").unwrap();
    assert_eq!(drain(&mut open), "+b=4 .", "open watches go on");
    let mut fresh = source.watch(from(3)).await.unwrap();
    assert_eq!(drain(&mut fresh), "+b=4 .");
}

#[tokio::test]
async fn the_window_bounds_the_history() {
    let source = source(&[]);
    source.set_window(2);
    for name in ["a", "b", "c"] {
        source.create(key(name), "first").unwrap();
    }
    let mut within = source.watch(from(2)).await.unwrap();
    assert_eq!(drain(&mut within), "+b=3 +c=4 .");
    let mut before = source.watch(from(1)).await.unwrap();
    assert_eq!(drain(&mut before), "error 410 $");
}

#[tokio::test]
async fn closing_delivers_what_is_on_its_way_and_a_restart_loses_it() {
    let source = source(&[]);
    let mut closed = source.watch(from(1)).await.unwrap();
    source.create(key("a"), "first").unwrap();
    source.close_watches();
    let mut broken = source.watch(from(1)).await.unwrap();
    source.restart();
    assert_eq!(drain(&mut closed), "closed $", "what was not read is lost");
    assert_eq!(drain(&mut broken), "closed $");
    let mut behind = source.watch(from(1)).await.unwrap();
    assert_eq!(drain(&mut behind), "error 410 $");
    let mut present = source.watch(from(2)).await.unwrap();
    source.create(key("b"), "first").unwrap();
    source.close_watches();
    source.create(key("c"), "first").unwrap();
    assert_eq!(drain(&mut present), "+b=3 $");
}

#[tokio::test]
async fn a_restored_backup_rewinds_the_revisions() {
    let source = source(&["a"]);
    let backup = source.backup();
    source.create(key("b"), "first").unwrap();
    source.create(key("c"), "first").unwrap();
    let mut broken = source.watch(from(4)).await.unwrap();
    source.restore(&backup);
    assert_eq!(drain(&mut broken), "closed $");
    assert_eq!(list(&source).await, "v2 a $");
    let mut ahead = source.watch(from(4)).await.unwrap();
    source.create(key("d"), "first").unwrap();
    source.create(key("e"), "first").unwrap();
    assert_eq!(
        drain(&mut ahead),
        ".",
        "revisions 3 and 4 are told to nobody"
    );
    source.create(key("f"), "first").unwrap();
    assert_eq!(drain(&mut ahead), "+f=5 .");
}

#[tokio::test]
async fn a_filtered_handle_sees_objects_enter_and_leave() {
    let source = source(&["a", "b"]);
    let red = source.filtered(|entry| *entry.object == "red");
    let mut watch = red.watch(from(3)).await.unwrap();
    source.update(key("a"), "red").unwrap();
    source.update(key("b"), "blue").unwrap();
    source.update(key("a"), "red").unwrap();
    assert_eq!(list(&red).await, "v6 a $");
    assert_eq!(red.entries().len(), 1);
    source.update(key("a"), "blue").unwrap();
    source.delete(&key("a")).unwrap();
    assert_eq!(drain(&mut watch), "+a=4 ~a=6 -a=7 .");
}

#[tokio::test]
async fn list_faults_strike_once_in_their_order() {
    let source = source(&["a", "b"]);
    source.fail_next_list(Status::failure(500, "InternalError", "broken"));
    source.on_next_list(ListFault::CutAfter {
        items: 1,
        error: connection_lost(),
    });
    source.on_next_list(ListFault::StallAfter { items: 1 });
    source.on_next_list(ListFault::Version(ResourceVersion::UNSET));
    source.on_next_list(ListFault::OmitMetadata);
    source.on_next_list(ListFault::Answer(vec![Err(connection_refused())]));
    source.on_next_list(ListFault::Stall);
    let failed = source.list(ListOptions::default()).await.map(|_| ());
    assert!(failed.unwrap_err().status().unwrap().is_internal_error());
    for want in ["v3 a closed $", "v3 a .", "v a b $", "a b $", "refused $"] {
        assert_eq!(list(&source).await, want);
    }
    let stalled = source.list(ListOptions::default()).now_or_never();
    assert!(stalled.is_none());
    assert_eq!(list(&source).await, "v3 a b $");
    assert_eq!(source.requests().len(), 8);
}

#[tokio::test]
async fn a_page_fault_waits_for_its_page() {
    let source = source(&["a", "b", "c"]);
    source.fail_page(2, Status::failure(410, "Expired", "too old"));
    let options = ListOptions {
        limit: Some(1),
        ..ListOptions::default()
    };
    let token = first_token(&source, options.clone()).await;
    let second = ListOptions {
        continue_token: Some(token.clone()),
        ..options
    };
    let failed = source.list(second.clone()).await.map(|_| ());
    assert!(failed.unwrap_err().status().unwrap().is_resource_expired());
    source.on_page(2, ListFault::RepeatPage);
    assert_eq!(first_token(&source, second.clone()).await, token);
    assert_ne!(first_token(&source, second).await, token);
}

/// The continue token of a page.
async fn first_token(source: &Source, options: ListOptions) -> String {
    let mut stream = source.list(options).await.unwrap();
    let Some(Ok(ListPart::Metadata(metadata))) = stream.next().await else {
        panic!("the metadata comes first");
    };
    metadata.continue_token.unwrap()
}

#[tokio::test]
async fn watch_faults_end_the_stream_where_they_are_told_to() {
    let source = source(&["a", "b"]);
    let status = Status::failure(500, "", "broken");
    for (events, end, want) in [
        (0, WatchEnd::Close, "$"),
        (1, WatchEnd::Close, "+a=2 $"),
        (1, WatchEnd::Error(status), "+a=2 error 500 $"),
        (2, WatchEnd::Fail(connection_lost()), "+a=2 +b=3 closed $"),
        (1, WatchEnd::Silence, "+a=2 ."),
        (9, WatchEnd::Close, "+a=2 +b=3 end=3 ."),
    ] {
        source.on_next_watch(WatchFault::EndAfter { events, end });
        let mut watch = source.watch(from(0)).await.unwrap();
        assert_eq!(drain(&mut watch), want);
    }
    source.on_next_watch(WatchFault::EndAfter {
        events: 1,
        end: WatchEnd::Silence,
    });
    let mut half_open = source.watch(from(3)).await.unwrap();
    source.update(key("a"), "second").unwrap();
    source.update(key("a"), "third").unwrap();
    source.close_watches();
    source.restart();
    assert_eq!(drain(&mut half_open), "~a=4 .");
}

#[tokio::test]
async fn a_watch_request_can_fail_stall_or_be_scripted() {
    let source = source(&["a"]);
    source.fail_next_watch(connection_refused());
    source.on_next_watch(WatchFault::Stall);
    source.on_next_watch(WatchFault::Answer {
        events: vec![WatchEvent::Unknown {
            event_type: "SYNC".to_owned(),
            resource_version: ResourceVersion::UNSET,
        }],
        end: WatchEnd::Close,
    });
    let failed = source.watch(from(2)).await.map(|_| ());
    assert_eq!(failed.unwrap_err().class(), "refused");
    assert!(source.watch(from(2)).now_or_never().is_none());
    let mut scripted = source.watch(from(2)).await.unwrap();
    assert_eq!(drain(&mut scripted), "unknown SYNC $");
}

#[tokio::test]
async fn watch_lists_can_be_refused_or_lose_their_mark() {
    let source = source(&["a"]);
    source.set_watch_list_mode(WatchListMode::Refused);
    let refused = source.watch(watch_list()).await.map(|_| ());
    assert!(refused.unwrap_err().status().unwrap().is_invalid());
    source.set_watch_list_mode(WatchListMode::MarkLost);
    let mut watch = source.watch(watch_list()).await.unwrap();
    assert_eq!(drain(&mut watch), "+a=2 .");
    source.set_watch_list_mode(WatchListMode::Served);
    source.on_next_watch(WatchFault::LoseEndMark);
    let mut watch = source.watch(watch_list()).await.unwrap();
    assert_eq!(drain(&mut watch), "+a=2 .");
    let mut watch = source.watch(watch_list()).await.unwrap();
    assert_eq!(drain(&mut watch), "+a=2 end=2 .");
    assert!(source.supports_watch_list());
    assert!(!source.without_watch_list().supports_watch_list());
}

#[tokio::test]
async fn a_rejected_object_is_an_item_and_an_event_of_its_own() {
    let source = source(&["a", "b"]);
    source.reject(key("a"));
    let shown = list(&source).await;
    assert_eq!(shown, "v3 object a was rejected: rejected by the test b $");
    let mut watch = source.watch(from(3)).await.unwrap();
    source.update(key("a"), "second").unwrap();
    source.reject_as(key("a"), RejectionReason::Table);
    source.delete(&key("a")).unwrap();
    source.accept(&key("a"));
    source.create(key("a"), "third").unwrap();
    assert_eq!(
        drain(&mut watch),
        "rejected Some(Modified) 4 rejected Some(Deleted) 5 +a=6 ."
    );
}

#[tokio::test]
async fn any_event_can_be_sent_to_all_watches() {
    let source = source(&["a"]);
    let mut one = source.watch(from(2)).await.unwrap();
    let mut other = source.watch(from(2)).await.unwrap();
    let mut without_version = source.get(&key("a")).unwrap();
    without_version.header.resource_version = ResourceVersion::UNSET;
    source.send(&WatchEvent::Modified(without_version));
    source.send(&WatchEvent::Bookmark {
        resource_version: 77.into(),
        initial_events_end: true,
    });
    source.end_watches(&WatchEnd::Error(Status::failure(410, "Gone", "")));
    for watch in [&mut one, &mut other] {
        assert_eq!(drain(watch), "~a= end=77 error 410 $");
    }
}

#[tokio::test]
async fn requests_are_recorded_and_can_be_waited_for() {
    let source = source(&["a"]);
    let client = source.clone();
    let asked = ListOptions {
        limit: Some(5),
        ..ListOptions::default()
    };
    let first = asked.clone();
    let reader = tokio::spawn(async move {
        drop(client.list(first).await);
        let mut watch = client.watch(from(2)).await.unwrap();
        watch.next().await.unwrap().unwrap();
        watch
    });
    let requests = source.wait_for_requests(2).await;
    assert_eq!(requests, [Request::List(asked), Request::Watch(from(2))]);
    source.wait_for_open_watches(1).await;
    source.update(key("a"), "second").unwrap();
    let watch = reader.await.unwrap();
    assert_eq!(source.open_watches(), 1);
    drop(watch);
    source.wait_for_open_watches(0).await;
}

#[tokio::test]
async fn settled_means_that_the_reader_has_come_back_for_more() {
    let source = source(&[]);
    let mut watch = source.watch(from(1)).await.unwrap();
    assert!(source.wait_until_settled().now_or_never().is_none());
    assert_eq!(drain(&mut watch), ".");
    assert!(source.wait_until_settled().now_or_never().is_some());
    source.create(key("a"), "first").unwrap();
    assert!(source.wait_until_settled().now_or_never().is_none());
    assert!(watch.next().now_or_never().is_some());
    assert!(source.wait_until_settled().now_or_never().is_none());
    assert_eq!(drain(&mut watch), ".");
    assert!(source.wait_until_settled().now_or_never().is_some());
}

#[tokio::test]
async fn h_36_every_change_has_a_version_and_a_watch_tells_those_after_its_own() {
    let source = source(&["a"]);
    for state in ["second", "third"] {
        source.update(key("a"), state).unwrap();
    }
    assert_eq!(list(&source).await, "v4 a $");
    for (version, told) in [(2, "~a=3 ~a=4 ."), (3, "~a=4 ."), (4, ".")] {
        let mut watch = source.watch(from(version)).await.unwrap();
        assert_eq!(drain(&mut watch), told, "after {version}");
        source.close_watches();
        assert_eq!(drain(&mut watch), "$");
    }
    // What is handed out is a state of its own: a later change does not reach into it.
    let read = source.get(&key("a")).unwrap();
    source.update(key("a"), "fourth").unwrap();
    assert_eq!(*read.object, "third");
}

#[tokio::test]
async fn h_36_a_reset_ends_every_watch_and_forgets_what_was_before() {
    let source = source(&["a"]);
    source.update(key("a"), "second").unwrap();
    let mut open = source.watch(from(3)).await.unwrap();
    source.restart();
    assert_eq!(drain(&mut open), "closed $");
    let mut before = source.watch(from(2)).await.unwrap();
    assert_eq!(drain(&mut before), "error 410 $");
    let mut present = source.watch(from(3)).await.unwrap();
    assert_eq!(drain(&mut present), ".");
    source.create(key("b"), "first").unwrap();
    assert_eq!(drain(&mut present), "+b=4 .");
}

#[tokio::test]
async fn h_37_ending_a_watch_twice_is_ending_it_once_and_dropping_it_gives_it_up() {
    let source = source(&["a"]);
    let mut watch = source.watch(from(2)).await.unwrap();
    let dropped = source.watch(from(2)).await.unwrap();
    assert_eq!(source.open_watches(), 2);
    drop(dropped);
    source.create(key("b"), "first").unwrap();
    assert_eq!(source.open_watches(), 1);
    source.close_watches();
    source.close_watches();
    assert_eq!(
        drain(&mut watch),
        "+b=3 $",
        "what was sent before the end arrives"
    );
    assert_eq!(drain(&mut watch), "$", "and the end stays the end");
    assert_eq!(source.open_watches(), 0);
}
