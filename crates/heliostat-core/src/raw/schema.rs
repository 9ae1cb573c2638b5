//! The places of fields in the protobuf encoding of built-in kinds.
//!
//! Numbers are those of the `generated.proto` files of `k8s.io/api` and `k8s.io/apimachinery` (1.35),
//! where a number never changes its meaning; names are the JSON names of the same fields. Only what
//! people index, select or print by is here. What is not here is unknown, never absent. The tests read
//! every path of pods and config maps in objects that a server of 1.36 sent in both encodings.
//!
//! Go writes fields into protobuf that are empty, and leaves most of them out of JSON. A path must
//! give the same whatever the encoding, so a row says of its field whether JSON shows it when empty
//! ([`Row::told`]): pointers, and the few fields whose tag does not have `omitempty`.

use crate::object::GroupVersionKind;

/// The known fields of a message.
pub(super) type Rows = &'static [Row];

/// Where one field is, and what is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) shape: Shape,
    /// JSON shows the field also when it is empty, if it is there at all.
    pub(super) is_told_when_empty: bool,
}

/// How often a field may be there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    One(Type),
    Many(Type),
    /// From texts.
    Map(Type),
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Text,
    /// `int32` and `int64`.
    Integer,
    Bool,
    /// Shown in base64.
    Bytes,
    /// Shown in seconds.
    Time,
    /// Shown in microseconds.
    MicroTime,
    /// A message around a text.
    Quantity,
    Message(Rows),
}

impl Row {
    /// The field of this name.
    pub(super) fn find(rows: Rows, name: &str) -> Option<&'static Self> {
        rows.iter().find(|row| row.name == name)
    }

    const fn new(name: &'static str, number: u32, shape: Shape) -> Self {
        Self {
            name,
            number,
            shape,
            is_told_when_empty: false,
        }
    }

    const fn told(mut self) -> Self {
        self.is_told_when_empty = true;
        self
    }
}

const fn text(name: &'static str, number: u32) -> Row {
    Row::new(name, number, Shape::One(Type::Text))
}

const fn integer(name: &'static str, number: u32) -> Row {
    Row::new(name, number, Shape::One(Type::Integer))
}

const fn truth(name: &'static str, number: u32) -> Row {
    Row::new(name, number, Shape::One(Type::Bool))
}

const fn time(name: &'static str, number: u32) -> Row {
    Row::new(name, number, Shape::One(Type::Time))
}

const fn micro_time(name: &'static str, number: u32) -> Row {
    Row::new(name, number, Shape::One(Type::MicroTime))
}

const fn message(name: &'static str, number: u32, rows: Rows) -> Row {
    Row::new(name, number, Shape::One(Type::Message(rows)))
}

const fn messages(name: &'static str, number: u32, rows: Rows) -> Row {
    Row::new(name, number, Shape::Many(Type::Message(rows)))
}

const fn texts(name: &'static str, number: u32) -> Row {
    Row::new(name, number, Shape::Many(Type::Text))
}

const fn map(name: &'static str, number: u32, values: Type) -> Row {
    Row::new(name, number, Shape::Map(values))
}

/// What is known of the fields of this kind: of any kind at all its metadata.
pub(super) fn rows(kind: Option<&GroupVersionKind>) -> Rows {
    let Some(kind) = kind else {
        return ANY;
    };
    match (kind.api_version.as_str(), kind.kind.as_str()) {
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Event") => EVENT,
        ("v1", "Namespace") => NAMESPACE,
        ("v1", "Node") => NODE,
        ("v1", "PersistentVolume") => PERSISTENT_VOLUME,
        ("v1", "PersistentVolumeClaim") => PERSISTENT_VOLUME_CLAIM,
        ("v1", "Pod") => POD,
        ("v1", "Secret") => SECRET,
        ("v1", "Service") => SERVICE,
        ("apps/v1", "DaemonSet") => DAEMON_SET,
        ("apps/v1", "Deployment") => DEPLOYMENT,
        ("apps/v1", "ReplicaSet") => REPLICA_SET,
        ("apps/v1", "StatefulSet") => STATEFUL_SET,
        ("batch/v1", "CronJob") => CRON_JOB,
        ("batch/v1", "Job") => JOB,
        ("coordination.k8s.io/v1", "Lease") => LEASE,
        ("discovery.k8s.io/v1", "EndpointSlice") => ENDPOINT_SLICE,
        ("events.k8s.io/v1", "Event") => NEW_EVENT,
        _ => ANY,
    }
}

