//! In which encoding objects are asked for, and what of them is kept: the arguments, and the rule
//! that decides where they leave a choice.
//!
//! Protobuf has numbers for names, so that an object in it can be printed as a whole by nobody who has
//! not the schema of its kind; fields can be read whose numbers the library knows. So JSON is asked
//! for where a whole object or another field is wanted, and protobuf everywhere else.

use clap::{Args, ValueEnum};
use heliostat::object::{FieldPath, GroupVersionKind, RawView};
use heliostat::source::kube::WireEncoding;
use heliostat_core::raw;

use crate::failure::Failure;
use crate::output::{Format, Kind, Reads};

/// How objects are asked for, and what of them is kept.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Wire {
    /// The encoding that objects are asked for in
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        default_value_t,
        help_heading = "How"
    )]
    encoding: Encoding,

    /// Keep metadata.managedFields, about half of a typical object. They are cut out as objects come
    /// in, and then shown by no format; kubectl does not show them either unless it is told to
    #[arg(long, help_heading = "How")]
    keep_managed_fields: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Encoding {
    /// Protobuf where the server has it and all that is wanted can be read from it, else JSON
    #[default]
    Auto,
    /// Protobuf: fewer bytes, much less work. No whole objects can be printed (json, jsonl, yaml)
    Protobuf,
    /// JSON, which every server has for every kind
    Json,
}

impl Wire {
    /// Refuses what cannot be, before anything is asked.
    pub(crate) fn check(self, format: Format) -> Result<(), Failure> {
        match (self.encoding, format.name_if_whole()) {
            (Encoding::Protobuf, Some(format)) => Err(Failure::WholeInProtobuf { format }),
            _ => Ok(()),
        }
    }

    /// What to ask for, to read this of objects of this kind.
    pub(crate) fn encoding(
        self,
        kind: &Kind,
        reads: &Reads,
        indexes: &[FieldPath],
    ) -> Result<WireEncoding, Failure> {
        let unknown = || {
            let columns = reads.paths().iter();
            let mut paths = columns.chain(indexes);
            paths.find(|path| !is_known(kind, path))
        };
        match self.encoding {
            Encoding::Json => Ok(WireEncoding::Json),
            Encoding::Auto if reads.is_whole() || unknown().is_some() => Ok(WireEncoding::Json),
            Encoding::Auto => Ok(WireEncoding::Auto),
            Encoding::Protobuf => match unknown() {
                Some(path) => Err(Failure::UnknownInProtobuf {
                    path: path.to_string(),
                    resource: kind.resource.clone(),
                }),
                None => Ok(WireEncoding::Protobuf),
            },
        }
    }

    /// Whether managed fields are kept.
    pub(crate) const fn keeps_managed_fields(self) -> bool {
        self.keep_managed_fields
    }
}

/// True if the library knows where this field is in the protobuf encoding of the kind.
fn is_known(kind: &Kind, path: &FieldPath) -> bool {
    let kind = GroupVersionKind::new(&*kind.api_version, &*kind.kind).into();
    // Whether a path is known is not for an object to say: an empty one will do.
    let nothing = RawView::new(raw::Encoding::Protobuf, Some(&kind), b"");
    nothing.field(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(api_version: &str, kind: &str, resource: &str) -> Kind {
        Kind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            resource: resource.to_owned(),
            namespaced: true,
            metadata_only: kind == "PartialObjectMetadata",
            is_one_of_several: false,
        }
    }

    /// What is asked for to print in this format, with this index.
    fn asked(encoding: Encoding, kind: &Kind, format: Format, index: Option<&str>) -> String {
        let wire = Wire {
            encoding,
            ..Wire::default()
        };
        let indexes: Vec<FieldPath> = index.iter().map(|path| path.parse().unwrap()).collect();
        let asked = wire
            .check(format)
            .and_then(|()| wire.encoding(kind, &format.reads(kind), &indexes));
        match asked {
            Ok(encoding) => format!("{encoding:?}"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn protobuf_is_asked_for_where_it_can_tell_what_is_wanted() {
        let pods = kind("v1", "Pod", "pods");
        let auto = |format, index| asked(Encoding::Auto, &pods, format, index);
        assert_eq!(auto(Format::Table, None), "Auto");
        assert_eq!(auto(Format::Name, Some("spec.containers[*].image")), "Auto");
        assert_eq!(auto(Format::Name, Some("spec.volumes[*].name")), "Json");
        for whole in [Format::Json, Format::Jsonl, Format::Yaml] {
            assert_eq!(auto(whole, None), "Json");
        }
        for format in [Format::Table, Format::Json] {
            assert_eq!(asked(Encoding::Json, &pods, format, None), "Json");
        }
    }

    #[test]
    fn every_kind_with_columns_but_definitions_has_a_table_in_protobuf() {
        for (version, name, resource) in [
            ("v1", "Pod", "pods"),
            ("apps/v1", "Deployment", "deployments.apps"),
            ("apps/v1", "StatefulSet", "statefulsets.apps"),
            ("apps/v1", "ReplicaSet", "replicasets.apps"),
            ("apps/v1", "DaemonSet", "daemonsets.apps"),
            ("v1", "Node", "nodes"),
            ("v1", "Namespace", "namespaces"),
            ("v1", "PersistentVolume", "persistentvolumes"),
            ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            ("v1", "Service", "services"),
            ("batch/v1", "Job", "jobs.batch"),
            ("example.com/v1", "Widget", "widgets.example.com"),
            (
                "meta.k8s.io/v1",
                "PartialObjectMetadata",
                "customresourcedefinitions.apiextensions.k8s.io",
            ),
        ] {
            let kind = kind(version, name, resource);
            let asked = asked(Encoding::Protobuf, &kind, Format::Table, None);
            assert_eq!(asked, "Protobuf", "{resource}");
        }
        let definitions = kind(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions.apiextensions.k8s.io",
        );
        let asked = |encoding| asked(encoding, &definitions, Format::Table, None);
        assert_eq!(asked(Encoding::Auto), "Json");
        assert!(
            asked(Encoding::Protobuf).contains("spec.names.kind"),
            "{}",
            asked(Encoding::Protobuf)
        );
    }

    #[test]
    fn protobuf_that_cannot_tell_what_is_wanted_is_refused() {
        let pods = kind("v1", "Pod", "pods");
        let protobuf = |format, index| asked(Encoding::Protobuf, &pods, format, index);
        assert_eq!(protobuf(Format::Table, Some("spec.nodeName")), "Protobuf");
        let whole = protobuf(Format::Yaml, None);
        assert!(whole.contains("-o yaml prints whole objects"), "{whole}");
        let unknown = protobuf(Format::Name, Some("spec.volumes[*].name"));
        assert!(
            unknown.contains("spec.volumes[*].name of pods"),
            "{unknown}"
        );
    }
}
