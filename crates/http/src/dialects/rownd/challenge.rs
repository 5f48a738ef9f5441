//! Sign-ins for which this server sends the mail (contract section 8.1).
//!
//! The challenge is the asking app's own proof that it asked. It is handed a session only when a person has shown that the two belong together: by the number
//! on the app's screen, or by the code of the mail typed into the app. Whoever only opens the link signs in where it was opened (`decisions.md` 3).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::ErrorKind;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::LinkId;
use passlink_engine::links::Handover;
use passlink_engine::links::issue::{IssueLink, Requester};
use passlink_engine::links::open::{BrowserProof, DeadReason};
use passlink_engine::links::plan::{IdWish, PlanLink};
use passlink_engine::links::redeem::{CodeFor, Redeemed, Redemption};
use passlink_engine::links::wait::Progress;
use passlink_engine::redirects::{ChosenBy, client_target};
use passlink_engine::secret::{Token, TokenKind};
use serde_json::{Value, json};

use super::auth::KeyCall;
use super::body::{self, Fields};
use super::error::{Refusal, done};
use super::magic::{group, of_plan, values};
use super::open::{address, arrive};
use super::{DOOR, ids};
use crate::web::Web;

/// Both halves of a challenge.
fn shown(id: LinkId, proof: &Token) -> String {
    format!("{}.{}", ids::show("", id.as_uuid()), proof.expose().expose())
}

fn read(text: &str) -> Option<(LinkId, BrowserProof)> {
    let (id, proof) = text.split_once('.')?;
    let id = ids::read("", id).map(LinkId::from_uuid)?;
    let requester = Token::parse(proof).filter(|token| token.kind() == TokenKind::Browser)?;
    Some((id, BrowserProof { requester: Some(requester), page: None }))
}

/// The mail address of a body, or why there is none.
fn email(fields: &mut Fields) -> Option<EmailAddress> {
    let (email, phone) = (fields.text("email", 320), fields.is_given("phone"));
    match email {
        Some(text) => EmailAddress::parse(text.trim()).map_err(|_| fields.wrong("email", "must be an e-mail address")).ok(),
        None if phone => {
            fields.wrong("phone", "cannot be sent to: this server sends mail only");
            None
        }
        None => {
            fields.wrong("email", "is required");
            None
        }
    }
}

/// Mails a link and a code. The answer does not tell whether the address is known.
pub(super) async fn init(
    State(web): State<Arc<Web>>,
    call: KeyCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let email = email(&mut fields);
    let target = fields.text("return_url", 2048);
    fields.flag("redirect");
    let data = fields.object("user_data").unwrap_or_default();
    let is_sign_in = fields.choice("intent", &[("sign_in", true), ("sign_up", false)]).unwrap_or(false);
    let shows_number = fields.flag("show_number").unwrap_or(false);
    let group = group(&mut fields, "group_to_join");
    fields.check()?;
    let Some(email) = email else { return Err(Refusal::field("email", "is required")) };
    let caller = call.caller();
    let proof = web.engine.new_requester_proof(&call.app)?;
    let link = IssueLink {
        redirect: Some(client_target(&call.app, target.as_deref(), ChosenBy::Person)?),
        redirect_by: ChosenBy::Person,
        handover: Handover::Signed,
        // Where the app shows no number, nobody could repeat it: then the page alone decides, and the session stays where the link was opened.
        requester: Some(Requester { proof: proof.clone(), bound: shows_number, number_shown: shows_number }),
        alphanumeric: true,
        door: Some(DOOR.to_owned()),
        ..IssueLink::nobody()
    };
    let plan = PlanLink {
        link,
        proves: None,
        values: values(call.app.settings.schema(), data),
        values_of_newcomer: true,
        id: IdWish::New(None),
        group,
        invite: None,
    };
    let planned =
        web.engine.mail_planned(&caller, email, is_sign_in, plan).await.map_err(|error| match (error.kind(), error.thing()) {
            (ErrorKind::NotFound, "user") => Refusal::new(400, "E_SIGN_IN_USER_NOT_FOUND", "Nobody has this address."),
            _ => of_plan(error),
        })?;
    let id = planned.link.id;
    let mut answer = json!({
        "challenge_id": shown(id, &proof),
        "message": "We sent an e-mail with a link and a code.",
        // The same for everybody: who has an account is nobody's business.
        "user_type": "unknown",
    });
    if shows_number {
        let browser = BrowserProof { requester: Some(proof), page: None };
        let number = web.engine.waiting(id, &browser).await?.and_then(|waiting| waiting.number);
        answer["number"] = json!(number);
    }
    done(answer)
}

