//! Who calls (contract section 2): an app by its key alone, an app by key and secret, a person by a token of ours.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use passlink_engine::apps::App;
use passlink_engine::caller::{Caller, RequestContext};
use passlink_engine::sessions::bearer::Bearer;

use super::error::Refusal;
use super::{DIALECT, ids, tokens};
use crate::extract::request::Context;
use crate::web::Web;

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn key(headers: &HeaderMap) -> Option<String> {
    header(headers, "x-rownd-app-key").or_else(|| header(headers, "x-rownd-hub-key"))
}

/// The names in a path.
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl FromRequestParts<Arc<Web>> for Names {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let names: Result<Path<HashMap<String, String>>, PathRejection> = Path::from_request_parts(parts, web).await;
        // A name that is not text is nobody's.
        names.map(|Path(names)| Self(names)).map_err(|_| Refusal::not_found())
    }
}

/// Refuses a path that names another app than the caller's.
async fn same_app(parts: &mut Parts, web: &Arc<Web>, app: &App) -> Result<(), Refusal> {
    let names = Names::from_request_parts(parts, web).await?;
    let named = names.0.get("app").is_none_or(|name| *name == ids::show("app_", app.id.as_uuid()));
    if named { Ok(()) } else { Err(Refusal::forbidden()) }
}

fn speaks(app: &App) -> Result<(), Refusal> {
    if app.speaks(DIALECT.slug) { Ok(()) } else { Err(Refusal::not_found()) }
}

/// The app of a key.
///
/// # Errors
/// 401 for an unknown one.
pub(super) async fn app_of_key(web: &Web, key: Option<&str>) -> Result<Arc<App>, Refusal> {
    let app = match key {
        Some(key) => web.engine.app_of_client(key).await?,
        None => None,
    };
    let app = app.ok_or_else(Refusal::unauthorized)?;
    speaks(&app).map(|()| app)
}

/// An app that shows its key.
pub(super) struct KeyCall {
    pub app: Arc<App>,
    pub context: RequestContext,
}

impl KeyCall {
    pub(super) fn caller(&self) -> Caller {
        Caller::anonymous(Arc::clone(&self.app), self.context.clone())
    }
}

impl FromRequestParts<Arc<Web>> for KeyCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let app = app_of_key(web, key(&parts.headers).as_deref()).await?;
        same_app(parts, web, &app).await?;
        Ok(Self { app, context: Context::of(parts) })
    }
}

/// An app that shows key and secret.
pub(super) struct AppCall(pub Caller);

impl FromRequestParts<Arc<Web>> for AppCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let (Some(key), Some(secret)) = (key(&parts.headers), header(&parts.headers, "x-rownd-app-secret")) else {
            return Err(Refusal::unauthorized());
        };
        let caller = web.engine.authenticate_client(&Context::of(parts), &key, &secret).await?;
        speaks(&caller.app)?;
        same_app(parts, web, &caller.app).await?;
        Ok(Self(caller))
    }
}

/// A person who shows a token of ours.
pub(super) struct UserCall(pub Bearer);

impl FromRequestParts<Arc<Web>> for UserCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let refused = || Refusal::unauthorized().for_bearer();
        let text = header(&parts.headers, AUTHORIZATION.as_str()).ok_or_else(refused)?;
        let (scheme, token) = text.split_once(' ').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        let access = tokens::access(&web.engine, token.trim()).ok_or_else(refused)?;
        speaks(&access.app)?;
        same_app(parts, web, &access.app).await?;
        let users = ids::user_refs(&access.user);
        let bearer = web.engine.admit_bearer(&Context::of(parts), access.app, &users, access.session).await;
        bearer.map(Self).map_err(|error| Refusal::from(error).for_bearer())
    }
}
