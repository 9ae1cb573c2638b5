//! The columns of a table beyond namespace, name and age: a few for the kinds that everybody looks
//! at, none for the rest.
//!
//! A column is made of fields, and of nothing else of the object: they are read out of its bytes,
//! whatever encoding these are in.

use std::borrow::Cow;

use heliostat::object::{FieldError, FieldPath, FieldValue, RawView};
use jiff::Timestamp;

use super::Kind;

/// The columns of a kind.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) headings: &'static [&'static str],
    paths: Vec<FieldPath>,
    cells: Cells,
    created: FieldPath,
}

/// From what is at each path to the text in each column.
type Cells = fn(&[Values<'_>]) -> Vec<String>;

/// What is at one path: nothing, a value, or with `[*]` several.
type Values<'a> = Vec<Cow<'a, str>>;

impl Columns {
    pub(super) fn of(kind: &Kind) -> Self {
        let (headings, paths, cells): (&[_], &[&str], Cells) = match &*kind.resource {
            // Metadata alone has no status to show.
            _ if kind.metadata_only => NO_COLUMNS,
            "pods" => (&["READY", "STATUS", "RESTARTS", "NODE"], POD, pod),
            "deployments.apps" | "statefulsets.apps" | "replicasets.apps" => (
                &["READY"],
                &["status.readyReplicas", "spec.replicas"],
                |fields| ratio(fields, "1"),
            ),
            "daemonsets.apps" => (
                &["READY"],
                &["status.numberReady", "status.desiredNumberScheduled"],
                |fields| ratio(fields, "0"),
            ),
            "nodes" => (&["STATUS", "VERSION"], NODE, node),
            "namespaces" | "persistentvolumes" | "persistentvolumeclaims" => {
                (&["STATUS"], &["status.phase"], texts)
            }
            "keys" => (&["REVISION", "VALUE"], &["modRevision", "value"], texts),
            "services" => (
                &["TYPE", "CLUSTER-IP"],
                &["spec.type", "spec.clusterIP"],
                texts,
            ),
            "jobs.batch" => (
                &["COMPLETIONS"],
                &["status.succeeded", "spec.completions"],
                |fields| ratio(fields, "1"),
            ),
            "customresourcedefinitions.apiextensions.k8s.io" => (
                &["KIND", "SCOPE"],
                &["spec.names.kind", "spec.scope"],
                texts,
            ),
            _ => NO_COLUMNS,
        };
        Self {
            headings,
            paths: paths.iter().map(|text| path(text)).collect(),
            cells,
            created: path("metadata.creationTimestamp"),
        }
    }

    /// The fields that are read.
    pub(super) fn into_paths(mut self) -> Vec<FieldPath> {
        self.paths.push(self.created);
        self.paths
    }

    /// What stands in the columns for an object.
    pub(super) fn cells(&self, object: RawView<'_>) -> Vec<String> {
        let fields = self.paths.iter().map(|path| values(object, path));
        match fields.collect::<Result<Vec<_>, _>>() {
            Ok(fields) => (self.cells)(&fields),
            Err(_) => vec![UNREADABLE.to_owned(); self.headings.len()],
        }
    }

    /// How long ago an object was created, in one or two units, as kubectl shows it.
    pub(super) fn age(&self, object: RawView<'_>, now: Timestamp) -> String {
        let created = object.text(&self.created).ok().flatten();
        match created.and_then(|text| text.parse::<Timestamp>().ok()) {
            Some(created) => age(now.duration_since(created).as_secs()),
            None => NONE.to_owned(),
        }
    }
}

/// For kinds of which there is nothing more to tell.
const NO_COLUMNS: (&[&str], &[&str], Cells) = (&[], &[], |_| Vec::new());

/// What stands where there is nothing to show.
const NONE: &str = "<none>";

/// What stands where there may be something to show, and nobody can tell.
const UNREADABLE: &str = "<unreadable>";

fn path(text: &str) -> FieldPath {
    text.parse().expect("the paths of columns are written here")
}

/// The values at a path. Something else than a value is as good as nothing.
fn values<'a>(object: RawView<'a>, path: &FieldPath) -> Result<Values<'a>, FieldError> {
    let mut values = Vec::new();
    match object.visit(path, &mut |value| values.push(FieldValue::into_text(value))) {
        Ok(()) | Err(FieldError::NotAValue { .. }) => Ok(values),
        Err(error) => Err(error),
    }
}

fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    // The limits between the forms are those of kubectl.
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

/// What [`pod`] reads.
const POD: &[&str] = &[
    "spec.containers[*].name",
    "status.containerStatuses[*].ready",
    "status.containerStatuses[*].restartCount",
    "status.containerStatuses[*].state.waiting.reason",
    "status.containerStatuses[*].state.terminated.reason",
    "metadata.deletionTimestamp",
    "status.phase",
    "spec.nodeName",
];

fn pod(fields: &[Values<'_>]) -> Vec<String> {
    let [
        containers,
        ready,
        restarts,
        waiting,
        ended,
        deleted,
        phase,
        node,
    ] = fields
    else {
        return Vec::new();
    };
    let total = containers.len().max(ready.len());
    let ready = ready.iter().filter(|ready| *ready == "true").count();
    let restarts: u64 = restarts
        .iter()
        .filter_map(|it| it.parse::<u64>().ok())
        .sum();
    // The reason for which a container waits or ended says more than the phase.
    let status = match (deleted.first(), waiting.iter().chain(ended).next()) {
        (Some(_), _) => "Terminating".to_owned(),
        (None, Some(reason)) => reason.clone().into_owned(),
        (None, None) => text(phase),
    };
    vec![
        format!("{ready}/{total}"),
        status,
        restarts.to_string(),
        text(node),
    ]
}

/// What [`node`] reads.
const NODE: &[&str] = &[
    "status.conditions[*].type",
    "status.conditions[*].status",
    "spec.unschedulable",
    "status.nodeInfo.kubeletVersion",
];

fn node(fields: &[Values<'_>]) -> Vec<String> {
    let [types, statuses, unschedulable, version] = fields else {
        return Vec::new();
    };
    // Every condition has both: they are required.
    let mut conditions = types.iter().zip(statuses);
    let ready = conditions.find(|(condition, _)| *condition == "Ready");
    let mut status = match ready.map(|(_, status)| &**status) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if unschedulable.first().is_some_and(|truth| truth == "true") {
        status.push_str(",SchedulingDisabled");
    }
    vec![status, text(version)]
}

/// So many of so many; where it is not said of how many, of `default`.
fn ratio(fields: &[Values<'_>], default: &str) -> Vec<String> {
    let [there, wanted] = fields else {
        return Vec::new();
    };
    let there = there.first().map_or("0", |number| number);
    let wanted = wanted.first().map_or(default, |number| number);
    vec![format!("{there}/{wanted}")]
}

/// Each field as it is.
fn texts(fields: &[Values<'_>]) -> Vec<String> {
    fields.iter().map(|values| text(values)).collect()
}

fn text(values: &[Cow<'_, str>]) -> String {
    let value = values.first().filter(|text| !text.is_empty());
    value.map_or_else(|| NONE.to_owned(), |text| text.clone().into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use heliostat::object::Encoding;
    use serde_json::{Value, json};

    use super::*;

    fn columns(resource: &str) -> Columns {
        Columns::of(&Kind {
            api_version: "v1".to_owned(),
            kind: "Any".to_owned(),
            resource: resource.to_owned(),
            namespaced: true,
            metadata_only: false,
            is_one_of_several: false,
            is_warned_of_fields: Arc::default(),
        })
    }

    /// What stands in the columns of this resource for an object.
    fn cells(resource: &str, object: &Value) -> Vec<String> {
        let bytes = object.to_string();
        columns(resource).cells(RawView::new(Encoding::Json, None, bytes.as_bytes()))
    }

    #[test]
    fn a_pod_shows_the_reason_rather_than_the_phase() {
        let waiting = json!({
            "spec": {"containers": [{"name": "a"}, {"name": "b"}], "nodeName": "n1"},
            "status": {"phase": "Running", "containerStatuses": [
                {"ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                {"ready": true, "restartCount": 1, "state": {"running": {}}},
            ]},
        });
        assert_eq!(
            cells("pods", &waiting),
            ["1/2", "CrashLoopBackOff", "4", "n1"]
        );
        assert_eq!(cells("pods", &json!({})), ["0/0", NONE, "0", NONE]);
        let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(cells("pods", &going)[1], "Terminating");
    }

    #[test]
    fn workloads_show_how_many_are_ready() {
        let deployment = json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 2}});
        assert_eq!(cells("deployments.apps", &deployment), ["2/3"]);
        assert_eq!(cells("statefulsets.apps", &json!({})), ["0/1"]);
        let daemons = json!({"status": {"numberReady": 2, "desiredNumberScheduled": 4}});
        assert_eq!(cells("daemonsets.apps", &daemons), ["2/4"]);
        assert_eq!(cells("daemonsets.apps", &json!({})), ["0/0"]);
        let job = json!({"spec": {"completions": 5}, "status": {"succeeded": 1}});
        assert_eq!(cells("jobs.batch", &job), ["1/5"]);
    }

    #[test]
    fn a_node_shows_whether_it_takes_pods() {
        let node = |ready: &str| {
            json!({
                "spec": {"unschedulable": ready == "True"},
                "status": {
                    "conditions": [
                        {"type": "DiskPressure", "status": "False"},
                        {"type": "Ready", "status": ready},
                    ],
                    "nodeInfo": {"kubeletVersion": "v1.36.0"},
                },
            })
        };
        assert_eq!(
            cells("nodes", &node("True")),
            ["Ready,SchedulingDisabled", "v1.36.0"]
        );
        assert_eq!(cells("nodes", &node("False")), ["NotReady", "v1.36.0"]);
        assert_eq!(cells("nodes", &json!({})), ["Unknown", NONE]);
    }

    #[test]
    fn objects_of_any_shape_have_cells() {
        for odd in [
            json!(null),
            json!([]),
            json!({"status": 3, "spec": "x"}),
            json!({"status": {"phase": {}}, "spec": {"type": []}}),
        ] {
            for resource in [
                "pods",
                "deployments.apps",
                "daemonsets.apps",
                "nodes",
                "namespaces",
                "services",
                "jobs.batch",
                "customresourcedefinitions.apiextensions.k8s.io",
            ] {
                let cells = cells(resource, &odd);
                assert_eq!(cells.len(), columns(resource).headings.len(), "{resource}");
                assert!(!cells.contains(&UNREADABLE.to_owned()), "{cells:?}");
            }
        }
    }

    #[test]
    fn a_broken_object_is_not_taken_for_an_empty_one() {
        let broken = RawView::new(Encoding::Json, None, br#"{"status":{"phase"}}"#);
        assert_eq!(columns("namespaces").cells(broken), [UNREADABLE]);
    }

    #[test]
    fn ages_have_one_or_two_units() {
        let shown = |object: Value, now: Timestamp| {
            let bytes = object.to_string();
            let object = RawView::new(Encoding::Json, None, bytes.as_bytes());
            columns("pods").age(object, now)
        };
        let after = |seconds: i64| {
            let now = Timestamp::from_second(2_000_000_000).unwrap();
            let created = Timestamp::from_second(2_000_000_000 - seconds).unwrap();
            let object = json!({"metadata": {"creationTimestamp": created.to_string()}});
            shown(object, now)
        };
        assert_eq!(after(0), "0s");
        assert_eq!(after(119), "119s");
        assert_eq!(after(125), "2m5s");
        assert_eq!(after(1_200), "20m");
        assert_eq!(after(4 * 3600 + 120), "4h2m");
        assert_eq!(after(30 * 3600), "30h");
        assert_eq!(after(3 * 86_400), "3d");
        assert_eq!(after(400 * 86_400), "400d");
        assert_eq!(after(800 * 86_400), "2y70d");
        assert_eq!(after(-5), "0s");
        assert_eq!(shown(json!({}), Timestamp::UNIX_EPOCH), NONE);
    }
}
