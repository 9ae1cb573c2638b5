//! Mirrors of an etcd: a prefix of any, or the resources that kube-apiserver stores in one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use heliostat::source::etcd::{Cluster, Connection, EncryptionConfig, EtcdSource, Registry};
use heliostat_kinds::schema::{self, Resource, Scope};

use crate::failure::Failure;
use crate::output::Kind;

use super::source::Source;
use super::target::{Collection, Target, Wanted};

/// Which etcd, and what of it.
#[derive(Args, Debug)]
pub(crate) struct EtcdArgs {
    /// Mirror this etcd in place of a Kubernetes API; several endpoints, or as a,b,c. Certificates, user and
    /// timeouts are those of etcdctl's variables: ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY, ETCDCTL_USER,
    /// ETCDCTL_PASSWORD, ETCDCTL_DIAL_TIMEOUT, ETCDCTL_COMMAND_TIMEOUT
    #[arg(
        long = "etcd",
        value_name = "URL",
        value_delimiter = ',',
        conflicts_with_all = NOT_WITH_ETCD,
        help_heading = "Where from"
    )]
    endpoints: Vec<String>,

    /// Mirror the keys under this prefix of an etcd, whatever they are; without --etcd, of the etcd that
    /// ETCDCTL_ENDPOINTS names. Without a prefix: the resources that kube-apiserver stores there
    #[arg(
        long,
        value_name = "PREFIX",
        conflicts_with_all = NOT_WITH_ETCD,
        help_heading = "What to mirror"
    )]
    prefix: Option<String>,

    /// Where kube-apiserver stores its objects: its --etcd-prefix
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "/registry",
        help_heading = "Where from"
    )]
    etcd_root: String,

    /// The file with the keys of values that are encrypted at rest: that of kube-apiserver's option of this
    /// name
    #[arg(
        long,
        value_name = "FILE",
        requires = "endpoints",
        conflicts_with = "prefix",
        help_heading = "Where from"
    )]
    encryption_provider_config: Option<PathBuf>,
}

/// What only a Kubernetes API has.
const NOT_WITH_ETCD: [&str; 5] = [
    "selector",
    "field_selector",
    "kubeconfig",
    "context",
    "server",
];

impl EtcdArgs {
    /// True if an etcd is mirrored.
    pub(crate) const fn is_given(&self) -> bool {
        !self.endpoints.is_empty() || self.prefix.is_some()
    }

    /// True if a prefix is mirrored, whatever its keys are.
    pub(crate) const fn has_prefix(&self) -> bool {
        self.prefix.is_some()
    }

    /// What the arguments name. Nothing is asked for yet.
    pub(crate) async fn target(
        &self,
        wanted: Wanted<'_>,
        namespaces: &[String],
    ) -> Result<Target, Failure> {
        let cluster = self.connect().await?;
        if let Some(prefix) = &self.prefix {
            let source = EtcdSource::documents(&cluster, prefix);
            return Ok(Target {
                cluster: None,
                collections: vec![collection(keys(), Source::Etcd(source))],
            });
        }
        let registry = self.registry(&cluster, wanted)?;
        let mut namespaces: Vec<&str> = namespaces.iter().map(String::as_str).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let mut kinds: Vec<(String, String, Kind)> = Vec::new();
        for resource in wanted.resources {
            let found = resolve(resource)?;
            if !kinds
                .iter()
                .any(|known| known.2.resource == found.2.resource)
            {
                kinds.push(found);
            }
        }
        let several = kinds.len() > 1;
        let mut collections = Vec::new();
        for (group, plural, kind) in kinds {
            let kind = kind.one_of_several(several);
            let everywhere = [None];
            let scopes: Vec<Option<&str>> = match (kind.namespaced, &*namespaces) {
                (true, [_, ..]) => namespaces.iter().copied().map(Some).collect(),
                (true, []) | (false, _) => everywhere.to_vec(),
            };
            for namespace in scopes {
                let registry = match namespace {
                    Some(name) => registry.clone().namespace(name),
                    None => registry.clone(),
                };
                let source = registry.raw(&group, &plural);
                collections.push(collection(kind.clone(), Source::Etcd(source)));
            }
        }
        Ok(Target {
            cluster: None,
            collections,
        })
    }

    async fn connect(&self) -> Result<Cluster, Failure> {
        let mut connection = Connection::from_env()?;
        if !self.endpoints.is_empty() {
            connection = connection.only_endpoints(&self.endpoints);
        }
        Ok(connection.connect().await?)
    }

    fn registry(&self, cluster: &Cluster, wanted: Wanted<'_>) -> Result<Registry, Failure> {
        let registry = Registry::new(cluster).root(&self.etcd_root);
        let registry = match wanted.keeps_managed_fields {
            true => registry,
            false => registry.without_managed_fields(),
        };
        let Some(path) = &self.encryption_provider_config else {
            return Ok(registry);
        };
        let cannot = |error: &dyn std::fmt::Display| Failure::EncryptionConfig {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
        let config = EncryptionConfig::from_yaml(&text).map_err(|error| cannot(&error))?;
        Ok(registry.encryption(config))
    }
}

fn collection(kind: Kind, source: Source<heliostat::RawObject>) -> Collection {
    Collection {
        kind: Arc::new(kind),
        source,
        is_watchable: true,
    }
}

/// What the documents of keys are.
fn keys() -> Kind {
    Kind {
        // A document of a key is of no kind of Kubernetes.
        api_version: String::new(),
        kind: String::new(),
        resource: "keys".to_owned(),
        namespaced: true,
        metadata_only: false,
        is_one_of_several: false,
        is_warned_of_fields: Arc::default(),
    }
}

/// Group, plural name and kind of a resource: a built-in one by any of its names, a custom one by its plural
/// name and group.
fn resolve(name: &str) -> Result<(String, String, Kind), Failure> {
    let lower = name.to_ascii_lowercase();
    let (simple, group) = match lower.split_once('.') {
        Some((simple, group)) => (simple, Some(group)),
        None => (&*lower, None),
    };
    let is_it = |resource: &&Resource| {
        let is_named = resource.plural() == simple
            || resource.singular() == simple
            || resource.kind_name().eq_ignore_ascii_case(simple)
            || resource.short_names().any(|short| short == simple);
        is_named && group.is_none_or(|group| resource.group() == group)
    };
    if let Some(resource) = schema::resources().iter().find(is_it) {
        let (group, plural) = (resource.group(), resource.plural());
        let full_name = match group {
            "" => plural.to_owned(),
            group => format!("{plural}.{group}"),
        };
        let kind = Kind {
            api_version: resource.api_version().to_owned(),
            kind: resource.kind_name().to_owned(),
            resource: full_name,
            namespaced: resource.scope() == Scope::Namespaced,
            metadata_only: false,
            is_one_of_several: false,
            is_warned_of_fields: Arc::default(),
        };
        return Ok((group.to_owned(), plural.to_owned(), kind));
    }
    let Some(group) = group.filter(|group| group.contains('.')) else {
        return Err(Failure::UnknownResource(name.to_owned()));
    };
    let kind = Kind {
        api_version: String::new(),
        kind: String::new(),
        resource: lower.clone(),
        namespaced: true,
        metadata_only: false,
        is_one_of_several: false,
        is_warned_of_fields: Arc::default(),
    };
    Ok((group.to_owned(), simple.to_owned(), kind))
}
