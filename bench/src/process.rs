//! What the operating system says of this process: CPU time and resident memory.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A reading of this process, since its start.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Usage {
    /// User and system time of all threads, in seconds.
    pub(crate) cpu: f64,
    /// Resident set, in MiB.
    pub(crate) resident: f64,
    /// The highest resident set so far, in MiB.
    pub(crate) peak: f64,
}

/// Clock ticks a second in `/proc`: fixed at 100 on Linux for user space.
const TICKS: f64 = 100.0;

impl Usage {
    pub(crate) fn now() -> std::io::Result<Self> {
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
pub(crate) fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    /// The most since [`forget_peak`], or since the start.
    pub(crate) peak: f64,
}

/// How much memory this process has.
pub(crate) fn memory() -> std::io::Result<Memory> {
    let status = fs::read_to_string("/proc/self/status")?;
    let bytes = |name| mebibytes(&status, name) * 1024.0 * 1024.0;
    Ok(Memory {
        resident: bytes("VmRSS:"),
        peak: bytes("VmHWM:"),
    })
}

/// From now on the peak is the highest from now on.
pub(crate) fn forget_peak() -> std::io::Result<()> {
    // The 5 is the kernel's word for "the highest resident set".
    fs::write("/proc/self/clear_refs", "5")
}

/// What a stretch of work took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Spent {
    /// In seconds.
    pub(crate) wall: f64,
    /// CPU seconds of all threads.
    pub(crate) cpu: f64,
}

/// Measures a stretch of work.
pub(crate) struct Stopwatch {
    begun: Instant,
    before: Usage,
}

impl Stopwatch {
    pub(crate) fn start() -> std::io::Result<Self> {
        Ok(Self {
            before: Usage::now()?,
            begun: Instant::now(),
        })
    }

    pub(crate) fn stop(&self) -> std::io::Result<Spent> {
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