const METADATA: Row = message(
    "metadata",
    1,
    &[
        text("name", 1),
        text("generateName", 2),
        text("namespace", 3),
        text("selfLink", 4),
        text("uid", 5),
        text("resourceVersion", 6),
        integer("generation", 7),
        time("creationTimestamp", 8),
        time("deletionTimestamp", 9),
        integer("deletionGracePeriodSeconds", 10).told(),
        map("labels", 11, Type::Text),
        map("annotations", 12, Type::Text),
        messages(
            "ownerReferences",
            13,
            &[
                text("kind", 1).told(),
                text("name", 3).told(),
                text("uid", 4).told(),
                text("apiVersion", 5).told(),
                truth("controller", 6).told(),
                truth("blockOwnerDeletion", 7).told(),
            ],
        ),
        texts("finalizers", 14),
        messages(
            "managedFields",
            17,
            &[
                text("manager", 1),
                text("operation", 2),
                text("apiVersion", 3),
                time("time", 4),
                text("fieldsType", 6),
                text("subresource", 8),
            ],
        ),
    ],
);

const ANY: Rows = &[METADATA];

const POD: Rows = &[
    METADATA,
    message("spec", 2, POD_SPEC),
    message(
        "status",
        3,
        &[
            text("phase", 1),
            messages("conditions", 2, POD_CONDITION),
            text("message", 3),
            text("reason", 4),
            text("hostIP", 5),
            text("podIP", 6),
            time("startTime", 7),
            messages("containerStatuses", 8, CONTAINER_STATUS),
            text("qosClass", 9),
            messages("initContainerStatuses", 10, CONTAINER_STATUS),
            text("nominatedNodeName", 11),
            messages("podIPs", 12, &[text("ip", 1).told()]),
            messages("hostIPs", 16, &[text("ip", 1).told()]),
            integer("observedGeneration", 17),
        ],
    ),
];

const POD_SPEC: Rows = &[
    messages("containers", 2, CONTAINER),
    text("restartPolicy", 3),
    integer("terminationGracePeriodSeconds", 4).told(),
    integer("activeDeadlineSeconds", 5).told(),
    text("dnsPolicy", 6),
    map("nodeSelector", 7, Type::Text),
    text("serviceAccountName", 8),
    text("serviceAccount", 9),
    text("nodeName", 10),
    truth("hostNetwork", 11),
    truth("hostPID", 12),
    truth("hostIPC", 13),
    messages("imagePullSecrets", 15, &[text("name", 1)]),
    text("hostname", 16),
    text("subdomain", 17),
    text("schedulerName", 19),
    messages("initContainers", 20, CONTAINER),
    truth("automountServiceAccountToken", 21).told(),
    messages(
        "tolerations",
        22,
        &[
            text("key", 1),
            text("operator", 2),
            text("value", 3),
            text("effect", 4),
            integer("tolerationSeconds", 5).told(),
        ],
    ),
    text("priorityClassName", 24),
    integer("priority", 25).told(),
    text("runtimeClassName", 29).told(),
    truth("enableServiceLinks", 30).told(),
    text("preemptionPolicy", 31).told(),
];

const CONTAINER: Rows = &[
    text("name", 1).told(),
    text("image", 2),
    texts("command", 3),
    texts("args", 4),
    text("workingDir", 5),
    messages(
        "ports",
        6,
        &[
            text("name", 1),
            integer("hostPort", 2),
            integer("containerPort", 3).told(),
            text("protocol", 4),
            text("hostIP", 5),
        ],
    ),
    message(
        "resources",
        8,
        &[
            map("limits", 1, Type::Quantity),
            map("requests", 2, Type::Quantity),
        ],
    ),
    text("imagePullPolicy", 14),
    text("restartPolicy", 24).told(),
];

const CONTAINER_STATUS: Rows = &[
    text("name", 1).told(),
    message("state", 2, CONTAINER_STATE),
    message("lastState", 3, CONTAINER_STATE),
    truth("ready", 4).told(),
    integer("restartCount", 5).told(),
    text("image", 6).told(),
    text("imageID", 7).told(),
    text("containerID", 8),
    truth("started", 9).told(),
];

const CONTAINER_STATE: Rows = &[
    message("waiting", 1, &[text("reason", 1), text("message", 2)]),
    message("running", 2, &[time("startedAt", 1)]),
    message(
        "terminated",
        3,
        &[
            integer("exitCode", 1).told(),
            integer("signal", 2),
            text("reason", 3),
            text("message", 4),
            time("startedAt", 5),
            time("finishedAt", 6),
            text("containerID", 7),
        ],
    ),
];

const POD_CONDITION: Rows = &[
    text("type", 1).told(),
    text("status", 2).told(),
    time("lastProbeTime", 3),
    time("lastTransitionTime", 4),
    text("reason", 5),
    text("message", 6),
];

