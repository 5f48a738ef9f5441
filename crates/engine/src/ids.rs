//! Identifiers: UUID version 7, so that they sort by time. All are public; none works as a secret.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: the time in milliseconds and ten random bytes.
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(now.as_millis().max(0) as u64, &random).into_uuid())
            }
            /// From a UUID, such as one read from a path.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }
            /// As a UUID; `Display` gives the hyphenated form.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
            /// The sixteen bytes as stored.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
            /// From sixteen stored bytes.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// An app (tenant).
    AppId
    /// A link, and the request that it answers.
    LinkId
    /// A user.
    UserId
    /// An address of a user.
    IdentifierId
    /// A session.
    SessionId
    /// An outbox message.
    MessageId
    /// An event.
    EventId
    /// A signing key; the `kid` of its tokens.
    KeyId
    /// A group of users.
    GroupId
    /// A user in a group.
    MemberId
    /// A notice to an app's own server.
    NoticeId
    /// An invitation into a group.
    InviteId
}

impl KeyId {
    /// The second in which the key was made, or soon after: no two keys of one algorithm have the same.
    pub fn second(self) -> i64 {
        // The first six bytes of a UUID version 7 (RFC 9562 5.7).
        (self.as_uuid().as_u128() >> 80) as i64 / 1000
    }
}
