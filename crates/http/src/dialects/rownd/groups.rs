//! Groups and their members (contract section 8), for apps and, at `/me/groups`, for people.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use passlink_engine::caller::Caller;
use passlink_engine::groups::manage::{ChangeAttributes, ChangeGroup, NewGroup};
use passlink_engine::groups::members::NewMember;
use passlink_engine::groups::{Admission, Cursor, GroupFilter, GroupRef, GroupStatus, Member, MemberRef, MemberState};
use passlink_engine::ids::{GroupId, MemberId, UserId};
use passlink_engine::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{AppCall, Names, UserCall};
use super::body::{self, Fields};
use super::error::{Refusal, done, nothing};
use super::wire::{self, View, group_ref, own_id};
use super::{ids, users};
use crate::web::Web;

const LONGEST_NAME: usize = 100;
const ADMISSIONS: [(&str, Admission); 2] = [("open", Admission::Open), ("invite_only", Admission::InviteOnly)];

/// An app, or a person at their own paths.
pub(super) struct GroupCall(pub Caller);

impl FromRequestParts<Arc<Web>> for GroupCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        if parts.uri.path().starts_with("/me/") {
            let UserCall(bearer) = UserCall::from_request_parts(parts, web).await?;
            return Ok(Self(bearer.caller));
        }
        let AppCall(caller) = AppCall::from_request_parts(parts, web).await?;
        Ok(Self(caller))
    }
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Listing {
    pub page_size: Option<String>,
    pub after: Option<String>,
    pub lookup_filter: Option<String>,
    pub ensured_user_id: Option<String>,
}

pub(super) fn listing(query: Result<Query<Listing>, QueryRejection>) -> Result<(Listing, u32), Refusal> {
    let Query(query) = query.map_err(|_| Refusal::validation("The query cannot be read."))?;
    let size = wire::page_size(query.page_size.as_deref(), 100, 100)?;
    Ok((query, size))
}

fn name(fields: &mut Fields) -> Option<String> {
    let name = fields.text("name", LONGEST_NAME * 4)?;
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME {
        fields.wrong("name", format!("must have 1 to {LONGEST_NAME} characters"));
        return None;
    }
    Some(name)
}

/// `meta`: `null` empties it.
fn meta(fields: &mut Fields) -> Option<ChangeAttributes> {
    let is_emptied = fields.names("meta") && !fields.is_given("meta");
    match fields.object("meta") {
        Some(meta) => Some(ChangeAttributes::Replace(Some(meta))),
        None => is_emptied.then_some(ChangeAttributes::Replace(None)),
    }
}

/// Makes a group.
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let name = name(&mut fields);
    let name = fields.required("name", name);
    let admission = fields.choice("admission_policy", &ADMISSIONS).unwrap_or_default();
    let attributes = fields.object("meta");
    fields.check()?;
    let new = NewGroup { name: name.unwrap_or_default(), admission, status: GroupStatus::Active, external_id: None, attributes };
    let group = web.engine.create_group(&caller, new).await?;
    let shown = wire::group(&group);
    let Some(user) = own_id(&caller) else { return done(shown) };
    let member = web.engine.find_member(&caller, GroupRef::Id(group.id), MemberRef::User(user)).await?;
    done(json!({"group": shown, "member": shown_member(&web, &caller, &member).await?}))
}

/// The app's groups, or the person's.
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (query, size) = listing(query)?;
    if let Some(user) = own_id(&caller) {
        let mut groups = web.engine.groups_of_user(&caller, user).await?;
        let total = groups.len();
        if let Some(after) = wire::after(query.after.as_deref(), "group_")? {
            groups.retain(|(group, _)| group.id.as_uuid() > after);
        }
        let mut results = Vec::new();
        for (group, member) in groups.iter().take(size as usize) {
            results.push(json!({"group": wire::group(group), "member": shown_member(&web, &caller, member).await?}));
        }
        return done(json!({"total_results": total, "results": results}));
    }
    let filter = match query.lookup_filter.as_deref().filter(|text| !text.is_empty()) {
        None => GroupFilter::default(),
        Some(text) => match ids::read("group_", text) {
            Some(id) => GroupFilter { ids: vec![GroupId::from_uuid(id)], names: Vec::new() },
            None => GroupFilter { ids: Vec::new(), names: vec![text.to_owned()] },
        },
    };
    let after = wire::after(query.after.as_deref(), "group_")?;
    let cursor = after.map_or(Cursor::Start, |id| Cursor::After(GroupId::from_uuid(id)));
    let page = web.engine.list_groups(&caller, filter, cursor, size).await?;
    done(json!({"total_results": page.total, "results": page.items.iter().map(wire::group).collect::<Vec<_>>()}))
}

/// A group.
pub(super) async fn find(State(web): State<Arc<Web>>, GroupCall(caller): GroupCall, names: Names) -> Result<Response, Refusal> {
    let group = web.engine.find_group(&caller, group_ref(names.get("group"))?).await?;
    done(wire::group(&group))
}

/// Changes a group; what is not given stays.
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let group = group_ref(names.get("group"))?;
    let mut fields = body::read(&headers, body).await?;
    let change = ChangeGroup {
        name: name(&mut fields),
        admission: fields.choice("admission_policy", &ADMISSIONS),
        status: None,
        external_id: None,
        attributes: meta(&mut fields),
    };
    fields.check()?;
    done(wire::group(&web.engine.change_group(&caller, group, change).await?))
}

