//! Events: every step of a link's life and every security event, each written in the transaction of the thing it tells.
//! They answer "why did my link not work?" and hold no secret and no full address.

use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::error::Result;
use crate::ids::{AppId, EventId, LinkId, MessageId, SessionId, UserId};
use crate::ports::Draw;
use crate::time::Timestamp;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal)+) => {
        /// What happened. The codes are stable: operators filter by them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $name,)+ }

        impl EventKind {
            /// Every kind, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The kind with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// A link was asked for and made.
    LinkRequested = "link.requested"
    /// A link was asked for and, because its mailbox was full, made without address and mail.
    LinkWithheld = "link.withheld"
    /// Somebody or something opened a link; nothing changed.
    LinkOpened = "link.opened"
    /// A link, code or number was refused; the detail says why.
    LinkRefused = "link.refused"
    /// The person elsewhere matched the number: the requester's browser may finish.
    LinkApproved = "link.approved"
    /// The person elsewhere said that it was not them.
    LinkDisowned = "link.disowned"
    /// Five wrong codes: the request is closed.
    LinkClosed = "link.closed"
    /// A link or its code became a session.
    LinkRedeemed = "link.redeemed"
    /// A client ended links before their time.
    LinkRevoked = "link.revoked"
    /// A message waits in the outbox.
    MessageQueued = "message.queued"
    /// The mail server or provider took the message.
    MessageSent = "message.sent"
    /// An attempt failed; there will be another.
    MessageDelayed = "message.delayed"
    /// The message will never go.
    MessageDead = "message.dead"
    /// The link expired before the message could go.
    MessageExpired = "message.expired"
    /// The app admits no new users and the address is unknown: nothing is sent.
    MessageWithheld = "message.withheld"
    /// An operator put a dead message back in the queue.
    MessageRequeued = "message.requeued"
    /// A user came to be.
    UserCreated = "user.created"
    /// What an app keeps about a user was changed.
    UserChanged = "user.changed"
    /// A user was removed with everything that was kept.
    UserDeleted = "user.deleted"
    /// A group came to be.
    GroupCreated = "group.created"
    /// A group was changed.
    GroupChanged = "group.changed"
    /// A group was removed, and everybody taken out of it.
    GroupDeleted = "group.deleted"
    /// A user was added to a group, or joined it.
    GroupJoined = "group.joined"
    /// Somebody was invited into a group.
    GroupInvited = "group.invited"
    /// A member of a group has other roles or another state.
    GroupMemberChanged = "group.member_changed"
    /// A user left a group, or was taken out of it.
    GroupLeft = "group.left"
    /// Control of an address was proven for the first time.
    AddressVerified = "address.verified"
    /// A session began.
    SessionStarted = "session.started"
    /// A refresh token was exchanged.
    SessionRefreshed = "session.refreshed"
    /// A refresh token was used a second time: the session was ended.
    SessionReuseDetected = "session.reuse_detected"
    /// A session was ended.
    SessionRevoked = "session.revoked"
    /// A request was refused because of a limit.
    LimitReached = "limit.reached"
    /// An app was made or changed.
    AppSaved = "app.saved"
    /// A client was made or changed.
    ClientSaved = "client.saved"
    /// A client was revoked.
    ClientRevoked = "client.revoked"
    /// A signing key entered a new stage.
    KeyRotated = "key.rotated"
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Sorts by time.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// In which app; none for the server itself.
    pub app: Option<AppId>,
    /// What.
    pub kind: EventKind,
    /// In which request.
    pub request_id: String,
    /// Who: see [`Caller::actor`].
    pub actor: String,
    /// The link concerned.
    pub link: Option<LinkId>,
    /// The user concerned.
    pub user: Option<UserId>,
    /// The session concerned.
    pub session: Option<SessionId>,
    /// The message concerned.
    pub message: Option<MessageId>,
    /// Why, and what else helps: no secret, no full address.
    pub detail: Map<String, Value>,
}

impl Event {
    pub(crate) fn new(kind: EventKind, caller: &Caller, draw: &mut Draw, at: Timestamp) -> Self {
        Self {
            id: draw.event_id(),
            at,
            app: Some(caller.app.id),
            kind,
            request_id: caller.context.request_id.clone(),
            actor: caller.actor(),
            link: None,
            user: None,
            session: None,
            message: None,
            detail: Map::new(),
        }
    }

    /// An event of a background job: the job's name stands for actor and request.
    pub(crate) fn of_job(kind: EventKind, job: &str, app: Option<AppId>, draw: &mut Draw, at: Timestamp) -> Self {
        Self {
            id: draw.event_id(),
            at,
            app,
            kind,
            request_id: format!("job:{job}"),
            actor: format!("job:{job}"),
            link: None,
            user: None,
            session: None,
            message: None,
            detail: Map::new(),
        }
    }

    pub(crate) fn link(mut self, id: LinkId) -> Self {
        self.link = Some(id);
        self
    }

    pub(crate) fn user(mut self, id: UserId) -> Self {
        self.user = Some(id);
        self
    }

    pub(crate) fn session(mut self, id: SessionId) -> Self {
        self.session = Some(id);
        self
    }

    pub(crate) fn message(mut self, id: MessageId) -> Self {
        self.message = Some(id);
        self
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}

/// Which events to list; every given field must match.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this app.
    pub app: Option<AppId>,
    /// Of this link.
    pub link: Option<LinkId>,
    /// Of links to this address (canonical text).
    pub address: Option<String>,
}

/// Storage of events.
#[async_trait::async_trait]
pub trait EventStore: Send + Sync {
    /// Writes events that tell of nothing else that is stored.
    async fn append_events(&self, events: Vec<Event>) -> Result<()>;

    /// Writes that a link was opened, unless the link has `at_most` such events already: a scanner cannot fill the database.
    async fn append_opened(&self, event: Event, at_most: u32) -> Result<()>;

    /// The newest events, newest first, at most `limit`.
    async fn list_events(&self, filter: EventFilter, limit: u32) -> Result<Vec<Event>>;
}
