//! The lines of a work queue: what they name, and how many there are.

use std::time::Duration;

use heliostat::queue::PerKeyExponential;
use heliostat::{Action, WorkQueue};

use crate::lines::Lines;

const DELAY: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn lines_over_work_that_fails_are_limited_and_counted() {
    const KEYS: u64 = 10_000;
    let lines = Lines::collect();
    let queue = WorkQueue::builder()
        .name("many")
        .rate_limiter(PerKeyExponential::new(DELAY, DELAY))
        .build();
    for key in 0..KEYS {
        queue.add(key);
    }
    let workers = tokio::spawn({
        let queue = queue.clone();
        async move {
            let reconcile = |_| async { Err::<Action, _>("broken") };
            queue.process(4, reconcile).await;
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let failed = lines.with("work failed");
    assert_eq!(failed.len(), 5);
    for line in &failed {
        for word in [
            "WARN",
            "queue=\"many\"",
            " key=",
            "attempt=1",
            "retry_in=3600s",
        ] {
            assert!(line.contains(word), "no {word} in {line}");
        }
    }
    queue.shutdown().await;
    workers.await.unwrap();
    drop(queue);
    let [held_back] = &lines.with("were held back")[..] else {
        panic!("one line counts them: {:#?}", lines.all());
    };
    let expected = format!("owner=\"many\" kind=\"failed\" lines={}", KEYS - 5);
    assert!(held_back.contains(&expected), "{held_back}");
}
