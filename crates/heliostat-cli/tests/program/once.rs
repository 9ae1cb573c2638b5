//! `heliostat mirror --once`: what is printed, of which objects, in which order.

use crate::common::{Server, command, folder, run, succeed};
use serde_json::{Value, json};

/// A server with pods in three namespaces.
fn shop() -> Server {
    let server = Server::start();
    for (namespace, name, app) in [
        ("shop", "web-1", "web"),
        ("shop", "cart-1", "cart"),
        ("pay", "web-2", "web"),
        ("zoo", "ape", "cart"),
    ] {
        server.pod(namespace, name, app);
    }
    server
}

#[test]
fn names_come_sorted_one_a_line() {
    let server = shop();
    let finished = server.once(&["pods", "-A", "-o", "name"]);
    assert_eq!(
        finished.lines(),
        ["pay/web-2", "shop/cart-1", "shop/web-1", "zoo/ape"]
    );
    assert_eq!(finished.stderr, "");
}

#[test]
fn every_watch_list_mode_and_page_size_gives_the_same() {
    let server = Server::with(&["--pods", "60"]);
    let expected = server.once(&["pods", "-A", "-o", "name"]).stdout;
    assert_eq!(expected.lines().count(), 60);
    for arguments in [
        &["--watch-list=on"][..],
        &["--watch-list=off"],
        &["--watch-list=off", "--page-size=7"],
    ] {
        let mut all = vec!["pods", "-A", "-o", "name"];
        all.extend(arguments);
        assert_eq!(server.once(&all).stdout, expected, "{arguments:?}");
    }
}

#[test]
fn a_server_that_does_not_stream_is_listed_and_on_says_so() {
    let server = Server::with(&["--no-watch-list", "--pods", "5"]);
    let auto = server.once(&["pods", "-A", "-o", "name"]);
    assert_eq!((auto.lines().len(), &*auto.stderr), (5, ""));
    let mirror = server.mirror(&["pods", "-A", "-o", "jsonl", "--watch-list=on"]);
    mirror.complaint("the server does not stream pods in all namespaces");
    mirror.signal("INT");
    assert_eq!(mirror.finish().code, Some(0));
}

#[test]
fn namespaces_may_be_several_and_are_merged() {
    let server = shop();
    let names = |arguments: &[&str]| {
        let mut all = vec!["po", "-o", "name"];
        all.extend(arguments);
        let finished = server.once(&all);
        finished.lines().join(" ")
    };
    assert_eq!(names(&["-n", "shop"]), "shop/cart-1 shop/web-1");
    let merged = "pay/web-2 shop/cart-1 shop/web-1 zoo/ape";
    assert_eq!(names(&["-n", "zoo,shop", "-n", "pay", "-n", "zoo"]), merged);
    assert_eq!(names(&[]), "", "the default namespace is empty");
}

#[test]
fn selectors_select() {
    let server = shop();
    let names = |arguments: &[&str]| {
        let mut all = vec!["pods", "-A", "-o", "name"];
        all.extend(arguments);
        server.once(&all).lines().join(" ")
    };
    assert_eq!(names(&["-l", "app=web"]), "pay/web-2 shop/web-1");
    assert_eq!(names(&["-l", "app notin (web)"]), "shop/cart-1 zoo/ape");
    let fields = [
        "--field-selector",
        "spec.nodeName=node-cart,metadata.namespace=zoo",
    ];
    assert_eq!(names(&fields), "zoo/ape");
}

