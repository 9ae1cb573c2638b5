//! The loop's own bookkeeping, step by step.

use heliostat_core::object::{Entry, Header, Uid};
use heliostat_core::queue::rate_limit::default_rate_limiter;
use heliostat_core::store::{Staging, Store};

use super::*;

fn entry(version: u64) -> Entry<u64> {
    let header = Header {
        key: ObjectKey::cluster("a"),
        resource_version: version.into(),
        uid: Uid::from("u"),
    };
    Entry::new(header, version)
}

struct Loop {
    writer: FeedWriter<u64>,
    worker: Worker<u64>,
}

impl Loop {
    fn new() -> Self {
        let store = IndexerWriter::new();
        let feed = Arc::new(Feed::new(BATCH_SIZE));
        Self {
            writer: FeedWriter::new(Arc::clone(&feed), store.indexer()),
            worker: Worker {
                feed,
                store,
                backlog: Backlog::new(Box::new(default_rate_limiter())),
                control: Arc::new(Control::new("test")),
                started: Instant::now(),
                is_fed: false,
                lines: LineLimit::new(None),
            },
        }
    }

    fn list(&mut self, version: u64) {
        let staging = self.writer.begin_replace();
        self.finish_list(staging, version);
    }

    fn finish_list(&mut self, mut staging: Staging<u64>, version: u64) {
        staging.stage(entry(version));
        self.writer.commit(staging, &version.into()).unwrap();
    }

    /// Takes in what is queued and returns what it means, in one word for each change.
    fn work(&mut self) -> Vec<&'static str> {
        let feed = Arc::clone(&self.worker.feed);
        while let Some(popped) = feed.try_pop() {
            self.worker.take_in(popped);
        }
        let mut words = Vec::new();
        while let Some(work) = self.worker.backlog.poll_work(Time::ZERO) {
            words.extend(work.deltas.iter().map(word));
            self.worker.backlog.handle_success(&work);
        }
        words
    }
}

const fn word(delta: &Delta<u64>) -> &'static str {
    match delta {
        Delta::Added(_) => "Added",
        Delta::Updated(_) => "Updated",
        Delta::Replaced(_) => "Replaced",
        Delta::Sync(_) => "Sync",
        Delta::Deleted(_) => "Deleted",
    }
}

#[test]
fn i_05_a_list_that_finds_what_was_applied_while_it_was_collected_replaces_nothing() {
    let mut it = Loop::new();
    it.list(1);
    assert_eq!(it.work(), ["Replaced"]);
    it.writer.update(entry(2)).unwrap();
    let staging = it.writer.begin_replace();
    assert_eq!(it.work(), ["Updated"], "applied in the middle of the list");
    it.finish_list(staging, 2);
    assert_eq!(it.work(), [""; 0]);
    it.list(3);
    assert_eq!(it.work(), ["Replaced"], "a list that brings something new");
}
