//! Links: insert, find, approve. Redeeming has its own file.

use passlink_engine::email_address::EmailAddress;
use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, LinkId, MessageId, SessionId};
use passlink_engine::limits::Taken;
use passlink_engine::links::issue::Together;
use passlink_engine::links::store::{
    ApproveLink, ApproveOutcome, CodeOutcome, ExchangeCode, ExchangeCodeOutcome, ExchangeLink, ExchangeOutcome, InsertOutcome,
    LinkKey, LinkStore, NewLink, RedeemLink, RedeemOutcome, TryCode,
};
use passlink_engine::links::{Handover, Link, Minter, Purpose, RequesterProof, RevokedWhy};
use passlink_engine::messages::store::MessageState;
use passlink_engine::secret::TokenHash;
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::users::store::CreateUserOutcome;
use passlink_engine::{Error, Result};

use crate::SqlStore;
use crate::failpoint::Failpoint;
use crate::statements::{append, statements};
use crate::tx::{Row, Tx, values};
use crate::{events, exchange, invites, limits, outbox, people, redeem, users};

macro_rules! insert_columns {
    () => {
        "hash, id, app_id, purpose, address, user_id, redirect, handover, requester, requester_bound, code_hash, code_attempts, number_attempts,
        issued_at, expires_at, session_lifetime, options, parent_id, sealed"
    };
}

/// How many newer links the same address has (alias `links` for the older one), counted no further than a policy may ask.
macro_rules! newer {
    () => {
        "(SELECT count(*) FROM (SELECT 1 FROM links n WHERE n.app_id = links.app_id AND n.address = links.address AND n.id > links.id LIMIT 100) AS newer)"
    };
}
pub(crate) use newer;

/// What makes a link live, apart from its key; `$now` and `$pending` are the numbers of those parameters.
macro_rules! live {
    ($now:literal, $pending:literal) => {
        concat!(
            "redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > ",
            $now,
            " AND ",
            $crate::links::newer!(),
            " < CAST(",
            $pending,
            " AS BIGINT)"
        )
    };
}
pub(crate) use live;

append!(
    INSERT_LINK,
    insert_link,
    concat!("INSERT INTO links (", insert_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"),
    concat!(
        "INSERT INTO links (",
        insert_columns!(),
        ") SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::text[], $6::bytea[], $7::text[], $8::bigint[], $9::bytea[],
        $10::bigint[], $11::bytea[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::bytea[],
        $19::bytea[])"
    ),
    [Bytes, Bytes, Bytes, Int, Text, Bytes, Text, Int, Bytes, Int, Bytes, Int, Int, Int, Int, Int, Text, Bytes, Bytes]
);

macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT hash, id, app_id, purpose, address, user_id, redirect, handover, requester, requester_bound, code_hash, code_attempts,
            number_attempts, issued_at, expires_at, approved_at, redeemed_at, redeemer, revoked_at, revoked_why, session_id, replay, session_lifetime,
            options, parent_id, (SELECT COALESCE(p.revoked_at, p.expires_at) FROM sessions p WHERE p.id = links.parent_id), sealed, opens,
            CASE WHEN address IS NULL THEN 0 ELSE ",
            newer!(),
            " END FROM links WHERE ",
            $where
        )
    };
}

