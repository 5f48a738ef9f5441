//! Redeeming: one link, at most one session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::open::{BrowserProof, DeadReason, Found, MayDo, OpenedLink, opening};
use super::store::{CodeOutcome, LinkKey, RedeemEvents, RedeemLink, RedeemOutcome, RedeemPlan, TryCode};
use super::{Handover, Link};
use crate::Engine;
use crate::apps::{App, SignUp};
use crate::caller::{Caller, RequestContext};
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::ids::LinkId;
use crate::ports::Draw;
use crate::redirects::RedirectTarget;
use crate::secret::{Secret, Token, TokenKind};
use crate::sessions::{Method, NewToken, SessionTokens, SignedIn};
use crate::time::Timestamp;

/// By what right a link is redeemed.
#[derive(Clone, Debug)]
pub enum Right {
    /// A person pressed the button of the page that was shown to this browser.
    Pressed,
    /// The browser itself asked for the link, or the app redeems at once: a GET is enough.
    Opened,
    /// The app's own SDK opened it, which no scanner does (`decisions.md` 3): as good as a press.
    Sdk,
}

/// A redeemed link.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The app.
    pub app: Arc<App>,
    /// Session and user.
    pub signed_in: SignedIn,
    /// Its tokens, as the handover needs them.
    pub tokens: SessionTokens,
    /// How the session gets to the app.
    pub handover: Handover,
    /// Where the browser goes.
    pub redirect: Option<RedirectTarget>,
    /// The user came to be just now.
    pub created: bool,
    /// What the caller wanted handed back.
    pub data: Option<Value>,
    /// The link.
    pub link: LinkId,
    /// This browser was given the same a moment ago.
    pub is_repeat: bool,
}

/// What became of a try to redeem.
#[derive(Clone, Debug)]
pub enum Redemption {
    /// Signed in.
    Done(Box<Redeemed>),
    /// This browser did it before: go on, nothing new was made.
    Before {
        /// The app.
        app: Arc<App>,
        /// Where to go on.
        redirect: Option<RedirectTarget>,
    },
    /// Not by this browser: it must prove more.
    ProveElsewhere,
    /// A wrong code.
    WrongCode {
        /// Tries left before the request is closed.
        left: u32,
    },
    /// The requester must wait until somebody approves elsewhere.
    NotApproved,
    /// It does not work.
    Dead {
        /// The app.
        app: Arc<App>,
        /// Why.
        reason: DeadReason,
        /// Where the app waits for the person.
        redirect: Option<RedirectTarget>,
        /// Where a new link would be sent, masked.
        masked_address: Option<String>,
    },
}

/// What a repeat needs, sealed beside the link for a minute.
#[derive(Serialize, Deserialize)]
struct Replay {
    session: Option<String>,
    refresh: Option<String>,
}

/// What became of going to a link.
#[derive(Debug)]
pub enum Visit {
    /// Opening was enough.
    Redeemed(Redemption),
    /// It was not; nothing changed.
    Opened(Box<OpenedLink>),
}

/// What is besides.
#[derive(Clone, Copy, Default)]
struct How {
    /// Only if it was approved elsewhere.
    must_be_approved: bool,
    /// Opening it is what redeems it.
    by_opening: bool,
}

struct Prepared {
    redeem: RedeemLink,
    tokens: SessionTokens,
}

impl Engine {
    /// Redeems the link of a token.
    ///
    /// # Errors
    /// `RateLimited`, `Unavailable`; a dead link is an answer, not an error.
    pub async fn redeem_link(
        &self,
        context: &RequestContext,
        token: &str,
        browser: &BrowserProof,
        right: Right,
    ) -> Result<Redemption> {
        let now = self.clock.now();
        let found = self.find_by_token(token).await?;
        let may = self.judge(&found, browser, now).may;
        let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
        let allowed = match (may, right) {
            (MayDo::RedeemAtOnce, _) | (MayDo::Confirm, Right::Pressed | Right::Sdk) => true,
            (MayDo::Confirm, Right::Opened) => false,
            (MayDo::ProveElsewhere { .. }, _) => return Ok(Redemption::ProveElsewhere),
            (MayDo::GoOn | MayDo::Nothing(_), _) => {
                return self.not_live(&caller, &found, found.link.as_ref(), browser, now).await;
            }
        };
        let Some(link) = found.link.as_ref().filter(|_| allowed) else { return Ok(Redemption::ProveElsewhere) };
        self.redeem_found(&caller, &found, link, browser, false, now).await
    }

