//! Making links (contract sections 4 and 5), and looking at them again (section 11).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::ErrorKind;
use passlink_engine::ids::{GroupId, LinkId};
use passlink_engine::links::handoff::IssueHandoff;
use passlink_engine::links::issue::{Carry, IssueLink};
use passlink_engine::links::plan::{IdWish, PlanLink};
use passlink_engine::links::short::ShortenUrl;
use passlink_engine::links::{Handover, Link, LinkState, Purpose};
use passlink_engine::redirects::{ChosenBy, client_target};
use passlink_engine::sessions::Label;
use passlink_engine::time::Lifetime;
use passlink_engine::users::schema::Schema;
use passlink_engine::users::write::UserIdFormat;
use passlink_engine::users::{ExternalId, IdentifierKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::auth::{AppCall, Names, UserCall};
use super::body::{self, Fields};
use super::error::{Refusal, done, nothing};
use super::{DOOR, expiration, ids, wire};
use crate::web::Web;

const LONGEST_URL: usize = 2048;
const DEFAULT_LIFETIME: Lifetime = Lifetime::from_secs(2_592_000);
const MOST_LINK_DATA: usize = 8 * 1024;
const MOST_DATA: usize = 64 * 1024;

/// How the link reaches the person, under each name that clients give the field; the first that is there counts.
fn verification(fields: &mut Fields) -> Option<IdentifierKind> {
    let kinds = [("email", IdentifierKind::Email), ("phone", IdentifierKind::Phone)];
    let names = ["verification_type", "verification_mode", "verification_method"];
    let given = names.iter().find(|name| fields.is_given(name)).copied()?;
    fields.choice(given, &kinds)
}

/// Profile values as clients send them: whole profiles, with their id, and with what is not set.
pub(super) fn values(schema: &Schema, mut data: Map<String, Value>) -> Map<String, Value> {
    data.retain(|name, value| name != "user_id" && !value.is_null());
    if schema.field("phone").is_none()
        && let Some(phone) = data.remove("phone")
    {
        data.entry("phone_number").or_insert(phone);
    }
    data
}

/// A form of new ids, by its name in `user_id`.
pub(super) fn directive(text: &str) -> Option<Result<Option<UserIdFormat>, &'static str>> {
    if !(text.len() > 4 && text.starts_with("__") && text.ends_with("__")) {
        return None;
    }
    Some(match text.to_ascii_lowercase().as_str() {
        "__default__" => Ok(None),
        "__uuid__" => Ok(Some(UserIdFormat::Uuid)),
        "__objectid__" => Ok(Some(UserIdFormat::Objectid)),
        "__rowndid__" => Ok(Some(UserIdFormat::Own)),
        _ => Err("must be an id, or one of __default__, __uuid__, __objectid__, __rowndid__"),
    })
}

/// Which id is wished for.
///
/// # Errors
/// What it must be, as the end of a sentence.
pub(super) async fn id_wish(web: &Web, app: passlink_engine::ids::AppId, text: &str) -> Result<Result<IdWish, String>, Refusal> {
    if let Some(directive) = directive(text) {
        return Ok(directive.map(IdWish::New).map_err(str::to_owned));
    }
    if let Some(person) = wire::find(web, app, text).await? {
        return Ok(Ok(IdWish::User(person.user.id)));
    }
    if let Some(id) = wire::reserved(web, app, text).await? {
        return Ok(Ok(IdWish::Reserved(id)));
    }
    Ok(ExternalId::parse(text).map(IdWish::Named).map_err(|_| "must be 1 to 128 letters, digits or . _ - : | @ +".to_owned()))
}

fn lifetime(fields: &mut Fields) -> Lifetime {
    let Some(text) = fields.text("expiration", 64) else { return DEFAULT_LIFETIME };
    expiration::read(&text).unwrap_or_else(|what| {
        fields.wrong("expiration", what);
        DEFAULT_LIFETIME
    })
}

fn link_data(fields: &mut Fields) -> Option<Value> {
    let data = fields.object("link_data")?;
    if Value::Object(data.clone()).to_string().len() > MOST_LINK_DATA {
        fields.wrong("link_data", format!("may have at most {MOST_LINK_DATA} bytes"));
    }
    Some(Value::Object(data))
}

/// An id of a group in a body.
pub(super) fn group(fields: &mut Fields, name: &str) -> Option<GroupId> {
    let text = fields.text(name, 128)?;
    let id = ids::read("group_", &text).map(GroupId::from_uuid);
    if id.is_none() {
        fields.wrong(name, "must be the id of a group");
    }
    id
}

/// A refusal of a plan: what a body names is not a thing of a path, so a missing group is a bad field.
pub(super) fn of_plan(error: passlink_engine::Error) -> Refusal {
    let code = match (error.kind(), error.thing()) {
        (ErrorKind::NotFound, "group") => "E_GROUP_NOT_FOUND",
        (ErrorKind::Conflict, "group") => "E_GROUP_NOT_OPEN",
        _ => return error.into(),
    };
    Refusal::fields(code, [("group_to_join".to_owned(), vec![error.message().to_owned()])].into())
}

