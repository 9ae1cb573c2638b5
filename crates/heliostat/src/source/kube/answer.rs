//! The head of an answer: is it a success, and of a content type that can be decoded.
//!
//! A failure becomes the server's own `Status`, which may come in either encoding, or one made from the
//! code where the body is plain text. A success of another content type is the page of something on the
//! way: a proxy, a login form, a captive portal.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use http::Response;
use http::header::{DATE, HeaderMap, RETRY_AFTER};
use kube_client::client::Body;

use heliostat_core::error::{DecodeError, SourceError};
use heliostat_core::status::Status;
use heliostat_core::wire::protobuf::parse_status;

use super::body::chunks;
use super::encoding::Encoding;

/// How much of an error's body is read. A `Status` with many causes has a few kilobytes.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// How much of a foreign page is read, to show whose it is.
const PAGE_BYTES_MAX: usize = 2 * 1024;

/// How many characters of a foreign page are shown.
const EXCERPT_CHARS: usize = 160;

/// How long the body of an error is waited for: the code alone decides nearly as well.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

/// Returns the answer with its encoding, or the error that it stands for.
pub(super) async fn check(
    response: Response<Body>,
    expected: &'static str,
) -> Result<(Response<Body>, Encoding), SourceError> {
    let code = response.status();
    if !code.is_success() {
        let (code, retry_after) = (
            code.as_u16(),
            retry_after(response.headers(), SystemTime::now),
        );
        let encoding = Encoding::of(response.headers());
        let body = read_some(response, ERROR_BODY_BYTES_MAX).await;
        let in_protobuf = match encoding {
            Ok(Encoding::Protobuf) => parse_status(&body),
            Ok(Encoding::Json) | Err(_) => None,
        };
        let status = match in_protobuf {
            Some(status) => status.with_head(code, retry_after),
            None => Status::from_response(code, "GET", retry_after, &body),
        };
        return Err(status.into());
    }
    match Encoding::of(response.headers()) {
        Ok(encoding) => Ok((response, encoding)),
        Err(content_type) => {
            let body = read_some(response, PAGE_BYTES_MAX).await;
            let error = DecodeError::ContentType {
                content_type,
                expected,
                excerpt: excerpt(&body),
            };
            Err(error.into())
        }
    }
}

/// `Retry-After` in both its forms (RFC 9110, section 10.2.3): seconds, as Kubernetes sends it, and a
/// date, as proxies do.
///
/// A date is held against the answer's own date, so that a clock that is wrong on either side does not
/// matter; `clock` counts where the answer has none. The delay is not bounded here: see
/// [`ReflectorConfig::retry_after_max`](crate::ReflectorConfig::retry_after_max).
fn retry_after(headers: &HeaderMap, clock: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let now = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    let wait = at.duration_since(now.unwrap_or_else(clock)).ok()?;
    // A `Status` has whole seconds.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Some(Duration::from_secs(seconds))
}

/// Reads the beginning of a body. What cannot be read, or not in time, is left out.
async fn read_some(response: Response<Body>, bytes_max: usize) -> Vec<u8> {
    let mut read = Vec::new();
    let mut chunks = chunks(response);
    let reading = async {
        while read.len() < bytes_max {
            let Some(Ok(chunk)) = chunks.next().await else {
                return;
            };
            let room = bytes_max - read.len();
            read.extend(chunk.iter().take(room));
        }
    };
    // The time is not an error: what has come by then is judged.
    let _ = tokio::time::timeout(ERROR_BODY_WAIT, reading).await;
    read
}

/// The beginning of a page on one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or("an empty body").to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    if line.chars().count() > EXCERPT_CHARS {
        line = line.chars().take(EXCERPT_CHARS).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use http::{HeaderValue, Request};
    use http_body::Frame;
    use tower::Service;

    use super::*;

    /// Answers 403 with the beginning of a body whose rest never comes.
    struct Stalling;

    impl Service<Request<Body>> for Stalling {
        type Response = Response<StallingBody>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let mut response = Response::new(StallingBody(Some("you may not")));
            *response.status_mut() = http::StatusCode::FORBIDDEN;
            ready(Ok(response))
        }
    }

    struct StallingBody(Option<&'static str>);

    impl http_body::Body for StallingBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.take() {
                Some(text) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_whose_body_does_not_end_is_judged_by_what_has_come() {
        let client = kube_client::Client::new(Stalling, "default");
        let request = Request::get("/api/v1/pods").body(Body::empty()).unwrap();
        let response = client.send(request).await.unwrap();
        let started = tokio::time::Instant::now();
        let error = check(response, "list").await.unwrap_err();
        assert_eq!(started.elapsed(), ERROR_BODY_WAIT);
        let status = error.status().unwrap();
        assert!(status.is_forbidden());
        assert!(status.message.contains("you may not"), "{}", status.message);
    }

    #[test]
    fn w_21_a_time_to_wait_is_a_number_of_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sat, 28 Nov 2026 11:59:00 GMT").unwrap();
        let wait = |value: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            let half_a_second = Duration::from_millis(500);
            retry_after(&headers, || now + half_a_second).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("7", None), Some(7));
        assert_eq!(wait(" 0 ", None), Some(0));
        assert_eq!(wait("18446744073709551615", None), Some(u64::MAX));
        assert_eq!(wait("99999999999999999999999999", None), Some(u64::MAX));
        let noon = "Sat, 28 Nov 2026 12:00:00 GMT";
        assert_eq!(wait(noon, Some("Sat, 28 Nov 2026 11:59:55 GMT")), Some(5));
        assert_eq!(wait(noon, None), Some(60));
        assert_eq!(wait(noon, Some("yesterday")), Some(60));
        assert_eq!(wait("Saturday, 28-Nov-26 12:00:00 GMT", None), Some(60));
        assert_eq!(wait("Sat Nov 28 12:00:00 2026", None), Some(60));
        assert_eq!(wait(noon, Some("Sat, 28 Nov 2026 12:00:01 GMT")), None);
        for neither in ["-1", "1.5", "", "soon", "Sat, 31 Feb 2026 12:00:00 GMT"] {
            assert_eq!(wait(neither, None), None, "{neither}");
        }
    }

    #[test]
    fn an_excerpt_fits_on_a_line() {
        assert_eq!(
            excerpt(b"<html>\n  <title>Sign in</title>"),
            "<html> <title>Sign in</title>"
        );
        assert_eq!(excerpt(b" \n"), "an empty body");
        assert_eq!(excerpt(&[b'x'; 500]).chars().count(), EXCERPT_CHARS + 1);
    }
}
