//! Files beside the links, for crawlers and for the system of a phone that has the app (contract section 1).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::DOOR;
use crate::pages::views;
use crate::pages::views::{DeadPage, ENGLISH, WayOn};
use crate::routes::respond::{Page, failed, redirect};
use crate::web::{Web, brand};

fn kept(mut response: Response, kind: &'static str) -> Response {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// Nothing here is for crawlers.
pub(super) async fn robots() -> Response {
    kept("User-agent: *\nDisallow: /\n".into_response(), "text/plain; charset=utf-8")
}

/// The iOS apps that open links of this server, over all of its apps.
pub(super) async fn apple(State(web): State<Arc<Web>>) -> Response {
    let directory = web.engine.directory();
    let ids: Vec<&String> = directory.apps().iter().flat_map(|app| &app.settings.ios_app_ids).collect();
    let details = json!([{"appIDs": ids, "components": [{"/": format!("{DOOR}*")}]}]);
    kept(Json(json!({"applinks": {"details": details}})).into_response(), "application/json")
}

/// The Android apps, likewise: `package/fingerprint`.
pub(super) async fn android(State(web): State<Arc<Web>>) -> Response {
    let directory = web.engine.directory();
    let apps = directory.apps().iter().flat_map(|app| &app.settings.android_apps);
    let statements: Vec<Value> = apps
        .filter_map(|entry| entry.split_once('/'))
        .map(|(package, fingerprint)| {
            json!({
                "relation": ["delegate_permission/common.handle_all_urls"],
                "target": {"namespace": "android_app", "package_name": package, "sha256_cert_fingerprints": [fingerprint]},
            })
        })
        .collect();
    kept(Json(statements).into_response(), "application/json")
}

/// Where a phone without the app gets it.
pub(super) async fn download(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    match web.app_of_call(&headers, None) {
        Ok(app) => match app.settings.download_url.clone().or_else(|| app.settings.default_redirect_url.clone()) {
            Some(url) => redirect(&url, []),
            None => {
                let page =
                    DeadPage { words: &ENGLISH, brand: brand(&app), reason: views::DeadReason::Unknown, way_on: WayOn::Advice };
                Page::new(page.render()).status(http::StatusCode::NOT_FOUND).respond()
            }
        },
        Err(error) => failed(&web, "", error),
    }
}
