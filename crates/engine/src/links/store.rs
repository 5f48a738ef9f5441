//! Storage of links. Each method is one transaction, and what it decides stands in the guards of its statements.

use serde_json::{Map, Value};

use super::Link;
use super::handoff::ChildOf;
use super::issue::Together;
use crate::error::{FieldError, Result};
use crate::events::Event;
use crate::ids::{AppId, IdentifierId, LinkId, MessageId, SessionId, UserId};
use crate::limits::Take;
use crate::messages::store::NewMessage;
use crate::secret::TokenHash;
use crate::sessions::{ClientFacts, Factor, Method, NewToken, SignedIn};
use crate::time::{Lifetime, Timestamp};
use crate::users::Person;

/// Which link is meant.
#[derive(Clone, Copy, Debug)]
pub enum LinkKey {
    /// The one whose token was presented.
    Hash(TokenHash),
    /// The one a proven requester waits for, or whose code is tried.
    Id(LinkId),
}

/// A link to be written with its mail.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The link.
    pub link: Link,
    /// The mail that carries it.
    pub message: Option<NewMessage>,
    /// What is told of them.
    pub events: Vec<Event>,
    /// Room that must be taken in a mailbox's limit, and what is written when there is none.
    pub mailbox: Option<Mailbox>,
    /// What comes to be with it.
    pub together: Together,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    /// There it is.
    Made,
    /// The mailbox was full: the withheld link was written instead, or nothing.
    Withheld,
    /// The address that was to come with it has another owner; nothing was written.
    AddressTaken,
    /// The member that was to come with it could not be added; nothing was written.
    Member(crate::groups::invites::InsertMemberRefusal),
}

/// A mailbox with its limit. Taken in the link's own transaction: one trip to storage instead of two.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// The room to take.
    pub take: Take,
    /// The request that looks like any other and mails nothing, and what is told of it; none when the caller is told that the mailbox is full.
    pub withheld: Option<Box<(Link, Event)>>,
}

/// Everything a redemption writes, prepared; what it turns out to need is written with it.
#[derive(Clone, Debug)]
pub struct RedeemLink {
    /// Which link.
    pub key: LinkKey,
    /// Of which app.
    pub app: AppId,
    /// Now.
    pub now: Timestamp,
    /// The address it proves, as read before; it never changes.
    pub address: Option<crate::email_address::EmailAddress>,
    /// The user it is for, likewise.
    pub user: Option<UserId>,
    /// Whom it signs in, where that is more.
    pub plan: Option<Box<RedeemPlan>>,
    /// Of the newest links of one address, how many work.
    pub pending_links: u32,
    /// Whether it must have been approved elsewhere before.
    pub must_be_approved: bool,
    /// Digest of the redeeming browser's cookie.
    pub redeemer: Option<Vec<u8>>,
    /// The session's tokens, sealed for repeats.
    pub replay: Option<Vec<u8>>,
    /// The new session's id.
    pub session: SessionId,
    /// Its end.
    pub session_expires_at: Timestamp,
    /// The lifetime that its refreshes keep, when it is not the app's.
    pub session_lifetime: Option<Lifetime>,
    /// How it began.
    pub method: Method,
    /// The device in words.
    pub device: Option<String>,
    /// Whose child it is: that session must be live.
    pub child_of: Option<ChildOf>,
    /// Its tokens.
    pub tokens: Vec<NewToken>,
    /// The id of the user, if one comes to be.
    pub new_user: UserId,
    /// The id of the user's address, likewise.
    pub new_identifier: IdentifierId,
    /// Whether one may come to be.
    pub sign_up_open: bool,
    /// Events, each written if its thing happened; ids of user and session are filled in.
    pub events: RedeemEvents,
}

/// What a plan needs to be carried out.
#[derive(Clone, Debug)]
pub struct RedeemPlan {
    /// The plan.
    pub plan: super::plan::SignInPlan,
    /// The app's schema as it is now.
    pub schema: crate::users::schema::Schema,
    /// Ids for new addresses, one for each kind.
    pub identifiers: [IdentifierId; 2],
    /// The id of the membership, if one comes to be.
    pub member: crate::ids::MemberId,
    /// Written when one does.
    pub joined: Event,
}

