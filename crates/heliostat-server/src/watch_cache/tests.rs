//! What a reflector does to a cache, and what clients read of it then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heliostat_core::object::{Header, ObjectKey};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::time::Time;

use super::state::{Arrival, CacheState, Replaced};
use crate::collection::event_type::EventType;
use crate::collection::kind::Kind;
use crate::collection::log::{LogLimits, Read};
use crate::collection::object::StoredObject;
use crate::collection::options::{ListPlan, WatchPlan};
use crate::collection::query::Query;
use crate::collection::reading::{Opening, Place};
use crate::collection::representations::RepresentationCache;
use crate::collection::seen::seen;
use crate::collection::source::SourceKind;

fn kind() -> Kind {
    Kind::known("", "v1", "ConfigMap", "configmaps")
}

fn cache(events_max: usize) -> CacheState {
    let representations = Arc::new(RepresentationCache::new(1 << 20));
    let source = SourceKind::new(Arc::new(kind()), representations);
    let limits = LogLimits {
        events_max,
        bytes: usize::MAX,
        bytes_max: usize::MAX,
        age: std::time::Duration::ZERO,
        tombstone_bytes: None,
    };
    CacheState::new(Arc::new(source), limits)
}

/// One state of an object: name, uid, version, value of the label `app`.
type Shown = (&'static str, &'static str, u64, &'static str);

fn arrival((name, uid, version, app): Shown) -> Arrival {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"ns","uid":"{uid}","resourceVersion":"{version}","labels":{{"app":"{app}"}}}}}}"#
    );
    Arrival {
        header: Header {
            key: ObjectKey::namespaced("ns", name),
            resource_version: version.into(),
            uid: uid.into(),
        },
        content: Arc::new(RawObject::new(Encoding::Json, None, text.as_bytes().into())),
    }
}

fn replace(cache: &mut CacheState, listed: &[Shown], version: u64) -> Replaced {
    let listed: Vec<Arrival> = listed.iter().copied().map(arrival).collect();
    cache
        .replace(&listed, &BTreeSet::new(), version, Time::ZERO)
        .unwrap()
}

fn write(cache: &mut CacheState, shown: Shown) {
    cache.write(&arrival(shown), Time::ZERO).unwrap();
}

/// Where a watch begins to read.
fn place(opening: &Opening, plan: &WatchPlan) -> Place {
    Place {
        epoch: opening.epoch,
        scope: plan.selection.scope().clone(),
        cursor: opening.cursor,
    }
}

/// A client that watches with a selector and keeps what it is sent.
#[derive(Debug, Default)]
struct Client {
    labels: &'static str,
    known: BTreeMap<String, (u64, String)>,
    /// The last version that it was sent.
    version: u64,
    told: Vec<String>,
}

impl Client {
    fn listed(cache: &CacheState, labels: &'static str) -> Self {
        let query = format!("resourceVersion=0&labelSelector={labels}");
        let plan = ListPlan::parse(&kind(), Some("ns"), &Query::parse(&query)).unwrap();
        let page = cache.list(&plan).unwrap();
        let mut client = Self {
            labels,
            version: page.version,
            ..Self::default()
        };
        page.items.iter().for_each(|object| client.note(object));
        client
    }

    fn note(&mut self, object: &StoredObject) {
        let app = object.label("app").unwrap_or_default().to_owned();
        self.known
            .insert(object.name().to_owned(), (object.version(), app));
    }

    fn plan(&self) -> WatchPlan {
        let query = format!(
            "watch=1&resourceVersion={}&labelSelector={}",
            self.version, self.labels
        );
        WatchPlan::parse(&kind(), Some("ns"), &Query::parse(&query)).unwrap()
    }

    fn tell(&mut self, event_type: EventType, object: &StoredObject) {
        assert!(object.version() >= self.version, "events come in order");
        self.version = object.version();
        let name = object.name().to_owned();
        self.told.push(format!(
            "{} {name} {}",
            event_type.as_str(),
            object.version()
        ));
        match event_type {
            EventType::Deleted => drop(self.known.remove(&name).expect("it was known")),
            _ => self.note(object),
        }
    }

    /// Watches from the last version, and reads until nothing is left; `max` events at most.
    fn follow(&mut self, cache: &mut CacheState, max: usize) -> Result<(), u16> {
        let plan = self.plan();
        let opening = cache.open_watch(&plan).map_err(|status| status.code())?;
        let mut left = max;
        for (event_type, object) in &opening.initial {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            self.tell(*event_type, object);
        }
        let mut place = place(&opening, &plan);
        loop {
            let Read::Events {
                events, next, more, ..
            } = cache.read(&place, 3)
            else {
                panic!("a watch that was accepted is not overrun");
            };
            for event in events {
                if let Some((event_type, object)) = seen(&event, &plan.selection) {
                    if left == 0 {
                        return Ok(());
                    }
                    left -= 1;
                    self.tell(event_type, &object);
                }
            }
            if !more {
                self.version = cache.version();
                return Ok(());
            }
            place.cursor = next;
        }
    }
}

