//! Rownd: links that identify, shorten or hand off, profiles by an app's schema, groups. Contract: `contracts/rownd.md`.
//!
//! An app's key and secret are a client of ours; a person's token is signed by us and bound to a session.

mod auth;
mod body;
mod challenge;
mod document;
mod error;
mod expiration;
mod files;
mod groups;
mod handoff;
mod ids;
mod invites;
mod magic;
mod me;
mod open;
mod session;
mod tokens;
mod users;
mod wire;

use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use passlink_engine::Error;

use super::Dialect;
use crate::mounted::Routes;
use crate::web::Web;
use error::Refusal;
pub(crate) use open::address;

pub(super) const DIALECT: Dialect = Dialect {
    slug: "rownd",
    name: "Rownd",
    sentence: "Make links that sign in, shorten or hand off to another device, and keep profiles and groups: for code written against Rownd.",
    owns,
    errors: &[],
    document: document::document,
    routes,
    headers,
    error: answer,
    not_found: || Refusal::not_found().into_response(),
};

/// The path of links, up to their token.
const DOOR: &str = "/hub/auth/magic/";

fn owns(path: &str) -> bool {
    // Links are opened by people, who get pages.
    let below = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    let is_link = path.strip_prefix(DOOR).is_some_and(|rest| !rest.is_empty());
    !is_link && (below("/hub") || below("/me") || below("/applications"))
}

fn answer(error: &Error) -> Response {
    Refusal::of(error).into_response()
}

/// What browsers may call without a secret, from any page.
fn is_public(path: &str) -> bool {
    let exactly = ["/hub/app-config", "/hub/auth/token", "/hub/auth/keys", "/me"];
    let below = ["/hub/auth/.well-known/", DOOR, "/me/"];
    exactly.contains(&path) || below.iter().any(|root| path.starts_with(root))
}

fn headers(_: &Web, path: &str, _: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if is_public(path) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    headers
}

/// The browser's question before a call from another origin.
async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, x-rownd-app-key, x-rownd-hub-key, x-rownd-magic-allow-exp"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The groups of an app and those of a person have the same operations.
fn group_routes(routes: Routes, base: &str) -> Routes {
    let at = |path: &str| format!("{base}{path}");
    let own = base == "/me/groups";
    let with = |methods: axum::routing::MethodRouter<std::sync::Arc<Web>>| if own { methods.options(preflight) } else { methods };
    routes
        .route(base, with(post(groups::create).get(groups::list)))
        .route(&at("/{group}"), with(get(groups::find).put(groups::change).patch(groups::change).delete(groups::remove)))
        .route(&at("/{group}/members"), with(post(groups::add).get(groups::members)))
        .route(
            &at("/{group}/members/{member}"),
            with(get(groups::find_member).put(groups::change_member).delete(groups::remove_member)),
        )
        .route(&at("/{group}/invites"), with(post(invites::create).get(invites::list)))
        .route(&at("/{group}/invites/{invite}"), with(get(invites::find).put(invites::change).delete(invites::remove)))
}

fn routes() -> Routes {
    let user = "/applications/{app}/users/{user}";
    let own = "/me/applications/{app}";
    let at = |base: &str, path: &str| format!("{base}/{path}");
    let routes = Routes::new()
        .route("/hub/auth/magic", post(magic::create).get(magic::list))
        .route("/me/auth/magic", post(magic::create_own).options(preflight))
        .route("/me/auth/magic/{link}", get(handoff::status).options(preflight))
        .route("/me/auth/magic/{link}/qr.svg", get(handoff::svg).options(preflight))
        .route("/me/auth/magic/{link}/qr.png", get(handoff::png).options(preflight))
        .route("/me/sessions", get(handoff::sessions).options(preflight))
        .route("/me/sessions/{session}", delete(handoff::end).options(preflight))
        .route("/hub/auth/token", post(session::refresh).options(preflight))
        .route("/hub/auth/init", post(challenge::init))
        .route("/hub/auth/challenge_status", post(challenge::status))
        .route("/hub/auth/complete", post(challenge::complete))
        .route("/hub/auth/keys", get(session::keys).options(preflight))
        .route("/hub/auth/.well-known/oauth-authorization-server", get(session::metadata).options(preflight))
        .route("/hub/app-config", get(session::app_config).options(preflight))
        .route("/applications/{app}/schema", get(session::schema))
        .route("/applications/{app}/users/data", get(users::list).put(users::replace_many))
        .route("/applications/{app}/users/actions", post(users::act))
        .route(&at(user, "data"), get(users::find).put(users::replace).patch(users::merge).delete(users::remove))
        .route(&at(user, "data/fields/{field}"), get(users::find_field).put(users::replace_field))
        .route(&at(user, "state"), post(users::state))
        .route(&at(user, "signout"), post(users::sign_out))
        .route("/me", get(me::find).options(preflight))
        .route("/me/meta", get(me::meta).put(me::remember).options(preflight))
        .route(&at(own, "data"), get(me::find).put(me::replace).delete(me::remove).options(preflight))
        .route(&at(own, "data/fields/{field}"), get(me::find_field).put(me::replace_field).options(preflight))
        .route(&at(own, "signout"), post(me::sign_out).options(preflight));
    let routes = group_routes(routes, "/applications/{app}/groups");
    let routes = routes.route("/me/groups/{group}/invites/{invite}/accept", post(invites::accept).options(preflight));
    let routes = group_routes(routes, "/me/groups").method_not_allowed_fallback(|| async { Refusal::no_method() });
    let links = Routes::new()
        .route("/hub/auth/magic/{id}", get(open::open).post(open::press).merge(delete(magic::revoke)).options(open::preflight))
        .route("/hub/auth/magic/robots.txt", get(files::robots))
        .route("/hub/auth/magic/.well-known/apple-app-site-association", get(files::apple))
        .route("/hub/auth/magic/.well-known/assetlinks.json", get(files::android))
        .route("/hub/auth/magic/download", get(files::download))
        .method_not_allowed_fallback(crate::routes::method_not_allowed);
    routes.merge(links)
}
