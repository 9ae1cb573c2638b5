//! The only room that knows hyper and tokio's network: connections, requests, bodies, streams.
//! What is answered is decided in `api_server`.

mod body;
mod cache_server;
mod call;
mod config;
mod gauge;
mod health;
mod listening;
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

pub use cache_server::{CacheServer, CacheServerBuilder, RunningCacheServer};
pub use log::RequestRecord;
pub use server::{ApiServer, ApiServerBuilder, RunningServer};
