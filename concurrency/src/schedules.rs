//! How many schedules are tried, and which.

use std::time::Duration;

use heliostat_core::object::{Entry, Header, ObjectKey};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// The variable that says for how many seconds each test tries new schedules; without it, a fixed
/// number of the same schedules is tried.
const SECONDS: &str = "HELIOSTAT_CONCURRENCY_SECONDS";

/// How many schedules of each kind are tried without it: each bug that was put in to prove the tests
/// was found within a tenth of that.
const SCHEDULES: usize = 250;

/// How many times a schedule of the second kind takes the turn from somebody: the bugs that are known
/// of such code need no more than three.
const PREEMPTIONS: usize = 3;

/// Where the fixed schedules begin.
const SEED: u64 = 0x4845_4c49;

/// The stack of each task: maps and their iterators go deep in a debug build.
const STACK_BYTES: usize = 512 * 1024;

/// Runs a story under many schedules: half of them random, half with few preemptions at random places,
/// which reach deeper.
pub(crate) fn try_out(story: impl Fn() + Clone + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let seconds = std::env::var(SECONDS).ok();
    let seconds = seconds.map(|seconds| seconds.parse::<f64>().expect("seconds are a number"));
    let (random, few) = if let Some(seconds) = seconds {
        config.max_time = Some(Duration::from_secs_f64(seconds / 2.0));
        (
            RandomScheduler::new(usize::MAX),
            PctScheduler::new(PREEMPTIONS, usize::MAX),
        )
    } else {
        (
            RandomScheduler::new_from_seed(SEED, SCHEDULES),
            PctScheduler::new_from_seed(SEED, PREEMPTIONS, SCHEDULES),
        )
    };
    Runner::new(random, config.clone()).run(story.clone());
    Runner::new(few, config).run(story);
}

/// An object that is its own version.
pub(crate) fn entry(name: &str, version: u64) -> Entry<u64> {
    let header = Header {
        key: ObjectKey::cluster(name),
        resource_version: version.into(),
        uid: "u".into(),
    };
    Entry::new(header, version)
}
