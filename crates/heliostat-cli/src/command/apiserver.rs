//! `heliostat apiserver`: the embedded server as a program.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use heliostat_server::{ApiServer, StorageHandle};
use tokio::net::TcpListener;

use crate::duration;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::world::{Churn, World};

use super::pace::Pace;

/// What to serve and where.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApiserverArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,

    /// Fill the server with so many pods, and with the nodes and deployments that belong to them
    #[arg(long, value_name = "N", default_value_t = 0)]
    pods: usize,

    /// Change so many pods a second: new ones, deleted ones, ones that fail. Needs --pods
    #[arg(long, value_name = "RATE", requires = "pods", value_parser = super::pace::parse_rate)]
    churn: Option<f64>,

    /// Makes pods and changes the same on every run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How many events of each kind are kept for those who watch from an old version
    #[arg(long, value_name = "N", default_value_t = 8192)]
    event_window: usize,

    /// The time between bookmarks on a watch
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    bookmark_period: Duration,

    /// Refuse to stream initial lists, as servers before Kubernetes 1.27 do
    #[arg(long)]
    no_watch_list: bool,
}

const EXAMPLES: &str = "\
When it is ready it prints one line, `listening on http://ADDR`; it serves until SIGINT or SIGTERM. \
Everything is in memory: nothing is read from disk and nothing is left.

Examples:
  heliostat apiserver --pods 500 --churn 20
  kubectl --server http://127.0.0.1:8080 get pods -A --watch
  heliostat mirror pods -A --server http://127.0.0.1:8080";

/// Serves until a signal comes.
pub(crate) async fn run(args: ApiserverArgs) -> Result<(), Failure> {
    let mut signals = Signals::install().map_err(Failure::Runtime)?;
    let listen_failed = |error| Failure::Listen {
        address: args.listen.clone(),
        error,
    };
    let server = ApiServer::builder()
        .seed(args.seed)
        .event_window(args.event_window)
        .bookmark_period(args.bookmark_period)
        .watch_list(!args.no_watch_list)
        .build();
    // First the address, so that one that is taken is told before anything is made.
    let listener = TcpListener::bind(&args.listen)
        .await
        .map_err(listen_failed)?;
    World::load_namespaces(server.storage())?;
    let world = World::generate(args.seed, args.pods);
    if args.pods > 0 {
        world.load(server.storage())?;
    }
    let running = server.serve(listener).map_err(listen_failed)?;
    let mut stdout = std::io::stdout();
    // Who closed stdout does not want to know the address; serving goes on.
    let _ = writeln!(stdout, "listening on {}", running.url()).and_then(|()| stdout.flush());
    match args.churn {
        None => signals.wait().await,
        Some(rate) => {
            tokio::select! {
                () = signals.wait() => {}
                () = keep_busy(world, running.storage().clone(), rate) => {}
            }
        }
    }
    running.shutdown().await;
    Ok(())
}

async fn keep_busy(world: World, storage: StorageHandle, rate: f64) {
    let mut churn = Churn::new(world, storage);
    let mut pace = Pace::new(rate);
    loop {
        for _ in 0..pace.tick().await {
            // A client may have deleted the pod; the next step knows.
            if let Err(status) = churn.step() {
                tracing::debug!(%status, "a change was not possible");
            }
        }
    }
}