fn no_challenge() -> Refusal {
    Refusal::new(404, "E_NOT_FOUND", "There is no such challenge.")
}

/// The challenge of a body.
fn challenge(fields: &mut Fields) -> Option<String> {
    let text = fields.text("challenge_id", 256);
    fields.required("challenge_id", text)
}

/// What the asking app is told of a session: only what it may have.
async fn session(web: &Web, redeemed: &Redeemed) -> Result<Value, Refusal> {
    let arrival = arrive(&web.engine, redeemed).await?;
    Ok(json!({
        "access_token": arrival.tokens.access.expose(),
        "refresh_token": arrival.tokens.refresh.expose(),
        "app_user_id": arrival.user,
        "app_id": ids::show("app_", redeemed.app.id.as_uuid()),
        "user_type": if redeemed.created { "new_user" } else { "existing_user" },
    }))
}

/// How far a challenge is.
pub(super) async fn status(
    State(web): State<Arc<Web>>,
    call: KeyCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let text = challenge(&mut fields);
    fields.text("email", 320);
    fields.check()?;
    let (id, browser) = text.as_deref().and_then(read).ok_or_else(no_challenge)?;
    let waiting =
        web.engine.waiting(id, &browser).await?.filter(|waiting| waiting.app.id == call.app.id).ok_or_else(no_challenge)?;
    let mut answer = match waiting.progress {
        Progress::Pending => json!({"status": "pending"}),
        Progress::Dead(_) => json!({"status": "expired"}),
        // Somebody signed in elsewhere by it, which is no reason to sign this app in.
        Progress::Redeemed { .. } => json!({"status": "verified"}),
        Progress::Approved => match web.engine.finish_approved(&call.context, id, &browser).await? {
            Redemption::Done(redeemed) => {
                let mut answer = session(&web, &redeemed).await?;
                answer["status"] = json!("verified");
                answer
            }
            Redemption::NotApproved => json!({"status": "pending"}),
            _ => json!({"status": "expired"}),
        },
    };
    answer["challenge_id"] = json!(text);
    done(answer)
}

/// Finishes with the code of the mail, typed into the app that asked.
pub(super) async fn complete(
    State(web): State<Arc<Web>>,
    call: KeyCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let text = challenge(&mut fields);
    let token = fields.text("token", 64);
    let token = fields.required("token", token);
    fields.text("email", 320);
    fields.check()?;
    let (id, browser) = text.as_deref().and_then(read).ok_or_else(no_challenge)?;
    let known = web.engine.waiting(id, &browser).await?.is_some_and(|waiting| waiting.app.id == call.app.id);
    if !known {
        return Err(no_challenge());
    }
    let code = token.unwrap_or_default();
    let redemption = web.engine.redeem_code(&call.context, CodeFor::Request(id), &code, &browser).await;
    let redemption = redemption.map_err(|error| match error.kind() {
        ErrorKind::Invalid(_) => Refusal::field("token", "must be the six digits of the mail"),
        _ => error.into(),
    })?;
    match redemption {
        Redemption::Done(redeemed) if !redeemed.is_repeat => {
            let address = address(&web.engine, &redeemed, None).await?;
            let mut answer = session(&web, &redeemed).await?;
            answer["result"] = json!("success");
            answer["redirect_url"] = json!(address);
            done(answer)
        }
        Redemption::WrongCode { left } => {
            Err(Refusal::field("token", format!("is not the code of the mail; {left} tries are left")))
        }
        Redemption::Dead { reason: DeadReason::Expired, .. } => {
            Err(Refusal::new(410, "E_LINK_EXPIRED", "This challenge has expired."))
        }
        _ => Err(Refusal::new(410, "E_LINK_CONSUMED", "This challenge was used already, or does not work any more.")),
    }
}
