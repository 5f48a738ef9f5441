//! Around every request: its id, the client's address, limits of the body, the log line, metrics, headers every answer has, and a panic's answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::FutureExt;
use http::header::{HOST, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use passlink_engine::Error;
use passlink_engine::redirects::Origin;

use crate::Peer;
use crate::dialects::Dialect;
use crate::extract::request::Context;
use crate::web::Web;

/// The largest body accepted, in bytes (`security.md` 39).
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

/// What an error answer carries for the log, which is written once, here.
#[derive(Clone)]
pub(crate) struct Logged(pub Arc<Error>);

/// Writes the body of an answer that shows what is known only here.
#[derive(Clone)]
pub(crate) struct Finish(pub Arc<dyn Fn(Framed<'_>) -> Body + Send + Sync>);

/// What is known only here.
#[derive(Clone, Copy)]
pub(crate) struct Framed<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The server's own origin.
    pub origin: &'a Origin,
}

pub(crate) fn around(routes: Router<Arc<Web>>, web: &Arc<Web>) -> Router<Arc<Web>> {
    routes.layer(from_fn_with_state(Arc::clone(web), frame)).layer(DefaultBodyLimit::max(LARGEST_BODY))
}

async fn frame(State(web): State<Arc<Web>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".to_owned(), |p| p.as_str().to_owned());
    take_authority(&mut request);
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = peer.map(|peer| web.proxies.client(peer, request.headers()));
    let request_id = web.engine.new_request_id();
    let context = Context::new(request_id.clone(), address, request.headers());
    request.extensions_mut().insert(context);

    let dialect = crate::dialects::of_path(&path);
    let mut dialects_own = HeaderMap::new();
    let answering = async {
        if let Some(dialect) = dialect {
            dialects_own = (dialect.headers)(&web, &path, request.headers());
        }
        next.run(request).await
    };
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|panic| panicked(&web, dialect, &request_id, panic.as_ref()));

    if let Some(Finish(finish)) = response.extensions_mut().remove() {
        *response.body_mut() = finish(Framed { request_id: &request_id, origin: &web.engine.settings().public_origin });
    }
    let status = response.status();
    let headers = response.headers_mut();
    // What the handler knows better stays; `Vary` adds up.
    let known: Vec<HeaderName> =
        dialects_own.keys().filter(|name| **name != VARY && headers.contains_key(*name)).cloned().collect();
    for (name, value) in dialects_own.iter().filter(|(name, _)| !known.contains(name)) {
        headers.append(name, value.clone());
    }
    headers.entry(HeaderName::from_static("x-content-type-options")).or_insert(HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    if web.secure {
        headers.insert(http::header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    let took = started.elapsed();
    let logged = response.extensions().get::<Logged>().cloned();
    let client = address.map(|address| address.to_string());
    // Never the path or query themselves: they may hold a secret (`security.md` 42). The route says which kind it was.
    match (status.as_u16(), logged) {
        (500.., logged) => {
            let cause = logged.map(|l| l.0.log_line());
            tracing::error!(request_id, %method, route, status = status.as_u16(), client, micros = took.as_micros() as u64, cause, "request failed");
        }
        (400.., logged) => {
            let cause = logged.map(|l| l.0.log_line());
            tracing::info!(request_id, %method, route, status = status.as_u16(), client, micros = took.as_micros() as u64, cause, "request refused");
        }
        _ => {
            tracing::debug!(request_id, %method, route, status = status.as_u16(), client, micros = took.as_micros() as u64, "request")
        }
    }
    // A client may invent methods; each would be a new series.
    let known = matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS");
    let labels = [
        ("method", if known { method.to_string() } else { "other".to_owned() }),
        ("route", route),
        ("status", status.as_u16().to_string()),
    ];
    metrics::counter!("passlink_http_requests_total", &labels).increment(1);
    metrics::histogram!("passlink_http_request_seconds").record(took.as_secs_f64());
    response
}

/// Which host is asked for, where all look for it: HTTP/2 says it beside the path (RFC 9113 8.3.1), as do absolute targets, which go before the header
/// (RFC 9112 3.2.2).
fn take_authority(request: &mut Request) {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(HOST, authority);
    }
}

/// A panic is a defect of ours: the caller gets an id to quote, and the process lives (`security.md` 41).
fn panicked(web: &Web, dialect: Option<&Dialect>, request_id: &str, panic: &(dyn std::any::Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    let error = Error::internal(format!("a handler panicked: {}", text.unwrap_or_else(|| "without a text".to_owned())));
    let mut response =
        dialect.map_or_else(|| crate::routes::respond::problem(web, request_id, &error), |dialect| (dialect.error)(&error));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(Logged(Arc::new(error)));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
