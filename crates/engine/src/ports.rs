//! What the engine needs from outside: time, randomness, storage, senders.

use crate::apps::store::AppStore;
use crate::error::Error;
use crate::events::EventStore;
use crate::groups::store::GroupStore;
use crate::ids::{AppId, EventId, GroupId, IdentifierId, InviteId, LinkId, MemberId, MessageId, NoticeId, SessionId, UserId};
use crate::limits::LimitStore;
use crate::links::store::LinkStore;
use crate::messages::store::OutboxStore;
use crate::notices::store::NoticeStore;
use crate::secret::{AppTag, Token, TokenKind};
use crate::sessions::of_group::GroupSessionStore;
use crate::sessions::store::SessionStore;
use crate::time::Timestamp;
use crate::users::store::UserStore;

/// The present moment. Tests move it.
pub trait Clock: Send + Sync {
    /// Now, UTC, from the wall clock.
    fn now(&self) -> Timestamp;
}

/// The random generator could not deliver.
#[derive(Debug, thiserror::Error)]
#[error("the random generator failed")]
pub struct EntropyFailure;

/// Random bytes from the operating system's generator. Tests seed it.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// [`EntropyFailure`]; the request that needed it fails, nothing weaker is used instead.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailure>;
}

/// Storage: the sum of the rooms' ports, and its own health.
#[async_trait::async_trait]
pub trait Store:
    AppStore
    + LinkStore
    + UserStore
    + GroupStore
    + SessionStore
    + GroupSessionStore
    + OutboxStore
    + NoticeStore
    + LimitStore
    + EventStore
    + Send
    + Sync
{
    /// Answers when storage can take a write.
    async fn ping(&self) -> Result<(), Error>;

    /// Removes up to `batch` rows of each kind that nobody needs any more; answers how many went.
    async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, Error>;

    /// For the operator: `sqlite` or `postgres`.
    fn kind(&self) -> &'static str;
}

/// Random bytes for one use case, drawn in one call, and handed out as ids and tokens.
pub(crate) struct Draw {
    bytes: zeroize::Zeroizing<[u8; Draw::SIZE]>,
    used: usize,
    events: u8,
    now: Timestamp,
}

impl Draw {
    const SIZE: usize = 384;

    pub(crate) fn new(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, Error> {
        let mut bytes = zeroize::Zeroizing::new([0; Self::SIZE]);
        entropy.fill(bytes.as_mut()).map_err(Error::unavailable)?;
        Ok(Self { bytes, used: 0, events: 0, now })
    }

    /// The next `N` unused bytes. One draw serves one use case; running out is a defect that tests meet at once.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[self.used..self.used + N]);
        self.used += N;
        out
    }

    pub(crate) fn token(&mut self, kind: TokenKind, app: AppTag) -> Token {
        Token::new(kind, app, self.now, self.bytes())
    }

    pub(crate) fn compact_token(&mut self, kind: TokenKind, app: AppTag) -> Token {
        Token::compact(kind, app, self.now, self.bytes())
    }

    pub(crate) fn alphanumeric_token(&mut self, kind: TokenKind, app: AppTag) -> Token {
        Token::alphanumeric(kind, app, self.now, self.bytes())
    }

    /// A token that is the id of a token to be signed now.
    pub(crate) fn token_id(&mut self, kind: TokenKind, app: AppTag) -> Token {
        Token::id(kind, app, self.now, uuid::Builder::from_random_bytes(self.bytes()).into_uuid())
    }

    /// Events of one use case share their instant: a counter behind it (RFC 9562 6.2, method 1) keeps them in order.
    pub(crate) fn event_id(&mut self) -> EventId {
        let mut random: [u8; 10] = self.bytes();
        (random[0], random[1]) = (0, self.events);
        self.events += 1;
        EventId::new(self.now, random)
    }

    /// Six digits, uniform: 64 random bits modulo 10^6 is biased by less than 10^-13.
    pub(crate) fn code(&mut self) -> String {
        format!("{:06}", u64::from_le_bytes(self.bytes()) % 1_000_000)
    }
}

macro_rules! draw_ids {
    ($($method:ident $id:ident)+) => {
        impl Draw {$(
            pub(crate) fn $method(&mut self) -> $id { $id::new(self.now, self.bytes()) }
        )+}
    };
}

draw_ids! { app_id AppId  link_id LinkId  user_id UserId  identifier_id IdentifierId  session_id SessionId  message_id MessageId  group_id GroupId  member_id MemberId  invite_id InviteId  notice_id NoticeId }
