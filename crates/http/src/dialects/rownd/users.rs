//! Profiles, by an app's own servers (contract section 7).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::caller::Caller;
use passlink_engine::users::IdentifierKind;
use passlink_engine::users::search::{Condition, Search};
use passlink_engine::users::store::NewIdentity;
use passlink_engine::users::write::{Whom, WrittenUser, check_labels, sample};
use passlink_engine::users::writing::{Mode, Writer, Writing, read_address};
use passlink_engine::users::{Address, ExternalId, Person};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::auth::{AppCall, Names};
use super::body::{self, Fields};
use super::error::{Refusal, done, nothing};
use super::ids;
use super::magic::directive;
use super::wire::{self, View, by_id};
use crate::web::Web;

/// What a list asks for.
#[derive(Deserialize)]
pub(super) struct Listing {
    fields: Option<String>,
    lookup_filter: Option<String>,
    id_filter: Option<String>,
    page_size: Option<String>,
    after: Option<String>,
    sort: Option<String>,
    include_duplicates: Option<String>,
}

/// One person's fields.
#[derive(Deserialize)]
pub(super) struct Shown {
    fields: Option<String>,
}

impl Shown {
    /// The fields, if only some are wanted.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        self.fields.as_deref().map(split)
    }
}

fn bad_query<T>(_: T) -> Refusal {
    Refusal::validation("The query cannot be read.")
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Values of a schema's fields from a body; the id that it may hold must be the one of the path, for it can only be read.
///
/// # Errors
/// `E_USER_UPDATE_FAILED` about another id.
pub(super) fn take_values(fields: &mut Fields, id: &str) -> Result<Map<String, Value>, Refusal> {
    let data = fields.object("data");
    let mut data = fields.required("data", data).unwrap_or_default();
    if let Some(own) = data.remove("user_id").filter(|own| !own.is_null())
        && own != id
        && directive(id).is_none()
    {
        let message = "must be the id in the path".to_owned();
        return Err(Refusal::fields("E_USER_UPDATE_FAILED", [("user_id".to_owned(), vec![message])].into()));
    }
    Ok(data)
}

/// A profile.
pub(super) async fn find(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    names: Names,
    query: Result<Query<Shown>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(bad_query)?;
    if names.get("user") == "__sample__" {
        return show_sample(&web, &caller);
    }
    let person = wire::person(&web, &caller, names.get("user")).await?;
    let fields = query.names();
    let view = View { named: true, fields: fields.as_deref(), ..View::default() };
    done(wire::profile(&web, &caller, &person, view).await?)
}

/// Made-up values, for forms and documentation.
fn show_sample(web: &Web, caller: &Caller) -> Result<Response, Refusal> {
    caller.require("user:read")?;
    let now = web.engine.now();
    let mut data = sample(caller.app.settings.schema(), now);
    data.insert("user_id".to_owned(), json!("user_sample"));
    done(json!({
        "data": data, "verified_data": {"email": "ada@example.com"}, "state": "enabled", "auth_level": "verified", "groups": [], "attributes": {},
        "meta": {"created": wire::instant(now), "modified": wire::instant(now)}, "redacted": [], "connection_map": {}, "rownd_user": "user_sample",
    }))
}

/// Whom a path or body names for a writing that may make them.
async fn named(web: &Web, caller: &Caller, text: &str) -> Result<Whom, Refusal> {
    let whom = match directive(text) {
        Some(Ok(format)) => {
            let identity = web.engine.new_identity(format.unwrap_or(caller.app.settings.user_id_format))?;
            return Ok(Whom::Named(identity));
        }
        Some(Err(what)) => return Err(Refusal::field("user_id", what)),
        None => wire::find(web, caller.app.id, text).await?.map(|person| Whom::Known(by_id(&person))),
    };
    if let Some(whom) = whom {
        return Ok(whom);
    }
    if let Some(id) = wire::reserved(web, caller.app.id, text).await? {
        return Ok(Whom::Named(NewIdentity { id, external_id: None }));
    }
    let id =
        ExternalId::parse(text).map_err(|_| Refusal::field("user_id", "must be 1 to 128 letters, digits or . _ - : | @ +"))?;
    Ok(Whom::Named(web.engine.named_identity(id)?))
}

/// Writes a whole profile, or makes one.
pub(super) async fn replace(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let id = names.get("user");
    let mut fields = body::read(&headers, body).await?;
    let values = take_values(&mut fields, id)?;
    let labels = attributes(&mut fields)?;
    fields.check()?;
    let whom = named(&web, &caller, id).await?;
    let written = put(&web, &caller, whom, values, Mode::Replace).await?;
    let person = label(&web, &caller, written.person, labels).await?;
    done(wire::profile(&web, &caller, &person, View::default()).await?)
}

/// Changes some fields.
pub(super) async fn merge(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let person = wire::person(&web, &caller, names.get("user")).await?;
    let mut fields = body::read(&headers, body).await?;
    let values = take_values(&mut fields, &ids::of_person(&person))?;
    let labels = attributes(&mut fields)?;
    fields.check()?;
    let written = put(&web, &caller, Whom::Known(by_id(&person)), values, Mode::Merge).await?;
    let person = label(&web, &caller, written.person, labels).await?;
    done(wire::profile(&web, &caller, &person, View::default()).await?)
}

async fn put(web: &Web, caller: &Caller, whom: Whom, values: Map<String, Value>, mode: Mode) -> Result<WrittenUser, Refusal> {
    let writing = Writing { values, mode, by: Writer::App };
    Ok(web.engine.write_user(caller, whom, writing).await?)
}

/// Labels in a body; names that are reserved are refused, and what is over its bounds, before anything is written.
fn attributes(fields: &mut Fields) -> Result<Option<BTreeMap<String, Vec<String>>>, Refusal> {
    let Some(given) = fields.object("attributes") else { return Ok(None) };
    let mut labels = BTreeMap::new();
    for (name, value) in given {
        let texts: Option<Vec<String>> =
            value.as_array().and_then(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        match texts {
            _ if name.starts_with("rownd:") || name.starts_with("system:") => {
                fields.wrong("attributes", "must not begin with rownd: or system:");
            }
            Some(texts) => drop(labels.insert(name, texts)),
            None => fields.wrong("attributes", "must be lists of strings"),
        }
    }
    check_labels(&labels)?;
    Ok(Some(labels))
}

async fn label(
    web: &Web,
    caller: &Caller,
    person: Person,
    labels: Option<BTreeMap<String, Vec<String>>>,
) -> Result<Person, Refusal> {
    match labels {
        Some(labels) => Ok(web.engine.label_user(caller, by_id(&person), labels).await?),
        None => Ok(person),
    }
}

/// Removes a user.
pub(super) async fn remove(State(web): State<Arc<Web>>, AppCall(caller): AppCall, names: Names) -> Result<Response, Refusal> {
    let person = wire::person(&web, &caller, names.get("user")).await?;
    web.engine.delete_user(&caller, by_id(&person)).await?;
    nothing()
}

/// One field.
pub(super) async fn find_field(State(web): State<Arc<Web>>, AppCall(caller): AppCall, names: Names) -> Result<Response, Refusal> {
    let person = wire::person(&web, &caller, names.get("user")).await?;
    let value = field_value(&caller, &person, names.get("field"), false)?;
    done(json!({"value": value}))
}

/// The value of a field that there is and that may be seen.
pub(super) fn field_value(caller: &Caller, person: &Person, name: &str, own: bool) -> Result<Option<Value>, Refusal> {
    let field = caller.app.settings.schema().field(name).filter(|field| !own || field.user_visible);
    match (name, field) {
        ("user_id", _) => Ok(Some(json!(ids::of_person(person)))),
        (_, Some(_)) => Ok(person.value(name)),
        (_, None) => Err(Refusal::new(404, "E_NOT_FOUND", "The app's schema has no such field.")),
    }
}

/// The value in a body for one field.
pub(super) async fn take_value(headers: &HeaderMap, body: Body) -> Result<Value, Refusal> {
    let mut fields = body::read(headers, body).await?;
    if !fields.names("value") {
        fields.wrong("value", "is required");
    }
    let value = fields.raw("value");
    fields.check()?;
    Ok(value.unwrap_or_default())
}

/// Writes one field.
pub(super) async fn replace_field(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let person = wire::person(&web, &caller, names.get("user")).await?;
    field_value(&caller, &person, names.get("field"), false)?;
    let values = Map::from_iter([(names.get("field").to_owned(), take_value(&headers, body).await?)]);
    let written = put(&web, &caller, Whom::Known(by_id(&person)), values, Mode::Merge).await?;
    done(wire::profile(&web, &caller, &written.person, View::default()).await?)
}

/// Disables or enables a user.
pub(super) async fn state(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let person = wire::person(&web, &caller, names.get("user")).await?;
    let mut fields = body::read(&headers, body).await?;
    let disabled = fields.choice("state", &[("enabled", false), ("disabled", true)]);
    let disabled = fields.required("state", disabled);
    fields.check()?;
    let person = web.engine.set_user_disabled(&caller, by_id(&person), disabled.unwrap_or_default()).await?;
    done(wire::profile(&web, &caller, &person, View::default()).await?)
}

/// Ends all sessions of a user.
pub(super) async fn sign_out(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let person = wire::person(&web, &caller, names.get("user")).await?;
    let mut fields = body::read_optional(&headers, body).await?;
    fields.flag("sign_out_all");
    fields.check()?;
    web.engine.sign_out_user(&caller, by_id(&person)).await?;
    nothing()
}

/// An address as filters write it, where `+` may have become a blank.
pub(super) fn addresses(text: &str) -> Vec<Address> {
    let phone = text.strip_prefix(' ').map_or_else(|| text.to_owned(), |rest| format!("+{rest}"));
    let kinds = [(IdentifierKind::Email, text), (IdentifierKind::Phone, phone.as_str())];
    kinds.into_iter().filter_map(|(kind, text)| read_address(kind, text).ok()).collect()
}

/// People, a page of them.
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(bad_query)?;
    let limit = wire::page_size(query.page_size.as_deref(), 100, 1000)?;
    let newest_first = match query.sort.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(Refusal::field("sort", "must be asc or desc")),
    };
    if !matches!(query.include_duplicates.as_deref(), None | Some("true" | "false" | "1" | "0")) {
        return Err(Refusal::field("include_duplicates", "must be true or false"));
    }
    let mut conditions = Vec::new();
    if let Some(text) = &query.id_filter {
        let refs = split(text).iter().flat_map(|id| ids::user_refs(id)).collect();
        conditions.push(Condition::Ids(refs));
    }
    if let Some(text) = &query.lookup_filter {
        let (mut emails, mut phones) = (Vec::new(), Vec::new());
        for address in text.split(',').flat_map(addresses) {
            match address {
                Address::Email(email) => emails.push(email),
                Address::Phone(phone) => phones.push(phone),
            }
        }
        conditions.push(Condition::Addresses(emails, phones));
    }
    let after = match query.after.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let person = wire::find(&web, caller.app.id, text).await?;
            Some(person.ok_or_else(|| Refusal::field("after", "must be the id of a user"))?.user.id)
        }
    };
    let search = Search { conditions, any: false, after, newest_first, limit };
    let found = web.engine.search_users(&caller, search).await?;
    let fields = query.fields.as_deref().map(split);
    let view = View { named: true, fields: fields.as_deref(), ..View::default() };
    let mut results = Vec::with_capacity(found.people.len());
    for person in &found.people {
        results.push(wire::profile(&web, &caller, person, view).await?);
    }
    done(json!({"total_results": found.total.unwrap_or(results.len() as u64), "results": results}))
}

