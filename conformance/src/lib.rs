//! One suite of promises that every [`ListerWatcher`](heliostat::ListerWatcher) must
//! keep, whatever stands behind it: memory, Kubernetes, etcd, or a source of your own.
//!
//! You write a [`Harness`], which opens an empty collection for each check and writes to it behind
//! the source's back; [`run_all`] reads through the source and compares. Nothing here needs a runtime
//! or a clock: when to give up waiting is the harness's decision.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # use heliostat_conformance::{Ability, Harness, HarnessError, Scope};
//! # use heliostat::{Header, ObjectKey};
//! # use heliostat::source::memory::MemorySource;
//! struct Memory;
//! struct Collection(MemorySource<u64>);
//!
//! impl Harness for Memory {
//!     type Scope = Collection;
//!     async fn open(&self, _name: &str) -> Result<Collection, HarnessError> {
//!         Ok(Collection(MemorySource::new()))
//!     }
//! }
//!
//! impl Scope for Collection {
//!     type Source = MemorySource<u64>;
//!     fn source(&self) -> &MemorySource<u64> {
//!         &self.0
//!     }
//!     fn value(&self, object: &u64) -> Option<u64> {
//!         Some(*object)
//!     }
//!     async fn create(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
//!         Ok(self.0.apply(ObjectKey::cluster(name), value).header)
//!     }
//!     async fn update(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
//!         Ok(self.0.apply(ObjectKey::cluster(name), value).header)
//!     }
//!     async fn delete(&self, name: &str) -> Result<(), HarnessError> {
//!         self.0.delete(&ObjectKey::cluster(name)).map_err(HarnessError::new)?;
//!         Ok(())
//!     }
//!     async fn expire_history(&self) -> Result<Ability, HarnessError> {
//!         self.0.expire();
//!         Ok(Ability::Done)
//!     }
//!     // What this source has to say it says at once.
//!     async fn give_up(&self) {
//!         tokio::task::yield_now().await;
//!     }
//! }
//!
//! let report = heliostat_conformance::run_all(&Memory).await;
//! assert!(report.is_kept(), "{report}");
//! # }
//! ```
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | [`Harness`], [`Scope`], [`Ability`] | what you write |
//! | [`Promise`] | what is promised, by name |
//! | [`run_all`], [`run`] | the suite, and one check of it |
//! | [`Report`], [`Verdict`], [`Breach`] | what came of it |
#![deny(missing_docs)]

mod harness;
mod promise;
mod report;

mod seen;
mod session;

mod checks;

pub use harness::{Ability, Harness, HarnessError, Scope};
pub use promise::Promise;
pub use report::{Breach, Report, Verdict};

/// Checks every promise, each in a collection of its own, one after another.
pub async fn run_all(harness: &impl Harness) -> Report {
    let mut verdicts = Vec::with_capacity(Promise::ALL.len());
    for promise in Promise::ALL {
        verdicts.push((promise, run(harness, promise).await));
    }
    Report::new(verdicts)
}

/// Checks one promise.
pub async fn run(harness: &impl Harness, promise: Promise) -> Verdict {
    match harness.open(promise.name()).await {
        Ok(scope) => checks::check(&scope, promise).await.into(),
        Err(error) => Verdict::Broken(error.into()),
    }
}