#[test]
fn a_list_after_a_gap_becomes_events() {
    let mut cache = cache(100);
    let first = [
        ("a", "1", 3, "x"),
        ("b", "2", 4, "x"),
        ("c", "3", 5, "x"),
        ("d", "4", 6, "x"),
    ];
    assert_eq!(replace(&mut cache, &first, 10), Replaced::Loaded);
    let mut client = Client::listed(&cache, "");
    // `b` is gone, `c` was deleted and created again, `d` changed, `e` is new.
    let second = [
        ("a", "1", 3, "x"),
        ("c", "9", 15, "x"),
        ("d", "4", 12, "x"),
        ("e", "5", 20, "x"),
    ];
    assert_eq!(replace(&mut cache, &second, 21), Replaced::Continued(5));
    client.follow(&mut cache, usize::MAX).unwrap();
    assert_eq!(
        client.told,
        [
            "DELETED c 11",
            "MODIFIED d 12",
            "DELETED b 13",
            "ADDED c 15",
            "ADDED e 20"
        ]
    );
    assert_eq!(client.version, 21);
}

#[test]
fn what_was_inside_of_a_gap_is_not_known() {
    let mut cache = cache(100);
    replace(&mut cache, &[("a", "1", 3, "x")], 10);
    replace(&mut cache, &[("a", "1", 3, "x"), ("b", "2", 15, "x")], 20);
    for (version, expected) in [(10, Ok(())), (15, Err(410)), (20, Ok(()))] {
        let mut client = Client {
            version,
            ..Client::default()
        };
        assert_eq!(
            client.follow(&mut cache, usize::MAX),
            expected,
            "from {version}"
        );
        let query = format!("resourceVersion={version}&resourceVersionMatch=Exact");
        let plan = ListPlan::parse(&kind(), Some("ns"), &Query::parse(&query)).unwrap();
        let listed = cache.list(&plan).map(drop).map_err(|status| status.code());
        assert_eq!(listed, expected, "at {version}");
    }
}

#[test]
fn a_source_that_went_back_ends_every_watch() {
    let mut cache = cache(100);
    replace(&mut cache, &[("a", "1", 3, "x")], 10);
    let mut client = Client::listed(&cache, "");
    write(&mut cache, ("a", "1", 12, "x"));
    let opening = cache.open_watch(&client.plan()).unwrap();
    let place = place(&opening, &client.plan());
    client.follow(&mut cache, usize::MAX).unwrap();
    // A list at an older version.
    assert_eq!(
        replace(&mut cache, &[("a", "1", 3, "x")], 10),
        Replaced::Rewound
    );
    assert!(matches!(cache.read(&place, 10), Read::Overrun));
    assert_eq!(
        client.follow(&mut cache, usize::MAX),
        Err(410),
        "12 was in another history"
    );
    // A list that has run past the mirror, with another object under a version that was there.
    let mut client = Client::listed(&cache, "");
    write(&mut cache, ("a", "1", 12, "x"));
    client.follow(&mut cache, usize::MAX).unwrap();
    let other = [("a", "1", 12, "y"), ("b", "2", 14, "x")];
    assert_eq!(replace(&mut cache, &other, 14), Replaced::Rewound);
    assert_eq!(client.follow(&mut cache, usize::MAX), Err(410));
}

#[test]
fn events_that_were_seen_before_are_nothing_and_old_ones_are_refused() {
    let mut cache = cache(100);
    replace(&mut cache, &[("a", "1", 3, "x")], 10);
    write(&mut cache, ("a", "1", 3, "x"));
    assert_eq!(cache.collection().log().len(), 0);
    let late = cache
        .write(&arrival(("b", "2", 9, "x")), Time::ZERO)
        .unwrap_err();
    assert_eq!(late, "ns/b comes at version 9 after version 10");
    cache.delete("ns/none", None, Time::ZERO);
    assert_eq!((cache.collection().log().len(), cache.version()), (0, 10));
}

#[test]
fn deletions_have_the_version_and_the_last_state_of_the_source() {
    let mut cache = cache(100);
    replace(
        &mut cache,
        &[("a", "1", 3, "x"), ("b", "2", 4, "x"), ("c", "3", 5, "x")],
        10,
    );
    let mut client = Client::listed(&cache, "");
    let last = Some(arrival(("a", "1", 12, "x")));
    cache.delete("ns/a", last.as_ref(), Time::ZERO);
    // One that could not be read, and one without a version of its own.
    cache.delete("ns/b", None, Time::ZERO);
    let same = Some(arrival(("c", "3", 5, "x")));
    cache.delete("ns/c", same.as_ref(), Time::ZERO);
    client.follow(&mut cache, usize::MAX).unwrap();
    assert_eq!(
        client.told,
        ["DELETED a 12", "DELETED b 13", "DELETED c 14"]
    );
}
