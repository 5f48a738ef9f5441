//! What a link opens. GET changes nothing, unless the browser itself asked for the link or the app redeems at once; a person's POST redeems.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use passlink_engine::apps::{App, Opening};
use passlink_engine::caller::RequestContext;
use passlink_engine::links::Handover;
use passlink_engine::links::elsewhere::Approval;
use passlink_engine::links::open::{DeadReason, MayDo, OpenedLink};
use passlink_engine::links::redeem::{CodeFor, Redeemed, Redemption, Right, Visit};
use passlink_engine::links::wait::Again;
use passlink_engine::redirects::RedirectTarget;
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::{ErrorKind, Result};

use super::guard::{Fields, Form};
use super::respond::{Page, failed, redirect};
use crate::extract::request::{Context, Segment, is_navigation};
use crate::handover;
use crate::pages::views::{self, AlreadyInPage, ApprovedPage, ConfirmPage, DeadPage, ENGLISH, ElsewherePage, EntryError, WayOn};
use crate::web::{CookieName, Web, brand};

type Shared = State<Arc<Web>>;

/// A link's token without what mail programs may add around it.
fn canonical(token: &str) -> &str {
    let token = token.trim_start();
    token.get(..60).unwrap_or(token)
}

fn scope(token: &str) -> String {
    format!("link {}", canonical(token))
}

