//! The context of a request, made once by the frame and read by handlers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use http::request::Parts;
use passlink_engine::caller::RequestContext;
use passlink_engine::{Error, ErrorKind};

use crate::web::Web;

/// The context of a request.
#[derive(Clone, Debug)]
pub(crate) struct Context(pub RequestContext);

impl Context {
    pub(crate) fn new(request_id: String, address: Option<IpAddr>, headers: &HeaderMap) -> Self {
        let text = |name, most: usize| {
            let value: &http::HeaderValue = headers.get(name)?;
            Some(value.to_str().ok()?.chars().take(most).collect::<String>())
        };
        Self(RequestContext { request_id, address, user_agent: text(USER_AGENT, 300), languages: text(ACCEPT_LANGUAGE, 200) })
    }
}

impl Context {
    /// The context of a request that the frame has seen.
    pub(crate) fn of(parts: &Parts) -> RequestContext {
        parts
            .extensions
            .get::<Self>()
            .map_or_else(|| Self::new(String::new(), None, &parts.headers).0, |context| context.0.clone())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Self::of(parts)))
    }
}

/// The one parameter of a page's path. A path that is not text leads nowhere, and a person is told so on a page.
pub(crate) struct Segment(pub String);

impl FromRequestParts<Arc<Web>> for Segment {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Self::Rejection> {
        let Ok(Context(context)) = Context::from_request_parts(parts, web).await;
        Path::<String>::from_request_parts(parts, web).await.map(|Path(text)| Self(text)).map_err(|_| {
            let error = Error::new(ErrorKind::NotFound, "There is no such page");
            crate::routes::respond::problem(web, &context.request_id, &error)
        })
    }
}

/// Whether the request only looks ahead: such a one never changes anything (`security.md` 9).
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    let says = |name: &str, what: &str| {
        headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains(what)))
    };
    says("sec-purpose", "prefetch")
        || says("sec-purpose", "prerender")
        || says("purpose", "prefetch")
        || says("x-purpose", "preview")
        || says("x-moz", "prefetch")
}

/// Whether a person's browser navigates its own window here, as far as it says (Fetch Metadata).
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_none_or(|value| value == wanted);
    !is_prefetch(headers) && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}
