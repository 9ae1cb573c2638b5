//! The built-in kinds, as one table: what kubectl and client libraries expect to find.
//!
//! Short names, categories and selectable fields are those of kube-apiserver 1.36.

use heliostat_kinds::schema;

use super::kind::Kind;

/// One row: group, version, kind, plural, short names (blank-separated), rules.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [Rule],
);

impl Kind {
    /// The built-in kind of these names, with its fields for selectors, its short names and its columns;
    /// without a built-in kind a custom one, namespaced.
    ///
    /// ```
    /// use heliostat_server::Kind;
    ///
    /// assert!(!Kind::known("apps", "v1", "Deployment", "deployments").is_custom());
    /// assert!(Kind::known("example.com", "v1", "Widget", "widgets").is_custom());
    /// ```
    #[must_use]
    pub fn known(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        let is_it =
            |it: &Self| it.group() == group && it.version() == version && it.plural() == plural;
        if let Some(known) = kinds().find(is_it) {
            return known;
        }
        match schema::resource(group, version, plural) {
            Some(resource) => {
                let known = Self::builtin(group, version, kind, plural);
                match resource.is_namespaced() {
                    true => known,
                    false => known.cluster_scoped(),
                }
            }
            None => Self::custom(group, version, kind, plural),
        }
    }
}

#[derive(Clone, Copy)]
enum Rule {
    Cluster,
    Status,
    /// The server counts changes of the specification in `metadata.generation`.
    Generation,
    InAll,
    Uncached,
    Singular(&'static str),
    Field(&'static str),
}

use Rule::{Cluster, Field, Generation, InAll, Singular, Status, Uncached};

/// Fields of an event that selectors may name.
const EVENT: &[Rule] = &[
    Uncached,
    Field("involvedObject.kind"),
    Field("involvedObject.namespace"),
    Field("involvedObject.name"),
    Field("involvedObject.uid"),
    Field("involvedObject.apiVersion"),
    Field("involvedObject.resourceVersion"),
    Field("involvedObject.fieldPath"),
    Field("reason"),
    Field("type"),
    Field("reportingComponent"),
];

/// Fields of a pod that selectors may name.
const POD: &[Rule] = &[
    Status,
    Generation,
    InAll,
    Field("spec.nodeName"),
    Field("spec.restartPolicy"),
    Field("spec.schedulerName"),
    Field("spec.serviceAccountName"),
    Field("spec.hostNetwork"),
    Field("status.phase"),
    Field("status.podIP"),
    Field("status.nominatedNodeName"),
];

const REPLICAS: &[Rule] = &[Status, Generation, InAll, Field("status.replicas")];
const WORKLOAD: &[Rule] = &[Status, Generation, InAll];
const RBAC: &str = "rbac.authorization.k8s.io";
const NET: &str = "networking.k8s.io";
const CRD: &str = "apiextensions.k8s.io";

const ROWS: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", "cm", &[]),
    ("", "v1", "Endpoints", "endpoints", "ep", &[]),
    ("", "v1", "Event", "events", "ev", EVENT),
    ("", "v1", "LimitRange", "limitranges", "limits", &[]),
    (
        "",
        "v1",
        "Namespace",
        "namespaces",
        "ns",
        &[Cluster, Status, Field("status.phase")],
    ),
    (
        "",
        "v1",
        "Node",
        "nodes",
        "no",
        &[Cluster, Status, Field("spec.unschedulable")],
    ),
    (
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "pvc",
        &[Status],
    ),
    (
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "pv",
        &[Cluster, Status],
    ),
    ("", "v1", "Pod", "pods", "po", POD),
    ("", "v1", "PodTemplate", "podtemplates", "", &[]),
    (
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        "rc",
        REPLICAS,
    ),
    (
        "",
        "v1",
        "ResourceQuota",
        "resourcequotas",
        "quota",
        &[Status],
    ),
    ("", "v1", "Secret", "secrets", "", &[Field("type")]),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", &[]),
    (
        "",
        "v1",
        "Service",
        "services",
        "svc",
        &[Status, InAll, Field("spec.clusterIP"), Field("spec.type")],
    ),
    (
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        "",
        &[],
    ),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds", WORKLOAD),
    (
        "apps",
        "v1",
        "Deployment",
        "deployments",
        "deploy",
        WORKLOAD,
    ),
    ("apps", "v1", "ReplicaSet", "replicasets", "rs", REPLICAS),
    ("apps", "v1", "StatefulSet", "statefulsets", "sts", WORKLOAD),
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        &[Status, InAll],
    ),
    ("batch", "v1", "CronJob", "cronjobs", "cj", WORKLOAD),
    (
        "batch",
        "v1",
        "Job",
        "jobs",
        "",
        &[Status, Generation, InAll, Field("status.successful")],
    ),
    (
        NET,
        "v1",
        "IngressClass",
        "ingressclasses",
        "",
        &[Cluster, Generation],
    ),
    (
        NET,
        "v1",
        "Ingress",
        "ingresses",
        "ing",
        &[Status, Generation],
    ),
    (
        NET,
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        "netpol",
        &[Generation],
    ),
    (
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "pdb",
        &[Status, Generation],
    ),
    (
        RBAC,
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        "",
        &[Cluster],
    ),
    (RBAC, "v1", "ClusterRole", "clusterroles", "", &[Cluster]),
    (RBAC, "v1", "RoleBinding", "rolebindings", "", &[]),
    (RBAC, "v1", "Role", "roles", "", &[]),
    (
        "storage.k8s.io",
        "v1",
        "StorageClass",
        "storageclasses",
        "sc",
        &[Cluster],
    ),
    (
        CRD,
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd crds",
        &[Cluster, Status, Generation],
    ),
    (
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        "pc",
        &[Cluster, Generation],
    ),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", &[]),
    (
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        "",
        &[Generation],
    ),
];

/// The kinds whose singular is not the kind in lower case.
const ODD_SINGULARS: &[(&str, Rule)] = &[("endpoints", Singular("endpoints"))];

/// Every built-in kind, in the order in which discovery lists them.
pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    ROWS.iter()
        .map(|&(group, version, kind, plural, short_names, rules)| {
            let odd = ODD_SINGULARS
                .iter()
                .filter(|(name, _)| *name == plural)
                .map(|(_, rule)| rule);
            let named = short_names.split_whitespace().fold(
                Kind::builtin(group, version, kind, plural),
                Kind::with_short_name,
            );
            rules
                .iter()
                .chain(odd)
                .fold(named, |kind, rule| apply(kind, *rule))
        })
}

fn apply(kind: Kind, rule: Rule) -> Kind {
    match rule {
        Cluster => kind.cluster_scoped(),
        Status => kind.with_status(),
        Generation => kind.with_generation(),
        InAll => kind.with_category("all"),
        Uncached => kind.without_watch_cache(),
        Singular(name) => kind.with_singular(name),
        Field(path) => kind.with_selectable_field(path),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_one_row_and_pods_know_their_short_name() {
        let all: Vec<Kind> = kinds().collect();
        let names: BTreeSet<&str> = all.iter().map(Kind::qualified).collect();
        assert_eq!(names.len(), all.len());
        let pods = all.iter().find(|kind| kind.plural() == "pods").unwrap();
        assert_eq!(pods.short_names(), ["po"]);
        assert_eq!(pods.categories(), ["all"]);
        assert!(pods.is_namespaced() && pods.has_status());
    }
}
