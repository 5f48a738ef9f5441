//! Using a link (contract section 6.1): in a browser, by the vendor's SDKs, by programs.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, LOCATION, REFERRER_POLICY, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use passlink_engine::apps::App;
use passlink_engine::caller::RequestContext;
use passlink_engine::links::Handover;
use passlink_engine::links::open::{BrowserProof, DeadReason, MayDo, OpenedLink};
use passlink_engine::links::redeem::{Redeemed, Redemption, Right};
use passlink_engine::links::short::ShortLink;
use passlink_engine::redirects::RedirectTarget;
use passlink_engine::{Engine, Error};
use serde_json::{Value, json};
use url::Url;

use super::error::{Refusal, done};
use super::{DOOR, ids, tokens};
use crate::extract::request::{Context, Segment, is_navigation, is_prefetch};
use crate::pages::views::{DeadPage, ENGLISH, WayOn};
use crate::routes::guard::{Fields, Form};
use crate::routes::link::{self, confirm_page, settle, shown_reason, with_cookie};
use crate::routes::respond::{Page, failed, private};
use crate::web::{Web, brand};

/// How the answer is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The vendor's SDK, which redeems by GET.
    Sdk,
    /// Another program that asks for JSON.
    Json,
    /// A browser.
    Redirect,
}

fn mode(headers: &HeaderMap) -> Mode {
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let accept = text(ACCEPT);
    match () {
        () if text(USER_AGENT).contains("rownd sdk") => Mode::Sdk,
        () if accept.contains("application/json") && !accept.contains("text/html") => Mode::Json,
        () => Mode::Redirect,
    }
}

/// What every answer of this handler carries.
fn unkept(mut response: Response) -> Response {
    private(&mut response);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.headers_mut().insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    response
}

