//! Errors on this dialect's wire (contract section 2).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use passlink_engine::error::FieldError;
use passlink_engine::{Error, ErrorKind};

use super::wire::{ErrorBody, Issue};
use crate::frame::Logged;

/// An error answer, and its cause for the log.
pub(super) struct Refusal(Box<Inner>);

struct Inner {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<u32>,
    cause: Option<Error>,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, error: &str) -> Self {
        let body =
            ErrorBody { error: error.to_owned(), code: code.to_owned(), field_errors: None, issues: None, retry_after: None };
        Self(Box::new(Inner { status, body, retry_after: None, cause: None }))
    }

    /// Bad fields; every one is listed.
    pub(super) fn invalid(fields: &[FieldError]) -> Self {
        let first = fields.first().map_or("The request is not valid", |field| field.message.as_str());
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, "validation_error", first);
        let mut field_errors = BTreeMap::new();
        for field in fields {
            field_errors.entry(field.field.clone()).or_insert_with(|| field.message.clone());
        }
        refusal.0.body.field_errors = Some(field_errors);
        refusal.0.body.issues =
            Some(fields.iter().map(|f| Issue { path: f.field.clone(), message: f.message.clone() }).collect());
        refusal
    }

    pub(super) fn invalid_json(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_json", message)
    }

    pub(super) fn origin_not_allowed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "callback_origin_not_allowed",
            "This callback origin is not on the list of allowed origins",
        )
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such operation")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This operation does not know this method")
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than 64 KiB")
    }

    pub(super) fn media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send the body as application/json")
    }

    pub(super) fn cross_site() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This call came from an origin that is not allowed")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in first")
    }

    pub(super) fn undeliverable() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "email_delivery_failed", "The e-mail could not be sent")
    }

    /// The same refusal under a more exact code.
    pub(super) fn coded(mut self, code: &str) -> Self {
        self.0.body.code = code.to_owned();
        self
    }

    /// The answer to an engine's error.
    pub(super) fn of(error: &Error) -> Self {
        let mut refusal = Self::by_kind(error);
        refusal.0.retry_after = error.kind().retry_after();
        refusal
    }

    fn by_kind(error: &Error) -> Self {
        let say = |status, code| Self::new(status, code, error.message());
        match error.kind() {
            ErrorKind::Invalid(fields) => Self::invalid(fields),
            ErrorKind::RedirectNotAllowed => Self::origin_not_allowed(),
            ErrorKind::RedirectRequired => say(StatusCode::BAD_REQUEST, "callback_origin_required"),
            ErrorKind::Unauthenticated => say(StatusCode::UNAUTHORIZED, "invalid_token"),
            ErrorKind::Forbidden => say(StatusCode::FORBIDDEN, "forbidden"),
            ErrorKind::NotFound => say(StatusCode::NOT_FOUND, "not_found"),
            // This dialect has no operation that conflicts, expires or is used up as such; its links tell that on their pages.
            ErrorKind::Conflict | ErrorKind::Expired | ErrorKind::AlreadyUsed => say(StatusCode::BAD_REQUEST, "validation_error"),
            ErrorKind::RateLimited { retry_after, .. } => {
                let mut refusal = say(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
                refusal.0.body.retry_after = Some(*retry_after);
                refusal
            }
            ErrorKind::NotConfigured => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "auth_not_configured", "Sign-in is not set up for this app yet")
            }
            ErrorKind::Undeliverable => Self::undeliverable(),
            ErrorKind::Unavailable => say(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
            ErrorKind::Internal => say(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    pub(super) fn into_response_now(self) -> Response {
        let mut response = (self.0.status, Json(&self.0.body)).into_response();
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(cause) = self.0.cause {
            response.extensions_mut().insert(Logged(Arc::new(cause)));
        }
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let mut refusal = Self::of(&error);
        refusal.0.cause = Some(error);
        refusal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.into_response_now()
    }
}
