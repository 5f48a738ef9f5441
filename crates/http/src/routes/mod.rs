//! The pages people see, by route. Each handler asks the engine and shows its answer; what a page looks like stands in `pages/`.

mod assets;
mod demo;
pub(crate) mod guard;
mod handoff;
mod inbox;
pub(crate) mod link;
pub(crate) mod respond;
mod session;
mod wait;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, Uri};

use crate::extract::request::Context;
use crate::mounted::Routes;
use crate::pages::views::{ENGLISH, ProblemPage};
use crate::web::{Web, brand};

/// Pages served everywhere.
pub(crate) fn pages() -> Routes {
    Routes::new()
        .route("/l/{token}", get(link::open).post(link::confirm))
        .route("/l/{token}/number", get(link::back).post(link::number))
        .route("/l/{token}/code", get(link::back).post(link::code))
        .route("/l/{token}/refuse", get(link::back).post(link::refuse))
        .route("/l/{token}/again", get(link::back).post(link::again))
        .route("/wait/{id}", get(wait::show))
        .route("/wait/{id}/events", get(wait::events))
        .route("/wait/{id}/status", get(wait::status))
        .route("/wait/{id}/code", get(wait::back).post(wait::code))
        .route("/wait/{id}/again", get(wait::back).post(wait::again))
        .route("/wait/{id}/finish", get(wait::back).post(wait::finish))
        .route("/signed-in", get(session::show))
        .route("/sign-out", post(session::sign_out))
        .route("/sign-out/{id}", get(session::back).post(session::sign_out_device))
        .route("/handoff", get(handoff::start).post(handoff::mint))
        .route("/handoff/{id}", get(handoff::show))
        .route("/handoff/{id}/status", get(handoff::status))
        .route("/handoff/{id}/qr.svg", get(handoff::svg))
        .route("/handoff/{id}/qr.png", get(handoff::png))
        .route("/assets/{*path}", get(assets::serve))
}

/// What only `passlink dev` serves.
pub(crate) fn dev() -> Routes {
    Routes::new()
        .route("/", get(demo::show).post(demo::ask))
        .route("/auth/callback", get(demo::callback))
        .route("/inbox", get(inbox::list))
        .route("/inbox/delete", post(inbox::delete))
        .route("/inbox/{id}", get(inbox::message))
        .route("/inbox/{id}/html", get(inbox::html))
}

/// Nothing here: an error of the dialect whose path it is, else a page.
pub(crate) async fn not_found(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap, uri: Uri) -> Response {
    if let Some(dialect) = crate::dialects::of_path(uri.path()) {
        return (dialect.not_found)();
    }
    let look = web.app_of_call(&headers, None).map_or_else(|_| crate::pages::brand::Brand::passlink(), |app| brand(&app));
    let page = ProblemPage::not_found(&ENGLISH, look).with_request_id(context.request_id);
    respond::Page::new(page.render()).status(StatusCode::NOT_FOUND).respond()
}

/// There is something here, but not by this method.
pub(crate) async fn method_not_allowed(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap) -> Response {
    let look = web.app_of_call(&headers, None).map_or_else(|_| crate::pages::brand::Brand::passlink(), |app| brand(&app));
    let page = ProblemPage::method_not_allowed(&ENGLISH, look).with_request_id(context.request_id);
    respond::Page::new(page.render()).status(StatusCode::METHOD_NOT_ALLOWED).respond()
}