#[test]
fn the_formats_print_the_same_objects() {
    let server = shop();
    let lines = server.once(&["pods", "-n", "shop", "-o", "jsonl"]);
    let objects: Vec<Value> = lines
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    for object in &objects {
        assert_eq!(object["kind"], "Pod");
        assert_eq!(object["apiVersion"], "v1");
        assert_eq!(
            object["spec"]["containers"][0]["image"],
            "example.com/app:1"
        );
    }
    let list: Value =
        serde_json::from_str(&server.once(&["pods", "-n", "shop", "-o", "json"]).stdout).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"], json!(objects));
    assert!(
        list["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    let yaml = server.once(&["pods", "-n", "shop", "-o", "yaml"]).stdout;
    assert_eq!(yaml.matches("---\n").count(), 2);
    assert!(yaml.contains("  name: cart-1\n"), "{yaml}");
    let table = server.once(&["pods", "-n", "shop"]);
    let heading: Vec<&str> = table.lines()[0].split_whitespace().collect();
    assert_eq!(
        heading,
        [
            "NAMESPACE",
            "NAME",
            "READY",
            "STATUS",
            "RESTARTS",
            "NODE",
            "AGE"
        ]
    );
    assert!(
        table.lines()[1].starts_with("shop        cart-1   0/1"),
        "{}",
        table.stdout
    );
    assert!(!table.stdout.contains('\x1b'), "colours in a pipe");
}

#[test]
fn an_empty_collection_is_no_failure() {
    let server = Server::start();
    let table = server.once(&["pods", "-A"]);
    assert_eq!((&*table.stdout, &*table.stderr), ("", "no pods found\n"));
    assert_eq!(server.once(&["pods", "-A", "-o", "name"]).stdout, "");
    let list: Value =
        serde_json::from_str(&server.once(&["pods", "-A", "-o", "json"]).stdout).unwrap();
    assert_eq!(list["items"], json!([]));
}

#[test]
fn managed_fields_are_cut_out_unless_they_are_kept() {
    let server = Server::start();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "managedFields": [{
            "manager": "kubectl", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}},
        }]},
        "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
    });
    server.create("/api/v1/namespaces/shop/pods", &pod);
    for format in [&["-o", "jsonl"][..], &["-o", "jsonl", "--metadata-only"]] {
        let printed = |more: &[&str]| {
            let mut arguments = vec!["pods", "-n", "shop"];
            arguments.extend(format);
            arguments.extend(more);
            let finished = server.once(&arguments);
            serde_json::from_str::<Value>(&finished.stdout).unwrap()
        };
        let (cut, kept) = (printed(&[]), printed(&["--keep-managed-fields"]));
        assert_eq!(cut["metadata"]["name"], "web");
        assert_eq!(cut["metadata"].get("managedFields"), None);
        assert_eq!(kept["metadata"]["managedFields"][0]["manager"], "kubectl");
    }
}

#[test]
fn a_server_without_protobuf_is_asked_in_json() {
    let server = shop();
    let expected = server.once(&["pods", "-A", "--encoding", "json"]).stdout;
    let names = |table: &str| -> Vec<String> {
        let lines = table.lines().skip(1);
        let names = lines.filter_map(|line| line.split_whitespace().nth(1));
        names.map(str::to_owned).collect()
    };
    let auto = server.once(&["pods", "-A", "--encoding", "auto"]);
    assert_eq!(names(&auto.stdout), names(&expected));
    assert_eq!(names(&auto.stdout).len(), 4);
    assert_eq!(auto.stderr, "");
}

#[test]
fn the_summary_tells_what_was_received_and_what_is_kept() {
    let server = Server::with(&["--pods", "300"]);
    let finished = server.once(&["pods", "-A", "-o", "name", "--summary"]);
    assert_eq!(finished.lines().len(), 300);
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let [what, first, received, kept] = lines[..] else {
        panic!("{}", finished.stderr);
    };
    assert!(
        what.starts_with("mirrored pods in all namespaces: 300 objects at version "),
        "{what}"
    );
    assert!(
        first.starts_with("  first state  300 objects in ") && first.ends_with(" a second"),
        "{first}"
    );
    assert!(
        received.starts_with("  received     ") && received.ends_with(" of protobuf"),
        "{received}"
    );
    assert!(
        kept.starts_with("  kept         ") && kept.ends_with(" times smaller"),
        "{kept}"
    );
    let empty = server.once(&["secrets", "-A", "-o", "name", "--summary"]);
    assert!(
        empty.stderr.ends_with("  kept         nothing\n"),
        "{}",
        empty.stderr
    );
}

