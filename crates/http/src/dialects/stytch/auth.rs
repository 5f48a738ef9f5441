//! Credentials: HTTP Basic with project id and secret, before anything else is looked at (contract section 8).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use passlink_engine::caller::Caller;

use super::error::Refusal;
use super::ids::Env;
use crate::extract::basic::basic_credentials;
use crate::extract::request::Context;
use crate::web::Web;

/// A call with valid credentials.
pub(super) struct Call {
    pub caller: Caller,
    /// The project's id: `aud` of its tokens.
    pub project: String,
    pub env: Env,
}

impl FromRequestParts<Arc<Web>> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Refusal> {
        let Some((project, secret)) = basic_credentials(&parts.headers) else { return Err(Refusal::no_credentials()) };
        let env = Env::of_project(&project);
        let context = Context::of(parts);
        let caller = web.engine.authenticate_client(&context, &project, secret.expose()).await;
        let caller = caller.map_err(|error| Refusal::from(error).within(env))?;
        if !caller.app.speaks(super::DIALECT.slug) {
            return Err(Refusal::no_route().within(env));
        }
        Ok(Self { caller, project, env })
    }
}
