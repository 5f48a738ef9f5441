//! Static files.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::pages::assets::asset;

/// A file; one whose address names its version is kept for ever.
pub(super) async fn serve(path: Result<Path<String>, PathRejection>, RawQuery(query): RawQuery) -> Response {
    let Some((content_type, bytes)) = path.ok().and_then(|Path(path)| asset(&path)) else {
        return crate::frame::empty(StatusCode::NOT_FOUND);
    };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let versioned = query.is_some_and(|query| query.starts_with("v="));
    let keep = if versioned { "public, max-age=31536000, immutable" } else { "public, max-age=600" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}
