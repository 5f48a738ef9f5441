//! Mailed links (contract section 9).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::links::mail::{Landing, MailLink, Mailed, MailedLink, MailedPages, Whom};
use passlink_engine::redirects::LandingUrl;
use passlink_engine::sessions::handle::SessionRef;
use passlink_engine::time::Lifetime;
use passlink_engine::users::UserRef;
use passlink_engine::users::profile::ProfileChange;
use serde::Serialize;
use serde_json::Map;
use utoipa::ToSchema;

use super::auth::Call;
use super::body::{self, Fields};
use super::error::{Refusal, done};
use super::ids::Env;
use super::users::{email, metadata, user_ref};
use super::{jwt, sandbox, wire};
use crate::web::Web;

/// Minutes a mailed link may live, and the defaults.
const MINUTES: std::ops::RangeInclusive<i64> = 5..=10_080;
const LOGIN: Lifetime = Lifetime::from_minutes(60);
const SIGN_UP: Lifetime = Lifetime::from_minutes(10_080);

/// Mails a link to a user who exists.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Send {
    email: String,
    /// Where active users go; registered for the app. The first one registered when not given.
    #[schema(required = false)]
    login_magic_link_url: Option<String>,
    /// Where pending users go.
    #[schema(required = false)]
    signup_magic_link_url: Option<String>,
    /// From 5 to 10080; 60 when not given.
    #[schema(required = false, minimum = 5, maximum = 10080)]
    login_expiration_minutes: Option<i64>,
    /// From 5 to 10080; 10080 when not given.
    #[schema(required = false, minimum = 5, maximum = 10080)]
    signup_expiration_minutes: Option<i64>,
    /// Adds the address to this user; it stays if it is proven within five minutes.
    #[schema(required = false)]
    user_id: Option<String>,
    /// Likewise, to the user of this session.
    #[schema(required = false)]
    session_token: Option<String>,
    /// Likewise.
    #[schema(required = false)]
    session_jwt: Option<String>,
    /// PKCE code challenge, S256.
    #[schema(required = false)]
    code_challenge: Option<String>,
    #[schema(required = false)]
    attributes: Option<wire::Attributes>,
    /// `en`, `es`, `fr` or `pt-br`.
    #[schema(required = false)]
    locale: Option<String>,
}

/// Mails a link to a user who exists or comes to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct LoginOrCreate {
    email: String,
    #[schema(required = false)]
    login_magic_link_url: Option<String>,
    #[schema(required = false)]
    signup_magic_link_url: Option<String>,
    #[schema(required = false, minimum = 5, maximum = 10080)]
    login_expiration_minutes: Option<i64>,
    #[schema(required = false, minimum = 5, maximum = 10080)]
    signup_expiration_minutes: Option<i64>,
    /// A new user is `pending` until the first sign-in.
    #[schema(required = false)]
    create_user_as_pending: Option<bool>,
    #[schema(required = false)]
    code_challenge: Option<String>,
    #[schema(required = false)]
    attributes: Option<wire::Attributes>,
    #[schema(required = false)]
    locale: Option<String>,
}

/// Invites somebody.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Invite {
    email: String,
    #[schema(required = false)]
    invite_magic_link_url: Option<String>,
    /// From 5 to 10080; 60 when not given.
    #[schema(required = false, minimum = 5, maximum = 10080)]
    invite_expiration_minutes: Option<i64>,
    #[schema(required = false)]
    name: Option<wire::Name>,
    #[schema(required = false)]
    attributes: Option<wire::Attributes>,
    #[schema(required = false)]
    locale: Option<String>,
}

/// Ends an invitation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct RevokeInvite {
    email: String,
}

/// The mail waits to be sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent {
    pub user_id: String,
    pub email_id: String,
}

/// The mail waits to be sent.
#[derive(Serialize, ToSchema)]
pub(super) struct SentOrCreated {
    pub user_id: String,
    pub email_id: String,
    pub user_created: bool,
}

/// Nothing more than status and request id.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {}

/// What all mails have in common: the address, and fields whose form is checked.
pub(super) struct Common {
    pub email: passlink_engine::email_address::EmailAddress,
}

