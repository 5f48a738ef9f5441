//! The signed-in page with the person's devices, and signing them out, for sessions that stay on our own host.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::apps::{App, HandoffRevocation};
use passlink_engine::caller::{Authority, Caller, RequestContext};
use passlink_engine::ids::SessionId;
use passlink_engine::sessions::authenticate::Authenticated;
use passlink_engine::sessions::of_group::GroupSession;
use passlink_engine::sessions::{Session, SignedIn};
use passlink_engine::time::Timestamp;
use passlink_engine::{ErrorKind, Result};

use super::guard::{Fields, Form};
use super::respond::{Page, failed, redirect};
use crate::extract::request::{Context, Segment};
use crate::pages::views::{DeviceRow, ENGLISH, SignedInPage};
use crate::web::{CookieName, Web, brand};

pub(super) const SCOPE: &str = "sign out";

/// The live session of this browser, by our own cookie or by that of a dialect.
pub(super) async fn current(web: &Web, headers: &HeaderMap) -> Result<Option<Authenticated>> {
    let found = match web.cookie(headers, CookieName::Session) {
        Some(token) => web.engine.authenticate_session_token(&token).await,
        None => match crate::dialects::apphandoff::access_cookie(headers) {
            Some(token) => web.engine.authenticate_access_token(&token, crate::handover::AUDIENCE).await,
            None => return Ok(None),
        },
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The live session of a group that this browser has instead of a person's, and its app.
async fn current_group(web: &Web, headers: &HeaderMap) -> Result<Option<(Arc<App>, GroupSession)>> {
    let Some(token) = web.cookie(headers, CookieName::Session) else { return Ok(None) };
    match web.engine.authenticate_group_session(&token).await {
        Ok(session) => Ok(web.engine.directory().app(session.app).map(|app| (app, session))),
        Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated) => Ok(None),
        Err(error) => Err(error),
    }
}

/// For which group somebody is signed in here.
async fn show_group(web: &Web, headers: &HeaderMap) -> Result<Response> {
    let Some((app, session)) = current_group(web, headers).await? else { return Ok(redirect(&start(web, headers)?, [])) };
    let shown = web.show_form(headers, SCOPE)?;
    let page = SignedInPage {
        words: &ENGLISH,
        brand: brand(&app),
        address: session.group.name.clone(),
        is_group: true,
        since: moment(session.created_at),
        ends: moment(session.expires_at),
        continue_url: app.settings.default_origin.clone().filter(|origin| *origin != web.engine.issuer()),
        sign_out_action: "/sign-out".to_owned(),
        nonce: shown.nonce,
        devices: Vec::new(),
        ends_together: false,
        hand_off_url: String::new(),
    };
    Ok(Page::new(page.render()).cookie(shown.cookie).respond())
}

/// Where to send a person without a session.
pub(super) fn start(web: &Web, headers: &HeaderMap) -> Result<String> {
    let app = web.app_of_call(headers, None)?;
    Ok(if web.settings.dev { "/".to_owned() } else { app.settings.default_origin.clone().unwrap_or_else(|| "/".to_owned()) })
}

/// The person of a session, as who asks.
pub(super) fn person(found: &Authenticated, context: &RequestContext) -> Caller {
    let authority = Authority::User(found.signed_in.user.id);
    Caller { app: Arc::clone(&found.app), authority, context: context.clone() }
}

/// Who is signed in here, and where else.
pub(super) async fn show(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap) -> Response {
    let answer = async {
        let Some(found) = current(&web, &headers).await? else { return show_group(&web, &headers).await };
        let shown = web.show_form(&headers, SCOPE)?;
        let signed_in = &found.signed_in;
        let held = web.engine.list_own_sessions(&person(&found, &context)).await?;
        let page = SignedInPage {
            words: &ENGLISH,
            brand: brand(&found.app),
            address: signed_in.user.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            is_group: false,
            since: moment(signed_in.session.created_at),
            ends: moment(signed_in.session.expires_at),
            continue_url: found.app.settings.default_origin.clone().filter(|origin| *origin != web.engine.issuer()),
            sign_out_action: "/sign-out".to_owned(),
            nonce: shown.nonce,
            devices: devices(&held, signed_in.session.id),
            ends_together: found.app.settings.handoff_revocation == HandoffRevocation::Cascade,
            hand_off_url: "/handoff".to_owned(),
        };
        Ok(Page::new(page.render()).cookie(shown.cookie).respond())
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

/// A person's sessions as their list of devices: oldest first, each with those below it that it handed on to.
fn devices(held: &[SignedIn], this: SessionId) -> Vec<DeviceRow> {
    let row = |session: &Session| DeviceRow {
        label: session.label.as_ref().map(ToString::to_string),
        device: session.device.clone(),
        since: moment(session.created_at),
        parent: None,
        is_this: session.id == this,
        sign_out_action: format!("/sign-out/{}", session.id),
    };
    let find = |id: SessionId| held.iter().map(|held| &held.session).find(|session| session.id == id);
    let parent = |session: &Session| session.parent.and_then(find);
    let mut rows = Vec::with_capacity(held.len());
    // What is left to show, the next one last.
    let mut left: Vec<&Session> =
        held.iter().rev().map(|held| &held.session).filter(|session| parent(session).is_none()).collect();
    while let Some(session) = left.pop() {
        rows.push(DeviceRow { parent: parent(session).map(|parent| row(parent).name(&ENGLISH)), ..row(session) });
        left.extend(held.iter().rev().map(|held| &held.session).filter(|child| child.parent == Some(session.id)));
    }
    rows
}

/// Ends a session of the person who looks at the list, and what the app's policy ends with it.
pub(super) async fn sign_out_device(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    Segment(id): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let form = Form { scope: SCOPE.to_owned(), back: "/signed-in".to_owned(), gesture: true };
    form.act(&web, &context.request_id, &headers, &fields, async || {
        let Some(found) = current(&web, &headers).await? else { return Ok(redirect(&start(&web, &headers)?, [])) };
        let ended = match id.parse() {
            Ok(id) => web.engine.end_own_session(&person(&found, &context), id).await,
            Err(_) => return Ok(redirect("/signed-in", [])),
        };
        match ended {
            Ok(ended) if ended.contains(&found.signed_in.session.id) => {
                Ok(redirect(&start(&web, &headers)?, cleared_cookies(&web)))
            }
            Ok(_) => Ok(redirect("/signed-in", [])),
            // It ended a moment ago: the list says so.
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(redirect("/signed-in", [])),
            Err(error) => Err(error),
        }
    })
    .await
}

/// GET of a form's address, as after a reload.
pub(super) async fn back() -> Response {
    redirect("/signed-in", [])
}

fn cleared_cookies(web: &Web) -> Vec<String> {
    let mut cookies = crate::dialects::apphandoff::cleared_cookies(web);
    cookies.push(web.set_cookie(CookieName::Session, "", Some(0)));
    cookies
}

/// Ends the session of this browser.
pub(super) async fn sign_out(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let form = Form { scope: SCOPE.to_owned(), back: "/signed-in".to_owned(), gesture: true };
    form.act(&web, &context.request_id, &headers, &fields, async || {
        if let Some(found) = current(&web, &headers).await? {
            let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
            web.engine.revoke_session(&caller, found.signed_in.session.id).await?;
        } else if let (Some(_), Some(token)) = (current_group(&web, &headers).await?, web.cookie(&headers, CookieName::Session)) {
            web.engine.end_group_session(&context, &token).await?;
        }
        Ok(redirect(&start(&web, &headers)?, cleared_cookies(&web)))
    })
    .await
}

/// A moment for people: `2026-01-31 12:00 UTC`.
pub(super) fn moment(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}
