//! Limits: the generic cell rate algorithm in one statement.

use passlink_engine::Result;
use passlink_engine::limits::{LimitStore, Take, Taken};
use passlink_engine::time::Timestamp;

use crate::SqlStore;
use crate::statements::statements;
use crate::tx::{Tx, values};

statements! {
    // $2 now, $3 cost, $4 capacity, all in microseconds. A bucket that is empty again (tat in the past) counts from now.
    TAKE = "INSERT INTO limits (key, tat) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
        ON CONFLICT (key) DO UPDATE SET tat = CASE WHEN limits.tat > $2 THEN limits.tat ELSE $2 END + $3
        WHERE CASE WHEN limits.tat > $2 THEN limits.tat ELSE $2 END + $3 <= $2 + CAST($4 AS BIGINT)
        RETURNING tat";
    TAT = "SELECT tat FROM limits WHERE key = $1";
}

#[async_trait::async_trait]
impl LimitStore for SqlStore {
    async fn take(&self, take: Take, now: Timestamp) -> Result<Taken> {
        self.write_soft((take, now.as_millis().saturating_mul(1000)), |tx, (take, now)| Box::pin(take_one(tx, take, *now))).await
    }
}

pub(crate) async fn take_one(tx: &mut Tx, take: &Take, now: i64) -> Result<Taken> {
    if let Some(mut row) = tx.first(TAKE, values![take.key.as_slice(), now, take.cost, take.capacity]).await? {
        return Ok(Taken::Allowed { until: row.next()? });
    }
    let tat: i64 = match tx.first(TAT, values![take.key.as_slice()]).await? {
        Some(mut row) => row.next()?,
        None => now,
    };
    Ok(Taken::Full { wait: (tat + take.cost - take.capacity - now).max(1) })
}
