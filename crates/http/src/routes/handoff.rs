//! Handing a sign-in on to another device: asking for a QR code, the code, and what became of it. Everything here is for the browser that minted the link.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use passlink_engine::caller::RequestContext;
use passlink_engine::ids::LinkId;
use passlink_engine::links::Handover;
use passlink_engine::links::handoff::{Handoff, HandoffProgress, IssueHandoff};
use passlink_engine::links::open::DeadReason;
use passlink_engine::sessions::Label;
use passlink_engine::sessions::authenticate::Authenticated;
use passlink_engine::{Error, ErrorKind, Result};

use super::guard::{Fields, Form};
use super::respond::{Page, failed, private, redirect};
use super::session::{self, current, moment};
use super::wait::json;
use crate::extract::request::{Context, Segment};
use crate::pages::views::{ENGLISH, HandoffDonePage, HandoffOverPage, HandoffPage, HandoffStartPage, ProblemPage};
use crate::qr;
use crate::web::{Web, brand};

type Shared = State<Arc<Web>>;

const SCOPE: &str = "handoff";
const DEVICES: &str = "/signed-in";

/// The page that asks what the other device is called.
pub(super) async fn start(State(web): Shared, Context(context): Context, headers: HeaderMap) -> Response {
    let answer = async {
        match current(&web, &headers).await? {
            Some(found) => ask(&web, &headers, &found, String::new(), false),
            None => Ok(redirect(&session::start(&web, &headers)?, [])),
        }
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

fn ask(web: &Web, headers: &HeaderMap, found: &Authenticated, label: String, label_is_wrong: bool) -> Result<Response> {
    let shown = web.show_form(headers, SCOPE)?;
    let page = HandoffStartPage {
        words: &ENGLISH,
        brand: brand(&found.app),
        address: found.signed_in.user.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        label,
        label_is_wrong,
        action: "/handoff".to_owned(),
        nonce: shown.nonce,
        back_url: DEVICES.to_owned(),
    };
    let status = if label_is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(Page::new(page.render()).status(status).cookie(shown.cookie).respond())
}

/// Mints a link and shows it.
pub(super) async fn mint(State(web): Shared, Context(context): Context, headers: HeaderMap, fields: Fields) -> Response {
    let form = Form { scope: SCOPE.to_owned(), back: "/handoff".to_owned(), gesture: true };
    form.act(&web, &context.request_id, &headers, &fields, async || {
        let Some(found) = current(&web, &headers).await? else { return Ok(redirect(&session::start(&web, &headers)?, [])) };
        let typed = fields.label.trim();
        let label = match Label::parse(typed) {
            Ok(label) => Some(label),
            Err(_) if typed.is_empty() => None,
            Err(_) => return ask(&web, &headers, &found, fields.label.clone(), true),
        };
        let caller = session::person(&found, &context);
        let command = IssueHandoff { label, ..IssueHandoff::new(Handover::Cookie) };
        let issued = web.engine.issue_handoff(&caller, found.signed_in.session.id, command).await?;
        Ok(redirect(&format!("/handoff/{}", issued.id), []))
    })
    .await
}

/// The link that this browser minted.
async fn find(web: &Web, context: &RequestContext, headers: &HeaderMap, id: &str) -> Result<(Authenticated, Handoff)> {
    let unknown = || Error::new(ErrorKind::NotFound, "There is no such page");
    let id: LinkId = id.parse().map_err(|_| unknown())?;
    let found = current(web, headers).await?.ok_or_else(unknown)?;
    let caller = session::person(&found, context);
    let handoff = web.engine.find_handoff(&caller, found.signed_in.session.id, id).await?;
    Ok((found, handoff))
}

/// The code, or what became of it.
pub(super) async fn show(State(web): Shared, Context(context): Context, Segment(id): Segment, headers: HeaderMap) -> Response {
    let answer = async {
        match find(&web, &context, &headers, &id).await {
            Ok((found, handoff)) => render(&web, &headers, &found, handoff),
            Err(error) if *error.kind() == ErrorKind::NotFound => {
                let page = ProblemPage::not_found(&ENGLISH, brand(&*web.app_of_call(&headers, None)?))
                    .with_way_on(DEVICES.to_owned(), ENGLISH.handoff.back.to_owned());
                Ok(Page::new(page.render()).status(StatusCode::NOT_FOUND).respond())
            }
            Err(error) => Err(error),
        }
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

fn render(web: &Web, headers: &HeaderMap, found: &Authenticated, handoff: Handoff) -> Result<Response> {
    let id = handoff.id;
    let at = |what: &str| format!("/handoff/{id}{what}");
    let look = brand(&found.app);
    let label = handoff.label.map(|label| label.to_string());
    match handoff.progress {
        HandoffProgress::Pending { url } => {
            let left = handoff.expires_at.millis_since(web.engine.now()) / 1000;
            let page = HandoffPage {
                words: &ENGLISH,
                brand: look,
                label,
                picture_url: at("/qr.svg"),
                link: url.expose().to_owned(),
                seconds_left: u32::try_from(left).unwrap_or(0),
                status_url: at("/status"),
                done_url: at(""),
                refresh_seconds: 15,
                back_url: DEVICES.to_owned(),
            };
            Ok(Page::new(page.render()).scripts().respond())
        }
        HandoffProgress::Redeemed(child) => {
            let shown = web.show_form(headers, session::SCOPE)?;
            let page = HandoffDonePage {
                words: &ENGLISH,
                brand: look,
                device: child.device.clone(),
                label,
                since: moment(child.created_at),
                has_ended: !child.is_live(web.engine.now()),
                sign_out_action: format!("/sign-out/{}", child.id),
                nonce: shown.nonce,
                back_url: DEVICES.to_owned(),
            };
            Ok(Page::new(page.render()).cookie(shown.cookie).respond())
        }
        HandoffProgress::Dead(reason) => {
            let shown = web.show_form(headers, SCOPE)?;
            let page = HandoffOverPage {
                words: &ENGLISH,
                brand: look,
                has_expired: reason == DeadReason::Expired,
                label,
                action: "/handoff".to_owned(),
                nonce: shown.nonce,
                back_url: DEVICES.to_owned(),
            };
            Ok(Page::new(page.render()).cookie(shown.cookie).respond())
        }
    }
}

/// How far it is, for the script of the page.
pub(super) async fn status(State(web): Shared, Context(context): Context, Segment(id): Segment, headers: HeaderMap) -> Response {
    let state = match find(&web, &context, &headers, &id).await.map(|(_, handoff)| handoff.progress) {
        Ok(HandoffProgress::Pending { .. }) => "pending",
        Ok(HandoffProgress::Redeemed(_)) => "redeemed",
        Ok(HandoffProgress::Dead(_)) => "dead",
        Err(error) if *error.kind() == ErrorKind::NotFound => "dead",
        // Storage is away for the moment: the page goes on waiting.
        Err(_) => "pending",
    };
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], json(state)).into_response()
}

/// The code as a drawing.
pub(super) async fn svg(State(web): Shared, Context(context): Context, Segment(id): Segment, headers: HeaderMap) -> Response {
    picture(&web, &context, &headers, &id, "image/svg+xml", |link| qr::svg(link).map(String::into_bytes)).await
}

/// The same as pixels.
pub(super) async fn png(State(web): Shared, Context(context): Context, Segment(id): Segment, headers: HeaderMap) -> Response {
    picture(&web, &context, &headers, &id, "image/png", qr::png).await
}

/// A picture of a link that still works, for its minter. To everybody else, and afterwards, there is none.
async fn picture(
    web: &Web,
    context: &RequestContext,
    headers: &HeaderMap,
    id: &str,
    kind: &'static str,
    draw: impl FnOnce(&str) -> Result<Vec<u8>>,
) -> Response {
    let drawn = match find(web, context, headers, id).await.map(|(_, handoff)| handoff.progress) {
        Ok(HandoffProgress::Pending { url }) => draw(url.expose()),
        Ok(HandoffProgress::Redeemed(_) | HandoffProgress::Dead(_)) => {
            Err(Error::new(ErrorKind::NotFound, "This link does not work any more"))
        }
        Err(error) => Err(error),
    };
    let mut response = match drawn {
        Ok(bytes) => Response::new(Body::from(bytes)),
        Err(error) => return failed(web, &context.request_id, error),
    };
    private(&mut response);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    response
}
