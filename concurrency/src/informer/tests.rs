//! Stories of a reflector that writes, a worker, and handlers that come, listen and go.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;

use heliostat_core::informer::{Notification, NotificationRef, Sink};
use heliostat_core::object::ObjectKey;
use heliostat_core::store::Store;
use heliostat_core::time::Time;
use shuttle::future::JoinHandle;
use shuttle::{future, thread};

use super::options::HandlerOptions;
use super::pipeline::{Pipeline, QueueWriter};
use super::slot::{ListenerState, Slot, SlotSink};
use crate::schedules::{entry, try_out};
use crate::store::{Indexer, IndexerWriter};

type Objects = BTreeMap<String, u64>;

fn slot(options: &HandlerOptions) -> Arc<Slot<u64>> {
    Arc::new(Slot::new("listener".into(), options, true))
}

fn put(slot: &Arc<Slot<u64>>, name: &str, number: u64) {
    let added = Notification::Added {
        entry: entry(name, number),
        is_in_initial_list: false,
    };
    SlotSink(Arc::clone(slot)).put(|buffer| buffer.changes(Time::ZERO, Arc::new([added]), true));
}

/// Listens to the end; gives what a handler then believes, and whether it was told to be synced.
fn listen(slot: &Arc<Slot<u64>>) -> JoinHandle<(Objects, bool)> {
    let slot = Arc::clone(slot);
    future::spawn(async move {
        let (mut objects, mut is_synced) = (Objects::new(), false);
        while let Some(mut batch) = poll_fn(|context| slot.poll_take(Some(context))).await {
            while let Some(told) = batch.next() {
                if slot.is_over() {
                    break;
                }
                believe(&mut objects, &mut is_synced, &told);
                slot.handled();
            }
            slot.put_down();
        }
        slot.end();
        (objects, is_synced)
    })
}

fn believe(objects: &mut Objects, is_synced: &mut bool, told: &NotificationRef<'_, u64>) {
    match told {
        NotificationRef::Added { entry, .. } => {
            let before = objects.insert(entry.key().to_string(), *entry.object);
            assert_eq!(before, None, "told twice as new");
        }
        NotificationRef::Updated { new, .. } => {
            let before = objects.insert(new.key().to_string(), *new.object);
            assert!(before.is_some(), "told a change of what it does not know");
        }
        NotificationRef::Deleted { last, .. } => {
            assert!(
                objects.remove(last.key().as_str()).is_some(),
                "told twice as gone"
            );
        }
        NotificationRef::Synced => {
            assert!(!*is_synced, "synced twice");
            *is_synced = true;
        }
    }
}

fn objects(store: &Indexer<u64>) -> Objects {
    let entries = store.list();
    entries
        .iter()
        .map(|entry| (entry.key().to_string(), *entry.object))
        .collect()
}

/// What a reflector does: a list, changes, and another list that carries over what it cannot read.
fn write(mut writer: QueueWriter<u64>) {
    let (a, b) = (ObjectKey::cluster("a"), ObjectKey::cluster("b"));
    let mut staging = writer.begin_replace();
    staging.stage(entry("a", 1));
    staging.stage(entry("b", 1));
    writer.commit(staging, &1.into()).unwrap();
    writer.update(entry("a", 2)).unwrap();
    writer.update_resource_version(&2.into());
    writer.delete(&b, Some(entry("b", 3))).unwrap();
    writer.update_resource_version(&3.into());
    writer.add(entry("c", 4)).unwrap();
    writer.update_resource_version(&4.into());
    let mut staging = writer.begin_replace();
    staging.keep(&a);
    staging.stage(entry("d", 5));
    writer.commit(staging, &5.into()).unwrap();
}

fn written() -> Objects {
    Objects::from([("a".to_owned(), 2), ("d".to_owned(), 5)])
}

#[test]
fn p_01_a_slot_loses_neither_a_notification_nor_a_wake_up() {
    try_out(|| {
        let slot = slot(&HandlerOptions::new());
        let listener = listen(&slot);
        let puts = Arc::clone(&slot);
        let putting = thread::spawn(move || {
            for (number, name) in (1..).zip(["a", "b", "c"]) {
                put(&puts, name, number);
            }
            puts.decide(ListenerState::Finishes);
        });
        let (told, _) = future::block_on(listener).unwrap();
        putting.join().unwrap();
        assert_eq!(told.len(), 3);
        assert_eq!(slot.status(Time::ZERO).told, 3);
        assert_eq!(slot.status(Time::ZERO).pending, 0);
    });
}

/// Nobody else wakes the listener: neither a state that is decided, nor an end.
#[test]
fn p_01_each_put_wakes_a_listener_that_waits() {
    try_out(|| {
        let slot = slot(&HandlerOptions::new());
        let listens = Arc::clone(&slot);
        let listener = future::spawn(async move {
            let mut told = 0;
            while told < 3 {
                let mut batch = poll_fn(|context| listens.poll_take(Some(context)))
                    .await
                    .expect("nobody ends it");
                while batch.next().is_some() {
                    told += 1;
                }
            }
        });
        let puts = Arc::clone(&slot);
        let putting = thread::spawn(move || {
            for (number, name) in (1..).zip(["a", "b", "c"]) {
                put(&puts, name, number);
            }
        });
        future::block_on(listener).unwrap();
        putting.join().unwrap();
    });
}

