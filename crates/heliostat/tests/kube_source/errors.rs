//! Recorded refusals: which error they become, and what its predicates say.

use std::time::Duration;

use heliostat::source::kube::{KubeSource, WireEncoding};
use heliostat_core::error::{DecodeError, SourceError};
use heliostat_core::status::Status;
use k8s_openapi::api::core::v1::ConfigMap;

use super::server::{Reply, Server};
use super::{config_maps, list, replay, watch, widgets};

/// A source that has no second encoding to ask for after a refusal.
async fn in_json(server: &Server) -> KubeSource<ConfigMap> {
    config_maps(server).await.encoding(WireEncoding::Json)
}

/// The `Status` that a recorded refusal becomes, for a list.
async fn refusal(name: &str) -> Status {
    let server = replay(name, 7).await;
    let page = list(&in_json(&server).await).await;
    assert!(page.items.is_empty());
    let error = page.end.expect_err(name);
    assert_eq!(
        server.seen().len(),
        1,
        "{name} was asked again below the engine"
    );
    error
        .status()
        .unwrap_or_else(|| panic!("{name}: {error:?}"))
        .clone()
}

/// The same for a watch.
async fn watch_refusal(name: &str) -> Status {
    let server = replay(name, 7).await;
    let error = watch(&in_json(&server).await).await.expect_err(name);
    assert_eq!(
        server.seen().len(),
        1,
        "{name} was asked again below the engine"
    );
    error
        .status()
        .unwrap_or_else(|| panic!("{name}: {error:?}"))
        .clone()
}

