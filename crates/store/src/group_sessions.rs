//! Sessions of groups: rows among all sessions whose `user_id` is the group's id, which no user has. Whoever looks for people's sessions joins users and passes
//! them over; ending and sweeping are the same for all.

use passlink_engine::groups::{GroupRef, GroupStatus};
use passlink_engine::ids::{AppId, SessionId};
use passlink_engine::notices::{Notice, NoticeKind};
use passlink_engine::secret::{TokenHash, TokenKind};
use passlink_engine::sessions::Method;
use passlink_engine::sessions::of_group::{
    EndGroupSession, ExchangeSessionCode, GroupSession, GroupSessionDetails, GroupSessionStore, RedeemGroupLink,
};
use passlink_engine::{Error, Result};

use crate::SqlStore;
use crate::groups::{self, group_columns};
use crate::redeem::{self, Consume};
use crate::statements::{append, statements};
use crate::tx::{Row, Tx, values};
use crate::{events, notices, sessions};

append!(
    INSERT_GROUP_SESSION,
    insert_group_session,
    "INSERT INTO sessions (id, app_id, user_id, group_id, method, link_id, created_at, refreshed_at, expires_at, device, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    "INSERT INTO sessions (id, app_id, user_id, group_id, method, link_id, created_at, refreshed_at, expires_at, device, details) SELECT * FROM unnest(
        $1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])",
    [Bytes, Bytes, Bytes, Bytes, Int, Bytes, Int, Int, Int, Text, Text]
);

macro_rules! group_sessions {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT s.id, s.app_id, s.details, s.link_id, s.created_at, s.expires_at, s.revoked_at, ",
            group_columns!(),
            " FROM ",
            $from,
            " JOIN groups ON groups.id = s.group_id WHERE ",
            $where
        )
    };
}

statements! {
    FIND = group_sessions!("sessions s", "s.id = $1 AND s.app_id = $2");
    FIND_BY_TOKEN = group_sessions!("session_tokens t JOIN sessions s ON s.id = t.session_id", "t.hash = $1 AND t.kind = $2 AND t.rotated_at IS NULL");
    END = "UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND app_id = $3 AND group_id IS NOT NULL AND revoked_at IS NULL AND expires_at > $1 RETURNING id";
    USE_CODE = "UPDATE session_tokens SET rotated_at = $1 WHERE hash = $2 AND kind = $3 AND rotated_at IS NULL AND created_at > $4
        AND EXISTS (SELECT 1 FROM sessions s JOIN groups g ON g.id = s.group_id
            WHERE s.id = session_tokens.session_id AND s.app_id = $5 AND s.revoked_at IS NULL AND s.expires_at > $1 AND g.status = 1
                AND (CAST($6 AS BIGINT) = 0 OR s.group_id = $7))
        RETURNING session_id";
}

fn read(mut row: Row) -> Result<GroupSession> {
    let (id, app) = (row.next()?, row.next()?);
    let details: String = row.next()?;
    let details: GroupSessionDetails = serde_json::from_str(&details).map_err(Error::internal)?;
    let (link, created_at, expires_at, revoked_at) = (row.next()?, row.next()?, row.next()?, row.next()?);
    let group = groups::read(&mut row)?;
    Ok(GroupSession { id, app, group, label: details.label, link, created_at, expires_at, revoked_at })
}

async fn find(tx: &mut Tx, app: AppId, id: SessionId) -> Result<Option<GroupSession>> {
    tx.first(FIND, values![id, app]).await?.map(read).transpose()
}

async fn redeem(tx: &mut Tx, r: &RedeemGroupLink) -> Result<Option<GroupSession>> {
    let group = groups::find(tx, r.app, &GroupRef::Id(r.group)).await?;
    let Some(group) = group.filter(|group| group.status == GroupStatus::Active) else { return Ok(None) };
    let what = Consume {
        key: r.key,
        app: r.app,
        now: r.now,
        session: Some(r.session),
        redeemer: r.redeemer.as_deref(),
        replay: r.replay.as_deref(),
        must_be_approved: false,
        // Links without an address replace none.
        pending_links: 1,
    };
    let Some(link) = redeem::consume(tx, what).await? else { return Ok(None) };
    let details = GroupSessionDetails { label: r.label.clone() };
    let details = serde_json::to_string(&details).map_err(Error::internal)?;
    let (id, app, now) = (r.session, r.app, r.now);
    tx.append(
        &INSERT_GROUP_SESSION,
        values![id, app, group.id, group.id, Method::Link as i64, link, now, now, r.expires_at, r.device.as_deref(), details],
    )?;
    r.tokens.iter().try_for_each(|token| sessions::insert_token_of(tx, id, token, now))?;
    for event in [&r.redeemed, &r.session_started] {
        events::write(tx, event)?;
    }
    let session = GroupSession {
        id,
        app,
        group,
        label: r.label.clone(),
        link: Some(link),
        created_at: now,
        expires_at: r.expires_at,
        revoked_at: None,
    };
    if let Some(id) = r.notice {
        notices::write(tx, &Notice::about(id, NoticeKind::LinkUsed, &session, now))?;
    }
    Ok(Some(session))
}

async fn end(tx: &mut Tx, e: &EndGroupSession) -> Result<bool> {
    if tx.first(END, values![e.event.at, e.id, e.app]).await?.is_none() {
        return Ok(false);
    }
    events::write(tx, &e.event)?;
    e.notice.as_ref().map_or(Ok(()), |notice| notices::write(tx, notice))?;
    Ok(true)
}

async fn exchange(tx: &mut Tx, e: &ExchangeSessionCode) -> Result<Option<GroupSession>> {
    let kind = TokenKind::SessionCode as i64;
    let mut row = values![e.now, e.code, kind, e.made_after, e.app, e.group.is_some()];
    // Where any group will do, the parameter is not looked at.
    row.extend(values![e.group.map_or_else(Vec::new, |group| group.as_bytes().to_vec())]);
    let Some(mut used) = tx.first(USE_CODE, row).await? else { return Ok(None) };
    let session: SessionId = used.next()?;
    sessions::insert_token_of(tx, session, &e.token, e.now)?;
    find(tx, e.app, session).await
}

#[async_trait::async_trait]
impl GroupSessionStore for SqlStore {
    async fn redeem_group_link(&self, r: RedeemGroupLink) -> Result<Option<GroupSession>> {
        self.write(r, |tx, r| Box::pin(redeem(tx, r))).await
    }

    async fn find_group_session(&self, hash: TokenHash, kind: TokenKind) -> Result<Option<GroupSession>> {
        self.read((hash, kind), |tx, (hash, kind)| {
            Box::pin(async move { tx.first(FIND_BY_TOKEN, values![*hash, *kind as i64]).await?.map(read).transpose() })
        })
        .await
    }

    async fn end_group_session(&self, e: EndGroupSession) -> Result<bool> {
        self.write(e, |tx, e| Box::pin(end(tx, e))).await
    }

    async fn exchange_session_code(&self, e: ExchangeSessionCode) -> Result<Option<GroupSession>> {
        self.write(e, |tx, e| Box::pin(exchange(tx, e))).await
    }
}
