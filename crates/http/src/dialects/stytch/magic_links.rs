//! Links that the caller delivers itself (contract section 5).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::links::Handover;
use passlink_engine::links::exchange::{Exchange, Exchanged, MustMatch, SessionWish};
use passlink_engine::links::issue::{Carries, IssueLink};
use passlink_engine::secret::Secret;
use passlink_engine::sessions::handle::SessionRef;
use passlink_engine::sessions::{Channel, ClientFacts};
use passlink_engine::time::Lifetime;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Call;
use super::body::{self, Fields};
use super::email_links::door;
use super::error::{Refusal, done};
use super::users::user_ref;
use super::{jwt, sandbox, wire};
use crate::web::Web;

/// Minutes a link may live, and its default.
const MINUTES: std::ops::RangeInclusive<i64> = 5..=10_080;
const DEFAULT: Lifetime = Lifetime::from_minutes(60);
/// Minutes a session may live.
pub(super) const SESSION_MINUTES: std::ops::RangeInclusive<i64> = 5..=527_040;

/// Asks for a link.
#[derive(ToSchema)]
#[schema(as = CreateLink)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Create {
    /// The user's id, or the app's own.
    user_id: String,
    /// From 5 to 10080; 60 when not given.
    #[schema(required = false, minimum = 5, maximum = 10080)]
    expiration_minutes: Option<i64>,
    /// The device the link is for, to be compared later.
    #[schema(required = false)]
    attributes: Option<wire::Attributes>,
}

/// The token of a link.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedLink)]
pub(super) struct Created {
    user_id: String,
    /// Put it into a URL of your own and deliver that yourself.
    token: String,
    /// Where a page of ours asks the person before it leads on to your registered page; when the app is set up so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    url: Option<String>,
}

/// Makes the token of a link that you deliver yourself.
#[utoipa::path(
    post,
    path = "/v1/magic_links",
    tag = "Magic links",
    security(("project" = [])),
    request_body = Create,
    responses(
        (status = 200, description = "The token.", body = Created),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn create(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    create_in(&web, &call, &headers, body).await.map_err(|refusal| refusal.within(call.env))
}

async fn create_in(web: &Web, call: &Call, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let user_id = fields.filled("user_id")?;
    let user_id = user_id.ok_or_else(|| Refusal::new(400, "invalid_user_id", "user_id: is required."))?;
    let lifetime = fields.minutes("expiration_minutes", MINUTES, "invalid_expiration")?;
    let client = fields.attributes()?;
    let person = web.engine.find_person(&call.caller, user_ref(call.env, &user_id)?).await?;
    let command = IssueLink {
        user: Some(person.user.id),
        handover: Handover::Client,
        lifetime: Some(lifetime.unwrap_or(DEFAULT)),
        carries: Carries::Link,
        door: Some(door(call)),
        client,
        ..IssueLink::nobody()
    };
    let issued = web.engine.issue_link(&call.caller, command).await?;
    let token = issued.token.as_ref().map(Secret::expose).unwrap_or_default().to_owned();
    let url = issued.url.filter(|_| call.caller.app.settings.page_for_client_links).map(|url| url.expose().to_owned());
    done(call.env, Created { user_id: call.env.show("user", person.user.id), token, url })
}

/// Exchanges the token of a link.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Authenticate {
    /// The token from the link.
    token: String,
    #[serde(flatten)]
    session: SessionFields,
    /// PKCE code verifier, when the link was asked for with a code challenge.
    #[schema(required = false)]
    code_verifier: Option<String>,
}

/// What all exchanges know.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct SessionFields {
    /// From 5 to 527040. Without it no session is made.
    #[schema(required = false, minimum = 5, maximum = 527040)]
    session_duration_minutes: Option<i64>,
    /// Adds the proof to this session instead; or session_jwt.
    #[schema(required = false)]
    session_token: Option<String>,
    /// Likewise.
    #[schema(required = false)]
    session_jwt: Option<String>,
    /// Claims for the session's JWTs, at most 4 KB.
    #[schema(required = false, value_type = Option<Object>)]
    session_custom_claims: Option<Value>,
    /// The device now.
    #[schema(required = false)]
    attributes: Option<wire::Attributes>,
    /// What of the device must be as it was when the link was asked for.
    #[schema(required = false)]
    options: Option<Options>,
}

/// What must be the same.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Options {
    ip_match_required: Option<bool>,
    user_agent_match_required: Option<bool>,
}

