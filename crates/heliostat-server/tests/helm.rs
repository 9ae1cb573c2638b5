//! helm against the server: a chart with the common kinds is installed, upgraded, rolled back and
//! uninstalled.
//!
//! The program is looked for at `$HELIOSTAT_HELM`, then among the workspace's tools, then in `PATH`.
//! Where there is none the suite says so and passes. helm merges on its side here: the server has no
//! server-side apply.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use common::program;
use heliostat_server::{ApiServer, RunningServer};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

/// Long enough for any machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

const CHART: &str = "apiVersion: v2
name: shop
version: 0.1.0
appVersion: 1.0.0
";

const VALUES: &str = "replicas: 1
image: shop:1
greeting: hello
";

const OBJECTS: &str = r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .Release.Name }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
data:
  key: {{ .Values.greeting | b64enc }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .Release.Name }}
rules:
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: shop}
  ports:
  - port: 80
    targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
    spec:
      serviceAccountName: {{ .Release.Name }}
      containers:
      - name: shop
        image: {{ .Values.image }}
        ports:
        - {name: http, containerPort: 8080}
"#;

/// A server, a chart, and a helm that knows both, with a home of its own.
struct Setup {
    helm: PathBuf,
    home: PathBuf,
    server: RunningServer,
}

impl Setup {
    /// `None` where there is no helm.
    async fn new() -> Option<Self> {
        let helm = program::find_or_skip("helm", "HELIOSTAT_HELM")?;
        let server = ApiServer::builder().build().serve_local().await.unwrap();
        let home = std::env::temp_dir().join(format!(
            "heliostat-helm-{}-{}",
            std::process::id(),
            server.addr().port()
        ));
        let templates = home.join("shop/templates");
        fs::create_dir_all(&templates).unwrap();
        fs::write(home.join("shop/Chart.yaml"), CHART).unwrap();
        fs::write(home.join("shop/values.yaml"), VALUES).unwrap();
        fs::write(templates.join("objects.yaml"), OBJECTS).unwrap();
        Some(Self { helm, home, server })
    }

    /// What it prints; it must succeed.
    async fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.helm);
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("KUBECONFIG", self.home.join("none"))
            .current_dir(&self.home)
            .args(["--kube-apiserver", &self.server.url(), "--namespace", "ns"])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await;
        let output = output.expect("helm ends").unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "helm {arguments:?} failed: {error}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn stored(&self, resource: &str) -> Value {
        let object = self.server.storage().get(resource, "ns/web").unwrap();
        object.unwrap_or_else(|| panic!("no {resource}"))
    }

    /// How many objects a resource has.
    fn count(&self, resource: &str) -> usize {
        self.server.storage().versions(resource).unwrap().len()
    }
}

/// The resources that the chart has one object of.
const RESOURCES: [&str; 5] = [
    "serviceaccounts",
    "configmaps",
    "roles.rbac.authorization.k8s.io",
    "services",
    "deployments.apps",
];

#[tokio::test]
async fn a_chart_is_installed_upgraded_rolled_back_and_uninstalled() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let install = ["install", "web", "shop", "--server-side=false"];
    let said = setup.run(&install).await;
    assert!(said.contains("STATUS: deployed"), "{said}");
    for resource in RESOURCES {
        assert_eq!(setup.count(resource), 1, "{resource}");
    }
    // The chart's, and the record of the release.
    assert_eq!(setup.count("secrets"), 2);
    assert_eq!(setup.stored("deployments.apps")["spec"]["replicas"], 1);
    assert_eq!(setup.stored("secrets")["data"]["key"], "aGVsbG8=");

    let upgrade = ["upgrade", "web", "shop", "--server-side=false"];
    let values = ["--set", "replicas=3,image=shop:2,greeting=hi"];
    setup.run(&[&upgrade[..], &values].concat()).await;
    let deployment = setup.stored("deployments.apps");
    assert_eq!(deployment["spec"]["replicas"], 3);
    let containers = &deployment["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().unwrap().len(), 1);
    assert_eq!(containers[0]["image"], "shop:2");
    assert_eq!(setup.stored("configmaps")["data"]["greeting"], "hi");

    let list: Value = serde_json::from_str(&setup.run(&["list", "-o", "json"]).await).unwrap();
    assert_eq!(
        (&list[0]["name"], &list[0]["revision"]),
        (&"web".into(), &"2".into())
    );
    assert_eq!(list[0]["status"], "deployed");

    setup
        .run(&["rollback", "web", "1", "--server-side=false"])
        .await;
    assert_eq!(setup.stored("configmaps")["data"]["greeting"], "hello");
    setup.run(&["uninstall", "web"]).await;
    for resource in RESOURCES.into_iter().chain(["secrets"]) {
        assert_eq!(setup.count(resource), 0, "{resource}");
    }
    setup.server.shutdown().await;
    fs::remove_dir_all(&setup.home).unwrap();
}
