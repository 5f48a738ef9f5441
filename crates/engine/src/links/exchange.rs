//! Exchanging: a person brings the token of a link to an app's own server, which shows it to us with its credentials.
//!
//! Only success uses the link up. A link that the caller delivered by itself proves nothing about an address; a mailed one proves the address it went to.

use serde_json::{Map, Value};

use super::store::{ExchangeCode, ExchangeCodeOutcome, ExchangeEvents, ExchangeLink, ExchangeOutcome, ExchangeSession, LinkKey};
use super::{Link, LinkState, RevokedWhy, pkce};
use crate::Engine;
use crate::apps::App;
use crate::caller::Caller;
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::ids::{IdentifierId, LinkId};
use crate::limits::Want;
use crate::ports::Draw;
use crate::secret::{Secret, Token, TokenKind};
use crate::sessions::handle::{HeldSession, SessionRef, no_session};
use crate::sessions::{Channel, ClientFacts, Factor, Method, NewToken};
use crate::time::{Lifetime, Timestamp};
use crate::users::Person;

/// Which facts of the device must be the same as when the link was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct MustMatch {
    /// The address.
    pub ip_address: bool,
    /// The browser.
    pub user_agent: bool,
}

/// What session the caller wants.
#[derive(Clone, Copy, Debug)]
pub enum SessionWish<'a> {
    /// None: it only wants to know whether the token holds.
    None,
    /// A new one.
    Begin(Lifetime),
    /// To add the proof to one it has, and perhaps give that a new end.
    Join(SessionRef<'a>, Option<Lifetime>),
}

/// An exchange.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// PKCE code verifier.
    pub verifier: Option<&'a str>,
    /// The device as the caller sees it now.
    pub client: ClientFacts,
    /// What must be the same as then.
    pub must_match: MustMatch,
    /// What session it wants.
    pub session: SessionWish<'a>,
    /// Claims for it, without what the dialect reserves.
    pub claims: Map<String, Value>,
}

/// What it gives.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// Who.
    pub person: Person,
    /// The link.
    pub link: LinkId,
    /// The proof.
    pub factor: Factor,
    /// The session, if one was wanted.
    pub session: Option<HeldSession>,
}

pub(crate) fn no_link() -> Error {
    Error::not_found("link", "This link was never made, or is gone")
}

/// The session part of an exchange, prepared.
pub(crate) struct PreparedSession {
    pub(crate) session: ExchangeSession,
    pub(crate) token: Option<Secret>,
}

impl Engine {
    /// Exchanges the token of a link.
    ///
    /// # Errors
    /// `Forbidden` without the scope. In this order: `NotFound` about `link`; `AlreadyUsed` or `Expired` about `link`; `Invalid` naming `code_verifier`;
    /// `Unauthenticated` about `device` when facts differ; `Invalid` naming `session_lifetime`, `session` ([`Problem::Mismatch`]: another user's) or `claims`;
    /// `NotFound` about `session`.
    pub async fn exchange_link(&self, caller: &Caller, token: &str, exchange: Exchange<'_>) -> Result<Exchanged> {
        caller.require("link:redeem")?;
        let now = self.clock.now();
        let link = self.find_exchangeable(caller, token).await?;
        self.check_exchange(caller, &link, &exchange, now)?;
        let user = link.user.ok_or_else(no_link)?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let channel = if link.address.is_some() { Channel::Email } else { Channel::Caller };
        let factor = Factor {
            method: Method::Link,
            channel,
            link: link.id,
            identifier: None,
            address: link.address.as_ref().map(ToString::to_string),
            first_at: now,
            last_at: now,
        };
        let prepared = self.prepare_session(caller, &exchange, user, &mut draw, now).await?;
        let events = self.exchange_events(caller, link.id, Method::Link, &mut draw, now);
        let command = ExchangeLink {
            key: LinkKey::Hash(link.hash),
            app: caller.app.id,
            now,
            user,
            address: link.address.clone(),
            pending_links: caller.app.settings.pending_links,
            factor,
            session: prepared.session,
            child_of: link.child_of(),
            device: exchange.client.user_agent.as_deref().and_then(crate::device::describe),
            events,
        };
        let outcome = self.store.exchange_link(command).await?;
        self.settle_exchange(caller, outcome, prepared.token, now).await
    }

