//! Sessions and their tokens.

use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, SessionId, UserId};
use passlink_engine::secret::{TokenHash, TokenKind};
use passlink_engine::sessions::store::{
    ChangeSession, ChangeSessionOutcome, RevokeSession, RotateOutcome, RotateRefreshToken, SessionStore,
};
use passlink_engine::sessions::{Factor, Label, Method, NewToken, Session, SessionDetails, SignedIn};
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::{Error, Result};
use serde_json::{Map, Value};

use crate::SqlStore;
use crate::events;
use crate::statements::{append, statements};
use crate::tx::{Row, Tx, values};
use crate::users::{self, user_columns};

macro_rules! insert_columns {
    () => {
        "id, app_id, user_id, method, link_id, created_at, refreshed_at, expires_at, device, lifetime, details, parent_id, label"
    };
}

append!(
    INSERT_SESSION,
    insert_session,
    concat!("INSERT INTO sessions (", insert_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"),
    concat!(
        "INSERT INTO sessions (",
        insert_columns!(),
        ") SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[],
        $10::bigint[], $11::text[], $12::bytea[], $13::text[])"
    ),
    [Bytes, Bytes, Bytes, Int, Bytes, Int, Int, Int, Text, Int, Text, Bytes, Text]
);
append!(
    INSERT_TOKEN,
    insert_token,
    "INSERT INTO session_tokens (hash, session_id, kind, created_at, sealed) VALUES ($1, $2, $3, $4, $5)",
    "INSERT INTO session_tokens (hash, session_id, kind, created_at, sealed) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[],
        $5::bytea[])",
    [Bytes, Bytes, Int, Int, Bytes]
);

macro_rules! signed_in {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT s.id, s.app_id, s.user_id, s.method, s.link_id, s.created_at, s.refreshed_at, s.expires_at, s.revoked_at, s.device,
            s.parent_id, s.label, s.lifetime, s.accessed_at, s.details, s.version, ",
            user_columns!(),
            " FROM ",
            $from,
            " JOIN users u ON u.id = s.user_id LEFT JOIN identifiers i ON i.user_id = u.id AND i.kind = 1 AND i.is_primary = 1 WHERE ",
            $where
        )
    };
}

statements! {
    FIND = signed_in!("sessions s", "s.id = $1 AND s.app_id = $2");
    FIND_BY_TOKEN = signed_in!("session_tokens t JOIN sessions s ON s.id = t.session_id", "t.hash = $1 AND t.kind = $2 AND t.rotated_at IS NULL");
    ROTATE = "UPDATE session_tokens SET rotated_at = $1, next_sealed = $2 WHERE hash = $3 AND kind = $4 AND rotated_at IS NULL
        AND EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE s.id = session_tokens.session_id AND s.revoked_at IS NULL AND s.expires_at > $1 AND u.disabled_at IS NULL)
        RETURNING session_id";
    ROTATED = "SELECT s.id, s.app_id, t.rotated_at, t.next_sealed, s.revoked_at, s.expires_at FROM session_tokens t JOIN sessions s ON s.id = t.session_id
        WHERE t.hash = $1 AND t.kind = $2";
    TOUCH = "UPDATE sessions SET refreshed_at = $1, expires_at = $1 + COALESCE(lifetime, CAST($2 AS BIGINT)) WHERE id = $3 RETURNING app_id";
    SEALED = "SELECT sealed FROM session_tokens WHERE session_id = $1 AND kind = $2 AND sealed IS NOT NULL ORDER BY created_at DESC LIMIT 1";
    LIVE_OF_USER = signed_in!("sessions s", "s.user_id = $1 AND s.app_id = $2 AND s.revoked_at IS NULL AND s.expires_at > $3 ORDER BY s.created_at, s.id");
    SEEN = "UPDATE sessions SET accessed_at = $1 WHERE id = $2 AND app_id = $3 AND revoked_at IS NULL";
    CHANGE = "UPDATE sessions SET accessed_at = $1, expires_at = $2, lifetime = $3, details = $4, version = version + 1
        WHERE id = $5 AND app_id = $6 AND version = $7 AND revoked_at IS NULL AND expires_at > $1 RETURNING id";
    END = "UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND app_id = $3 AND revoked_at IS NULL RETURNING id";
    // Expired ones between them are walked through: what they handed off may live.
    END_DESCENDANTS = "WITH RECURSIVE below (id) AS (SELECT id FROM sessions WHERE parent_id = $1 UNION SELECT s.id FROM sessions s JOIN below b ON s.parent_id = b.id)
        UPDATE sessions SET revoked_at = $2 WHERE id IN (SELECT id FROM below) AND revoked_at IS NULL AND expires_at > $2 RETURNING id";
    // Read back at once, and not left to the end of the group, so that whoever ends the parent in the same group finds the child.
    INSERT_CHILD = concat!("INSERT INTO sessions (", insert_columns!(), ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
        WHERE EXISTS (SELECT 1 FROM sessions p WHERE p.id = $12 AND p.app_id = $2 AND p.user_id = $3 AND p.revoked_at IS NULL AND p.expires_at > $6) RETURNING id");
    END_ALL = "UPDATE sessions SET revoked_at = $1 WHERE app_id = $2 AND user_id = $3 AND revoked_at IS NULL AND expires_at > $1
        AND (CAST($4 AS BIGINT) = 0 OR id <> $5) RETURNING id";
}

