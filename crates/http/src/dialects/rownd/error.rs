//! Errors on this dialect's wire (contract section 3). Clients insist on all five members.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use passlink_engine::error::FieldError;
use passlink_engine::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::extract::json::BodyProblem;
use crate::frame::Logged;

/// What is wrong with which fields.
pub(super) type FieldErrors = BTreeMap<String, Vec<String>>;

/// An error answer, and its cause for the log.
pub(super) struct Refusal(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: &'static str,
    message: String,
    fields: FieldErrors,
    retry_after: Option<u32>,
    bearer: bool,
    cause: Option<Error>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let message = message.into();
        Self(Box::new(Inner { status, code, message, fields: FieldErrors::new(), retry_after: None, bearer: false, cause: None }))
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "E_VALIDATION", message)
    }

    /// Bad fields of a body or query.
    pub(super) fn fields(code: &'static str, fields: FieldErrors) -> Self {
        let all: Vec<String> =
            fields.iter().flat_map(|(name, texts)| texts.iter().map(move |text| format!("{name} {text}"))).collect();
        let mut refusal = Self::new(400, code, all.join("; "));
        refusal.0.fields = fields;
        refusal
    }

    pub(super) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::fields("E_VALIDATION", FieldErrors::from([(name.to_owned(), vec![message.into()])]))
    }

    /// The one answer to bad credentials.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "E_UNAUTHORIZED", "The credentials are missing or not valid.")
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "E_FORBIDDEN", "These credentials are not for this app.")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "E_NOT_FOUND", "There is no such thing.")
    }

    pub(super) fn no_user() -> Self {
        Self::new(404, "E_USER_NOT_FOUND", "There is no such user.")
    }

    pub(super) fn no_method() -> Self {
        Self::new(405, "E_METHOD_NOT_ALLOWED", "This operation does not know this method.")
    }

    /// To whoever showed a user's token.
    pub(super) fn for_bearer(mut self) -> Self {
        self.0.bearer = true;
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    fn of_fields(code: &'static str, errors: &[FieldError]) -> Self {
        let mut fields = FieldErrors::new();
        for error in errors {
            let name = match error.field.as_str() {
                "lifetime" => "expiration",
                "group" => "group_to_join",
                "address" => "data",
                name => name,
            };
            fields.entry(name.to_owned()).or_default().push(error.message.clone());
        }
        Self::fields(code, fields)
    }

    /// The answer to an engine's error.
    pub(super) fn of(error: &Error) -> Self {
        let mut refusal = Self::by_kind(error);
        refusal.0.retry_after = error.kind().retry_after();
        refusal
    }

    fn by_kind(error: &Error) -> Self {
        let say = |status, code| Self::new(status, code, error.message());
        match (error.kind(), error.thing()) {
            (ErrorKind::Invalid(fields), "user") => Self::of_fields("E_USER_UPDATE_FAILED", fields),
            (ErrorKind::Invalid(fields), _) => Self::of_fields("E_VALIDATION", fields),
            (ErrorKind::RedirectNotAllowed | ErrorKind::RedirectRequired, _) => Self::field("redirect_url", error.message()),
            (ErrorKind::Unauthenticated, _) => Self::unauthorized(),
            (ErrorKind::Forbidden, "user") => say(403, "E_USER_DISABLED"),
            (ErrorKind::Forbidden, "field") => say(403, "E_FIELD_NOT_EDITABLE"),
            (ErrorKind::Forbidden, _) => say(403, "E_FORBIDDEN"),
            (ErrorKind::NotFound, "user") => say(404, "E_USER_NOT_FOUND"),
            (ErrorKind::NotFound, "link") => say(404, "E_LINK_NOT_FOUND"),
            (ErrorKind::NotFound, _) => say(404, "E_NOT_FOUND"),
            (ErrorKind::Conflict, _) => say(409, "E_CONFLICT"),
            (ErrorKind::Expired, _) => say(410, "E_LINK_EXPIRED"),
            (ErrorKind::AlreadyUsed, _) => say(410, "E_LINK_CONSUMED"),
            (ErrorKind::RateLimited { .. }, _) => say(429, "E_RATE_LIMITED"),
            (ErrorKind::NotConfigured, _) => say(503, "E_NOT_CONFIGURED"),
            (ErrorKind::Undeliverable, _) => say(502, "E_UNDELIVERABLE"),
            (ErrorKind::Unavailable, _) => say(503, "E_UNAVAILABLE"),
            (ErrorKind::Internal, _) => say(500, "E_INTERNAL"),
        }
    }

    /// The members of the body.
    pub(super) fn body(&self) -> Value {
        let Inner { status, code, message, fields, .. } = self.0.as_ref();
        let messages: Vec<String> = match fields.is_empty() {
            true => vec![message.clone()],
            false => fields.iter().flat_map(|(name, texts)| texts.iter().map(move |text| format!("{name} {text}"))).collect(),
        };
        let mut body = json!({
            "statusCode": status.as_u16(),
            "error": status.canonical_reason().unwrap_or("Error"),
            "code": code,
            "message": message,
            "messages": messages,
        });
        if !fields.is_empty() {
            body["field_errors"] = json!(fields);
        }
        body
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
            BodyProblem::MediaType => Self::validation("Send the body as application/json."),
            BodyProblem::TooLarge => Self::new(413, "E_TOO_LARGE", "The body is larger than 256 KiB."),
            BodyProblem::NotJson(message) => Self::validation(message),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.bearer && self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(cause) = self.0.cause {
            response.extensions_mut().insert(Logged(Arc::new(cause)));
        }
        response
    }
}

/// A success that nobody keeps.
pub(super) fn done(body: Value) -> Result<Response, Refusal> {
    let mut response = Json(body).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A success without a body.
pub(super) fn nothing() -> Result<Response, Refusal> {
    Ok(StatusCode::NO_CONTENT.into_response())
}
