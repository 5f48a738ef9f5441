//! Storage of the outbox and of the built-in inbox.

use crate::error::Result;
use crate::events::Event;
use crate::ids::{AppId, LinkId, MessageId};
use crate::time::Timestamp;

/// A message to be queued with its link.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its id, fixed over all attempts.
    pub id: MessageId,
    /// Of which app.
    pub app: AppId,
    /// The link it carries.
    pub link: LinkId,
    /// When it was queued.
    pub created_at: Timestamp,
    /// From when on it is pointless.
    pub expires_at: Timestamp,
    /// Sealed [`super::payload::Payload`].
    pub payload: Vec<u8>,
}

/// A message a worker holds the lease of.
#[derive(Clone, Debug)]
pub struct ClaimedMessage {
    /// The message.
    pub message: NewMessage,
    /// How many attempts were begun, this one included; also proves the lease.
    pub attempt: u32,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum MessageState {
    /// Waiting, or with a worker.
    Queued = 1,
    /// The mail server took it.
    Sent = 2,
    /// It will not go; an operator may put it back.
    Dead = 3,
    /// Its link expired first, or nobody may sign in with that address.
    Dropped = 4,
}

/// What a worker reports.
#[derive(Clone, Debug)]
pub enum Finish {
    /// It is out; the payload is emptied.
    Sent {
        /// The provider's id.
        provider_id: Option<String>,
        /// A copy for the built-in inbox.
        inbox: Option<InboxRow>,
    },
    /// Again at this instant.
    Later {
        /// When.
        next_at: Timestamp,
        /// Why not now.
        why: String,
    },
    /// Never, unless an operator wants it; the payload is kept sealed until the link expires.
    Dead {
        /// Why.
        why: String,
    },
    /// Pointless now; the payload is emptied.
    Dropped {
        /// Why.
        why: String,
    },
}

/// A dead or waiting message, for the operator.
#[derive(Clone, Debug)]
pub struct MessageInfo {
    /// Its id.
    pub id: MessageId,
    /// Of which app.
    pub app: AppId,
    /// Its link.
    pub link: LinkId,
    /// Where it is.
    pub state: MessageState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Timestamp,
    /// From when on it is pointless.
    pub expires_at: Timestamp,
    /// The last failure.
    pub last_error: Option<String>,
}

/// A row of the built-in inbox; the content is sealed like any mail at rest.
#[derive(Clone, Debug)]
pub struct InboxRow {
    /// The message's id.
    pub id: MessageId,
    /// Of which app.
    pub app: AppId,
    /// When it came.
    pub received_at: Timestamp,
    /// Sealed [`super::inbox::InboxMessage`].
    pub sealed: Vec<u8>,
}

/// Storage of the outbox and of the built-in inbox.
#[async_trait::async_trait]
pub trait OutboxStore: Send + Sync {
    /// Takes the lease of up to `limit` due messages until `lease_until`; expired ones too, so that they can be dropped.
    async fn claim_due(&self, now: Timestamp, lease_until: Timestamp, limit: u32) -> Result<Vec<ClaimedMessage>>;

    /// Reports on a claimed message; `false` when the lease is not held any more.
    async fn finish_message(&self, id: MessageId, attempt: u32, finish: Finish, event: Event) -> Result<bool>;

    /// Messages in this state, newest first.
    async fn list_messages(&self, app: Option<AppId>, state: MessageState, limit: u32) -> Result<Vec<MessageInfo>>;

    /// Puts a dead message of this app back in the queue; `false` unless it is dead and its link has time left.
    async fn requeue_message(&self, app: AppId, id: MessageId, now: Timestamp, event: Event) -> Result<bool>;

    /// How many messages wait, and when the oldest was queued.
    async fn outbox_depth(&self) -> Result<(u64, Option<Timestamp>)>;

    /// The built-in inbox, newest first.
    async fn list_inbox(&self, limit: u32) -> Result<Vec<InboxRow>>;

    /// One message of the built-in inbox.
    async fn find_inbox(&self, id: MessageId) -> Result<Option<InboxRow>>;

    /// Empties the built-in inbox.
    async fn clear_inbox(&self) -> Result<()>;
}
