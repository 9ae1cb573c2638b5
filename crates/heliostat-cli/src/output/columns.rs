//! The columns of a table beyond namespace, name and age: a few for the kinds that everybody looks
//! at, none for the rest.

use jiff::Timestamp;
use serde_json::Value;

use super::Kind;

/// The columns of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) headings: &'static [&'static str],
    cells: fn(&Value) -> Vec<String>,
}

impl Columns {
    pub(super) fn of(kind: &Kind) -> Self {
        let (headings, cells): (&[_], fn(&Value) -> Vec<String>) = match &*kind.resource {
            // Metadata alone has no status to show.
            _ if kind.metadata_only => (&[], |_| Vec::new()),
            "pods" => (&["READY", "STATUS", "RESTARTS", "NODE"], pod),
            "deployments.apps" | "statefulsets.apps" | "replicasets.apps" => (&["READY"], replicas),
            "daemonsets.apps" => (&["READY"], daemon_set),
            "nodes" => (&["STATUS", "VERSION"], node),
            "namespaces" | "persistentvolumes" | "persistentvolumeclaims" => (&["STATUS"], phase),
            "services" => (&["TYPE", "CLUSTER-IP"], service),
            "jobs.batch" => (&["COMPLETIONS"], job),
            "customresourcedefinitions.apiextensions.k8s.io" => (&["KIND", "SCOPE"], definition),
            _ => (&[], |_| Vec::new()),
        };
        Self { headings, cells }
    }

    pub(super) fn cells(self, object: &Value) -> Vec<String> {
        (self.cells)(object)
    }
}

/// How long ago an object was created, in one or two units, as kubectl shows it.
pub(super) fn age(object: &Value, now: Timestamp) -> String {
    let created = text(object, "/metadata/creationTimestamp");
    let Ok(created) = created.parse::<Timestamp>() else {
        return NONE.to_owned();
    };
    let seconds = now.duration_since(created).as_secs().max(0);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    // The limits between the forms are those of kubectl.
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

/// What stands where there is nothing to show.
const NONE: &str = "<none>";

fn pod(object: &Value) -> Vec<String> {
    let empty = Vec::new();
    let containers = object.pointer("/status/containerStatuses");
    let containers = containers.and_then(Value::as_array).unwrap_or(&empty);
    let total = object.pointer("/spec/containers").and_then(Value::as_array);
    let total = total.map_or(0, Vec::len).max(containers.len());
    let ready = containers
        .iter()
        .filter(|container| container["ready"] == true)
        .count();
    let restarts: u64 = containers
        .iter()
        .filter_map(|container| container["restartCount"].as_u64())
        .sum();
    // The reason for which a container waits or ended says more than the phase.
    let reason = containers.iter().find_map(|container| {
        let state = &container["state"];
        let reason = |of: &str| state[of]["reason"].as_str();
        reason("waiting").or_else(|| reason("terminated"))
    });
    let status = if object.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating".to_owned()
    } else {
        reason.map_or_else(|| text(object, "/status/phase"), str::to_owned)
    };
    let node = text(object, "/spec/nodeName");
    vec![
        format!("{ready}/{total}"),
        status,
        restarts.to_string(),
        node,
    ]
}

fn replicas(object: &Value) -> Vec<String> {
    let ready = number(object, "/status/readyReplicas");
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_u64);
    vec![format!("{ready}/{}", wanted.unwrap_or(1))]
}

fn daemon_set(object: &Value) -> Vec<String> {
    let ready = number(object, "/status/numberReady");
    let wanted = number(object, "/status/desiredNumberScheduled");
    vec![format!("{ready}/{wanted}")]
}

fn node(object: &Value) -> Vec<String> {
    let conditions = object.pointer("/status/conditions");
    let ready = conditions
        .and_then(Value::as_array)
        .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
    let mut status = match ready.and_then(|condition| condition["status"].as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    vec![status, text(object, "/status/nodeInfo/kubeletVersion")]
}

fn phase(object: &Value) -> Vec<String> {
    vec![text(object, "/status/phase")]
}

fn service(object: &Value) -> Vec<String> {
    vec![text(object, "/spec/type"), text(object, "/spec/clusterIP")]
}

fn job(object: &Value) -> Vec<String> {
    let succeeded = number(object, "/status/succeeded");
    let wanted = object.pointer("/spec/completions").and_then(Value::as_u64);
    vec![format!("{succeeded}/{}", wanted.unwrap_or(1))]
}

fn definition(object: &Value) -> Vec<String> {
    vec![
        text(object, "/spec/names/kind"),
        text(object, "/spec/scope"),
    ]
}

fn text(object: &Value, pointer: &str) -> String {
    let value = object.pointer(pointer).and_then(Value::as_str);
    value
        .filter(|text| !text.is_empty())
        .unwrap_or(NONE)
        .to_owned()
}

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_shows_the_reason_rather_than_the_phase() {
        let waiting = json!({
            "spec": {"containers": [{}, {}], "nodeName": "n1"},
            "status": {"phase": "Running", "containerStatuses": [
                {"ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                {"ready": true, "restartCount": 1, "state": {"running": {}}},
            ]},
        });
        assert_eq!(pod(&waiting), ["1/2", "CrashLoopBackOff", "4", "n1"]);
        assert_eq!(pod(&json!({})), ["0/0", NONE, "0", NONE]);
        let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(pod(&going)[1], "Terminating");
    }

    #[test]
    fn objects_of_any_shape_have_cells() {
        for odd in [json!(null), json!([]), json!({"status": 3, "spec": "x"})] {
            for cells in [
                pod, replicas, daemon_set, node, phase, service, job, definition,
            ] {
                assert!(!cells(&odd).is_empty());
            }
        }
    }

    #[test]
    fn ages_have_one_or_two_units() {
        let shown = |seconds: i64| {
            let now = Timestamp::from_second(2_000_000_000).unwrap();
            let created = Timestamp::from_second(2_000_000_000 - seconds).unwrap();
            age(
                &json!({"metadata": {"creationTimestamp": created.to_string()}}),
                now,
            )
        };
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(119), "119s");
        assert_eq!(shown(125), "2m5s");
        assert_eq!(shown(1_200), "20m");
        assert_eq!(shown(4 * 3600 + 120), "4h2m");
        assert_eq!(shown(30 * 3600), "30h");
        assert_eq!(shown(3 * 86_400), "3d");
        assert_eq!(shown(400 * 86_400), "400d");
        assert_eq!(shown(800 * 86_400), "2y70d");
        assert_eq!(shown(-5), "0s");
        assert_eq!(age(&json!({}), Timestamp::UNIX_EPOCH), NONE);
    }
}
