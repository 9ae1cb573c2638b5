//! What a network does: refuses, closes, resets, cuts off, goes on for ever.

use std::io::Write;
use std::sync::Arc;

use flate2::write::GzEncoder;
use futures_util::StreamExt;
use heliostat::ListerWatcher;
use heliostat::source::kube::{Connection, KubeSource};
use heliostat_core::error::{DecodeError, SourceError, TransportErrorKind};
use heliostat_core::event::ListPart;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::rng::Rng;
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::sync::Notify;

use super::server::{End, Framing, Reply, Server, Step, nobody};
use super::{Page, config_maps, list, tell, watch};

fn kind(error: &SourceError) -> TransportErrorKind {
    match error {
        SourceError::Transport(error) => error.kind,
        other => panic!("no transport error: {other:?}"),
    }
}

#[tokio::test]
async fn e_08_a_refused_connection_names_request_and_server() {
    let url = nobody().await;
    let source = KubeSource::<ConfigMap>::new(super::connect(&url).await).namespace("cap");
    let error = list(&source).await.end.unwrap_err();
    assert_eq!(kind(&error), TransportErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!("GET /api/v1/namespaces/cap/configmaps at {url}: connection refused")
    );
    let error = watch(&source).await.unwrap_err();
    assert_eq!(kind(&error), TransportErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!("GET /api/v1/namespaces/cap/configmaps?watch=true at {url}: connection refused")
    );
}

#[tokio::test]
async fn e_08_a_name_that_does_not_resolve_is_not_refused() {
    let cluster = super::connect("http://no-such-host.invalid:8080").await;
    let error = list(&KubeSource::<ConfigMap>::new(cluster))
        .await
        .end
        .unwrap_err();
    assert_eq!(kind(&error), TransportErrorKind::Other);
    assert!(
        error
            .to_string()
            .contains("http://no-such-host.invalid:8080"),
        "{error}"
    );
}

#[tokio::test]
async fn e_08_tls_against_a_plain_server_is_not_refused() {
    let server = Server::always(Reply::json("{}")).await;
    let url = server.url.replace("http://", "https://");
    let cluster = Connection::new().server(&url).connect().await.unwrap();
    let error = list(&KubeSource::<ConfigMap>::new(cluster))
        .await
        .end
        .unwrap_err();
    assert_ne!(kind(&error), TransportErrorKind::Refused);
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test]
async fn e_11_a_server_that_hangs_up_before_it_answers_has_closed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let source = KubeSource::<ConfigMap>::new(super::connect(&url).await).namespace("cap");
    assert_eq!(
        kind(&list(&source).await.end.unwrap_err()),
        TransportErrorKind::Closed
    );
    assert_eq!(
        kind(&watch(&source).await.unwrap_err()),
        TransportErrorKind::Closed
    );
    server.abort();
}