#[test]
fn p_09_a_slot_that_is_ended_ends_its_listener_and_keeps_nothing() {
    try_out(|| {
        let slot = slot(&HandlerOptions::new().coalescing(0));
        let listener = listen(&slot);
        let (puts, ends) = (Arc::clone(&slot), Arc::clone(&slot));
        let putting = thread::spawn(move || {
            for (number, name) in (1..).zip(["a", "b", "c"]) {
                put(&puts, name, number);
            }
        });
        let ending = thread::spawn(move || {
            ends.decide(ListenerState::Ends);
            ends.decide(ListenerState::Finishes);
        });
        future::block_on(listener).unwrap();
        putting.join().unwrap();
        ending.join().unwrap();
        assert_eq!(
            slot.status(Time::ZERO).pending,
            0,
            "nothing is put in any more"
        );
        assert!(slot.is_over(), "the worse state stands");
    });
}

#[test]
fn i_09_i_17_p_02_handlers_whenever_they_come_add_up_to_the_store() {
    try_out(|| {
        let pipeline = Arc::new(Pipeline::new(IndexerWriter::new()));
        let writer = QueueWriter::new(Arc::clone(&pipeline));
        let worker = future::spawn(Arc::clone(&pipeline).run());
        let early = slot(&HandlerOptions::new());
        assert!(pipeline.add(None, &early).is_some());
        let early = listen(&early);
        let writing = thread::spawn(move || write(writer));
        let joins = Arc::clone(&pipeline);
        let late = thread::spawn(move || {
            let slot = slot(&HandlerOptions::new().coalescing(0));
            // None if all is over by now.
            joins.add(None, &slot).map(|_| listen(&slot))
        });
        let waits = Arc::clone(&pipeline);
        let synced = future::spawn(async move { waits.synced().await });
        writing.join().unwrap();
        let late = late.join().unwrap();
        future::block_on(async {
            worker.await.unwrap();
            assert_eq!(early.await.unwrap(), (written(), true));
            if let Some(late) = late {
                assert_eq!(late.await.unwrap(), (written(), true));
            }
            assert!(synced.await.unwrap());
        });
        assert_eq!(objects(pipeline.indexer()), written());
        assert_eq!(pipeline.indexer().resource_version(), 5.into());
        assert!(pipeline.is_over() && pipeline.is_synced());
    });
}

/// Nobody else wakes the worker: the reflector goes on.
#[test]
fn what_is_queued_reaches_the_store_while_the_reflector_goes_on() {
    try_out(|| {
        let pipeline = Arc::new(Pipeline::new(IndexerWriter::new()));
        let mut writer = QueueWriter::new(Arc::clone(&pipeline));
        let worker = future::spawn(Arc::clone(&pipeline).run());
        let store = pipeline.indexer().clone();
        let reached = future::spawn(async move {
            for version in 1..=3_u64 {
                store.wait_for(&version.into()).await.unwrap();
            }
        });
        let writing = thread::spawn(move || {
            let staging = writer.begin_replace();
            writer.commit(staging, &1.into()).unwrap();
            writer.add(entry("a", 2)).unwrap();
            writer.update_resource_version(&2.into());
            writer.bookmark(&3.into());
            writer
        });
        let writer = writing.join().unwrap();
        future::block_on(reached).unwrap();
        drop(writer);
        future::block_on(worker).unwrap();
    });
}

#[test]
fn i_07_who_is_told_of_a_change_finds_it_in_the_store() {
    try_out(|| {
        let pipeline = Arc::new(Pipeline::new(IndexerWriter::new()));
        let writer = QueueWriter::new(Arc::clone(&pipeline));
        let worker = future::spawn(Arc::clone(&pipeline).run());
        let slot = slot(&HandlerOptions::new());
        assert!(pipeline.add(None, &slot).is_some());
        let (store, listens) = (pipeline.indexer().clone(), Arc::clone(&slot));
        let listener = future::spawn(async move {
            while let Some(mut batch) = poll_fn(|context| listens.poll_take(Some(context))).await {
                while let Some(told) = batch.next() {
                    if let NotificationRef::Updated { new, .. } = told {
                        let here = store
                            .get(new.key())
                            .expect("it is not deleted before the end");
                        assert!(*here.object >= *new.object);
                    }
                }
            }
        });
        let writing = thread::spawn(move || write(writer));
        writing.join().unwrap();
        future::block_on(async {
            worker.await.unwrap();
            listener.await.unwrap();
        });
    });
}

#[test]
fn i_13_i_14_p_11_a_stop_at_any_time_ends_all_who_listen_or_wait() {
    try_out(|| {
        let pipeline = Arc::new(Pipeline::new(IndexerWriter::new()));
        let writer = QueueWriter::new(Arc::clone(&pipeline));
        let worker = future::spawn(Arc::clone(&pipeline).run());
        let early = slot(&HandlerOptions::new());
        let id = pipeline.add(None, &early).unwrap();
        let listener = listen(&early);
        let writing = thread::spawn(move || write(writer));
        let waits = Arc::clone(&pipeline);
        let synced = future::spawn(async move { waits.synced().await });
        let store = pipeline.indexer().clone();
        let reached = future::spawn(async move { store.wait_for(&9.into()).await });
        let stops = Arc::clone(&pipeline);
        let stopping = thread::spawn(move || {
            let ending = stops.end(ListenerState::Ends);
            assert_eq!(ending.len(), 1);
            assert!(stops.add(None, &slot(&HandlerOptions::new())).is_none());
        });
        let goes = Arc::clone(&pipeline);
        stopping.join().unwrap();
        let removing = thread::spawn(move || {
            goes.remove(id);
            goes.remove(id);
        });
        writing.join().unwrap();
        removing.join().unwrap();
        future::block_on(async {
            worker.await.unwrap();
            listener.await.unwrap();
            assert_eq!(synced.await.unwrap(), pipeline.is_synced());
            assert!(reached.await.unwrap().is_err());
        });
        assert!(pipeline.is_over());
        assert!(pipeline.handlers().is_empty());
    });
}
