//! The page that a mailed link opens (contract section 9): it uses nothing up and leads on to the app's registered page with the token.
//!
//! Under the policy `confirm` a person's press leads on, which no scanner makes; under `immediate` the page goes on by itself, as the vendor's does, with a
//! button for browsers without scripts.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::apps::Opening;
use passlink_engine::caller::RequestContext;
use passlink_engine::ids::AppId;
use passlink_engine::links::Purpose;
use passlink_engine::links::forward::{Forward, ForwardTo};
use passlink_engine::links::open::DeadReason;
use passlink_engine::{Error, Result};
use serde::Deserialize;

use super::REDIRECT;
use super::ids::Env;
use crate::extract::request::Context;
use crate::pages::views::{self, ConfirmPage, ENGLISH};
use crate::routes::guard::{Fields, Form};
use crate::routes::link::dead;
use crate::routes::respond::{Page, failed, redirect};
use crate::web::{Web, brand};

/// The query of such a link; mail programs may add more.
#[derive(Deserialize)]
pub(super) struct Asked {
    public_token: Option<String>,
    token: Option<String>,
}

impl Asked {
    fn scope(&self) -> String {
        format!("forward {}", self.token())
    }

    /// Without what mail programs leave behind it.
    fn token(&self) -> &str {
        let token = self.token.as_deref().unwrap_or_default().trim();
        token.get(..44).unwrap_or(token)
    }

    fn public_token(&self) -> &str {
        self.public_token.as_deref().unwrap_or_default()
    }

    fn action(&self) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("public_token", self.public_token())
            .append_pair("token", self.token())
            .finish();
        format!("{REDIRECT}?{query}")
    }

    /// The app that a public token names.
    fn app(&self) -> Option<AppId> {
        let text = self.public_token();
        [Env::Test, Env::Live].iter().find_map(|env| env.read("public-token", text)).map(AppId::from_uuid)
    }
}

async fn forward(web: &Web, context: &RequestContext, asked: &Asked) -> Result<Forward> {
    let app = asked.app().or_else(|| web.engine.directory().default_app().map(|app| app.id));
    let app = app.ok_or_else(|| Error::unavailable("there is no app yet"))?;
    match web.engine.forward_link(context, app, asked.token()).await? {
        Some(forward) => Ok(forward),
        None => {
            let app = web.engine.directory().default_app().ok_or_else(|| Error::unavailable("there is no app yet"))?;
            Ok(Forward { app, to: Err(DeadReason::Unknown), masked_address: None })
        }
    }
}

/// The registered page with the token; its own parameters are kept.
fn target(to: &ForwardTo) -> String {
    let mut url = to.url.as_url().clone();
    let kind = match (to.purpose, to.is_sign_up) {
        (Purpose::Invite, _) => "invite",
        (_, true) => "signup",
        (_, false) => "login",
    };
    url.query_pairs_mut()
        .append_pair("stytch_token_type", "magic_links")
        .append_pair("token", to.token.expose())
        .append_pair("stytch_redirect_type", kind);
    url.into()
}

/// Shows the page; changes nothing.
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    asked: std::result::Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = asked.map_or(Asked { public_token: None, token: None }, |Query(asked)| asked);
    let answer = async {
        let forward = forward(&web, &context, &asked).await?;
        let to = match &forward.to {
            Ok(to) => to,
            Err(reason) => return Ok(dead(&web, &forward.app, *reason, None, None).respond()),
        };
        let shown = web.show_form(&headers, &asked.scope())?;
        let left = to.expires_at.millis_since(web.engine.now());
        let purpose = match to.purpose {
            Purpose::Invite => views::Purpose::Open,
            _ => views::Purpose::SignIn,
        };
        let goes_on = forward.app.settings.opening == Opening::Immediate;
        let page = ConfirmPage {
            words: &ENGLISH,
            brand: brand(&forward.app),
            purpose,
            masked_address: forward.masked_address.clone(),
            action: asked.action(),
            nonce: shown.nonce,
            minutes_left: u32::try_from((left + 59_999) / 60_000).ok(),
            goes_on,
        };
        let origin = to.url.as_url().origin().ascii_serialization();
        let page = Page::new(page.render()).form_leads_to(Some(origin)).cookie(shown.cookie);
        Ok(if goes_on { page.scripts() } else { page }.respond())
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

/// Leads on after a person's press.
pub(super) async fn go_on(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    asked: std::result::Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let asked = asked.map_or(Asked { public_token: None, token: None }, |Query(asked)| asked);
    let answer = async {
        let forward = forward(&web, &context, &asked).await?;
        // Where the page goes on by itself, nobody presses.
        let gesture = forward.app.settings.opening == Opening::Confirm;
        let form = Form { scope: asked.scope(), back: asked.action(), gesture };
        Ok(form
            .act(&web, &context.request_id, &headers, &fields, async || {
                Ok(match &forward.to {
                    Ok(to) => redirect(&target(to), []),
                    Err(reason) => dead(&web, &forward.app, *reason, None, None).respond(),
                })
            })
            .await)
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}
