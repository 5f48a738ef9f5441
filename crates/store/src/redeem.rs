//! Redeeming: the guarded statements that decide, and everything a session needs, in one transaction.

use passlink_engine::Result;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, LinkId, SessionId, UserId};
use passlink_engine::links::RevokedWhy;
use passlink_engine::links::store::{CodeOutcome, LinkKey, RedeemLink, RedeemOutcome, TryCode};
use passlink_engine::sessions::{Session, SessionDetails, SignedIn};
use passlink_engine::time::Timestamp;
use passlink_engine::users::User;

use crate::failpoint::Failpoint;
use crate::links::live;
use crate::statements::statements;
use crate::tx::{Tx, values};
use crate::{events, links, plan, sessions, users};

/// Consumes a link that signs in or invites. Besides being live, no other link of its address may have been redeemed since it was made: the write that ends those
/// others may be in the same group and not have run yet. What a session handed off ends with that session.
macro_rules! consume {
    ($key:literal) => {
        concat!(
            "UPDATE links SET redeemed_at = $1, redeemer = $2, replay = $3, session_id = $4, sealed = NULL WHERE ",
            $key,
            " = $5 AND app_id = $6 AND purpose IN (1, 2) AND (approved_at IS NOT NULL OR CAST($7 AS BIGINT) = 0) AND ",
            live!("$1", "$8"),
            " AND NOT EXISTS (SELECT 1 FROM links s WHERE s.app_id = links.app_id AND s.address = links.address AND s.redeemed_at > links.issued_at)
            AND (parent_id IS NULL OR EXISTS (SELECT 1 FROM sessions p WHERE p.id = links.parent_id AND p.revoked_at IS NULL AND p.expires_at > $1))
            RETURNING id"
        )
    };
}

statements! {
    CONSUME_BY_HASH = consume!("hash");
    CONSUME_BY_ID = consume!("id");
    END_OTHERS = "UPDATE links SET revoked_at = $1, revoked_why = 1 WHERE app_id = $2 AND address = $3 AND redeemed_at IS NULL AND revoked_at IS NULL";
    END_USERS_LINKS = "UPDATE links SET revoked_at = $1, revoked_why = 3, sealed = NULL WHERE user_id = $2 AND redeemed_at IS NULL AND revoked_at IS NULL";
    // Counted before it is compared (`security.md` 26).
    COUNT_CODE = concat!("UPDATE links SET code_attempts = code_attempts + 1 WHERE id = $1 AND app_id = $2 AND code_attempts < CAST($3 AS BIGINT) AND ",
        live!("$4", "$5"), " RETURNING code_hash, code_attempts");
    CLOSE = "UPDATE links SET revoked_at = $1, revoked_why = $2 WHERE id = $3 AND redeemed_at IS NULL AND revoked_at IS NULL RETURNING id";
}

/// For PostgreSQL alone: takes the open links of an address, always in the same order. A redemption consumes one of them and then ends the others; two at
/// once would each hold what the other wants. SQLite has one writer at a time.
pub(crate) const LOCK_ADDRESS: &str = "SELECT id FROM links WHERE app_id = $1 AND address = $2 AND redeemed_at IS NULL AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE";

/// The place of a redemption in its group: that of its address or of its parent, which it locks first.
pub(crate) fn turn(r: &RedeemLink) -> Vec<u8> {
    if let Some(child) = &r.child_of {
        return sessions::turn(child.parent);
    }
    let planned = r.plan.as_ref().and_then(|planned| planned.plan.addresses().next());
    let address = r.address.as_ref().map(|a| a.as_str().as_bytes());
    [r.app.as_bytes(), address.or(planned.as_ref().map(|a| a.as_str().as_bytes())).unwrap_or_default()].concat()
}

pub(crate) async fn lock_address(tx: &mut Tx, app: AppId, address: Option<&EmailAddress>) -> Result<()> {
    match address {
        Some(address) => tx.lock(LOCK_ADDRESS, values![app, address.as_str()]).await,
        None => Ok(()),
    }
}

/// Ends all open links that name a user. After sessions are ended: whoever wants both takes a session before a link without address.
pub(crate) async fn end_links_of(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    tx.run(END_USERS_LINKS, values![now, user]).await.map(|_| ())
}

/// Ends all open links to an address.
pub(crate) async fn end_others(tx: &mut Tx, app: AppId, address: &EmailAddress, now: Timestamp) -> Result<()> {
    tx.run(END_OTHERS, values![now, app, address.as_str()]).await.map(|_| ())
}

