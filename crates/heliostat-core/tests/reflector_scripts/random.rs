//! Stories that nobody wrote: commands in any order, under any options.
//!
//! No outcome is expected of them but that the promises which [`World`] checks hold, at every step
//! and after the stop; and that what is told after the stop changes nothing.

use heliostat_core::rng::Rng;

use crate::world::World;

/// How many stories are told; each takes well under a millisecond.
const STORIES: u64 = 3000;

/// How many commands a story has.
const COMMANDS: usize = 60;

/// Options that bring a machine to other places than the defaults do.
const CONFIGS: [&str; 15] = [
    "config watch-list=off",
    "config budgeted=on",
    "config watch-list=off budgeted=on resync-period=20s",
    "config poll-interval=25s budgeted=on resync-period=40s retry-after-max=3s",
    "config resync-period=15s max-internal-error-retry=30s",
    "config version-tracking=last-writer record-initial-versions=on watch-list=off",
    "config reject-policy=drop watch-list-timeout=20s",
    "config reject-policy=stop budgeted=on",
    "config page-size=2 list-pages-max=4 watch-list=off",
    "config watch-list-fallback=invalid connection-backoff=100ms..1s",
    "config list-from-any-always=on first-list=most-recent budgeted=on",
    "config silence-timeout=none watch-timeout=20s watch-end-grace=5s",
    "config silence-timeout=10s watch-list-retry-after=1m budgeted=on",
    "config single-object-lists=on watch-list=off resync-period=20s budgeted=on",
    "config single-object-lists=on silence-timeout=10s",
];

/// What may happen, many of them out of place: answers to requests of another kind come late.
const HAPPENINGS: [&str; 53] = [
    "page rv=10 a@3 b@7",
    "page rv=20 a@13",
    "page rv=30",
    "page rv= a@1",
    "page rv=5 a@2",
    "page rv=10 continue=t1 remaining=1 a@3",
    "page rv=10 continue=t2 b@7",
    "page a@1",
    "page rv=40 a@3~undecodable b@9",
    "part rv=50 c@41",
    "part a@3",
    "end",
    "granted",
    "granted",
    "opened",
    "opened",
    "added a@31",
    "added a@31 b@32 c@33",
    "added c@2",
    "added c@44~transform",
    "added c@44~wrong-kind",
    "modified a@35",
    "modified a@36~undecodable",
    "modified b@60",
    "deleted b@37",
    "deleted b",
    "deleted b@61~undecodable",
    "bookmark 45",
    "bookmark 3",
    "bookmark",
    "end-mark 46",
    "end-mark 46",
    "end-mark 4",
    "end-mark",
    "unknown FUTURE@47",
    "unknown HEARTBEAT",
    "error 410 Expired",
    "error 429 TooManyRequests retry-after=3",
    "error 500 InternalError",
    "error 422 Invalid",
    "closed",
    "closed",
    "fail refused",
    "fail closed",
    "fail timed-out",
    "fail other",
    "fail decode",
    "fail 410 Expired",
    "fail 503 ServiceUnavailable retry-after=2",
    "fail 403 Forbidden",
    "store commit=fail",
    "store apply=fail",
    "store resync=fail",
];

const WAITS: [&str; 6] = [
    "advance 300ms",
    "advance 1s",
    "advance 8s",
    "advance 45s",
    "oversleep 25s",
    "oversleep 10m",
];

/// Tells every story; panics with the one that breaks a promise.
pub(crate) fn check() {
    for seed in 0..STORIES {
        let mut told = Vec::new();
        if let Err(reason) = tell(seed, &mut told) {
            panic!("story {seed}: {reason}\n{}", told.join("\n"));
        }
    }
}

fn tell(seed: u64, told: &mut Vec<&'static str>) -> Result<(), String> {
    let mut rng = Rng::seeded(seed);
    let mut world = World::default();
    let mut run = |command: &'static str| {
        told.push(command);
        world.execute(command)
    };
    run(pick(&CONFIGS, &mut rng))?;
    run("start")?;
    let length = rng.below(COMMANDS as u64);
    for _ in 0..length {
        let commands: &[&'static str] = if rng.one_in(3) { &WAITS } else { &HAPPENINGS };
        run(pick(commands, &mut rng))?;
    }
    run("stop")?;
    for command in HAPPENINGS.into_iter().chain(WAITS) {
        let outcome = run(command)?;
        if !outcome.is_empty() {
            return Err(format!("{outcome:?} came after the end"));
        }
    }
    world.check_over()
}

fn pick(from: &[&'static str], rng: &mut Rng) -> &'static str {
    let index = usize::try_from(rng.below(from.len() as u64)).unwrap();
    from[index]
}
