//! From a presented token to its live session.

use std::sync::Arc;

use super::{Door, SignedIn};
use crate::Engine;
use crate::apps::App;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{AppId, SessionId};
use crate::secret::{Token, TokenKind};
use crate::time::Timestamp;

/// A live session and the app it belongs to.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The app.
    pub app: Arc<App>,
    /// Session and user.
    pub signed_in: Arc<SignedIn>,
}

fn dead() -> Error {
    Error::new(ErrorKind::Unauthenticated, "This session has ended or never was")
}

impl Engine {
    /// The live session of an access token (JWT) for `audience`.
    ///
    /// # Errors
    /// `Unauthenticated` unless signature, claims, session and user all hold now.
    pub async fn authenticate_access_token(&self, token: &str, audience: &str) -> Result<Authenticated> {
        let now = self.clock.now();
        let door = Door::AccessToken { audience };
        let known = self.sessions.session_of(door, token, now);
        let (app, id) = match known.and_then(|id| self.sessions.signed_in(id, now)) {
            Some(signed_in) => return self.admit(signed_in, now),
            None => {
                let (key, id, expires_at) = self.verify_access_token(token, audience, now)?;
                self.sessions.remember_token(door, token, id, expires_at);
                (key.app, id)
            }
        };
        self.authenticate_session(app, id).await
    }

    /// The live session of an opaque session token.
    ///
    /// # Errors
    /// `Unauthenticated` unless it is a session token whose session and user hold now.
    pub async fn authenticate_session_token(&self, token: &str) -> Result<Authenticated> {
        let now = self.clock.now();
        if let Some(signed_in) =
            self.sessions.session_of(Door::SessionToken, token, now).and_then(|id| self.sessions.signed_in(id, now))
        {
            return self.admit(signed_in, now);
        }
        let parsed = Token::parse(token).filter(|t| t.kind() == TokenKind::Session).ok_or_else(dead)?;
        let hash = self.keys.token_hash(&parsed);
        let before = self.sessions.before_read();
        let signed_in = Arc::new(self.store.find_session_by_token(hash, TokenKind::Session).await?.ok_or_else(dead)?);
        self.sessions.remember_token(Door::SessionToken, token, signed_in.session.id, signed_in.session.expires_at);
        self.sessions.remember(&signed_in, now, before);
        self.admit(signed_in, now)
    }

    /// The live session with this id.
    ///
    /// # Errors
    /// `Unauthenticated` when it has ended or its user is disabled.
    pub async fn authenticate_session(&self, app: AppId, id: SessionId) -> Result<Authenticated> {
        let now = self.clock.now();
        let signed_in = match self.sessions.signed_in(id, now).filter(|known| known.session.app == app) {
            Some(signed_in) => signed_in,
            None => {
                let before = self.sessions.before_read();
                let read = Arc::new(self.store.find_session(app, id).await?.ok_or_else(dead)?);
                self.sessions.remember(&read, now, before);
                read
            }
        };
        self.admit(signed_in, now)
    }

    fn admit(&self, signed_in: Arc<SignedIn>, now: Timestamp) -> Result<Authenticated> {
        if !signed_in.session.is_live(now) || signed_in.user.disabled_at.is_some() {
            return Err(dead());
        }
        let app = self.directory().app(signed_in.session.app).ok_or_else(dead)?;
        Ok(Authenticated { app, signed_in })
    }
}