/// The events of a redemption.
#[derive(Clone, Debug)]
pub struct RedeemEvents {
    /// Opening it was what redeemed it.
    pub opened: Option<Event>,
    /// Always.
    pub redeemed: Event,
    /// Always.
    pub session_started: Event,
    /// When a user came to be.
    pub user_created: Event,
    /// When the address was proven for the first time.
    pub address_verified: Event,
    /// When that ended sessions which the unproven account had.
    pub sessions_revoked: Event,
}

/// What became of a redemption.
#[derive(Clone, Debug)]
pub enum RedeemOutcome {
    /// It became this session; `created` tells whether the user is new, `ended` which sessions of an unproven account are over.
    Redeemed {
        /// Session and user.
        signed_in: Box<SignedIn>,
        /// The user came to be just now.
        created: bool,
        /// Sessions that the unproven account had.
        ended: Vec<SessionId>,
    },
    /// The user may not sign in; nothing changed.
    UserRefused,
    /// What it would write down, in this field, is another user's; nothing changed.
    Taken(String),
    /// It was not live (any more): the link as it is.
    NotLive(Option<Box<Link>>),
}

/// Everything that exchanging a link's token writes, prepared.
#[derive(Clone, Debug)]
pub struct ExchangeLink {
    /// Which link.
    pub key: LinkKey,
    /// Of which app.
    pub app: AppId,
    /// Now.
    pub now: Timestamp,
    /// The user it is for.
    pub user: UserId,
    /// The address it proves.
    pub address: Option<crate::email_address::EmailAddress>,
    /// Of the newest links of one address, how many work.
    pub pending_links: u32,
    /// The proof; its identifier is filled in.
    pub factor: Factor,
    /// The session.
    pub session: ExchangeSession,
    /// Whose child a new one is: that session must be live.
    pub child_of: Option<ChildOf>,
    /// The device in words.
    pub device: Option<String>,
    /// Events, each written if its thing happened; ids of user and session are filled in.
    pub events: ExchangeEvents,
}

/// The session of an exchange.
#[derive(Clone, Debug)]
pub enum ExchangeSession {
    /// None.
    None,
    /// A new one.
    Begin {
        /// Its id.
        id: SessionId,
        /// Its end.
        expires_at: Timestamp,
        /// The lifetime that gives it.
        lifetime: Lifetime,
        /// Its token.
        token: NewToken,
        /// The device.
        client: ClientFacts,
        /// The caller's claims.
        claims: Map<String, Value>,
    },
    /// One that the user has; the proof is added.
    Join {
        /// Which.
        id: SessionId,
        /// Its new end and the lifetime that gives it.
        end: Option<(Timestamp, Lifetime)>,
        /// Merged into the caller's claims.
        claims: Map<String, Value>,
    },
}

/// The events of an exchange.
#[derive(Clone, Debug)]
pub struct ExchangeEvents {
    /// Always.
    pub redeemed: Event,
    /// When the address was proven for the first time.
    pub address_verified: Event,
    /// When that ended sessions which the unproven account had.
    pub sessions_revoked: Event,
    /// When a session began.
    pub session_started: Event,
}

/// What became of an exchange.
#[derive(Clone, Debug)]
pub enum ExchangeOutcome {
    /// Done.
    Done {
        /// Who, as they are now.
        person: Box<Person>,
        /// The link.
        link: LinkId,
        /// The proof as it was noted.
        factor: Box<Factor>,
        /// The session, if one was wanted.
        session: Option<Box<SignedIn>>,
        /// Sessions that the unproven account had.
        ended: Vec<SessionId>,
    },
    /// The user is gone; nothing changed.
    NoUser,
    /// The user may not sign in; nothing changed.
    UserRefused,
    /// The session to join has ended; nothing changed.
    NoSession,
    /// The claims would be over their bounds; nothing changed.
    ClaimsRefused(FieldError),
    /// It was not live (any more): the link as it is.
    NotLive(Option<Box<Link>>),
}

