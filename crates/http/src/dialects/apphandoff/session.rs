//! The session operations (contract section 6).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cookie::SameSite;
use http::header::{AUTHORIZATION, CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use passlink_engine::apps::App;
use passlink_engine::caller::Caller;
use passlink_engine::ids::SessionId;
use passlink_engine::redirects::{Origin, RelativePath};
use passlink_engine::secret::Token;
use passlink_engine::sessions::authenticate::Authenticated;
use passlink_engine::{Error, ErrorKind};

use super::error::Refusal;
use super::{ACCESS_COOKIE, REFRESH_COOKIE, access_cookie, body, cleared_cookies, cors, wire};
use crate::extract::request::Context;
use crate::handover::{AUDIENCE, access_token};
use crate::web::{Web, cookie_value, set_cookie};

/// A token is never longer than this, in bytes.
const LONGEST_TOKEN: usize = 4096;

/// The session of the bearer token, or else of the cookie.
async fn signed_in(web: &Web, headers: &HeaderMap) -> Result<Authenticated, Refusal> {
    let token = match headers.get(AUTHORIZATION) {
        Some(value) => {
            let text = value.to_str().map_err(|_| Refusal::unauthorized())?;
            let (scheme, token) = text.split_once(' ').ok_or_else(Refusal::unauthorized)?;
            Some(token.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer")).ok_or_else(Refusal::unauthorized)?.to_owned()
        }
        None => access_cookie(headers).ok_or_else(Refusal::unauthorized)?,
    };
    spoken(web.engine.authenticate_access_token(&token, AUDIENCE).await?)
}

/// Refuses the session of an app for which this dialect is switched off.
fn spoken(found: Authenticated) -> Result<Authenticated, Refusal> {
    if found.app.speaks(super::DIALECT.slug) { Ok(found) } else { Err(Refusal::not_found()) }
}

fn uncached(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn add_cookies(response: &mut Response, cookies: impl IntoIterator<Item = String>) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
}

/// Turns the tokens of the callback's fragment into cookies.
#[utoipa::path(
    post,
    path = "/api/auth/exchange-supabase-token",
    tag = "Session",
    request_body = wire::Exchange,
    responses(
        (status = 200, description = "The cookies are set.", body = wire::Exchanged),
        (status = 400, description = "Bad fields.", body = wire::ErrorBody),
        (status = 401, description = "The tokens are dead or do not belong together.", body = wire::ErrorBody),
        (status = 403, description = "The call came from an origin that is not allowed.", body = wire::ErrorBody),
        (status = 413, description = "The body is too large.", body = wire::ErrorBody),
        (status = 415, description = "The body is not JSON by its media type.", body = wire::ErrorBody),
    )
)]
pub(super) async fn exchange(State(web): State<Arc<Web>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    if !cors::may_use_cookies(&web, &headers) {
        return Err(Refusal::cross_site());
    }
    let mut fields = body::read(&headers, body).await?;
    let access = fields.required_text("access_token", LONGEST_TOKEN);
    let refresh = fields.required_text("refresh_token", LONGEST_TOKEN);
    let redirect_to = fields.text("redirect_to", 2048);
    fields.finish()?;
    let (access, refresh) = (access.unwrap_or_default(), refresh.unwrap_or_default());
    let found = spoken(web.engine.authenticate_access_token(&access, AUDIENCE).await?)?;
    web.engine.refresh_token_belongs_to(&refresh, found.signed_in.session.id).await?;

    let safe = redirect_to.filter(|text| RelativePath::parse(text).is_some());
    let mut response = uncached(Json(wire::Exchanged { redirect_to: safe.unwrap_or_else(|| "/".to_owned()) }));
    let left = found.signed_in.session.expires_at.millis_since(web.engine.now()) / 1000;
    let cookie = |name, value: &str| set_cookie(name, value, Some(left), SameSite::Lax, web.secure);
    add_cookies(&mut response, [cookie(ACCESS_COOKIE, &access), cookie(REFRESH_COOKIE, &refresh)]);
    Ok(response)
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/api/auth/me",
    tag = "Session",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, body = wire::Me, description = "The user."), (status = 401, body = wire::ErrorBody, description = "Nobody, or the session has ended."))
)]
pub(super) async fn me(State(web): State<Arc<Web>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let found = signed_in(&web, &headers).await?;
    let user = &found.signed_in.user;
    let email = user.email.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(uncached(Json(wire::Me { id: user.id.to_string(), email })))
}