/// Removes a group.
pub(super) async fn remove(State(web): State<Arc<Web>>, GroupCall(caller): GroupCall, names: Names) -> Result<Response, Refusal> {
    web.engine.delete_group(&caller, group_ref(names.get("group"))?).await?;
    nothing()
}

async fn shown_member(web: &Web, caller: &Caller, member: &Member) -> Result<Value, Refusal> {
    let person = web.engine.find_own_person(caller.app.id, member.user).await?;
    let own = own_id(caller);
    // Who has not accepted yet, shows nothing of themselves to other people.
    let is_unasked = member.state != MemberState::Active && own.is_some_and(|user| user != member.user);
    let view = View { own: own.is_some(), fields: is_unasked.then_some(&[]), ..View::default() };
    Ok(wire::member(member, &person, caller.app.settings.schema(), view))
}

fn member_ref(text: &str) -> Result<MemberRef, Refusal> {
    let id = ids::read("member_", text).map(|id| MemberRef::Id(MemberId::from_uuid(id)));
    id.ok_or_else(|| Refusal::new(404, "E_NOT_FOUND", "There is no such member."))
}

/// Roles in a body.
pub(super) fn roles(fields: &mut Fields) -> Option<Vec<String>> {
    let roles = fields.texts("roles")?;
    if roles.len() > 20 || roles.iter().any(|role| role.is_empty() || role.len() > 64) {
        fields.wrong("roles", "must be at most 20 texts of 1 to 64 bytes");
    }
    Some(roles)
}

/// The user whom a body names, by id or address.
async fn named_user(web: &Web, caller: &Caller, fields: &mut Fields) -> Result<UserId, Refusal> {
    let (id, email, phone) = (fields.text("user_id", 128), fields.text("email", 320), fields.text("phone", 64));
    let given = [&id, &email, &phone].into_iter().flatten().count();
    if given != 1 {
        fields.wrong("user_id", "exactly one of user_id, email and phone is required");
    }
    fields.check()?;
    let found = match id {
        Some(id) => wire::find(web, caller.app.id, &id).await?,
        None => {
            let mut found = None;
            for address in users::addresses(&email.or(phone).unwrap_or_default()) {
                found = web.engine.find_person_by_address_in(caller.app.id, &address).await?;
                if found.is_some() {
                    break;
                }
            }
            found
        }
    };
    match (own_id(caller), found.map(|person| person.user.id)) {
        (None, Some(id)) => Ok(id),
        (None, None) => Err(Refusal::no_user()),
        // A person names themselves. Of anybody else they learn nothing, not even whether there is such a one.
        (Some(own), Some(id)) if own == id => Ok(id),
        (Some(_), _) => Err(Error::new(ErrorKind::Forbidden, "People add nobody but themselves to a group").into()),
    }
}

/// Adds a member.
pub(super) async fn add(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let group = group_ref(names.get("group"))?;
    let mut fields = body::read(&headers, body).await?;
    let roles = roles(&mut fields);
    let roles = match own_id(&caller) {
        // Who joins an open group has no say in it.
        Some(_) => roles.unwrap_or_default(),
        None => fields.required("roles", roles).unwrap_or_default(),
    };
    let state = fields.choice("state", &wire::STATES).unwrap_or_default();
    let user = named_user(&web, &caller, &mut fields).await?;
    let member = web.engine.add_member(&caller, group, NewMember { user, roles, state }).await?;
    done(shown_member(&web, &caller, &member).await?)
}

/// The members of a group.
pub(super) async fn members(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Refusal> {
    let group = group_ref(names.get("group"))?;
    let (query, size) = listing(query)?;
    let only = match query.lookup_filter.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let mut found: Vec<UserId> = Vec::new();
            for text in text.split(',') {
                found.extend(wire::find(&web, caller.app.id, text.trim()).await?.map(|person| person.user.id));
                for address in users::addresses(text) {
                    found.extend(
                        web.engine.find_person_by_address_in(caller.app.id, &address).await?.map(|person| person.user.id),
                    );
                }
            }
            Some(found)
        }
    };
    let after = wire::after(query.after.as_deref(), "member_")?;
    let cursor = after.map_or(Cursor::Start, |id| Cursor::After(MemberId::from_uuid(id)));
    let page = web.engine.list_members(&caller, group, only, cursor, size).await?;
    let mut results = Vec::with_capacity(page.items.len());
    for member in &page.items {
        results.push(shown_member(&web, &caller, member).await?);
    }
    done(json!({"total_results": page.total, "results": results}))
}

/// A member.
pub(super) async fn find_member(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
) -> Result<Response, Refusal> {
    let (group, member) = (group_ref(names.get("group"))?, member_ref(names.get("member"))?);
    let member = web.engine.find_member(&caller, group, member).await?;
    done(shown_member(&web, &caller, &member).await?)
}

/// Changes a member's roles or state.
pub(super) async fn change_member(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (group, member) = (group_ref(names.get("group"))?, member_ref(names.get("member"))?);
    let mut fields = body::read(&headers, body).await?;
    let roles = roles(&mut fields);
    let state: Option<MemberState> = fields.choice("state", &wire::STATES);
    fields.check()?;
    let member = web.engine.change_member(&caller, group, member, roles, state).await?;
    done(shown_member(&web, &caller, &member).await?)
}

/// Takes a member out.
pub(super) async fn remove_member(
    State(web): State<Arc<Web>>,
    GroupCall(caller): GroupCall,
    names: Names,
) -> Result<Response, Refusal> {
    let (group, member) = (group_ref(names.get("group"))?, member_ref(names.get("member"))?);
    web.engine.remove_member(&caller, group, member).await?;
    nothing()
}
