//! What a link opens (contract section 5): a page whose button uses it or, by the app's policy, at once the app. A dead link leads to the app too, which is told
//! nothing but that; there is one answer for all dead links.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use passlink_engine::Result;
use passlink_engine::apps::App;
use passlink_engine::links::of_group::{GroupRedeemed, GroupRedemption};
use passlink_engine::links::open::DeadReason;
use passlink_engine::links::redeem::Right;
use passlink_engine::redirects::Origin;
use passlink_engine::time::Lifetime;

use super::DOOR;
use crate::extract::request::{Context, is_navigation};
use crate::pages::views::{self, ConfirmPage, ENGLISH};
use crate::routes::guard::{Fields, Form};
use crate::routes::link;
use crate::routes::respond::{Page, failed, redirect};
use crate::web::{CookieName, Web, brand};

/// The token of a link, without what mail programs leave behind it. The first one counts: the place's own parameters stand behind it.
fn token(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default();
    let found = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    let text = found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default();
    text.get(..60).unwrap_or(&text).to_owned()
}

fn scope(token: &str) -> String {
    format!("group link {token}")
}

fn action(token: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    format!("{DOOR}?{query}")
}

/// The app's own origin.
fn home(app: &App) -> Option<Origin> {
    app.settings.default_origin.as_deref().and_then(Origin::parse).filter(|origin| app.allows(origin))
}

/// The one answer for every link that does not work.
fn dead(web: &Web, app: &App) -> Response {
    match home(app) {
        Some(origin) => redirect(&format!("{origin}/?error=link_invalid"), []),
        None => link::dead(web, app, DeadReason::Unknown, None, None).respond(),
    }
}

/// To the app, with the session as our cookie and, where another host would not see that, with a code for the app's server.
fn welcome(web: &Web, redeemed: &GroupRedeemed) -> Response {
    let left = redeemed.session.expires_at.millis_since(web.engine.now());
    let seconds = Lifetime::from_millis(left).as_secs();
    let cookie = web.set_cookie(CookieName::Session, redeemed.token.expose(), Some(seconds));
    let to = match redeemed.target.clone() {
        None => "/signed-in".to_owned(),
        Some(mut url) => {
            let is_elsewhere = Origin::of(&url).is_none_or(|to| to.host() != web.engine.settings().public_origin.host());
            if is_elsewhere {
                url.query_pairs_mut().append_pair("code", redeemed.code.expose());
            }
            url.into()
        }
    };
    redirect(&to, [cookie])
}

/// GET and HEAD of a link. Nothing is used up unless the app's policy says so, and then only by a person's browser that goes there.
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let token = token(&uri);
    let answer = async {
        let opened = web.engine.open_group_link(&context, &token).await?;
        let live = opened.live.filter(|_| opened.app.speaks(super::DIALECT.slug));
        let Some((expires_at, masked_address)) = live else { return Ok(dead(&web, &opened.app)) };
        if opened.at_once && method == Method::GET && is_navigation(&headers) {
            return redeem(&web, &context, &token, &headers, Right::Opened).await;
        }
        let shown = web.show_form(&headers, &scope(&token))?;
        let left = expires_at.millis_since(web.engine.now());
        let page = ConfirmPage {
            words: &ENGLISH,
            brand: brand(&opened.app),
            purpose: views::Purpose::SignIn,
            masked_address,
            action: action(&token),
            nonce: shown.nonce,
            minutes_left: u32::try_from((left + 59_999) / 60_000).ok(),
            goes_on: false,
        };
        let origin = home(&opened.app).map(|origin| origin.to_string());
        Ok(Page::new(page.render()).form_leads_to(origin).cookie(shown.cookie).respond())
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

/// A person's press.
pub(super) async fn press(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    uri: Uri,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let token = token(&uri);
    let form = Form { scope: scope(&token), back: action(&token), gesture: true };
    let redeem = async || redeem(&web, &context, &token, &headers, Right::Pressed).await;
    form.act(&web, &context.request_id, &headers, &fields, redeem).await
}

async fn redeem(
    web: &Web,
    context: &passlink_engine::caller::RequestContext,
    token: &str,
    headers: &HeaderMap,
    right: Right,
) -> Result<Response> {
    Ok(match web.engine.redeem_group_link(context, token, &web.browser(headers), right).await? {
        GroupRedemption::Done(redeemed) => welcome(web, &redeemed),
        GroupRedemption::Dead(app) => dead(web, &app),
    })
}