/// Whether the signed-in user may go on.
#[utoipa::path(
    get,
    path = "/api/auth/status",
    tag = "Session",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, body = wire::Status, description = "The state."), (status = 401, body = wire::ErrorBody, description = "Nobody, or the session has ended."))
)]
pub(super) async fn status(State(web): State<Arc<Web>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let found = signed_in(&web, &headers).await?;
    Ok(uncached(Json(wire::Status { approved: found.signed_in.user.disabled_at.is_none() })))
}

/// Exchanges a refresh token for new tokens.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    tag = "Session",
    request_body = wire::Refresh,
    responses(
        (status = 200, description = "New tokens.", body = wire::Refreshed),
        (status = 400, description = "Bad fields.", body = wire::ErrorBody),
        (status = 401, description = "The token is unknown, used up, or its session has ended.", body = wire::ErrorBody),
        (status = 413, description = "The body is too large.", body = wire::ErrorBody),
        (status = 415, description = "The body is not JSON by its media type.", body = wire::ErrorBody),
        (status = 429, description = "Too many tries; see Retry-After.", body = wire::ErrorBody),
    )
)]
pub(super) async fn refresh(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let presented = fields.required_text("refresh_token", LONGEST_TOKEN);
    fields.finish()?;
    let presented = presented.unwrap_or_default();
    let app = Token::parse(&presented).and_then(|token| web.engine.directory().app_by_tag(token.app()));
    if app.is_some_and(|app| !app.speaks(super::DIALECT.slug)) {
        return Err(Refusal::not_found());
    }
    let refreshed = web.engine.refresh_session(&context, &presented).await.map_err(|error| {
        let dead = matches!(error.kind(), ErrorKind::Unauthenticated);
        let refusal = Refusal::from(error);
        if dead { refusal.coded("invalid_refresh_token") } else { refusal }
    })?;
    let access = access_token(&web.engine, &refreshed.signed_in, refreshed.signed_in.session.refreshed_at)?;
    let token = access.token.expose().to_owned();
    Ok(uncached(Json(wire::Refreshed {
        access_token: token.clone(),
        token,
        refresh_token: refreshed.refresh_token.expose().to_owned(),
        expires_in: access.expires_in,
    })))
}

/// The session that the cookies are of. They live as long as the session does, and so longer than an access token: where that one has expired, the refresh
/// token says whose they are.
async fn session_of_cookies(web: &Web, headers: &HeaderMap) -> Result<Option<(Arc<App>, SessionId)>, Error> {
    if let Some(token) = access_cookie(headers) {
        match web.engine.authenticate_access_token(&token, AUDIENCE).await {
            Ok(found) => return Ok(Some((found.app, found.signed_in.session.id))),
            Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated) => {}
            Err(error) => return Err(error),
        }
    }
    let Some(token) = cookie_value(headers, REFRESH_COOKIE) else { return Ok(None) };
    let Some(found) = web.engine.session_of_refresh_token(&token).await? else { return Ok(None) };
    let app = web.engine.directory().app(found.session.app).filter(|app| app.speaks(super::DIALECT.slug));
    Ok(app.map(|app| (app, found.session.id)))
}

/// Ends the session of the cookies and removes them.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "Session",
    security(("cookie" = [])),
    responses(
        (status = 200, description = "Signed out; also when nobody was signed in.", body = wire::LoggedOut),
        (status = 303, description = "The same, for a browser that navigates: to `/`."),
        (status = 403, description = "The call came from an origin that is not allowed.", body = wire::ErrorBody),
    )
)]
pub(super) async fn logout(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let origin = headers.get(http::header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let foreign = site == Some("cross-site") && origin.is_none_or(|text| Origin::parse(text).is_none());
    if foreign || !cors::may_use_cookies(&web, &headers) {
        return Err(Refusal::cross_site());
    }
    if let Some((app, session)) = session_of_cookies(&web, &headers).await? {
        web.engine.revoke_session(&Caller::anonymous(app, context), session).await?;
    }
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let mut response =
        if navigates { crate::routes::respond::redirect("/", []) } else { uncached(Json(wire::LoggedOut { ok: true })) };
    add_cookies(&mut response, cleared_cookies(&web));
    Ok(response)
}
