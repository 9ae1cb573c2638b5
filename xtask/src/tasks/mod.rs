//! One file for each task; each has a `run` and, where it takes any, its `Arguments`.

pub(crate) mod arrows;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod ci;
pub(crate) mod concurrency;
pub(crate) mod coverage;
pub(crate) mod deny;
pub(crate) mod features;
pub(crate) mod fuzz;
pub(crate) mod kinds;
pub(crate) mod memcheck;
pub(crate) mod sim;
pub(crate) mod test;
pub(crate) mod tidy;
