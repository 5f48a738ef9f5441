//! Answers to people: pages and redirects, with the headers that all of them have (`security.md` 11).

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};
use passlink_engine::{Error, ErrorKind};

use crate::frame::Logged;
use crate::pages::brand::Brand;
use crate::pages::views::{ENGLISH, ProblemPage};
use crate::web::Web;

/// A page and what it may do.
pub(crate) struct Page {
    html: String,
    status: StatusCode,
    form_origins: Vec<String>,
    scripts: bool,
    frames: bool,
    cookies: Vec<String>,
}

impl Page {
    /// A page without scripts, whose forms stay here.
    pub(crate) fn new(html: String) -> Self {
        Self { html, status: StatusCode::OK, form_origins: Vec::new(), scripts: false, frames: false, cookies: Vec::new() }
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Its form is answered by a redirect to this origin; Chromium applies `form-action` to redirects as well.
    pub(crate) fn form_leads_to(mut self, origin: Option<String>) -> Self {
        self.form_origins.extend(origin);
        self
    }

    /// It runs our own scripts, which speak to us.
    pub(crate) fn scripts(mut self) -> Self {
        self.scripts = true;
        self
    }

    /// It shows one of our own pages in a frame.
    pub(crate) fn frames(mut self) -> Self {
        self.frames = true;
        self
    }

    pub(crate) fn cookie(mut self, cookie: Option<String>) -> Self {
        self.cookies.extend(cookie);
        self
    }

    pub(crate) fn respond(self) -> Response {
        let mut policy = String::from(
            "default-src 'none'; style-src 'self'; img-src 'self' data: https:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
        );
        for origin in &self.form_origins {
            policy.push(' ');
            policy.push_str(origin);
        }
        if self.scripts {
            policy.push_str("; script-src 'self'; connect-src 'self'");
        }
        if self.frames {
            policy.push_str("; frame-src 'self'");
        }
        let mut response = Response::new(Body::from(self.html));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        private(&mut response);
        with_cookies(response, self.cookies)
    }
}

/// What every answer to a person has: it is not kept, not indexed, and tells no other site where the person was.
pub(crate) fn private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
}

pub(crate) fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = String>) -> Response {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    response
}

/// 303 to another place.
pub(crate) fn redirect(to: &str, cookies: impl IntoIterator<Item = String>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::from_str(to) {
        Ok(to) => {
            response.headers_mut().insert(LOCATION, to);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    private(&mut response);
    with_cookies(response, cookies)
}

/// An error, told to a person.
pub(crate) fn problem(web: &Web, request_id: &str, error: &Error) -> Response {
    let look = web.engine.directory().default_app().map_or_else(Brand::passlink, |app| crate::web::brand(&app));
    let (page, status) = match error.kind() {
        ErrorKind::RateLimited { retry_after, .. } => {
            (ProblemPage::rate_limited(&ENGLISH, look, *retry_after), StatusCode::TOO_MANY_REQUESTS)
        }
        ErrorKind::NotFound => (ProblemPage::not_found(&ENGLISH, look), StatusCode::NOT_FOUND),
        ErrorKind::Unavailable => (ProblemPage::server_error(&ENGLISH, look), StatusCode::SERVICE_UNAVAILABLE),
        ErrorKind::NotConfigured | ErrorKind::Undeliverable => {
            (ProblemPage::server_error(&ENGLISH, look), StatusCode::SERVICE_UNAVAILABLE)
        }
        ErrorKind::Invalid(_)
        | ErrorKind::RedirectNotAllowed
        | ErrorKind::RedirectRequired
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::Conflict
        | ErrorKind::Expired
        | ErrorKind::AlreadyUsed => (ProblemPage::not_found(&ENGLISH, look), StatusCode::BAD_REQUEST),
        ErrorKind::Internal => (ProblemPage::server_error(&ENGLISH, look), StatusCode::INTERNAL_SERVER_ERROR),
    };
    let mut response = Page::new(page.with_request_id(request_id.to_owned()).render()).status(status).respond();
    if let Some(seconds) = error.kind().retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The same, with the error handed to the log.
pub(crate) fn failed(web: &Web, request_id: &str, error: Error) -> Response {
    let mut response = problem(web, request_id, &error);
    response.extensions_mut().insert(Logged(Arc::new(error)));
    response
}