/// GET and HEAD of a link.
pub(super) async fn open(
    State(web): Shared,
    Context(context): Context,
    method: Method,
    Segment(token): Segment,
    headers: HeaderMap,
) -> Response {
    let browser = web.browser(&headers);
    let answer = async {
        let visit = match method == Method::GET && is_navigation(&headers) {
            true => web.engine.visit_link(&context, &token, &browser).await?,
            false => Visit::Opened(Box::new(web.engine.open_link(&context, &token, &browser).await?)),
        };
        let opened = match visit {
            Visit::Opened(opened) => *opened,
            Visit::Redeemed(redemption) => {
                if let Some(settled) = settle(&web, &headers, &token, redemption).await? {
                    return Ok(settled);
                }
                let opened = web.engine.open_link(&context, &token, &browser).await?;
                return show(&web, &headers, &token, &opened, None);
            }
        };
        if let (MayDo::Nothing(_), Opening::Immediate, Some(target)) = (opened.may, opened.app.settings.opening, &opened.redirect)
        {
            return Ok(redirect(&handover::refusal(target), []));
        }
        show(&web, &headers, &token, &opened, None)
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

/// GET of a form's address, as after a reload: the page it belongs to. No redirect, for that would repeat the link's secret (`security.md` 16).
pub(super) async fn back(State(web): Shared, Context(context): Context, Segment(token): Segment, headers: HeaderMap) -> Response {
    let answer = async {
        let opened = web.engine.open_link(&context, &token, &web.browser(&headers)).await?;
        show(&web, &headers, &token, &opened, None)
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

/// The page for what may be done with a link.
pub(crate) fn show(
    web: &Web,
    headers: &HeaderMap,
    token: &str,
    opened: &OpenedLink,
    error: Option<EntryError>,
) -> Result<Response> {
    let shown = web.show_form(headers, &scope(token))?;
    let look = brand(&opened.app);
    let origin = opened.redirect.as_ref().map(RedirectTarget::origin);
    let at = |action: &str| format!("/l/{}{action}", canonical(token));
    let now = web.engine.now();
    let page = match opened.may {
        MayDo::Confirm | MayDo::RedeemAtOnce => confirm_page(web, opened, at(""), shown.nonce),
        MayDo::ProveElsewhere { number } => Page::new(
            ElsewherePage {
                words: &ENGLISH,
                brand: look,
                masked_address: opened.masked_address.clone().unwrap_or_default(),
                requested_from: opened.requested_with.clone(),
                minutes_ago: opened.issued_at.map_or(0, |at| u32::try_from(now.millis_since(at) / 60_000).unwrap_or(0)),
                nonce: shown.nonce,
                number_offered: number,
                number_action: at("/number"),
                code_action: at("/code"),
                refuse_action: at("/refuse"),
                error,
            }
            .render(),
        ),
        MayDo::GoOn => {
            return Ok(Page::new(
                AlreadyInPage { words: &ENGLISH, brand: look, continue_url: home(opened.redirect.as_ref()) }.render(),
            )
            .respond());
        }
        MayDo::Nothing(reason) => {
            let resend = opened.masked_address.clone();
            return Ok(dead(
                web,
                &opened.app,
                reason,
                resend.map(|masked| (masked, at("/again"), shown.nonce)),
                opened.redirect.as_ref(),
            )
            .cookie(shown.cookie)
            .respond());
        }
    };
    Ok(page.form_leads_to(origin).cookie(shown.cookie).respond())
}

/// Why a link does not work, in the words of pages.
pub(crate) const fn shown_reason(reason: DeadReason) -> views::DeadReason {
    match reason {
        DeadReason::Expired => views::DeadReason::Expired,
        DeadReason::Used => views::DeadReason::Used,
        DeadReason::Replaced => views::DeadReason::Replaced,
        DeadReason::Closed => views::DeadReason::Closed,
        DeadReason::Withdrawn => views::DeadReason::Withdrawn,
        DeadReason::MinterEnded => views::DeadReason::MinterEnded,
        DeadReason::Unknown => views::DeadReason::Unknown,
    }
}

/// The page of a link that does not work, with its way on.
pub(crate) fn dead(
    web: &Web,
    app: &App,
    reason: DeadReason,
    resend: Option<(String, String, String)>,
    target: Option<&RedirectTarget>,
) -> Page {
    let reason = shown_reason(reason);
    let start = target
        .map(RedirectTarget::origin)
        .or_else(|| app.settings.default_origin.clone())
        .or_else(|| web.settings.dev.then(|| "/".to_owned()));
    let way_on = match (resend, start) {
        (Some((masked_address, action, nonce)), _) if reason != views::DeadReason::Withdrawn => {
            WayOn::Resend { masked_address, action, nonce }
        }
        (_, Some(url)) => WayOn::Start { url, label: None },
        (_, None) => WayOn::Advice,
    };
    Page::new(DeadPage { words: &ENGLISH, brand: brand(app), reason, way_on }.render()).status(StatusCode::GONE)
}

/// The page with the button.
pub(crate) fn confirm_page(web: &Web, opened: &OpenedLink, action: String, nonce: String) -> Page {
    let handed_to = opened.handoff.as_ref();
    let page = ConfirmPage {
        words: &ENGLISH,
        brand: brand(&opened.app),
        purpose: if handed_to.is_some() { views::Purpose::HandOff } else { views::Purpose::SignIn },
        masked_address: handed_to.map_or_else(|| opened.masked_address.clone(), |handoff| handoff.masked_address.clone()),
        action,
        nonce,
        minutes_left: opened.expires_at.map(|end| minutes(web.engine.now(), end)),
        goes_on: false,
    };
    Page::new(page.render())
}

/// POST of the confirm page: the person's press.
pub(super) async fn confirm(
    State(web): Shared,
    Context(context): Context,
    Segment(token): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &token, &headers, &fields, async || {
        let redemption = web.engine.redeem_link(&context, &token, &web.browser(&headers), Right::Pressed).await?;
        settle(&web, &headers, &token, redemption).await
    })
    .await
}

/// The number of the other screen.
pub(super) async fn number(
    State(web): Shared,
    Context(context): Context,
    Segment(token): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &token, &headers, &fields, async || {
        let browser = web.browser(&headers);
        let wrong = match web.engine.approve_link(&context, &token, &fields.number, &browser).await {
            Ok(Approval::Approved(app)) => {
                return Ok(Some(Page::new(ApprovedPage { words: &ENGLISH, brand: brand(&app) }.render()).respond()));
            }
            Ok(Approval::WrongNumber { left }) => EntryError::WrongNumber { tries_left: u8::try_from(left).unwrap_or(u8::MAX) },
            Ok(Approval::Dead(_)) => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::Invalid(_)) => EntryError::MalformedNumber,
            Err(error) => return Err(error),
        };
        let opened = web.engine.open_link(&context, &token, &browser).await?;
        show(&web, &headers, &token, &opened, Some(wrong)).map(Some)
    })
    .await
}

/// The code of the mail, typed where the link was opened: signs in here.
pub(super) async fn code(
    State(web): Shared,
    Context(context): Context,
    Segment(token): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &token, &headers, &fields, async || {
        let browser = web.browser(&headers);
        let redemption = match web.engine.redeem_code(&context, CodeFor::Token(&token), &fields.code, &browser).await {
            Err(error) if matches!(error.kind(), ErrorKind::Invalid(_)) => {
                let opened = web.engine.open_link(&context, &token, &browser).await?;
                return show(&web, &headers, &token, &opened, Some(EntryError::MalformedCode)).map(Some);
            }
            other => other?,
        };
        if let Redemption::WrongCode { left } = redemption {
            let opened = web.engine.open_link(&context, &token, &browser).await?;
            let wrong = EntryError::WrongCode { tries_left: u8::try_from(left).unwrap_or(u8::MAX) };
            return show(&web, &headers, &token, &opened, Some(wrong)).map(Some);
        }
        settle(&web, &headers, &token, redemption).await
    })
    .await
}

