//! AppHandoff: a mailed link, and the session operations under it. Contract: `contracts/apphandoff.md`.
//!
//! All operations answer below `/api/auth` and, as the vendor's guide writes them, below `/auth`.

mod body;
mod cors;
mod error;
mod origin;
mod send;
mod session;
mod wire;

use axum::response::Response;
use axum::routing::{get, post};
use cookie::SameSite;
use http::HeaderMap;
use passlink_engine::Error;
use utoipa::OpenApi;

use super::Dialect;
use crate::mounted::Routes;
use crate::web::{Web, cookie_value, set_cookie};
use error::Refusal;

pub(super) const DIALECT: Dialect = Dialect {
    slug: "apphandoff",
    name: "AppHandoff",
    sentence: "Mail a sign-in link from a browser without credentials; the link hands a session to your callback page.",
    owns,
    errors: &[],
    document: || Document::openapi(),
    routes,
    headers: |web, _, headers| cors::headers(web, headers),
    error: answer,
    not_found: || Refusal::not_found().into_response_now(),
};

const ACCESS_COOKIE: &str = "sb-access-token";
const REFRESH_COOKIE: &str = "sb-refresh-token";

/// A person's browser is sent to the callback, so that is a page's path.
fn owns(path: &str) -> bool {
    path == "/api"
        || path.starts_with("/api/")
        || path.starts_with("/auth/") && !path.starts_with("/auth/v1") && path != "/auth/callback"
}

fn answer(error: &Error) -> Response {
    Refusal::of(error).into_response_now()
}

fn routes() -> Routes {
    let mut routes = Routes::new();
    for base in ["/api/auth", "/auth"] {
        let at = |operation: &str| format!("{base}/{operation}");
        routes = routes
            .route(&at("send-magic-link"), post(send::send_magic_link).options(cors::preflight))
            .route(&at("exchange-supabase-token"), post(session::exchange).options(cors::preflight))
            .route(&at("me"), get(session::me).options(cors::preflight))
            .route(&at("status"), get(session::status).options(cors::preflight))
            .route(&at("refresh"), post(session::refresh).options(cors::preflight))
            .route(&at("logout"), post(session::logout).options(cors::preflight));
    }
    routes.method_not_allowed_fallback(|| async { Refusal::method_not_allowed() })
}

/// The access token in this dialect's cookie.
pub(crate) fn access_cookie(headers: &HeaderMap) -> Option<String> {
    cookie_value(headers, ACCESS_COOKIE)
}

/// `Set-Cookie` values that remove this dialect's cookies.
pub(crate) fn cleared_cookies(web: &Web) -> Vec<String> {
    [ACCESS_COOKIE, REFRESH_COOKIE].map(|name| set_cookie(name, "", Some(0), SameSite::Lax, web.secure)).to_vec()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Passlink: AppHandoff dialect",
        version = "1",
        description = "Sign-in by mailed link for browser apps. No credentials: the app is found by host or by the calling origin, which must be on its allow-list.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(send::send_magic_link, session::exchange, session::me, session::status, session::refresh, session::logout),
    components(schemas(wire::ErrorBody)),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(ACCESS_COOKIE))));
    }
}
