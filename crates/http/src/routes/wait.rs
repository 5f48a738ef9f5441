//! The screen of the browser that asked: it waits, shows the number, takes the code, and goes on by itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use passlink_engine::caller::RequestContext;
use passlink_engine::ids::LinkId;
use passlink_engine::links::open::DeadReason;
use passlink_engine::links::redeem::{CodeFor, Redemption};
use passlink_engine::links::wait::{Again, Progress, Waiting};
use passlink_engine::redirects::RedirectTarget;
use passlink_engine::{Error, ErrorKind, Result};
use tokio::sync::watch;

use super::guard::{Fields, Form};
use super::link;
use super::respond::{Page, failed, redirect};
use crate::extract::request::{Context, Segment};
use crate::pages::views::{AlreadyInPage, ENGLISH, EntryError, WaitingPage};
use crate::web::{Web, brand};

type Shared = State<Arc<Web>>;

/// How often the state is read for a waiting screen.
const LOOK: Duration = Duration::from_millis(700);
/// A stream ends after this many looks; the browser opens it again by itself.
const LOOKS: u32 = 400;

/// The scope of the forms of this request's screen.
fn scope_of(id: &str) -> String {
    format!("wait {id}")
}

fn parse(id: &str) -> Result<LinkId> {
    id.parse().map_err(|_| Error::new(ErrorKind::NotFound, "There is no such request"))
}

/// The screen.
pub(super) async fn show(State(web): Shared, Context(context): Context, Segment(id): Segment, headers: HeaderMap) -> Response {
    render(&web, &headers, &id, None).await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

async fn render(web: &Web, headers: &HeaderMap, id: &str, error: Option<EntryError>) -> Result<Response> {
    let id = parse(id)?;
    let Some(waiting) = web.engine.waiting(id, &web.browser(headers)).await? else {
        return Ok(link::dead(web, &*web.app_of_call(headers, None)?, DeadReason::Unknown, None, None).respond());
    };
    let shown = web.show_form(headers, &scope_of(&id.to_string()))?;
    let again = (waiting.masked_address.clone(), format!("/wait/{id}/again"), shown.nonce.clone());
    let page = match waiting.progress {
        Progress::Pending | Progress::Approved => screen(&waiting, id, shown.nonce, error),
        Progress::Redeemed { here: true } => {
            let page = AlreadyInPage {
                words: &ENGLISH,
                brand: brand(&waiting.app),
                continue_url: link::home(waiting.redirect.as_ref()),
            };
            // Our own session is in this browser: straight on. Another app's session came by redirect and cannot be given twice.
            return Ok(if waiting.redirect.is_none() { redirect("/signed-in", []) } else { Page::new(page.render()).respond() });
        }
        Progress::Redeemed { here: false } => {
            link::dead(web, &waiting.app, DeadReason::Used, Some(again), waiting.redirect.as_ref())
        }
        Progress::Dead(reason) => link::dead(web, &waiting.app, reason, Some(again), waiting.redirect.as_ref()),
    };
    let origin = waiting.redirect.as_ref().map(RedirectTarget::origin);
    Ok(page.form_leads_to(origin).cookie(shown.cookie).respond())
}

fn screen(waiting: &Waiting, id: LinkId, nonce: String, error: Option<EntryError>) -> Page {
    let at = |action: &str| format!("/wait/{id}{action}");
    let page = WaitingPage {
        words: &ENGLISH,
        brand: brand(&waiting.app),
        masked_address: waiting.masked_address.clone(),
        number: waiting.number.map(|number| number.to_string()),
        nonce,
        code_action: at("/code"),
        error,
        resend_action: at("/again"),
        resend_wait_seconds: 30,
        start_url: waiting.app.settings.default_origin.clone().unwrap_or_else(|| "/".to_owned()),
        approved: waiting.progress == Progress::Approved,
        finish_action: at("/finish"),
        events_url: at("/events"),
        status_url: at("/status"),
        done_url: at(""),
        refresh_seconds: 15,
    };
    Page::new(page.render()).scripts()
}

/// GET of a form's address, as after a reload.
pub(super) async fn back(Segment(id): Segment) -> Response {
    redirect(&parse(&id).map_or_else(|_| "/".to_owned(), |id| format!("/wait/{id}")), [])
}

async fn state(web: &Web, headers: &HeaderMap, id: LinkId) -> &'static str {
    match web.engine.waiting(id, &web.browser(headers)).await {
        Ok(Some(waiting)) => match waiting.progress {
            Progress::Pending => "pending",
            Progress::Approved => "approved",
            Progress::Redeemed { .. } => "redeemed",
            Progress::Dead(_) => "dead",
        },
        Ok(None) => "dead",
        // Storage is away for the moment: the screen goes on waiting.
        Err(_) => "pending",
    }
}

