//! Links: issued, opened, redeemed once. A mail carries a link and a code; they are one credential.
//!
//! Read in this order: [`issue`], [`open`], [`redeem`], [`elsewhere`], [`wait`], [`handoff`].

pub mod elsewhere;
pub mod exchange;
pub mod forward;
pub mod handoff;
pub mod issue;
pub mod mail;
pub mod of_group;
pub mod open;
pub mod pkce;
pub mod plan;
pub mod redeem;
pub mod short;
pub mod store;
pub mod wait;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::handoff::ChildOf;
use self::plan::SignInPlan;
use crate::apps::App;
use crate::email_address::EmailAddress;
use crate::ids::{AppId, LinkId, SessionId, UserId};
use crate::redirects::{ChosenBy, RedirectTarget, is_allowed};
use crate::secret::{TokenHash, TokenKind};
use crate::sessions::{ClientFacts, Label};
use crate::time::{Lifetime, Timestamp};

/// What redeeming does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum Purpose {
    /// Begins a session.
    SignIn = 1,
    /// Begins a session of somebody who was invited.
    Invite = 2,
    /// Proves an address.
    Verify = 3,
    /// Only redirects; may be used many times.
    Redirect = 4,
}

impl Purpose {
    /// The kind of the link's token: a secret of one purpose never works for another.
    pub const fn token_kind(self) -> TokenKind {
        match self {
            Self::SignIn => TokenKind::SignInLink,
            Self::Invite => TokenKind::InviteLink,
            Self::Verify => TokenKind::VerifyLink,
            Self::Redirect => TokenKind::RedirectLink,
        }
    }

    /// Whether redeeming may begin a session at all (`security.md` 2).
    pub const fn begins_session(self) -> bool {
        matches!(self, Self::SignIn | Self::Invite)
    }
}

/// How a new session reaches the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handover {
    /// A cookie of Passlink's own host; the person lands on its signed-in page or on a target without tokens.
    Cookie,
    /// Access and refresh token in the fragment of the redirect target.
    Fragment,
    /// In no browser: a client with credentials exchanges the token that a person brought to it.
    Client,
    /// Access and refresh token as signed tokens, in the fragment of the redirect target or in an answer to the app's own SDK.
    Signed,
}

/// Why a link was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum RevokedWhy {
    /// Another link of the same person was redeemed.
    OtherRedeemed = 1,
    /// Five wrong codes.
    WrongCodes = 2,
    /// An operator or client revoked it.
    Revoked = 3,
}

/// What is kept with a link and seldom needed; stored as JSON, so that it can grow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkOptions {
    /// The requester's browser, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_with: Option<String>,
    /// BCP 47 language of mail and pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether the requester's screen shows a number to repeat elsewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub number_shown: bool,
    /// Of a request that a limit withheld: its address, so that its waiting screen looks and acts like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld_for: Option<EmailAddress>,
    /// PKCE code challenge (RFC 7636, S256).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    /// What the caller wants handed back at redemption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// It is the link of a sign-up, wherever the user stands when it is opened.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_sign_up: bool,
    /// Who chose where it leads.
    #[serde(skip_serializing_if = "is_page")]
    pub redirect_by: ChosenBy,
    /// Whom it signs in and what that writes down, where that is more than an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<SignInPlan>,
    /// The device the caller asked for.
    #[serde(skip_serializing_if = "is_unknown")]
    pub client: ClientFacts,
    /// The group it signs in for, instead of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_group: Option<of_group::GroupSubject>,
    /// Of a hand-off: what the person calls the other device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

fn is_unknown(client: &ClientFacts) -> bool {
    *client == ClientFacts::default()
}

fn is_page(by: &ChosenBy) -> bool {
    *by == ChosenBy::Page
}

/// The browser that asked for a link.
#[derive(Clone, Debug)]
pub struct RequesterProof {
    /// The stored form of the proof it holds as a cookie.
    pub hash: TokenHash,
    /// Whether it is known to hold it: then other browsers may only approve.
    pub bound: bool,
}

/// The session that minted a hand-off link.
#[derive(Clone, Copy, Debug)]
pub struct Minter {
    /// Which.
    pub session: SessionId,
    /// When it ends, or was ended; none when it is gone altogether.
    pub ends_at: Option<Timestamp>,
}

