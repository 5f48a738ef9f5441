//! `POST /v0/auth/token`: a client shows its credentials and gets a token (contract section 2; RFC 6749 4.4, RFC 8707).

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use passlink_engine::apps::TokenExpiry;
use passlink_engine::apps::tokens::TokenWish;
use passlink_engine::ids::GroupId;
use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use passlink_engine::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Map, json};
use utoipa::ToSchema;

use super::budget::Budget;
use super::error::{Problem, Refusal, plain};
use super::ids::{self, Read};
use super::{SCOPES, body, wire};
use crate::extract::basic::basic_credentials;
use crate::extract::json::BodyProblem;
use crate::extract::request::Context;
use crate::frame::LARGEST_BODY;
use crate::web::Web;

/// Asks for a token. The credentials may also come as HTTP Basic.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; forms are read field by field")]
pub(super) struct AskToken {
    /// `client_credentials`, the default; `password` means the same.
    #[schema(required = false, example = "client_credentials")]
    grant_type: String,
    #[schema(required = false)]
    client_id: String,
    #[schema(required = false)]
    client_secret: String,
    /// Confines the token to one business.
    #[schema(required = false)]
    business_id: String,
    /// Scopes separated by blanks; all of the client's when not given.
    #[schema(required = false, example = "auth:create business:read")]
    scope: String,
    /// Seconds; 3600 when not given, 86400 at most.
    #[schema(required = false, minimum = 1)]
    expires_in: i64,
    /// Whom the token is for (RFC 8707); may come several times.
    #[schema(required = false)]
    resource: String,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// The moment of its end in unix seconds, or the seconds until then where the operator chose that.
    expires_in: i64,
    /// The moment of its end in unix seconds.
    expires_at: i64,
    /// What it allows.
    scope: String,
}

/// The fields of a form. Only `resource` may come more than once (RFC 6749 3.2).
struct Form {
    fields: HashMap<String, String>,
    resources: Vec<String>,
}

impl Form {
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("", "media_type", "Send the body as application/x-www-form-urlencoded"));
        }
        let bytes = to_bytes(body, LARGEST_BODY).await.map_err(|_| Refusal::from(BodyProblem::TooLarge))?;
        let mut form = Self { fields: HashMap::new(), resources: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(&bytes) {
            if name == "resource" {
                form.resources.push(value.into_owned());
            } else if let Some(_twice) = form.fields.insert(name.to_string(), value.into_owned()) {
                return Err(invalid("", "value_error", "A parameter may come only once"));
            }
        }
        Ok(form)
    }

    /// A field that is not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_password(&self) -> bool {
        self.get("grant_type") == Some("password")
    }

    /// The client's id and secret; where a request has them twice, they must agree.
    fn credentials(&self, headers: &HeaderMap) -> Result<(String, Secret), Refusal> {
        let stand_in = |name: &str, other: &str| match self.get(name) {
            None if self.is_password() => self.get(other).map(str::to_owned),
            given => given.map(str::to_owned),
        };
        let (id, secret) = (stand_in("client_id", "username"), stand_in("client_secret", "password"));
        if headers.contains_key(AUTHORIZATION) {
            let (basic_id, basic_secret) = basic_credentials(headers).ok_or_else(invalid_client)?;
            let same = |given: &Option<String>, basic: &str| given.as_deref().is_none_or(|given| given == basic);
            let agree = same(&id, &basic_id)
                && secret
                    .as_deref()
                    .is_none_or(|given| passlink_engine::secret::equal(given.as_bytes(), basic_secret.expose().as_bytes()));
            return if agree { Ok((basic_id, basic_secret)) } else { Err(invalid_client()) };
        }
        let id = id.ok_or_else(|| invalid("client_id", "missing", "is required"))?;
        Ok((id, Secret::new(secret.ok_or_else(invalid_client)?)))
    }

    fn wish(&self, app: passlink_engine::ids::AppId) -> Result<TokenWish, Refusal> {
        if !matches!(self.get("grant_type"), None | Some("client_credentials" | "password")) {
            let problem = Problem::new("body", "grant_type", "enum", "must be client_credentials");
            return Err(Refusal::invalid(&[problem]).by_code("unsupported_grant_type"));
        }
        let mut claims = Map::from_iter([("tenant".to_owned(), json!(wire::tenant(app)))]);
        let group = match self.get("business_id") {
            None => None,
            Some(text) => {
                claims.insert("business_id".to_owned(), json!(text));
                match ids::read("biz", text) {
                    Read::Id(id) => Some(GroupId::from_uuid(id)),
                    Read::Foreign => Some(GroupId::from_uuid(uuid::Uuid::nil())),
                    Read::Malformed => return Err(invalid("business_id", "string_pattern_mismatch", body::MALFORMED)),
                }
            }
        };
        let lifetime = match self.get("expires_in").map(seconds) {
            None => None,
            Some(Some(lifetime)) => Some(lifetime),
            Some(None) => return Err(invalid("expires_in", "greater_than", "must be a whole number of seconds over zero")),
        };
        if !self.resources.iter().all(|resource| is_resource(resource)) || self.resources.len() > 16 {
            let problem = Problem::new("body", "resource", "value_error", "must be absolute URIs without fragment");
            return Err(Refusal::invalid(&[problem]).by_code("invalid_target"));
        }
        let scopes = self.get("scope").map(|text| text.split_ascii_whitespace().map(str::to_owned).collect());
        Ok(TokenWish { scopes, group, lifetime, audiences: self.resources.clone(), claims })
    }
}