impl Common {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let email = email(fields, "email")?.ok_or_else(|| Refusal::new(400, "invalid_email", "email: is required."))?;
        match fields.filled("locale")?.as_deref() {
            None | Some("en" | "es" | "fr" | "pt-br" | "ptbr") => {}
            Some(_) => return Err(Refusal::new(400, "invalid_locale", "locale: must be en, es, fr or pt-br.")),
        }
        for field in ["login_template_id", "signup_template_id", "invite_template_id"] {
            if fields.filled(field)?.is_some() {
                let message = format!("{field}: there is no such template; texts are the operator's.");
                return Err(Refusal::new(400, "email_template_not_found", message));
            }
        }
        Ok(Self { email })
    }
}

fn landing(fields: &mut Fields, env: Env, url: &str, minutes: &str, default: Lifetime) -> Result<Landing, Refusal> {
    let url = match fields.filled(url)? {
        None => None,
        Some(text) => {
            let wrong = |why: String| Refusal::new(400, "invalid_magic_link_url", format!("{url}: {why}."));
            let parsed = LandingUrl::parse(&text).map_err(|e| wrong(e.to_string()))?;
            if env == Env::Live && parsed.as_url().scheme() != "https" {
                return Err(wrong("must be https in a live project".to_owned()));
            }
            Some(parsed)
        }
    };
    let lifetime = fields.minutes(minutes, MINUTES, "invalid_expiration")?.unwrap_or(default);
    Ok(Landing { url, lifetime })
}

/// Where the links of this project open.
pub(super) fn door(call: &Call) -> String {
    let public_token = call.env.show("public-token", call.caller.app.id);
    format!("/v1/magic_links/redirect?public_token={public_token}&stytch_token_type=magic_links&token=")
}

fn by_link(fields: &mut Fields, call: &Call) -> Result<Mailed, Refusal> {
    Ok(Mailed::Link(Box::new(MailedPages {
        sign_in: landing(fields, call.env, "login_magic_link_url", "login_expiration_minutes", LOGIN)?,
        sign_up: landing(fields, call.env, "signup_magic_link_url", "signup_expiration_minutes", SIGN_UP)?,
        door: door(call),
        secure: call.env == Env::Live,
    })))
}

/// Whose the address is or becomes: the user of the address, or one that is named.
pub(super) async fn whom(web: &Web, call: &Call, fields: &mut Fields) -> Result<Whom, Refusal> {
    let (user, token, jwt) = (fields.filled("user_id")?, fields.filled("session_token")?, fields.filled("session_jwt")?);
    let session = match (&user, &token, &jwt) {
        (None, None, None) => return Ok(Whom::Known),
        (Some(user), None, None) => return Ok(Whom::Of(user_ref(call.env, user)?)),
        (None, Some(token), None) => SessionRef::Token(token),
        (None, None, Some(jwt)) => SessionRef::Id(jwt::session_of(&web.engine, call, jwt).await?),
        _ => {
            let message = "Only one of user_id, session_token and session_jwt can be given.";
            return Err(Refusal::new(400, "too_many_session_arguments", message));
        }
    };
    let held = web.engine.verify_session(&call.caller, session, None, Map::new()).await?;
    Ok(Whom::Of(UserRef::Id(held.signed_in.user.id)))
}

/// Asks for the mail, and answers whose it is.
pub(super) async fn mail(web: &Web, call: &Call, command: MailLink) -> Result<Response, Refusal> {
    let mailed = web.engine.mail_link(&call.caller, command).await?;
    let (user_id, email_id) = shown(call, &mailed);
    done(call.env, Sent { user_id, email_id })
}

/// The same, and whether the user came to be with it.
pub(super) async fn mail_or_create(web: &Web, call: &Call, command: MailLink) -> Result<Response, Refusal> {
    let mailed = web.engine.mail_link(&call.caller, command).await?;
    let (user_id, email_id) = shown(call, &mailed);
    done(call.env, SentOrCreated { user_id, email_id, user_created: mailed.created })
}

fn shown(call: &Call, mailed: &MailedLink) -> (String, String) {
    (call.env.show("user", mailed.user), call.env.show("email", mailed.identifier))
}

