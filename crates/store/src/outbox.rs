//! The outbox and the built-in inbox.

use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, LinkId, MessageId};
use passlink_engine::messages::store::{ClaimedMessage, Finish, InboxRow, MessageInfo, MessageState, NewMessage, OutboxStore};
use passlink_engine::time::Timestamp;
use passlink_engine::{Error, Result};

use crate::SqlStore;
use crate::events;
use crate::failpoint::Failpoint;
use crate::statements::{append, batches, statements};
use crate::tx::{Row, Tx, values};

append!(
    INSERT_MESSAGE,
    insert_message,
    "INSERT INTO outbox (id, app_id, link_id, state, attempts, next_at, created_at, expires_at, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "INSERT INTO outbox (id, app_id, link_id, state, attempts, next_at, created_at, expires_at, payload) SELECT * FROM unnest($1::bytea[], $2::bytea[],
        $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[])",
    [Bytes, Bytes, Bytes, Int, Int, Int, Int, Int, Bytes]
);
append!(
    INSERT_INBOX,
    insert_inbox,
    "INSERT INTO inbox (id, app_id, received_at, sealed) VALUES ($1, $2, $3, $4)",
    "INSERT INTO inbox (id, app_id, received_at, sealed) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[])",
    [Bytes, Bytes, Int, Bytes]
);

batches! {
    // `next_at` becomes the end of the lease. The outer guard decides when two workers chose the same rows.
    CLAIM = "UPDATE outbox SET attempts = attempts + 1, next_at = $1 WHERE state = 1 AND next_at <= $2 AND", "id",
        ["SELECT id FROM outbox WHERE state = 1 AND next_at <= $2 ORDER BY next_at LIMIT CAST($3 AS BIGINT)"],
        " RETURNING id, app_id, link_id, created_at, expires_at, payload, attempts";
}

statements! {
    FINISH = "UPDATE outbox SET state = $1, provider_id = $2, last_error = $3, payload = NULL WHERE id = $4 AND attempts = $5 AND state = 1 RETURNING id";
    // A dead message keeps its sealed payload, so that an operator can put it back.
    FINISH_DEAD = "UPDATE outbox SET state = 3, last_error = $1 WHERE id = $2 AND attempts = $3 AND state = 1 RETURNING id";
    LATER = "UPDATE outbox SET next_at = $1, last_error = $2 WHERE id = $3 AND attempts = $4 AND state = 1 RETURNING id";
    REQUEUE = "UPDATE outbox SET state = 1, next_at = $1 WHERE id = $2 AND app_id = $3 AND state = 3 AND expires_at > $1 AND payload IS NOT NULL
        RETURNING link_id";
    LIST = "SELECT id, app_id, link_id, state, attempts, created_at, expires_at, last_error FROM outbox
        WHERE state = $1 AND (CAST($2 AS BIGINT) = 0 OR app_id = $3) ORDER BY id DESC LIMIT CAST($4 AS BIGINT)";
    OF_LINK = "SELECT id, state FROM outbox WHERE link_id = $1 ORDER BY id DESC LIMIT 1";
    DEPTH = "SELECT count(*), min(created_at) FROM outbox WHERE state = 1";
    LIST_INBOX = "SELECT id, app_id, received_at, sealed FROM inbox ORDER BY id DESC LIMIT CAST($1 AS BIGINT)";
    FIND_INBOX = "SELECT id, app_id, received_at, sealed FROM inbox WHERE id = $1";
    CLEAR_INBOX = "DELETE FROM inbox";
}

fn state(number: i64) -> Result<MessageState> {
    Ok(match number {
        1 => MessageState::Queued,
        2 => MessageState::Sent,
        3 => MessageState::Dead,
        4 => MessageState::Dropped,
        _ => return Err(Error::internal("a message is in an unknown state")),
    })
}

/// A message, in the transaction of its link.
pub(crate) fn queue(tx: &mut Tx, m: &NewMessage) -> Result<()> {
    let queued = MessageState::Queued as i64;
    tx.append(
        &INSERT_MESSAGE,
        values![m.id, m.app, m.link, queued, 0_i64, m.created_at, m.created_at, m.expires_at, m.payload.as_slice()],
    )
}

pub(crate) async fn of_link(tx: &mut Tx, link: LinkId) -> Result<Option<(MessageId, MessageState)>> {
    let Some(mut row) = tx.first(OF_LINK, values![link]).await? else { return Ok(None) };
    Ok(Some((row.next()?, state(row.next()?)?)))
}

struct Claim {
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
}

async fn claim(tx: &mut Tx, c: &Claim) -> Result<Vec<ClaimedMessage>> {
    let rows = tx.many(tx.batch(&CLAIM), values![c.lease_until, c.now, c.limit]).await?;
    if !rows.is_empty() {
        Failpoint::MailTaken.reached();
    }
    rows.into_iter()
        .map(|mut row| {
            let (id, app, link) = (row.next()?, row.next()?, row.next()?);
            let (created_at, expires_at) = (row.next()?, row.next()?);
            let payload: Option<Vec<u8>> = row.next()?;
            let message = NewMessage { id, app, link, created_at, expires_at, payload: payload.unwrap_or_default() };
            Ok(ClaimedMessage { message, attempt: row.next()? })
        })
        .collect()
}