/// The state as the script of a waiting screen reads it.
pub(super) fn json(state: &str) -> String {
    format!("{{\"state\":\"{state}\"}}")
}

/// The state, once.
pub(super) async fn status(State(web): Shared, Segment(id): Segment, headers: HeaderMap) -> Response {
    let state = match parse(&id) {
        Ok(id) => state(&web, &headers, id).await,
        Err(_) => "dead",
    };
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], json(state)).into_response()
}

/// Waits so long; whether the server is to stop.
async fn stops_within(stopping: Option<watch::Receiver<bool>>, time: Duration) -> bool {
    match stopping {
        // Who would say it is gone: it stops.
        Some(mut stopping) => tokio::time::timeout(time, stopping.wait_for(|stops| *stops)).await.is_ok(),
        None => {
            tokio::time::sleep(time).await;
            false
        }
    }
}

/// The state, whenever it changes.
pub(super) async fn events(State(web): Shared, Segment(id): Segment, headers: HeaderMap) -> Response {
    let Ok(id) = parse(&id) else { return crate::frame::empty(http::StatusCode::NOT_FOUND) };
    let looks = stream::unfold((0, "", web, headers), move |(mut look, last, web, headers)| async move {
        if last == "redeemed" || last == "dead" {
            return None;
        }
        while look < LOOKS {
            let now = state(&web, &headers, id).await;
            if now != last {
                let event: Result<Event, Infallible> = Ok(Event::default().data(json(now)));
                return Some((event, (look, now, web, headers)));
            }
            look += 1;
            // The page asks for another stream, of another server, or looks by itself.
            if stops_within(web.settings.stopping.clone(), LOOK).await {
                return None;
            }
        }
        None
    });
    let mut response = Sse::new(looks).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response();
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

/// The code of the mail, typed where it was asked for.
pub(super) async fn code(
    State(web): Shared,
    Context(context): Context,
    Segment(id): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &id, &headers, &fields, true, async |link_id| {
        let wrong = match web.engine.redeem_code(&context, CodeFor::Request(link_id), &fields.code, &web.browser(&headers)).await
        {
            Ok(Redemption::WrongCode { left: 0 }) => None,
            Ok(Redemption::WrongCode { left }) => {
                Some(EntryError::WrongCode { tries_left: u8::try_from(left).unwrap_or(u8::MAX) })
            }
            Ok(Redemption::Done(redeemed)) => return link::welcome(&web, &redeemed).await,
            Ok(Redemption::Dead { app, reason: DeadReason::Withdrawn, redirect, .. }) => {
                return Ok(link::dead(&web, &app, DeadReason::Withdrawn, None, redirect.as_ref()).respond());
            }
            Ok(_) => None,
            Err(error) if matches!(error.kind(), ErrorKind::Invalid(_)) => Some(EntryError::MalformedCode),
            Err(error) => return Err(error),
        };
        render(&web, &headers, &id, wrong).await
    })
    .await
}

/// Another link to the same address.
pub(super) async fn again(
    State(web): Shared,
    Context(context): Context,
    Segment(id): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &id, &headers, &fields, true, async |link_id| {
        link::ask_again(&web, &context, Again::Request(link_id), &headers).await
    })
    .await
}

/// Finishes what was approved elsewhere. The page's script submits it, so no gesture is asked for: the browser's proof is the right.
pub(super) async fn finish(
    State(web): Shared,
    Context(context): Context,
    Segment(id): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &id, &headers, &fields, false, async |link_id| {
        match web.engine.finish_approved(&context, link_id, &web.browser(&headers)).await? {
            Redemption::Done(redeemed) => link::welcome(&web, &redeemed).await,
            // The link lives on, and the screen would try again for ever.
            Redemption::Dead { app, reason: DeadReason::Withdrawn, redirect, .. } => {
                Ok(link::dead(&web, &app, DeadReason::Withdrawn, None, redirect.as_ref()).respond())
            }
            _ => render(&web, &headers, &id, None).await,
        }
    })
    .await
}

/// Runs a form's action if it was pressed on the waiting screen itself.
async fn guarded(
    web: &Web,
    context: &RequestContext,
    id: &str,
    headers: &HeaderMap,
    fields: &Fields,
    gesture: bool,
    action: impl AsyncFnOnce(LinkId) -> Result<Response>,
) -> Response {
    let link_id = match parse(id) {
        Ok(link_id) => link_id,
        Err(error) => return failed(web, &context.request_id, error),
    };
    let form = Form { scope: scope_of(&link_id.to_string()), back: format!("/wait/{link_id}"), gesture };
    form.act(web, &context.request_id, headers, fields, async || action(link_id).await).await
}
