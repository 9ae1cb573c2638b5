//! Stories of producers and consumers of one queue.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::poll;
use shuttle::{future, thread};

use super::shared::{Look, Shared};
use crate::schedules::try_out;

/// The smallest queue that can be shared.
#[derive(Default)]
struct Numbers {
    numbers: VecDeque<u64>,
    taken: usize,
    is_closed: bool,
}

type Queue = Arc<Shared<Numbers>>;

fn queue() -> Queue {
    Arc::new(Shared::new(Numbers::default()))
}

fn put(queue: &Queue, number: u64) {
    queue.lock().numbers.push_back(number);
    queue.wake_taker();
}

fn close(queue: &Queue) {
    queue.lock().is_closed = true;
    queue.wake_takers();
    queue.wake_watchers();
}

/// The next number; none once the queue is closed and empty.
async fn take(queue: &Queue) -> Option<u64> {
    let look = |queue: &mut Numbers| match queue.numbers.pop_front() {
        Some(number) => {
            queue.taken += 1;
            Look::Found(Some(number))
        }
        None if queue.is_closed => Look::Found(None),
        None => Look::Wait,
    };
    queue.take(look).await
}

#[test]
fn each_item_is_taken_once_and_all_come_to_their_end() {
    try_out(|| {
        let queue = queue();
        let consumers = [0, 1].map(|_| {
            let queue = Arc::clone(&queue);
            future::spawn(async move {
                let mut taken = Vec::new();
                while let Some(number) = take(&queue).await {
                    taken.push(number);
                }
                taken
            })
        });
        let producers = [[1, 2], [3, 4]].map(|numbers| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || numbers.iter().for_each(|number| put(&queue, *number)))
        });
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
        close(&queue);
        let mut taken = future::block_on(async {
            let [one, two] = consumers;
            [one.await.unwrap(), two.await.unwrap()].concat()
        });
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3, 4]);
    });
}

/// Whoever is woken and goes away passes the word on.
#[test]
fn an_item_does_not_wait_for_a_consumer_that_gave_up() {
    try_out(|| {
        let queue = queue();
        let fickle = Arc::clone(&queue);
        let fickle = thread::spawn(move || {
            future::block_on(async {
                let mut waits = Box::pin(take(&fickle));
                match poll!(&mut waits) {
                    std::task::Poll::Ready(number) => number,
                    std::task::Poll::Pending => None,
                }
            })
        });
        let steady = Arc::clone(&queue);
        let steady = future::spawn(async move { take(&steady).await });
        put(&queue, 1);
        let by_fickle = fickle.join().unwrap();
        if by_fickle.is_some() {
            put(&queue, 2);
        }
        let by_steady = future::block_on(steady).unwrap();
        assert_eq!(by_steady, by_fickle.map_or(Some(1), |_| Some(2)));
    });
}

#[test]
fn whoever_watches_for_the_end_sees_it() {
    try_out(|| {
        let queue = queue();
        let watcher = Arc::clone(&queue);
        let watcher = future::spawn(async move {
            let look = |queue: &mut Numbers| match queue.is_closed && queue.taken == 2 {
                true => Look::Found(()),
                false => Look::Wait,
            };
            watcher.watch(look).await;
        });
        let consumer = Arc::clone(&queue);
        let consumer = future::spawn(async move {
            while take(&consumer).await.is_some() {
                consumer.wake_watchers();
            }
        });
        put(&queue, 1);
        put(&queue, 2);
        close(&queue);
        future::block_on(async {
            consumer.await.unwrap();
            watcher.await.unwrap();
        });
    });
}
