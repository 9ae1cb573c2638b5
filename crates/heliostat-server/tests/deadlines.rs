//! Clients that are silent, stop in the middle or ask for no time at all.

mod common;

use std::time::Duration;

use common::{Watch, serve};
use heliostat_server::RunningServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

/// Sends some bytes, then nothing; returns what the server sends until it closes the connection, and
/// when that is.
async fn send_and_wait(server: &RunningServer, bytes: &str) -> (Vec<u8>, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    (answer, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    let server = serve().await;
    for bytes in ["", "GET / HT", "PRI * HTTP/2.0\r\n", PREFACE] {
        let (_, after) = send_and_wait(&server, bytes).await;
        assert_eq!(after.as_secs(), 32, "after {bytes:?}");
    }
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_answered_with_a_timeout() {
    let server = serve().await;
    let head = format!("POST {MAPS} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{{");
    let (answer, after) = send_and_wait(&server, &head).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(after >= Duration::from_secs(60) && after < Duration::from_secs(100));
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_outlives_the_deadlines_of_requests() {
    let server = serve().await;
    let path = format!("{MAPS}?watch=1&resourceVersion=1");
    let mut watch = Watch::open(&server, &path).await;
    assert!(watch.is_silent_for(Duration::from_secs(300)).await);
    server.shutdown().await;
}

#[tokio::test]
async fn a_watch_of_negative_time_ends_at_once() {
    let server = serve().await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=-1");
    let mut watch = Watch::open(&server, &path).await;
    assert_eq!(watch.next_short().await, "end");
    server.shutdown().await;
}