    async fn redeem_found(
        &self,
        caller: &Caller,
        found: &Found,
        link: &Link,
        browser: &BrowserProof,
        by_opening: bool,
        now: Timestamp,
    ) -> Result<Redemption> {
        let key = LinkKey::Hash(link.hash);
        let prepared = self.prepare(caller, link, key, Method::Link, browser, How { by_opening, ..How::default() }, now)?;
        let outcome = self.store.redeem_link(prepared.redeem).await?;
        self.settle(caller, found, link, prepared.tokens, outcome, browser, now).await
    }

    /// A browser goes to a link: where opening is enough, that redeems it, in one transaction with the note that it was opened; else as [`Engine::open_link`].
    ///
    /// # Errors
    /// `RateLimited`, `Unavailable`; a dead or unknown link is an answer, not an error.
    pub async fn visit_link(&self, context: &RequestContext, token: &str, browser: &BrowserProof) -> Result<Visit> {
        let now = self.clock.now();
        let found = self.find_by_token(token).await?;
        let opened = self.judge(&found, browser, now);
        match found.link.as_ref().filter(|_| opened.may == MayDo::RedeemAtOnce) {
            Some(link) => {
                let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
                let redemption = self.redeem_found(&caller, &found, link, browser, true, now).await?;
                Ok(Visit::Redeemed(redemption))
            }
            None => self.note_opening(context, &found, opened, now).await.map(|opened| Visit::Opened(Box::new(opened))),
        }
    }

