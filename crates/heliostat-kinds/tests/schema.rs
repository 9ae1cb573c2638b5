//! What the tables say of some kinds that are known by heart.

use heliostat_kinds::schema::{
    self, ListType, MapType, Message, PatchStrategy, Scope, Shape, ValueType,
};

fn message(api_version: &str, kind: &str) -> &'static Message {
    schema::kind(api_version, kind).unwrap().message()
}

#[test]
fn every_kind_is_found_by_its_own_names() {
    for kind in schema::kinds() {
        let found = schema::kind(kind.api_version(), kind.name()).unwrap();
        assert!(std::ptr::eq(found, kind), "{kind:?}");
    }
    assert_eq!(schema::kinds().len(), 708);
    assert!(schema::kind("example.com/v1", "Widget").is_none());
    assert!(schema::kind("v1", "Widget").is_none());
}

#[test]
fn every_number_leads_to_its_field() {
    for id in 0..Message::count() {
        let message = Message::from_id(u16::try_from(id).unwrap()).unwrap();
        assert_eq!(usize::from(message.id()), id);
        for field in message.fields().iter().filter(|field| field.number() > 0) {
            let found = message.field_by_number(field.number()).unwrap();
            assert!(std::ptr::eq(found, field), "{message:?} {field:?}");
        }
        assert!(message.field_by_number(0).is_none());
        assert!(message.field_by_number(200).is_none());
        assert!(message.field_by_number(u32::MAX).is_none());
    }
}

#[test]
fn fields_are_found_by_path() {
    let pod = message("v1", "Pod");
    let check = |path: &str, shape, value_type| {
        let location = pod.locate(path).unwrap();
        let found = (location.shape(), location.value_type());
        assert_eq!(found, (shape, value_type), "{path}");
    };
    check("kind", Shape::Singular, ValueType::String);
    check("spec.nodeName", Shape::Singular, ValueType::String);
    check(
        "spec.containers[*].image",
        Shape::Singular,
        ValueType::String,
    );
    check(
        "spec.containers[0].ports[*].containerPort",
        Shape::Singular,
        ValueType::Int32,
    );
    check(
        "spec.containers[*].resources.limits.cpu",
        Shape::Singular,
        ValueType::Quantity,
    );
    check("spec.containers[*].command", Shape::List, ValueType::String);
    check("metadata.labels", Shape::Map, ValueType::String);
    check(
        "metadata.labels['app.kubernetes.io/name']",
        Shape::Singular,
        ValueType::String,
    );
    check(
        "metadata.creationTimestamp",
        Shape::Singular,
        ValueType::Time,
    );
    // A volume embeds its source.
    check(
        "spec.volumes[*].secret.items[*].mode",
        Shape::Singular,
        ValueType::Int32,
    );
    for path in [
        "",
        ".",
        "spec.",
        "spec.nodename",
        "spec.nodeName.x",
        "spec.containers.image",
        "spec.containers[x]",
        "spec.containers[0",
        "spec[0]",
        "metadata.labels.a.b",
        "spec.containers[*][*]",
    ] {
        assert!(pod.locate(path).is_none(), "{path}");
    }
    let review = message("authentication.k8s.io/v1", "TokenReview");
    let extra = review.locate("status.user.extra.scopes[0]");
    assert!(
        extra.is_none(),
        "a list inside a map is one value of its own type"
    );
    let extra = review.locate("status.user.extra.scopes").unwrap();
    assert_eq!(
        (extra.shape(), extra.value_type()),
        (Shape::List, ValueType::StringList)
    );
}

#[test]
fn fields_say_how_they_are_merged_and_shown() {
    let pod = message("v1", "Pod");
    let field = |path: &str| pod.locate(path).unwrap().field();
    let containers = field("spec.containers");
    assert_eq!(containers.number(), 2);
    assert_eq!(containers.patch_strategy(), PatchStrategy::Merge);
    assert_eq!(containers.patch_merge_key(), Some("name"));
    assert_eq!(containers.list_type(), Some(ListType::Map));
    assert!(containers.list_map_keys().eq(["name"]));
    assert!(containers.is_required() && !containers.omits_empty());
    assert_eq!(
        field("spec.volumes").patch_strategy(),
        PatchStrategy::MergeRetainKeys
    );
    let ports = field("spec.containers[*].ports");
    assert!(ports.list_map_keys().eq(["containerPort", "protocol"]));
    let protocol = field("spec.containers[*].ports[*].protocol");
    assert_eq!(protocol.default_json(), Some("\"TCP\""));
    assert!(protocol.enum_values().eq(["SCTP", "TCP", "UDP"]));
    assert_eq!(field("spec.nodeSelector").map_type(), Some(MapType::Atomic));
    assert!(field("metadata.creationTimestamp").omits_zero());
    assert!(field("spec.terminationGracePeriodSeconds").is_pointer());
    assert_eq!(field("spec.nodeName").patch_merge_key(), None);
    let reference = field("spec.containers[*].env[*].valueFrom.fieldRef");
    assert_eq!(
        reference.message().unwrap().map_type(),
        Some(MapType::Atomic)
    );
}

#[test]
fn lists_and_their_items_are_found_from_each_other() {
    let list = schema::kind("apps/v1", "DeploymentList").unwrap();
    let item = list.item_kind().unwrap();
    assert_eq!(
        (item.group(), item.version(), item.name()),
        ("apps", "v1", "Deployment")
    );
    assert!(std::ptr::eq(item.list_kind().unwrap(), list));
    assert!(item.items().is_none() && item.item_kind().is_none());
    let any = schema::kind("v1", "List").unwrap();
    assert!(any.items().is_some() && any.item_kind().is_none());
    // Tables have no encoding in protobuf.
    assert!(
        !schema::kind("meta.k8s.io/v1", "Table")
            .unwrap()
            .has_protobuf()
    );
    assert!(schema::kind("v1", "Pod").unwrap().has_protobuf());
}

#[test]
fn resources_say_how_they_are_served() {
    let pods = schema::resource("", "v1", "pods").unwrap();
    assert_eq!(pods.scope(), Scope::Namespaced);
    assert_eq!((pods.singular(), pods.kind_name()), ("pod", "Pod"));
    assert!(pods.short_names().eq(["po"]));
    assert!(pods.categories().eq(["all"]));
    assert!(pods.verbs().contains("deletecollection") && !pods.verbs().contains("escalate"));
    let names: Vec<_> = pods.columns().iter().map(schema::Column::name).collect();
    assert_eq!(names[..5], ["Name", "Ready", "Status", "Restarts", "Age"]);
    let kind = schema::kind("apps/v1", "Deployment").unwrap();
    let deployments = kind.resource().unwrap();
    assert!(std::ptr::eq(deployments.kind().unwrap(), kind));
    let scale = deployments
        .subresources()
        .iter()
        .find(|it| it.name() == "scale");
    let scale = scale.unwrap();
    assert_eq!(
        (scale.api_version(), scale.kind_name()),
        ("autoscaling/v1", "Scale")
    );
    assert!(scale.verbs().iter().eq(["get", "patch", "update"]));
    assert!(!schema::resource("", "v1", "nodes").unwrap().is_namespaced());
    assert!(schema::resource("apps", "v1", "pods").is_none());
    for resource in schema::resources() {
        assert!(resource.kind().is_some(), "{resource:?}");
    }
}
