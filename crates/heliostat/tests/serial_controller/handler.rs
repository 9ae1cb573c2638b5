//! A handler that is called by the loop itself, in step with the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heliostat::client_go::{SerialController, SerialControllerHandle};
use heliostat::{Entry, EventHandler, HandlerFuncs, Indexer, Reflector, ResourceVersion};
use heliostat_core::rng::Rng;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::support::*;
use crate::lines::Lines;

fn run(
    controller: SerialController<Source>,
    handler: impl EventHandler<String>,
) -> (SerialControllerHandle, Indexer<String>, JoinHandle<()>) {
    let (handle, store) = (controller.handle(), controller.store());
    let task = tokio::spawn(async move {
        assert!(controller.run_with_handler(handler).await.is_none());
    });
    (handle, store, task)
}

/// Client-go's `ExampleNewInformer`.
#[tokio::test(start_paused = true)]
async fn i_12_what_is_added_is_deleted_and_every_deletion_is_told() {
    let source = source(&[]);
    let controller = resyncing(&source);
    let (handle, deleted) = (controller.handle(), Record::default());
    let handler = HandlerFuncs::<String>::new()
        .on_add({
            let source = source.clone();
            move |entry, _| drop(source.delete(entry.key()).unwrap())
        })
        .on_delete({
            let (handle, deleted) = (handle.clone(), deleted.clone());
            move |last, _| {
                deleted.push(last.key().as_str());
                if deleted.len() == 3 {
                    handle.stop();
                }
            }
        });
    for name in ["a-hello", "b-controller", "c-framework"] {
        put(&source, name, name);
    }
    controller.run_with_handler(handler).await;
    assert_eq!(deleted.take(), ["a-hello", "b-controller", "c-framework"]);
}

/// Says what it is told, and what the store holds while it is told.
struct Comparing {
    store: Indexer<String>,
    record: Record,
    pause: Arc<Notify>,
}

impl Comparing {
    async fn compare(&self, word: String) {
        // Changes at the source meanwhile must not get into the store.
        self.pause.notified().await;
        let texts: Vec<_> = self
            .store
            .list()
            .iter()
            .map(|entry| (*entry.object).clone())
            .collect();
        self.record.push(format!("{word} of {}", texts.join(",")));
    }
}

impl EventHandler<String> for Comparing {
    async fn on_add(&mut self, entry: &Entry<String>, _: bool) {
        self.compare(format!("+{}", entry.object)).await;
    }

    async fn on_update(&mut self, old: &Entry<String>, new: &Entry<String>) {
        self.compare(format!("~{}>{}", old.object, new.object))
            .await;
    }