/// Exchanges a token for the user, and for a session when a duration is given. Only success uses the token up.
#[utoipa::path(
    post,
    path = "/v1/magic_links/authenticate",
    tag = "Magic links",
    security(("project" = [])),
    request_body = Authenticate,
    responses(
        (status = 200, description = "Who it is.", body = wire::Authenticated),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The token was used or has expired, or the device is another.", body = wire::ErrorBody),
        (status = 404, description = "The token or the session is not known.", body = wire::ErrorBody),
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
    let token = fields.filled("token")?.ok_or_else(|| Refusal::new(400, "invalid_token", "token: is required."))?;
    let verifier = fields.text("code_verifier")?;
    let asked = Asked::read(&mut fields)?;
    if let Some(answer) = sandbox::link(web, call, &token, asked.wants_session()).await {
        return answer;
    }
    let session = match asked.session(web, call).await {
        Ok(session) => session,
        Err(refusal) => {
            // What is wrong with the link is told first (contract section 5, order of checks).
            let alone = asked.exchange(verifier.as_deref(), SessionWish::None);
            web.engine.inspect_link(&call.caller, &token, &alone).await?;
            return Err(refusal);
        }
    };
    let exchange = asked.exchange(verifier.as_deref(), session);
    let exchanged = web.engine.exchange_link(&call.caller, &token, exchange).await?;
    authenticated(web, call, exchanged).await
}

/// The fields that all exchanges have in common.
pub(super) struct Asked {
    lifetime: Option<Lifetime>,
    session_token: Option<String>,
    session_jwt: Option<String>,
    claims: Map<String, Value>,
    client: ClientFacts,
    must_match: MustMatch,
}

impl Asked {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let lifetime = fields.minutes("session_duration_minutes", SESSION_MINUTES, "invalid_session_duration_minutes")?;
        let (session_token, session_jwt) = (fields.filled("session_token")?, fields.filled("session_jwt")?);
        let claims = fields.map("session_custom_claims")?.map(jwt::own_claims).unwrap_or_default();
        let client = fields.attributes()?;
        let mut options = fields.object("options")?;
        let mut flag = |field| options.as_mut().map_or(Ok(false), |fields| fields.flag(field));
        let must_match = MustMatch { ip_address: flag("ip_match_required")?, user_agent: flag("user_agent_match_required")? };
        Ok(Self { lifetime, session_token, session_jwt, claims, client, must_match })
    }

    /// # Errors
    /// `too_many_session_arguments`; those of a JWT that is not ours.
    pub(super) async fn session(&self, web: &Web, call: &Call) -> Result<SessionWish<'_>, Refusal> {
        Ok(match (&self.session_token, &self.session_jwt, self.lifetime) {
            (Some(_), Some(_), _) => {
                let message = "Only one of session_token and session_jwt can be given.";
                return Err(Refusal::new(400, "too_many_session_arguments", message));
            }
            (Some(token), None, lifetime) => SessionWish::Join(SessionRef::Token(token), lifetime),
            (None, Some(token), lifetime) => {
                SessionWish::Join(SessionRef::Id(jwt::session_of(&web.engine, call, token).await?), lifetime)
            }
            (None, None, Some(lifetime)) => SessionWish::Begin(lifetime),
            (None, None, None) => SessionWish::None,
        })
    }

    /// Whether the answer is to hold a session.
    pub(super) fn wants_session(&self) -> bool {
        self.lifetime.is_some() || self.session_token.is_some() || self.session_jwt.is_some()
    }

    pub(super) fn exchange<'a>(&self, verifier: Option<&'a str>, session: SessionWish<'a>) -> Exchange<'a> {
        Exchange { verifier, client: self.client.clone(), must_match: self.must_match, session, claims: self.claims.clone() }
    }
}

/// The answer of an exchange.
pub(super) async fn authenticated(web: &Web, call: &Call, exchanged: Exchanged) -> Result<Response, Refusal> {
    let Exchanged { person, link, factor, session } = exchanged;
    let (mut session_token, mut session_jwt, mut shown) = (String::new(), String::new(), None);
    if let Some(held) = &session {
        session_jwt = jwt::sign(&web.engine, call, &held.signed_in, &person).await?.expose().to_owned();
        session_token = held.token.as_ref().map(Secret::expose).unwrap_or_default().to_owned();
        shown = Some(wire::Session::of(&held.signed_in, &person, call.env));
    }
    let method_id = match (factor.channel, factor.identifier) {
        (Channel::Email, Some(identifier)) => call.env.show("email", identifier),
        _ => call.env.show(wire::EMBEDDED, link),
    };
    done(
        call.env,
        wire::Authenticated {
            user_id: call.env.show("user", person.user.id),
            method_id,
            session_token,
            session_jwt,
            user: wire::User::of(&person, call.env),
            reset_sessions: false,
            session: shown,
            user_device: None,
        },
    )
}
