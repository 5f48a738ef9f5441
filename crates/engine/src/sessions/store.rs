//! Storage of sessions and their tokens.

use serde_json::{Map, Value};

use super::{NewToken, SignedIn};
use crate::error::{FieldError, Result};
use crate::events::Event;
use crate::ids::{AppId, SessionId, UserId};
use crate::secret::{TokenHash, TokenKind};
use crate::time::{Lifetime, Timestamp};

/// Exchanges one refresh token for the next.
#[derive(Clone, Debug)]
pub struct RotateRefreshToken {
    /// The presented token.
    pub presented: TokenHash,
    /// The token that takes its place.
    pub next: NewToken,
    /// The next token in plain, sealed: a repeat within the window gets the same one.
    pub next_sealed: Vec<u8>,
    /// Now.
    pub now: Timestamp,
    /// The session's lifetime from now on, unless it has one of its own.
    pub session_lifetime: Lifetime,
    /// For how long a repeat is answered like the first.
    pub reuse_window: Lifetime,
    /// Whether the sessions it handed off end with the session.
    pub cascade: bool,
    /// Written when the exchange happened.
    pub refreshed: Event,
    /// Written when a token came back after the window: the session is ended.
    pub reused: Event,
}

/// Changes a live session.
#[derive(Clone, Debug)]
pub struct ChangeSession {
    /// Of which app.
    pub app: AppId,
    /// Which session.
    pub id: SessionId,
    /// Now; the session is accessed.
    pub now: Timestamp,
    /// The new end and the lifetime that gives it.
    pub end: Option<(Timestamp, Lifetime)>,
    /// Merged into the caller's claims.
    pub claims: Map<String, Value>,
}

/// Ends a session.
#[derive(Clone, Debug)]
pub struct RevokeSession {
    /// Of which app.
    pub app: AppId,
    /// Which session.
    pub id: SessionId,
    /// Whether the sessions it handed off end with it, and theirs with them.
    pub cascade: bool,
    /// Written when it ended; names the others too.
    pub event: Event,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum ChangeSessionOutcome {
    /// As it is now.
    Changed(Box<SignedIn>),
    /// It has ended, or never was.
    Dead,
    /// The claims would be over their bounds.
    Refused(FieldError),
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum RotateOutcome {
    /// Exchanged.
    Rotated(Box<SignedIn>),
    /// Exchanged a moment ago: here is the same answer, sealed.
    Repeated(Box<SignedIn>, Vec<u8>),
    /// The token had been exchanged long ago: somebody has a copy. The session is ended; these are it and what ended with it.
    Reused(Vec<SessionId>),
    /// Unknown, or the session has ended.
    Dead,
}

/// Storage of sessions and their tokens.
#[async_trait::async_trait]
pub trait SessionStore: Send + Sync {
    /// The session of a stored token that is not exchanged yet, live or not.
    async fn find_session_by_token(&self, hash: TokenHash, kind: TokenKind) -> Result<Option<SignedIn>>;

    /// The session with this id, live or not.
    async fn find_session(&self, app: AppId, id: SessionId) -> Result<Option<SignedIn>>;

    /// The newest token of this kind that a session keeps sealed.
    async fn find_sealed_token(&self, id: SessionId, kind: TokenKind) -> Result<Option<Vec<u8>>>;

    /// The live sessions of a user, oldest first.
    async fn list_sessions(&self, app: AppId, user: UserId, now: Timestamp) -> Result<Vec<SignedIn>>;

    /// Notes that a session was verified. A crash may forget it.
    async fn touch_session(&self, app: AppId, id: SessionId, now: Timestamp) -> Result<()>;

    /// Changes a live session by one guarded statement.
    async fn change_session(&self, change: ChangeSession) -> Result<ChangeSessionOutcome>;

    /// One guarded exchange.
    async fn rotate_refresh_token(&self, rotate: RotateRefreshToken) -> Result<RotateOutcome>;

    /// Ends a session and, if asked, what it handed off; answers which, none when it had ended already.
    async fn revoke_session(&self, revoke: RevokeSession) -> Result<Vec<SessionId>>;

    /// Ends all live sessions of a user, except one; answers which. The children of a session are its user's, so none of them is left.
    async fn revoke_sessions_of(
        &self,
        app: AppId,
        user: UserId,
        except: Option<SessionId>,
        event: Event,
    ) -> Result<Vec<SessionId>>;
}
