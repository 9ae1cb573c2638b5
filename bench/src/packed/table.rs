//! The table: what each thing must reach, and whether it does.

use serde::Serialize;

use super::Results;
use super::reads::{self, Ours, PODS_WITHIN, Theirs};
use crate::runs::{median, verdict};
use heliostat_bench::stages::{Bare, Many, Stages};

/// All rows.
#[derive(Default, Serialize)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
}

/// One thing that was measured.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) work: String,
    pub(super) unit: &'static str,
    pub(super) ours: f64,
    /// What ours is compared with.
    pub(super) beside: Option<Beside>,
    pub(super) bound: Bound,
    pub(super) holds: Option<bool>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Beside {
    pub(super) who: &'static str,
    pub(super) value: f64,
    pub(super) ratio: f64,
}

/// How a value is read from a run.
type Field = fn(&Stages) -> f64;

/// What must be reached.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    /// Ours itself.
    AtMost(f64),
    /// The ratio of ours to what it is compared with.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// It is only shown.
    Nothing,
}

pub(super) const KUBE_RS: &str = "kube-rs";
const BARE: &str = "W";
/// W without what its server takes.
const BARE_CLIENT: &str = "W's client";
const BEFORE: &str = "before";

const MB: f64 = 1e6;
const GIB: f64 = (1_u64 << 30) as f64;

/// The client's share of W's wall time: what the server takes is no measure of a client.
fn client_share(bare: &Bare) -> f64 {
    bare.wall * bare.cpu / (bare.cpu + bare.server_cpu)
}

impl Row {
    pub(super) fn new(
        work: impl Into<String>,
        unit: &'static str,
        ours: f64,
        beside: Option<(&'static str, f64)>,
        bound: Bound,
    ) -> Self {
        let beside = beside.map(|(who, value)| Beside {
            who,
            value,
            ratio: ours / value,
        });
        let ratio = beside.map_or(f64::NAN, |beside| beside.ratio);
        let holds = match bound {
            Bound::AtMost(most) => Some(ours <= most),
            Bound::RatioAtMost(most) => Some(ratio <= most),
            Bound::RatioAtLeast(least) => Some(ratio >= least),
            Bound::Nothing => None,
        };
        Self {
            work: work.into(),
            unit,
            ours,
            beside,
            bound,
            holds,
        }
    }
}

impl Table {
    pub(super) fn of(results: &Results) -> Self {
        let mut table = Self::default();
        table.sync(results);
        table.memory(results);
        table.updates(results);
        if !results.many.is_empty() {
            table.many(results);
        }
        table.reads(results);
        table
    }

    fn sync(&mut self, results: &Results) {
        let wall = |runs: &[Stages]| median(runs, |run| run.sync.wall);
        let cpu = |runs: &[Stages]| median(runs, |run| run.sync.cpu);
        let theirs = &results.kube_rs;
        let pods = results.pods;
        for (name, ours, bare, part, most_of_bare) in [
            (
                "protobuf",
                &results.protobuf,
                &results.bare_protobuf,
                1.0 / 5.0,
                Bound::RatioAtMost(2.5),
            ),
            (
                "JSON",
                &results.json,
                &results.bare_json,
                1.0 / 3.0,
                Bound::Nothing,
            ),
        ] {
            let work = format!("sync {pods} pods, {name}");
            let part = Bound::RatioAtMost(part);
            self.rows.extend([
                Row::new(
                    format!("{work}: wall"),
                    "s",
                    wall(ours),
                    Some((KUBE_RS, wall(theirs))),
                    part,
                ),
                Row::new(
                    format!("{work}: CPU"),
                    "s",
                    cpu(ours),
                    Some((KUBE_RS, cpu(theirs))),
                    part,
                ),
                Row::new(
                    format!("{work}: wall"),
                    "s",
                    wall(ours),
                    Some((BARE, median(bare, |run| run.wall))),
                    most_of_bare,
                ),
                Row::new(
                    format!("{work}: wall"),
                    "s",
                    wall(ours),
                    Some((BARE_CLIENT, median(bare, client_share))),
                    Bound::Nothing,
                ),
                Row::new(
                    format!("{work}: W's server, CPU"),
                    "s",
                    median(bare, |run| run.server_cpu),
                    Some((BARE_CLIENT, median(bare, |run| run.cpu))),
                    Bound::Nothing,
                ),
            ]);
        }
    }

