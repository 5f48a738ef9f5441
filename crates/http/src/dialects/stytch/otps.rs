//! Mailed codes (contract section 11).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::ids::IdentifierId;
use passlink_engine::links::mail::{MailLink, Mailed, Whom};
use passlink_engine::time::Lifetime;
use utoipa::ToSchema;

use super::auth::Call;
use super::body::{self, Fields};
use super::email_links::{Common, Sent, SentOrCreated, mail, mail_or_create, whom};
use super::error::Refusal;
use super::magic_links::{Asked, SessionFields, authenticated};
use super::{sandbox, wire};
use crate::web::Web;

/// Minutes a code may live, and the default.
const MINUTES: std::ops::RangeInclusive<i64> = 1..=10;
const DEFAULT: Lifetime = Lifetime::from_minutes(2);

/// Mails a code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct SendCode {
    email: String,
    /// From 1 to 10; 2 when not given.
    #[schema(required = false, minimum = 1, maximum = 10)]
    expiration_minutes: Option<i64>,
    #[schema(required = false)]
    attributes: Option<wire::Attributes>,
    #[schema(required = false)]
    locale: Option<String>,
    /// Adds the address to this user; it stays if it is proven within five minutes. Not for login_or_create.
    #[schema(required = false)]
    user_id: Option<String>,
    #[schema(required = false)]
    session_token: Option<String>,
    #[schema(required = false)]
    session_jwt: Option<String>,
    /// A new user is `pending` until the first sign-in. For login_or_create.
    #[schema(required = false)]
    create_user_as_pending: Option<bool>,
}

/// Exchanges a code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct AuthenticateCode {
    /// The `email_id` of the address it was sent to.
    method_id: String,
    /// Six digits.
    code: String,
    #[serde(flatten)]
    session: SessionFields,
}

fn code(fields: &mut Fields) -> Result<Mailed, Refusal> {
    Ok(Mailed::Code(fields.minutes("expiration_minutes", MINUTES, "invalid_expiration_otp")?.unwrap_or(DEFAULT)))
}

/// Mails a code to a user who exists, or comes to be with it. It replaces the one before.
#[utoipa::path(
    post,
    path = "/v1/otps/email/login_or_create",
    tag = "Codes",
    security(("project" = [])),
    request_body = SendCode,
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
        let what = code(&mut fields)?;
        let client = fields.attributes()?;
        let whom = Whom::KnownOrNew { pending: fields.flag("create_user_as_pending")? };
        if let Some(answer) = sandbox::sent_or_created(&call, &email) {
            return answer;
        }
        mail_or_create(&web, &call, MailLink { email, whom, what, code_challenge: None, client }).await
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}

/// Mails a code to a user who exists, or adds an address to one. It replaces the one before.
#[utoipa::path(
    post,
    path = "/v1/otps/email/send",
    tag = "Codes",
    security(("project" = [])),
    request_body = SendCode,
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
        let what = code(&mut fields)?;
        let client = fields.attributes()?;
        if let Some(answer) = sandbox::sent(&call, &email) {
            return answer;
        }
        let whom = whom(&web, &call, &mut fields).await?;
        mail(&web, &call, MailLink { email, whom, what, code_challenge: None, client }).await
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}

/// Exchanges a code for the user, and for a session when a duration is given. Five wrong ones end it.
#[utoipa::path(
    post,
    path = "/v1/otps/authenticate",
    tag = "Codes",
    security(("project" = [])),
    request_body = AuthenticateCode,
    responses(
        (status = 200, description = "Who it is.", body = wire::Authenticated),
        (status = 400, description = "A bad field.", body = wire::ErrorBody),
        (status = 401, description = "The code was used, has expired or was guessed at too often, or the device is another.", body = wire::ErrorBody),
        (status = 404, description = "The code is wrong, or the session is not known.", body = wire::ErrorBody),
        (status = 429, description = "Too many codes were tried for this address.", body = wire::ErrorBody),
    )
)]
pub(super) async fn authenticate(
    State(web): State<Arc<Web>>,
    call: Call,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let answer = async {
        let mut fields = body::read(&headers, body).await?;
        let method = fields.filled("method_id")?;
        let method = method.ok_or_else(|| Refusal::new(400, "invalid_method_id", "method_id: is required."))?;
        let code = fields.filled("code")?.filter(|code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
        let code = code.ok_or_else(|| Refusal::new(400, "invalid_code", "code: must be six digits."))?;
        let asked = Asked::read(&mut fields)?;
        if let Some(answer) = sandbox::code(&web, &call, &method, &code, asked.wants_session()).await {
            return answer;
        }
        let not_an_address = || Refusal::new(400, "invalid_method_id", "method_id: must be the email_id of the address.");
        let method = call.env.read("email", &method).ok_or_else(not_an_address)?;
        let exchange = asked.exchange(None, asked.session(&web, &call).await?);
        let exchanged = web.engine.exchange_code(&call.caller, IdentifierId::from_uuid(method), &code, exchange).await?;
        authenticated(&web, &call, exchanged).await
    };
    answer.await.map_err(|refusal: Refusal| refusal.within(call.env))
}
