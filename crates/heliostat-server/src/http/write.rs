//! Creates, updates, patches and deletes over HTTP: bodies in, objects or statuses out.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use crate::api_server::fault::Verb;
use crate::api_server::kind::Object;
use crate::api_server::negotiate::Answer;
use crate::api_server::object::StoredObject;
use crate::api_server::patch::Patch;
use crate::api_server::rules::DeleteOptions;
use crate::api_server::status::Status;
use crate::api_server::storage::Page;
use crate::api_server::write::{Address, Deleted, Part};

use super::read::renderer;
use super::service::{Call, Outcome, json_for, text};

/// The largest body that is read, as in kube-apiserver.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// How long a body may take to arrive: `--request-timeout` of kube-apiserver.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Carries a write out.
pub(crate) async fn write(call: &Call<'_>, body: Incoming, pretty: bool) -> Outcome {
    let body = read_body(body).await?;
    match (call.verb, call.target.name.as_deref()) {
        (Verb::Create, _) => create(call, &body, pretty),
        (Verb::Update, Some(name)) => update(call, name, &body, pretty),
        (Verb::Patch, Some(name)) => patch(call, name, &body, pretty),
        (Verb::Delete, Some(name)) => delete(call, name, &body, pretty),
        (Verb::Delete, None) => delete_collection(call, &body, pretty),
        _ => Err(Status::no_such_resource().into()),
    }
}

async fn read_body(body: Incoming) -> Result<Vec<u8>, Status> {
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    let Ok(read) = timeout(REQUEST_TIMEOUT, reading).await else {
        return Err(Status::request_timeout());
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Status::too_large_body(BODY_BYTES_MAX)),
        Err(error) => Err(Status::bad_request(format!(
            "error reading the body: {error}"
        ))),
    }
}

fn create(call: &Call<'_>, body: &[u8], pretty: bool) -> Outcome {
    let object = object(call, body)?;
    let namespace = call.target.namespace.as_deref();
    let dry_run = dry_run(call, None)?;
    let renderer = renderer(call, Answer::Object)?;
    let storage = &call.state.storage;
    let stored = storage.write(&call.kind, dry_run, false, |storage, writer| {
        storage.create(&call.kind, namespace, object, writer)
    })?;
    Ok(json_for(
        StatusCode::CREATED,
        renderer.single(&stored, storage.now()),
        pretty,
    ))
}

fn update(call: &Call<'_>, name: &str, body: &[u8], pretty: bool) -> Outcome {
    let object = object(call, body)?;
    let dry_run = dry_run(call, None)?;
    let stored = call
        .state
        .storage
        .write(&call.kind, dry_run, false, |storage, writer| {
            storage.update(&call.kind, address(call, name), object, writer)
        })?;
    changed(call, &stored, pretty)
}

fn patch(call: &Call<'_>, name: &str, body: &[u8], pretty: bool) -> Outcome {
    let media_type = text(&call.headers, header::CONTENT_TYPE).unwrap_or_default();
    let patch = Patch::parse(&call.kind, media_type, body)?;
    let dry_run = dry_run(call, None)?;
    let stored = call
        .state
        .storage
        .write(&call.kind, dry_run, false, |storage, writer| {
            storage.patch(&call.kind, address(call, name), &patch, writer)
        })?;
    changed(call, &stored, pretty)
}

fn changed(call: &Call<'_>, stored: &Arc<StoredObject>, pretty: bool) -> Outcome {
    let renderer = renderer(call, Answer::Object)?;
    Ok(json_for(
        StatusCode::OK,
        renderer.single(stored, call.state.storage.now()),
        pretty,
    ))
}

fn delete(call: &Call<'_>, name: &str, body: &[u8], pretty: bool) -> Outcome {
    let options = delete_options(body)?;
    let dry_run = dry_run(call, Some(&options))?;
    let deleted = call
        .state
        .storage
        .write(&call.kind, dry_run, false, |storage, writer| {
            storage.delete(&call.kind, address(call, name), &options, writer)
        })?;
    match deleted {
        Deleted::Pending(object) => changed(call, &object, pretty),
        Deleted::Gone(object) => {
            let status = Status::deleted(&call.kind, object.name(), object.uid());
            Ok(json_for(StatusCode::OK, status.to_line(), pretty))
        }
    }
}

fn delete_collection(call: &Call<'_>, body: &[u8], pretty: bool) -> Outcome {
    let options = delete_options(body)?;
    let dry_run = dry_run(call, Some(&options))?;
    let namespace = call.target.namespace.as_deref();
    let storage = &call.state.storage;
    let items = storage.write(&call.kind, dry_run, false, |storage, writer| {
        storage.delete_collection(&call.kind, namespace, &call.query, writer)
    })?;
    let page = Page {
        version: storage.revision(),
        items,
        next: None,
        remaining: None,
    };
    let bytes = renderer(call, Answer::List)?
        .list(page, storage.now())
        .flatten()
        .collect();
    Ok(json_for(StatusCode::OK, bytes, pretty))
}

fn address<'a>(call: &'a Call<'_>, name: &'a str) -> Address<'a> {
    let part = match call.target.subresource.as_deref() {
        Some("status") => Part::Status,
        _ => Part::Main,
    };
    Address {
        namespace: call.target.namespace.as_deref(),
        name,
        part,
    }
}

/// The object in a body: JSON, whatever the header says less than that.
fn object(call: &Call<'_>, body: &[u8]) -> Result<Object, Status> {
    let media_type = text(&call.headers, header::CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !matches!(media_type, "" | "application/json") {
        return Err(Status::unsupported_media_type("application/json"));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Status::bad_request(
            "couldn't get version/kind; json parse error: the body is not an object",
        )),
        Err(error) => Err(Status::bad_request(format!(
            "couldn't get version/kind; json parse error: {error}"
        ))),
    }
}

fn delete_options(body: &[u8]) -> Result<DeleteOptions, Status> {
    if body.is_empty() {
        return Ok(DeleteOptions::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| Status::bad_request(format!("error decoding DeleteOptions: {error}")))
}

/// Whether nothing is to be kept; `All` is the only way to say so.
fn dry_run(call: &Call<'_>, options: Option<&DeleteOptions>) -> Result<bool, Status> {
    let of_body = options
        .and_then(|options| options.dry_run.as_ref())
        .and_then(|it| it.first());
    match call
        .query
        .get("dryRun")
        .or_else(|| of_body.map(String::as_str))
    {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(Status::bad_request(format!(
            "dryRun: Unsupported value: {other:?}: supported values: \"All\""
        ))),
    }
}