/// The target with those parameters of the request that it does not have itself.
fn with_query(target: &RedirectTarget, query: Option<&str>) -> Url {
    let mut url = target.as_url().clone();
    let own: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let more: Vec<(String, String)> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| !own.iter().any(|known| known == name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if !more.is_empty() {
        url.query_pairs_mut().extend_pairs(more);
    }
    url
}

/// 302, as this dialect has it.
fn found(to: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    match HeaderValue::from_str(to) {
        Ok(to) => drop(response.headers_mut().insert(LOCATION, to)),
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// The JSON of a session in the form that the SDKs read from a fragment: base64 that is the same in both alphabets and has no padding (section 6.1, `O`).
fn carried(tokens: &tokens::Tokens, app: &App, user: &str) -> String {
    use base64::Engine as _;
    let session = json!({
        "access_token": tokens.access.expose(),
        "refresh_token": tokens.refresh.expose(),
        "app_id": ids::show("app_", app.id.as_uuid()),
        "app_user_id": user,
    });
    let mut text = String::new();
    for c in session.to_string().chars() {
        match c {
            '>' | '?' | '~' | '\u{7f}' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if !c.is_ascii() => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
            c => text.push(c),
        }
    }
    while !text.len().is_multiple_of(3) {
        text.push(' ');
    }
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Where a browser goes with its new session.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn address(engine: &Engine, redeemed: &Redeemed, query: Option<&str>) -> passlink_engine::Result<String> {
    let target = redeemed.redirect.as_ref().ok_or_else(|| Error::internal("a session without a place to go"))?;
    let arrival = arrive(engine, redeemed).await?;
    let mut url = with_query(target, query);
    let carried = carried(&arrival.tokens, &redeemed.app, &arrival.user);
    let fragment = match url.fragment().filter(|fragment| !fragment.is_empty()) {
        Some(old) => format!("{old},rph_init={carried}"),
        None => format!("rph_init={carried}"),
    };
    url.set_fragment(Some(&fragment));
    Ok(url.into())
}

pub(super) struct Arrival {
    pub tokens: tokens::Tokens,
    pub user: String,
    pub method: Option<String>,
}

pub(super) async fn arrive(engine: &Engine, redeemed: &Redeemed) -> passlink_engine::Result<Arrival> {
    let refresh = redeemed.tokens.refresh.as_ref().ok_or_else(|| Error::internal("a session without a refresh token"))?;
    let session = &redeemed.signed_in.session;
    let person = engine.find_own_person(redeemed.app.id, session.user).await?;
    let tokens = tokens::sign(engine, &redeemed.app, &person, session, refresh, session.refreshed_at).await?;
    let method = person.profile.activity.last_sign_in.as_ref().map(|(_, method)| method.clone());
    Ok(Arrival { tokens, user: ids::of_person(&person), method })
}

/// What programs are told about any link.
fn told(web: &Web, app: &App, token: &str, target: Option<&RedirectTarget>, data: Option<&Value>, query: Option<&str>) -> Value {
    let data = data.cloned().unwrap_or_else(|| json!({}));
    json!({
        "app_id": ids::show("app_", app.id.as_uuid()),
        "redirect_url": target.map(|target| String::from(with_query(target, query))),
        "link_data": data,
        "link_meta": data,
        "magic_link": format!("{}{DOOR}{token}", web.engine.settings().public_origin),
    })
}

fn dead(reason: DeadReason) -> Refusal {
    match reason {
        DeadReason::Expired => Refusal::new(410, "E_LINK_EXPIRED", "This link has expired."),
        DeadReason::Unknown => Refusal::new(404, "E_LINK_NOT_FOUND", "There is no such link."),
        _ => Refusal::new(410, "E_LINK_CONSUMED", "This link was used already, or does not work any more."),
    }
}

/// The page of a link that does not work: it leads on to where the link led, without a session.
fn dead_page(app: &App, reason: DeadReason, target: Option<&RedirectTarget>) -> Page {
    let way_on = match target.map(|target| target.as_url().to_string()).or_else(|| app.settings.default_redirect_url.clone()) {
        Some(url) => WayOn::Start { url, label: None },
        None => WayOn::Advice,
    };
    let status = if reason == DeadReason::Unknown { StatusCode::NOT_FOUND } else { StatusCode::GONE };
    let page = DeadPage { words: &ENGLISH, brand: brand(app), reason: shown_reason(reason), way_on };
    Page::new(page.render()).status(status)
}

/// A request for a link.
struct Asked<'a> {
    web: &'a Web,
    context: &'a RequestContext,
    token: &'a str,
    headers: &'a HeaderMap,
    query: Option<&'a str>,
}

/// The browser's question before a script of another origin looks at a link.
pub(super) async fn preflight() -> Response {
    let mut response = super::preflight().await;
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// GET and HEAD of a link.
pub(super) async fn open(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    method: Method,
    Segment(token): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if method == Method::HEAD {
        let mut response = StatusCode::OK.into_response();
        let kind = if mode(&headers) == Mode::Redirect { "text/html; charset=utf-8" } else { "application/json" };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        return unkept(response);
    }
    if is_prefetch(&headers) {
        return unkept(StatusCode::NO_CONTENT.into_response());
    }
    let token = token.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let asked = Asked { web: &web, context: &context, token, headers: &headers, query: query.as_deref() };
    let response = match mode(&headers) {
        Mode::Redirect => asked.browse().await.unwrap_or_else(|error| failed(&web, &context.request_id, error)),
        mode => {
            let mut response = asked.program(mode).await.unwrap_or_else(IntoResponse::into_response);
            // Scripts of the app's pages read what a link is; our own page, with its form, is for no other origin.
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response
        }
    };
    unkept(response)
}

impl Asked<'_> {
    fn scope(&self) -> String {
        format!("link {}", self.token)
    }

    /// The page's own address: its form comes back with what the request had.
    fn here(&self) -> String {
        match self.query.filter(|query| !query.is_empty()) {
            Some(query) => format!("{DOOR}{}?{query}", self.token),
            None => format!("{DOOR}{}", self.token),
        }
    }

    async fn short(&self) -> passlink_engine::Result<Option<ShortLink>> {
        self.web.engine.find_short_link(self.context, self.token).await
    }

    /// What this link is at this door: nothing, where it is another door's, or the app's people do not come through this one.
    async fn look(&self, browser: &BrowserProof) -> passlink_engine::Result<OpenedLink> {
        let opened = self.web.engine.open_link(self.context, self.token, browser).await?;
        let is_ours = opened.app.speaks(super::DIALECT.slug) && opened.handover.is_none_or(|how| how == Handover::Signed);
        let unknown = MayDo::Nothing(DeadReason::Unknown);
        Ok(if is_ours { opened } else { OpenedLink { may: unknown, masked_address: None, redirect: None, data: None, ..opened } })
    }

    async fn browse(&self) -> passlink_engine::Result<Response> {
        if let Some(short) = self.short().await? {
            return match &short.target {
                Some(target) => {
                    self.web.engine.count_opening(&short).await?;
                    Ok(found(with_query(target, self.query).as_str()))
                }
                None => Ok(dead_page(&short.app, DeadReason::Expired, None).respond()),
            };
        }
        let browser = self.web.browser(self.headers);
        let opened = self.look(&browser).await?;
        if opened.may == MayDo::RedeemAtOnce && is_navigation(self.headers) {
            let redemption = self.web.engine.redeem_link(self.context, self.token, &browser, Right::Opened).await?;
            if let Some(settled) = self.settled(redemption).await? {
                return Ok(settled);
            }
            return self.show(&self.look(&browser).await?);
        }
        self.show(&opened)
    }

    /// The page for what may be done.
    fn show(&self, opened: &OpenedLink) -> passlink_engine::Result<Response> {
        let shown = self.web.show_form(self.headers, &self.scope())?;
        let page = match opened.may {
            MayDo::Confirm | MayDo::RedeemAtOnce => confirm_page(self.web, opened, self.here(), shown.nonce)
                .form_leads_to(opened.redirect.as_ref().map(RedirectTarget::origin)),
            MayDo::ProveElsewhere { .. } | MayDo::GoOn => return link::show(self.web, self.headers, self.token, opened, None),
            // The contract's status, and a way on to the app without a session.
            MayDo::Nothing(reason) => dead_page(&opened.app, reason, opened.redirect.as_ref()),
        };
        Ok(page.cookie(shown.cookie).respond())
    }

    async fn settled(&self, redemption: Redemption) -> passlink_engine::Result<Option<Response>> {
        match redemption {
            Redemption::Done(redeemed) if redeemed.handover == Handover::Signed && redeemed.redirect.is_some() => {
                Ok(Some(found(&address(&self.web.engine, &redeemed, self.query).await?)))
            }
            Redemption::Done(redeemed) => Ok(Some(with_cookie(self.web, &redeemed))),
            // It lives, but not for this user.
            Redemption::Dead { app, reason: DeadReason::Withdrawn, redirect, .. } => {
                Ok(Some(dead_page(&app, DeadReason::Withdrawn, redirect.as_ref()).status(StatusCode::FORBIDDEN).respond()))
            }
            Redemption::Dead { app, reason, redirect, .. } => Ok(Some(dead_page(&app, reason, redirect.as_ref()).respond())),
            other => settle(self.web, self.headers, self.token, other).await,
        }
    }

    async fn program(&self, mode: Mode) -> Result<Response, Refusal> {
        let allows_expired = self.headers.get("x-rownd-magic-allow-exp").is_some_and(|value| value == "true");
        if let Some(short) = self.short().await? {
            let told = told(self.web, &short.app, self.token, short.target.as_ref(), short.data.as_ref(), self.query);
            if short.target.is_none() && !allows_expired {
                return Err(dead(DeadReason::Expired));
            }
            self.web.engine.count_opening(&short).await?;
            return done(told);
        }
        let browser = self.web.browser(self.headers);
        let opened = self.look(&browser).await?;
        let about = |target| told(self.web, &opened.app, self.token, target, opened.data.as_ref(), self.query);
        let redeems = mode == Mode::Sdk || opened.may == MayDo::RedeemAtOnce;
        match opened.may {
            MayDo::Confirm | MayDo::RedeemAtOnce if redeems => {}
            MayDo::Nothing(reason) if allows_expired && reason != DeadReason::Unknown => {
                return done(about(opened.redirect.as_ref()));
            }
            MayDo::Nothing(reason) => return Err(dead(reason)),
            MayDo::GoOn => return Err(dead(DeadReason::Used)),
            MayDo::Confirm | MayDo::RedeemAtOnce | MayDo::ProveElsewhere { .. } => {
                let mut about = about(opened.redirect.as_ref());
                about["confirm"] = json!(true);
                return done(about);
            }
        }
        let redeemed = match self.web.engine.redeem_link(self.context, self.token, &browser, Right::Sdk).await? {
            Redemption::Done(redeemed) if redeemed.handover == Handover::Signed => redeemed,
            Redemption::Dead { reason: DeadReason::Withdrawn, .. } => {
                return Err(Refusal::new(403, "E_USER_DISABLED", "This user may not sign in."));
            }
            Redemption::Dead { reason, .. } => return Err(dead(reason)),
            _ => return Err(dead(DeadReason::Used)),
        };
        let arrival = arrive(&self.web.engine, &redeemed).await?;
        let mut body = about(redeemed.redirect.as_ref());
        body["access_token"] = json!(arrival.tokens.access.expose());
        body["refresh_token"] = json!(arrival.tokens.refresh.expose());
        body["app_user_id"] = json!(arrival.user);
        body["last_sign_in"] = json!(arrival.method);
        body["user_type"] = json!(if redeemed.created { "new_user" } else { "existing_user" });
        done(body)
    }
}

/// POST of the confirm page: the person's press.
pub(super) async fn press(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    Segment(token): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let asked = Asked { web: &web, context: &context, token: &token, headers: &headers, query: query.as_deref() };
    let form = Form { scope: asked.scope(), back: asked.here(), gesture: true };
    let response = form
        .act(&web, &context.request_id, &headers, &fields, async || {
            let browser = web.browser(&headers);
            let opened = asked.look(&browser).await?;
            if opened.may == MayDo::Nothing(DeadReason::Unknown) {
                return asked.show(&opened);
            }
            let redemption = web.engine.redeem_link(&context, &token, &browser, Right::Pressed).await?;
            match asked.settled(redemption).await? {
                Some(response) => Ok(response),
                None => asked.show(&asked.look(&browser).await?),
            }
        })
        .await;
    unkept(response)
}
