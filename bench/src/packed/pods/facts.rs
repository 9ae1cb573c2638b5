//! What is a recorded pod's own, and is another's in each grown one.

/// Texts of a recorded pod that a grown one has in a form of its own.
pub(super) struct Facts {
    pub(super) namespace: String,
    pub(super) version: String,
    pub(super) node: String,
    /// Of the same length in every grown pod, so that they are replaced wherever they stand, in managed
    /// fields as well.
    pub(super) uids: Vec<String>,
    pub(super) template_hash: String,
    pub(super) address: String,
    pub(super) container_ids: Vec<String>,
}

/// The label that tells the hash of a pod's template.
const TEMPLATE_HASH: &str = "pod-template-hash";

impl Facts {
    /// What is own in a pod in JSON.
    pub(super) fn of(json: &str) -> Result<Self, serde_json::Error> {
        let pod: k8s_openapi::api::core::v1::Pod = serde_json::from_str(json)?;
        let metadata = pod.metadata;
        let status = pod.status.unwrap_or_default();
        let owners = metadata.owner_references.unwrap_or_default();
        let statuses = status.container_statuses.unwrap_or_default();
        let ids = statuses.into_iter().filter_map(|status| {
            let id = status.container_id?;
            Some(id.rsplit_once('/')?.1.to_owned())
        });
        let mut labels = metadata.labels.unwrap_or_default();
        Ok(Self {
            namespace: metadata.namespace.unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default(),
            node: pod.spec.and_then(|spec| spec.node_name).unwrap_or_default(),
            uids: metadata
                .uid
                .into_iter()
                .chain(owners.into_iter().map(|owner| owner.uid))
                .collect(),
            template_hash: labels.remove(TEMPLATE_HASH).unwrap_or_default(),
            address: status.pod_ip.unwrap_or_default(),
            container_ids: ids.collect(),
        })
    }
}
