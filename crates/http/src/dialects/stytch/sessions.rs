//! Sessions (contract section 7).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::ids::SessionId;
use passlink_engine::secret::Secret;
use passlink_engine::sessions::handle::SessionRef;
use passlink_engine::sessions::signing::Algorithm;
use passlink_engine::users::UserRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Call;
use super::body;
use super::error::{Refusal, done};
use super::ids::Env;
use super::magic_links::SESSION_MINUTES;
use super::users::user_ref;
use super::{jwt, sandbox, wire};
use crate::web::Web;

/// Shows a session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Authenticate {
    /// This or session_jwt.
    #[schema(required = false)]
    session_token: Option<String>,
    /// Its end does not matter: this is how to get a fresh one.
    #[schema(required = false)]
    session_jwt: Option<String>,
    /// From 5 to 527040: the session's new lifetime, counted from now.
    #[schema(required = false, minimum = 5, maximum = 527040)]
    session_duration_minutes: Option<i64>,
    /// Merged key by key; null removes a key.
    #[schema(required = false, value_type = Option<Object>)]
    session_custom_claims: Option<Value>,
}

/// Verifies a session, gives a fresh JWT, and may give a new end and claims.
#[utoipa::path(
    post,
    path = "/v1/sessions/authenticate",
    tag = "Sessions",
    security(("project" = [])),
    request_body = Authenticate,
    responses(
        (status = 200, description = "The session.", body = wire::HeldSession),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 403, description = "A permission was asked for, and there are no roles to give one.", body = wire::ErrorBody),
        (status = 404, description = "The session has ended or never was.", body = wire::ErrorBody),
    )
)]
pub(super) async fn authenticate(
    State(web): State<Arc<Web>>,
    call: Call,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    authenticate_in(&web, &call, &headers, body).await.map_err(|refusal| refusal.within(call.env))
}

async fn authenticate_in(web: &Web, call: &Call, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let (token, jwt) = (fields.filled("session_token")?, fields.filled("session_jwt")?);
    let lifetime = fields.minutes("session_duration_minutes", SESSION_MINUTES, "invalid_session_duration_minutes")?;
    let claims = fields.map("session_custom_claims")?.map(jwt::own_claims).unwrap_or_default();
    let wants_permission = fields.object("authorization_check")?.is_some();
    let session = match (&token, &jwt) {
        (Some(_), Some(_)) => return Err(Refusal::new(400, "too_many_session_arguments", BOTH)),
        (None, None) => return Err(Refusal::new(400, "no_session_arguments", NEITHER)),
        (Some(token), None) => SessionRef::Token(token),
        (None, Some(jwt)) => SessionRef::Id(jwt::session_of(&web.engine, call, jwt).await?),
    };
    if let SessionRef::Token(token) = session
        && let Some(answer) = sandbox::held(web, call, token).await
    {
        return answer;
    }
    if wants_permission {
        web.engine.verify_session(&call.caller, session, None, Map::new()).await?;
        let message = "This project has no roles that could allow this.";
        return Err(Refusal::new(403, "session_authorization_error", message));
    }
    let held = web.engine.verify_session(&call.caller, session, lifetime, claims).await?;
    let person = web.engine.find_person(&call.caller, UserRef::Id(held.signed_in.user.id)).await?;
    let answer = wire::HeldSession {
        session: wire::Session::of(&held.signed_in, &person, call.env),
        session_token: held.token.as_ref().map(Secret::expose).unwrap_or_default().to_owned(),
        session_jwt: jwt::sign(&web.engine, call, &held.signed_in, &person).await?.expose().to_owned(),
        user: wire::User::of(&person, call.env),
        verdict: None,
    };
    done(call.env, answer)
}

const BOTH: &str = "Only one of session_token and session_jwt can be given.";
const NEITHER: &str = "One of session_token and session_jwt is required.";

/// Whose sessions.
#[derive(Deserialize)]
pub(super) struct Whose {
    user_id: Option<String>,
}

/// The live sessions of a user.
#[derive(Serialize, ToSchema)]
pub(super) struct Listed {
    sessions: Vec<wire::Session>,
}

