//! Errors on this dialect's wire (contract section 3): `{"error", "data"}`, both always there. At `/v0/auth/token`, `error` is the code of RFC 6749.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use passlink_engine::error::{FieldError, Problem as Wrong};
use passlink_engine::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Value, json};

use crate::extract::json::BodyProblem;
use crate::frame::Logged;

/// An answer as JSON that nobody keeps.
fn object(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A success with `data` and nothing beside it.
pub(super) fn done(status: StatusCode, data: impl Serialize) -> Result<Response, Refusal> {
    let data = serde_json::to_value(data).map_err(Error::internal)?;
    Ok(object(status, &json!({ "data": data })))
}

/// A success of another shape.
pub(super) fn plain(body: &impl Serialize) -> Result<Response, Refusal> {
    let body = serde_json::to_value(body).map_err(Error::internal)?;
    Ok(object(StatusCode::OK, &body))
}

/// A bad field, as their framework tells it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    loc: Vec<String>,
    msg: String,
    r#type: &'static str,
}

impl Problem {
    /// `place` is `body`, `query` or `path`; without a field, all of it is meant.
    pub(super) fn new(place: &str, field: &str, kind: &'static str, msg: impl Into<String>) -> Self {
        let field = Some(field).filter(|field| !field.is_empty());
        let loc = std::iter::once(place).chain(field).map(str::to_owned).collect();
        Self { loc, msg: msg.into(), r#type: kind }
    }

    /// A field of the engine's by the name it has here.
    fn of(field: &FieldError) -> Self {
        let name = match field.field.as_str() {
            "lifetime" => "ttl",
            "session_lifetime" => "session_timeout",
            "group" => "business_id",
            "attributes" => "",
            same => same,
        };
        let kind = match field.problem {
            Wrong::Missing => "missing",
            Wrong::OutOfRange | Wrong::OverCeiling => "less_than_equal",
            Wrong::TooLarge | Wrong::TooMany => "string_too_long",
            Wrong::Malformed | Wrong::Taken | Wrong::Unexpected | Wrong::Mismatch => "value_error",
        };
        Self::new("body", name, kind, in_their_words(&field.message))
    }
}

/// What we call a group is a business here.
fn in_their_words(message: &str) -> String {
    message.replace("group", "business")
}

/// An error answer, and its cause for the log.
pub(super) struct Refusal(Box<Inner>);

struct Inner {
    status: StatusCode,
    error: String,
    data: Value,
    description: Option<String>,
    retry_after: Option<u32>,
    challenge: Option<&'static str>,
    cause: Option<Error>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let challenge = (status == StatusCode::UNAUTHORIZED).then_some("Bearer");
        let error = error.into();
        let inner = Inner { status, error, data: Value::Null, description: None, retry_after: None, challenge, cause: None };
        Self(Box::new(inner))
    }

    /// 422 that names every bad field.
    pub(super) fn invalid(problems: &[Problem]) -> Self {
        let sentence = match problems {
            [one] => format!("{}: {}", one.loc.join("."), one.msg),
            _ => "Several fields are not as they must be".to_owned(),
        };
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence);
        refusal.0.data = json!(problems);
        refusal
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "A valid bearer token is required")
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such operation")
    }

    pub(super) fn no_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This operation does not know this method")
    }

    /// An error of the token operation: the code of RFC 6749 5.2, and the sentence as its description.
    pub(super) fn by_code(mut self, code: &str) -> Self {
        self.0.description = Some(std::mem::replace(&mut self.0.error, code.to_owned()));
        self
    }

    /// How the caller should have shown its credentials (RFC 6749 5.2).
    pub(super) fn challenge(mut self, challenge: &'static str) -> Self {
        self.0.challenge = self.0.challenge.map(|_| challenge);
        self
    }

    /// The answer to an engine's error.
    pub(super) fn of(error: &Error) -> Self {
        let say = |status| Self::new(status, in_their_words(error.message()));
        let later = |status| {
            let mut refusal = say(status);
            // What an operator has to mend takes a while.
            refusal.0.retry_after = Some(error.kind().retry_after().unwrap_or(60));
            refusal
        };
        match error.kind() {
            ErrorKind::Invalid(fields) => Self::invalid(&fields.iter().map(Problem::of).collect::<Vec<_>>()),
            ErrorKind::RedirectNotAllowed | ErrorKind::RedirectRequired | ErrorKind::Conflict => {
                say(StatusCode::UNPROCESSABLE_ENTITY)
            }
            ErrorKind::Unauthenticated => say(StatusCode::UNAUTHORIZED),
            ErrorKind::Forbidden => say(StatusCode::FORBIDDEN),
            ErrorKind::NotFound | ErrorKind::Expired | ErrorKind::AlreadyUsed => say(StatusCode::NOT_FOUND),
            ErrorKind::RateLimited { .. } => later(StatusCode::TOO_MANY_REQUESTS),
            ErrorKind::NotConfigured | ErrorKind::Undeliverable | ErrorKind::Unavailable => {
                later(StatusCode::SERVICE_UNAVAILABLE)
            }
            ErrorKind::Internal => say(StatusCode::INTERNAL_SERVER_ERROR),
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
        let bad = |kind, message: String| Self::invalid(&[Problem::new("body", "", kind, message)]);
        match problem {
            BodyProblem::MediaType => bad("media_type", "Send the body as application/json".to_owned()),
            BodyProblem::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB"),
            BodyProblem::NotJson(message) => bad("json_invalid", message),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Inner { status, error, data, description, retry_after, challenge, cause } = *self.0;
        let mut body = json!({ "error": error, "data": data });
        if let Some(description) = description {
            body["error_description"] = json!(description);
        }
        let mut response = object(status, &body);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(Logged(Arc::new(cause)));
        }
        response
    }
}
