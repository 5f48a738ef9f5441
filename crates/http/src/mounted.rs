//! Routes that know their own paths, so that what must hold for each of them can be tested on each of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::routing::MethodRouter;
use http::Extensions;

use crate::web::Web;

/// Called before every handler, with the request's extensions, which no stranger can send. Tests panic in it (`security.md` 41).
pub type Failpoint = fn(&Extensions);

/// A router that remembers what was mounted on it. Pages and dialects declare their routes on one; nothing else can be mounted.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<Web>>,
    paths: Vec<String>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn route(self, path: &str, methods: MethodRouter<Arc<Web>>) -> Self {
        let Self { router, mut paths } = self;
        paths.push(path.to_owned());
        Self { router: router.route(path, methods), paths }
    }

    pub(crate) fn merge(self, other: Self) -> Self {
        let Self { router, mut paths } = self;
        paths.extend(other.paths);
        Self { router: router.merge(other.router), paths }
    }

    pub(crate) fn method_not_allowed_fallback<H: Handler<T, Arc<Web>>, T: 'static>(self, handler: H) -> Self {
        Self { router: self.router.method_not_allowed_fallback(handler), ..self }
    }

    pub(crate) fn fallback<H: Handler<T, Arc<Web>>, T: 'static>(self, handler: H) -> Self {
        Self { router: self.router.fallback(handler), ..self }
    }

    /// The router and its paths, with the failpoint before each handler.
    pub(crate) fn finish(self, failpoint: Option<Failpoint>) -> (Router<Arc<Web>>, Vec<String>) {
        let Self { router, paths } = self;
        let Some(failpoint) = failpoint else { return (router, paths) };
        let call = move |request: Request, next: Next| async move {
            failpoint(request.extensions());
            next.run(request).await
        };
        (router.layer(from_fn(call)), paths)
    }
}
