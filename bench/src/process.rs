//! What the operating system says of this process: CPU time and resident memory.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A reading of this process, since its start.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Usage {
    /// User and system time of all threads, in seconds.
    pub cpu: f64,
    /// Resident set, in MiB.
    pub resident: f64,
    /// The highest resident set so far, in MiB.
    pub peak: f64,
}

/// Clock ticks a second in `/proc`: fixed at 100 on Linux for user space.
const TICKS: f64 = 100.0;

impl Usage {
    /// # Errors
    /// If the system does not tell.
    pub fn now() -> std::io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        // The command's name may hold spaces; the fields after it are counted from its bracket.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        let cpu = (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS;
        let status = fs::read_to_string("/proc/self/status")?;
        Ok(Self {
            cpu,
            resident: mebibytes(&status, "VmRSS:"),
            peak: mebibytes(&status, "VmHWM:"),
        })
    }
}

/// CPU seconds of all threads of this process, to the nanosecond.
#[must_use]
pub fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The resident set.
    pub resident: f64,
    /// The most since [`forget_peak`], or since the start.
    pub peak: f64,
}

/// How much memory this process has.
///
/// # Errors
/// If the system does not tell.
pub fn memory() -> std::io::Result<Memory> {
    let status = fs::read_to_string("/proc/self/status")?;
    let bytes = |name| mebibytes(&status, name) * 1024.0 * 1024.0;
    Ok(Memory {
        resident: bytes("VmRSS:"),
        peak: bytes("VmHWM:"),
    })
}

/// From now on the peak is the highest from now on.
///
/// # Errors
/// If the system does not let it.
pub fn forget_peak() -> std::io::Result<()> {
    // The 5 is the kernel's word for "the highest resident set".
    fs::write("/proc/self/clear_refs", "5")
}

/// What a stretch of work took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Spent {
    /// In seconds.
    pub wall: f64,
    /// CPU seconds of all threads.
    pub cpu: f64,
}

/// Measures a stretch of work.
#[derive(Debug)]
pub struct Stopwatch {
    begun: Instant,
    before: Usage,
}

impl Stopwatch {
    /// # Errors
    /// If the system does not tell.
    pub fn start() -> std::io::Result<Self> {
        Ok(Self {
            before: Usage::now()?,
            begun: Instant::now(),
        })
    }

    /// # Errors
    /// If the system does not tell.
    pub fn stop(&self) -> std::io::Result<Spent> {
        let wall = self.begun.elapsed().as_secs_f64();
        Ok(Spent {
            wall,
            cpu: Usage::now()?.cpu - self.before.cpu,
        })
    }
}

/// In MiB.
fn mebibytes(status: &str, name: &str) -> f64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}