    fn memory(&mut self, results: &Results) {
        let of = |runs: &[Stages], field: fn(&Stages) -> f64| median(runs, field) / MB;
        let resting = |run: &Stages| run.sync.resting;
        let peaks: [(&str, Field); 3] = [
            ("sync", |run| run.sync.peak),
            ("relist, nothing changed", |run| run.relist.peak),
            ("relist, all changed", |run| run.changed.peak),
        ];
        for (name, ours) in [("protobuf", &results.protobuf), ("JSON", &results.json)] {
            let rest = of(ours, resting);
            self.rows.push(Row::new(
                format!("memory after sync, {name}: process"),
                "MB",
                rest,
                Some((KUBE_RS, of(&results.kube_rs, resting))),
                Bound::AtMost(24.0),
            ));
            for (what, peak) in peaks {
                self.rows.push(Row::new(
                    format!("peak memory, {name}: {what}"),
                    "MB",
                    of(ours, peak),
                    Some((KUBE_RS, of(&results.kube_rs, peak))),
                    Bound::AtMost(1.3 * rest + 16.0),
                ));
            }
        }
    }

    fn updates(&mut self, results: &Results) {
        let count = results.updates as f64;
        let rate = |runs: &[Stages]| count / median(runs, |run| run.updates.wall);
        let cpu = |runs: &[Stages]| median(runs, |run| run.updates.cpu);
        let of = |field: fn(&Stages) -> f64| median(&results.protobuf, field) / MB;
        let work = format!("{} updates, protobuf", results.updates);
        self.rows.extend([
            Row::new(
                format!("{work}: rate"),
                "1/s",
                rate(&results.protobuf),
                Some((KUBE_RS, rate(&results.kube_rs))),
                Bound::RatioAtLeast(10.0),
            ),
            Row::new(
                format!("{work}: CPU"),
                "s",
                cpu(&results.protobuf),
                Some((KUBE_RS, cpu(&results.kube_rs))),
                Bound::Nothing,
            ),
            Row::new(
                format!("{work}: memory afterwards"),
                "MB",
                of(|run| run.updates.resting),
                Some((BEFORE, of(|run| run.sync.resting))),
                Bound::RatioAtMost(1.1),
            ),
            Row::new(
                format!("{} updates, JSON: rate", results.updates),
                "1/s",
                rate(&results.json),
                Some((KUBE_RS, rate(&results.kube_rs))),
                Bound::Nothing,
            ),
        ]);
    }

    fn many(&mut self, results: &Results) {
        let of = |field: fn(&Many) -> f64| median(&results.many, field);
        let bare = median(&results.bare_many, |run| run.wall);
        let work = format!("{} pods, protobuf", results.many_pods);
        let found = of(|run| run.found);
        self.rows.extend([
            Row::new(
                format!("{work}: sync, wall"),
                "s",
                of(|run| run.sync.wall),
                Some((BARE, bare)),
                Bound::Nothing,
            ),
            Row::new(
                format!("{work}: sync, CPU"),
                "s",
                of(|run| run.sync.cpu),
                None,
                Bound::Nothing,
            ),
            Row::new(
                format!("{work}: process"),
                "GiB",
                of(|run| run.sync.resting) / GIB,
                None,
                Bound::AtMost(1.0),
            ),
            Row::new(
                format!("{work}: peak"),
                "GiB",
                of(|run| run.sync.peak) / GIB,
                None,
                Bound::AtMost(1.3),
            ),
            Row::new(
                format!("{work}: process with an index"),
                "GiB",
                of(|run| run.indexed) / GIB,
                None,
                Bound::Nothing,
            ),
            Row::new(
                format!("by_index over {work}: {found} headers, p50"),
                "us",
                of(|run| run.by_index) / 1e3,
                None,
                Bound::AtMost(20.0),
            ),
        ]);
    }

