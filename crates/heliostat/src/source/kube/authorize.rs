//! The layer that sends a request with the user's credentials, and once more after a 401.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use kube_client::client::Body;
use tower::{BoxError, Service};

use super::credentials::{Credentials, Current};
use super::transport::Transport;

/// Sends requests with credentials.
#[derive(Clone)]
pub(super) struct Authorize {
    credentials: Credentials,
    transport: Arc<Transport>,
}

impl Authorize {
    pub(super) fn new(credentials: Credentials, transport: Transport) -> Self {
        Self {
            credentials,
            transport: Arc::new(transport),
        }
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let current = self.credentials.current().await?;
        let (parts, body) = request.into_parts();
        let again = body.try_clone();
        let response = self
            .send_as(&current, Request::from_parts(parts.clone(), body))
            .await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            if response.status().is_success() {
                self.credentials.accepted(&current);
            }
            return Ok(response);
        }
        let fresh = self.credentials.refused(&current).await?;
        match (fresh, again) {
            (Some(fresh), Some(body)) => {
                let again = Request::from_parts(parts, body);
                let response = self.send_as(&fresh, again).await?;
                if response.status().is_success() {
                    self.credentials.accepted(&fresh);
                }
                Ok(response)
            }
            _ => Ok(response),
        }
    }

    async fn send_as(
        &self,
        credentials: &Current,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, BoxError> {
        if let Some(authorization) = &credentials.authorization {
            request
                .headers_mut()
                .insert(AUTHORIZATION, authorization.clone());
        }
        let client = self.transport.client(credentials.identity.as_ref())?;
        Ok(client.send(request).await?)
    }
}

impl Service<Request<Body>> for Authorize {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