fn read(mut row: Row) -> Result<SignedIn> {
    let (id, app, user) = (row.next()?, row.next()?, row.next()?);
    let method = if row.next::<i64>()? == Method::Code as i64 { Method::Code } else { Method::Link };
    let session = Session {
        id,
        app,
        user,
        method,
        link: row.next()?,
        created_at: row.next()?,
        refreshed_at: row.next()?,
        expires_at: row.next()?,
        revoked_at: row.next()?,
        device: row.next()?,
        parent: row.next()?,
        label: row.next::<Option<String>>()?.map(|text| Label::parse(&text)).transpose().map_err(Error::internal)?,
        lifetime: row.next::<Option<i64>>()?.map(Lifetime::from_millis),
        accessed_at: row.next()?,
        details: read_details(&row.next::<String>()?)?,
        version: row.next()?,
    };
    Ok(SignedIn { session, user: users::read(&mut row)? })
}

fn read_details(text: &str) -> Result<SessionDetails> {
    // Most sessions have none.
    if text == "{}" { Ok(SessionDetails::default()) } else { serde_json::from_str(text).map_err(Error::internal) }
}

fn write_details(details: &SessionDetails) -> Result<String> {
    serde_json::to_string(details).map_err(Error::internal)
}

/// For PostgreSQL alone: a session that nobody is to end meanwhile. Taken after the links of an address and before other links, by all who want both.
pub(crate) const LOCK_SESSION: &str = "SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE";

/// The place in its group of a write that begins by locking a session.
pub(crate) fn turn(session: SessionId) -> Vec<u8> {
    session.as_bytes().to_vec()
}

pub(crate) async fn lock(tx: &mut Tx, session: Option<SessionId>) -> Result<()> {
    match session {
        Some(session) => tx.lock(LOCK_SESSION, values![session]).await,
        None => Ok(()),
    }
}

/// A session with its tokens. A child is made only while its parent, which is locked, is live.
pub(crate) async fn insert(tx: &mut Tx, s: &Session, tokens: &[NewToken]) -> Result<()> {
    let row = values![
        s.id,
        s.app,
        s.user,
        s.method as i64,
        s.link,
        s.created_at,
        s.refreshed_at,
        s.expires_at,
        s.device.as_deref(),
        s.lifetime.map(Lifetime::as_millis),
        write_details(&s.details)?,
        s.parent,
        s.label.as_ref().map(Label::as_str)
    ];
    match s.parent {
        None => tx.append(&INSERT_SESSION, row)?,
        Some(_) => {
            // Somebody in the same group may have ended it: such a one holds the same lock.
            if tx.first(INSERT_CHILD, row).await?.is_none() {
                return Err(Error::unavailable("the session that handed off ended a moment ago"));
            }
        }
    }
    tokens.iter().try_for_each(|token| insert_token_of(tx, s.id, token, s.created_at))
}

pub(crate) fn insert_token_of(tx: &mut Tx, session: SessionId, token: &NewToken, now: Timestamp) -> Result<()> {
    tx.append(&INSERT_TOKEN, values![token.hash, session, token.kind as i64, now, token.sealed.as_deref()])
}

pub(crate) async fn find(tx: &mut Tx, app: AppId, id: SessionId) -> Result<Option<SignedIn>> {
    tx.first(FIND, values![id, app]).await?.map(read).transpose()
}

async fn find_by_token(tx: &mut Tx, hash: TokenHash, kind: TokenKind) -> Result<Option<SignedIn>> {
    tx.first(FIND_BY_TOKEN, values![hash, kind as i64]).await?.map(read).transpose()
}

