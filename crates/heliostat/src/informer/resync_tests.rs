//! Resyncs that are checked late. Beside the pipeline, which is also compiled with other locks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::options::HandlerOptions;
use super::pipeline::Pipeline;
use super::slot::Slot;
use crate::store::IndexerWriter;

#[tokio::test(start_paused = true)]
async fn a_check_that_runs_late_does_not_skip_the_next_resync() {
    let pipeline: Pipeline<String> = Pipeline::new(IndexerWriter::new());
    pipeline.configure("test", Duration::from_secs(60));
    let slot = Arc::new(Slot::new(
        "handler".into(),
        &HandlerOptions::default(),
        false,
    ));
    assert!(pipeline.add(None, &slot).is_some());
    let period = pipeline.start();
    let late = Duration::from_secs(1);
    let due = Instant::now().checked_add(period).unwrap();
    tokio::time::advance(period + late).await;
    assert!(pipeline.check_resync(due));
    tokio::time::advance(period - late).await;
    assert!(pipeline.check_resync(due.checked_add(period).unwrap()));
}
