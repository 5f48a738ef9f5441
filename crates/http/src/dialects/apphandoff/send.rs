//! `POST /auth/send-magic-link` (contract sections 1, 3, 4).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use passlink_engine::apps::App;
use passlink_engine::caller::Caller;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::LinkId;
use passlink_engine::links::Handover;
use passlink_engine::links::issue::{IssueLink, Requester};
use passlink_engine::messages::store::MessageState;
use passlink_engine::redirects::{Origin, RedirectTarget, RelativePath};
use passlink_engine::{Error, ErrorKind};

use super::error::Refusal;
use super::{body, origin, wire};
use crate::extract::request::Context;
use crate::web::Web;

/// How often the state of a message is read while a request waits for its first attempt.
const LOOK: Duration = Duration::from_millis(50);
/// Mails a sign-in link.
#[utoipa::path(
    post,
    path = "/api/auth/send-magic-link",
    tag = "Sign in",
    request_body = wire::SendMagicLink,
    params(("X-AppHandoff-Callback-Origin" = Option<String>, Header, description = "Stands in for callback_origin.")),
    responses(
        (status = 200, description = "The link was asked for; the same for known and unknown addresses.", body = wire::Sent),
        (status = 400, description = "Bad fields, not JSON, or an origin that is not allowed.", body = wire::ErrorBody),
        (status = 413, description = "The body is too large.", body = wire::ErrorBody),
        (status = 415, description = "The body is not JSON by its media type.", body = wire::ErrorBody),
        (status = 429, description = "Too many requests; see Retry-After.", body = wire::ErrorBody),
        (status = 502, description = "The sender refused or could not be reached.", body = wire::ErrorBody),
        (status = 503, description = "No sender is set up, or storage is away.", body = wire::ErrorBody),
    )
)]
pub(super) async fn send_magic_link(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let asked = read(&headers, body).await;
    // The app is found by the origin that decides, so a body that cannot be read leaves the headers to tell.
    let named = origin::named(asked.as_ref().ok().and_then(|a| a.origin.as_ref()), &headers);
    let calling = if let origin::Named::Origin(origin) = &named { Some(origin) } else { None };
    let app = web.app_of_call(&headers, calling)?;
    if !app.speaks(super::DIALECT.slug) {
        return Err(Refusal::not_found());
    }
    let caller = Caller::anonymous(app, context);
    let decided = asked.and_then(|asked| origin::decide(named, &caller.app).map(|origin| (asked, origin)));
    let (asked, origin) = match decided {
        Ok(decided) => decided,
        Err(refusal) => {
            // Refused requests count too, towards a larger limit of their own.
            web.engine.count_refused(&caller).await?;
            return Err(refusal);
        }
    };
    let redirect = target(&caller.app, &origin, asked.next.as_deref())?;
    let (requester, cookie) = requester(&web, &caller.app, &headers)?;
    let command = IssueLink::sign_in_by_mail(asked.email, Some(redirect), Handover::Fragment, requester);
    let issued = web.engine.issue_link(&caller, command).await?;
    wait_for_sending(&web, &caller.app, issued.id).await?;

    let mut response = Json(wire::Sent { ok: true }).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

struct Asked {
    email: EmailAddress,
    origin: Option<Origin>,
    next: Option<String>,
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Asked, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let email = fields.required_text("email", 254).and_then(|text| {
        // This dialect refuses blanks instead of passing over them.
        let parsed = if text.contains(char::is_whitespace) {
            Err("This is not a valid e-mail address".to_owned())
        } else {
            EmailAddress::parse(&text).map_err(|e| e.to_string())
        };
        parsed.map_err(|message| fields.refuse("email", message)).ok()
    });
    let origin = fields.text("callback_origin", 512).filter(|text| !text.is_empty()).and_then(|text| {
        let parsed = Origin::parse(&text);
        if parsed.is_none() {
            fields.refuse("callback_origin", "Must be an origin such as https://app.example.com");
        }
        parsed
    });
    let next = fields.text("callback_next", 2048);
    fields.finish()?;
    let email = email.ok_or_else(|| Error::internal("a missing address was not noted"))?;
    Ok(Asked { email, origin, next })
}

/// The callback page, with the place inside the app when it is a safe one; any other is dropped, and sign-in still works.
fn target(app: &App, origin: &Origin, next: Option<&str>) -> Result<RedirectTarget, Refusal> {
    let path = app.callback_path().ok_or_else(|| Error::internal("a checked callback path is not one"))?;
    let next = next.and_then(RelativePath::parse).filter(|next| next.join(origin).is_some());
    Ok(RedirectTarget::callback(origin, &path, &app.settings.next_parameter, next.as_ref())?)
}

/// The browser that asks. One that shows our cookie is known to keep it, so its links are bound to it; one that is only given the cookie now may
/// drop it (a third party's, for instance), so its links are not.
fn requester(web: &Web, app: &App, headers: &HeaderMap) -> Result<(Option<Requester>, Option<String>), Refusal> {
    if let Some(proof) = web.requester(headers) {
        return Ok((Some(Requester { proof, bound: true, number_shown: false }), None));
    }
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if !matches!(site, Some("same-origin" | "same-site")) {
        return Ok((None, None));
    }
    let proof = web.engine.new_requester_proof(app)?;
    let cookie = web.requester_cookie(&proof);
    Ok((Some(Requester { proof, bound: false, number_shown: false }), Some(cookie)))
}

/// Where the app wants to know, waits for the first attempt to send.
async fn wait_for_sending(web: &Web, app: &App, link: LinkId) -> Result<(), Refusal> {
    let Some(patience) = app.settings.wait_for_sending else { return Ok(()) };
    let looks = patience.as_millis() / 50;
    for _ in 0..looks {
        match web.engine.message_state(link).await? {
            Some(MessageState::Queued) => tokio::time::sleep(LOOK).await,
            Some(MessageState::Dead) => {
                return Err(Refusal::from(Error::new(ErrorKind::Undeliverable, "The e-mail could not be sent")));
            }
            Some(MessageState::Sent | MessageState::Dropped) | None => return Ok(()),
        }
    }
    Ok(())
}