#[test]
fn an_index_tells_what_it_could_not_file() {
    let server = shop();
    let arguments = ["pods", "-A", "-o", "name", "--summary", "--log", "off"];
    let mut arguments = arguments.to_vec();
    arguments.extend(["--index", "spec.containers", "--index", ".spec.nodeName"]);
    let finished = server.once(&arguments);
    for line in [
        "  index spec.containers: 0 values of 0 objects, 4 could not be filed: spec.containers is \
         not a single value",
        "  index spec.nodeName: 2 values of 4 objects",
    ] {
        assert!(finished.stderr.contains(line), "{}", finished.stderr);
    }
}

#[test]
fn metadata_alone_has_no_spec() {
    let server = shop();
    let finished = server.once(&["pods", "-n", "pay", "--metadata-only", "-o", "jsonl"]);
    let object: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(object["kind"], "PartialObjectMetadata");
    assert_eq!(object["metadata"]["labels"]["app"], "web");
    assert_eq!(object.get("spec"), None);
    let table = server.once(&["pods", "-n", "pay", "--metadata-only"]);
    let heading: Vec<&str> = table.lines()[0].split_whitespace().collect();
    assert_eq!(heading, ["NAMESPACE", "NAME", "AGE"]);
}

#[test]
fn kinds_that_live_in_no_namespace_pass_it_over() {
    let server = Server::with(&["--pods", "10"]);
    let nodes = server.once(&["nodes", "-o", "name"]).stdout;
    assert_eq!(nodes.lines().count(), 3);
    assert!(!nodes.contains('/'));
    for arguments in [
        &["no", "-n", "shop", "-o", "name"][..],
        &["Node", "-A", "-o", "name"],
    ] {
        assert_eq!(server.once(arguments).stdout, nodes);
    }
    assert!(
        server
            .once(&["namespaces", "-o", "name"])
            .stdout
            .contains("kube-system\n")
    );
    assert!(
        server
            .once(&["deployments.apps", "-A"])
            .stdout
            .contains("READY")
    );
}

#[test]
fn a_custom_resource_is_known_once_it_is_defined() {
    let server = Server::start();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}],
        },
    });
    let unknown = run(&["mirror", "widgets", "-A", "--once", "--server", &server.url]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.stderr);
    server.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &definition,
    );
    server.create(
        "/apis/example.com/v1/namespaces/shop/widgets",
        &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "size": 3}),
    );
    for name in [
        "widgets",
        "wd",
        "Widget",
        "widgets.example.com",
        "widgets.v1.example.com",
    ] {
        let finished = server.once(&[name, "-A", "-o", "jsonl"]);
        let object: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(
            (&object["kind"], &object["size"]),
            (&json!("Widget"), &json!(3))
        );
    }
}

#[test]
fn the_context_decides_about_server_and_namespace() {
    let server = shop();
    let folder = folder("context");
    let path = folder.join("config");
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "pay"}},
            {"name": "there", "context": {"cluster": "c", "user": "u", "namespace": "zoo"}},
        ],
    });
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    let config = path.to_str().unwrap();
    let arguments = [
        "mirror",
        "pods",
        "--once",
        "-o",
        "name",
        "--kubeconfig",
        config,
    ];
    assert_eq!(succeed(&arguments).stdout, "pay/web-2\n");
    let mut there = arguments.to_vec();
    there.extend(["--context", "there"]);
    assert_eq!(succeed(&there).stdout, "zoo/ape\n");
    there.pop();
    there.push("ther");
    let unknown = run(&there);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.stderr.contains("did you mean \"there\"?"),
        "{}",
        unknown.stderr
    );

    let mut by_variable = command(&["mirror", "pods", "--once", "-o", "name"]);
    by_variable.env("KUBECONFIG", &path);
    let finished = crate::common::Running::spawn(by_variable).finish();
    assert_eq!(finished.stdout, "pay/web-2\n", "{}", finished.stderr);
    std::fs::remove_dir_all(folder).unwrap();
}
