//! What a mirror costs, stage by stage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::process;

/// What one stage took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(in crate::packed) struct Stage {
    /// In seconds.
    pub(in crate::packed) wall: f64,
    /// CPU seconds of all threads.
    pub(in crate::packed) cpu: f64,
    /// The largest resident set meanwhile, in bytes.
    pub(in crate::packed) peak: f64,
    /// The resident set once the mirror rests again, in bytes.
    pub(in crate::packed) resting: f64,
}

/// What a mirror went through.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(in crate::packed) struct Stages {
    pub(in crate::packed) sync: Stage,
    pub(in crate::packed) updates: Stage,
    /// A full relist in which no object has changed.
    pub(in crate::packed) relist: Stage,
    /// A full relist in which all objects have changed.
    pub(in crate::packed) changed: Stage,
    pub(in crate::packed) samples: Vec<Sample>,
}

/// The memory at a moment.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(in crate::packed) struct Sample {
    /// Seconds since the start.
    pub(in crate::packed) at: f64,
    /// The number of the stage, counted from 1; 0 between two of them.
    pub(in crate::packed) stage: u8,
    /// The resident set in bytes.
    pub(in crate::packed) resident: f64,
}

/// How long a mirror is left alone after a stage before its resting size is read: allocators give
/// memory back a little later than it is freed.
const REST: Duration = Duration::from_secs(1);

/// How often the memory is told.
const SAMPLE_PERIOD: Duration = Duration::from_millis(20);

/// Measures stages, one after the other.
pub(super) struct Meter {
    begun: Instant,
    cpu: f64,
    stage: u8,
    sampler: Option<Sampler>,
}

/// A task that tells the memory all the time.
#[derive(Clone)]
struct Sampler {
    start: Instant,
    state: Arc<Mutex<(u8, Vec<Sample>)>>,
}

impl Meter {
    pub(super) fn new(is_sampled: bool) -> Self {
        Self {
            begun: Instant::now(),
            cpu: 0.0,
            stage: 0,
            sampler: is_sampled.then(Sampler::start),
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.stage += 1;
        if let Some(sampler) = &self.sampler {
            sampler.mark(self.stage);
        }
        process::forget_peak()?;
        self.cpu = process::cpu();
        self.begun = Instant::now();
        Ok(())
    }

    pub(super) async fn end(&mut self) -> Result<Stage, Failure> {
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
    pub(super) fn samples(&self) -> Vec<Sample> {
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