#[tokio::test]
async fn e_10_recorded_refusals_have_their_code_and_reason() {
    for (name, code, reason) in [
        ("get-missing", 404, "NotFound"),
        ("list-cbor", 406, "NotAcceptable"),
        ("list-continue-expired", 410, "Expired"),
        ("list-continue-invalid", 400, "BadRequest"),
        ("list-cr-protobuf-refused", 406, "NotAcceptable"),
        ("list-crd-missing", 404, "NotFound"),
        ("list-exact-expired", 410, "Expired"),
        ("list-exact-rv0", 422, "Invalid"),
        ("list-field-unsupported", 400, "BadRequest"),
        ("list-forbidden", 403, "Forbidden"),
        ("list-label-invalid", 400, "BadRequest"),
        ("list-match-without-rv", 422, "Invalid"),
        ("list-not-acceptable", 406, "NotAcceptable"),
        ("list-resource-missing", 404, "NotFound"),
        ("list-rv-invalid", 400, "BadRequest"),
        ("list-rv-too-large", 504, "Timeout"),
        ("list-sie", 422, "Invalid"),
        ("list-too-many-requests", 429, "TooManyRequests"),
        ("list-unauthorized", 401, "Unauthorized"),
    ] {
        let status = refusal(name).await;
        assert_eq!((status.code, &*status.reason), (code, reason), "{name}");
        assert!(!status.message.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn e_10_recorded_refusals_of_a_watch() {
    for (name, code, reason) in [
        ("watch-crd-missing", 404, "NotFound"),
        ("watch-invalid-rv", 500, ""),
        ("watch-match-without-sie", 422, "Invalid"),
        ("watch-sie-without-match", 422, "Invalid"),
    ] {
        let status = watch_refusal(name).await;
        assert_eq!((status.code, &*status.reason), (code, reason), "{name}");
    }
}

#[tokio::test]
async fn e_05_a_plain_text_429_keeps_its_retry_after() {
    let status = refusal("list-too-many-requests").await;
    assert!(status.is_too_many_requests());
    assert_eq!(status.retry_after(), Some(Duration::from_secs(1)));
    assert!(
        status
            .message
            .contains("Too many requests, please try again later.")
    );
}

#[tokio::test]
async fn w_21_a_time_to_wait_may_be_a_date() {
    let reply = Reply::new(429, "text/plain", "busy")
        .header("retry-after", "Sat, 28 Nov 2026 12:00:00 GMT")
        .header("date", "Sat, 28 Nov 2026 11:59:30 GMT");
    let server = Server::always(reply).await;
    let error = list(&config_maps(&server).await).await.end.unwrap_err();
    let wait = error.status().unwrap().retry_after();
    assert_eq!(wait, Some(Duration::from_secs(30)));
    let reply = Reply::new(503, "text/plain", "busy").header("retry-after", "18446744073709551615");
    let server = Server::always(reply).await;
    let error = watch(&config_maps(&server).await).await.unwrap_err();
    let wait = error.status().unwrap().retry_after();
    assert_eq!(wait, Some(Duration::from_secs(u64::from(u32::MAX))));
}

#[tokio::test]
async fn e_03_the_three_expiries_and_the_fresh_token() {
    let status = refusal("list-continue-expired").await;
    assert!(status.is_resource_expired() && status.is_expired());
    assert!(
        status
            .metadata
            .continue_token
            .starts_with("eyJ2IjoibWV0YS5rOHMuaW8vdjEi")
    );
    assert!(refusal("list-exact-expired").await.is_expired());
}

#[tokio::test]
async fn e_04_a_too_large_version_is_recognised() {
    let status = refusal("list-rv-too-large").await;
    assert!(status.is_too_large() && status.is_timeout());
    assert_eq!(status.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn e_06_a_500_without_a_reason_is_internal() {
    assert!(watch_refusal("watch-invalid-rv").await.is_internal_error());
}

#[tokio::test]
async fn classes_of_refusals() {
    assert!(refusal("list-unauthorized").await.is_unauthorized());
    assert!(refusal("list-forbidden").await.is_forbidden());
    assert!(refusal("list-crd-missing").await.is_not_found());
    assert!(refusal("list-sie").await.is_invalid());
    assert!(watch_refusal("watch-sie-without-match").await.is_invalid());
}

#[tokio::test]
async fn a_proxys_page_is_shown_for_what_it_is() {
    let page = "<html>\n<head><title>Sign in to Example Corp</title></head>\n</html>";
    let server = Server::always(Reply::new(200, "text/html; charset=utf-8", page)).await;
    let source = config_maps(&server).await;
    for error in [
        list(&source).await.end.unwrap_err(),
        watch(&source).await.unwrap_err(),
    ] {
        let SourceError::Decode(DecodeError::ContentType {
            content_type,
            excerpt,
            ..
        }) = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(content_type, "text/html; charset=utf-8");
        assert!(excerpt.contains("<title>Sign in to Example Corp</title>"));
    }
}

#[tokio::test]
async fn protobuf_that_was_not_asked_for_is_refused() {
    let server = replay("list-protobuf", 1).await;
    let end = list(&widgets(&server).await).await.end;
    assert!(matches!(&end, Err(SourceError::Encoding(_))), "{end:?}");
    let message = end.unwrap_err().to_string();
    assert!(
        message.starts_with(
            "widgets.example.com in namespace cap: example.com/v1, Kind=Widget came as protobuf"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn a_status_with_a_success_code_is_still_a_refusal() {
    let body = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"gone","reason":"Expired","code":410}"#;
    let server = Server::always(Reply::json(body)).await;
    let error = list(&config_maps(&server).await).await.end.unwrap_err();
    assert!(error.status().is_some_and(Status::is_expired), "{error:?}");
}

#[tokio::test]
async fn a_gateways_error_page_becomes_a_status_by_its_code() {
    let page = "<html><h1>502 Bad Gateway</h1></html>";
    let server = Server::always(Reply::new(502, "text/html", page)).await;
    let error = list(&config_maps(&server).await).await.end.unwrap_err();
    let status = error.status().unwrap();
    assert!(status.is_internal_error());
    assert!(
        status.message.contains("502 Bad Gateway"),
        "{}",
        status.message
    );
}