/// Every combination of framing and end, with a list that is cut at several places.
#[tokio::test]
async fn e_11_a_list_that_is_cut_off_is_an_error() {
    let whole = Reply::capture("list-json");
    let length = whole.body().len();
    for framing in [Framing::Chunked, Framing::Length, Framing::Close] {
        for end in [End::Closed, End::Reset] {
            for cut in [0, 1, 100, length / 2, length - 3] {
                let reply = whole.clone().framing(framing).cut_off(cut, end.clone());
                let server = Server::always(reply).await;
                let page: Page<ConfigMap> = list(&config_maps(&server).await).await;
                let told = format!("{framing:?}, {end:?}, {cut}: {:?}", page.end);
                match page.end {
                    Err(SourceError::Transport(error)) => {
                        assert_eq!(error.kind, TransportErrorKind::Closed, "{told}");
                    }
                    Err(SourceError::Decode(DecodeError::Truncated { .. })) => {
                        assert_eq!(framing, Framing::Close, "{told}");
                    }
                    _ => panic!("{told}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn w_21_a_watch_that_is_cut_off_has_failed_after_its_last_whole_event() {
    let whole = Reply::capture("watch-json");
    let body = whole.body();
    let first_frame = 1 + body.iter().position(|&byte| byte == b'\n').unwrap();
    for framing in [Framing::Chunked, Framing::Length, Framing::Close] {
        for cut in [0, 1, first_frame, first_frame + 1, first_frame + 100] {
            let reply = whole.clone().framing(framing).cut_off(cut, End::Closed);
            let server = Server::always(reply).await;
            let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
            let told = format!("{framing:?}, {cut}: {:?} {failure:?}", tell(&events));
            // Without a length of the body, a connection may close after any whole event.
            let is_whole = cut == 0 || cut == first_frame;
            match failure {
                Some(error) => assert_eq!(kind(&error), TransportErrorKind::Closed, "{told}"),
                None => assert!(framing == Framing::Close && is_whole, "{told}"),
            }
            assert_eq!(events.len(), usize::from(cut >= first_frame), "{told}");
        }
    }
}

/// A reset may overtake the bytes before it, so how many events come is not certain.
#[tokio::test]
async fn w_21_a_watch_that_is_reset_has_failed() {
    let resume = Arc::new(Notify::new());
    let reply = Reply::capture("watch-json")
        .then(Step::Await(Arc::clone(&resume)))
        .end(End::Reset);
    let server = Server::always(reply).await;
    let mut stream = config_maps(&server)
        .await
        .watch(WatchOptions::default())
        .await
        .unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    resume.notify_one();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    let failure = last.unwrap().unwrap_err();
    assert_eq!(kind(&failure), TransportErrorKind::Closed);
}

#[tokio::test]
async fn w_22_garbage_in_a_watch_is_one_error_and_the_end_of_it() {
    for garbage in ["}{", "<html>", "{\"type\":\"ADDED\",\"object\":{]}}\n"] {
        let reply = Reply::capture("watch-json").then(Step::Send(garbage.into()));
        let server = Server::always(reply).await;
        let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
        assert!(!events.is_empty());
        assert!(
            matches!(
                failure,
                Some(SourceError::Decode(DecodeError::Malformed { .. }))
            ),
            "{garbage}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn garbage_in_place_of_a_list_is_an_error() {
    for garbage in [
        "",
        "]",
        "<html>",
        "{\"items\":[{\"a\":}]}",
        "{} {}",
        "\u{0}\u{1}",
    ] {
        let server = Server::always(Reply::json(garbage)).await;
        let end = list(&config_maps(&server).await).await.end;
        assert!(
            matches!(end, Err(SourceError::Decode(_))),
            "{garbage}: {end:?}"
        );
    }
}

#[tokio::test]
async fn a_compressed_list_that_is_cut_off_is_an_error() {
    let packed = super::capture("pods-1000", "json.gz");
    let half = packed.len() / 2;
    let reply = Reply::json(&packed[..half]).header("content-encoding", "gzip");
    let server = Server::always(reply).await;
    let pods =
        KubeSource::<k8s_openapi::api::core::v1::Pod>::new(super::connect(&server.url).await);
    let page = list(&pods).await;
    assert!(!page.items.is_empty());
    assert_eq!(kind(&page.end.unwrap_err()), TransportErrorKind::Closed);
}

/// As a server of 1.37 compresses a watch-list, should it do so without being asked to.
#[tokio::test]
async fn a_watch_in_many_gzip_members_is_read_to_its_end() {
    let body = Reply::capture("watch-json").body();
    let expected = body.iter().filter(|&&byte| byte == b'\n').count();
    let mut packed = Vec::new();
    for frame in body.split_inclusive(|&byte| byte == b'\n') {
        let mut member = GzEncoder::new(&mut packed, flate2::Compression::fast());
        member.write_all(frame).unwrap();
        member.finish().unwrap();
    }
    let mut rng = Rng::seeded(11);
    let reply = Reply::json(packed)
        .header("content-encoding", "gzip")
        .cut(&mut rng);
    let server = Server::always(reply).await;
    let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
    assert!(failure.is_none(), "{failure:?}");
    assert!(expected > 1);
    assert_eq!(events.len(), expected);
}

#[tokio::test]
async fn items_come_before_the_list_is_complete() {
    let whole = Reply::capture("list-json").body();
    let half = whole.len() / 2;
    let resume = Arc::new(Notify::new());
    let reply = Reply::json(&whole[..half])
        .then(Step::Await(Arc::clone(&resume)))
        .then(Step::Send(whole[half..].to_vec()));
    let server = Server::always(reply).await;
    let mut parts = config_maps(&server)
        .await
        .list(ListOptions::default())
        .await
        .unwrap();
    let mut early = 0;
    while early == 0 {
        if let ListPart::Items(items) = parts.next().await.unwrap().unwrap() {
            early += items.len();
        }
    }
    resume.notify_one();
    let mut late = 0;
    while let Some(part) = parts.next().await {
        if let ListPart::Items(items) = part.unwrap() {
            late += items.len();
        }
    }
    assert!(early > 0 && late > 0);
    assert_eq!(early + late, 7);
}

#[tokio::test]
async fn r_23_dropping_the_stream_gives_up_the_request() {
    let gone = Arc::new(Notify::new());
    let reply = Reply::capture("watch-json").end(End::Held(Arc::clone(&gone)));
    let server = Server::always(reply).await;
    let mut stream = config_maps(&server)
        .await
        .watch(WatchOptions::default())
        .await
        .unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    gone.notified().await;
}

#[tokio::test]
async fn the_body_of_an_error_is_read_only_so_far() {
    let reply = Reply::new(403, "text/plain", "no ").then(Step::SendForEver(vec![b'x'; 4096]));
    let server = Server::always(reply).await;
    let error = list(&config_maps(&server).await).await.end.unwrap_err();
    assert!(error.status().unwrap().is_forbidden());
}
