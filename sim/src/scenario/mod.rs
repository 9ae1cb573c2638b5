//! Everything that a seed decides before its story begins: who mirrors, which server it is, what
//! goes wrong, and when.

mod client;
mod informer;
mod packing;

use std::num::NonZeroUsize;
use std::time::Duration;

use heliostat_core::budget::BudgetConfig;
use heliostat_core::reflector::VersionTracking;
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;

use crate::faults::{BodyFault, EventFault, FaultPlan, RequestFault, StreamFault, pick};
use crate::world::Workload;

pub use client::ClientPlan;
pub use informer::{InformerPlan, ListenerPlan, QueueKind};
pub use packing::PackingPlan;

/// A whole seed, decided.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The mirrors.
    pub clients: Vec<ClientPlan>,
    /// What is behind each mirror.
    pub informers: Vec<InformerPlan>,
    /// How objects are packed, if they are.
    pub packing: Option<PackingPlan>,
    /// What kind of server they talk to.
    pub server: ServerPlan,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// What happens to the source.
    pub story: StoryPlan,
    /// The budget that the mirrors share, if they do: its limit.
    pub budget: Option<NonZeroUsize>,
    /// The distance that the budget keeps between two requests.
    pub budget_spacing: Duration,
}

/// How a server answers a watch-list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WatchListServing {
    /// As it should be.
    Supported,
    /// 422.
    Refused,
    /// As a plain watch: the words are unknown to the server and ignored.
    Ignored,
    /// The initial state comes and the end mark never does.
    WithoutEndMark,
    /// The end mark comes late.
    LateEndMark,
}

/// What kind of server it is. These are no faults: they stay when the faults stop.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// How it answers a watch-list.
    pub watch_list: WatchListServing,
    /// How often it sends bookmarks, if at all.
    pub bookmarks: Option<Duration>,
    /// Lists from `0` come whole, whatever the limit.
    pub whole_from_cache: bool,
    /// A limit with a version means exactly that version.
    pub exact_pages: bool,
    /// How many revisions a replica may be behind.
    pub lag: u64,
    /// An expired version is an error event in an accepted watch, not a refusal.
    pub expired_in_stream: bool,
    /// Somebody between closes watches on which nothing came for so long.
    pub idle_close: Option<Duration>,
    /// The metadata of a list comes after its items.
    pub metadata_last: bool,
    /// At most so many items in a part of a list.
    pub part_items: usize,
    /// The headers of a watch come with its first event.
    pub headers_late: bool,
    /// An answer takes up to this long.
    pub latency: Duration,
    /// The collection can be watched; otherwise all mirrors poll it.
    pub watches: bool,
    /// The habits of etcd, if the mirrors read it.
    pub etcd: Option<EtcdPlan>,
}

/// What is different where the source is etcd.
#[derive(Clone, Debug)]
pub struct EtcdPlan {
    /// How many revisions a member may be behind that serves a watch.
    pub member_lag: u64,
    /// Now and then a compaction comes between two pages.
    pub compacts_pages: bool,
}

impl ServerPlan {
    fn draw(rng: &mut Rng) -> Self {
        use WatchListServing::{Ignored, LateEndMark, Refused, Supported, WithoutEndMark};
        Self {
            watch_list: choose(
                rng,
                &[
                    Supported,
                    Supported,
                    Supported,
                    Refused,
                    Ignored,
                    WithoutEndMark,
                    LateEndMark,
                ],
            ),
            bookmarks: choose(rng, &[None, Some(5), Some(60)]).map(seconds),
            whole_from_cache: rng.one_in(2),
            exact_pages: rng.one_in(2),
            lag: choose(rng, &[0, 3, 10]),
            expired_in_stream: rng.one_in(2),
            idle_close: choose(rng, &[None, None, Some(7), Some(60)]).map(seconds),
            metadata_last: rng.one_in(2),
            part_items: choose(rng, &[1, 3, 100]),
            headers_late: rng.one_in(8),
            latency: Duration::from_millis(choose(rng, &[2, 50, 400])),
            watches: true,
            etcd: None,
        }
    }
}

