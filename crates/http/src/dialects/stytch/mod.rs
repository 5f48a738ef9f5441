//! Stytch, consumer API: links that the caller delivers itself, users, and sessions with tokens and JWTs. Contract: `contracts/stytch.md`.
//!
//! A project is a client of ours: its id is the client id, its secret the client secret. The prefix of the id tells the environment in all other ids.

mod auth;
mod body;
mod email_links;
mod error;
mod errors;
mod factors;
mod ids;
mod jwt;
mod magic_links;
mod otps;
mod project;
mod redirect;
mod sandbox;
mod search;
mod sessions;
mod users;
mod wire;

use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::HeaderMap;
use passlink_engine::Error;
use utoipa::OpenApi;

use super::Dialect;
use crate::mounted::Routes;
use error::Refusal;

pub(super) const DIALECT: Dialect = Dialect {
    slug: "stytch",
    name: "Stytch",
    sentence: "Make sign-in links from your server, exchange their tokens for sessions, and manage users: for the official Stytch SDKs.",
    owns,
    errors: errors::MEANINGS,
    document: || Document::openapi(),
    routes,
    // Servers call this dialect; browsers have no business here.
    headers: |_, _, _| HeaderMap::new(),
    error: answer,
    not_found: || Refusal::no_route().into_response(),
};

/// Go's SDK doubles the first slash when its base URI ends in one.
const BASES: [&str; 2] = ["", "/"];

/// A page for people, whatever its path.
const REDIRECT: &str = "/v1/magic_links/redirect";

fn owns(path: &str) -> bool {
    if path == REDIRECT {
        return false;
    }
    let path = path.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(path);
    path == "/v1" || path.starts_with("/v1/")
}

fn answer(error: &Error) -> Response {
    Refusal::of(error).into_response()
}

fn routes() -> Routes {
    let mut routes = Routes::new();
    for base in BASES {
        let at = |path: &str| format!("{base}/v1/{path}");
        routes = routes
            .route(&at("magic_links"), post(magic_links::create))
            .route(&at("magic_links/authenticate"), post(magic_links::authenticate))
            .route(&at("magic_links/email/send"), post(email_links::send))
            .route(&at("magic_links/email/login_or_create"), post(email_links::login_or_create))
            .route(&at("magic_links/email/invite"), post(email_links::invite))
            .route(&at("magic_links/email/revoke_invite"), post(email_links::revoke_invite))
            .route(&at("otps/email/send"), post(otps::send))
            .route(&at("otps/email/login_or_create"), post(otps::login_or_create))
            .route(&at("otps/authenticate"), post(otps::authenticate))
            .route(&at("users/emails/{email_id}"), delete(factors::remove_email))
            .route(&at("users/phone_numbers/{phone_id}"), delete(factors::remove_phone))
            .route(&at("users/{user_id}/exchange_primary_factor"), put(factors::exchange))
            .route(&at("debug/whoami"), get(project::whoami))
            .route(&at("projects/metrics"), get(project::metrics))
            .route(&at("rbac/policy"), get(project::policy))
            .route(&at("users"), post(users::create))
            .route(&at("users/search"), post(search::search))
            .route(&at("users/{user_id}"), get(users::find).put(users::update).delete(users::remove))
            .route(&at("users/{user_id}/external_id"), delete(users::remove_external_id))
            .route(&at("sessions"), get(sessions::list))
            .route(&at("sessions/authenticate"), post(sessions::authenticate))
            .route(&at("sessions/revoke"), post(sessions::revoke))
            .route(&at("sessions/jwks/{project_id}"), get(sessions::jwks));
    }
    let page = Routes::new()
        .route(REDIRECT, get(redirect::show).post(redirect::go_on))
        .method_not_allowed_fallback(crate::routes::method_not_allowed);
    routes.method_not_allowed_fallback(|| async { Refusal::no_method() }).merge(page)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Passlink: Stytch dialect",
        version = "1",
        description = "Sign-in links, users and sessions for the official Stytch SDKs: point them at this server and use a client of Passlink as project id and secret.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        magic_links::create,
        magic_links::authenticate,
        email_links::send,
        email_links::login_or_create,
        email_links::invite,
        email_links::revoke_invite,
        otps::send,
        otps::login_or_create,
        otps::authenticate,
        users::create,
        users::find,
        users::update,
        users::remove,
        users::remove_external_id,
        factors::remove_email,
        factors::remove_phone,
        factors::exchange,
        search::search,
        sessions::list,
        sessions::authenticate,
        sessions::revoke,
        sessions::jwks,
        project::whoami,
        project::metrics,
        project::policy
    ),
    components(schemas(wire::ErrorBody)),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = document.components.get_or_insert_with(Default::default);
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        components.add_security_scheme("project", SecurityScheme::Http(basic));
    }
}
