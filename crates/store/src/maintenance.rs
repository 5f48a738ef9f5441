//! Health, and the sweeping of what nobody needs any more: small batches by index, so that no step holds anybody up.

use passlink_engine::Result;
use passlink_engine::ports::Store;
use passlink_engine::time::{Lifetime, Timestamp};

use crate::statements::{batches, statements};
use crate::tx::{Tx, values};
use crate::{Backend, SqlStore};

/// How long dead links are kept, so that their pages can say why they are dead and offer a new one.
const LINKS_KEPT: Lifetime = Lifetime::from_secs(2 * 86_400);
/// How long events are kept.
const EVENTS_KEPT: Lifetime = Lifetime::from_secs(90 * 86_400);
/// How long ended sessions are kept, so that reuse of their tokens is recognised.
const SESSIONS_KEPT: Lifetime = Lifetime::from_secs(7 * 86_400);
/// How long the built-in inbox keeps a message.
const INBOX_KEPT: Lifetime = Lifetime::from_secs(86_400);

/// Long expired, and without children: a parent is kept as long as one of them, so that ending what is above it still finds it.
macro_rules! swept_sessions {
    () => {
        "SELECT id FROM sessions WHERE expires_at <= $1 AND NOT EXISTS (SELECT 1 FROM sessions c WHERE c.parent_id = sessions.id) ORDER BY expires_at
        LIMIT CAST($2 AS BIGINT)"
    };
}

statements! {
    PING = "UPDATE apps SET name = name WHERE id = $1";
}

batches! {
    SWEEP_REPLAYS = "UPDATE links SET replay = NULL WHERE", "hash",
        ["SELECT hash FROM links WHERE replay IS NOT NULL AND redeemed_at <= $1 ORDER BY redeemed_at LIMIT CAST($2 AS BIGINT)"], "";
    // An expired hand-off is shown to nobody any more.
    SWEEP_SEALS = "UPDATE links SET sealed = NULL WHERE", "hash",
        ["SELECT hash FROM links WHERE sealed IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_LINKS = "DELETE FROM links WHERE", "hash",
        ["SELECT hash FROM links WHERE expires_at <= $1 ORDER BY expires_at LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_OUTBOX = "DELETE FROM outbox WHERE", "id",
        ["SELECT id FROM outbox WHERE expires_at <= $1 ORDER BY expires_at LIMIT CAST($2 AS BIGINT)"], "";
    // A dead message whose link has expired can never go again: its payload is of no more use.
    EMPTY_DEAD = "UPDATE outbox SET payload = NULL WHERE", "id",
        ["SELECT id FROM outbox WHERE expires_at <= $1 AND payload IS NOT NULL AND state = 3 ORDER BY expires_at LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_TOKENS = "DELETE FROM session_tokens WHERE", "session_id",
        [swept_sessions!()], "";
    SWEEP_SESSIONS = "DELETE FROM sessions WHERE", "id",
        [swept_sessions!()], "";
    SWEEP_ADDRESSES = "DELETE FROM identifiers WHERE", "id",
        ["SELECT id FROM identifiers WHERE provisional_until <= $1 ORDER BY provisional_until LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_RESERVED = "DELETE FROM reserved_users WHERE", "user_id",
        ["SELECT user_id FROM reserved_users WHERE expires_at <= $1 ORDER BY expires_at LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_LIMITS = "DELETE FROM limits WHERE", "key", ["SELECT key FROM limits WHERE tat <= $1 ORDER BY tat LIMIT CAST($2 AS BIGINT)"], "";
    // Ids begin with their time (UUID version 7), so the primary key finds the oldest.
    SWEEP_EVENTS = "DELETE FROM events WHERE", "id", ["SELECT id FROM events WHERE id < $1 ORDER BY id LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_NOTICES = "DELETE FROM notices WHERE", "id", ["SELECT id FROM notices WHERE id < $1 ORDER BY id LIMIT CAST($2 AS BIGINT)"], "";
    SWEEP_INBOX = "DELETE FROM inbox WHERE", "id", ["SELECT id FROM inbox WHERE id < $1 ORDER BY id LIMIT CAST($2 AS BIGINT)"], "";
}

/// The smallest id of an instant.
fn id_at(at: Timestamp) -> Vec<u8> {
    let mut id = vec![0; 16];
    id[..6].copy_from_slice(&at.as_millis().max(0).to_be_bytes()[2..]);
    id
}

async fn sweep(tx: &mut Tx, now: Timestamp, batch: u32) -> Result<u64> {
    let links = now.minus(LINKS_KEPT);
    let sessions = now.minus(SESSIONS_KEPT);
    let mut gone = tx.run(tx.batch(&SWEEP_REPLAYS), values![now.minus(passlink_engine::links::Link::REPLAY), batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_SEALS), values![now, batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_LINKS), values![links, batch]).await?;
    gone += tx.run(tx.batch(&EMPTY_DEAD), values![now, batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_OUTBOX), values![links, batch]).await?;
    // Tokens first: the same sessions are chosen again for their own removal.
    gone += tx.run(tx.batch(&SWEEP_TOKENS), values![sessions, batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_SESSIONS), values![sessions, batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_ADDRESSES), values![now, batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_LIMITS), values![now.as_millis().saturating_mul(1000), batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_EVENTS), values![id_at(now.minus(EVENTS_KEPT)), batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_INBOX), values![id_at(now.minus(INBOX_KEPT)), batch]).await?;
    gone += tx.run(tx.batch(&SWEEP_NOTICES), values![id_at(links), batch]).await?;
    Ok(gone)
}

#[async_trait::async_trait]
impl Store for SqlStore {
    async fn ping(&self) -> Result<()> {
        self.write((), |tx, ()| Box::pin(async move { tx.run(PING, values![Vec::new()]).await.map(|_| ()) })).await
    }

    async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64> {
        self.write((now, batch), |tx, (now, batch)| Box::pin(sweep(tx, *now, *batch))).await
    }

    fn kind(&self) -> &'static str {
        match &self.backend {
            Backend::Sqlite(_) => "sqlite",
            Backend::Postgres(_) => "postgres",
        }
    }
}
