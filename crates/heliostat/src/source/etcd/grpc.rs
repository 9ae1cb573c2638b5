//! One endpoint: its channel, and the calls that are made on it.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::failure::NO_ANSWER;
use super::message::{
    AuthenticateRequest, AuthenticateResponse, RangeRequest, RangeResponse, StatusRequest,
    StatusResponse, WatchRequest, WatchResponse,
};

/// The largest message that is read. etcd refuses requests above 1.5 MiB unless `--max-request-bytes` is
/// raised.
const MESSAGE_BYTES_MAX: usize = 128 << 20;

/// The largest page that is read. Most are far smaller; one that is larger is asked for again with fewer
/// keys, down to a single one, which may be as large as any message.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// How many requests of a watch stream wait to be sent: one to create it, and one for its progress.
const WATCH_REQUESTS_MAX: usize = 4;

/// A token that proves who the user is.
pub(super) type Token = MetadataValue<Ascii>;

/// One endpoint of a cluster. Its connection is made when it is first used, and again after it broke.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) url: Arc<str>,
    channel: Channel,
    /// How long an answer may take.
    timeout: Duration,
}

/// An open watch stream.
#[derive(Debug)]
pub(super) struct WatchCall {
    pub(super) requests: mpsc::Sender<WatchRequest>,
    pub(super) responses: Streaming<WatchResponse>,
}

impl Endpoint {
    pub(super) fn new(url: &str, channel: Channel, timeout: Duration) -> Self {
        Self {
            url: Arc::from(url),
            channel,
            timeout,
        }
    }

    /// `KV.Range`.
    pub(super) async fn range(
        &self,
        token: Option<Token>,
        request: RangeRequest,
    ) -> Result<RangeResponse, Status> {
        let bytes_max = match request.limit {
            1 => MESSAGE_BYTES_MAX,
            _ => PAGE_BYTES_MAX,
        };
        let client = self.client().max_decoding_message_size(bytes_max);
        let path = "/etcdserverpb.KV/Range";
        self.unary(client, path, token, request).await
    }

    /// `Maintenance.Status`: the version of the member.
    pub(super) async fn version(&self, token: Option<Token>) -> Result<String, Status> {
        let path = "/etcdserverpb.Maintenance/Status";
        let request = StatusRequest {};
        let status: StatusResponse = self.unary(self.client(), path, token, request).await?;
        Ok(status.version)
    }

    /// `Auth.Authenticate`.
    pub(super) async fn authenticate(&self, request: AuthenticateRequest) -> Result<Token, Status> {
        let path = "/etcdserverpb.Auth/Authenticate";
        let answer: AuthenticateResponse = self.unary(self.client(), path, None, request).await?;
        let token = answer.token.parse::<Token>();
        let mut token = token.map_err(|_| Status::internal("the token is no gRPC metadata"))?;
        token.set_sensitive(true);
        Ok(token)
    }

    /// `Watch.Watch`: opens a stream and sends the first request on it.
    ///
    /// The stream ends with an error if the member is without a leader.
    pub(super) async fn watch(
        &self,
        token: Option<Token>,
        first: WatchRequest,
    ) -> Result<WatchCall, Status> {
        let (requests, mut waiting) = mpsc::channel(WATCH_REQUESTS_MAX);
        // There is room: nothing was sent before.
        let _ = requests.try_send(first);
        let outgoing = futures_util::stream::poll_fn(move |context| waiting.poll_recv(context));
        let mut request = Request::new(outgoing);
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = token {
            metadata.insert("token", token);
        }
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let codec = ProstCodec::default();
        let responses = within(self.timeout, async {
            let mut client = self.client();
            client.ready().await.map_err(not_ready)?;
            client.streaming(request, path, codec).await
        });
        Ok(WatchCall {
            requests,
            responses: responses.await?.into_inner(),
        })
    }

    /// The next response of a watch, which must come within the time of an answer.
    pub(super) async fn answer(
        &self,
        call: &mut WatchCall,
    ) -> Result<Option<WatchResponse>, Status> {
        within(self.timeout, call.responses.message()).await
    }

    /// Fails if something takes longer than an answer may.
    pub(super) async fn in_time<R>(
        &self,
        answer: impl Future<Output = Result<R, Status>>,
    ) -> Result<R, Status> {
        within(self.timeout, answer).await
    }

    async fn unary<Q, A>(
        &self,
        mut client: Grpc<Channel>,
        path: &'static str,
        token: Option<Token>,
        request: Q,
    ) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut request = Request::new(request);
        if let Some(token) = token {
            request.metadata_mut().insert("token", token);
        }
        let path = PathAndQuery::from_static(path);
        let codec = ProstCodec::<Q, A>::default();
        let answer = within(self.timeout, async {
            client.ready().await.map_err(not_ready)?;
            client.unary(request, path, codec).await
        });
        Ok(answer.await?.into_inner())
    }

    fn client(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

fn not_ready(error: tonic::transport::Error) -> Status {
    Status::from_error(Box::new(error))
}

async fn within<R>(
    timeout: Duration,
    answer: impl Future<Output = Result<R, Status>>,
) -> Result<R, Status> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer,
        Err(elapsed) => {
            let seconds = timeout.as_secs_f32();
            let mut status =
                Status::new(Code::DeadlineExceeded, format!("{NO_ANSWER} {seconds} s"));
            status.set_source(Arc::new(elapsed));
            Err(status)
        }
    }
}
