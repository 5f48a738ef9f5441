//! CORS: the app's allow-listed origins only (contract section 5).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use passlink_engine::redirects::Origin;

use crate::web::Web;

/// The calling origin, if the app it calls allows it.
fn allowed(web: &Web, headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(ORIGIN)?;
    let origin = Origin::parse(value.to_str().ok()?)?;
    let app = web.app_of_call(headers, Some(&origin)).ok()?;
    app.allows(&origin).then(|| value.clone())
}

/// Whether a call that carries cookies comes from nowhere (no `Origin`), from ourselves, or from an allowed origin.
pub(super) fn may_use_cookies(web: &Web, headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(ORIGIN) else { return true };
    let ours = value.to_str().ok().and_then(Origin::parse).is_some_and(|origin| origin == web.engine.settings().public_origin);
    ours || allowed(web, headers).is_some()
}

/// What every answer of the dialect carries.
pub(super) fn headers(web: &Web, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed(web, request) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after, x-request-id"));
    }
    headers
}

/// Answers a preflight.
pub(super) async fn preflight(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let mut response = crate::frame::empty(StatusCode::NO_CONTENT);
    if allowed(&web, &headers).is_some() {
        let out = response.headers_mut();
        out.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        out.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type, authorization, x-apphandoff-callback-origin"),
        );
        out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}
