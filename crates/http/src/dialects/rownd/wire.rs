//! Objects of this dialect's wire, and what several operations need (contract sections 7 and 8).

use passlink_engine::caller::{Authority, Caller};
use passlink_engine::groups::{Admission, Group, GroupRef, Member, MemberState};
use passlink_engine::ids::{AppId, GroupId, UserId};
use passlink_engine::time::Timestamp;
use passlink_engine::users::schema::{Schema, address_field};
use passlink_engine::users::{Person, UserRef};
use passlink_engine::{ErrorKind, Result as EngineResult};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::Refusal;
use super::{ids, tokens};
use crate::web::Web;

/// ISO 8601, UTC, with milliseconds.
pub(super) fn instant(at: Timestamp) -> String {
    at.to_rfc3339_millis()
}

/// The person whom a text means, by the right of the call that asks.
pub(super) async fn find(web: &Web, app: AppId, text: &str) -> EngineResult<Option<Person>> {
    for user in ids::user_refs(text) {
        if let Some(person) = web.engine.find_person_in(app, user).await? {
            return Ok(Some(person));
        }
    }
    Ok(None)
}

/// The id that a text is, where it was told to the app for somebody who may come to be.
pub(super) async fn reserved(web: &Web, app: AppId, text: &str) -> EngineResult<Option<UserId>> {
    let Some(id) = ids::read("user_", text).map(UserId::from_uuid) else { return Ok(None) };
    Ok(web.engine.is_reserved(app, id).await?.then_some(id))
}

/// The person whom a path names.
///
/// # Errors
/// 404.
pub(super) async fn person(web: &Web, caller: &Caller, text: &str) -> Result<Person, Refusal> {
    caller.require("user:read")?;
    find(web, caller.app.id, text).await?.ok_or_else(Refusal::no_user)
}

pub(super) fn by_id(person: &Person) -> UserRef {
    UserRef::Id(person.user.id)
}

/// A number of results.
///
/// # Errors
/// 400 naming `page_size`.
pub(super) fn page_size(text: Option<&str>, default: u32, most: u32) -> Result<u32, Refusal> {
    match text {
        None => Ok(default),
        Some(text) => {
            let size = text.parse().ok().filter(|size| (1..=most).contains(size));
            size.ok_or_else(|| Refusal::field("page_size", format!("must be from 1 to {most}")))
        }
    }
}

/// The id behind which a page begins.
///
/// # Errors
/// 400 naming `after`.
pub(super) fn after(text: Option<&str>, prefix: &str) -> Result<Option<Uuid>, Refusal> {
    let id = text.filter(|text| !text.is_empty()).map(|text| ids::read(prefix, text));
    id.map(|id| id.ok_or_else(|| Refusal::field("after", "must be an id of this list"))).transpose()
}

/// How much of a person is shown.
#[derive(Clone, Copy, Default)]
pub(super) struct View<'a> {
    /// To the person: without what they do not see.
    pub own: bool,
    /// With the id of the person beside the data, as answers to GET have it.
    pub named: bool,
    /// These fields alone.
    pub fields: Option<&'a [String]>,
}

/// The values of a person's fields, always with their id.
pub(super) fn data(person: &Person, schema: &Schema, view: View<'_>) -> Map<String, Value> {
    let mut data = Map::from_iter([("user_id".to_owned(), json!(ids::of_person(person)))]);
    for (name, field) in &schema.0 {
        let is_shown = (!view.own || field.user_visible) && view.fields.is_none_or(|fields| fields.contains(name));
        if let Some(value) = person.value(name).filter(|_| is_shown) {
            data.insert(name.clone(), value);
        }
    }
    data
}

fn verified(person: &Person) -> Map<String, Value> {
    let proven = person.identifiers.iter().filter(|identifier| identifier.verified_at.is_some() && identifier.is_primary);
    proven.map(|i| (address_field(i.address.kind()).to_owned(), json!(i.address.as_str()))).collect()
}