/// One try at a code that a client shows.
#[derive(Clone, Debug)]
pub struct ExchangeCode {
    /// The stored form the right code would have.
    pub expected: Vec<u8>,
    /// What happens if it is right; its key is [`LinkKey::Id`].
    pub exchange: ExchangeLink,
    /// Written when it is wrong.
    pub refused: Event,
    /// Written when that closes the request.
    pub closed: Event,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum ExchangeCodeOutcome {
    /// Right; see inside.
    Right(ExchangeOutcome),
    /// Wrong.
    Wrong,
    /// No try was left, or the link was not live.
    NotLive(Option<Box<Link>>),
}

/// One try at a code.
#[derive(Clone, Debug)]
pub struct TryCode {
    /// The stored form the right code would have.
    pub expected: Vec<u8>,
    /// How many tries may have been counted before this one.
    pub tries: u32,
    /// What happens if it is right; its key is [`LinkKey::Id`].
    pub redeem: RedeemLink,
    /// Written when it is wrong.
    pub refused: Event,
    /// Written when that closes the request.
    pub closed: Event,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum CodeOutcome {
    /// Right; see inside.
    Right(RedeemOutcome),
    /// Wrong; so many tries are left.
    Wrong {
        /// Tries left before the request is closed.
        left: u32,
    },
    /// No try was left, or the link was not live.
    NotLive(Option<Box<Link>>),
}

/// One try to approve.
#[derive(Clone, Debug)]
pub struct ApproveLink {
    /// Of which app.
    pub app: AppId,
    /// Which link.
    pub hash: TokenHash,
    /// Now.
    pub now: Timestamp,
    /// Of the newest links of one address, how many work.
    pub pending_links: u32,
    /// Whether the number is the one on the requester's screen.
    pub matches: bool,
    /// Written when it is approved.
    pub approved: Event,
    /// Written when the number is wrong.
    pub refused: Event,
}

/// What became of an approval.
#[derive(Clone, Debug)]
pub enum ApproveOutcome {
    /// The requester's browser may finish.
    Approved,
    /// The wrong number; so many tries are left.
    Wrong {
        /// Tries left.
        left: u32,
    },
    /// Not live, or no try left.
    NotLive(Option<Box<Link>>),
}

/// Storage of links.
#[async_trait::async_trait]
pub trait LinkStore: Send + Sync {
    /// Link, message, events and what comes together with them, in one transaction.
    async fn insert_link(&self, new: NewLink) -> Result<InsertOutcome>;

    /// The link.
    async fn find_link(&self, app: AppId, key: LinkKey) -> Result<Option<Link>>;

    /// The link that only redirects, whichever app it is of: its short token names none.
    async fn find_short_link(&self, hash: TokenHash) -> Result<Option<Link>>;

    /// Counts that a link led somewhere. A crash may forget it.
    async fn count_opening(&self, app: AppId, link: LinkId) -> Result<()>;

    /// The newest links that clients of an app made and can be listed, beginning after one.
    async fn list_links(&self, app: AppId, handover: super::Handover, after: Option<LinkId>, limit: u32) -> Result<Vec<Link>>;

    /// Ends a live link; `false` when there is none.
    async fn revoke_link(&self, app: AppId, link: LinkId, event: Event) -> Result<bool>;

    /// The link with this id that the holder of this proof asked for, whichever app it is of: a browser has one proof for all.
    async fn find_requested_link(&self, id: LinkId, requester: TokenHash) -> Result<Option<Link>>;

    /// Consumes the link by one guarded statement and begins its session in the same transaction; all other live links of the address end.
    async fn redeem_link(&self, redeem: RedeemLink) -> Result<RedeemOutcome>;

    /// Consumes the link by one guarded statement for the client that shows its token, and begins or joins a session in the same transaction.
    async fn exchange_link(&self, exchange: ExchangeLink) -> Result<ExchangeOutcome>;

    /// The newest client's link with a code that was mailed to this address.
    async fn find_newest_code(&self, app: AppId, address: &crate::email_address::EmailAddress) -> Result<Option<Link>>;

    /// Counts the try, then compares, then exchanges: in one transaction.
    async fn exchange_code(&self, attempt: ExchangeCode) -> Result<ExchangeCodeOutcome>;

    /// Ends the live links of a purpose to an address; answers how many.
    async fn revoke_links_to(
        &self,
        app: AppId,
        address: &crate::email_address::EmailAddress,
        purpose: super::Purpose,
        event: Event,
    ) -> Result<u64>;

    /// Counts the try, then compares, then redeems: in one transaction.
    async fn try_code(&self, attempt: TryCode) -> Result<CodeOutcome>;

    /// Approves if `matches`, else counts a wrong number.
    async fn approve_link(&self, approve: ApproveLink) -> Result<ApproveOutcome>;

    /// The state of the newest message of a link.
    async fn find_message_of_link(&self, link: LinkId) -> Result<Option<(MessageId, crate::messages::store::MessageState)>>;
}