/// Mails a link to a user who exists, or adds an address to one.
#[utoipa::path(
    post,
    path = "/v1/magic_links/email/send",
    tag = "Mailed links",
    security(("project" = [])),
    request_body = Send,
    responses(
        (status = 200, description = "The mail waits to be sent.", body = Sent),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "No user has this address, or the user or session is not known.", body = wire::ErrorBody),
        (status = 429, description = "This address was sent too many mails.", body = wire::ErrorBody),
    )
)]
pub(super) async fn send(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let answer = async {
        let mut fields = body::read(&headers, body).await?;
        let Common { email } = Common::read(&mut fields)?;
        let what = by_link(&mut fields, &call)?;
        let client = fields.attributes()?;
        let code_challenge = fields.text("code_challenge")?;
        if let Some(answer) = sandbox::sent(&call, &email) {
            return answer;
        }
        let whom = whom(&web, &call, &mut fields).await?;
        mail(&web, &call, MailLink { email, whom, what, code_challenge, client }).await
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}

/// Mails a link to a user who exists, or comes to be with it.
#[utoipa::path(
    post,
    path = "/v1/magic_links/email/login_or_create",
    tag = "Mailed links",
    security(("project" = [])),
    request_body = LoginOrCreate,
    responses(
        (status = 200, description = "The mail waits to be sent.", body = SentOrCreated),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 429, description = "This address was sent too many mails.", body = wire::ErrorBody),
    )
)]
pub(super) async fn login_or_create(
    State(web): State<Arc<Web>>,
    call: Call,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let answer = async {
        let mut fields = body::read(&headers, body).await?;
        let Common { email } = Common::read(&mut fields)?;
        let what = by_link(&mut fields, &call)?;
        let client = fields.attributes()?;
        let code_challenge = fields.text("code_challenge")?;
        let whom = Whom::KnownOrNew { pending: fields.flag("create_user_as_pending")? };
        if let Some(answer) = sandbox::sent_or_created(&call, &email) {
            return answer;
        }
        mail_or_create(&web, &call, MailLink { email, whom, what, code_challenge, client }).await
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}

/// Invites somebody, who is a pending user until then.
#[utoipa::path(
    post,
    path = "/v1/magic_links/email/invite",
    tag = "Mailed links",
    security(("project" = [])),
    request_body = Invite,
    responses(
        (status = 200, description = "The mail waits to be sent.", body = Sent),
        (status = 400, description = "A bad field, or the user is active already.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 429, description = "This address was sent too many mails.", body = wire::ErrorBody),
    )
)]
pub(super) async fn invite(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let answer = async {
        let mut fields = body::read(&headers, body).await?;
        let Common { email } = Common::read(&mut fields)?;
        let page = landing(&mut fields, call.env, "invite_magic_link_url", "invite_expiration_minutes", LOGIN)?;
        let what = Mailed::Link(Box::new(MailedPages {
            sign_in: page.clone(),
            sign_up: page,
            door: door(&call),
            secure: call.env == Env::Live,
        }));
        let client = fields.attributes()?;
        let profile = ProfileChange {
            name: fields.name()?,
            trusted: metadata(&mut fields, "trusted_metadata")?,
            untrusted: metadata(&mut fields, "untrusted_metadata")?,
            ..ProfileChange::default()
        };
        if let Some(answer) = sandbox::sent(&call, &email) {
            return answer;
        }
        let command = MailLink { email, whom: Whom::Invited(Box::new(profile)), what, code_challenge: None, client };
        let mailed = web.engine.mail_link(&call.caller, command).await.map_err(|error| {
            let refusal = Refusal::from(error);
            if refusal.is("duplicate_email") { refusal.typed("user_already_invited") } else { refusal }
        })?;
        let (user_id, email_id) = shown(&call, &mailed);
        done(call.env, Sent { user_id, email_id })
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}

/// Ends an invitation: its link is not known any more.
#[utoipa::path(
    post,
    path = "/v1/magic_links/email/revoke_invite",
    tag = "Mailed links",
    security(("project" = [])),
    request_body = RevokeInvite,
    responses(
        (status = 200, description = "It has ended.", body = Revoked),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "No invitation to this address is open.", body = wire::ErrorBody),
    )
)]
pub(super) async fn revoke_invite(
    State(web): State<Arc<Web>>,
    call: Call,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let answer = async {
        let mut fields = body::read(&headers, body).await?;
        let Common { email } = Common::read(&mut fields)?;
        if let Some(answer) = sandbox::revoked(&call, &email) {
            return answer;
        }
        web.engine.revoke_invite(&call.caller, &email).await?;
        done(call.env, Revoked {})
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}