/// A positive number of seconds; one over a day is lowered to it, however large.
fn seconds(text: &str) -> Option<Lifetime> {
    let digits = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().any(|b| b != b'0');
    let seconds = text.parse().unwrap_or(i64::MAX).min(86_400);
    digits.then(|| Lifetime::from_secs(seconds))
}

/// RFC 8707 2: an absolute URI without fragment.
fn is_resource(text: &str) -> bool {
    text.len() <= 2048 && !text.contains('#') && url::Url::parse(text).is_ok()
}

fn invalid(field: &str, kind: &'static str, message: &str) -> Refusal {
    Refusal::invalid(&[Problem::new("body", field, kind, message)]).by_code("invalid_request")
}

fn invalid_client() -> Refusal {
    Refusal::from(Error::new(ErrorKind::Unauthenticated, "These credentials are not valid")).by_code("invalid_client")
}

/// An error of the engine by its code here.
fn told(error: Error) -> Refusal {
    let code = match error.kind() {
        ErrorKind::Unauthenticated => "invalid_client",
        ErrorKind::Forbidden => "unauthorized_client",
        ErrorKind::Invalid(fields) if fields.iter().any(|field| field.field == "scope") => "invalid_scope",
        ErrorKind::Unavailable => "temporarily_unavailable",
        ErrorKind::RateLimited { .. } => "slow_down",
        ErrorKind::Internal => "server_error",
        _ => "invalid_request",
    };
    Refusal::from(error).by_code(code)
}

/// Gives a client a token.
#[utoipa::path(
    post,
    path = "/v0/auth/token",
    tag = "Authentication",
    request_body(content = AskToken, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token.", body = Token),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "The tenant has no such business.", body = wire::ErrorBody),
        (status = 422, description = "A bad field.", body = wire::ErrorBody),
        (status = 429, description = "Too many requests.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    axum::Extension(budget): axum::Extension<Budget>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let shown_as_basic = headers.contains_key(AUTHORIZATION);
    let answer = async {
        let form = Form::read(&headers, body).await?;
        let (id, secret) = form.credentials(&headers)?;
        let caller = web.engine.authenticate_client(&context, &id, secret.expose()).await.map_err(told)?;
        if !caller.app.speaks(super::DIALECT.slug) {
            return Err(Refusal::no_route().by_code("invalid_request"));
        }
        budget.count(&web, &caller, None).await.map_err(told)?;
        let wish = form.wish(caller.app.id)?;
        let token = web.engine.issue_client_token(&caller, wish, SCOPES).await.map_err(told)?;
        let expires_at = token.expires_at.as_secs();
        plain(&Token {
            access_token: token.token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: match caller.app.settings.token_expiry {
                TokenExpiry::Timestamp => expires_at,
                TokenExpiry::Seconds => expires_at - web.engine.now().as_secs(),
            },
            expires_at,
            scope: token.scopes.join(" "),
        })
    };
    // A client is told to show its credentials in the way it tried (RFC 6749 5.2).
    answer.await.map_err(|refusal| if shown_as_basic { refusal.challenge("Basic realm=\"token\"") } else { refusal })
}
