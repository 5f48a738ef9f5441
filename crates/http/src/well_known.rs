//! Health, readiness, public keys, robots.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
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

/// Whose keys are wanted.
#[derive(Deserialize)]
struct Whose {
    /// The app's id as it stands in its tokens, or its name.
    app: Option<String>,
}

/// The public keys of an app (RFC 7517): of the one that is named, else of the one this host belongs to. Never of all, so that whoever checks no more than a
/// signature does not take another app's tokens for its own.
async fn keys(State(web): State<Arc<Web>>, query: Result<Query<Whose>, QueryRejection>, headers: HeaderMap) -> Response {
    let directory = web.engine.directory();
    let named = query.map(|Query(whose)| whose.app).unwrap_or_default();
    let app = match named {
        Some(name) => crate::dialects::app_named(&directory, &name),
        None => web.app_of_call(&headers, None).ok(),
    };
    let keys: Vec<_> = app.map(|app| directory.keys_of(app.id).map(|key| key.jwk().clone()).collect()).unwrap_or_default();
    ([(CACHE_CONTROL, "public, max-age=600")], Json(json!({"keys": keys}))).into_response()
}
