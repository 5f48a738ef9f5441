//! The dialects, one line each. A dialect translates its own wire to the engine and back; paths, field names and error bodies are its own.

pub mod apphandoff;
pub mod asset;
pub mod rownd;
pub mod stytch;

use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use passlink_engine::Error;
use passlink_engine::apps::App;
use passlink_engine::apps::directory::Directory;

use crate::mounted::Routes;
use crate::web::Web;

/// A dialect as the router and the reference see it.
pub struct Dialect {
    /// Its name in addresses and settings.
    pub slug: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub sentence: &'static str,
    /// The paths that are its own.
    pub owns: fn(&str) -> bool,
    /// The codes of its errors, and what to do about each: shown on the reference page, each at an anchor of its own.
    pub errors: &'static [(&'static str, &'static str)],
    /// Its OpenAPI 3.1 document.
    pub document: fn() -> utoipa::openapi::OpenApi,
    pub(crate) routes: fn() -> Routes,
    /// What every answer on its paths carries, also when a handler panicked or there is no such operation; by the request's path and headers.
    pub(crate) headers: fn(&Web, &str, &HeaderMap) -> HeaderMap,
    pub(crate) error: fn(&Error) -> Response,
    pub(crate) not_found: fn() -> Response,
}

/// Every dialect.
pub static DIALECTS: &[Dialect] = &[apphandoff::DIALECT, rownd::DIALECT, stytch::DIALECT, asset::DIALECT];

/// The app that an operator or a token of a client names.
pub(crate) fn app_named(directory: &Directory, text: &str) -> Option<Arc<App>> {
    let by_id = || directory.apps().iter().find(|app| asset::tenant(app.id) == text).cloned();
    directory.app_by_name(text).or_else(by_id)
}

/// The dialect that owns this path.
pub(crate) fn of_path(path: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| (dialect.owns)(path))
}