/// A link as stored.
#[derive(Clone, Debug)]
pub struct Link {
    /// The public id of the link and of the request it answers.
    pub id: LinkId,
    /// Of which app.
    pub app: AppId,
    /// The stored form of its token.
    pub hash: TokenHash,
    /// What redeeming does.
    pub purpose: Purpose,
    /// The address it is mailed to and which redeeming proves.
    pub address: Option<EmailAddress>,
    /// The user it is for, when it is not found by address.
    pub user: Option<UserId>,
    /// Where the browser goes afterwards.
    pub redirect: Option<String>,
    /// How the session gets there.
    pub handover: Handover,
    /// Who asked for it.
    pub requester: Option<RequesterProof>,
    /// The stored form of the code.
    pub code_hash: Option<Vec<u8>>,
    /// Codes tried.
    pub code_attempts: u32,
    /// Wrong numbers given.
    pub number_attempts: u32,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Timestamp,
    /// When somebody elsewhere repeated the number.
    pub approved_at: Option<Timestamp>,
    /// When it became a session.
    pub redeemed_at: Option<Timestamp>,
    /// Digest of the cookie of the browser that redeemed it.
    pub redeemer: Option<Vec<u8>>,
    /// When and why it was ended.
    pub revoked: Option<(Timestamp, RevokedWhy)>,
    /// The session it became.
    pub session: Option<SessionId>,
    /// The tokens of that session, sealed, for a minute: the same page may repeat its own request.
    pub replay: Option<Vec<u8>>,
    /// The session's lifetime, when the caller chose one.
    pub session_lifetime: Option<Lifetime>,
    /// Of a hand-off: the session that minted it, and whose child redeeming makes.
    pub minter: Option<Minter>,
    /// Of a hand-off: the whole link, sealed, to be shown to its minter until it is used.
    pub sealed: Option<Vec<u8>>,
    /// The rest.
    pub options: LinkOptions,
    /// How often it led somewhere; counted for links that only redirect.
    pub opens: u32,
    /// How many newer links the same address has.
    pub newer: u32,
}

/// Where a link is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It works.
    Live,
    /// It became a session.
    Redeemed,
    /// It was ended early.
    Revoked(RevokedWhy),
    /// More than the allowed number of newer links were asked for.
    Replaced,
    /// The session that minted it has ended, and with it the right to hand it off. That holds under either policy: `independent` is about sessions.
    MinterEnded,
    /// Its time is over.
    Expired,
}

impl Link {
    /// Wrong codes after which the request is closed.
    pub const CODE_TRIES: u32 = 5;
    /// Wrong numbers after which no other browser may approve; a guess hits one time in ninety.
    pub const NUMBER_TRIES: u32 = 2;
    /// For how long the redeeming browser gets the same answer again.
    pub const REPLAY: Lifetime = Lifetime::from_secs(60);

    /// The state at this instant, under a policy of `pending_links` newest links.
    pub fn state(&self, now: Timestamp, pending_links: u32) -> LinkState {
        match (self.redeemed_at, self.revoked) {
            (Some(_), _) => LinkState::Redeemed,
            (_, Some((_, why))) => LinkState::Revoked(why),
            _ if self.minter.is_some_and(|minter| minter.ends_at.is_none_or(|end| now >= end)) => LinkState::MinterEnded,
            _ if now >= self.expires_at => LinkState::Expired,
            _ if self.newer >= pending_links => LinkState::Replaced,
            _ => LinkState::Live,
        }
    }

    /// Whom it signs in, masked, where an address tells.
    pub(crate) fn masked_address(&self) -> Option<String> {
        let planned = || self.options.plan.as_ref().and_then(SignInPlan::masked_address);
        self.address.as_ref().map(EmailAddress::masked).or_else(planned)
    }

    /// Where the browser goes afterwards, if that is (still) on the list.
    pub(crate) fn target(&self, app: &App) -> Option<RedirectTarget> {
        let target = RedirectTarget::from_stored(self.redirect.as_deref()?).ok()?;
        is_allowed(app, target.as_url(), self.options.redirect_by).then_some(target)
    }

    /// Whether it had a target that the list does not allow any more: then it must not be redeemed (`security.md` 22).
    pub(crate) fn leads_nowhere(&self, app: &App) -> bool {
        self.redirect.is_some() && self.target(app).is_none()
    }

    /// Whether this session minted it.
    pub(crate) fn minted_by(&self, session: SessionId) -> bool {
        self.minter.is_some_and(|minter| minter.session == session)
    }

    pub(crate) fn label(&self) -> Option<Label> {
        self.options.label.as_deref().and_then(|text| Label::parse(text).ok())
    }

    /// Whose child its session will be.
    pub(crate) fn child_of(&self) -> Option<ChildOf> {
        self.minter.map(|minter| ChildOf { parent: minter.session, label: self.label() })
    }

    /// Whether a client may exchange its token.
    pub(crate) fn is_exchangeable(&self) -> bool {
        self.handover == Handover::Client && self.purpose.begins_session()
    }

    /// Whether the holder of this proof asked for the link.
    pub fn asked_by(&self, proof: Option<&TokenHash>) -> bool {
        self.requester
            .as_ref()
            .zip(proof)
            .is_some_and(|(requester, proof)| crate::secret::equal(requester.hash.as_bytes(), proof.as_bytes()))
    }
}
