//! Answers and errors on this dialect's wire (contract sections 2 and 8). Every object shows status and request id, which is known only where the request
//! is framed: see [`Finish`].

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use passlink_engine::error::{FieldError, Problem};
use passlink_engine::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Value, json};

use super::ids::Env;
use crate::extract::json::BodyProblem;
use crate::frame::{Finish, Framed, Logged};

/// An object with status and request id.
fn object(status: StatusCode, env: Env, body: Value) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let finish = move |Framed { request_id, origin }: Framed<'_>| {
        let mut body = body.clone();
        body["status_code"] = json!(status.as_u16());
        body["request_id"] = json!(env.show("request-id", request_id));
        if let Some(error_type) = body["error_type"].as_str().filter(|_| status.is_client_error() || status.is_server_error()) {
            // A line of our own reference; the SDKs only show it.
            body["error_url"] = json!(format!("{origin}/docs/stytch#{error_type}"));
        }
        Body::from(body.to_string())
    };
    response.extensions_mut().insert(Finish(Arc::new(finish)));
    response
}

/// A success.
pub(super) fn done(env: Env, body: impl Serialize) -> Result<Response, Refusal> {
    let body = serde_json::to_value(body).map_err(Error::internal)?;
    Ok(object(StatusCode::OK, env, body))
}

/// An error answer, and its cause for the log.
pub(super) struct Refusal(Box<Inner>);

struct Inner {
    status: StatusCode,
    error_type: &'static str,
    message: String,
    env: Env,
    retry_after: Option<u32>,
    cause: Option<Error>,
}

impl Refusal {
    pub(super) fn new(status: u16, error_type: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self(Box::new(Inner { status, error_type, message: message.into(), env: Env::Test, retry_after: None, cause: None }))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    pub(super) fn no_route() -> Self {
        Self::new(404, "route_not_found", "There is no such operation.")
    }

    pub(super) fn no_method() -> Self {
        Self::new(405, "method_not_allowed", "This operation does not know this method.")
    }

    pub(super) fn no_credentials() -> Self {
        Self::new(401, "unauthorized_credentials", "Unauthorized credentials.")
    }

    /// In the project's environment.
    pub(super) fn within(mut self, env: Env) -> Self {
        self.0.env = env;
        self
    }

    pub(super) fn is(&self, error_type: &str) -> bool {
        self.0.error_type == error_type
    }

    /// The same refusal under a more exact type.
    pub(super) fn typed(mut self, error_type: &'static str) -> Self {
        self.0.error_type = error_type;
        self
    }

    fn of_field(field: &FieldError) -> Self {
        use Problem::{Mismatch, Missing, OverCeiling, Taken, TooLarge, TooMany, Unexpected};
        let error_type = match (field.field.as_str(), field.problem) {
            ("email", Taken) => "duplicate_email",
            ("email", Missing) => "invalid_create_user_request",
            ("email", _) => "invalid_email",
            ("phone", Taken) => "duplicate_phone_number",
            ("phone", _) => "invalid_phone_number",
            ("external_id", Taken) => "duplicate_user_external_id",
            ("external_id", _) => "invalid_user_id",
            ("trusted_metadata" | "untrusted_metadata", TooMany) => "metadata_too_many_keys",
            ("trusted_metadata" | "untrusted_metadata", TooLarge) => "metadata_too_large",
            ("lifetime", _) => "invalid_expiration",
            ("session_lifetime", OverCeiling) => "invalid_session_duration",
            ("session_lifetime", _) => "invalid_session_duration_minutes",
            ("session", Mismatch) => "user_id_mismatch",
            ("claims", _) => "custom_claims_too_large",
            ("identifier", Mismatch) => "invalid_exchange_primary_factor_user",
            ("identifier", _) => "cannot_delete_last_primary_factor",
            ("code_challenge", _) => "invalid_pkce_code_challenge",
            ("code_verifier", Missing) => "pkce_expected_code_verifier",
            ("code_verifier", Unexpected) => "pkce_did_not_expect_code_verifier",
            ("code_verifier", Mismatch) => "pkce_mismatch",
            ("code_verifier", _) => "invalid_pkce_code_verifier",
            _ => "bad_request",
        };
        Self::new(400, error_type, format!("{}: {}", field.field, field.message))
    }

    /// The answer to an engine's error.
    pub(super) fn of(error: &Error) -> Self {
        let mut refusal = Self::by_kind(error);
        refusal.0.retry_after = error.kind().retry_after();
        refusal
    }

    fn by_kind(error: &Error) -> Self {
        let say = |status, error_type| Self::new(status, error_type, error.message());
        match (error.kind(), error.thing()) {
            (ErrorKind::Invalid(fields), _) => match fields.first() {
                Some(field) => Self::of_field(field),
                None => Self::bad_request(error.message()),
            },
            (ErrorKind::NotFound, "user") => say(404, "user_not_found"),
            (ErrorKind::NotFound, "link") => say(404, "magic_link_not_found"),
            (ErrorKind::NotFound, "email") => say(404, "email_not_found"),
            (ErrorKind::NotFound, "code") => say(404, "otp_code_not_found"),
            (ErrorKind::NotFound, "session") => say(404, "session_not_found"),
            (ErrorKind::NotFound, _) => say(404, "not_found"),
            (ErrorKind::AlreadyUsed | ErrorKind::Expired, "code") => say(401, "unable_to_auth_otp_code"),
            (ErrorKind::AlreadyUsed | ErrorKind::Expired, _) => say(401, "unable_to_auth_magic_link"),
            (ErrorKind::Unauthenticated, "device") => say(401, "attribute_mismatch"),
            (ErrorKind::Unauthenticated, _) => Self::no_credentials(),
            (ErrorKind::Forbidden, "user") => say(403, "user_disabled"),
            (ErrorKind::Forbidden, _) => say(403, "unauthorized_action"),
            (ErrorKind::Conflict, _) => say(400, "bad_request"),
            (ErrorKind::RedirectNotAllowed, _) => say(400, "no_match_for_provided_magic_link_url"),
            (ErrorKind::RedirectRequired, "sign_up") => say(400, "no_signup_redirect_urls_set"),
            (ErrorKind::RedirectRequired, "invite") => say(400, "no_invite_redirect_urls_set"),
            (ErrorKind::RedirectRequired, _) => say(400, "no_login_redirect_urls_set"),
            (ErrorKind::RateLimited { .. }, _) => say(429, "too_many_requests"),
            (ErrorKind::NotConfigured, _) => say(503, "not_configured"),
            (ErrorKind::Undeliverable, _) => say(502, "email_not_sent"),
            (ErrorKind::Unavailable, _) => say(503, "service_unavailable"),
            (ErrorKind::Internal, _) => say(500, "internal_server_error"),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let mut refusal = Self::of(&error);
        refusal.0.cause = Some(error);
        refusal
    }
}

impl From<BodyProblem> for Refusal {
    fn from(problem: BodyProblem) -> Self {
        match problem {
            BodyProblem::MediaType => Self::new(415, "unsupported_media_type", "Send the body as application/json."),
            BodyProblem::TooLarge => Self::new(413, "request_too_large", "The body is larger than 64 KiB."),
            BodyProblem::NotJson(message) => Self::bad_request(message),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Inner { status, error_type, message, env, retry_after, cause } = *self.0;
        let body = json!({
            "error_type": error_type,
            "error_message": message,
        });
        let mut response = object(status, env, body);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED && error_type == "unauthorized_credentials" {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"project\""));
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(Logged(Arc::new(cause)));
        }
        response
    }
}
