//! Fields of raw pods in protobuf against a decoder of the whole pod.

use std::sync::{Arc, OnceLock};

use heliostat_core::object::GroupVersionKind;
use heliostat_core::raw::{Encoding, FieldError, FieldPath, FieldValue, RawObject};
use k8s_pb::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus};
use k8s_pb::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use prost::Message as _;

/// What a field shows.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Shown {
    Text(String),
    Integer(i64),
    Bool(bool),
}

/// What JSON shows of a field.
type Show = fn(&Pod, &mut Vec<Shown>);

/// Asks for what the rows name, and for what a decoded pod has there.
///
/// # Panics
///
/// If these are not the same, where the bytes are a pod.
pub fn check(bytes: &[u8]) {
    let Ok(pod) = Pod::decode(bytes) else {
        return;
    };
    let kind = Arc::new(GroupVersionKind::new("v1", "Pod"));
    let object = RawObject::new(Encoding::Protobuf, Some(kind), bytes.into());
    for (path, show) in rows() {
        let mut expected = Vec::new();
        show(&pod, &mut expected);
        let found = match object.field(path) {
            Ok(found) => found,
            // Wire types that no type of Kubernetes has, and times that JSON does not have.
            Err(FieldError::Malformed { .. }) => continue,
            Err(error) => panic!("{path}: {error}"),
        };
        let mut found: Vec<_> = found.into_iter().map(shown).collect();
        if path.to_string().contains("labels[*]") {
            // A map has no order.
            found.sort();
            expected.sort();
        }
        assert_eq!(found, expected, "{path}");
    }
    check_metadata(&object, &pod.metadata.unwrap_or_default());
}

fn check_metadata(object: &RawObject, metadata: &ObjectMeta) {
    let found = object.metadata();
    for (key, value) in &metadata.labels {
        assert_eq!(found.label(key).as_deref(), Some(&**value));
    }
    for (key, value) in &metadata.annotations {
        assert_eq!(found.annotation(key).as_deref(), Some(&**value));
    }
    // The reading of metadata is tolerant, and ends where something cannot be read.
    let owners = found.owner_references();
    assert!(owners.len() <= metadata.owner_references.len());
    for (found, expected) in owners.iter().zip(&metadata.owner_references) {
        assert_eq!(found.uid, expected.uid());
        assert_eq!(found.name, expected.name());
        assert_eq!(found.kind, expected.kind());
        assert_eq!(found.controller, expected.controller());
    }
}

fn shown(value: FieldValue<'_>) -> Shown {
    match value {
        FieldValue::Text(text) => Shown::Text(text.into_owned()),
        FieldValue::Integer(number) => Shown::Integer(number),
        FieldValue::Bool(truth) => Shown::Bool(truth),
        other => panic!("what is {other:?}?"),
    }
}

/// Paths, and what is there in a decoded pod.
fn rows() -> &'static [(FieldPath, Show)] {
    static ROWS: OnceLock<Vec<(FieldPath, Show)>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let rows = ROW_TEXTS.iter();
        rows.map(|(path, show)| (path.parse().expect("a path"), *show))
            .collect()
    })
}

