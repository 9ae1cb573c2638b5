//! The example `leader_election`, against a server that fails.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube_client::client::Body;
use kube_client::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::leader_election::{Candidate, Held};

/// Divides by the parts of a lease's duration that the example uses.
const DURATION: Duration = Duration::from_secs(12);

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Correct,
    /// Correct, but late.
    After(Duration),
    /// Refused: nothing is read or written.
    Refused,
    /// Never answered, and nothing is read or written.
    Hangs,
    /// Written, but the answer is lost.
    Lost,
}

/// A server with one lease. Requests are answered as planned, and correctly after that.
#[derive(Clone, Debug, Default)]
struct LeaseServer(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    plan: VecDeque<Answer>,
}

impl State {
    fn write(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.lease = Some(lease.clone());
        lease
    }

    fn handle(&mut self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let status = |code: StatusCode, reason: &str| {
            let status = json!({
                "kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16(),
            });
            (code, status)
        };
        if method == Method::GET {
            let lease = self.lease.clone();
            let absent = || status(StatusCode::NOT_FOUND, "NotFound");
            return lease.map_or_else(absent, |it| (StatusCode::OK, it));
        }
        let lease: Value = serde_json::from_slice(body).unwrap();
        let present = self.lease.as_ref();
        let version = present.map_or(&Value::Null, |it| &it["metadata"]["resourceVersion"]);
        if lease["metadata"]["resourceVersion"] == *version {
            (StatusCode::OK, self.write(lease))
        } else {
            status(StatusCode::CONFLICT, "Conflict")
        }
    }
}

impl LeaseServer {
    /// With a lease that has this holder.
    fn held_by(holder: &str) -> Self {
        let server = Self::default();
        let lease = json!({"metadata": {"name": "signer"}, "spec": {"holderIdentity": holder}});
        server.0.lock().unwrap().write(lease);
        server
    }

    fn plan(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.lock().unwrap().plan = answers.into_iter().collect();
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            leases: Api::namespaced(Client::new(self.clone(), "shop"), "shop"),
            lease: "signer".to_owned(),
            identity: "one".to_owned(),
            duration: DURATION,
        }
    }

    async fn answer(self, request: Request<Body>) -> Response<Full<bytes::Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let planned = self.0.lock().unwrap().plan.pop_front();
        let refused = || (StatusCode::SERVICE_UNAVAILABLE, json!({"code": 503}));
        let handle = || self.0.lock().unwrap().handle(&head.method, &body);
        let (code, object) = match planned.unwrap_or(Answer::Correct) {
            Answer::Correct => handle(),
            Answer::After(delay) => {
                sleep(delay).await;
                handle()
            }
            Answer::Refused => refused(),
            Answer::Hangs => pending().await,
            Answer::Lost => {
                handle();
                refused()
            }
        };
        let mut response = Response::new(Full::from(object.to_string()));
        *response.status_mut() = code;
        response
    }
}

impl tower::Service<Request<Body>> for LeaseServer {
    type Response = Response<Full<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async { Ok(answer.await) })
    }
}

/// Takes the lease, and keeps it while renewals are answered as planned; returns the time from the
/// start of the last renewal to the end.
async fn keep_with(plan: impl IntoIterator<Item = Answer>) -> (LeaseServer, Duration) {
    let server = LeaseServer::default();
    let candidate = server.candidate();
    let held = candidate.acquire().await;
    assert_eq!(held.renewed, Instant::now());
    server.plan(plan);
    let renewed = held.renewed;
    candidate.keep(held).await;
    (server, renewed.elapsed())
}

fn forever(answer: Answer) -> impl Iterator<Item = Answer> {
    std::iter::repeat_n(answer, 100)
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_kept_no_longer_than_two_thirds_of_its_duration_after_a_renewal() {
    let limit = DURATION * 2 / 3;
    for first in [Answer::Refused, Answer::Hangs, Answer::After(DURATION / 6)] {
        let plan = std::iter::once(first).chain(forever(Answer::Hangs));
        let (_, kept) = keep_with(plan).await;
        let renewed = match first {
            // The renewal counts from the start of its request.
            Answer::After(_) => DURATION / 6,
            _ => Duration::ZERO,
        };
        assert_eq!(kept, renewed + limit, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_acquisition_counts_from_the_start_of_its_request() {
    let server = LeaseServer::default();
    server.plan([Answer::Correct, Answer::After(DURATION / 6)]);
    let begun = Instant::now();
    let Held { renewed, .. } = server.candidate().acquire().await;
    assert_eq!((renewed, begun.elapsed()), (begun, DURATION / 6));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_does_not_lose_the_lease() {
    // The next write is refused as a conflict, and the lease is read: it is ours.
    let lost = [
        Answer::Lost,
        Answer::Correct,
        Answer::Correct,
        Answer::Correct,
    ];
    let (_, kept) = keep_with(lost.into_iter().chain(forever(Answer::Hangs))).await;
    // The third write, after three pauses, was the last renewal.
    assert_eq!(kept, DURATION * 3 / 6 + DURATION * 2 / 3);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_has_is_lost_at_once() {
    let server = LeaseServer::held_by("one");
    let candidate = server.candidate();
    let held = candidate.acquire().await;
    let renewed = held.renewed;
    let taken = json!({"metadata": {"name": "signer"}, "spec": {"holderIdentity": "two"}});
    server.0.lock().unwrap().write(taken);
    candidate.keep(held).await;
    assert_eq!(renewed.elapsed(), DURATION / 6);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_goes_on_after_requests_that_fail() {
    let server = LeaseServer::default();
    // A read and a write that fail, and a write whose answer is lost.
    let (refused, correct) = (Answer::Refused, Answer::Correct);
    server.plan([
        refused,
        Answer::Hangs,
        correct,
        refused,
        correct,
        Answer::Lost,
    ]);
    let held = server.candidate().acquire().await;
    let holder = held.lease.spec.unwrap().holder_identity;
    assert_eq!(holder.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_holder_has_an_empty_name_is_free() {
    let begun = Instant::now();
    LeaseServer::held_by("").candidate().acquire().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // Another holder's lease is taken when it has expired.
    LeaseServer::held_by("two").candidate().acquire().await;
    assert_eq!(begun.elapsed(), DURATION);
}