/// The live sessions of a user.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    tag = "Sessions",
    security(("project" = [])),
    params(("user_id" = String, Query, description = "The user's id, or your own.")),
    responses(
        (status = 200, description = "The sessions.", body = Listed),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    call: Call,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Refusal> {
    list_in(&web, &call, whose).await.map_err(|refusal| refusal.within(call.env))
}

async fn list_in(web: &Web, call: &Call, whose: Result<Query<Whose>, QueryRejection>) -> Result<Response, Refusal> {
    let Query(whose) = whose.map_err(|_| Refusal::bad_request("user_id: must be given once."))?;
    let user_id = whose.user_id.filter(|text| !text.is_empty());
    let user_id = user_id.ok_or_else(|| Refusal::new(400, "invalid_user_id", "user_id: is required."))?;
    let person = web.engine.find_person(&call.caller, user_ref(call.env, &user_id)?).await?;
    let sessions = web.engine.list_sessions(&call.caller, UserRef::Id(person.user.id)).await?;
    let sessions = sessions.iter().map(|signed_in| wire::Session::of(signed_in, &person, call.env)).collect();
    done(call.env, Listed { sessions })
}

/// Which session to end: exactly one of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Revoke {
    #[schema(required = false)]
    session_id: Option<String>,
    #[schema(required = false)]
    session_token: Option<String>,
    #[schema(required = false)]
    session_jwt: Option<String>,
}

/// Nothing more than status and request id.
#[derive(Serialize, ToSchema)]
pub(super) struct Nothing {}

/// Ends a session. A JWT that was signed before goes on passing local checks until its end, within five minutes.
#[utoipa::path(
    post,
    path = "/v1/sessions/revoke",
    tag = "Sessions",
    security(("project" = [])),
    request_body = Revoke,
    responses(
        (status = 200, description = "It has ended.", body = Nothing),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "The session has ended or never was.", body = wire::ErrorBody),
    )
)]
pub(super) async fn revoke(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    revoke_in(&web, &call, &headers, body).await.map_err(|refusal| refusal.within(call.env))
}

async fn revoke_in(web: &Web, call: &Call, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let (id, token, jwt) = (fields.filled("session_id")?, fields.filled("session_token")?, fields.filled("session_jwt")?);
    let session = match (&id, &token, &jwt) {
        (None, None, None) => {
            let message = "One of session_id, session_token and session_jwt is required.";
            return Err(Refusal::new(400, "no_session_revoke_arguments", message));
        }
        (Some(id), None, None) => {
            let gone = || Refusal::new(404, "session_not_found", "This session has ended or never was.");
            SessionRef::Id(SessionId::from_uuid(call.env.read("session", id).ok_or_else(gone)?))
        }
        (None, Some(token), None) => SessionRef::Token(token),
        (None, None, Some(jwt)) => SessionRef::Id(jwt::session_of(&web.engine, call, jwt).await?),
        _ => {
            let message = "Only one of session_id, session_token and session_jwt can be given.";
            return Err(Refusal::new(400, "too_many_session_revoke_arguments", message));
        }
    };
    web.engine.end_session(&call.caller, session).await?;
    done(call.env, Nothing {})
}

/// The public keys of a project.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}

/// The public keys that verify a project's JWTs. No credentials are needed.
#[utoipa::path(
    get,
    path = "/v1/sessions/jwks/{project_id}",
    tag = "Sessions",
    params(("project_id" = String, Path, description = "The project's id.")),
    responses(
        (status = 200, description = "The keys.", body = Keys),
        (status = 404, description = "There is no such project.", body = wire::ErrorBody),
    )
)]
pub(super) async fn jwks(State(web): State<Arc<Web>>, path: Result<Path<String>, PathRejection>) -> Result<Response, Refusal> {
    let project = path.map(|Path(project)| project).unwrap_or_default();
    let env = Env::of_project(&project);
    let unknown = || Refusal::new(404, "project_not_found", "There is no such project.").within(env);
    let found = web.engine.app_of_client(&project).await.map_err(|e| Refusal::from(e).within(env))?;
    let app = found.filter(|app| app.speaks(super::DIALECT.slug)).ok_or_else(unknown)?;
    // The SDKs keep what they get for minutes: the first key is made before it is first used.
    web.engine.current_key(app.id, Algorithm::Rs256).await.map_err(|e| Refusal::from(e).within(env))?;
    let directory = web.engine.directory();
    let keys = directory.keys_of(app.id).filter(|key| key.algorithm == Algorithm::Rs256);
    done(env, Keys { keys: keys.map(|key| jwt::published(key.jwk(), key.id, env)).collect() })
}
