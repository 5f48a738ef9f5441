//! Refresh tokens: each is exchanged once. A repeat within a short window (a lost answer, two tabs) gets the same answer again;
//! a repeat after it means that somebody has a copy, and ends the session (RFC 9700 4.14).

use super::store::{RotateOutcome, RotateRefreshToken};
use super::{NewToken, SignedIn};
use std::sync::Arc;

use crate::Engine;
use crate::apps::App;
use crate::apps::HandoffRevocation;
use crate::caller::{Caller, RequestContext};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::limits::Want;
use crate::ports::Draw;
use crate::secret::{Secret, Token, TokenKind};
use crate::time::{Lifetime, Timestamp};

/// What a refresh gives.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// Session and user.
    pub signed_in: SignedIn,
    /// The next refresh token.
    pub refresh_token: Secret,
}

/// What a refresh gives where the refresh token is the id of a signed token.
#[derive(Clone, Debug)]
pub struct SignedRefresh {
    /// Session and user.
    pub signed_in: SignedIn,
    /// The id of the next refresh token.
    pub token: Token,
    /// When that was made: a repeat, where allowed, gets the same one again.
    pub issued_at: Timestamp,
}

/// What became of an exchange.
enum Rotation {
    /// Exchanged.
    Done(SignedIn),
    /// Exchanged a moment ago: the same next token again, in plain.
    Again(SignedIn, Secret),
    /// Exchanged long ago; the session is ended.
    Reused,
    /// Unknown, or the session has ended.
    Dead,
}

impl Engine {
    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// `Unauthenticated` when it is unknown, used up or its session has ended; `RateLimited`.
    pub async fn refresh_session(&self, context: &RequestContext, presented: &str) -> Result<Refreshed> {
        let dead = || Error::new(ErrorKind::Unauthenticated, "This refresh token is not valid any more");
        let now = self.clock.now();
        let presented = Token::parse(presented).filter(|t| t.kind() == TokenKind::Refresh);
        let app = match presented.as_ref().and_then(|t| self.directory().app_by_tag(t.app())) {
            Some(app) => app,
            None => {
                let app = self.directory().default_app().ok_or_else(dead)?;
                self.count_attempt(&Caller::anonymous(app, context.clone())).await?;
                return Err(dead());
            }
        };
        let caller = Caller::anonymous(app, context.clone());
        let presented = presented.ok_or_else(dead)?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let next = draw.token(TokenKind::Refresh, caller.app.tag);
        let window = caller.app.settings.refresh_reuse_window;
        match self.rotate(&caller, &presented, &next, window, &mut draw).await? {
            Rotation::Done(signed_in) => Ok(Refreshed { signed_in, refresh_token: next.expose() }),
            Rotation::Again(signed_in, next) => Ok(Refreshed { signed_in, refresh_token: next }),
            Rotation::Reused | Rotation::Dead => Err(dead()),
        }
    }

    /// Exchanges a refresh token that is the id of a signed token, whose signature was verified. There is no window for repeats, unless the app allows reuse
    /// altogether: a repeat ends the session.
    ///
    /// # Errors
    /// `AlreadyUsed` when it was exchanged before; `Unauthenticated` when it is unknown or its session has ended; `RateLimited`.
    pub async fn refresh_signed_session(
        &self,
        context: &RequestContext,
        app: Arc<App>,
        presented: &Token,
    ) -> Result<SignedRefresh> {
        let now = self.clock.now();
        let caller = Caller::anonymous(app, context.clone());
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let next = draw.token_id(TokenKind::Refresh, caller.app.tag);
        let window = match caller.app.settings.refresh_reuse_allowed {
            true => Lifetime::LONGEST,
            false => Lifetime::from_millis(0),
        };
        match self.rotate(&caller, presented, &next, window, &mut draw).await? {
            Rotation::Done(signed_in) => Ok(SignedRefresh { signed_in, token: next, issued_at: now }),
            Rotation::Again(signed_in, text) => {
                let (second, id) =
                    text.expose().split_once(' ').ok_or_else(|| Error::internal("a sealed token without a second"))?;
                let second = Timestamp::from_millis(second.parse::<i64>().map_err(Error::internal)? * 1000);
                let id = id.parse().map_err(Error::internal)?;
                let token = Token::id(TokenKind::Refresh, caller.app.tag, second, id);
                Ok(SignedRefresh { signed_in, token, issued_at: second })
            }
            Rotation::Reused => Err(Error::new(ErrorKind::AlreadyUsed, "This refresh token was exchanged before")),
            Rotation::Dead => Err(Error::new(ErrorKind::Unauthenticated, "This refresh token is not valid any more")),
        }
    }