async fn rotate(tx: &mut Tx, r: &RotateRefreshToken) -> Result<RotateOutcome> {
    let kind = TokenKind::Refresh as i64;
    if let Some(mut row) = tx.first(ROTATE, values![r.now, r.next_sealed.as_slice(), r.presented, kind]).await? {
        let session: SessionId = row.next()?;
        let Some(mut touched) = tx.first(TOUCH, values![r.now, r.session_lifetime.as_millis(), session]).await? else {
            return Ok(RotateOutcome::Dead);
        };
        insert_token_of(tx, session, &r.next, r.now)?;
        let Some(signed_in) = find(tx, touched.next()?, session).await? else { return Ok(RotateOutcome::Dead) };
        events::write(tx, &Event { session: Some(session), user: Some(signed_in.user.id), ..r.refreshed.clone() })?;
        return Ok(RotateOutcome::Rotated(Box::new(signed_in)));
    }
    let Some(mut row) = tx.first(ROTATED, values![r.presented, kind]).await? else { return Ok(RotateOutcome::Dead) };
    let (session, app): (SessionId, AppId) = (row.next()?, row.next()?);
    let rotated_at: Option<Timestamp> = row.next()?;
    let sealed: Option<Vec<u8>> = row.next()?;
    let revoked_at: Option<Timestamp> = row.next()?;
    let expires_at: Timestamp = row.next()?;
    let Some(rotated_at) = rotated_at.filter(|_| r.now < expires_at) else { return Ok(RotateOutcome::Dead) };
    if revoked_at.is_some() {
        // Exchanged before, whatever ended the session since: the second copy is told what the first one was.
        return Ok(RotateOutcome::Reused(Vec::new()));
    }
    if let Some(sealed) = sealed.filter(|_| r.now < rotated_at.plus(r.reuse_window)) {
        return Ok(match find(tx, app, session).await? {
            Some(signed_in) => RotateOutcome::Repeated(Box::new(signed_in), sealed),
            None => RotateOutcome::Dead,
        });
    }
    let event = Event { session: Some(session), ..r.reused.clone() };
    let mut ended = end(tx, &RevokeSession { app, id: session, cascade: r.cascade, event }).await?;
    if ended.is_empty() {
        ended.push(session);
    }
    Ok(RotateOutcome::Reused(ended))
}

/// What changes in a live session; `edit` may refuse.
pub(crate) struct Edit<'a> {
    pub(crate) app: AppId,
    pub(crate) id: SessionId,
    pub(crate) now: Timestamp,
    pub(crate) end: Option<(Timestamp, Lifetime)>,
    pub(crate) factor: Option<&'a Factor>,
    pub(crate) claims: &'a Map<String, Value>,
}

/// Changes a live session. Somebody else may change the same one at the same time; the version tells.
pub(crate) async fn edit(tx: &mut Tx, e: Edit<'_>) -> Result<ChangeSessionOutcome> {
    for _ in 0..16 {
        let is_live = |signed_in: &SignedIn| signed_in.session.is_live(e.now) && signed_in.user.disabled_at.is_none();
        let Some(mut signed_in) = find(tx, e.app, e.id).await?.filter(is_live) else { return Ok(ChangeSessionOutcome::Dead) };
        let session = &mut signed_in.session;
        if let Err(field) = session.details.merge_claims(e.claims) {
            return Ok(ChangeSessionOutcome::Refused(field));
        }
        if let Some(factor) = e.factor {
            session.details.add(factor.clone());
        }
        if let Some((expires_at, lifetime)) = e.end {
            (session.expires_at, session.lifetime) = (expires_at, Some(lifetime));
        }
        session.accessed_at = Some(e.now);
        let lifetime = session.lifetime.map(Lifetime::as_millis);
        let details = write_details(&session.details)?;
        let row = values![e.now, session.expires_at, lifetime, details, session.id, session.app, session.version];
        if tx.first(CHANGE, row).await?.is_some() {
            session.version += 1;
            return Ok(ChangeSessionOutcome::Changed(Box::new(signed_in)));
        }
    }
    Err(Error::unavailable("a session is changed by too many at once"))
}

async fn change(tx: &mut Tx, c: &ChangeSession) -> Result<ChangeSessionOutcome> {
    edit(tx, Edit { app: c.app, id: c.id, now: c.now, end: c.end, factor: None, claims: &c.claims }).await
}

async fn end(tx: &mut Tx, e: &RevokeSession) -> Result<Vec<SessionId>> {
    if tx.first(END, values![e.event.at, e.id, e.app]).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut ended = vec![e.id];
    let mut event = e.event.clone();
    if e.cascade {
        let below = end_descendants(tx, e.id, e.event.at).await?;
        if !below.is_empty() {
            name_ended(&mut event, &below);
        }
        ended.extend(below);
    }
    events::write(tx, &event)?;
    Ok(ended)
}

