//! What the processes of the benchmarks share: their allocator, what they measure with, and how they
//! talk to the replay server of `packed`.
//!
//! The mirrors that `packed` measures are programs of their own, `heliostat-bench-ours` and
//! `heliostat-bench-peer`, so that neither holds a part of the other: a program is part of its process's
//! memory.

#![deny(missing_docs)]

pub mod process;

pub mod replay_server;

pub mod stages;

/// Another allocator than the system's, for both sides alike: whoever asks for two gets this one.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Another allocator than the system's, for both sides alike.
#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
