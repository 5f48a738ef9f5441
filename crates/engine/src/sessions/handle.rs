//! Sessions in the hands of clients: an app's own server keeps the session token or a JWT, and has us verify, prolong and end it.

use serde_json::{Map, Value};

use super::store::{ChangeSession, ChangeSessionOutcome};
use super::{Session, SignedIn};
use crate::Engine;
use crate::caller::Caller;
use crate::error::{Error, FieldError, Problem, Result};
use crate::ids::SessionId;
use crate::secret::{Secret, Token, TokenKind};
use crate::time::Lifetime;
use crate::users::UserRef;

/// Which session a client means.
#[derive(Clone, Copy, Debug)]
pub enum SessionRef<'a> {
    /// By a session token.
    Token(&'a str),
    /// By its id, from a JWT that was verified or from a list.
    Id(SessionId),
}

/// A live session as a client is shown it.
#[derive(Clone, Debug)]
pub struct HeldSession {
    /// Session and user.
    pub signed_in: SignedIn,
    /// Its session token, when it has one.
    pub token: Option<Secret>,
}

pub(crate) fn no_session() -> Error {
    Error::not_found("session", "This session has ended or never was")
}

impl Engine {
    /// The live session a client means.
    ///
    /// # Errors
    /// `Forbidden` without the scope, `NotFound` about `session`.
    pub(crate) async fn held_session(&self, caller: &Caller, session: SessionRef<'_>) -> Result<SignedIn> {
        let now = self.clock.now();
        let found = match session {
            SessionRef::Token(text) => {
                let token = Token::parse_for(TokenKind::Session, caller.app.tag, text).ok_or_else(no_session)?;
                self.store.find_session_by_token(self.keys.token_hash(&token), TokenKind::Session).await?
            }
            SessionRef::Id(id) => self.store.find_session(caller.app.id, id).await?,
        };
        let is_ours = |s: &SignedIn| s.session.app == caller.app.id && s.session.is_live(now) && s.user.disabled_at.is_none();
        found.filter(is_ours).ok_or_else(no_session)
    }

    /// Verifies a session for a client, and may give it a new end and claims. Without those it is only noted that it was seen.
    ///
    /// # Errors
    /// `Forbidden` without the scope; `NotFound` about `session`; `Invalid` naming `session_lifetime` over the app's ceiling, or `claims`.
    pub async fn verify_session(
        &self,
        caller: &Caller,
        session: SessionRef<'_>,
        lifetime: Option<Lifetime>,
        claims: Map<String, Value>,
    ) -> Result<HeldSession> {
        caller.require("session:verify")?;
        self.check_session_lifetime(caller, lifetime)?;
        let now = self.clock.now();
        let mut signed_in = self.held_session(caller, session).await?;
        let id = signed_in.session.id;
        if lifetime.is_none() && claims.is_empty() {
            self.store.touch_session(caller.app.id, id, now).await?;
            signed_in.session.accessed_at = Some(now);
        } else {
            let end = lifetime.map(|lifetime| (now.plus(lifetime), lifetime));
            let change = ChangeSession { app: caller.app.id, id, now, end, claims };
            signed_in = match self.store.change_session(change).await? {
                ChangeSessionOutcome::Changed(signed_in) => *signed_in,
                ChangeSessionOutcome::Dead => return Err(no_session()),
                ChangeSessionOutcome::Refused(field) => return Err(Error::invalid_fields(vec![field])),
            };
            self.sessions.forget(id);
        }
        let token = match session {
            SessionRef::Token(text) => Some(Secret::new(text.to_owned())),
            SessionRef::Id(_) => self.sealed_session_token(&signed_in.session).await?,
        };
        Ok(HeldSession { signed_in, token })
    }

    /// A session may live as long as the app's setting for callers allows.
    pub(crate) fn check_session_lifetime(&self, caller: &Caller, lifetime: Option<Lifetime>) -> Result<()> {
        let ceiling = caller.app.settings.session_lifetime_ceiling;
        if lifetime.is_some_and(|lifetime| lifetime > ceiling) {
            let field = FieldError::new("session_lifetime", format!("must be at most {ceiling}, the app's ceiling"));
            return Err(Error::invalid_fields(vec![field.because(Problem::OverCeiling)]));
        }
        Ok(())
    }

    pub(crate) async fn sealed_session_token(&self, session: &Session) -> Result<Option<Secret>> {
        let Some(sealed) = self.store.find_sealed_token(session.id, TokenKind::Session).await? else { return Ok(None) };
        let plain = self.keys.open(&seal_context(session.id), &sealed)?;
        Ok(Some(Secret::new(String::from_utf8(plain).map_err(Error::internal)?)))
    }

    pub(crate) fn seal_session_token(&self, session: SessionId, token: &Secret) -> Result<Vec<u8>> {
        self.keys.seal(self.entropy.as_ref(), &seal_context(session), token.expose().as_bytes())
    }

    /// The live sessions of a user, oldest first.
    ///
    /// # Errors
    /// `Forbidden` without the scope, `NotFound` about `user`.
    pub async fn list_sessions(&self, caller: &Caller, user: UserRef) -> Result<Vec<SignedIn>> {
        caller.require("session:read")?;
        let person = self.person(caller, user).await?;
        self.store.list_sessions(caller.app.id, person.user.id, self.clock.now()).await
    }

    /// Ends a session for a client.
    ///
    /// # Errors
    /// `Forbidden` without the scope, `NotFound` about `session` when it had ended already.
    pub async fn end_session(&self, caller: &Caller, session: SessionRef<'_>) -> Result<()> {
        caller.require("session:revoke")?;
        let held = self.held_session(caller, session).await?;
        if self.revoke_session(caller, held.session.id).await? { Ok(()) } else { Err(no_session()) }
    }
}

fn seal_context(id: SessionId) -> Vec<u8> {
    [b"session token".as_slice(), id.as_bytes()].concat()
}