const SERVICE: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            messages(
                "ports",
                1,
                &[
                    text("name", 1),
                    text("protocol", 2),
                    integer("port", 3).told(),
                    integer("nodePort", 5),
                    text("appProtocol", 6).told(),
                ],
            ),
            map("selector", 2, Type::Text),
            text("clusterIP", 3),
            text("type", 4),
            texts("externalIPs", 5),
            text("sessionAffinity", 7),
            text("loadBalancerIP", 8),
            text("externalName", 10),
            text("externalTrafficPolicy", 11),
            text("ipFamilyPolicy", 17).told(),
            texts("clusterIPs", 18),
            texts("ipFamilies", 19),
            text("loadBalancerClass", 21).told(),
            text("internalTrafficPolicy", 22).told(),
        ],
    ),
];

const NODE: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            text("podCIDR", 1),
            text("providerID", 3),
            truth("unschedulable", 4),
            messages(
                "taints",
                5,
                &[
                    text("key", 1).told(),
                    text("value", 2),
                    text("effect", 3).told(),
                ],
            ),
            texts("podCIDRs", 7),
        ],
    ),
    message(
        "status",
        3,
        &[
            map("capacity", 1, Type::Quantity),
            map("allocatable", 2, Type::Quantity),
            text("phase", 3),
            messages(
                "conditions",
                4,
                &[
                    text("type", 1).told(),
                    text("status", 2).told(),
                    time("lastHeartbeatTime", 3),
                    time("lastTransitionTime", 4),
                    text("reason", 5),
                    text("message", 6),
                ],
            ),
            messages(
                "addresses",
                5,
                &[text("type", 1).told(), text("address", 2).told()],
            ),
            message(
                "nodeInfo",
                7,
                &[
                    text("machineID", 1).told(),
                    text("systemUUID", 2).told(),
                    text("bootID", 3).told(),
                    text("kernelVersion", 4).told(),
                    text("osImage", 5).told(),
                    text("containerRuntimeVersion", 6).told(),
                    text("kubeletVersion", 7).told(),
                    text("kubeProxyVersion", 8).told(),
                    text("operatingSystem", 9).told(),
                    text("architecture", 10).told(),
                ],
            ),
        ],
    ),
];

const OBJECT_REFERENCE: Rows = &[
    text("kind", 1),
    text("namespace", 2),
    text("name", 3),
    text("uid", 4),
    text("apiVersion", 5),
    text("resourceVersion", 6),
    text("fieldPath", 7),
];

const EVENT_SOURCE: Rows = &[text("component", 1), text("host", 2)];

const EVENT: Rows = &[
    METADATA,
    message("involvedObject", 2, OBJECT_REFERENCE),
    text("reason", 3),
    text("message", 4),
    message("source", 5, EVENT_SOURCE),
    time("firstTimestamp", 6),
    time("lastTimestamp", 7),
    integer("count", 8),
    text("type", 9),
    micro_time("eventTime", 10),
    text("action", 12),
    message("related", 13, OBJECT_REFERENCE),
    text("reportingComponent", 14).told(),
    text("reportingInstance", 15).told(),
];

const NEW_EVENT: Rows = &[
    METADATA,
    micro_time("eventTime", 2),
    text("reportingController", 4),
    text("reportingInstance", 5),
    text("action", 6),
    text("reason", 7),
    message("regarding", 8, OBJECT_REFERENCE),
    message("related", 9, OBJECT_REFERENCE),
    text("note", 10),
    text("type", 11),
    message("deprecatedSource", 12, EVENT_SOURCE),
    time("deprecatedFirstTimestamp", 13),
    time("deprecatedLastTimestamp", 14),
    integer("deprecatedCount", 15),
];

const CONFIG_MAP: Rows = &[
    METADATA,
    map("data", 2, Type::Text),
    map("binaryData", 3, Type::Bytes),
    truth("immutable", 4).told(),
];

const SECRET: Rows = &[
    METADATA,
    map("data", 2, Type::Bytes),
    text("type", 3),
    truth("immutable", 5).told(),
];

const NAMESPACE: Rows = &[
    METADATA,
    message("spec", 2, &[texts("finalizers", 1)]),
    message("status", 3, &[text("phase", 1)]),
];

const PERSISTENT_VOLUME: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            map("capacity", 1, Type::Quantity),
            texts("accessModes", 3),
            message("claimRef", 4, OBJECT_REFERENCE),
            text("persistentVolumeReclaimPolicy", 5),
            text("storageClassName", 6),
            text("volumeMode", 8).told(),
        ],
    ),
    message(
        "status",
        3,
        &[text("phase", 1), text("message", 2), text("reason", 3)],
    ),
];

