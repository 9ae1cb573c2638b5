//! A pod of the generated cluster: the few facts that are kept of it, and the whole object that the
//! API would have for them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::objects::{managed_by, pod_labels, time};
use super::{Node, Workload, World};

/// What is known of a pod; the rest follows.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) workload: usize,
    pub(super) name: String,
    pub(super) uid: String,
    /// Where it runs, or will.
    pub(super) node: usize,
    /// The last number of its address.
    pub(super) host: u64,
    /// The suffix of its service account's volume.
    pub(super) token: String,
    pub(super) stage: Stage,
    pub(super) restarts: u64,
    pub(super) created: Timestamp,
    /// When its state changed last.
    pub(super) changed: Timestamp,
}

/// How far a pod has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Waiting for a node.
    Pending,
    /// On a node, its containers being created.
    Creating,
    /// Running, and not ready for requests.
    Unready,
    /// Running and ready.
    Ready,
    /// Its container ends again and again.
    CrashLooping,
}

impl Pod {
    /// Namespace and name.
    pub(super) fn key(&self, world: &World) -> String {
        format!("{}/{}", world.workloads[self.workload].namespace, self.name)
    }

    /// The whole object.
    pub(super) fn object(&self, world: &World) -> Value {
        let workload = &world.workloads[self.workload];
        let node = &world.nodes[self.node];
        let spec = self.spec(workload, node);
        let status = self.status(world);
        let labels = pod_labels(workload);
        let created = time(self.created);
        let by_controller =
            json!({"metadata": {"generateName": 0, "labels": labels}, "spec": spec});
        let managed = json!([
            managed_by("kube-controller-manager", None, &created, &by_controller),
            managed_by(
                "kubelet",
                Some("status"),
                &time(self.changed),
                &json!({"status": status})
            ),
        ]);
        json!({
            "metadata": {
                "name": self.name,
                "generateName": format!("{}-", workload.replica_set()),
                "namespace": workload.namespace,
                "uid": self.uid,
                "creationTimestamp": created,
                "labels": labels,
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
                "ownerReferences": [{
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": workload.replica_set(),
                    "uid": workload.owner_uid,
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
                "managedFields": managed,
            },
            "spec": spec,
            "status": status,
        })
    }

    fn spec(&self, workload: &Workload, node: &Node) -> Value {
        let token = format!("kube-api-access-{}", self.token);
        let mut containers = vec![server(workload, &token)];
        if workload.sidecar {
            containers.push(sidecar(&token));
        }
        let mut spec = json!({
            "containers": containers,
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {"runAsNonRoot": true, "fsGroup": 2000},
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [toleration("not-ready"), toleration("unreachable")],
            "volumes": [{"name": token, "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            ]}}],
        });
        if self.stage != Stage::Pending {
            spec["nodeName"] = node.name.as_str().into();
        }
        spec
    }

    /// The status alone, as the kubelet patches it.
    pub(super) fn status(&self, world: &World) -> Value {
        let workload = &world.workloads[self.workload];
        let node = &world.nodes[self.node];
        let at = time(self.changed);
        let scheduled = self.stage != Stage::Pending;
        let ready = self.stage == Stage::Ready;
        let mut conditions = vec![condition("PodScheduled", scheduled, &at)];
        if !scheduled {
            return json!({"phase": "Pending", "qosClass": "Burstable", "conditions": conditions});
        }
        conditions.extend([
            condition("Initialized", true, &at),
            condition("ContainersReady", ready, &at),
            condition("Ready", ready, &at),
        ]);
        let mut containers = vec![self.container("server", &workload.image)];
        if workload.sidecar {
            containers.push(self.container("proxy", SIDECAR_IMAGE));
        }
        let phase = match self.stage {
            Stage::Pending | Stage::Creating => "Pending",
            Stage::Unready | Stage::Ready | Stage::CrashLooping => "Running",
        };
        let mut status = json!({
            "phase": phase,
            "qosClass": "Burstable",
            "conditions": conditions,
            "hostIP": node.address,
            "startTime": time(self.created),
            "containerStatuses": containers,
        });
        if self.stage != Stage::Creating {
            let (second, third) = node.subnet;
            let address = format!("10.{second}.{third}.{}", self.host);
            status["podIP"] = address.as_str().into();
            status["podIPs"] = json!([{"ip": address}]);
        }
        status
    }

    fn container(&self, name: &str, image: &str) -> Value {
        let at = time(self.changed);
        let main = name == "server";
        let state = match self.stage {
            Stage::Pending | Stage::Creating => json!({"waiting": {"reason": "ContainerCreating"}}),
            Stage::CrashLooping if main => json!({"waiting": {
                "reason": "CrashLoopBackOff",
                "message": "back-off 5m0s restarting failed container=server",
            }}),
            Stage::Unready | Stage::Ready | Stage::CrashLooping => {
                json!({"running": {"startedAt": at}})
            }
        };
        let ready = match self.stage {
            Stage::Ready => true,
            Stage::CrashLooping | Stage::Unready => !main,
            Stage::Pending | Stage::Creating => false,
        };
        let restarts = if main { self.restarts } else { 0 };
        let mut status = json!({
            "name": name,
            "image": image,
            "imageID": format!("{image}@sha256:{}", self.uid.replace('-', "").repeat(2)),
            "ready": ready,
            "restartCount": restarts,
            "started": state.get("running").is_some(),
            "state": state,
        });
        if restarts > 0 {
            status["lastState"] = json!({"terminated": {
                "exitCode": 137, "reason": "OOMKilled", "finishedAt": at,
            }});
        }
        status
    }
}

/// The image of the second container.
const SIDECAR_IMAGE: &str = "registry.example.com/mesh/proxy:v1.27.3";

fn condition(kind: &str, met: bool, at: &str) -> Value {
    let status = if met { "True" } else { "False" };
    json!({"type": kind, "status": status, "lastTransitionTime": at})
}

fn toleration(what: &str) -> Value {
    json!({
        "key": format!("node.kubernetes.io/{what}"),
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    })
}

fn server(workload: &Workload, token: &str) -> Value {
    let variable = |name: &str, value: String| json!({"name": name, "value": value});
    json!({
        "name": "server",
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--listen=:8080", format!("--service={}", workload.name)],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
            variable("LOG_LEVEL", "info".to_owned()),
            variable("DATABASE_HOST", format!("postgres.{}.svc", workload.namespace)),
            variable("CACHE_HOST", format!("redis.{}.svc", workload.namespace)),
            variable("FEATURES", "new-checkout,fast-lane".to_owned()),
        ],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "livenessProbe": probe("/healthz"),
        "readinessProbe": probe("/readyz"),
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"memory": "512Mi"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [mount(token)],
    })
}

fn sidecar(token: &str) -> Value {
    json!({
        "name": "proxy",
        "image": SIDECAR_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "mesh", "containerPort": 15001, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [mount(token)],
    })
}

fn probe(path: &str) -> Value {
    json!({
        "httpGet": {"path": path, "port": 8080, "scheme": "HTTP"},
        "periodSeconds": 10,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    })
}

fn mount(token: &str) -> Value {
    json!({
        "name": token,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": true,
    })
}