/// What uses a link up.
pub(crate) struct Consume<'a> {
    pub(crate) key: LinkKey,
    pub(crate) app: AppId,
    pub(crate) now: Timestamp,
    pub(crate) session: Option<SessionId>,
    pub(crate) redeemer: Option<&'a [u8]>,
    pub(crate) replay: Option<&'a [u8]>,
    pub(crate) must_be_approved: bool,
    pub(crate) pending_links: u32,
}

/// Uses a link up by one guarded statement; `None` when it is not live.
pub(crate) async fn consume(tx: &mut Tx, c: Consume<'_>) -> Result<Option<LinkId>> {
    let (sql, key) = match c.key {
        LinkKey::Hash(hash) => (CONSUME_BY_HASH, values![hash]),
        LinkKey::Id(id) => (CONSUME_BY_ID, values![id]),
    };
    let mut parameters = values![c.now, c.redeemer, c.replay, c.session];
    parameters.extend(key);
    parameters.extend(values![c.app, c.must_be_approved, c.pending_links]);
    tx.first(sql, parameters).await?.map(|mut row| row.next()).transpose()
}

pub(crate) async fn redeem(tx: &mut Tx, r: &RedeemLink) -> Result<RedeemOutcome> {
    lock_address(tx, r.app, r.address.as_ref()).await?;
    sessions::lock(tx, r.child_of.as_ref().map(|child| child.parent)).await?;
    redeem_locked(tx, r).await
}

async fn redeem_locked(tx: &mut Tx, r: &RedeemLink) -> Result<RedeemOutcome> {
    if let Some(planned) = &r.plan {
        return plan::redeem(tx, r, planned).await;
    }
    let known = match (&r.user, &r.address) {
        (Some(user), _) => users::find(tx, r.app, *user).await?,
        (None, Some(address)) => users::find_by_email(tx, r.app, address).await?,
        (None, None) => None,
    };
    let may = match &known {
        Some(user) => user.disabled_at.is_none(),
        None => r.sign_up_open && r.user.is_none() && r.address.is_some(),
    };
    if !may {
        return Ok(match links::find(tx, r.app, r.key).await? {
            Some(link) if link.redeemed_at.is_none() && (link.address.is_some() || link.minter.is_some()) => {
                RedeemOutcome::UserRefused
            }
            link => RedeemOutcome::NotLive(link.map(Box::new)),
        });
    }
    let Some(link) = use_up(tx, r).await? else {
        return Ok(RedeemOutcome::NotLive(links::find(tx, r.app, r.key).await?.map(Box::new)));
    };
    begin_session(tx, r, link, known).await
}

/// Uses up the link of a redemption.
pub(crate) async fn use_up(tx: &mut Tx, r: &RedeemLink) -> Result<Option<LinkId>> {
    let what = Consume {
        key: r.key,
        app: r.app,
        now: r.now,
        session: Some(r.session),
        redeemer: r.redeemer.as_deref(),
        replay: r.replay.as_deref(),
        must_be_approved: r.must_be_approved,
        pending_links: r.pending_links,
    };
    consume(tx, what).await
}

async fn begin_session(tx: &mut Tx, r: &RedeemLink, link: LinkId, known: Option<User>) -> Result<RedeemOutcome> {
    let mut created = false;
    let mut ended = Vec::new();
    let mut user = match (known, &r.address) {
        (Some(user), _) => user,
        (None, Some(address)) => {
            let proven = users::Proven { app: r.app, user: r.new_user, identifier: r.new_identifier, email: address };
            let (id, is_new) = users::create_proven(tx, proven, r.now).await?;
            created = is_new;
            if is_new {
                User {
                    id,
                    app: r.app,
                    email: Some(address.clone()),
                    email_verified_at: Some(r.now),
                    created_at: r.now,
                    disabled_at: None,
                    is_pending: false,
                }
            } else {
                users::find(tx, r.app, id).await?.ok_or_else(|| passlink_engine::Error::unavailable("a user is being made"))?
            }
        }
        (None, None) => return Err(passlink_engine::Error::internal("a link for nobody")),
    };
    if let Some(address) = &r.address {
        if user.email_verified_at.is_none() && users::verify(tx, r.app, address, r.now).await? {
            ended = first_proof(tx, r, &user).await?;
            user.email_verified_at = Some(r.now);
        }
        end_others(tx, r.app, address, r.now).await?;
    }
    write_session(tx, r, link, Arrived { user, created, ended }).await
}