struct Report {
    id: MessageId,
    attempt: u32,
    finish: Finish,
    event: Event,
}

async fn finish(tx: &mut Tx, r: &Report) -> Result<bool> {
    let none: Option<&str> = None;
    let held = match &r.finish {
        Finish::Sent { provider_id, .. } => {
            tx.first(FINISH, values![MessageState::Sent as i64, provider_id.as_deref(), none, r.id, r.attempt]).await?
        }
        Finish::Dropped { why } => {
            tx.first(FINISH, values![MessageState::Dropped as i64, none, why.as_str(), r.id, r.attempt]).await?
        }
        Finish::Dead { why } => tx.first(FINISH_DEAD, values![why.as_str(), r.id, r.attempt]).await?,
        Finish::Later { next_at, why } => tx.first(LATER, values![*next_at, why.as_str(), r.id, r.attempt]).await?,
    };
    if held.is_none() {
        return Ok(false);
    }
    if let Finish::Sent { inbox: Some(row), .. } = &r.finish {
        tx.append(&INSERT_INBOX, values![row.id, row.app, row.received_at, row.sealed.as_slice()])?;
    }
    events::write(tx, &r.event)?;
    Failpoint::MailNoted.reached();
    Ok(true)
}

async fn list(tx: &mut Tx, app: Option<AppId>, wanted: MessageState, limit: u32) -> Result<Vec<MessageInfo>> {
    let of = app.map(|app| app.as_bytes().to_vec()).unwrap_or_default();
    let rows = tx.many(LIST, values![wanted as i64, app.is_some(), of, limit]).await?;
    rows.into_iter()
        .map(|mut row| {
            Ok(MessageInfo {
                id: row.next()?,
                app: row.next()?,
                link: row.next()?,
                state: state(row.next()?)?,
                attempts: row.next()?,
                created_at: row.next()?,
                expires_at: row.next()?,
                last_error: row.next()?,
            })
        })
        .collect()
}

async fn requeue(tx: &mut Tx, app: AppId, id: MessageId, now: Timestamp, event: &Event) -> Result<bool> {
    let Some(mut row) = tx.first(REQUEUE, values![now, id, app]).await? else { return Ok(false) };
    events::write(tx, &Event { link: row.next()?, ..event.clone() })?;
    Ok(true)
}

async fn depth(tx: &mut Tx) -> Result<(u64, Option<Timestamp>)> {
    let Some(mut row) = tx.first(DEPTH, values![]).await? else { return Ok((0, None)) };
    let count: i64 = row.next()?;
    Ok((count.unsigned_abs(), row.next()?))
}

fn inbox_row(mut row: Row) -> Result<InboxRow> {
    Ok(InboxRow { id: row.next()?, app: row.next()?, received_at: row.next()?, sealed: row.next()? })
}

async fn list_inbox(tx: &mut Tx, limit: u32) -> Result<Vec<InboxRow>> {
    tx.many(LIST_INBOX, values![limit]).await?.into_iter().map(inbox_row).collect()
}

async fn find_inbox(tx: &mut Tx, id: MessageId) -> Result<Option<InboxRow>> {
    tx.first(FIND_INBOX, values![id]).await?.map(inbox_row).transpose()
}

#[async_trait::async_trait]
impl OutboxStore for SqlStore {
    async fn claim_due(&self, now: Timestamp, lease_until: Timestamp, limit: u32) -> Result<Vec<ClaimedMessage>> {
        let claimed = self.write(Claim { now, lease_until, limit }, |tx, c| Box::pin(claim(tx, c))).await?;
        if !claimed.is_empty() {
            Failpoint::MailClaimed.reached();
        }
        Ok(claimed)
    }

    async fn finish_message(&self, id: MessageId, attempt: u32, outcome: Finish, event: Event) -> Result<bool> {
        Failpoint::MailAccepted.reached();
        let held = self.write(Report { id, attempt, finish: outcome, event }, |tx, r| Box::pin(finish(tx, r))).await;
        Failpoint::MailDone.reached();
        held
    }

    async fn list_messages(&self, app: Option<AppId>, wanted: MessageState, limit: u32) -> Result<Vec<MessageInfo>> {
        self.read((app, wanted, limit), |tx, (app, wanted, limit)| Box::pin(list(tx, *app, *wanted, *limit))).await
    }

    async fn requeue_message(&self, app: AppId, id: MessageId, now: Timestamp, event: Event) -> Result<bool> {
        self.write((app, id, now, event), |tx, (app, id, now, event)| Box::pin(requeue(tx, *app, *id, *now, event))).await
    }

    async fn outbox_depth(&self) -> Result<(u64, Option<Timestamp>)> {
        self.read((), |tx, ()| Box::pin(depth(tx))).await
    }

    async fn list_inbox(&self, limit: u32) -> Result<Vec<InboxRow>> {
        self.read(limit, |tx, limit| Box::pin(list_inbox(tx, *limit))).await
    }

    async fn find_inbox(&self, id: MessageId) -> Result<Option<InboxRow>> {
        self.read(id, |tx, id| Box::pin(find_inbox(tx, *id))).await
    }

    async fn clear_inbox(&self) -> Result<()> {
        self.write((), |tx, ()| Box::pin(async move { tx.run(CLEAR_INBOX, values![]).await.map(|_| ()) })).await
    }
}
