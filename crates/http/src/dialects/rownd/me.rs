//! What a signed-in person does (contract section 7, user-scoped).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::sessions::bearer::Bearer;
use passlink_engine::time::Timestamp;
use passlink_engine::users::Person;
use passlink_engine::users::write::Whom;
use passlink_engine::users::writing::{Mode, Writer, Writing};
use serde_json::{Map, Value, json};

use super::auth::{Names, UserCall};
use super::body;
use super::error::{Refusal, done, nothing};
use super::ids;
use super::users::{Shown, field_value, take_value};
use super::wire::{self, View, by_id};
use crate::web::Web;

const OWN: View<'static> = View { own: true, named: false, fields: None };

/// The person's own profile.
pub(super) async fn find(
    State(web): State<Arc<Web>>,
    UserCall(bearer): UserCall,
    query: Result<Query<Shown>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|_| Refusal::validation("The query cannot be read."))?;
    let fields = query.names();
    let view = View { fields: fields.as_deref(), ..OWN };
    done(wire::profile(&web, &bearer.caller, &bearer.person, view).await?)
}

async fn write(web: &Web, bearer: &Bearer, values: Map<String, Value>, mode: Mode) -> Result<Person, Refusal> {
    let writing = Writing { values, mode, by: Writer::Person };
    Ok(web.engine.write_user(&bearer.caller, Whom::Known(by_id(&bearer.person)), writing).await?.person)
}

/// Writes the person's own fields. SDKs send the whole profile: what is not theirs must be as it was.
pub(super) async fn replace(
    State(web): State<Arc<Web>>,
    UserCall(bearer): UserCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let values = super::users::take_values(&mut fields, &ids::of_person(&bearer.person))?;
    fields.check()?;
    let person = write(&web, &bearer, values, Mode::Replace).await?;
    done(wire::profile(&web, &bearer.caller, &person, OWN).await?)
}

/// One of the person's fields.
pub(super) async fn find_field(UserCall(bearer): UserCall, names: Names) -> Result<Response, Refusal> {
    done(json!({"value": field_value(&bearer.caller, &bearer.person, names.get("field"), true)?}))
}

/// Writes one of the person's fields.
pub(super) async fn replace_field(
    State(web): State<Arc<Web>>,
    UserCall(bearer): UserCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    field_value(&bearer.caller, &bearer.person, names.get("field"), true)?;
    let values = Map::from_iter([(names.get("field").to_owned(), take_value(&headers, body).await?)]);
    let person = write(&web, &bearer, values, Mode::Merge).await?;
    done(wire::profile(&web, &bearer.caller, &person, OWN).await?)
}

/// Signs the person out here, or everywhere.
pub(super) async fn sign_out(
    State(web): State<Arc<Web>>,
    UserCall(bearer): UserCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read_optional(&headers, body).await?;
    let everywhere = fields.flag("sign_out_all").unwrap_or(false);
    fields.check()?;
    web.engine.sign_out(&bearer, everywhere).await?;
    nothing()
}

/// Removes the person.
pub(super) async fn remove(State(web): State<Arc<Web>>, UserCall(bearer): UserCall) -> Result<Response, Refusal> {
    web.engine.delete_own_user(&bearer).await?;
    nothing()
}

fn remembered(person: &Person) -> Value {
    let at = person.profile.activity.modified_at.unwrap_or(person.user.created_at);
    json!({"id": ids::of_person(person), "meta": person.profile.remembered, "last_modified": wire::instant(at)})
}

/// What the person's devices remember.
pub(super) async fn meta(UserCall(bearer): UserCall) -> Result<Response, Refusal> {
    done(remembered(&bearer.person))
}

/// Has something remembered.
pub(super) async fn remember(
    State(web): State<Arc<Web>>,
    UserCall(bearer): UserCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let meta = fields.object("meta");
    let meta = fields.required("meta", meta).unwrap_or_default();
    for (name, value) in &meta {
        let is_date = value.as_str().is_some_and(|text| Timestamp::parse_rfc3339(text).is_some());
        match name.as_str() {
            _ if value.is_null() => {}
            "last_passkey_registration_prompt" if !is_date => fields.wrong(name, "must be a date and time"),
            "last_passkey_registration_prompt" => {}
            name if name.starts_with("automation_") && value.is_string() => {}
            name => fields.wrong(name, "is not kept: only last_passkey_registration_prompt and texts beginning automation_ are"),
        }
    }
    fields.check()?;
    let person = web.engine.remember_for_user(&bearer.caller, meta).await?;
    done(remembered(&person))
}
