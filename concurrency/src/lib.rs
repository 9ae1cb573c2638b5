//! What tasks share, under schedules that are tried out: no wake-up is lost, nothing is half seen,
//! whoever waits comes to an end.
//!
//! The modules below are the very files of the crate `heliostat`, compiled with the locks and atomics
//! of `shuttle`, which choose at each of them who goes on. `tokio`'s own `Notify`, `watch` and
//! `oneshot`, and `futures`' `AtomicWaker`, never block; here each call of them is one step, and before
//! those of `Notify` and `AtomicWaker` others may go on. What goes on within is tested where they come
//! from. Atomics are sequentially consistent here: a wrong memory order is not found.
//!
//! A schedule in which nobody can go on is a failure, so each lost wake-up is one. What fails prints a
//! schedule; `shuttle::replay` runs it again.

#[cfg(test)]
mod informer;
#[cfg(test)]
#[path = "../../crates/heliostat/src/log_limit.rs"]
mod log_limit;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod store;
#[cfg(test)]
mod sync;
