//! Tables, the form in which kubectl prints: columns of a kind, and the cells of an object.
//!
//! Every kind has Name and Age; the ones people look at most have the columns they know. Ages are
//! computed when the table is written, so the time is an argument.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::collection::kind::{Kind, Object};
use crate::collection::object::text_of;

/// One column.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Column {
    name: &'static str,
    #[serde(rename = "type")]
    value_type: &'static str,
    format: &'static str,
    description: &'static str,
    /// 0 is shown by default, 1 only in wide output.
    priority: u8,
    #[serde(skip)]
    cell: Cell,
}

/// What a cell holds.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Name,
    Age,
    /// The text of a field by its path, `<none>` where it is absent.
    Text(&'static str),
    /// The number of a field by its path, 0 where it is absent.
    Number(&'static str),
    /// How many entries a map has.
    Count(&'static str),
    /// Two numbers, as `1/3`.
    Ratio(&'static str, &'static str),
    PodReady,
    PodStatus,
    PodRestarts,
    NodeStatus,
    Ports,
}

/// What the columns of a kind are, and the cells of its objects.
#[derive(Debug)]
pub(crate) struct Columns {
    columns: Vec<Column>,
}

const NAME: Column = Column {
    name: "Name",
    value_type: "string",
    format: "name",
    description: "The name of the object, unique within its namespace.",
    priority: 0,
    cell: Cell::Name,
};

const AGE: Column = column("Age", "The time since the object was created.", Cell::Age);

const fn column(name: &'static str, description: &'static str, cell: Cell) -> Column {
    Column {
        name,
        value_type: "string",
        format: "",
        description,
        priority: 0,
        cell,
    }
}

const fn number(name: &'static str, description: &'static str, cell: Cell) -> Column {
    Column {
        name,
        value_type: "integer",
        format: "",
        description,
        priority: 0,
        cell,
    }
}

const fn wide(name: &'static str, description: &'static str, cell: Cell) -> Column {
    Column {
        name,
        value_type: "string",
        format: "",
        description,
        priority: 1,
        cell,
    }
}

impl Columns {
    /// The columns of a kind.
    pub(crate) fn of(kind: &Kind) -> Self {
        let layout = LAYOUTS
            .iter()
            .find(|(name, _, _)| *name == kind.qualified());
        let (before, after) =
            layout.map_or((&[][..], &[][..]), |(_, before, after)| (*before, *after));
        let columns = [&[NAME], before, &[AGE], after].concat();
        Self { columns }
    }

    /// The definitions as JSON.
    pub(crate) fn definitions(&self) -> Vec<u8> {
        // A list of texts and numbers always serializes.
        serde_json::to_vec(&self.columns).unwrap_or_default()
    }

    /// The cells of an object as JSON.
    pub(crate) fn cells(&self, object: &Object, now: Timestamp) -> Vec<u8> {
        let cells: Vec<Value> = self
            .columns
            .iter()
            .map(|column| column.cell.value(object, now))
            .collect();
        // A list of values always serializes.
        serde_json::to_vec(&cells).unwrap_or_default()
    }
}

/// The columns of a kind beside Name and Age: those before Age, those after it.
type Layout = (&'static str, &'static [Column], &'static [Column]);

const REPLICAS: &[Column] = &[
    number("Desired", "Replicas wanted.", Cell::Number("spec.replicas")),
    number(
        "Current",
        "Replicas there are.",
        Cell::Number("status.replicas"),
    ),
    number(
        "Ready",
        "Replicas ready.",
        Cell::Number("status.readyReplicas"),
    ),
];
const READY: &[Column] = &[column(
    "Ready",
    "Replicas that are ready, of those wanted.",
    Cell::Ratio("status.readyReplicas", "spec.replicas"),
)];
const DATA: Column = number("Data", "How many keys there are.", Cell::Count("data"));

const LAYOUTS: &[Layout] = &[
    (
        "pods",
        &[
            column(
                "Ready",
                "Containers that are ready, of all.",
                Cell::PodReady,
            ),
            column(
                "Status",
                "The state of the pod in one word.",
                Cell::PodStatus,
            ),
            number(
                "Restarts",
                "How often containers were restarted.",
                Cell::PodRestarts,
            ),
        ],
        &[
            wide("IP", "The address of the pod.", Cell::Text("status.podIP")),
            wide(
                "Node",
                "The node the pod runs on.",
                Cell::Text("spec.nodeName"),
            ),
        ],
    ),
    ("configmaps", &[DATA], &[]),
    (
        "secrets",
        &[
            column("Type", "What the secret is for.", Cell::Text("type")),
            DATA,
        ],
        &[],
    ),
    (
        "namespaces",
        &[column("Status", "The phase.", Cell::Text("status.phase"))],
        &[],
    ),
    (
        "nodes",
        &[column(
            "Status",
            "Whether the node is ready.",
            Cell::NodeStatus,
        )],
        &[column(
            "Version",
            "The version of the kubelet.",
            Cell::Text("status.nodeInfo.kubeletVersion"),
        )],
    ),
    (
        "services",
        &[
            column(
                "Type",
                "How the service is reached.",
                Cell::Text("spec.type"),
            ),
            column(
                "Cluster-IP",
                "The address inside.",
                Cell::Text("spec.clusterIP"),
            ),
            column("Port(s)", "The ports with their protocols.", Cell::Ports),
        ],
        &[],
    ),
    ("deployments.apps", READY, &[]),
    ("statefulsets.apps", READY, &[]),
    ("replicasets.apps", REPLICAS, &[]),
    ("replicationcontrollers", REPLICAS, &[]),
    (
        "events",
        &[
            column("Type", "How serious it is.", Cell::Text("type")),
            column("Reason", "Why, in one word.", Cell::Text("reason")),
            column("Message", "What happened.", Cell::Text("message")),
        ],
        &[],
    ),
];

impl Cell {
    fn value(self, object: &Object, now: Timestamp) -> Value {
        match self {
            Self::Name => text_of(object, "metadata.name").into(),
            Self::Age => age(&text_of(object, "metadata.creationTimestamp"), now).into(),
            Self::Text(path) => {
                let text = text_of(object, path);
                if text.is_empty() {
                    "<none>".into()
                } else {
                    text.into()
                }
            }
            Self::Number(path) => integer(object, path).into(),
            Self::Count(field) => object
                .get(field)
                .and_then(Value::as_object)
                .map_or(0, Map::len)
                .into(),
            Self::Ratio(part, whole) => {
                format!("{}/{}", integer(object, part), integer(object, whole)).into()
            }
            Self::PodReady => pod_ready(object).into(),
            Self::PodStatus => pod_status(object).into(),
            Self::PodRestarts => statuses(object)
                .filter_map(|status| status.get("restartCount").and_then(Value::as_i64))
                .sum::<i64>()
                .into(),
            Self::NodeStatus => {
                let ready = list(object, "/status/conditions").any(|condition| {
                    condition.get("type").is_some_and(|name| name == "Ready")
                        && condition
                            .get("status")
                            .is_some_and(|status| status == "True")
                });
                (if ready { "Ready" } else { "NotReady" }).into()
            }
            Self::Ports => ports(object).into(),
        }
    }
}

fn integer(object: &Object, path: &str) -> i64 {
    text_of(object, path).parse().unwrap_or(0)
}

fn list<'a>(object: &'a Object, pointer: &'a str) -> impl Iterator<Item = &'a Value> {
    let mut parts = pointer.split('/').skip(1);
    let first = parts.next().and_then(|part| object.get(part));
    parts
        .fold(first, |value, part| value?.get(part))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn statuses(object: &Object) -> impl Iterator<Item = &Value> {
    list(object, "/status/containerStatuses")
}

fn pod_ready(object: &Object) -> String {
    let ready = statuses(object)
        .filter(|status| status.get("ready").is_some_and(|ready| ready == true))
        .count();
    format!("{ready}/{}", list(object, "/spec/containers").count())
}

fn pod_status(object: &Object) -> String {
    if !text_of(object, "metadata.deletionTimestamp").is_empty() {
        return "Terminating".to_owned();
    }
    let waiting = statuses(object)
        .filter_map(|status| {
            status
                .pointer("/state/waiting/reason")
                .and_then(Value::as_str)
        })
        .next();
    let reason = text_of(object, "status.reason");
    match waiting {
        Some(waiting) => waiting.to_owned(),
        None if !reason.is_empty() => reason,
        None => text_of(object, "status.phase"),
    }
}

fn ports(object: &Object) -> String {
    let ports: Vec<String> = list(object, "/spec/ports")
        .map(|port| {
            let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
            let protocol = port
                .get("protocol")
                .and_then(Value::as_str)
                .unwrap_or("TCP");
            format!("{number}/{protocol}")
        })
        .collect();
    if ports.is_empty() {
        "<none>".to_owned()
    } else {
        ports.join(",")
    }
}

/// The time since `created` with two digits of meaning, as kubectl writes ages.
fn age(created: &str, now: Timestamp) -> String {
    let Ok(created) = created.parse::<Timestamp>() else {
        return "<unknown>".to_owned();
    };
    let seconds = (now.as_second() - created.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |a: i64, unit: char, b: i64, small: char| match b {
        0 => format!("{a}{unit}"),
        b => format!("{a}{unit}{b}{small}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, 'd', hours % 24, 'h'),
        () if days < 730 => format!("{days}d"),
        () if days < 8 * 365 => two(days / 365, 'y', days % 365, 'd'),
        () => format!("{}y", days / 365),
    }
}

/// The object of a row.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum IncludeObject {
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
    /// None.
    None,
}

impl IncludeObject {
    /// Reads the query parameter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "Object" => Some(Self::Object),
            "None" => Some(Self::None),
            _ => None,
        }
    }
}

/// An object without content, whose cells a bookmark's row has.
pub(crate) fn empty() -> Object {
    json!({}).as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::builtin;

    #[test]
    fn ages_have_two_digits_of_meaning() {
        let created: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (7_200, "120m"),
            (3 * 3_600 + 60, "3h1m"),
            (10 * 3_600, "10h"),
            (3 * 86_400 + 3_600, "3d1h"),
            (100 * 86_400, "100d"),
            (3 * 365 * 86_400, "3y"),
            (20 * 365 * 86_400, "20y"),
        ] {
            let now = Timestamp::from_second(created.as_second() + seconds).unwrap();
            assert_eq!(age("2026-01-01T00:00:00Z", now), expected);
        }
        assert_eq!(age("", created), "<unknown>");
    }

    #[test]
    fn a_pod_has_the_cells_that_people_know() {
        let kind = builtin::kinds()
            .find(|kind| kind.plural() == "pods")
            .unwrap();
        let pod = json!({
            "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "n1", "containers": [{}, {}]},
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "containerStatuses": [
                    {"ready": true, "restartCount": 2},
                    {"ready": false, "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                ],
            },
        });
        let now: Timestamp = "2026-01-01T00:00:04Z".parse().unwrap();
        let cells = Columns::of(&kind).cells(pod.as_object().unwrap(), now);
        assert_eq!(
            String::from_utf8(cells).unwrap(),
            r#"["web","1/2","CrashLoopBackOff",3,"4s","10.0.0.1","n1"]"#
        );
    }
}