/// The list that a body of many holds.
async fn entries(headers: &HeaderMap, body: Body, name: &str) -> Result<Vec<Value>, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let list = fields.list(name);
    let list = fields.required(name, list).unwrap_or_default();
    if list.len() > 1000 {
        fields.wrong(name, "may have at most 1000 entries");
    }
    fields.check()?;
    Ok(list)
}

/// Writes many profiles; one that cannot be written does not stop the others.
pub(super) async fn replace_many(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    caller.require("user:write")?;
    let users = entries(&headers, body, "users").await?;
    let mut results = Vec::with_capacity(users.len());
    for user in users {
        results.push(match replace_one(&web, &caller, user).await {
            Ok(person) => {
                let data = wire::data(&person, caller.app.settings.schema(), View::default());
                json!({"status": "success", "result": {"user_id": ids::of_person(&person), "data": data}})
            }
            // What everybody would meet is told for the whole.
            Err(refusal) if refusal.status().is_server_error() => return Err(refusal),
            Err(refusal) => json!({"status": "failure", "error": refusal.body()}),
        });
    }
    let has_failures = results.iter().any(|result| result["status"] == "failure");
    done(json!({"total_results": results.len(), "has_failures": has_failures, "results": results}))
}

async fn replace_one(web: &Web, caller: &Caller, user: Value) -> Result<Person, Refusal> {
    let Value::Object(user) = user else { return Err(Refusal::field("users", "must be a list of objects")) };
    let mut fields = Fields::of(user);
    let id = fields.text("user_id", 128).unwrap_or_else(|| "__default__".to_owned());
    let values = take_values(&mut fields, &id)?;
    fields.check()?;
    let whom = named(web, caller, &id).await?;
    Ok(put(web, caller, whom, values, Mode::Replace).await?.person)
}