/// Makes a link.
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let app = Arc::clone(&caller.app);
    let purposes = [("auth", Purpose::SignIn), ("shorten", Purpose::Redirect)];
    let purpose = fields.choice("purpose", &purposes).unwrap_or(Purpose::SignIn);
    let redirect = fields.text("redirect_url", LONGEST_URL);
    let lifetime = lifetime(&mut fields);
    let data = link_data(&mut fields);
    if purpose == Purpose::Redirect {
        fields.check()?;
        let target = client_target(&app, redirect.as_deref(), ChosenBy::Client)?;
        let command = ShortenUrl { target, lifetime, data, door: DOOR.to_owned() };
        let (_, url) = web.engine.shorten_url(&caller, command).await?;
        return done(json!({"link": url.expose()}));
    }
    let proves = verification(&mut fields);
    let profile = fields.object("data").unwrap_or_default();
    if Value::Object(profile.clone()).to_string().len() > MOST_DATA {
        fields.wrong("data", format!("may have at most {MOST_DATA} bytes"));
    }
    let user_id = fields.text("user_id", 128).filter(|text| !text.is_empty());
    let group = group(&mut fields, "group_to_join");
    let id = match user_id {
        None => IdWish::New(None),
        Some(text) => id_wish(&web, app.id, &text).await?.unwrap_or_else(|what| {
            fields.wrong("user_id", what);
            IdWish::New(None)
        }),
    };
    fields.check()?;
    let target = client_target(&app, redirect.as_deref(), ChosenBy::Client)?;
    let link = IssueLink {
        purpose,
        redirect: Some(target),
        redirect_by: ChosenBy::Client,
        handover: Handover::Signed,
        lifetime: Some(lifetime),
        carry: Carry::Return,
        alphanumeric: true,
        door: Some(DOOR.to_owned()),
        data,
        ..IssueLink::nobody()
    };
    let command = PlanLink {
        link,
        proves,
        values: values(app.settings.schema(), profile),
        values_of_newcomer: false,
        id,
        group,
        invite: None,
    };
    let planned = web.engine.issue_planned(&caller, command).await.map_err(of_plan)?;
    let url = planned.link.url.ok_or_else(|| passlink_engine::Error::internal("a link that is returned has an address"))?;
    done(json!({"link": url.expose(), "app_user_id": ids::of_identity(&planned.identity)}))
}

/// Makes a link by which the person signs in on another device.
pub(super) async fn create_own(
    State(web): State<Arc<Web>>,
    UserCall(bearer): UserCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read_optional(&headers, body).await?;
    let redirect = fields.text("redirect_url", LONGEST_URL);
    let label = fields
        .text("label", 400)
        .and_then(|text| Label::parse(&text).map_err(|_| fields.wrong("label", "must be one line of 1 to 64 characters")).ok());
    let session_lifetime = fields
        .text("session_expiration", 64)
        .and_then(|text| expiration::read(&text).map_err(|what| fields.wrong("session_expiration", what)).ok());
    fields.check()?;
    let target = match client_target(&bearer.caller.app, redirect.as_deref(), ChosenBy::Person) {
        Ok(target) => Some(target),
        // Nothing was asked for and the app has no page: ours says that they are signed in.
        Err(_) if redirect.is_none() => None,
        Err(error) => return Err(error.into()),
    };
    let command = IssueHandoff {
        label,
        session_lifetime,
        redirect: target,
        redirect_by: ChosenBy::Person,
        alphanumeric: true,
        door: Some(DOOR.to_owned()),
        ..IssueHandoff::new(Handover::Signed)
    };
    let issued = web.engine.issue_handoff(&bearer.caller, bearer.session.session.id, command).await?;
    let url = issued.url.ok_or_else(|| passlink_engine::Error::internal("a link that is returned has an address"))?;
    done(json!({"link": url.expose(), "app_user_id": ids::of_person(&bearer.person)}))
}

/// The page of a list.
#[derive(Deserialize)]
pub(super) struct Listing {
    page_size: Option<String>,
    after: Option<String>,
}

fn shown(link: &Link, now: passlink_engine::time::Timestamp) -> Value {
    let state = match link.state(now, u32::MAX) {
        LinkState::Live => "live",
        LinkState::Redeemed => "consumed",
        LinkState::Expired => "expired",
        _ => "revoked",
    };
    json!({
        "id": ids::show("link_", link.id.as_uuid()),
        "purpose": if link.purpose == Purpose::Redirect { "shorten" } else { "auth" },
        "state": state,
        "redirect_url": link.redirect,
        "created_at": wire::instant(link.issued_at),
        "expires_at": wire::instant(link.expires_at),
        "consumed_at": link.redeemed_at.map(wire::instant),
        "opens": link.opens,
    })
}

/// The app's links, newest first, without their secrets.
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|_| Refusal::validation("The query cannot be read."))?;
    let size = wire::page_size(query.page_size.as_deref(), 100, 100)?;
    let after = wire::after(query.after.as_deref(), "link_")?.map(LinkId::from_uuid);
    let links = web.engine.list_own_links(&caller, after, size).await?;
    let now = web.engine.now();
    done(json!({"results": links.iter().map(|link| shown(link, now)).collect::<Vec<_>>()}))
}

/// Ends a link before its time; by the id of its listing or by that in its address.
pub(super) async fn revoke(State(web): State<Arc<Web>>, AppCall(caller): AppCall, names: Names) -> Result<Response, Refusal> {
    let text = names.get("id");
    let link = match ids::read("link_", text).map(LinkId::from_uuid) {
        Some(id) => Some(id),
        None => web.engine.find_own_link(&caller, text).await?,
    };
    let link = link.ok_or_else(|| Refusal::new(404, "E_LINK_NOT_FOUND", "There is no such link."))?;
    web.engine.revoke_own_link(&caller, link).await?;
    nothing()
}
