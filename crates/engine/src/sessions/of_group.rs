//! Sessions that belong to a group and to no user. They are rows among all sessions, with tokens of the same kind, and end in the same ways; where a user is
//! asked for, there is none, and they are not found.

use serde::{Deserialize, Serialize};

use super::NewToken;
use crate::Engine;
use crate::caller::{Caller, RequestContext};
use crate::email_address::EmailAddress;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::groups::manage::{forbidden, right};
use crate::groups::store::Right;
use crate::groups::{Group, GroupStatus};
use crate::ids::{AppId, GroupId, LinkId, NoticeId, SessionId};
use crate::links::store::LinkKey;
use crate::notices::{Notice, NoticeKind};
use crate::ports::Draw;
use crate::secret::{Secret, Token, TokenHash, TokenKind};
use crate::time::{Lifetime, Timestamp};

/// A session of a group.
#[derive(Clone, Debug)]
pub struct GroupSession {
    /// The public id.
    pub id: SessionId,
    /// Of which app.
    pub app: AppId,
    /// For which group, as that is now.
    pub group: Group,
    /// Whom the client that made the link said it was for; not proven.
    pub label: Option<EmailAddress>,
    /// The link it came from.
    pub link: Option<LinkId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends: it is never prolonged.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
}

impl GroupSession {
    /// Whether it holds at this instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at && self.group.status == GroupStatus::Active
    }
}

/// What is kept with such a session; stored as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupSessionDetails {
    /// Whom the client said it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<EmailAddress>,
}

/// Everything that using a group's link writes, prepared.
#[derive(Clone, Debug)]
pub struct RedeemGroupLink {
    /// Which link.
    pub key: LinkKey,
    /// Of which app.
    pub app: AppId,
    /// For which group.
    pub group: GroupId,
    /// Now.
    pub now: Timestamp,
    /// The new session's id.
    pub session: SessionId,
    /// Its end.
    pub expires_at: Timestamp,
    /// Whom the client said it was for.
    pub label: Option<EmailAddress>,
    /// The device in words.
    pub device: Option<String>,
    /// Its tokens.
    pub tokens: Vec<NewToken>,
    /// Digest of the redeeming browser's cookie.
    pub redeemer: Option<Vec<u8>>,
    /// The tokens, sealed for repeats.
    pub replay: Option<Vec<u8>>,
    /// Written with it.
    pub redeemed: Event,
    /// Likewise.
    pub session_started: Event,
    /// The id of the notice that tells of it, if the app wants any.
    pub notice: Option<NoticeId>,
}

/// Ends a group session before its time.
#[derive(Clone, Debug)]
pub struct EndGroupSession {
    /// Of which app.
    pub app: AppId,
    /// Which.
    pub id: SessionId,
    /// Written with it; its time is that of the end.
    pub event: Event,
    /// Likewise, if the app wants any.
    pub notice: Option<Notice>,
}

/// Exchanges a code for a token of its session.
#[derive(Clone, Debug)]
pub struct ExchangeSessionCode {
    /// Of which app.
    pub app: AppId,
    /// The code.
    pub code: TokenHash,
    /// Only for a session of this group.
    pub group: Option<GroupId>,
    /// Codes made before are too old.
    pub made_after: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// The token that takes its place.
    pub token: NewToken,
}

/// Storage of group sessions.
#[async_trait::async_trait]
pub trait GroupSessionStore: Send + Sync {
    /// Consumes the link by one guarded statement and begins its session, if the group is in use; `None` when either is not so.
    async fn redeem_group_link(&self, redeem: RedeemGroupLink) -> Result<Option<GroupSession>>;

    /// The group session of a stored token, live or not.
    async fn find_group_session(&self, hash: TokenHash, kind: TokenKind) -> Result<Option<GroupSession>>;

    /// Ends a session; `false` when it had ended already.
    async fn end_group_session(&self, end: EndGroupSession) -> Result<bool>;

    /// Uses a code up by one guarded statement, and adds a token to its session.
    async fn exchange_session_code(&self, exchange: ExchangeSessionCode) -> Result<Option<GroupSession>>;
}

fn dead() -> Error {
    Error::new(ErrorKind::Unauthenticated, "This session has ended or never was")
}

impl Engine {
    /// How long a code for a session may be exchanged.
    const SESSION_CODE: Lifetime = Lifetime::from_secs(60);

    /// The live group session of a session token, if it is one.
    pub(crate) async fn find_group_session(&self, token: &str) -> Result<Option<GroupSession>> {
        let now = self.clock.now();
        let Some(token) = Token::parse(token).filter(|token| token.kind() == TokenKind::Session) else { return Ok(None) };
        let found = self.store.find_group_session(self.keys.token_hash(&token), TokenKind::Session).await?;
        Ok(found.filter(|session| session.is_live(now)))
    }

    /// The live group session of a session token.
    ///
    /// # Errors
    /// `Unauthenticated` when there is none: it ended, or its group is not in use, or it is a user's.
    pub async fn authenticate_group_session(&self, token: &str) -> Result<GroupSession> {
        self.find_group_session(token).await?.ok_or_else(dead)
    }

    /// Ends the group session of a token.
    ///
    /// # Errors
    /// `Unauthenticated` when there is none that lives.
    pub async fn end_group_session(&self, context: &RequestContext, token: &str) -> Result<()> {
        let session = self.authenticate_group_session(token).await?;
        let app = self.directory().app(session.app).ok_or_else(dead)?;
        let caller = Caller::anonymous(app, context.clone());
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::SessionRevoked, &caller, &mut draw, now).session(session.id);
        let event = event.with("group", session.group.id.to_string());
        let notice = Notice::of(NoticeKind::SessionEnded, &caller.app, &session, &mut draw, now);
        let ended = self.store.end_group_session(EndGroupSession { app: session.app, id: session.id, event, notice }).await?;
        if ended { Ok(()) } else { Err(dead()) }
    }

    /// Exchanges the code with which a browser came to the app for a token of its session: once, within a minute.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`, which the app's server needed to make the link; `NotFound` about `code`.
    pub async fn exchange_session_code(&self, caller: &Caller, code: &str) -> Result<(GroupSession, Secret)> {
        let group = match right(caller, "link:create")? {
            Right::App => None,
            Right::Only(group) => Some(group),
            Right::Owner(_) => return Err(forbidden()),
        };
        let no_code = || Error::not_found("code", "This code was never made, was used, or is too old");
        let now = self.clock.now();
        let code = Token::parse_for(TokenKind::SessionCode, caller.app.tag, code).ok_or_else(no_code)?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let token = draw.token(TokenKind::Session, caller.app.tag);
        let exchange = ExchangeSessionCode {
            app: caller.app.id,
            code: self.keys.token_hash(&code),
            group,
            made_after: now.minus(Self::SESSION_CODE),
            now,
            token: NewToken { hash: self.keys.token_hash(&token), kind: TokenKind::Session, sealed: None },
        };
        let session = self.store.exchange_session_code(exchange).await?.filter(|session| session.is_live(now));
        Ok((session.ok_or_else(no_code)?, token.expose()))
    }
}
