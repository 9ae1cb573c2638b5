//! How far a list is can be read while it comes, whichever way it comes.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use heliostat::reflector::Progress;
use heliostat::source::{
    ListMetadata, ListOptions, ListPart, ListStream, WatchEvent, WatchOptions, WatchStream,
};
use heliostat::{
    Entry, Header, ListerWatcher, Reflector, ReflectorConfig, ReflectorStatus, ResourceVersion,
    SourceError,
};

use crate::support::{key, list_config, stream_config};

/// A source whose answers stop in the middle.
struct Halting;

fn entry(name: &str) -> Entry<String> {
    let header = Header {
        key: key(name),
        resource_version: 7.into(),
        uid: name.into(),
    };
    Entry::new(header, name.to_owned())
}

fn halting<T: Send + 'static>(items: Vec<T>) -> BoxStream<'static, Result<T, SourceError>> {
    let items = stream::iter(items.into_iter().map(Ok));
    items.chain(stream::pending()).boxed()
}

impl ListerWatcher for Halting {
    type Object = String;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<String>, SourceError> {
        if options.continue_token.is_none() {
            let metadata = ListMetadata {
                resource_version: ResourceVersion::from(9),
                continue_token: Some("more".to_owned()),
                remaining_item_count: Some(5),
            };
            let parts = [
                ListPart::Items(vec![Ok(entry("a")), Ok(entry("b"))]),
                ListPart::Metadata(metadata),
            ];
            return Ok(stream::iter(parts.map(Ok)).boxed());
        }
        Ok(halting(vec![ListPart::Items(vec![Ok(entry("c"))])]))
    }

    async fn watch(&self, _: WatchOptions) -> Result<WatchStream<String>, SourceError> {
        let events = ["a", "b", "c"].map(|name| WatchEvent::Added(entry(name)));
        Ok(halting(events.into()))
    }

    fn description(&self) -> String {
        "halting".to_owned()
    }
}

/// Runs until the third object has come, and gives the progress.
async fn progress_of(config: ReflectorConfig) -> Progress {
    let (reflector, _store) = Reflector::with_indexer(Halting);
    let mirror = reflector.config(config).start();
    let mut status = mirror.watch_status();
    let third = |status: &ReflectorStatus| status.progress.is_some_and(|it| it.received == 3);
    let progress = status.wait_for(third).await.unwrap().progress.unwrap();
    assert!(!mirror.status().synced);
    mirror.shutdown().await;
    progress
}

#[tokio::test(start_paused = true)]
async fn a_page_counts_while_it_comes_and_the_rest_is_what_the_last_page_said() {
    let progress = progress_of(list_config()).await;
    assert_eq!((progress.received, progress.remaining), (3, Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_watch_list_counts_while_it_comes() {
    let progress = progress_of(stream_config()).await;
    assert_eq!((progress.received, progress.remaining), (3, None));
}
