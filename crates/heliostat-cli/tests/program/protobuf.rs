//! The program and a server that speaks protobuf: what is asked for, and what is read of the answers.
//!
//! The server is a few lines of the test's own: it serves a thousand pods as a real server sent them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::common::{Finished, succeed};

/// A list of pods in protobuf, compressed as servers compress lists.
const PODS: &[u8] = include_bytes!("../../../heliostat-core/testdata/wire/pods-1000.pb.gz");

/// The same pods in JSON, compressed too.
const PODS_IN_JSON: &[u8] = include_bytes!("../../../../bench/data/pods-1000.json.gz");

/// The page after it: a list of no pods, by hand. `k8s` and zero, then an envelope of kind and list.
const LAST_PAGE: &[u8] = b"k8s\0\x0a\x0d\x0a\x02v1\x12\x07PodList\x12\x05\x0a\x03\x12\x017";

/// The `Accept` headers of the requests for pods.
type Asked = Arc<Mutex<Vec<String>>>;

struct Recorded {
    url: String,
    asked: Asked,
}

impl Recorded {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Asked::default();
        let shared = Arc::clone(&asked);
        // It ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let asked = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &asked));
            }
        });
        Self { url, asked }
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = arguments.to_vec();
        all.extend(["--server", &self.url]);
        all
    }

    fn once(&self, arguments: &[&str]) -> Finished {
        let mut all = vec!["mirror", "pods", "-A", "--once", "--watch-list=off"];
        all.extend(arguments);
        succeed(&self.arguments(&all))
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, asked: &Asked) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut accept = String::new();
        for header in lines.by_ref().take_while(|line| !line.is_empty()) {
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("accept")
            {
                value.trim().clone_into(&mut accept);
            }
        }
        let is_watch = target.contains("watch=") && !target.contains("sendInitialEvents");
        let answer = answer(&target, accept, asked);
        let mut out = stream;
        let sent = if is_watch {
            // A watch that stays silent, for as long as the other side likes.
            out.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.kubernetes.protobuf;\
                  stream=watch\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
        } else {
            let (head, body) = &answer;
            let length = body.len();
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n");
            out.write_all(head.as_bytes())
                .and_then(|()| out.write_all(body))
        };
        if sent.is_err() {
            return;
        }
        if is_watch {
            let _ = out.read(&mut [0]);
            return;
        }
    }
}

/// Status and headers, and the body.
fn answer(target: &str, accept: String, asked: &Asked) -> (&'static str, Vec<u8>) {
    const JSON: &str = "200 OK\r\nContent-Type: application/json";
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let document = |value: Value| (JSON, value.to_string().into());
    match path {
        "/api" => document(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => document(json!({"kind": "APIGroupList", "groups": []})),
        "/api/v1" => document(json!({
            "kind": "APIResourceList",
            "groupVersion": "v1",
            "resources": [{
                "name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": true,
                "verbs": ["list", "watch"],
            }],
        })),
        // As servers before the streaming of lists say it.
        "/api/v1/pods" if query.contains("sendInitialEvents") => (
            "422 Unprocessable Entity\r\nContent-Type: application/json",
            json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422,
                "reason": "Invalid", "message": "sendInitialEvents is forbidden for watch",
            })
            .to_string()
            .into(),
        ),
        "/api/v1/pods" if query.contains("continue=") && accept == "application/json" => {
            document(json!({
                "kind": "PodList", "apiVersion": "v1",
                "metadata": {"resourceVersion": "7"}, "items": [],
            }))
        }
        "/api/v1/pods" if accept == "application/json" => {
            asked.lock().unwrap().push(accept);
            (
                "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip",
                PODS_IN_JSON.to_vec(),
            )
        }
        "/api/v1/pods" if query.contains("continue=") => (
            "200 OK\r\nContent-Type: application/vnd.kubernetes.protobuf",
            LAST_PAGE.to_vec(),
        ),
        "/api/v1/pods" => {
            asked.lock().unwrap().push(accept);
            (
                "200 OK\r\nContent-Type: application/vnd.kubernetes.protobuf\r\n\
                 Content-Encoding: gzip",
                PODS.to_vec(),
            )
        }
        _ => ("404 Not Found\r\nContent-Type: text/plain", Vec::new()),
    }
}

