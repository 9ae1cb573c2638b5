//! What a mirror costs, stage by stage.
//!
//! Everything is told on one line of JSON, in seconds and bytes.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::process;

/// Why nothing was measured.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What one stage took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Stage {
    /// How long it took, in seconds.
    pub wall: f64,
    /// CPU seconds of all threads.
    pub cpu: f64,
    /// The largest resident set meanwhile, in bytes.
    pub peak: f64,
    /// The resident set once the mirror rests again, in bytes.
    pub resting: f64,
}

/// What a mirror went through.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Stages {
    /// From the start to the whole collection.
    pub sync: Stage,
    /// From the first update to the last.
    pub updates: Stage,
    /// A full relist in which no object has changed.
    pub relist: Stage,
    /// A full relist in which all objects have changed.
    pub changed: Stage,
    /// The memory all the time, if it was asked for.
    pub samples: Vec<Sample>,
}

/// The memory at a moment.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Sample {
    /// Seconds since the start.
    pub at: f64,
    /// The number of the stage, counted from 1; 0 between two of them.
    pub stage: u8,
    /// The resident set in bytes.
    pub resident: f64,
}

/// What a mirror of a large collection costs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Many {
    /// From the start to the whole collection.
    pub sync: Stage,
    /// The resident set with an index on the node, in bytes.
    pub indexed: f64,
    /// The median of how long it takes to read the headers of a node's pods, in nanoseconds.
    pub by_index: f64,
    /// How many pods a node has at the most.
    pub found: f64,
}

/// What reading the bytes of a list and dropping them takes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Bare {
    /// How long it took, in seconds.
    pub wall: f64,
    /// CPU seconds.
    pub cpu: f64,
    /// CPU seconds of the server meanwhile.
    pub server_cpu: f64,
    /// How many bytes there were.
    pub bytes: f64,
}

/// How long a mirror is left alone after a stage before its resting size is read: allocators give
/// memory back a little later than it is freed.
const REST: Duration = Duration::from_secs(1);

/// How often the memory is told.
const SAMPLE_PERIOD: Duration = Duration::from_millis(20);

/// Runs what measures on a task of a runtime with two workers, where programs run their mirrors, and
/// prints what it gives.
///
/// # Errors
/// Those of what measures.
#[expect(clippy::print_stdout, reason = "this is what is told")]
pub fn told(
    measure: impl Future<Output = Result<String, Failure>> + Send + 'static,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let measured = runtime.block_on(async { tokio::spawn(measure).await })??;
    println!("{measured}");
    Ok(())
}

/// Measures stages, one after the other.
#[derive(Debug)]
pub struct Meter {
    begun: Instant,
    cpu: f64,
    stage: u8,
    sampler: Option<Sampler>,
}

/// A task that tells the memory all the time.
#[derive(Clone, Debug)]
struct Sampler {
    start: Instant,
    state: Arc<Mutex<(u8, Vec<Sample>)>>,
}

impl Meter {
    /// Nothing is measured yet. With samples, they begin now, on a task of the runtime.
    #[must_use]
    pub fn new(is_sampled: bool) -> Self {
        Self {
            begun: Instant::now(),
            cpu: 0.0,
            stage: 0,
            sampler: is_sampled.then(Sampler::start),
        }
    }

    /// A stage begins.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn begin(&mut self) -> Result<(), Failure> {
        self.stage += 1;
        if let Some(sampler) = &self.sampler {
            sampler.mark(self.stage);
        }
        process::forget_peak()?;
        self.cpu = process::cpu();
        self.begun = Instant::now();
        Ok(())
    }

    /// The stage is over: what it took, and what remains after a rest.
    ///
    /// # Errors
    /// If the system does not tell.
    pub async fn end(&mut self) -> Result<Stage, Failure> {
        let wall = self.begun.elapsed().as_secs_f64();
        let cpu = process::cpu() - self.cpu;
        let peak = process::memory()?.peak;
        if let Some(sampler) = &self.sampler {
            sampler.mark(0);
        }
        tokio::time::sleep(REST).await;
        Ok(Stage {
            wall,
            cpu,
            peak,
            resting: process::memory()?.resident,
        })
    }

    /// What was told of the memory all the time.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let Some(sampler) = &self.sampler else {
            return Vec::new();
        };
        let state = sampler.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.clone()
    }
}

impl Sampler {
    fn start() -> Self {
        let sampler = Self {
            start: Instant::now(),
            state: Arc::default(),
        };
        let on_task = sampler.clone();
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(SAMPLE_PERIOD);
            loop {
                turns.tick().await;
                on_task.sample();
            }
        });
        sampler
    }

    fn mark(&self, stage: u8) {
        self.sample();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = stage;
        self.sample();
    }

    fn sample(&self) {
        let Ok(memory) = process::memory() else {
            return;
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = Sample {
            at: self.start.elapsed().as_secs_f64(),
            stage: state.0,
            resident: memory.resident,
        };
        state.1.push(sample);
    }
}
