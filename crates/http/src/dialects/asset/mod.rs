//! Asset: links that sign in for a business, asked for by machine clients with scoped tokens. Contract: `contracts/asset.md`.
//!
//! A tenant is an app, a business one of its groups. Clients show their credentials at `/v0/auth/token` and a token everywhere else; a person opens the link at
//! `/magic-link…` (`open.rs`), which is a page and no part of the API.

mod auth;
mod body;
mod budget;
mod business;
mod error;
mod ids;
mod magic_link;
pub mod notice;
mod open;
mod session;
mod token;
mod wire;

use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use passlink_engine::Error;
use passlink_engine::apps::tokens::ScopeNames;
use std::sync::Arc;
use utoipa::OpenApi;

use super::Dialect;
use crate::mounted::Routes;
use crate::web::Web;
use error::Refusal;
pub(super) use wire::tenant;

pub(super) const DIALECT: Dialect = Dialect {
    slug: "asset",
    name: "Asset",
    sentence: "Make sign-in links for the businesses you serve, from your server, with scoped client tokens.",
    owns: |path| path == "/v0" || path.starts_with("/v0/"),
    errors: &[],
    document: || Document::openapi(),
    routes,
    headers: |web, _, _| budget::untouched(web),
    error: answer,
    not_found: || Refusal::no_route().into_response(),
};

/// Their scopes and ours. Whoever has none of these, such as one that may only read ledgers, has no business here.
const SCOPES: &ScopeNames = &[
    ("auth:create", "link:create"),
    ("business:create", "group:create"),
    ("business:read", "group:read"),
    ("business:update", "group:update"),
];

/// Where links open. Below it stands the place they lead to, for people to see.
const DOOR: &str = "/magic-link";

fn answer(error: &Error) -> Response {
    Refusal::of(error).into_response()
}

fn routes() -> Routes {
    let counted = |methods: MethodRouter<Arc<Web>>| methods.layer(from_fn(budget::tell));
    let api = Routes::new()
        .route("/v0/auth/token", counted(post(token::create)))
        .route("/v0/auth/magic-link", counted(post(magic_link::create)))
        .route("/v0/auth/session", counted(get(session::find).post(session::exchange).delete(session::end)))
        .route("/v0/business", counted(get(business::list).post(business::create)))
        .route("/v0/business/{business_id}", counted(get(business::find).patch(business::update)))
        .method_not_allowed_fallback(|| async { Refusal::no_method() });
    let page = Routes::new()
        .route("/magic-link", get(open::show).post(open::press))
        // The place may be the app's front page, which has no name of its own.
        .route("/magic-link/", get(open::show).post(open::press))
        .route("/magic-link/{*place}", get(open::show).post(open::press))
        .method_not_allowed_fallback(crate::routes::method_not_allowed);
    api.merge(page)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Passlink: Asset dialect",
        version = "0",
        description = "Links that sign in for a business. Get a token with the credentials of a client, then make businesses and links with it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        token::create,
        magic_link::create,
        session::find,
        session::exchange,
        session::end,
        business::create,
        business::find,
        business::update,
        business::list
    ),
    components(schemas(wire::ErrorBody)),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
        };
        let components = document.components.get_or_insert_with(Default::default);
        let scopes = Scopes::from_iter([
            ("auth:create", "Make links and exchange codes"),
            ("business:create", "Make businesses"),
            ("business:read", "Read businesses"),
            ("business:update", "Change businesses"),
        ]);
        let flow = Flow::ClientCredentials(ClientCredentials::new("/v0/auth/token", scopes));
        components.add_security_scheme("client", SecurityScheme::OAuth2(OAuth2::new([flow])));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("session", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new("__Host-passlink-session"));
        components.add_security_scheme("session_cookie", SecurityScheme::ApiKey(cookie));
    }
}
