//! What client-go's controllers do by hand: a reflector fills a `DeltaFifo`, and a loop pops from it and
//! keeps an `Indexer`.
//!
//! `cargo run --example delta_fifo` mirrors a collection in memory. Put a `KubeSource` in its place, and
//! it mirrors a cluster.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::time::Duration;

use heliostat::client_go::{Delta, DeltaFifo};
use heliostat::source::memory::MemorySource;
use heliostat::{IndexerWriter, ListerWatcher, Reflector, ReflectorHandle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = MemorySource::<String>::new();
    source.create("team/blue".parse()?, "sky".to_owned())?;

    let (mirror, queue, writer) = mirror(source.clone());
    let store = writer.indexer();
    let popping = tokio::spawn(pop_all(queue.clone(), writer));
    queue.wait_synced(Duration::from_secs(30)).await?;
    source.create("team/red".parse()?, "brick".to_owned())?;
    source.delete(&"team/blue".parse()?)?;
    source.wait_until_settled().await;

    mirror.shutdown().await;
    queue.close();
    popping.await?;
    println!("{} objects remain", store.len());
    Ok(())
}

/// Starts a reflector that fills a queue, for a consumer that fills a store.
pub fn mirror<S: ListerWatcher>(
    source: S,
) -> (
    ReflectorHandle,
    DeltaFifo<S::Object>,
    IndexerWriter<S::Object>,
) {
    let writer = IndexerWriter::with_namespace_index();
    // The queue asks the store which objects a list no longer has.
    let known = writer.indexer();
    let queue = DeltaFifo::builder().known(move || known.snapshot()).build();
    let mirror = Reflector::new(source, queue.clone()).start();
    (mirror, queue, writer)
}

/// Pops what happened to one object after the other, and applies it to the store, until the queue is
/// closed and empty.
pub async fn pop_all<T: Send + Sync>(queue: DeltaFifo<T>, writer: IndexerWriter<T>) {
    while let Ok(popped) = queue.pop().await {
        for delta in popped.as_slice() {
            match delta {
                Delta::Added(entry) | Delta::Replaced(entry) => {
                    println!("+ {}", entry.key());
                    writer.upsert(entry.clone());
                }
                Delta::Updated(entry) | Delta::Sync(entry) => {
                    println!("~ {}", entry.key());
                    writer.upsert(entry.clone());
                }
                Delta::Deleted(deletion) => {
                    println!("- {}", deletion.key());
                    writer.remove(deletion.key());
                }
            }
        }
        // Dropping it reports it as processed; `requeue` would have it come again.
        drop(popped);
    }
}