    /// Redeems by code, for the requester who waits (`browser.requester`) or for whoever holds the link's token.
    ///
    /// # Errors
    /// `Invalid` naming `code` unless it is six digits; `RateLimited`, `Unavailable`.
    pub async fn redeem_code(
        &self,
        context: &RequestContext,
        request: CodeFor<'_>,
        code: &str,
        browser: &BrowserProof,
    ) -> Result<Redemption> {
        let now = self.clock.now();
        let digits: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::invalid("code", "The code is the six digits from the e-mail"));
        }
        let (found, tries) = match request {
            // Those who opened the link elsewhere get fewer tries, so that a machine that fills in forms cannot close the request.
            CodeFor::Token(token) => (self.find_by_token(token).await?, Link::CODE_TRIES - 2),
            CodeFor::Request(id) => (self.find_by_request(id, browser).await?, Link::CODE_TRIES),
        };
        let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
        self.count_attempt(&caller).await?;
        let Some(link) = found.link.as_ref().filter(|link| !link.leads_nowhere(&found.app)) else {
            return self.not_live(&caller, &found, found.link.as_ref(), browser, now).await;
        };
        let prepared = self.prepare(&caller, link, LinkKey::Id(link.id), Method::Code, browser, How::default(), now)?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let attempt = TryCode {
            expected: self.keys.code_hash(link.id, &digits),
            tries,
            redeem: prepared.redeem,
            refused: Event::new(EventKind::LinkRefused, &caller, &mut draw, now).link(link.id).with("reason", "wrong_code"),
            closed: Event::new(EventKind::LinkClosed, &caller, &mut draw, now).link(link.id).with("reason", "wrong_codes"),
        };
        match self.store.try_code(attempt).await? {
            CodeOutcome::Right(outcome) => self.settle(&caller, &found, link, prepared.tokens, outcome, browser, now).await,
            CodeOutcome::Wrong { left } => Ok(Redemption::WrongCode { left }),
            CodeOutcome::NotLive(link) => self.not_live(&caller, &found, link.as_deref(), browser, now).await,
        }
    }

    /// Finishes in the requester's browser what was approved elsewhere.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn finish_approved(&self, context: &RequestContext, id: LinkId, browser: &BrowserProof) -> Result<Redemption> {
        let now = self.clock.now();
        let found = self.find_by_request(id, browser).await?;
        let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
        let Some(link) = found.link.as_ref().filter(|link| !link.leads_nowhere(&found.app)) else {
            return self.not_live(&caller, &found, found.link.as_ref(), browser, now).await;
        };
        if link.redeemed_at.is_none() && link.approved_at.is_none() {
            return Ok(Redemption::NotApproved);
        }
        let how = How { must_be_approved: true, ..How::default() };
        let prepared = self.prepare(&caller, link, LinkKey::Id(link.id), Method::Link, browser, how, now)?;
        let outcome = self.store.redeem_link(prepared.redeem).await?;
        self.settle(&caller, &found, link, prepared.tokens, outcome, browser, now).await
    }

    /// The request with this id, for the browser that made it and nobody else.
    pub(crate) async fn find_by_request(&self, id: LinkId, browser: &BrowserProof) -> Result<Found> {
        let directory = self.directory();
        let link = match self.requester_hash(browser) {
            Some(hash) => self.store.find_requested_link(id, hash).await?.filter(|link| link.purpose.begins_session()),
            None => None,
        };
        let app = link.as_ref().map_or_else(|| directory.default_app(), |link| directory.app(link.app));
        let app = app.ok_or_else(|| Error::unavailable("the app of a request is gone"))?;
        Ok(Found { app, link })
    }

    #[expect(clippy::too_many_arguments, reason = "one private step of two use cases; a struct would be used once")]
    fn prepare(
        &self,
        caller: &Caller,
        link: &Link,
        key: LinkKey,
        method: Method,
        browser: &BrowserProof,
        how: How,
        now: Timestamp,
    ) -> Result<Prepared> {
        let app = &caller.app;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let tokens = match link.handover {
            Handover::Cookie | Handover::Client => {
                SessionTokens { session: Some(draw.token(TokenKind::Session, app.tag)), refresh: None }
            }
            Handover::Fragment => SessionTokens { session: None, refresh: Some(draw.token(TokenKind::Refresh, app.tag)) },
            // Without a page of the app, a browser keeps the session with us.
            Handover::Signed => SessionTokens {
                session: link.redirect.is_none().then(|| draw.token(TokenKind::Session, app.tag)),
                refresh: Some(draw.token_id(TokenKind::Refresh, app.tag)),
            },
        };
        let session = draw.session_id();
        let redeemer = self.redeemer_digests(browser).into_iter().next();
        let plain = |token: &Option<Token>| token.as_ref().map(|t| t.expose().expose().to_owned());
        let replay = Replay { session: plain(&tokens.session), refresh: plain(&tokens.refresh) };
        let replay = match &redeemer {
            Some(_) => {
                let text = zeroize::Zeroizing::new(serde_json::to_vec(&replay).map_err(Error::internal)?);
                Some(self.keys.seal(self.entropy.as_ref(), &replay_context(link.id), &text)?)
            }
            None => None,
        };
        // In the order in which they happen.
        let opened = how.by_opening.then(|| opening(caller, link, None, &mut draw, now));
        let mut event = |kind| Event::new(kind, caller, &mut draw, now).link(link.id);
        let events = RedeemEvents {
            opened,
            redeemed: event(EventKind::LinkRedeemed).with("by", if method == Method::Code { "code" } else { "link" }),
            user_created: event(EventKind::UserCreated),
            address_verified: event(EventKind::AddressVerified),
            sessions_revoked: event(EventKind::SessionRevoked).with("reason", "address_proven"),
            session_started: event(EventKind::SessionStarted),
        };
        let both = [(&tokens.session, TokenKind::Session), (&tokens.refresh, TokenKind::Refresh)];
        let stored = both
            .into_iter()
            .filter_map(|(token, kind)| token.as_ref().map(|t| NewToken { hash: self.keys.token_hash(t), kind, sealed: None }))
            .collect();
        let redeem = RedeemLink {
            key,
            app: app.id,
            now,
            address: link.address.clone(),
            user: link.user,
            plan: link.options.plan.clone().map(|plan| {
                Box::new(RedeemPlan {
                    plan,
                    schema: app.settings.schema().clone(),
                    identifiers: [draw.identifier_id(), draw.identifier_id()],
                    member: draw.member_id(),
                    joined: Event::new(EventKind::GroupJoined, caller, &mut draw, now).link(link.id),
                })
            }),
            pending_links: app.settings.pending_links,
            must_be_approved: how.must_be_approved,
            redeemer,
            replay,
            session,
            session_expires_at: now.plus(link.session_lifetime.unwrap_or(app.settings.session_lifetime)),
            session_lifetime: link.session_lifetime,
            method,
            device: caller.context.user_agent.as_deref().and_then(crate::device::describe),
            child_of: link.child_of(),
            tokens: stored,
            new_user: draw.user_id(),
            new_identifier: draw.identifier_id(),
            sign_up_open: app.settings.sign_up == SignUp::Open,
            events,
        };
        Ok(Prepared { redeem, tokens })
    }

    #[expect(clippy::too_many_arguments, reason = "the last step of three use cases; a struct would be used once")]
    async fn settle(
        &self,
        caller: &Caller,
        found: &Found,
        link: &Link,
        tokens: SessionTokens,
        outcome: RedeemOutcome,
        browser: &BrowserProof,
        now: Timestamp,
    ) -> Result<Redemption> {
        match outcome {
            RedeemOutcome::Redeemed { signed_in, created, ended } => {
                ended.into_iter().for_each(|session| self.sessions.forget(session));
                self.redeemed(caller, link, *signed_in, tokens, created).map(|r| Redemption::Done(Box::new(r)))
            }
            RedeemOutcome::Taken(field) => Err(crate::users::write::taken(&field)),
            RedeemOutcome::UserRefused => Ok(Redemption::Dead {
                app: Arc::clone(&caller.app),
                reason: DeadReason::Withdrawn,
                redirect: self.redirect_of(caller, link),
                masked_address: None,
            }),
            RedeemOutcome::NotLive(link) => self.not_live(caller, found, link.as_deref(), browser, now).await,
        }
    }

    fn redeemed(
        &self,
        caller: &Caller,
        link: &Link,
        signed_in: SignedIn,
        tokens: SessionTokens,
        created: bool,
    ) -> Result<Redeemed> {
        let redirect = self.redirect_of(caller, link);
        Ok(Redeemed {
            app: Arc::clone(&caller.app),
            signed_in,
            tokens,
            handover: link.handover,
            redirect,
            created,
            data: link.options.data.clone(),
            link: link.id,
            is_repeat: false,
        })
    }

    fn redirect_of(&self, caller: &Caller, link: &Link) -> Option<RedirectTarget> {
        link.target(&caller.app)
    }

    /// The answer for a link that is not live: the same again for the browser that redeemed it a moment ago, else the reason.
    async fn not_live(
        &self,
        caller: &Caller,
        found: &Found,
        link: Option<&Link>,
        browser: &BrowserProof,
        now: Timestamp,
    ) -> Result<Redemption> {
        let app = Arc::clone(&found.app);
        let Some(link) = link else {
            self.count_attempt(caller).await?;
            return Ok(Redemption::Dead { app, reason: DeadReason::Unknown, redirect: None, masked_address: None });
        };
        let redirect = self.redirect_of(caller, link);
        if self.redeemed_by(link, browser) {
            if let Some(again) = self.replay(caller, link, now).await? {
                return Ok(Redemption::Done(Box::new(again)));
            }
            return Ok(Redemption::Before { app, redirect });
        }
        let reason = match DeadReason::of(link.state(now, app.settings.pending_links)) {
            Some(reason) => reason,
            None if link.leads_nowhere(&app) => DeadReason::Withdrawn,
            // It lives, but not for who tried: the tries by this way are used up.
            None => DeadReason::Closed,
        };
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::LinkRefused, caller, &mut draw, now).link(link.id).with("reason", reason.code());
        // As bounded as openings: replaying a dead link must not fill the database.
        self.store.append_opened(event, 50).await?;
        Ok(Redemption::Dead { app, reason, redirect, masked_address: link.address.as_ref().map(|a| a.masked()) })
    }

    async fn replay(&self, caller: &Caller, link: &Link, now: Timestamp) -> Result<Option<Redeemed>> {
        let (Some(at), Some(sealed), Some(session)) = (link.redeemed_at, &link.replay, link.session) else { return Ok(None) };
        if now >= at.plus(Link::REPLAY) || link.leads_nowhere(&caller.app) {
            return Ok(None);
        }
        let Some(signed_in) = self.store.find_session(link.app, session).await?.filter(|s| s.session.is_live(now)) else {
            return Ok(None);
        };
        let plain = zeroize::Zeroizing::new(self.keys.open(&replay_context(link.id), sealed)?);
        let replay: Replay = serde_json::from_slice(&plain).map_err(Error::internal)?;
        let token = |text: Option<String>| {
            let text = Secret::new(text?);
            let id = text.expose().parse().ok().filter(|_| link.handover == Handover::Signed);
            id.map_or_else(|| Token::parse(text.expose()), |id| Some(Token::id(TokenKind::Refresh, caller.app.tag, at, id)))
        };
        let tokens = SessionTokens { session: token(replay.session), refresh: token(replay.refresh) };
        // Known only after the replay was sealed, so it is told by the ages: both came to be at the same instant.
        let created = signed_in.user.created_at == signed_in.session.created_at;
        let again = self.redeemed(caller, link, signed_in, tokens, created)?;
        Ok(Some(Redeemed { is_repeat: true, ..again }))
    }
}

/// Which request a code is for.
#[derive(Clone, Copy, Debug)]
pub enum CodeFor<'a> {
    /// The one whose link this browser opened.
    Token(&'a str),
    /// The one this browser asked for.
    Request(LinkId),
}

fn replay_context(id: LinkId) -> Vec<u8> {
    [b"replay".as_slice(), id.as_bytes()].concat()
}