const PERSISTENT_VOLUME_CLAIM: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            texts("accessModes", 1),
            text("volumeName", 3),
            text("storageClassName", 5).told(),
            text("volumeMode", 6).told(),
        ],
    ),
    message(
        "status",
        3,
        &[
            text("phase", 1),
            texts("accessModes", 2),
            map("capacity", 3, Type::Quantity),
        ],
    ),
];

const POD_TEMPLATE: Rows = &[METADATA, message("spec", 2, POD_SPEC)];

const MATCHED_LABELS: Rows = &[map("matchLabels", 1, Type::Text)];

const DEPLOYMENT: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            integer("replicas", 1).told(),
            message("selector", 2, MATCHED_LABELS),
            message("template", 3, POD_TEMPLATE),
            integer("minReadySeconds", 5),
            integer("revisionHistoryLimit", 6).told(),
            truth("paused", 7),
            integer("progressDeadlineSeconds", 9).told(),
        ],
    ),
    message(
        "status",
        3,
        &[
            integer("observedGeneration", 1),
            integer("replicas", 2),
            integer("updatedReplicas", 3),
            integer("availableReplicas", 4),
            integer("unavailableReplicas", 5),
            integer("readyReplicas", 7),
        ],
    ),
];

const REPLICA_SET: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            integer("replicas", 1).told(),
            message("selector", 2, MATCHED_LABELS),
            message("template", 3, POD_TEMPLATE),
            integer("minReadySeconds", 4),
        ],
    ),
    message(
        "status",
        3,
        &[
            integer("replicas", 1).told(),
            integer("fullyLabeledReplicas", 2),
            integer("observedGeneration", 3),
            integer("readyReplicas", 4),
            integer("availableReplicas", 5),
        ],
    ),
];

const STATEFUL_SET: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            integer("replicas", 1).told(),
            message("selector", 2, MATCHED_LABELS),
            message("template", 3, POD_TEMPLATE),
            text("podManagementPolicy", 6),
            integer("revisionHistoryLimit", 8).told(),
            integer("minReadySeconds", 9),
        ],
    ),
    message(
        "status",
        3,
        &[
            integer("observedGeneration", 1),
            integer("replicas", 2).told(),
            integer("readyReplicas", 3),
            integer("currentReplicas", 4),
            integer("updatedReplicas", 5),
            text("currentRevision", 6),
            text("updateRevision", 7),
        ],
    ),
];

const DAEMON_SET: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            message("selector", 1, MATCHED_LABELS),
            message("template", 2, POD_TEMPLATE),
            integer("minReadySeconds", 4),
            integer("revisionHistoryLimit", 6).told(),
        ],
    ),
    message(
        "status",
        3,
        &[
            integer("currentNumberScheduled", 1).told(),
            integer("numberMisscheduled", 2).told(),
            integer("desiredNumberScheduled", 3).told(),
            integer("numberReady", 4).told(),
            integer("observedGeneration", 5),
            integer("updatedNumberScheduled", 6),
            integer("numberAvailable", 7),
            integer("numberUnavailable", 8),
        ],
    ),
];

const JOB: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            integer("parallelism", 1).told(),
            integer("completions", 2).told(),
            integer("activeDeadlineSeconds", 3).told(),
            message("selector", 4, MATCHED_LABELS),
            message("template", 6, POD_TEMPLATE),
            integer("backoffLimit", 7).told(),
            integer("ttlSecondsAfterFinished", 8).told(),
            text("completionMode", 9).told(),
            truth("suspend", 10).told(),
        ],
    ),
    message(
        "status",
        3,
        &[
            // The fields of a condition are those of a pod's.
            messages("conditions", 1, POD_CONDITION),
            time("startTime", 2),
            time("completionTime", 3),
            integer("active", 4),
            integer("succeeded", 5),
            integer("failed", 6),
            text("completedIndexes", 7),
            integer("ready", 9).told(),
        ],
    ),
];

const CRON_JOB: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            text("schedule", 1).told(),
            integer("startingDeadlineSeconds", 2).told(),
            text("concurrencyPolicy", 3),
            truth("suspend", 4).told(),
            text("timeZone", 8).told(),
        ],
    ),
    message(
        "status",
        3,
        &[
            messages("active", 1, OBJECT_REFERENCE),
            time("lastScheduleTime", 4),
            time("lastSuccessfulTime", 5),
        ],
    ),
];

const LEASE: Rows = &[
    METADATA,
    message(
        "spec",
        2,
        &[
            text("holderIdentity", 1).told(),
            integer("leaseDurationSeconds", 2).told(),
            micro_time("acquireTime", 3),
            micro_time("renewTime", 4),
            integer("leaseTransitions", 5).told(),
        ],
    ),
];

const ENDPOINT_SLICE: Rows = &[METADATA, text("addressType", 4).told()];