    async fn rotate(
        &self,
        caller: &Caller,
        presented: &Token,
        next: &Token,
        window: Lifetime,
        draw: &mut Draw,
    ) -> Result<Rotation> {
        let now = self.clock.now();
        let hash = self.keys.token_hash(presented);
        let plain = match next.is_id() {
            true => Secret::new(format!("{} {}", now.as_secs(), next.expose().expose())),
            false => next.expose(),
        };
        let next_sealed = self.keys.seal(self.entropy.as_ref(), hash.as_bytes(), plain.expose().as_bytes())?;
        let rotate = RotateRefreshToken {
            presented: hash,
            next: NewToken { hash: self.keys.token_hash(next), kind: TokenKind::Refresh, sealed: None },
            next_sealed,
            now,
            session_lifetime: caller.app.settings.session_lifetime,
            reuse_window: window,
            cascade: caller.app.settings.handoff_revocation == HandoffRevocation::Cascade,
            refreshed: Event::new(EventKind::SessionRefreshed, caller, draw, now),
            reused: Event::new(EventKind::SessionReuseDetected, caller, draw, now),
        };
        match self.store.rotate_refresh_token(rotate).await? {
            RotateOutcome::Rotated(signed_in) => {
                self.sessions.forget(signed_in.session.id);
                Ok(Rotation::Done(*signed_in))
            }
            RotateOutcome::Repeated(signed_in, sealed) => {
                let plain = String::from_utf8(self.keys.open(hash.as_bytes(), &sealed)?).map_err(Error::internal)?;
                Ok(Rotation::Again(*signed_in, Secret::new(plain)))
            }
            RotateOutcome::Reused(ended) => {
                if ended.is_empty() {
                    self.count_attempt(caller).await?;
                }
                ended.into_iter().for_each(|session| self.sessions.forget(session));
                Ok(Rotation::Reused)
            }
            RotateOutcome::Dead => {
                self.count_attempt(caller).await?;
                Ok(Rotation::Dead)
            }
        }
    }

    /// Whether a refresh token is the current one of this session (a caller shows both as a pair).
    ///
    /// # Errors
    /// `Unauthenticated` when it is not.
    pub async fn refresh_token_belongs_to(&self, presented: &str, session: crate::ids::SessionId) -> Result<()> {
        let dead = || Error::new(ErrorKind::Unauthenticated, "The two tokens do not belong to one live session");
        let found = self.session_of_refresh_token(presented).await?;
        found.filter(|signed_in| signed_in.session.id == session).map(|_| ()).ok_or_else(dead)
    }

    /// The session whose current refresh token this is.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn session_of_refresh_token(&self, presented: &str) -> Result<Option<SignedIn>> {
        match Token::parse(presented).filter(|token| token.kind() == TokenKind::Refresh) {
            Some(token) => self.store.find_session_by_token(self.keys.token_hash(&token), TokenKind::Refresh).await,
            None => Ok(None),
        }
    }

    /// Counts a failed try at a secret against the client's network.
    pub(crate) async fn count_attempt(&self, caller: &Caller) -> Result<()> {
        let network = caller.context.network();
        let want = Want {
            name: "attempts_per_network",
            subject: &[caller.app.id.as_bytes(), network.as_bytes()],
            limit: caller.app.settings.limit_attempts_per_network,
        };
        self.take_limit(caller, want).await
    }
}