    async fn on_delete(&mut self, last: &Entry<String>, _: bool) {
        self.compare(format!("-{}", last.object)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i_12_the_store_shows_what_the_handler_is_told_and_nothing_newer() {
    let source = source(&["a1", "b1"]);
    let controller = SerialController::new(source.clone());
    let (record, pause) = (Record::default(), Arc::new(Notify::new()));
    let handler = Comparing {
        store: controller.store(),
        record: record.clone(),
        pause: Arc::clone(&pause),
    };
    let (handle, _, task) = run(controller, handler);
    source.wait_for_open_watches(1).await;
    put(&source, "a1", "a2");
    put(&source, "a1", "a3");
    source.delete(&key("b1")).unwrap();
    for _ in 0..5 {
        settle(SOON).await;
        pause.notify_one();
    }
    settle(SOON).await;
    // The first list is in the store as a whole; each change then comes with the state that it made.
    assert_eq!(
        record.take(),
        [
            "+a1 of a1,b1",
            "+b1 of a1,b1",
            "~a1>a2 of a2,b1",
            "~a2>a3 of a3,b1",
            "-b1 of a3"
        ]
    );
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i_12_a_handler_is_told_in_order_and_when_all_was_told() {
    let source = source(&["a", "b"]);
    let record = Record::default();
    let (handle, store, task) = run(resyncing(&source), Recorder(record.clone()));
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert_eq!(record.take(), ["+a=a!", "+b=b!", "synced"]);
    put(&source, "a", "2");
    put(&source, "c", "c");
    settle(SOON).await;
    assert_eq!(record.take(), ["~a=a>2", "+c=c"]);
    settle(Duration::from_millis(100)).await;
    assert_eq!(record.take(), ["~a=2>2", "~b=b>b", "~c=c>c"], "a resync");

    // After a gap: what went, then what is there and changed; the store shows the end at once.
    source.close_watches();
    source.delete(&key("a")).unwrap();
    put(&source, "b", "2");
    source.expire();
    settle(Duration::from_secs(3)).await;
    let told = record.take();
    assert_eq!(told[..2], ["-a=2?", "~b=b>2"]);
    assert!(store.is_synced() && store.resource_version() == source.revision().into());
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i_03_i_12_a_handler_that_panics_is_told_the_next_after_a_second() {
    let lines = Lines::collect();
    let source = source(&["a", "b"]);
    let record = Record::default();
    let start = tokio::time::Instant::now();
    let handler = HandlerFuncs::<String>::new().on_add({
        let record = record.clone();
        move |entry: &Entry<String>, _| {
            record.push(format!("{} {}", start.elapsed().as_secs(), entry.key()));
            assert_ne!(entry.key().as_str(), "a", "told to");
        }
    });
    let (handle, store, task) = run(SerialController::new(source.clone()), handler);
    handle.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(record.take(), ["0 a", "1 b"]);
    assert_eq!(handle.counts().panicked, 1);
    let [line] = &lines.with("the handler panicked")[..] else {
        panic!("one line: {:#?}", lines.all());
    };
    for word in ["ERROR", "controller=", " object=", "resume_in=1s"] {
        assert!(line.contains(word), "no {word} in {line}");
    }
    assert_eq!(store.len(), 2);
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i_04_i_12_a_stop_ends_the_telling_of_a_long_list() {
    let source = source(&["a", "b", "c"]);
    let controller = SerialController::new(source.clone());
    let (handle, record) = (controller.handle(), Record::default());
    let handler = HandlerFuncs::<String>::new().on_add({
        let (handle, record) = (handle.clone(), record.clone());
        move |entry: &Entry<String>, _| {
            record.push(entry.key().as_str());
            handle.stop();
        }
    });
    controller.run_with_handler(handler).await;
    assert_eq!(record.take(), ["a"]);
    assert!(!handle.is_synced());
    assert_eq!(source.open_watches(), 0);
}

/// Client-go's `TestUpdate`: each object is added as `from`, changed to `to`, and deleted when that is
/// seen.
#[tokio::test(start_paused = true)]
async fn i_12_updates_show_only_states_that_there_were_and_every_object_ends() {
    let source = source(&[]);
    let (updates, deleted) = (Record::default(), Record::default());
    let handler = HandlerFuncs::<String>::new()
        .on_update({
            let (source, updates) = (source.clone(), updates.clone());
            move |old: &Entry<String>, new: &Entry<String>| {
                updates.push(format!("{}>{}", old.object, new.object));
                if new.object.as_str() == "to" {
                    drop(source.delete(new.key()));
                }
            }
        })
        .on_delete({
            let deleted = deleted.clone();
            move |last: &Entry<String>, _| deleted.push(last.key().as_str())
        });
    let (handle, _, task) = run(resyncing(&source), handler);
    handle.wait_synced(Duration::MAX).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..20u64 {
        let source = source.clone();
        writers.spawn(async move {
            let mut rng = Rng::seeded(number);
            let name = format!("n{number:02}");
            put(&source, &name, "from");
            // With and without a resync in between.
            tokio::time::sleep(rng.duration_below(Duration::from_millis(200))).await;
            put(&source, &name, "to");
        });
    }
    writers.join_all().await;
    settle(Duration::from_secs(1)).await;
    let mut ended = deleted.take();
    ended.sort_unstable();
    assert_eq!(
        ended,
        (0..20)
            .map(|number| format!("n{number:02}"))
            .collect::<Vec<_>>()
    );
    let seen = updates.take();
    let allowed = ["from>to", "to>to", "from>from"];
    assert!(
        seen.iter().all(|update| allowed.contains(&update.as_str())),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|update| update == "from>from"),
        "a resync was seen"
    );
    handle.stop();
    task.await.unwrap();
}

/// Client-go's `TestTransformingInformer`.
#[tokio::test(start_paused = true)]
async fn i_12_the_store_and_the_handler_see_transformed_objects() {
    let source = source(&["pod1"]);
    put(&source, "pod1", "gen2");
    let (reflector, _) = Reflector::with_indexer(source.clone());
    let reflector = reflector.transform(|text: String| {
        assert!(!text.starts_with("transformed"), "transformed twice");
        Ok::<_, std::convert::Infallible>(format!("transformed {text}"))
    });
    let record = Record::default();
    let (handle, store, task) = run(SerialController::over(reflector), Recorder(record.clone()));
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    put(&source, "pod2", "gen1");
    put(&source, "pod3", "gen1");
    put(&source, "pod2", "gen2");
    source.delete(&key("pod1")).unwrap();
    settle(SOON).await;
    assert_eq!(
        record.take(),
        [
            "+pod1=transformed gen2!",
            "synced",
            "+pod2=transformed gen1",
            "+pod3=transformed gen1",
            "~pod2=transformed gen1>transformed gen2",
            "-pod1=transformed gen2",
        ]
    );
    let held: Vec<_> = store
        .list()
        .iter()
        .map(|entry| (*entry.object).clone())
        .collect();
    assert_eq!(held, ["transformed gen2", "transformed gen1"]);
    handle.stop();
    task.await.unwrap();
}

/// Client-go's `TestTransformingInformerRace`: many resyncs, lists among them, and readers.
#[tokio::test(start_paused = true)]
async fn i_12_nothing_is_transformed_twice_however_often_it_is_told() {
    let source = source(&["a", "b", "c", "d", "e"]);
    let transformed = Arc::new(AtomicUsize::new(0));
    let (reflector, _) = Reflector::with_indexer(source.clone());
    let reflector = reflector
        .config(config(Duration::from_millis(5)))
        .transform({
            let transformed = Arc::clone(&transformed);
            move |text: String| {
                transformed.fetch_add(1, Ordering::Relaxed);
                match text.strip_prefix('!') {
                    Some(_) => Err("transformed twice"),
                    None => Ok(format!("!{text}")),
                }
            }
        });
    let told = Arc::new(AtomicUsize::new(0));
    let handler = HandlerFuncs::<String>::new().on_update({
        let told = Arc::clone(&told);
        move |_, new: &Entry<String>| {
            assert!(new.object.starts_with('!'));
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (handle, store, task) = run(SerialController::over(reflector), handler);
    handle.wait_synced(Duration::MAX).await.unwrap();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..1000 {
                assert!(
                    store
                        .list()
                        .iter()
                        .all(|entry| entry.object.starts_with('!'))
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for round in 0..10 {
        settle(Duration::from_millis(100)).await;
        put(&source, "a", &format!("{round}"));
    }
    reader.await.unwrap();
    assert!(
        told.load(Ordering::Relaxed) > 500,
        "200 resyncs of five objects"
    );
    assert_eq!(
        transformed.load(Ordering::Relaxed),
        15,
        "five of the list and ten changes"
    );
    assert_eq!(handle.status().counts.rejected, 0);
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i_12_the_version_of_the_store_follows_events_and_bookmarks() {
    let source = source(&["a"]);
    let (handle, store, task) = run(
        SerialController::new(source.clone()),
        HandlerFuncs::<String>::new(),
    );
    handle.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    let reaches = async |version: u64| {
        let version = ResourceVersion::from(version);
        store.wait_for(&version).await.unwrap();
        assert_eq!(store.resource_version(), version);
    };
    put(&source, "a", "2");
    reaches(source.revision()).await;
    source.delete(&key("a")).unwrap();
    reaches(source.revision()).await;
    source.advance();
    source.bookmark();
    reaches(source.revision()).await;
    let held: BTreeMap<_, _> = store
        .list()
        .into_iter()
        .map(|e| (e.key().clone(), e))
        .collect();
    assert!(held.is_empty());
    handle.stop();
    task.await.unwrap();
}