/// What happens to the source, and when.
#[derive(Clone, Debug)]
pub struct StoryPlan {
    /// Writes before anybody looks.
    pub written_before: u64,
    /// The mean time between two writes.
    pub write_every: Duration,
    /// What is written.
    pub workload: Workload,
    /// When the source forgets.
    pub compactions: Vec<Time>,
    /// When the source restarts.
    pub restarts: Vec<Time>,
    /// When the source is restored from a backup.
    pub restores: Vec<Time>,
    /// When another cluster takes the place of the source.
    pub replacements: Vec<Time>,
    /// After a restore the source runs past the versions of mirrors that can still notice it.
    pub overtakes: bool,
    /// When all requests fail in one way.
    pub outages: Vec<Outage>,
    /// When the faults stop and nobody writes any more.
    pub quiet: Time,
}

/// A time in which all requests fail in one way.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// From then on.
    pub from: Time,
    /// Until then.
    pub to: Time,
    /// How they fail.
    pub fault: RequestFault,
}

impl StoryPlan {
    fn draw(rng: &mut Rng) -> Self {
        let length = seconds(choose(rng, &[40, 150, 400]));
        let quiet = Time::ZERO + length;
        let mut moments = |most: u64| {
            let count = rng.below(most + 1);
            (0..count)
                .map(|_| Time::ZERO + rng.duration_below(length))
                .collect::<Vec<_>>()
        };
        let compactions = moments(3);
        let restarts = moments(1);
        let restores = moments(1);
        let outages = moments(2);
        let outages = outages.into_iter().map(|from| Outage {
            from,
            to: from + seconds(3) + rng.duration_below(seconds(60)),
            fault: pick(&RequestFault::LASTING, rng).unwrap_or(RequestFault::Refused),
        });
        Self {
            compactions,
            restarts,
            restores,
            replacements: Vec::new(),
            overtakes: false,
            outages: outages.collect(),
            quiet,
            written_before: rng.below(40),
            write_every: Duration::from_millis(choose(rng, &[300, 2_000, 10_000])),
            workload: Workload {
                names: choose(rng, &[3, 8, 16]),
                deletes: choose(rng, &[20, 45]),
                elsewhere: choose(rng, &[0, 20]),
                undecodable: choose(rng, &[0, 0, 30]),
                together: 0,
            },
        }
    }
}

impl Scenario {
    /// The world of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::seeded(seed);
        let rng = &mut rng;
        let count = choose(rng, &[1, 1, 2, 3]);
        let budgeted = rng.one_in(3);
        let mut clients: Vec<_> = (0..count)
            .map(|_| ClientPlan::draw(rng, budgeted))
            .collect();
        let mut server = ServerPlan::draw(rng);
        let mut story = StoryPlan::draw(rng);
        let mut faults = draw_faults(rng);
        for client in &mut clients {
            let moment = Time::ZERO + rng.duration_below(story.quiet.elapsed());
            client.stops = rng.one_in(10).then_some(moment);
        }
        let limit = choose(rng, &[1, 2]);
        let budget = NonZeroUsize::new(limit).filter(|_| budgeted);
        let budget_spacing = Duration::from_millis(choose(rng, &[0, 200]));
        let last_writer = clients
            .iter()
            .any(|client| client.tracking == VersionTracking::LastWriter);
        if last_writer {
            // The last writer's version may be none at all, and a watch from none loses deletes:
            // this is what the option gives up.
            faults
                .event
                .retain(|fault| *fault != EventFault::Unversioned);
        }
        // A generator of its own, so that the other seeds' stories stay as they are.
        let mut own = Rng::seeded(seed ^ 0x0e7c_d515);
        match own.below(8) {
            0 | 1 => read_etcd(&mut own, &mut clients, &mut server, &mut story, &mut faults),
            2 => poll(&mut own, &mut clients, &mut server),
            _ => {}
        }
        if !story.restores.is_empty() || !story.replacements.is_empty() {
            // A source that went back and a client that never asks cannot find each other.
            for client in &mut clients {
                client.silence.get_or_insert(seconds(20));
            }
            // Nor can they where a watch that is accepted looks like one that is not.
            server.headers_late = false;
            // What a mirror holds beyond its version cannot be seen to be of another history.
            faults
                .event
                .retain(|fault| *fault != EventFault::Unversioned);
            if last_writer {
                faults
                    .event
                    .retain(|fault| *fault != EventFault::StaleBookmark);
            }
        }
        let informers: Vec<_> = clients
            .iter()
            .map(|client| {
                // A generator of its own: whatever is drawn here, the mirror's story stays as it is.
                let mut rng = Rng::seeded(client.seed ^ 0x11fa_3e55);
                InformerPlan::draw(&mut rng, &story)
            })
            .collect();
        // For the same reason, whatever form the objects have, the story stays as it is.
        let mut other = Rng::seeded(seed ^ 0x0bac_4ed5);
        let packs = other.one_in(4);
        let packing = packs.then(|| PackingPlan::draw(&mut other, story.quiet.elapsed()));
        story.overtakes = other.one_in(2);
        draw_constant_fault(&mut faults, &mut other);
        Self {
            informers,
            packing,
            clients,
            server,
            faults,
            story,
            budget,
            budget_spacing,
        }
    }

    /// The budget's configuration.
    #[must_use]
    pub fn budget_config(&self, limit: NonZeroUsize) -> BudgetConfig {
        BudgetConfig::new()
            .limit(limit)
            .spacing(self.budget_spacing)
    }
}