/// The words of a line.
fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn a_table_is_read_out_of_protobuf() {
    let server = Recorded::start();
    let table = server.once(&["--summary", "--index", "spec.nodeName"]);
    let asked = server.asked();
    assert_eq!(
        asked.first().map(String::as_str),
        Some("application/vnd.kubernetes.protobuf,application/json")
    );
    let lines = table.lines();
    assert_eq!(lines.len(), 1001, "{}", table.stdout);
    assert_eq!(
        cells(lines[0]),
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
    for line in &lines[1..] {
        let cells = cells(line);
        assert_eq!(cells.len(), 7, "{line}");
        assert!(cells[2].contains('/') && !line.contains('<'), "{line}");
    }
    for word in [
        "1000 objects at version ",
        " a second",
        " of protobuf",
        ", which is ",
        " times smaller",
        "index spec.nodeName: ",
        " values of 1000 objects",
    ] {
        assert!(table.stderr.contains(word), "no {word} in {}", table.stderr);
    }
}

#[test]
fn what_is_asked_for_is_what_is_printed() {
    let server = Recorded::start();
    for (arguments, expected) in [
        (
            &["-o", "name"][..],
            "application/vnd.kubernetes.protobuf,application/json",
        ),
        (
            &["-o", "name", "--encoding", "protobuf"],
            "application/vnd.kubernetes.protobuf",
        ),
        (&["-o", "name", "--encoding", "json"], "application/json"),
        (
            &["-o", "name", "--index", "spec.volumez[*].name"],
            "application/json",
        ),
        (
            &["-o", "name", "--metadata-only", "--encoding", "json"],
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        ),
    ] {
        server.once(arguments);
        let asked = server.asked();
        assert_eq!(asked[0], expected, "{arguments:?}");
    }
}

#[test]
fn whole_objects_are_byte_for_byte_the_same_from_both_encodings() {
    let server = Recorded::start();
    for format in ["json", "jsonl", "yaml"] {
        for more in [&[][..], &["--keep-managed-fields"]] {
            let arguments = [&["-o", format][..], more].concat();
            let protobuf = server.once(&arguments);
            let asked = server.asked();
            assert_eq!(
                asked[0],
                "application/vnd.kubernetes.protobuf,application/json"
            );
            let json = server.once(&[&arguments[..], &["--encoding", "json"]].concat());
            assert_eq!(server.asked()[0], "application/json");
            assert!(json.stdout.len() > 1_000_000);
            assert!(json.stdout == protobuf.stdout, "{arguments:?}");
        }
    }
}

#[test]
fn get_answers_from_an_index_over_protobuf() {
    let server = Recorded::start();
    let table = server.once(&[]);
    let lines = table.lines();
    let node = cells(lines[1])[5];
    let on_node = lines.iter().filter(|line| cells(line)[5] == node);
    let expected: Vec<String> = on_node
        .map(|line| format!("{}/{}", cells(line)[0], cells(line)[1]))
        .collect();
    let by = format!("spec.nodeName={node}");
    let arguments = ["get", "pods", "-A", "-o", "name", "--by", &by];
    let found = succeed(&server.arguments(&arguments));
    assert_eq!(found.lines(), expected);
}

#[test]
fn top_tells_what_objects_take_and_what_they_came_in() {
    let server = Recorded::start();
    let arguments = ["top", "pods", "-A", "--once", "-o", "jsonl"];
    let row = succeed(&server.arguments(&arguments)).stdout;
    let row: Value = serde_json::from_str(&row).unwrap();
    let number = |name: &str| row[name].as_u64().unwrap();
    assert_eq!(row["encoding"], "protobuf");
    assert_eq!(number("objects"), 1000);
    let received = PODS.len() + LAST_PAGE.len();
    assert_eq!(number("receivedBytes"), received as u64);
    assert!(
        number("memoryBytes") * 3 < number("rawBytes"),
        "packed: {row}"
    );
}