    /// Exchanges the code that was mailed to an address.
    ///
    /// # Errors
    /// As [`Engine::exchange_link`], about `code` instead of `link`; `RateLimited` when too many codes were tried for this address.
    pub async fn exchange_code(
        &self,
        caller: &Caller,
        address: IdentifierId,
        code: &str,
        exchange: Exchange<'_>,
    ) -> Result<Exchanged> {
        caller.require("link:redeem")?;
        let now = self.clock.now();
        let no_code = || Error::not_found("code", "This code is not the one that was sent");
        let about_code = |error: Error| if error.thing() == "link" { error.about("code") } else { error };
        let want = Want {
            name: "codes_per_mailbox",
            subject: &[caller.app.id.as_bytes(), address.as_bytes()],
            limit: caller.app.settings.limit_codes_per_mailbox,
        };
        self.take_limit(caller, want).await?;
        let person = self.store.find_person_by_identifier(caller.app.id, address).await?.ok_or_else(no_code)?.at(now);
        let email = person.emails().find(|(identifier, _)| identifier.id == address).map(|(_, email)| email.clone());
        let email = email.ok_or_else(no_code)?;
        let link = self.store.find_newest_code(caller.app.id, &email).await?.ok_or_else(no_code)?;
        self.check_exchange(caller, &link, &exchange, now).map_err(about_code)?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let prepared = self.prepare_session(caller, &exchange, person.user.id, &mut draw, now).await?;
        let factor = Factor {
            method: Method::Code,
            channel: Channel::Email,
            link: link.id,
            identifier: Some(address),
            address: Some(email.to_string()),
            first_at: now,
            last_at: now,
        };
        let refused = Event::new(EventKind::LinkRefused, caller, &mut draw, now).link(link.id).with("reason", "wrong_code");
        let closed = Event::new(EventKind::LinkClosed, caller, &mut draw, now).link(link.id).with("reason", "wrong_codes");
        let attempt = ExchangeCode {
            expected: self.keys.code_hash(link.id, code),
            refused,
            closed,
            exchange: ExchangeLink {
                key: LinkKey::Id(link.id),
                app: caller.app.id,
                now,
                user: person.user.id,
                address: Some(email),
                pending_links: caller.app.settings.pending_links,
                factor,
                session: prepared.session,
                child_of: None,
                device: exchange.client.user_agent.as_deref().and_then(crate::device::describe),
                events: self.exchange_events(caller, link.id, Method::Code, &mut draw, now),
            },
        };
        let outcome = match self.store.exchange_code(attempt).await? {
            ExchangeCodeOutcome::Right(outcome) => outcome,
            ExchangeCodeOutcome::Wrong => return Err(no_code()),
            ExchangeCodeOutcome::NotLive(link) => ExchangeOutcome::NotLive(link),
        };
        self.settle_exchange(caller, outcome, prepared.token, now).await.map_err(about_code)
    }

    /// Says what is wrong with a link before anything else is looked at; uses nothing up.
    ///
    /// # Errors
    /// As [`Engine::exchange_link`], but for session and claims.
    pub async fn inspect_link(&self, caller: &Caller, token: &str, exchange: &Exchange<'_>) -> Result<()> {
        caller.require("link:redeem")?;
        let link = self.find_exchangeable(caller, token).await?;
        self.check_exchange(caller, &link, exchange, self.clock.now())
    }

    /// The client's link of this token. An invitation is exchanged like a sign-in; the two kinds of token never hash alike.
    pub(crate) async fn find_client_link(&self, app: &App, text: &str) -> Result<Option<(Link, Token)>> {
        for kind in [TokenKind::SignInLink, TokenKind::InviteLink] {
            let Some(token) = Token::parse_for(kind, app.tag, text) else { continue };
            let key = LinkKey::Hash(self.keys.token_hash(&token));
            if let Some(link) = self.store.find_link(app.id, key).await?.filter(Link::is_exchangeable) {
                return Ok(Some((link, token)));
            }
        }
        Ok(None)
    }

    async fn find_exchangeable(&self, caller: &Caller, text: &str) -> Result<Link> {
        self.find_client_link(&caller.app, text).await?.map(|(link, _)| link).ok_or_else(no_link)
    }

    /// What can be known before the link is used up.
    pub(crate) fn check_exchange(&self, caller: &Caller, link: &Link, exchange: &Exchange<'_>, now: Timestamp) -> Result<()> {
        not_dead(link.state(now, caller.app.settings.pending_links))?;
        pkce::check(link.options.code_challenge.as_deref(), exchange.verifier)
            .map_err(|field| Error::invalid_fields(vec![field]))?;
        let then = &link.options.client;
        let same = |wanted: bool, then: &Option<String>, now: &Option<String>| !wanted || (then.is_some() && then == now);
        let is_same = same(exchange.must_match.ip_address, &then.ip_address, &exchange.client.ip_address)
            && same(exchange.must_match.user_agent, &then.user_agent, &exchange.client.user_agent);
        if !is_same {
            let message = "The device is not the one for which this link was asked";
            return Err(Error::new(ErrorKind::Unauthenticated, message).about("device"));
        }
        Ok(())
    }

