//! In which encoding objects are asked for, and what of them is kept: the arguments, and the rule
//! that decides where they leave a choice.
//!
//! Protobuf has numbers instead of names. Of built-in kinds the program has the schema, and asks for
//! protobuf also where it prints whole objects; of other kinds it reads the metadata. JSON is asked for
//! everywhere else.

use clap::{Args, ValueEnum};
use heliostat::object::{FieldPath, GroupVersionKind, RawView};
use heliostat::source::kube::WireEncoding;
use heliostat_core::raw;
use heliostat_kinds::schema;

use crate::failure::Failure;
use crate::output::{Kind, Reads};

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
    /// Protobuf where the kind is built in and the server has it, else JSON
    #[default]
    Auto,
    /// Protobuf: fewer bytes, much less work. Whole objects (json, jsonl, yaml) of built-in kinds only
    Protobuf,
    /// JSON, which every server has for every kind
    Json,
}

impl Wire {
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
        let is_json_alone =
            reads.is_whole() && !is_whole_in_protobuf(&kind.api_version, &kind.kind);
        match self.encoding {
            Encoding::Json => Ok(WireEncoding::Json),
            Encoding::Auto if is_json_alone || unknown().is_some() => Ok(WireEncoding::Json),
            Encoding::Auto => Ok(WireEncoding::Auto),
            Encoding::Protobuf if is_json_alone => Err(Failure::WholeInProtobuf {
                resource: kind.resource.clone(),
            }),
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

/// True if protobuf has all that JSON has of objects of the kind.
///
/// In stateful sets it lacks the kind and API version of the claim templates, which JSON has.
pub(super) fn is_whole_in_protobuf(api_version: &str, kind: &str) -> bool {
    let built_in = schema::kind(api_version, kind);
    let is_stateful_set = (api_version, kind) == ("apps/v1", "StatefulSet");
    built_in.is_some_and(schema::Kind::has_protobuf) && !is_stateful_set
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
    use std::sync::Arc;

    use crate::output::Format;

    use super::*;

    fn kind(api_version: &str, kind: &str, resource: &str) -> Kind {
        Kind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            resource: resource.to_owned(),
            namespaced: true,
            metadata_only: kind == "PartialObjectMetadata",
            is_one_of_several: false,
            is_warned_of_fields: Arc::default(),
        }
    }

    /// What is asked for to print in this format, with this index.
    fn asked(encoding: Encoding, kind: &Kind, format: Format, index: Option<&str>) -> String {
        let wire = Wire {
            encoding,
            ..Wire::default()
        };
        let indexes: Vec<FieldPath> = index.iter().map(|path| path.parse().unwrap()).collect();
        match wire.encoding(kind, &format.reads(kind), &indexes) {
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
        assert_eq!(auto(Format::Name, Some("spec.volumes[*].name")), "Auto");
        assert_eq!(auto(Format::Name, Some("spec.volumez[*].name")), "Json");
        let sets = kind("apps/v1", "StatefulSet", "statefulsets.apps");
        let widgets = kind("example.com/v1", "Widget", "widgets.example.com");
        for whole in [Format::Json, Format::Jsonl, Format::Yaml] {
            assert_eq!(auto(whole, None), "Auto");
            assert_eq!(asked(Encoding::Auto, &sets, whole, None), "Json");
            assert_eq!(asked(Encoding::Auto, &widgets, whole, None), "Json");
        }
        for format in [Format::Table, Format::Json] {
            assert_eq!(asked(Encoding::Json, &pods, format, None), "Json");
        }
    }

    #[test]
    fn every_kind_with_columns_has_a_table_in_protobuf() {
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
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "customresourcedefinitions.apiextensions.k8s.io",
            ),
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
    }

    #[test]
    fn protobuf_that_cannot_tell_what_is_wanted_is_refused() {
        let pods = kind("v1", "Pod", "pods");
        let protobuf = |format, index| asked(Encoding::Protobuf, &pods, format, index);
        assert_eq!(protobuf(Format::Table, Some("spec.nodeName")), "Protobuf");
        assert_eq!(protobuf(Format::Yaml, None), "Protobuf");
        let widgets = kind("example.com/v1", "Widget", "widgets.example.com");
        let whole = asked(Encoding::Protobuf, &widgets, Format::Yaml, None);
        assert!(
            whole.contains("widgets.example.com cannot be printed whole"),
            "{whole}"
        );
        let unknown = protobuf(Format::Name, Some("spec.volumez[*].name"));
        assert!(
            unknown.contains("spec.volumez[*].name of pods"),
            "{unknown}"
        );
    }
}
