//! Passlink over HTTP: dialects, the pages people see, well-known documents.
//!
//! [`router`] mounts everything. A dialect translates between its wire and the engine; a page shows what the engine decided. Nothing is decided here.
//! Start at [`dialects`] and `routes/link.rs`.

pub mod dialects;
mod extract;
mod frame;
mod handover;
mod mounted;
pub mod pages;
mod qr;
pub mod reference;
mod routes;
mod web;
mod well_known;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use passlink_engine::{Engine, Result};

pub use dialects::DIALECTS;
pub use mounted::Failpoint;

use crate::mounted::Routes;
use crate::web::Web;

/// The peer of the connection, which the listener puts into every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// How the routes behave.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// Serve the demo sign-in page, the built-in inbox and what helps a developer.
    pub dev: bool,
    /// Networks whose forwarding headers are believed, as CIDR or single addresses.
    pub trusted_proxies: Vec<String>,
    /// Dialects not served at all.
    pub dialects_off: Vec<String>,
    /// Becomes true when the server is to stop: answers that would go on for minutes end then.
    pub stopping: Option<tokio::sync::watch::Receiver<bool>>,
    /// For tests only: called before every handler.
    pub failpoint: Option<Failpoint>,
}

/// All routes, and the paths they were declared with.
pub struct Mounted {
    /// To be served.
    pub router: Router,
    /// As declared, with their parameters in braces.
    pub paths: Vec<String>,
}

/// All routes.
///
/// # Errors
/// `Invalid` naming the bad setting.
pub fn router(engine: Arc<Engine>, settings: HttpSettings) -> Result<Router> {
    mount(engine, settings).map(|mounted| mounted.router)
}

/// All routes, and which they are.
///
/// # Errors
/// `Invalid` naming the bad setting.
pub fn mount(engine: Arc<Engine>, settings: HttpSettings) -> Result<Mounted> {
    let web = Arc::new(Web::new(engine, settings)?);
    let mut routes = Routes::new().merge(routes::pages()).merge(well_known::routes()).merge(reference::routes());
    if web.settings.dev {
        routes = routes.merge(routes::dev());
    }
    let mut all = routes.method_not_allowed_fallback(routes::method_not_allowed).fallback(routes::not_found);
    for dialect in DIALECTS.iter().filter(|dialect| !web.settings.dialects_off.iter().any(|off| off == dialect.slug)) {
        all = all.merge((dialect.routes)());
    }
    let (router, paths) = all.finish(web.settings.failpoint);
    Ok(Mounted { router: frame::around(router, &web).with_state(web), paths })
}