fn draw_faults(rng: &mut Rng) -> FaultPlan {
    if rng.one_in(8) {
        return FaultPlan::default();
    }
    FaultPlan {
        request: some_of(&RequestFault::ALL, rng),
        request_chance: choose(rng, &[20, 100, 300]),
        body: some_of(&BodyFault::MIXED, rng),
        body_chance: choose(rng, &[50, 200, 400]),
        stream: some_of(&StreamFault::MIXED, rng),
        stream_chance: choose(rng, &[100, 400, 800]),
        event: some_of(&EventFault::ALL, rng),
        event_chance: choose(rng, &[0, 30, 150]),
        slow_chance: choose(rng, &[0, 30]),
        commit_chance: choose(rng, &[0, 0, 0, 100]),
        change_chance: choose(rng, &[0, 0, 0, 20]),
    }
}

/// The source cannot be watched, and the mirrors poll it.
fn poll(rng: &mut Rng, clients: &mut [ClientPlan], server: &mut ServerPlan) {
    server.watches = false;
    for client in clients {
        client.poll = Some(seconds(choose(rng, &[2, 10, 30])));
    }
}

/// The mirrors read etcd: it has no watch-lists and no odd events, and habits of its own.
fn read_etcd(
    rng: &mut Rng,
    clients: &mut [ClientPlan],
    server: &mut ServerPlan,
    story: &mut StoryPlan,
    faults: &mut FaultPlan,
) {
    for client in clients {
        client.watch_list = false;
    }
    server.headers_late = false;
    server.exact_pages = false;
    server.etcd = Some(EtcdPlan {
        member_lag: choose(rng, &[0, 3, 10]),
        compacts_pages: rng.one_in(2),
    });
    faults.event.clear();
    story.workload.together = choose(rng, &[10, 40]);
    if rng.one_in(2) {
        let at = Time::ZERO + rng.duration_below(story.quiet.elapsed());
        story.replacements.push(at);
    }
}

/// Some servers do one thing wrong, and always.
fn draw_constant_fault(faults: &mut FaultPlan, rng: &mut Rng) {
    match rng.below(12) {
        0 | 1 => {
            faults.stream = pick(&StreamFault::CONSTANT, rng).into_iter().collect();
            faults.stream_chance = 1000;
        }
        2 => {
            faults.body = vec![BodyFault::UnaskedPages];
            faults.body_chance = 1000;
        }
        _ => {}
    }
}

fn some_of<F: Copy>(all: &[F], rng: &mut Rng) -> Vec<F> {
    all.iter().copied().filter(|_| rng.one_in(2)).collect()
}

fn choose<C: Copy>(rng: &mut Rng, choices: &[C]) -> C {
    pick(choices, rng).unwrap_or(choices[0])
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