statements! {
    FIND_BY_HASH = select!("hash = $1 AND app_id = $2");
    FIND_BY_ID = select!("id = $1 AND app_id = $2");
    // Without the app: the proof is the right, and only its holder is answered.
    FIND_REQUESTED = select!("id = $1 AND requester = $2");
    FIND_SHORT = select!("hash = $1 AND purpose = 4");
    COUNT_OPENING = "UPDATE links SET opens = opens + 1 WHERE id = $1 AND app_id = $2";
    LIST = select!("app_id = $1 AND handover = $2 AND id < $3 ORDER BY id DESC LIMIT CAST($4 AS BIGINT)");
    REVOKE = "UPDATE links SET revoked_at = $1, revoked_why = 3 WHERE id = $2 AND app_id = $3 AND redeemed_at IS NULL AND revoked_at IS NULL
        AND expires_at > $1 RETURNING id";
    FIND_NEWEST_CODE = select!("app_id = $1 AND address = $2 AND handover = 3 AND code_hash IS NOT NULL ORDER BY id DESC LIMIT 1");
    REVOKE_TO = "UPDATE links SET revoked_at = $1, revoked_why = 3 WHERE app_id = $2 AND address = $3 AND purpose = $4 AND redeemed_at IS NULL
        AND revoked_at IS NULL AND expires_at > $1";
    APPROVE = concat!("UPDATE links SET approved_at = $1 WHERE hash = $2 AND app_id = $3 AND approved_at IS NULL
        AND number_attempts < CAST($4 AS BIGINT) AND ", live!("$1", "$5"), " RETURNING id");
    WRONG_NUMBER = "UPDATE links SET number_attempts = number_attempts + 1 WHERE hash = $1 AND app_id = $2 AND approved_at IS NULL
        AND number_attempts < CAST($3 AS BIGINT) AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $4 RETURNING number_attempts";
}

pub(crate) async fn find(tx: &mut Tx, app: AppId, key: LinkKey) -> Result<Option<Link>> {
    let row = match key {
        LinkKey::Hash(hash) => tx.first(FIND_BY_HASH, values![hash, app]).await?,
        LinkKey::Id(id) => tx.first(FIND_BY_ID, values![id, app]).await?,
    };
    row.map(read).transpose()
}

fn read(mut row: Row) -> Result<Link> {
    let unknown = |what: &str| Error::internal(format!("a link has an unknown {what}"));
    let (hash, id, app) = (row.next()?, row.next()?, row.next()?);
    let purpose = match row.next::<i64>()? {
        1 => Purpose::SignIn,
        2 => Purpose::Invite,
        3 => Purpose::Verify,
        4 => Purpose::Redirect,
        _ => return Err(unknown("purpose")),
    };
    let address: Option<String> = row.next()?;
    let address = address.map(|text| EmailAddress::parse(&text)).transpose().map_err(Error::internal)?;
    let (user, redirect) = (row.next()?, row.next()?);
    let handover = match row.next::<i64>()? {
        1 => Handover::Cookie,
        2 => Handover::Fragment,
        3 => Handover::Client,
        4 => Handover::Signed,
        _ => return Err(unknown("handover")),
    };
    let requester: Option<TokenHash> = row.next()?;
    let bound = row.next()?;
    let (code_hash, code_attempts, number_attempts) = (row.next()?, row.next()?, row.next()?);
    let (issued_at, expires_at, approved_at, redeemed_at, redeemer) =
        (row.next()?, row.next()?, row.next()?, row.next()?, row.next()?);
    let revoked_at: Option<Timestamp> = row.next()?;
    let revoked_why: Option<i64> = row.next()?;
    let revoked = revoked_at.map(|at| {
        let why = match revoked_why {
            Some(1) => RevokedWhy::OtherRedeemed,
            Some(2) => RevokedWhy::WrongCodes,
            _ => RevokedWhy::Revoked,
        };
        (at, why)
    });
    let (session, replay) = (row.next()?, row.next()?);
    let session_lifetime: Option<i64> = row.next()?;
    let options: String = row.next()?;
    let (parent, ends_at): (Option<SessionId>, Option<Timestamp>) = (row.next()?, row.next()?);
    Ok(Link {
        id,
        app,
        hash,
        purpose,
        address,
        user,
        redirect,
        handover,
        requester: requester.map(|hash| RequesterProof { hash, bound }),
        code_hash,
        code_attempts,
        number_attempts,
        issued_at,
        expires_at,
        approved_at,
        redeemed_at,
        redeemer,
        revoked,
        session,
        replay,
        session_lifetime: session_lifetime.map(Lifetime::from_millis),
        minter: parent.map(|session| Minter { session, ends_at }),
        sealed: row.next()?,
        options: serde_json::from_str(&options).map_err(Error::internal)?,
        opens: row.next()?,
        newer: row.next()?,
    })
}

fn handover(handover: Handover) -> i64 {
    match handover {
        Handover::Cookie => 1,
        Handover::Fragment => 2,
        Handover::Client => 3,
        Handover::Signed => 4,
    }
}

async fn insert(tx: &mut Tx, new: &NewLink) -> Result<InsertOutcome> {
    // Before the mailbox pays for it: whoever is told this looks again and comes back.
    let (app, now) = (new.link.app, new.link.issued_at);
    let is_taken = match &new.together {
        Together::Nothing | Together::Invite(_) => false,
        Together::User(user) => users::taken_address(tx, user).await?.is_some(),
        Together::Address(address) => people::owner(tx, app, &address.address, now).await?.is_some(),
    };
    if is_taken {
        return Ok(InsertOutcome::AddressTaken);
    }
    if let Some(mailbox) = &new.mailbox {
        let micros = now.as_millis().saturating_mul(1000);
        if !matches!(limits::take_one(tx, &mailbox.take, micros).await?, Taken::Allowed { .. }) {
            if let Some(withheld) = &mailbox.withheld {
                insert_row(tx, &withheld.0)?;
                events::write(tx, &withheld.1)?;
            }
            return Ok(InsertOutcome::Withheld);
        }
    }
    match &new.together {
        Together::Nothing | Together::Invite(_) => {}
        Together::User(user) => {
            if users::create(tx, user).await? != CreateUserOutcome::Created {
                return Err(users::taken_meanwhile());
            }
        }
        Together::Address(address) => {
            users::add_address(tx, app, address, now).await?;
        }
    }
    if let Together::Invite(invite) = &new.together
        && let Err(refusal) = invites::insert(tx, new.link.id, invite).await?
    {
        return Ok(InsertOutcome::Member(refusal));
    }
    insert_row(tx, &new.link)?;
    if let Some(message) = &new.message {
        outbox::queue(tx, message)?;
    }
    new.events.iter().try_for_each(|event| events::write(tx, event))?;
    Failpoint::LinkWritten.reached();
    Ok(InsertOutcome::Made)
}

fn insert_row(tx: &mut Tx, link: &Link) -> Result<()> {
    let options = serde_json::to_string(&link.options).map_err(Error::internal)?;
    tx.append(
        &INSERT_LINK,
        values![
            link.hash,
            link.id,
            link.app,
            link.purpose as i64,
            link.address.as_ref().map(EmailAddress::as_str),
            link.user,
            link.redirect.as_deref(),
            handover(link.handover),
            link.requester.as_ref().map(|r| r.hash),
            link.requester.as_ref().is_some_and(|r| r.bound),
            link.code_hash.as_deref(),
            link.code_attempts,
            link.number_attempts,
            link.issued_at,
            link.expires_at,
            link.session_lifetime.map(Lifetime::as_millis),
            options,
            link.minter.map(|minter| minter.session),
            link.sealed.as_deref()
        ],
    )
}

async fn approve(tx: &mut Tx, a: &ApproveLink) -> Result<ApproveOutcome> {
    if a.matches {
        if tx.first(APPROVE, values![a.now, a.hash, a.app, Link::NUMBER_TRIES, a.pending_links]).await?.is_some() {
            events::write(tx, &a.approved)?;
            return Ok(ApproveOutcome::Approved);
        }
    } else if let Some(mut row) = tx.first(WRONG_NUMBER, values![a.hash, a.app, Link::NUMBER_TRIES, a.now]).await? {
        events::write(tx, &a.refused)?;
        return Ok(ApproveOutcome::Wrong { left: Link::NUMBER_TRIES.saturating_sub(row.next()?) });
    }
    Ok(ApproveOutcome::NotLive(find(tx, a.app, LinkKey::Hash(a.hash)).await?.map(Box::new)))
}

#[async_trait::async_trait]
impl LinkStore for SqlStore {
    async fn insert_link(&self, new: NewLink) -> Result<InsertOutcome> {
        // Groups take the limits of mailboxes in one order, so that two servers never wait for each other crosswise.
        let turn = new.mailbox.as_ref().map(|mailbox| mailbox.take.key.clone()).unwrap_or_default();
        Failpoint::LinkChecked.reached();
        let inserted = self.write_in_turn(turn, new, |tx, new| Box::pin(insert(tx, new))).await;
        Failpoint::LinkCommitted.reached();
        inserted
    }

    async fn find_link(&self, app: AppId, key: LinkKey) -> Result<Option<Link>> {
        self.read((app, key), |tx, (app, key)| Box::pin(find(tx, *app, *key))).await
    }

    async fn find_short_link(&self, hash: TokenHash) -> Result<Option<Link>> {
        self.read(hash, |tx, hash| Box::pin(async move { tx.first(FIND_SHORT, values![*hash]).await?.map(read).transpose() }))
            .await
    }

    async fn count_opening(&self, app: AppId, link: LinkId) -> Result<()> {
        self.write_soft((app, link), |tx, (app, link)| {
            Box::pin(async move { tx.run(COUNT_OPENING, values![*link, *app]).await.map(|_| ()) })
        })
        .await
    }

    async fn list_links(&self, app: AppId, how: Handover, after: Option<LinkId>, limit: u32) -> Result<Vec<Link>> {
        let after = after.map_or_else(|| vec![255; 16], |id| id.as_bytes().to_vec());
        self.read((app, how, after, limit), |tx, (app, how, after, limit)| {
            Box::pin(async move {
                let rows = tx.many(LIST, values![*app, handover(*how), after.as_slice(), *limit]).await?;
                rows.into_iter().map(read).collect()
            })
        })
        .await
    }

    async fn revoke_link(&self, app: AppId, link: LinkId, event: Event) -> Result<bool> {
        self.write((app, link, event), |tx, (app, link, event)| {
            Box::pin(async move {
                let ended = tx.first(REVOKE, values![event.at, *link, *app]).await?.is_some();
                if ended {
                    events::write(tx, event)?;
                }
                Ok(ended)
            })
        })
        .await
    }

    async fn find_requested_link(&self, id: LinkId, requester: TokenHash) -> Result<Option<Link>> {
        self.read((id, requester), |tx, (id, requester)| {
            Box::pin(async move { tx.first(FIND_REQUESTED, values![*id, *requester]).await?.map(read).transpose() })
        })
        .await
    }

    async fn redeem_link(&self, redeem: RedeemLink) -> Result<RedeemOutcome> {
        Failpoint::RedeemAllowed.reached();
        let outcome = self.write_in_turn(redeem::turn(&redeem), redeem, |tx, redeem| Box::pin(redeem::redeem(tx, redeem))).await;
        Failpoint::RedeemCommitted.reached();
        outcome
    }

    async fn exchange_link(&self, exchange: ExchangeLink) -> Result<ExchangeOutcome> {
        let turn = exchange::turn(&exchange);
        self.write_in_turn(turn, exchange, |tx, exchange| Box::pin(exchange::exchange(tx, exchange))).await
    }

    async fn find_newest_code(&self, app: AppId, address: &EmailAddress) -> Result<Option<Link>> {
        self.read((app, address.clone()), |tx, (app, address)| {
            Box::pin(async move { tx.first(FIND_NEWEST_CODE, values![*app, address.as_str()]).await?.map(read).transpose() })
        })
        .await
    }

    async fn exchange_code(&self, attempt: ExchangeCode) -> Result<ExchangeCodeOutcome> {
        self.write_alone(attempt, |tx, attempt| Box::pin(exchange::exchange_code(tx, attempt))).await
    }

    async fn revoke_links_to(&self, app: AppId, address: &EmailAddress, purpose: Purpose, event: Event) -> Result<u64> {
        self.write((event, app, address.clone(), purpose), |tx, (event, app, address, purpose)| {
            Box::pin(async move {
                let ended = tx.run(REVOKE_TO, values![event.at, *app, address.as_str(), *purpose as i64]).await?;
                if ended > 0 {
                    events::write(tx, event)?;
                }
                Ok(ended)
            })
        })
        .await
    }

    async fn try_code(&self, attempt: TryCode) -> Result<CodeOutcome> {
        // In a group, several would be counted before the first of them is done.
        self.write_alone(attempt, |tx, attempt| Box::pin(redeem::try_code(tx, attempt))).await
    }

    async fn approve_link(&self, approve_one: ApproveLink) -> Result<ApproveOutcome> {
        self.write(approve_one, |tx, a| Box::pin(approve(tx, a))).await
    }

    async fn find_message_of_link(&self, link: LinkId) -> Result<Option<(MessageId, MessageState)>> {
        self.read(link, |tx, link| Box::pin(outbox::of_link(tx, *link))).await
    }
}
