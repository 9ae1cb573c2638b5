//! Creates, updates, patches and deletes over HTTP: bodies in, objects or statuses out.

use std::sync::Arc;
use std::time::Duration;

use heliostat_kinds::FieldValidation;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::api_server::body::{self, Body, Received};
use crate::api_server::fault::Verb;
use crate::api_server::negotiate::{Answer, negotiate_status};
use crate::api_server::patch::Patch;
use crate::api_server::rules::DeleteOptions;
use crate::api_server::write::{Address, Deleted, Part};
use crate::collection::object::StoredObject;
use crate::collection::reading::Page;
use crate::collection::status::{Status, StatusCause};

use crate::handle::StorageHandle;
use crate::served::Served as _;

use super::body as http_body;
use super::call::{Call, Outcome, text};
use super::read::renderer;
use super::response::{answer, status_response};

/// The largest body that is read, as in kube-apiserver.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// How long a body may take to arrive: `--request-timeout` of kube-apiserver.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Carries a write out.
pub(crate) async fn write(call: &Call<'_>, body: Incoming, pretty: bool) -> Outcome {
    let storage =
        call.state.writes.as_ref().map_err(|write_to| {
            Status::read_only(call.verb.as_str(), call.kind.plural(), write_to)
        })?;
    let body = read_body(body).await?;
    match (call.verb, call.target.name.as_deref()) {
        (Verb::Create, _) => create(call, storage, &body, pretty),
        (Verb::Update, Some(name)) => update(call, storage, name, &body, pretty),
        (Verb::Patch, Some(name)) => patch(call, storage, name, &body, pretty),
        (Verb::Delete, Some(name)) => delete(call, storage, name, &body, pretty),
        (Verb::Delete, None) => delete_collection(call, storage, &body, pretty),
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

fn create(call: &Call<'_>, storage: &StorageHandle, body: &[u8], pretty: bool) -> Outcome {
    let Received { object, warnings } = object(call, body)?;
    let namespace = call.target.namespace.as_deref();
    let dry_run = dry_run(call, None)?;
    let renderer = renderer(call, Answer::Object)?;
    let stored = storage.write(&call.kind, dry_run, false, |storage, writer| {
        storage.create(&call.kind, namespace, object, writer)
    })?;
    let bytes = renderer.single(&stored, storage.now())?;
    let response = answer(StatusCode::CREATED, renderer.encoding(), bytes, pretty);
    Ok(with_warnings(response, &warnings))
}

fn update(
    call: &Call<'_>,
    storage: &StorageHandle,
    name: &str,
    body: &[u8],
    pretty: bool,
) -> Outcome {
    let Received { object, warnings } = object(call, body)?;
    let dry_run = dry_run(call, None)?;
    let stored = storage.write(&call.kind, dry_run, false, |storage, writer| {
        storage.update(&call.kind, address(call, name), object, writer)
    })?;
    let response = changed(call, &stored, pretty)?;
    Ok(with_warnings(response, &warnings))
}

fn patch(
    call: &Call<'_>,
    storage: &StorageHandle,
    name: &str,
    body: &[u8],
    pretty: bool,
) -> Outcome {
    let media_type = text(&call.headers, header::CONTENT_TYPE).unwrap_or_default();
    let patch = Patch::parse(&call.kind, media_type, body)?;
    let validation = field_validation(call)?;
    let dry_run = dry_run(call, None)?;
    let mut warnings = Vec::new();
    let stored = storage.write(&call.kind, dry_run, false, |storage, writer| {
        let conform = |object| {
            let received = body::conform(&call.kind, &object, validation)?;
            warnings = received.warnings;
            Ok(received.object)
        };
        storage.patch(&call.kind, address(call, name), &patch, conform, writer)
    })?;
    let response = changed(call, &stored, pretty)?;
    Ok(with_warnings(response, &warnings))
}

fn changed(call: &Call<'_>, stored: &Arc<StoredObject>, pretty: bool) -> Outcome {
    let renderer = renderer(call, Answer::Object)?;
    let bytes = renderer.single(stored, call.state.served.now())?;
    Ok(answer(StatusCode::OK, renderer.encoding(), bytes, pretty))
}

fn delete(
    call: &Call<'_>,
    storage: &StorageHandle,
    name: &str,
    body: &[u8],
    pretty: bool,
) -> Outcome {
    let options = received(call, body).delete_options()?;
    let dry_run = dry_run(call, Some(&options))?;
    let deleted = storage.write(&call.kind, dry_run, false, |storage, writer| {
        storage.delete(&call.kind, address(call, name), &options, writer)
    })?;
    match deleted {
        Deleted::Pending(object) => changed(call, &object, pretty),
        Deleted::Gone(object) => {
            let status = Status::deleted(&call.kind, object.name(), object.uid());
            Ok(status_response(
                &status,
                negotiate_status(call.accept()),
                pretty,
            ))
        }
    }
}

fn delete_collection(
    call: &Call<'_>,
    storage: &StorageHandle,
    body: &[u8],
    pretty: bool,
) -> Outcome {
    let options = received(call, body).delete_options()?;
    let dry_run = dry_run(call, Some(&options))?;
    let namespace = call.target.namespace.as_deref();
    let renderer = renderer(call, Answer::List)?;
    let items = storage.write(&call.kind, dry_run, false, |storage, writer| {
        storage.delete_collection(&call.kind, namespace, &call.query, writer)
    })?;
    let page = Page {
        version: storage.revision(),
        items,
        next: None,
        remaining: None,
    };
    let encoding = renderer.encoding();
    let bytes = renderer.list(page, storage.now())?.flatten().collect();
    Ok(answer(StatusCode::OK, encoding, bytes, pretty))
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

fn received<'a>(call: &'a Call<'_>, bytes: &'a [u8]) -> Body<'a> {
    let content_type = text(&call.headers, header::CONTENT_TYPE).unwrap_or_default();
    Body {
        content_type,
        bytes,
    }
}

fn object(call: &Call<'_>, body: &[u8]) -> Result<Received, Status> {
    let validation = field_validation(call)?;
    received(call, body).object(&call.kind, validation)
}

/// What is done about unknown fields and fields that occur twice. The default is to warn.
fn field_validation(call: &Call<'_>) -> Result<FieldValidation, Status> {
    match call.query.text("fieldValidation") {
        "" | "Warn" => Ok(FieldValidation::Warn),
        "Ignore" => Ok(FieldValidation::Ignore),
        "Strict" => Ok(FieldValidation::Strict),
        other => {
            let options = match call.verb {
                Verb::Create => "CreateOptions",
                Verb::Patch => "PatchOptions",
                _ => "UpdateOptions",
            };
            let supported = r#""", "Ignore", "Strict", "Warn""#;
            let cause = StatusCause::not_supported("fieldValidation", other, supported);
            Err(Status::invalid("meta.k8s.io", options, "", vec![cause]))
        }
    }
}

/// Adds a `Warning` header for each text. One that is no header text is left out.
fn with_warnings(
    mut response: Response<http_body::Body>,
    warnings: &[String],
) -> Response<http_body::Body> {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
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