/// What was handed off while we waited for a row is found by looking again; whoever hands off holds the parent.
async fn end_descendants(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<Vec<SessionId>> {
    let mut ended = Vec::new();
    loop {
        let rows = tx.many(END_DESCENDANTS, values![id, now]).await?;
        if rows.is_empty() {
            return Ok(ended);
        }
        for mut row in rows {
            ended.push(row.next()?);
        }
    }
}

/// Says in an event which sessions ended.
pub(crate) fn name_ended(event: &mut Event, ended: &[SessionId]) {
    event.detail.insert("sessions".to_owned(), ended.iter().map(SessionId::to_string).collect::<Vec<_>>().into());
}

/// Ends all live sessions of a user, except one.
pub(crate) async fn end_all(
    tx: &mut Tx,
    app: AppId,
    user: UserId,
    except: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    let kept = except.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let mut ended = Vec::new();
    // Again until there is none: one of them may have handed off while we waited for its row.
    loop {
        let rows = tx.many(END_ALL, values![now, app, user, except.is_some(), kept.clone()]).await?;
        if rows.is_empty() {
            return Ok(ended);
        }
        for mut row in rows {
            ended.push(row.next()?);
        }
    }
}

struct EndAll {
    app: AppId,
    user: UserId,
    except: Option<SessionId>,
    event: Event,
}

async fn end_all_told(tx: &mut Tx, e: &EndAll) -> Result<Vec<SessionId>> {
    let ended = end_all(tx, e.app, e.user, e.except, e.event.at).await?;
    if !ended.is_empty() {
        let mut event = Event { user: Some(e.user), ..e.event.clone() };
        name_ended(&mut event, &ended);
        events::write(tx, &event)?;
    }
    Ok(ended)
}

#[async_trait::async_trait]
impl SessionStore for SqlStore {
    async fn find_session_by_token(&self, hash: TokenHash, kind: TokenKind) -> Result<Option<SignedIn>> {
        self.read((hash, kind), |tx, (hash, kind)| Box::pin(find_by_token(tx, *hash, *kind))).await
    }

    async fn find_session(&self, app: AppId, id: SessionId) -> Result<Option<SignedIn>> {
        self.read((app, id), |tx, (app, id)| Box::pin(find(tx, *app, *id))).await
    }

    async fn find_sealed_token(&self, id: SessionId, kind: TokenKind) -> Result<Option<Vec<u8>>> {
        self.read((id, kind), |tx, (id, kind)| {
            Box::pin(async move {
                let row = tx.first(SEALED, values![*id, *kind as i64]).await?;
                row.map(|mut row| row.next()).transpose()
            })
        })
        .await
    }

    async fn list_sessions(&self, app: AppId, user: UserId, now: Timestamp) -> Result<Vec<SignedIn>> {
        self.read((user, app, now), |tx, (user, app, now)| {
            Box::pin(async move { tx.many(LIVE_OF_USER, values![*user, *app, *now]).await?.into_iter().map(read).collect() })
        })
        .await
    }

    async fn touch_session(&self, app: AppId, id: SessionId, now: Timestamp) -> Result<()> {
        self.write_soft((now, id, app), |tx, (now, id, app)| {
            Box::pin(async move { tx.run(SEEN, values![*now, *id, *app]).await.map(|_| ()) })
        })
        .await
    }

    async fn change_session(&self, change_one: ChangeSession) -> Result<ChangeSessionOutcome> {
        self.write(change_one, |tx, c| Box::pin(change(tx, c))).await
    }

    async fn rotate_refresh_token(&self, rotate_token: RotateRefreshToken) -> Result<RotateOutcome> {
        self.write_in_turn(rotate_token.presented.as_bytes().to_vec(), rotate_token, |tx, r| Box::pin(rotate(tx, r))).await
    }

    async fn revoke_session(&self, revoke: RevokeSession) -> Result<Vec<SessionId>> {
        self.write_in_turn(turn(revoke.id), revoke, |tx, e| Box::pin(end(tx, e))).await
    }

    async fn revoke_sessions_of(
        &self,
        app: AppId,
        user: UserId,
        except: Option<SessionId>,
        event: Event,
    ) -> Result<Vec<SessionId>> {
        self.write(EndAll { app, user, except, event }, |tx, e| Box::pin(end_all_told(tx, e))).await
    }
}
