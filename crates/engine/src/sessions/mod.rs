//! Sessions: what a redeemed link becomes, and the tokens by which it is shown.
//!
//! A session is one row; its tokens are hashes beside it, or JWTs signed for it. Ending the row ends them all.

pub mod authenticate;
pub mod bearer;
mod cache;
pub mod details;
pub mod handle;
pub mod jwt;
mod label;
pub mod of_group;
pub mod own;
pub mod refresh;
pub mod revoke;
pub mod signing;
pub mod store;

pub(crate) use cache::{Door, SessionCache};
pub use details::{Channel, ClientFacts, Factor, SessionDetails};
pub use label::{InvalidLabel, Label};

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, LinkId, SessionId, UserId};
use crate::secret::{Token, TokenHash, TokenKind};
use crate::time::{Lifetime, Timestamp};
use crate::users::User;

/// How the person proved control of the address. `amr` values are from RFC 8176.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i64)]
pub enum Method {
    /// A link that was opened.
    Link = 1,
    /// A code that was typed.
    Code = 2,
}

impl Method {
    /// RFC 8176 value: both are one-time secrets; neither is a phishing-resistant authenticator, nor is e-mail an out-of-band authenticator under
    /// NIST SP 800-63B.
    pub const fn amr(self) -> &'static str {
        "otp"
    }
}

/// A signed-in person on one device.
#[derive(Clone, Debug)]
pub struct Session {
    /// The public id.
    pub id: SessionId,
    /// Of which app.
    pub app: AppId,
    /// Whose.
    pub user: UserId,
    /// How it began.
    pub method: Method,
    /// The link it came from.
    pub link: Option<LinkId>,
    /// When it began: `auth_time`.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub refreshed_at: Timestamp,
    /// When it ends unless refreshed.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
    /// The device, in words such as "Firefox on Linux".
    pub device: Option<String>,
    /// The session that handed it off.
    pub parent: Option<SessionId>,
    /// What the person calls the device.
    pub label: Option<Label>,
    /// How long it lives after each refresh, when that is not the app's setting.
    pub lifetime: Option<Lifetime>,
    /// When a caller last had it verified.
    pub accessed_at: Option<Timestamp>,
    /// The rest.
    pub details: SessionDetails,
    /// Guards changes of the details.
    pub version: i64,
}

impl Session {
    /// Whether it holds at this instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// A session together with its user.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Its user.
    pub user: User,
}

/// The plain tokens of a new or refreshed session, for the one answer that hands them out.
#[derive(Clone, Debug)]
pub struct SessionTokens {
    /// The opaque session token, where the handover uses one.
    pub session: Option<Token>,
    /// The refresh token, where the handover uses one.
    pub refresh: Option<Token>,
}

/// A token to be stored with a session.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its stored form.
    pub hash: TokenHash,
    /// [`TokenKind::Session`] or [`TokenKind::Refresh`].
    pub kind: TokenKind,
    /// The plain token, sealed: only for callers that are handed all tokens of a session whichever of them they show.
    pub sealed: Option<Vec<u8>>,
}
