//! Which objects of which cluster: the arguments that all commands share that mirror something, and the
//! sources that they make.

use std::path::PathBuf;

use clap::Args;
use heliostat::RawObject;
use heliostat::source::kube::{
    Cluster, Connection, DiscoveredResource, DynamicObject, KubeSource, Scope,
};

use crate::failure::Failure;

use super::etcd::EtcdArgs;
use super::target::{Target, Wanted};

/// Where from, and which objects.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// Only this namespace; may be given several times or as a,b,c. Without it and -A: the
    /// namespace of the context
    #[arg(
        short,
        long,
        value_name = "NS",
        value_delimiter = ',',
        help_heading = "What to mirror"
    )]
    namespace: Vec<String>,

    /// All namespaces
    #[arg(
        short = 'A',
        long,
        conflicts_with = "namespace",
        help_heading = "What to mirror"
    )]
    all_namespaces: bool,

    /// Only objects with these labels: app=cart, 'tier in (web,api)', '!canary'
    #[arg(
        short = 'l',
        long,
        value_name = "LABELS",
        help_heading = "What to mirror"
    )]
    selector: Option<String>,

    /// Only objects with these fields: spec.nodeName=n1, status.phase!=Running
    #[arg(long, value_name = "FIELDS", help_heading = "What to mirror")]
    field_selector: Option<String>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    #[command(flatten)]
    pub(crate) etcd: EtcdArgs,
}

/// Which cluster.
#[derive(Args, Debug)]
pub(crate) struct ClusterArgs {
    /// The kubeconfig to use, in place of $KUBECONFIG and ~/.kube/config
    #[arg(long, value_name = "FILE", help_heading = "Where from")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig to use, in place of its current one
    #[arg(long, value_name = "NAME", help_heading = "Where from")]
    context: Option<String>,

    /// The address of the server. Without --kubeconfig and --context no configuration is read and
    /// no credentials are sent
    #[arg(short, long, value_name = "URL", help_heading = "Where from")]
    server: Option<String>,
}

impl ClusterArgs {
    /// How to reach the cluster.
    pub(crate) fn connection(&self) -> Connection {
        let mut connection = Connection::new();
        if let Some(path) = &self.kubeconfig {
            connection = connection.kubeconfig(path);
        }
        if let Some(name) = &self.context {
            connection = connection.context(name);
        }
        if let Some(url) = &self.server {
            connection = connection.server(url);
        }
        connection
    }
}

impl Selection {
    /// What is mirrored of an etcd. Without a namespace: all of them, since there is no context.
    pub(crate) async fn etcd_target(&self, wanted: Wanted<'_>) -> Result<Target, Failure> {
        self.etcd.target(wanted, &self.namespace).await
    }

    /// A source for each part of a resource that is mirrored: each namespace has versions of its own.
    pub(crate) fn sources(
        &self,
        cluster: &Cluster,
        found: &DiscoveredResource,
        metadata_only: bool,
    ) -> Vec<KubeSource<RawObject>> {
        let objects = KubeSource::<DynamicObject>::of(cluster, found);
        let objects = if metadata_only {
            objects.metadata().raw()
        } else {
            objects.raw()
        };
        let scope = Scope::all()
            .labels(self.selector.as_deref().unwrap_or_default())
            .fields(self.field_selector.as_deref().unwrap_or_default());
        let objects = objects.scope(&scope);
        if self.all_namespaces || !found.namespaced {
            return vec![objects];
        }
        if self.namespace.is_empty() {
            return vec![objects.namespace(cluster.default_namespace())];
        }
        let mut names: Vec<&str> = self.namespace.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let sources = objects.in_namespaces(names);
        sources.map(|(_, source)| source).collect()
    }
}