    fn reads(&mut self, results: &Results) {
        let of = |field: fn(&Ours) -> f64| median(&results.reads, field);
        self.rows.extend(beside_a_writer(
            &format!("get within the default budget, {PODS_WITHIN} pods"),
            results,
            |reads| reads.within,
            |reads| reads.within,
        ));
        self.rows.extend(beside_a_writer(
            &format!("get of {} decoded pods", results.pods),
            results,
            |reads| reads.large,
            |reads| reads.large,
        ));
        self.rows.extend([
            Row::new(
                "get beyond the budget, as bytes: p50",
                "us",
                of(|reads| reads.raw) / 1e3,
                None,
                Bound::AtMost(8.0),
            ),
            Row::new(
                "get beyond the budget, typed: p50",
                "us",
                of(|reads| reads.typed) / 1e3,
                None,
                Bound::AtMost(50.0),
            ),
            Row::new(
                format!("{} pods by one field, no index: p50", results.pods),
                "ms",
                of(|reads| reads.scan) / 1e6,
                None,
                Bound::AtMost(60.0),
            ),
        ]);
    }

    pub(super) fn print(&self, results: &Results, runs: usize) {
        println!(
            "\npacked: {} pods, {} updates, medians of {runs}; W is a bare reader of the same bytes",
            results.pods, results.updates
        );
        println!(
            "{:<56} {:>5} {:>10} {:>20} {:>7} {:>16}",
            "", "", "heliostat", "beside", "ratio", "must reach"
        );
        for row in &self.rows {
            let Row {
                work, unit, ours, ..
            } = row;
            let (beside, ratio) = row.beside.map_or_else(Default::default, |beside| {
                let value = number(beside.value);
                let ratio = format!("{:.3}", beside.ratio);
                (format!("{} {value}", beside.who), ratio)
            });
            println!(
                "{work:<56} {unit:>5} {:>10} {beside:>20} {ratio:>7} {:>16}  {}",
                number(*ours),
                row.must_reach(),
                row.holds.map_or("", verdict)
            );
        }
    }
}

/// Reads of one object beside a writer at full speed, ours and the peer's.
fn beside_a_writer(
    what: &str,
    results: &Results,
    ours: fn(&Ours) -> reads::Beside,
    theirs: fn(&Theirs) -> reads::Beside,
) -> [Row; 4] {
    type Part = fn(reads::Beside) -> f64;
    let of = |part: Part| median(&results.reads, |run| part(ours(run)));
    let peer = |part: Part| {
        Some((
            KUBE_RS,
            median(&results.kube_rs_reads, |run| part(theirs(run))),
        ))
    };
    let (p50, p99): (Part, Part) = (|reads| reads.p50, |reads| reads.p99);
    let writes: Part = |reads| reads.writes_a_second;
    [
        Row::new(
            format!("{what}: p50"),
            "ns",
            of(p50),
            None,
            Bound::AtMost(300.0),
        ),
        Row::new(
            format!("{what}: p50"),
            "ns",
            of(p50),
            peer(p50),
            Bound::RatioAtMost(1.0),
        ),
        Row::new(
            format!("{what}: p99"),
            "ns",
            of(p99),
            peer(p99),
            Bound::Nothing,
        ),
        Row::new(
            "writes meanwhile",
            "1/s",
            of(writes),
            peer(writes),
            Bound::Nothing,
        ),
    ]
}

impl Row {
    fn must_reach(&self) -> String {
        let who = self.beside.map_or("", |beside| beside.who);
        match self.bound {
            Bound::AtMost(most) => format!("<= {} {}", number(most), self.unit),
            Bound::RatioAtMost(most) => format!("<= {most:.2} {who}"),
            Bound::RatioAtLeast(least) => format!(">= {least:.2} {who}"),
            Bound::Nothing => String::new(),
        }
    }
}

/// With as many decimals as say something.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        1_000.0.. => 0,
        10.0..1_000.0 => 1,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