const ROW_TEXTS: &[(&str, Show)] = &[
    ("metadata.name", |pod, out| filled(&meta(pod).name, out)),
    ("metadata.namespace", |pod, out| {
        filled(&meta(pod).namespace, out)
    }),
    ("metadata.uid", |pod, out| filled(&meta(pod).uid, out)),
    ("metadata.generation", |pod, out| {
        let number = meta(pod).generation.filter(|number| *number != 0);
        out.extend(number.map(Shown::Integer));
    }),
    ("metadata.creationTimestamp", |pod, out| {
        time(meta(pod).creation_timestamp, out)
    }),
    ("metadata.deletionGracePeriodSeconds", |pod, out| {
        out.extend(meta(pod).deletion_grace_period_seconds.map(Shown::Integer));
    }),
    ("metadata.labels[*]", |pod, out| {
        out.extend(meta(pod).labels.into_values().map(Shown::Text));
    }),
    ("metadata.labels.app", |pod, out| {
        out.extend(meta(pod).labels.remove("app").map(Shown::Text));
    }),
    ("metadata.finalizers[*]", |pod, out| {
        out.extend(meta(pod).finalizers.into_iter().map(Shown::Text));
    }),
    ("metadata.ownerReferences[*].uid", |pod, out| {
        let owners = meta(pod).owner_references.into_iter();
        out.extend(owners.filter_map(|owner| owner.uid).map(Shown::Text));
    }),
    ("metadata.ownerReferences[1].controller", |pod, out| {
        let owners = meta(pod).owner_references;
        let second = owners.get(1).and_then(|owner| owner.controller);
        out.extend(second.map(Shown::Bool));
    }),
    ("spec.nodeName", |pod, out| {
        filled(&spec(pod).node_name, out)
    }),
    ("spec.hostNetwork", |pod, out| {
        let truth = spec(pod).host_network.filter(|truth| *truth);
        out.extend(truth.map(Shown::Bool));
    }),
    ("spec.enableServiceLinks", |pod, out| {
        out.extend(spec(pod).enable_service_links.map(Shown::Bool));
    }),
    ("spec.nodeSelector.zone", |pod, out| {
        out.extend(spec(pod).node_selector.remove("zone").map(Shown::Text));
    }),
    ("spec.containers[*].name", |pod, out| {
        let names = containers(pod).filter_map(|container| container.name);
        out.extend(names.map(Shown::Text));
    }),
    ("spec.containers[*].image", |pod, out| {
        containers(pod).for_each(|container| filled(&container.image, out));
    }),
    ("spec.containers[0].args[*]", |pod, out| {
        let first = containers(pod).next().unwrap_or_default();
        out.extend(first.args.into_iter().map(Shown::Text));
    }),
    ("spec.containers[*].ports[*].protocol", |pod, out| {
        let ports = containers(pod).flat_map(|container| container.ports);
        ports.for_each(|port| filled(&port.protocol, out));
    }),
    ("spec.containers[*].resources.limits.cpu", |pod, out| {
        for container in containers(pod) {
            let limits = container.resources.unwrap_or_default().limits;
            // A quantity of nothing is an empty text.
            let limit = limits.get("cpu").map(|cpu| cpu.string().to_owned());
            out.extend(limit.map(Shown::Text));
        }
    }),
    ("status.phase", |pod, out| filled(&status(pod).phase, out)),
    ("status.podIP", |pod, out| filled(&status(pod).pod_ip, out)),
    ("status.startTime", |pod, out| {
        time(status(pod).start_time, out)
    }),
    ("status.containerStatuses[*].ready", |pod, out| {
        out.extend(
            statuses(pod)
                .filter_map(|status| status.ready)
                .map(Shown::Bool),
        );
    }),
    ("status.containerStatuses[*].containerID", |pod, out| {
        statuses(pod).for_each(|status| filled(&status.container_id, out));
    }),
];

/// A text that JSON shows unless it is empty.
fn filled(text: &Option<String>, out: &mut Vec<Shown>) {
    let text = text.clone().filter(|text| !text.is_empty());
    out.extend(text.map(Shown::Text));
}

/// A time that JSON shows if it has any content.
fn time(time: Option<Time>, out: &mut Vec<Shown>) {
    let time = time.filter(|time| *time != Time::default());
    let Some(seconds) = time.map(|time| time.seconds()) else {
        return;
    };
    // Beyond its range ours is an error, and nobody asks what is expected.
    if let Ok(moment) = jiff::Timestamp::from_second(seconds) {
        out.push(Shown::Text(moment.to_string()));
    }
}

fn meta(pod: &Pod) -> ObjectMeta {
    pod.metadata.clone().unwrap_or_default()
}

fn spec(pod: &Pod) -> PodSpec {
    pod.spec.clone().unwrap_or_default()
}

fn status(pod: &Pod) -> PodStatus {
    pod.status.clone().unwrap_or_default()
}

fn containers(pod: &Pod) -> impl Iterator<Item = Container> {
    spec(pod).containers.into_iter()
}

fn statuses(pod: &Pod) -> impl Iterator<Item = ContainerStatus> {
    status(pod).container_statuses.into_iter()
}
