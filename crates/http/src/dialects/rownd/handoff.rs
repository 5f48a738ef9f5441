//! What a person sees of a link that they made for another device: how far it is, and its QR code (ours; the vendor leaves both to its own pages).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use passlink_engine::links::handoff::{Handoff, HandoffProgress};
use passlink_engine::links::open::DeadReason;
use passlink_engine::sessions::bearer::Bearer;
use serde_json::{Value, json};

use super::auth::{Names, UserCall};
use super::error::{Refusal, done, nothing};
use super::{ids, wire};
use crate::qr;
use crate::web::Web;

async fn find(web: &Web, bearer: &Bearer, names: &Names) -> Result<Handoff, Refusal> {
    Ok(web.engine.find_handoff_by_token(&bearer.caller, bearer.session.session.id, names.get("link")).await?)
}

/// How far it is, for the session that made it and nobody else.
pub(super) async fn status(State(web): State<Arc<Web>>, UserCall(bearer): UserCall, names: Names) -> Result<Response, Refusal> {
    let handoff = find(&web, &bearer, &names).await?;
    let (status, device) = match &handoff.progress {
        HandoffProgress::Pending { .. } => ("pending", None),
        HandoffProgress::Redeemed(child) => ("consumed", child.device.clone()),
        HandoffProgress::Dead(DeadReason::Expired) => ("expired", None),
        HandoffProgress::Dead(_) => ("revoked", None),
    };
    done(json!({"status": status, "device": device, "expires_at": wire::instant(handoff.expires_at)}))
}

/// A picture that nobody keeps; there is none of a link that does not work any more.
async fn picture(
    web: &Web,
    bearer: &Bearer,
    names: &Names,
    kind: &'static str,
    draw: impl Fn(&str) -> passlink_engine::Result<Vec<u8>>,
) -> Result<Response, Refusal> {
    let HandoffProgress::Pending { url } = find(web, bearer, names).await?.progress else {
        return Err(Refusal::new(410, "E_LINK_CONSUMED", "This link was used already, or does not work any more."));
    };
    let mut response = Response::new(Body::from(draw(url.expose())?));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The link as a QR code (SVG).
pub(super) async fn svg(State(web): State<Arc<Web>>, UserCall(bearer): UserCall, names: Names) -> Result<Response, Refusal> {
    picture(&web, &bearer, &names, "image/svg+xml", |link| qr::svg(link).map(String::into_bytes)).await
}

/// The link as a QR code (PNG).
pub(super) async fn png(State(web): State<Arc<Web>>, UserCall(bearer): UserCall, names: Names) -> Result<Response, Refusal> {
    picture(&web, &bearer, &names, "image/png", qr::png).await
}

/// The person's sessions: which are children of which, and what they are called.
pub(super) async fn sessions(State(web): State<Arc<Web>>, UserCall(bearer): UserCall) -> Result<Response, Refusal> {
    let own = bearer.session.session.id;
    let sessions = web.engine.list_own_sessions(&bearer.caller).await?;
    let results: Vec<Value> = sessions
        .iter()
        .map(|signed_in| {
            let session = &signed_in.session;
            json!({
                "id": ids::show("session_", session.id.as_uuid()),
                "parent_id": session.parent.map(|parent| ids::show("session_", parent.as_uuid())),
                "label": session.label.as_ref().map(ToString::to_string),
                "device": session.device,
                "is_current": session.id == own,
                "created_at": wire::instant(session.created_at),
                "expires_at": wire::instant(session.expires_at),
            })
        })
        .collect();
    done(json!({"total_results": results.len(), "results": results}))
}

/// Ends one of the person's sessions, and by the app's policy those that were handed off from it.
pub(super) async fn end(State(web): State<Arc<Web>>, UserCall(bearer): UserCall, names: Names) -> Result<Response, Refusal> {
    let id = ids::read("session_", names.get("session")).map(passlink_engine::ids::SessionId::from_uuid);
    let id = id.ok_or_else(|| Refusal::new(404, "E_NOT_FOUND", "There is no such session."))?;
    web.engine.end_own_session(&bearer.caller, id).await?;
    nothing()
}
