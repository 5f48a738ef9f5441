//! Who calls: a client by its token, a browser or an app's server by a session's.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use passlink_engine::caller::{Authority, Caller};
use passlink_engine::sessions::of_group::GroupSession;

use super::SCOPES;
use super::budget::Budget;
use super::error::Refusal;
use crate::extract::request::Context;
use crate::web::{CookieName, Web};

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn budget(parts: &Parts) -> Budget {
    parts.extensions.get::<Budget>().cloned().unwrap_or_default()
}

/// A call of a client with a valid token. It is counted before anything else is looked at.
pub(super) struct Call {
    pub caller: Caller,
    pub budget: Budget,
}

impl Call {
    /// Refuses a token without this scope of ours.
    ///
    /// # Errors
    /// 403.
    pub(super) fn require(&self, scope: &str) -> Result<(), Refusal> {
        self.caller.require_for_group(scope).map_err(Refusal::from)
    }
}

impl FromRequestParts<Arc<Web>> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(Refusal::unauthenticated)?;
        let context = Context::of(parts);
        let caller = web.engine.authenticate_client_token(&context, token, SCOPES).await?;
        if !caller.app.speaks(super::DIALECT.slug) {
            return Err(Refusal::no_route());
        }
        let budget = budget(parts);
        budget.count(web, &caller, None).await?;
        if let Authority::Confined { group, .. } = caller.authority {
            budget.count(web, &caller, Some(group)).await?;
        }
        Ok(Self { caller, budget })
    }
}

/// A live session of a business, by its token or by our cookie.
pub(super) struct Held {
    pub session: GroupSession,
    pub token: String,
}

impl FromRequestParts<Arc<Web>> for Held {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        // Whoever shows a token means that one, also when a browser adds a cookie.
        let token = match parts.headers.contains_key(AUTHORIZATION) {
            true => bearer(&parts.headers).map(str::to_owned),
            false => web.cookie(&parts.headers, CookieName::Session),
        };
        let token = token.ok_or_else(Refusal::unauthenticated)?;
        let session = web.engine.authenticate_group_session(&token).await?;
        let app = web.engine.directory().app(session.app).ok_or_else(Refusal::unauthenticated)?;
        if !app.speaks(super::DIALECT.slug) {
            return Err(Refusal::no_route());
        }
        let (caller, budget) = (Caller::anonymous(app, Context::of(parts)), budget(parts));
        budget.count(web, &caller, None).await?;
        budget.count(web, &caller, Some(session.group.id)).await?;
        Ok(Self { session, token })
    }
}