/// Acts on many users.
pub(super) async fn act(
    State(web): State<Arc<Web>>,
    AppCall(caller): AppCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    caller.require("user:write")?;
    let actions = entries(&headers, body, "actions").await?;
    let mut results = Vec::with_capacity(actions.len());
    for action in actions {
        results.push(match act_once(&web, &caller, &action).await {
            Ok(id) => json!({"status": "fulfilled", "value": {"user_id": id}}),
            Err(refusal) if refusal.status().is_server_error() => return Err(refusal),
            Err(refusal) => json!({"status": "rejected", "reason": refusal.message()}),
        });
    }
    done(json!({"results": results}))
}

async fn act_once(web: &Web, caller: &Caller, action: &Value) -> Result<String, Refusal> {
    if action["action"] != "delete" {
        return Err(Refusal::field("action", "must be \"delete\""));
    }
    let data = &action["user"]["data"];
    let person = match data["user_id"].as_str() {
        Some(id) => wire::find(web, caller.app.id, id).await?,
        None => {
            let texts = [data["email"].as_str(), data["phone_number"].as_str(), data["phone"].as_str()];
            let mut found = None;
            for address in texts.into_iter().flatten().flat_map(addresses) {
                found = web.engine.find_person_by_address_in(caller.app.id, &address).await?;
                if found.is_some() {
                    break;
                }
            }
            found
        }
    };
    let person = person.ok_or_else(Refusal::no_user)?;
    web.engine.delete_user(caller, by_id(&person)).await?;
    Ok(ids::of_person(&person))
}
