//! `/v0/auth/session`: the session that a link became (contract section 5), for the browser that holds its cookie and for the app's own server.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Call, Held};
use super::error::{Refusal, done};
use super::{body, wire};
use crate::extract::request::Context;
use crate::frame::empty;
use crate::routes::respond::with_cookies;
use crate::web::{CookieName, Web};

/// A session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the answer")]
pub(super) struct SessionBody {
    data: wire::Session,
}

/// The session of the cookie or the bearer token.
#[utoipa::path(
    get,
    path = "/v0/auth/session",
    tag = "Authentication",
    security(("session" = []), ("session_cookie" = [])),
    responses(
        (status = 200, description = "The session.", body = SessionBody),
        (status = 401, description = "There is no live session.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn find(held: Held) -> Result<Response, Refusal> {
    done(StatusCode::OK, wire::Session::of(&held.session))
}

/// Ends the session of the cookie or the bearer token, with all its tokens.
#[utoipa::path(
    delete,
    path = "/v0/auth/session",
    tag = "Authentication",
    security(("session" = []), ("session_cookie" = [])),
    responses(
        (status = 204, description = "It has ended."),
        (status = 401, description = "There is no live session.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn end(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    held: Held,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    web.engine.end_group_session(&context, &held.token).await?;
    let is_own = web.cookie(&headers, CookieName::Session).as_deref() == Some(held.token.as_str());
    let cleared = is_own.then(|| web.set_cookie(CookieName::Session, "", Some(0)));
    Ok(with_cookies(empty(StatusCode::NO_CONTENT), cleared))
}

/// Exchanges a code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct ExchangeCode {
    /// The parameter `code` with which the browser came to the app.
    code: String,
}

/// A session and a token of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Exchanged {
    #[serde(flatten)]
    session: wire::Session,
    /// Shows the session as a bearer token, to this operation's siblings.
    session_token: String,
}

/// The answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the answer")]
pub(super) struct ExchangedBody {
    data: Exchanged,
}

/// Exchanges the code with which a browser came to an app on another domain: once, within a minute.
#[utoipa::path(
    post,
    path = "/v0/auth/session",
    tag = "Authentication",
    security(("client" = ["auth:create"])),
    request_body = ExchangeCode,
    responses(
        (status = 200, description = "The session, with a token of it.", body = ExchangedBody),
        (status = 401, description = "No valid token.", body = wire::ErrorBody),
        (status = 403, description = "The token does not allow this.", body = wire::ErrorBody),
        (status = 404, description = "The code was never made, was used, or is too old.", body = wire::ErrorBody),
        (status = 422, description = "A bad field.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn exchange(
    State(web): State<Arc<Web>>,
    call: Call,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    call.require("link:create")?;
    let mut fields = body::read(&headers, body).await?;
    let code = fields.required("code");
    fields.finish()?;
    let (session, token) = web.engine.exchange_session_code(&call.caller, &code.unwrap_or_default()).await?;
    done(StatusCode::OK, Exchanged { session: wire::Session::of(&session), session_token: token.expose().to_owned() })
}
