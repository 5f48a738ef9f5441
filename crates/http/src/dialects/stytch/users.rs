//! Users (contract section 6).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use passlink_engine::Error;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::UserId;
use passlink_engine::phone_number::PhoneNumber;
use passlink_engine::users::manage::CreateUser;
use passlink_engine::users::profile::ProfileChange;
use passlink_engine::users::{ExternalId, Person, UserRef};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Call;
use super::body::{self, Fields};
use super::error::{Refusal, done};
use super::ids::Env;
use super::wire;
use crate::web::Web;

/// The user that a text means: an id of ours or of the app; a text that can be neither means nobody.
pub(super) fn user_ref(env: Env, text: &str) -> Result<UserRef, Refusal> {
    if let Some(id) = env.read("user", text) {
        return Ok(UserRef::Id(UserId::from_uuid(id)));
    }
    let nobody = || Refusal::of(&Error::not_found("user", "There is no such user"));
    ExternalId::parse(text).map(UserRef::External).map_err(|_| nobody())
}

/// A call about one user, named in its path: percent-decoded once, after the path was split.
pub(super) struct UserCall {
    pub call: Call,
    pub user: UserRef,
}

impl FromRequestParts<Arc<Web>> for UserCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let call = Call::from_request_parts(parts, web).await?;
        let path = Path::<String>::from_request_parts(parts, web).await.map(|Path(text)| text).unwrap_or_default();
        let user = user_ref(call.env, &path).map_err(|refusal| refusal.within(call.env))?;
        Ok(Self { call, user })
    }
}

/// A user to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Create {
    /// A mail address; this or phone_number is required.
    #[schema(required = false)]
    email: Option<String>,
    /// A telephone number as +12025550162.
    #[schema(required = false)]
    phone_number: Option<String>,
    #[schema(required = false)]
    name: Option<wire::Name>,
    /// The user is `pending` until the first sign-in.
    #[schema(required = false)]
    create_user_as_pending: Option<bool>,
    /// At most 20 keys and 4 KB.
    #[schema(required = false, value_type = Option<Object>)]
    trusted_metadata: Option<Value>,
    /// Likewise.
    #[schema(required = false, value_type = Option<Object>)]
    untrusted_metadata: Option<Value>,
    /// An id of your own; usable wherever user_id is.
    #[schema(required = false)]
    external_id: Option<String>,
    #[schema(required = false)]
    roles: Option<Vec<String>>,
}

/// The new user.
#[derive(Serialize, ToSchema)]
pub(super) struct Created {
    user_id: String,
    /// Empty when there is none.
    email_id: String,
    /// Likewise.
    phone_id: String,
    status: &'static str,
    user: wire::User,
}

/// What to change; what is not given stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Update {
    /// Parts that are given replace.
    #[schema(required = false)]
    name: Option<wire::Name>,
    /// Merged key by key; null removes a key.
    #[schema(required = false, value_type = Option<Object>)]
    trusted_metadata: Option<Value>,
    /// Likewise.
    #[schema(required = false, value_type = Option<Object>)]
    untrusted_metadata: Option<Value>,
    #[schema(required = false)]
    external_id: Option<String>,
    #[schema(required = false)]
    roles: Option<Vec<String>>,
}

/// The changed user.
#[derive(Serialize, ToSchema)]
pub(super) struct Updated {
    user_id: String,
    emails: Vec<wire::Email>,
    phone_numbers: Vec<wire::Phone>,
    crypto_wallets: Vec<Value>,
    user: wire::User,
}

/// A user and its id.
#[derive(Serialize, ToSchema)]
pub(super) struct OneUser {
    user_id: String,
    user: wire::User,
}

/// The id of a removed user.
#[derive(Serialize, ToSchema)]
pub(super) struct Removed {
    user_id: String,
}

pub(super) fn metadata(fields: &mut Fields, field: &str) -> Result<Option<Map<String, Value>>, Refusal> {
    let refused = || Refusal::new(400, "metadata_invalid_format", format!("{field}: must be an object."));
    fields.map(field).map_err(|_| refused())
}

fn profile(fields: &mut Fields) -> Result<ProfileChange, Refusal> {
    Ok(ProfileChange {
        name: fields.name()?,
        trusted: metadata(fields, "trusted_metadata")?,
        untrusted: metadata(fields, "untrusted_metadata")?,
        roles: fields.texts("roles")?,
        ..ProfileChange::default()
    })
}

fn external_id(fields: &mut Fields) -> Result<Option<ExternalId>, Refusal> {
    let Some(text) = fields.text("external_id")? else { return Ok(None) };
    let small = text.to_ascii_lowercase();
    if [Env::Test, Env::Live].iter().any(|env| env.read("user", &small).is_some()) {
        return Err(Refusal::new(400, "invalid_user_id", "external_id: must not look like an id of this server."));
    }
    // Other doors take more characters.
    let refused = || Refusal::new(400, "invalid_user_id", "external_id: 1 to 128 letters, digits, \".\", \"_\", \"-\" or \"|\".");
    match ExternalId::parse(&text) {
        Ok(id) if !text.contains([':', '@', '+']) => Ok(Some(id)),
        _ => Err(refused()),
    }
}

