//! How a measured process talks to the replay server of `packed`.

use clap::{Args, ValueEnum};

use crate::stages::Failure;

/// What objects come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// What is mirrored.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// The replay server.
    #[arg(long)]
    pub server: String,
    /// How many pods it serves.
    #[arg(long)]
    pub pods: usize,
    /// Tell the memory all the time, too.
    #[arg(long)]
    pub sampled: bool,
}

/// A client for a server that needs no credentials.
///
/// # Errors
/// If the address is none.
pub fn connect(server: &str) -> Result<kube_client::Client, Failure> {
    let config = kube_client::Config::new(server.parse()?);
    Ok(kube_client::Client::try_from(config)?)
}

/// Has the server do something; returns the version that a mirror then has when it is through, or for
/// `/cpu` the CPU nanoseconds of the server so far.
///
/// # Errors
/// If the server does not answer with one.
pub async fn drive(client: &kube_client::Client, path: &str) -> Result<u64, Failure> {
    let request = hyper::Request::post(path).body(Vec::new())?;
    Ok(client.request_text(request).await?.parse()?)
}