/// "It was not me."
pub(super) async fn refuse(
    State(web): Shared,
    Context(context): Context,
    Segment(token): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &token, &headers, &fields, async || {
        let app = web.engine.disown_link(&context, &token).await?;
        let page = DeadPage { words: &ENGLISH, brand: brand(&app), reason: views::DeadReason::Refused, way_on: WayOn::Advice };
        Ok(Some(Page::new(page.render()).respond()))
    })
    .await
}

/// A new link to the same address.
pub(super) async fn again(
    State(web): Shared,
    Context(context): Context,
    Segment(token): Segment,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    guarded(&web, &context, &token, &headers, &fields, async || {
        ask_again(&web, &context, Again::Token(&token), &headers).await.map(Some)
    })
    .await
}

/// Asks again and shows the waiting screen: this browser is the requester now.
pub(super) async fn ask_again(web: &Web, context: &RequestContext, what: Again<'_>, headers: &HeaderMap) -> Result<Response> {
    let browser = web.browser(headers);
    let proof = match browser.requester.clone() {
        Some(proof) => proof,
        None => web.engine.new_requester_proof(&*web.app_of_call(headers, None)?)?,
    };
    let cookie = web.requester_cookie(&proof);
    let (_, issued) = web.engine.issue_again(context, what, &browser, proof).await?;
    Ok(redirect(&format!("/wait/{}", issued.id), [cookie]))
}

/// Runs a form's action if it was a person's press on the link's own page; `None` from it shows that page as it is now.
async fn guarded(
    web: &Web,
    context: &RequestContext,
    token: &str,
    headers: &HeaderMap,
    fields: &Fields,
    action: impl AsyncFnOnce() -> Result<Option<Response>>,
) -> Response {
    let form = Form { scope: scope(token), back: format!("/l/{}", canonical(token)), gesture: true };
    form.act(web, &context.request_id, headers, fields, async || match action().await? {
        Some(response) => Ok(response),
        None => {
            let opened = web.engine.open_link(context, token, &web.browser(headers)).await?;
            show(web, headers, token, &opened, None)
        }
    })
    .await
}

/// Shows what became of a redemption; `None` where the link's page as it is now says it.
pub(crate) async fn settle(web: &Web, headers: &HeaderMap, token: &str, redemption: Redemption) -> Result<Option<Response>> {
    Ok(Some(match redemption {
        Redemption::Done(redeemed) => welcome(web, &redeemed).await?,
        Redemption::Before { app, redirect } => {
            Page::new(AlreadyInPage { words: &ENGLISH, brand: brand(&app), continue_url: home(redirect.as_ref()) }.render())
                .respond()
        }
        Redemption::ProveElsewhere | Redemption::NotApproved | Redemption::WrongCode { .. } => return Ok(None),
        Redemption::Dead { app, reason, redirect: target, masked_address } => {
            // An app that redeems at once is told in its own way, as the vendors do.
            if let (Opening::Immediate, Some(target)) = (app.settings.opening, &target) {
                return Ok(Some(redirect(&handover::refusal(target), [])));
            }
            let shown = web.show_form(headers, &scope(token))?;
            let resend = masked_address.map(|masked| (masked, format!("/l/{}/again", canonical(token)), shown.nonce));
            dead(web, &app, reason, resend, target.as_ref()).cookie(shown.cookie).respond()
        }
    }))
}

/// Where the new session goes.
pub(super) async fn welcome(web: &Web, redeemed: &Redeemed) -> Result<Response> {
    Ok(match redeemed.handover {
        Handover::Fragment => redirect(&handover::fragment(&web.engine, redeemed)?, []),
        Handover::Signed if redeemed.redirect.is_some() => redirect(&handover::signed(&web.engine, redeemed).await?, []),
        // A client's link is exchanged and cannot be opened here; if it could, it would give this browser its own session and nothing more.
        Handover::Cookie | Handover::Client | Handover::Signed => with_cookie(web, redeemed),
    })
}

/// The session stays in this browser, as a cookie of our own host.
pub(crate) fn with_cookie(web: &Web, redeemed: &Redeemed) -> Response {
    let end = redeemed.signed_in.session.expires_at;
    let seconds = Lifetime::from_millis(end.millis_since(web.engine.now())).as_secs();
    let token = redeemed.tokens.session.as_ref();
    let cookie = token.map(|token| web.set_cookie(CookieName::Session, token.expose().expose(), Some(seconds)));
    let to = redeemed.redirect.as_ref().map_or_else(|| "/signed-in".to_owned(), |target| target.as_url().to_string());
    redirect(&to, cookie)
}

/// Where a person goes on who is signed in already.
pub(super) fn home(target: Option<&RedirectTarget>) -> String {
    target.map_or_else(|| "/signed-in".to_owned(), |target| target.origin())
}

fn minutes(now: Timestamp, end: Timestamp) -> u32 {
    u32::try_from(Lifetime::from_millis(end.millis_since(now).max(0)).as_minutes_up()).unwrap_or(u32::MAX)
}