    /// Finds or prepares the session.
    pub(crate) async fn prepare_session(
        &self,
        caller: &Caller,
        exchange: &Exchange<'_>,
        user: crate::ids::UserId,
        draw: &mut Draw,
        now: Timestamp,
    ) -> Result<PreparedSession> {
        match exchange.session {
            SessionWish::None => Ok(PreparedSession { session: ExchangeSession::None, token: None }),
            SessionWish::Begin(lifetime) => {
                self.check_session_lifetime(caller, Some(lifetime))?;
                let id = draw.session_id();
                let token = draw.compact_token(TokenKind::Session, caller.app.tag);
                let plain = token.expose();
                let sealed = Some(self.seal_session_token(id, &plain)?);
                let token = NewToken { hash: self.keys.token_hash(&token), kind: TokenKind::Session, sealed };
                let (client, claims) = (exchange.client.clone(), exchange.claims.clone());
                let session = ExchangeSession::Begin { id, expires_at: now.plus(lifetime), lifetime, token, client, claims };
                Ok(PreparedSession { session, token: Some(plain) })
            }
            SessionWish::Join(which, lifetime) => {
                self.check_session_lifetime(caller, lifetime)?;
                let held = self.held_session(caller, which).await?;
                if held.session.user != user {
                    let field = FieldError::new("session", "This session is another user's").because(Problem::Mismatch);
                    return Err(Error::invalid_fields(vec![field]));
                }
                let token = match which {
                    SessionRef::Token(text) => Some(Secret::new(text.to_owned())),
                    SessionRef::Id(_) => self.sealed_session_token(&held.session).await?,
                };
                let end = lifetime.map(|lifetime| (now.plus(lifetime), lifetime));
                Ok(PreparedSession {
                    session: ExchangeSession::Join { id: held.session.id, end, claims: exchange.claims.clone() },
                    token,
                })
            }
        }
    }

    pub(crate) fn exchange_events(
        &self,
        caller: &Caller,
        link: LinkId,
        method: Method,
        draw: &mut Draw,
        now: Timestamp,
    ) -> ExchangeEvents {
        let mut event = |kind| Event::new(kind, caller, draw, now).link(link);
        ExchangeEvents {
            redeemed: event(EventKind::LinkRedeemed).with("by", if method == Method::Code { "code" } else { "link" }),
            address_verified: event(EventKind::AddressVerified),
            sessions_revoked: event(EventKind::SessionRevoked).with("reason", "address_proven"),
            session_started: event(EventKind::SessionStarted),
        }
    }

    pub(crate) async fn settle_exchange(
        &self,
        caller: &Caller,
        outcome: ExchangeOutcome,
        token: Option<Secret>,
        now: Timestamp,
    ) -> Result<Exchanged> {
        match outcome {
            ExchangeOutcome::Done { person, link, factor, session, ended } => {
                let person = person.at(now);
                ended.into_iter().for_each(|session| self.sessions.forget(session));
                if let Some(signed_in) = &session {
                    self.sessions.forget(signed_in.session.id);
                }
                let session = session.map(|signed_in| HeldSession { signed_in: *signed_in, token });
                Ok(Exchanged { person, link, factor: *factor, session })
            }
            ExchangeOutcome::NoUser => Err(no_link()),
            ExchangeOutcome::UserRefused => Err(Error::new(ErrorKind::Forbidden, "This user may not sign in").about("user")),
            ExchangeOutcome::NoSession => Err(no_session()),
            ExchangeOutcome::ClaimsRefused(field) => Err(Error::invalid_fields(vec![field])),
            ExchangeOutcome::NotLive(link) => {
                let link = link.ok_or_else(no_link)?;
                not_dead(link.state(now, caller.app.settings.pending_links))?;
                Err(used())
            }
        }
    }
}

fn used() -> Error {
    Error::new(ErrorKind::AlreadyUsed, "This link has done its work").about("link")
}

fn not_dead(state: LinkState) -> Result<()> {
    match state {
        LinkState::Live => Ok(()),
        LinkState::Expired => Err(Error::new(ErrorKind::Expired, "This link has expired").about("link")),
        LinkState::Revoked(RevokedWhy::Revoked) => Err(no_link()),
        LinkState::MinterEnded => Err(no_link()),
        LinkState::Redeemed | LinkState::Replaced | LinkState::Revoked(_) => Err(used()),
    }
}
