//! The measure of all lists: hyper over a socket, which reads the bytes and drops them.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::header::{ACCEPT, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use heliostat_bench::process;
use heliostat_bench::replay_server::{Encoding, Target, connect, drive};
use heliostat_bench::stages::{Bare, Failure};

/// What a mirror of ours asks for after a start.
const LIST: &str = "/api/v1/pods?resourceVersion=0";

pub(super) async fn run(target: &Target, encoding: Encoding) -> Result<Bare, Failure> {
    let client = connect(&target.server)?;
    drive(&client, "/reset").await?;
    let address = target.server.trim_start_matches("http://");
    let accept = match encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf",
    };
    let list = Request::get(LIST)
        .header(HOST, address)
        .header(ACCEPT, accept)
        .body(Empty::<Bytes>::new())?;

    let server_before = drive(&client, "/cpu").await?;
    let (begun, before) = (Instant::now(), process::cpu());
    let socket = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let mut body = sender.send_request(list).await?.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes += data.len();
        }
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), process::cpu() - before);
    let server_cpu = drive(&client, "/cpu").await? - server_before;
    Ok(Bare {
        wall,
        cpu,
        server_cpu: server_cpu as f64 / 1e9,
        bytes: bytes as f64,
    })
}