fn meta(person: &Person) -> Map<String, Value> {
    let activity = &person.profile.activity;
    let mut meta = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            meta.insert(name.to_owned(), json!(value));
        }
    };
    put("created", Some(instant(person.user.created_at)));
    put("modified", Some(instant(activity.modified_at.unwrap_or(person.user.created_at))));
    let moments = [("first_sign_in", &activity.first_sign_in), ("last_sign_in", &activity.last_sign_in)];
    for (name, moment) in moments {
        put(name, moment.as_ref().map(|(at, _)| instant(*at)));
        put(&format!("{name}_method"), moment.as_ref().map(|(_, method)| method.clone()));
    }
    put("last_active", activity.last_sign_in.as_ref().map(|(at, _)| instant(*at)));
    put("verified_date", person.identifiers.iter().filter_map(|identifier| identifier.verified_at).min().map(instant));
    meta
}

/// A person with their groups.
pub(super) async fn profile(web: &Web, caller: &Caller, person: &Person, view: View<'_>) -> Result<Value, Refusal> {
    let groups = match web.engine.groups_of_user(caller, person.user.id).await {
        Ok(groups) => groups,
        // A client that may not see groups sees none.
        Err(error) if *error.kind() == ErrorKind::Forbidden => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let schema = caller.app.settings.schema();
    let groups: Vec<Value> = groups
        .iter()
        .map(|(group, member)| {
            let whole = View { own: view.own, ..View::default() };
            json!({"group": self::group(group), "member": self::member(member, person, schema, whole)})
        })
        .collect();
    let mut profile = json!({
        "data": data(person, schema, view),
        "verified_data": verified(person),
        "state": if person.user.disabled_at.is_some() { "disabled" } else { "enabled" },
        "auth_level": tokens::level(person),
        "groups": groups,
        "attributes": person.profile.attributes,
        "meta": meta(person),
        "redacted": [],
        "connection_map": {},
    });
    if view.named {
        profile["rownd_user"] = json!(ids::of_person(person));
    }
    Ok(profile)
}

/// Who did something: the key of a client, or a user.
pub(super) fn actor(text: &str) -> String {
    let user = |text: &str| text.parse::<Uuid>().map(|id| ids::show("user_", id)).ok();
    match text.split_once(':') {
        Some(("user", id)) => user(id).unwrap_or_else(|| id.to_owned()),
        Some(("client", id)) => id.to_owned(),
        _ => text.to_owned(),
    }
}

pub(super) fn group_id(id: GroupId) -> String {
    ids::show("group_", id.as_uuid())
}

/// A group.
pub(super) fn group(group: &Group) -> Value {
    json!({
        "id": group_id(group.id),
        "name": group.name,
        "member_count": 0,
        "app_id": ids::show("app_", group.app.as_uuid()),
        "admission_policy": match group.admission { Admission::Open => "open", Admission::InviteOnly => "invite_only" },
        "meta": group.attributes,
        "created_at": instant(group.created_at),
        "updated_at": instant(group.updated_at),
        "created_by": actor(&group.created_by),
        "updated_by": actor(&group.updated_by),
    })
}

pub(super) const STATES: [(&str, MemberState); 3] =
    [("active", MemberState::Active), ("invite_pending", MemberState::Pending), ("invite_rejected", MemberState::Rejected)];

/// A member with their profile.
pub(super) fn member(member: &Member, person: &Person, schema: &Schema, view: View<'_>) -> Value {
    let state = STATES.iter().find(|(_, state)| *state == member.state).map_or("active", |(word, _)| word);
    json!({
        "id": ids::show("member_", member.id.as_uuid()),
        "user_id": ids::of_person(person),
        "roles": member.roles,
        "state": state,
        "group_id": group_id(member.group),
        "profile": data(person, schema, view),
        "added_by": member.added_by.as_deref().map(actor),
        "invited_by": member.invited_by.as_deref().map(actor),
    })
}

/// The group that a path names.
pub(super) fn group_ref(text: &str) -> Result<GroupRef, Refusal> {
    ids::read("group_", text)
        .map(|id| GroupRef::Id(GroupId::from_uuid(id)))
        .ok_or_else(|| Refusal::new(404, "E_NOT_FOUND", "There is no such group."))
}

/// The id of the user who asks.
pub(super) fn own_id(caller: &Caller) -> Option<UserId> {
    match caller.authority {
        Authority::User(id) => Some(id),
        _ => None,
    }
}
