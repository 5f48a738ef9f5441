//! Health, readiness, public keys, robots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::mounted::Routes;
use crate::web::Web;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/robots.txt", get(robots))
        .route("/.well-known/jwks.json", get(keys))
}

/// The process lives.
async fn health() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

/// Storage takes writes: a load balancer may send requests here.
async fn ready(State(web): State<Arc<Web>>) -> Response {
    match web.engine.ping().await {
        Ok(()) => Json(json!({"status": "ok"})).into_response(),
        Err(error) => {
            let mut response =
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "2")], Json(json!({"status": "unavailable"}))).into_response();
            response.extensions_mut().insert(crate::frame::Logged(Arc::new(error)));
            response
        }
    }
}

/// Nothing here is for search engines.
async fn robots() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "User-agent: *\nDisallow: /\n")
}

/// The public keys of the app this host belongs to (RFC 7517).
async fn keys(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let directory = web.engine.directory();
    let keys: Vec<_> = web
        .app_of_call(&headers, None)
        .map(|app| directory.keys_of(app.id).map(|key| key.jwk().clone()).collect())
        .unwrap_or_default();
    ([(CACHE_CONTROL, "public, max-age=600")], Json(json!({"keys": keys}))).into_response()
}
