//! The only room that knows hyper and tokio's network: connections, requests, bodies, streams.
//! What is answered is decided in `api_server`.

mod body;
mod call;
mod gauge;
mod health;
mod log;
mod read;
mod response;
mod server;
mod service;
mod state;
mod stream_faults;
mod timers;
mod watch;
mod write;

pub use log::RequestRecord;
pub use server::{ApiServer, ApiServerBuilder, RunningServer};
