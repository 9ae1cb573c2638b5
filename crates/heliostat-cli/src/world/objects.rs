//! Namespaces, nodes, deployments and replica sets as the API has them, and the field ownership that
//! every object carries.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Node, Workload};

/// A time as the API writes it: whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn namespace(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

pub(super) fn node(node: &Node) -> Value {
    let zone = node.name.split('-').nth(1).unwrap_or("a");
    json!({
        "metadata": {
            "name": node.name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "m-8-32",
                "topology.kubernetes.io/zone": format!("zone-{zone}"),
            },
        },
        "spec": {"podCIDR": format!("10.{}.{}.0/24", node.subnet.0, node.subnet.1)},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": node.address},
                {"type": "Hostname", "address": node.name},
            ],
            "capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "kubelet is posting ready status",
            }],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"},
        },
    })
}

pub(super) fn deployment(workload: &Workload) -> Value {
    json!({
        "metadata": {
            "name": workload.name,
            "namespace": workload.namespace,
            "labels": labels(workload),
            "creationTimestamp": time(workload.created),
        },
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": {"app.kubernetes.io/instance": workload.name}},
            "template": {"metadata": {"labels": labels(workload)}, "spec": {
                "containers": [{"name": "server", "image": workload.image}],
            }},
        },
        "status": {
            "observedGeneration": 1,
            "replicas": workload.replicas,
            "readyReplicas": workload.replicas,
            "availableReplicas": workload.replicas,
            "updatedReplicas": workload.replicas,
        },
    })
}

pub(super) fn replica_set(workload: &Workload) -> Value {
    json!({
        "metadata": {
            "name": workload.replica_set(),
            "namespace": workload.namespace,
            "uid": workload.owner_uid,
            "labels": pod_labels(workload),
            "creationTimestamp": time(workload.created),
        },
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": {"pod-template-hash": workload.template_hash}},
        },
        "status": {"replicas": workload.replicas, "readyReplicas": workload.replicas},
    })
}

/// The labels of everything that belongs to a workload.
fn labels(workload: &Workload) -> Value {
    json!({
        "app.kubernetes.io/name": workload.name.split('-').next(),
        "app.kubernetes.io/instance": workload.name,
        "app.kubernetes.io/part-of": workload.namespace,
        "tier": workload.tier,
    })
}

/// The same with the hash of the template.
pub(super) fn pod_labels(workload: &Workload) -> Value {
    let mut labels = labels(workload);
    labels["pod-template-hash"] = workload.template_hash.as_str().into();
    labels
}

/// Who set which fields, as the API server writes it down: every field that is in `fields`.
pub(super) fn managed_by(
    manager: &str,
    subresource: Option<&str>,
    at: &str,
    fields: &Value,
) -> Value {
    let mut entry = json!({
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned(fields),
    });
    if let Some(subresource) = subresource {
        entry["subresource"] = subresource.into();
    }
    entry
}

/// The tree of field names: `f:` and a name, and for items of keyed lists `k:` and the key.
fn owned(value: &Value) -> Value {
    let mut tree = Map::new();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                tree.insert(format!("f:{name}"), owned(field));
            }
        }
        Value::Array(items) => {
            for item in items {
                let key = ["name", "type", "containerPort", "mountPath", "ip"]
                    .into_iter()
                    .find_map(|key| item.get(key).map(|value| json!({key: value})));
                if let Some(key) = key {
                    let mut below = owned(item);
                    below["."] = json!({});
                    tree.insert(format!("k:{key}"), below);
                }
            }
        }
        _ => {}
    }
    Value::Object(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ownership_names_every_field() {
        let fields = json!({"spec": {"containers": [{"name": "a", "image": "x"}], "n": 1}});
        let owned = owned(&fields);
        let containers = &owned["f:spec"]["f:containers"];
        assert_eq!(containers["k:{\"name\":\"a\"}"]["f:image"], json!({}));
        assert_eq!(owned["f:spec"]["f:n"], json!({}));
    }
}
