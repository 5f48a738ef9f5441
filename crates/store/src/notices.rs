//! Notices: written with what they tell, claimed under a lease like mail.

use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::NoticeId;
use passlink_engine::notices::store::{NoticeFinish, NoticeStore};
use passlink_engine::notices::{Notice, NoticeKind};
use passlink_engine::time::Timestamp;
use passlink_engine::{Error, Result};

use crate::SqlStore;
use crate::statements::{append, batches, statements};
use crate::tx::{Row, Tx, values};

append!(
    INSERT_NOTICE,
    insert_notice,
    "INSERT INTO notices (id, app_id, kind, group_id, session_id, link_id, label, created_at, next_at, state, attempts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    "INSERT INTO notices (id, app_id, kind, group_id, session_id, link_id, label, created_at, next_at, state, attempts) SELECT * FROM unnest($1::bytea[],
        $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])",
    [Bytes, Bytes, Int, Bytes, Bytes, Bytes, Text, Int, Int, Int, Int]
);

batches! {
    // `next_at` becomes the end of the lease. The outer guard decides when two workers chose the same rows.
    CLAIM = "UPDATE notices SET attempts = attempts + 1, next_at = $1 WHERE state = 1 AND next_at <= $2 AND", "id",
        ["SELECT id FROM notices WHERE state = 1 AND next_at <= $2 ORDER BY next_at LIMIT CAST($3 AS BIGINT)"],
        " RETURNING id, app_id, kind, group_id, session_id, link_id, label, created_at, attempts";
}

statements! {
    // 2 is sent, 3 is dead.
    FINISH = "UPDATE notices SET state = $1, last_error = $2 WHERE id = $3 AND attempts = $4 AND state = 1 RETURNING id";
    LATER = "UPDATE notices SET next_at = $1, last_error = $2 WHERE id = $3 AND attempts = $4 AND state = 1 RETURNING id";
}

/// Writes a notice in the transaction of what it tells.
pub(crate) fn write(tx: &mut Tx, n: &Notice) -> Result<()> {
    let label = n.label.as_ref().map(EmailAddress::as_str);
    let row = values![n.id, n.app, n.kind as i64, n.group, n.session, n.link, label, n.at, n.at, 1_i64, 0_i64];
    tx.append(&INSERT_NOTICE, row)
}

fn read(mut row: Row) -> Result<(Notice, u32)> {
    let (id, app) = (row.next()?, row.next()?);
    let kind = if row.next::<i64>()? == NoticeKind::LinkUsed as i64 { NoticeKind::LinkUsed } else { NoticeKind::SessionEnded };
    let (group, session, link) = (row.next()?, row.next()?, row.next()?);
    let label: Option<String> = row.next()?;
    let label = label.map(|text| EmailAddress::parse(&text)).transpose().map_err(Error::internal)?;
    Ok((Notice { id, app, kind, group, session, link, label, at: row.next()? }, row.next()?))
}

async fn finish(tx: &mut Tx, id: NoticeId, attempt: u32, finish: &NoticeFinish) -> Result<bool> {
    let none: Option<&str> = None;
    let held = match finish {
        NoticeFinish::Sent => tx.first(FINISH, values![2_i64, none, id, attempt]).await?,
        NoticeFinish::Dead { why } => tx.first(FINISH, values![3_i64, why.as_str(), id, attempt]).await?,
        NoticeFinish::Later { next_at, why } => tx.first(LATER, values![*next_at, why.as_str(), id, attempt]).await?,
    };
    Ok(held.is_some())
}

#[async_trait::async_trait]
impl NoticeStore for SqlStore {
    async fn claim_notices(&self, now: Timestamp, lease_until: Timestamp, limit: u32) -> Result<Vec<(Notice, u32)>> {
        self.write((lease_until, now, limit), |tx, (lease_until, now, limit)| {
            Box::pin(async move {
                let rows = tx.many(tx.batch(&CLAIM), values![*lease_until, *now, *limit]).await?;
                rows.into_iter().map(read).collect()
            })
        })
        .await
    }

    async fn finish_notice(&self, id: NoticeId, attempt: u32, end: NoticeFinish) -> Result<bool> {
        self.write((id, attempt, end), |tx, (id, attempt, end)| Box::pin(finish(tx, *id, *attempt, end))).await
    }
}
