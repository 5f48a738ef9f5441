//! Storage of notices.

use super::Notice;
use crate::error::Result;
use crate::ids::NoticeId;
use crate::time::Timestamp;

/// What becomes of a notice after a try.
#[derive(Clone, Debug)]
pub enum NoticeFinish {
    /// It was taken.
    Sent,
    /// Another try.
    Later {
        /// When.
        next_at: Timestamp,
        /// Why not now.
        why: String,
    },
    /// Never.
    Dead {
        /// Why.
        why: String,
    },
}

/// Storage of notices.
#[async_trait::async_trait]
pub trait NoticeStore: Send + Sync {
    /// Takes the lease of up to `limit` due notices until `lease_until`; answers each with the number of the try.
    async fn claim_notices(&self, now: Timestamp, lease_until: Timestamp, limit: u32) -> Result<Vec<(Notice, u32)>>;

    /// Reports on a claimed notice; `false` when the lease is not held any more.
    async fn finish_notice(&self, id: NoticeId, attempt: u32, finish: NoticeFinish) -> Result<bool>;
}
