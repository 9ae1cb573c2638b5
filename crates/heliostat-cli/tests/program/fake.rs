//! A server that answers as the test says, which no real one does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What a request is answered with: the code and the body; none is never answered.
type Answer = Option<(u16, String)>;

/// A server of pods, which knows discovery and asks the test for the rest.
pub(crate) struct Fake {
    pub(crate) url: String,
}

impl Fake {
    /// Answers what is asked at a path (with its query) with what `answer` returns for it. A server that has
    /// one verb less is made with `without_watch`.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_verbs(r#"["list","watch"]"#, answer)
    }

    pub(crate) fn with_verbs(
        verbs: &'static str,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::answering(move |target| discovery(target, verbs).or_else(|| answer(target)))
    }

    /// A server that leaves discovery to the test where the test has an answer.
    pub(crate) fn overriding(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::answering(move |target| {
            answer(target).or_else(|| discovery(target, r#"["list","watch"]"#))
        })
    }

    fn answering(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        // It ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(&stream, &*answer));
            }
        });
        Self { url }
    }
}

/// Answers requests on one connection until the client closes it.
fn serve(stream: &TcpStream, answer: &dyn Fn(&str) -> Answer) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        // The rest of the head; there are no bodies.
        lines.by_ref().find(String::is_empty);
        let Some((code, body)) = answer(&target) else {
            // Until the client gives up.
            lines.next();
            return;
        };
        let mut stream = stream;
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {code} Any\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn discovery(target: &str, verbs: &str) -> Answer {
    let body = match target {
        "/api" => r#"{"kind":"APIVersions","versions":["v1"]}"#.to_owned(),
        "/apis" => r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#.to_owned(),
        "/api/v1" => format!(
            r#"{{"kind":"APIResourceList","groupVersion":"v1","resources":[{{"name":"pods",
            "singularName":"pod","namespaced":true,"kind":"Pod","verbs":{verbs}}}]}}"#
        ),
        _ => return None,
    };
    Some((200, body))
}

/// A list of pods with these objects.
pub(crate) fn list(items: &[&str]) -> Answer {
    let items = items.join(",");
    let body = format!(
        r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"9"}},"items":[{items}]}}"#
    );
    Some((200, body))
}
