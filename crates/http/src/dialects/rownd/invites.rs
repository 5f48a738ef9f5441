//! Invitations into groups (contract section 8).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::caller::Caller;
use passlink_engine::groups::invites::{Invite, InviteState, InviteUser, Invitee};
use passlink_engine::ids::InviteId;
use passlink_engine::links::Handover;
use passlink_engine::links::issue::IssueLink;
use passlink_engine::redirects::{ChosenBy, client_target};
use passlink_engine::time::Lifetime;
use passlink_engine::users::writing::read_address;
use passlink_engine::users::{IdentifierKind, Person};
use serde_json::{Value, json};

use super::auth::{Names, UserCall};
use super::body::{self, Fields};
use super::error::{Refusal, done, nothing};
use super::groups::{GroupCall, Listing, listing, roles};
use super::wire::{self, actor, group_ref, own_id};
use super::{DOOR, ids};
use crate::web::Web;

const LIFETIME: Lifetime = Lifetime::from_secs(2_592_000);

fn invite_id(text: &str) -> Result<InviteId, Refusal> {
    let id = ids::read("", text).map(InviteId::from_uuid);
    id.ok_or_else(|| Refusal::new(404, "E_NOT_FOUND", "There is no such invitation."))
}

fn shown(invite: &Invite, person: &Person, accepted_by: Option<String>) -> Value {
    let state = match invite.state {
        InviteState::Pending => "pending",
        InviteState::Accepted => "accepted",
        InviteState::Rejected => "rejected",
    };
    let lookup = invite.named.as_object().and_then(|named| named.values().next()).cloned().unwrap_or_default();
    let mut body = json!({
        "id": ids::show("", invite.id.as_uuid()),
        "group_id": wire::group_id(invite.group),
        "roles": invite.roles,
        "state": state,
        "user_lookup_value": match lookup { Value::String(text) => text, other => other.to_string() },
        "redirect_url": invite.redirect,
        "created_at": wire::instant(invite.created_at),
        "created_by": actor(&invite.created_by),
        "accepted_by": accepted_by,
        "ensured_user_id": ids::of_person(person),
    });
    // As the caller wrote it: some clients send numbers where others send texts.
    for (name, value) in invite.named.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn show(web: &Web, caller: &Caller, invite: &Invite) -> Result<Value, Refusal> {
    let person = web.engine.find_own_person(caller.app.id, invite.user).await?;
    let accepted_by = (invite.state == InviteState::Accepted).then(|| ids::of_person(&person));
    Ok(shown(invite, &person, accepted_by))
}

/// Whom a body names, and how.
async fn invitee(web: &Web, caller: &Caller, fields: &mut Fields) -> Result<Option<(Invitee, Value)>, Refusal> {
    let (email, phone, user) =
        (fields.text("email", 320), fields.raw("phone").filter(|phone| !phone.is_null()), fields.text("user_id", 128));
    let given = usize::from(email.is_some()) + usize::from(phone.is_some()) + usize::from(user.is_some());
    if given != 1 {
        fields.wrong("email", "exactly one of email, phone and user_id is required");
        return Ok(None);
    }
    let address = |fields: &mut Fields, name: &str, kind, text: &str, value: Value| match read_address(kind, text) {
        Ok(address) => Some((Invitee::Address(address), json!({name: value}))),
        Err(what) => {
            fields.wrong(name, what);
            None
        }
    };
    if let Some(email) = email {
        return Ok(address(fields, "email", IdentifierKind::Email, &email.clone(), json!(email)));
    }
    if let Some(phone) = phone {
        let text = match &phone {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        return Ok(address(fields, "phone", IdentifierKind::Phone, &text, phone));
    }
    let user = user.unwrap_or_default();
    let person = wire::find(web, caller.app.id, &user).await?.ok_or_else(Refusal::no_user)?;
    Ok(Some((Invitee::User(person.user.id), json!({"user_id": user}))))
}

/// Invites somebody.
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let group = group_ref(names.get("group"))?;
    let mut fields = body::read(&headers, body).await?;
    let roles = roles(&mut fields);
    let roles = fields.required("roles", roles);
    let redirect = fields.text("redirect_url", 2048);
    let invitee = invitee(&web, &caller, &mut fields).await?;
    fields.check()?;
    let Some((invitee, named)) = invitee else { return Err(Refusal::validation("Nobody is invited.")) };
    let by = if own_id(&caller).is_some() { ChosenBy::Person } else { ChosenBy::Client };
    let link = IssueLink {
        redirect: Some(client_target(&caller.app, redirect.as_deref(), by)?),
        redirect_by: by,
        handover: Handover::Signed,
        lifetime: Some(LIFETIME),
        alphanumeric: true,
        door: Some(DOOR.to_owned()),
        ..IssueLink::nobody()
    };
    let command = InviteUser { invitee, named, roles: roles.unwrap_or_default(), link };
    let invited = web.engine.invite_to_group(&caller, group, command).await?;
    done(json!({"link": invited.url.expose(), "invitation": shown(&invited.invite, &invited.person, None)}))
}

/// The invitations of a group.
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Refusal> {
    let group = group_ref(names.get("group"))?;
    let (query, size) = listing(query)?;
    let after = wire::after(query.after.as_deref(), "")?.map(InviteId::from_uuid);
    let only = match query.ensured_user_id.as_deref() {
        None => None,
        Some(text) => Some(wire::find(&web, caller.app.id, text).await?.map(|person| person.user.id)),
    };
    let (total, mut invites) = web.engine.list_invites(&caller, group, after, if only.is_some() { 1000 } else { size }).await?;
    let mut total = total;
    if let Some(user) = only {
        invites.retain(|invite| Some(invite.user) == user);
        total = invites.len() as u64;
        invites.truncate(size as usize);
    }
    let mut results = Vec::with_capacity(invites.len());
    for invite in &invites {
        results.push(show(&web, &caller, invite).await?);
    }
    done(json!({"total_results": total, "results": results}))
}

/// An invitation.
pub(super) async fn find(State(web): State<Arc<Web>>, GroupCall(caller): GroupCall, names: Names) -> Result<Response, Refusal> {
    let (group, invite) = (group_ref(names.get("group"))?, invite_id(names.get("invite"))?);
    let invite = web.engine.find_invite(&caller, group, invite).await?;
    done(show(&web, &caller, &invite).await?)
}

/// Changes the roles that the person will have.
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (group, invite) = (group_ref(names.get("group"))?, invite_id(names.get("invite"))?);
    let mut fields = body::read(&headers, body).await?;
    let roles = roles(&mut fields);
    let roles = fields.required("roles", roles);
    fields.check()?;
    let invite = web.engine.change_invite(&caller, group, invite, roles.unwrap_or_default()).await?;
    done(show(&web, &caller, &invite).await?)
}

/// Takes an invitation back.
pub(super) async fn remove(State(web): State<Arc<Web>>, GroupCall(caller): GroupCall, names: Names) -> Result<Response, Refusal> {
    let (group, invite) = (group_ref(names.get("group"))?, invite_id(names.get("invite"))?);
    web.engine.remove_invite(&caller, group, invite).await?;
    nothing()
}

/// The invited person accepts.
pub(super) async fn accept(State(web): State<Arc<Web>>, UserCall(bearer): UserCall, names: Names) -> Result<Response, Refusal> {
    let (group, invite) = (group_ref(names.get("group"))?, invite_id(names.get("invite"))?);
    web.engine.accept_invite(&bearer.caller, group.clone(), invite).await?;
    let group = web.engine.find_group(&bearer.caller, group).await?;
    done(json!({"result": "success", "accepted_by": ids::of_person(&bearer.person), "group": wire::group(&group)}))
}