/// Whoever wrote an address before its owner proved it keeps nothing (`security.md` 32): sessions and links of the account end.
pub(crate) async fn first_proof(tx: &mut Tx, r: &RedeemLink, user: &User) -> Result<Vec<SessionId>> {
    let ended = sessions::end_all(tx, r.app, user.id, None, r.now).await?;
    events::write(tx, &about(&r.events.address_verified, user, None))?;
    end_links_of(tx, user.id, r.now).await?;
    if !ended.is_empty() {
        let mut event = about(&r.events.sessions_revoked, user, None);
        sessions::name_ended(&mut event, &ended);
        events::write(tx, &event)?;
    }
    Ok(ended)
}

/// Who signs in.
pub(crate) struct Arrived {
    pub(crate) user: User,
    pub(crate) created: bool,
    pub(crate) ended: Vec<SessionId>,
}

/// The session of a redemption, with its tokens and what is told of them.
pub(crate) async fn write_session(tx: &mut Tx, r: &RedeemLink, link: LinkId, arrived: Arrived) -> Result<RedeemOutcome> {
    let Arrived { mut user, created, ended } = arrived;
    users::activate(tx, &mut user).await?;
    let session = Session {
        id: r.session,
        app: r.app,
        user: user.id,
        method: r.method,
        link: Some(link),
        created_at: r.now,
        refreshed_at: r.now,
        expires_at: r.session_expires_at,
        revoked_at: None,
        device: r.device.clone(),
        parent: r.child_of.as_ref().map(|child| child.parent),
        label: r.child_of.as_ref().and_then(|child| child.label.clone()),
        lifetime: r.session_lifetime,
        accessed_at: None,
        details: SessionDetails::default(),
        version: 0,
    };
    sessions::insert(tx, &session, &r.tokens).await?;
    if let Some(opened) = &r.events.opened {
        events::write(tx, opened)?;
    }
    for event in created.then_some(&r.events.user_created).into_iter().chain([&r.events.redeemed, &r.events.session_started]) {
        events::write(tx, &about(event, &user, Some(session.id)))?;
    }
    Failpoint::RedeemWritten.reached();
    Ok(RedeemOutcome::Redeemed { signed_in: Box::new(SignedIn { session, user }), created, ended })
}

pub(crate) fn about(event: &Event, user: &User, session: Option<SessionId>) -> Event {
    Event { user: Some(user.id), session, ..event.clone() }
}

/// A try at a code.
pub(crate) struct Try<'a> {
    pub(crate) link: LinkId,
    pub(crate) app: AppId,
    pub(crate) tries: u32,
    pub(crate) now: Timestamp,
    pub(crate) pending_links: u32,
    pub(crate) expected: &'a [u8],
}

/// Counts a try, then compares; the number of tries, and whether it is right. `None` when none was left or the link is not live.
pub(crate) async fn count_code(tx: &mut Tx, t: &Try<'_>) -> Result<Option<(u32, bool)>> {
    let Some(mut counted) = tx.first(COUNT_CODE, values![t.link, t.app, t.tries, t.now, t.pending_links]).await? else {
        return Ok(None);
    };
    let stored: Option<Vec<u8>> = counted.next()?;
    let attempts: u32 = counted.next()?;
    Ok(Some((attempts, stored.as_deref().is_some_and(|stored| passlink_engine::secret::equal(stored, t.expected)))))
}

/// Tells of a wrong code, and closes the request with the last one.
pub(crate) async fn wrong_code(tx: &mut Tx, t: &Try<'_>, attempts: u32, refused: &Event, closed: &Event) -> Result<()> {
    events::write(tx, refused)?;
    if attempts >= passlink_engine::links::Link::CODE_TRIES
        && tx.first(CLOSE, values![t.now, RevokedWhy::WrongCodes as i64, t.link]).await?.is_some()
    {
        events::write(tx, closed)?;
    }
    Ok(())
}

pub(crate) async fn try_code(tx: &mut Tx, t: &TryCode) -> Result<CodeOutcome> {
    let r = &t.redeem;
    let LinkKey::Id(link) = r.key else { return Err(passlink_engine::Error::internal("a code is tried by the id of its link")) };
    lock_address(tx, r.app, r.address.as_ref()).await?;
    let attempt = Try { link, app: r.app, tries: t.tries, now: r.now, pending_links: r.pending_links, expected: &t.expected };
    match count_code(tx, &attempt).await? {
        None => Ok(CodeOutcome::NotLive(links::find(tx, r.app, r.key).await?.map(Box::new))),
        Some((_, true)) => redeem_locked(tx, r).await.map(CodeOutcome::Right),
        Some((attempts, false)) => {
            wrong_code(tx, &attempt, attempts, &t.refused, &t.closed).await?;
            Ok(CodeOutcome::Wrong { left: t.tries.saturating_sub(attempts) })
        }
    }
}