/// A mail address, or `invalid_email`.
pub(super) fn email(fields: &mut Fields, field: &str) -> Result<Option<EmailAddress>, Refusal> {
    let Some(text) = fields.filled(field)? else { return Ok(None) };
    EmailAddress::parse(&text).map(Some).map_err(|e| Refusal::new(400, "invalid_email", format!("{field}: {e}.")))
}

/// A telephone number, or `invalid_phone_number`.
pub(super) fn phone(fields: &mut Fields, field: &str) -> Result<Option<PhoneNumber>, Refusal> {
    let Some(text) = fields.filled(field)? else { return Ok(None) };
    PhoneNumber::parse(&text).map(Some).map_err(|e| Refusal::new(400, "invalid_phone_number", format!("{field}: {e}.")))
}

pub(super) fn one(call: &Call, person: &Person) -> Result<Response, Refusal> {
    let user = wire::User::of(person, call.env);
    done(call.env, OneUser { user_id: user.user_id.clone(), user })
}

/// Makes a user. Addresses are not proven by this.
#[utoipa::path(
    post,
    path = "/v1/users",
    tag = "Users",
    security(("project" = [])),
    request_body = Create,
    responses(
        (status = 200, description = "The user.", body = Created),
        (status = 400, description = "A bad field, or an address or id that is taken.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
    )
)]
pub(super) async fn create(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    create_in(&web, &call, &headers, body).await.map_err(|refusal| refusal.within(call.env))
}

async fn create_in(web: &Web, call: &Call, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let command = CreateUser {
        email: email(&mut fields, "email")?,
        phone: phone(&mut fields, "phone_number")?,
        is_pending: fields.flag("create_user_as_pending")?,
        external_id: external_id(&mut fields)?,
        profile: profile(&mut fields)?,
    };
    // Its form is checked; a user has no device yet.
    fields.attributes()?;
    let person = web.engine.create_user(&call.caller, command).await?;
    let user = wire::User::of(&person, call.env);
    let first = |id: Option<&String>| id.cloned().unwrap_or_default();
    let created = Created {
        user_id: user.user_id.clone(),
        email_id: first(user.emails.first().map(|email| &email.email_id)),
        phone_id: first(user.phone_numbers.first().map(|phone| &phone.phone_id)),
        status: user.status,
        user,
    };
    done(call.env, created)
}

/// A user, by your own id too.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}",
    tag = "Users",
    security(("project" = [])),
    params(("user_id" = String, Path, description = "The user's id, or your own.")),
    responses(
        (status = 200, description = "The user.", body = wire::User),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn find(State(web): State<Arc<Web>>, UserCall { call, user }: UserCall) -> Result<Response, Refusal> {
    let person = web.engine.find_person(&call.caller, user).await.map_err(|e| Refusal::from(e).within(call.env))?;
    done(call.env, wire::User::of(&person, call.env))
}

/// Changes a user.
#[utoipa::path(
    put,
    path = "/v1/users/{user_id}",
    tag = "Users",
    security(("project" = [])),
    params(("user_id" = String, Path, description = "The user's id, or your own.")),
    request_body = Update,
    responses(
        (status = 200, description = "The user.", body = Updated),
        (status = 400, description = "A bad field, or an id that is taken.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn update(
    State(web): State<Arc<Web>>,
    UserCall { call, user }: UserCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    update_in(&web, &call, user, &headers, body).await.map_err(|refusal| refusal.within(call.env))
}

async fn update_in(web: &Web, call: &Call, user: UserRef, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let change = profile(&mut fields)?;
    let external_id = external_id(&mut fields)?.map(Some);
    fields.attributes()?;
    let person = web.engine.change_user(&call.caller, user, change, external_id).await?;
    let (user, again) = (wire::User::of(&person, call.env), wire::User::of(&person, call.env));
    let updated = Updated {
        user_id: user.user_id.clone(),
        emails: again.emails,
        phone_numbers: again.phone_numbers,
        crypto_wallets: Vec::new(),
        user,
    };
    done(call.env, updated)
}

/// Removes a user: sessions end, links and codes die.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}",
    tag = "Users",
    security(("project" = [])),
    params(("user_id" = String, Path, description = "The user's id, or your own.")),
    responses(
        (status = 200, description = "Removed.", body = Removed),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn remove(State(web): State<Arc<Web>>, UserCall { call, user }: UserCall) -> Result<Response, Refusal> {
    let id = web.engine.delete_user(&call.caller, user).await.map_err(|e| Refusal::from(e).within(call.env))?;
    done(call.env, Removed { user_id: call.env.show("user", id) })
}

/// Removes your own id of a user.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}/external_id",
    tag = "Users",
    security(("project" = [])),
    params(("user_id" = String, Path, description = "The user's id, or your own.")),
    responses(
        (status = 200, description = "The user.", body = OneUser),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn remove_external_id(
    State(web): State<Arc<Web>>,
    UserCall { call, user }: UserCall,
) -> Result<Response, Refusal> {
    let changed = web.engine.change_user(&call.caller, user, ProfileChange::default(), Some(None)).await;
    let person = changed.map_err(|e| Refusal::from(e).within(call.env))?;
    one(&call, &person)
}
