//! Invitations into groups.

use passlink_engine::events::Event;
use passlink_engine::groups::GroupRef;
use passlink_engine::groups::invites::{
    InsertMemberRefusal, Invite, InviteState, NewInvite, Settle, SettleInvite, SettleOutcome,
};
use passlink_engine::groups::store::{AddRight, InsertMember, InsertMemberOutcome};
use passlink_engine::ids::{AppId, GroupId, InviteId, LinkId, UserId};
use passlink_engine::{Error, Result};

use crate::statements::statements;
use crate::tx::{Row, Tx, values};
use crate::{groups, members};

macro_rules! invites {
    ($where:literal) => {
        concat!(
            "SELECT id, app_id, group_id, user_id, member_id, link_id, roles, state, address, redirect, created_at, created_by, accepted_at FROM invites WHERE ",
            $where
        )
    };
}

statements! {
    FIND = invites!("id = $1 AND group_id = $2 AND app_id = $3");
    FIND_OPEN = invites!("id = $1 AND app_id = $2 AND user_id = $3 AND state = 1");
    LIST = invites!("group_id = $1 AND app_id = $2 AND id > $3 ORDER BY id LIMIT CAST($4 AS BIGINT)");
    COUNT = "SELECT count(*) FROM invites WHERE group_id = $1";
    INSERT = "INSERT INTO invites (id, app_id, group_id, user_id, member_id, link_id, roles, state, address, redirect, created_at, created_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    CHANGE_ROLES = "UPDATE invites SET roles = $1 WHERE id = $2 AND group_id = $3 AND app_id = $4 AND state = 1 RETURNING member_id";
    MEMBER_ROLES = "UPDATE members SET roles = $1 WHERE id = $2 AND state = 2";
    ACCEPT = "UPDATE invites SET state = 2, accepted_at = $1 WHERE id = $2 AND state = 1
        AND EXISTS (SELECT 1 FROM members m WHERE m.id = invites.member_id) RETURNING member_id";
    ACTIVATE = "UPDATE members SET state = 1 WHERE id = $1 AND state <> 1";
    DELETE = "DELETE FROM invites WHERE id = $1 RETURNING member_id";
    DELETE_PENDING = "DELETE FROM members WHERE id = $1 AND state <> 1";
    END_LINK = "UPDATE links SET revoked_at = $1, revoked_why = 3 WHERE id = $2 AND redeemed_at IS NULL AND revoked_at IS NULL";
    DELETE_OF_GROUP = "DELETE FROM invites WHERE group_id = $1 RETURNING link_id";
    DELETE_OF_USER = "DELETE FROM invites WHERE user_id = $1";
}

fn read(mut row: Row) -> Result<Invite> {
    let (id, app, group, user, member, link) = (row.next()?, row.next()?, row.next()?, row.next()?, row.next()?, row.next()?);
    let roles: String = row.next()?;
    let state = match row.next::<i64>()? {
        1 => InviteState::Pending,
        2 => InviteState::Accepted,
        _ => InviteState::Rejected,
    };
    let named: String = row.next()?;
    Ok(Invite {
        id,
        app,
        group,
        user,
        member,
        link,
        roles: serde_json::from_str(&roles).map_err(Error::internal)?,
        state,
        named: serde_json::from_str(&named).map_err(Error::internal)?,
        redirect: row.next()?,
        created_at: row.next()?,
        created_by: row.next()?,
        accepted_at: row.next()?,
    })
}

fn json(roles: &[String]) -> Result<String> {
    serde_json::to_string(roles).map_err(Error::internal)
}

/// An invitation and its pending member, in the transaction of its link.
pub(crate) async fn insert(tx: &mut Tx, link: LinkId, new: &NewInvite) -> Result<std::result::Result<(), InsertMemberRefusal>> {
    let i = &new.invite;
    let member = InsertMember {
        app: i.app,
        group: GroupRef::Id(i.group),
        right: AddRight::As(new.right),
        member: new.member.clone(),
        event: new.event.clone(),
    };
    match members::insert_member(tx, &member).await? {
        InsertMemberOutcome::Added(_) => {}
        refused => return Ok(Err(InsertMemberRefusal::from(&refused))),
    }
    let mut row = values![i.id, i.app, i.group, i.user, i.member, link, json(&i.roles)?, i.state as i64];
    row.extend(values![i.named.to_string(), i.redirect.as_deref(), i.created_at, i.created_by.as_str()]);
    tx.run(INSERT, row).await?;
    Ok(Ok(()))
}

pub(crate) async fn find(tx: &mut Tx, app: AppId, group: GroupId, invite: InviteId) -> Result<Option<Invite>> {
    tx.first(FIND, values![invite, group, app]).await?.map(read).transpose()
}

pub(crate) async fn list(
    tx: &mut Tx,
    app: AppId,
    group: GroupId,
    after: Option<InviteId>,
    limit: u32,
) -> Result<(u64, Vec<Invite>)> {
    let mut row = tx.first(COUNT, values![group]).await?.ok_or_else(|| Error::internal("a count without a row"))?;
    let after = after.map_or_else(|| vec![0; 16], |id| id.as_bytes().to_vec());
    let rows = tx.many(LIST, values![group, app, after, limit]).await?;
    let invites: Result<Vec<Invite>> = rows.into_iter().map(read).collect();
    Ok((row.next::<i64>()?.unsigned_abs(), invites?))
}

pub(crate) async fn change(
    tx: &mut Tx,
    app: AppId,
    group: GroupId,
    invite: InviteId,
    roles: &[String],
) -> Result<Option<Invite>> {
    let text = json(roles)?;
    let Some(mut row) = tx.first(CHANGE_ROLES, values![text.as_str(), invite, group, app]).await? else { return Ok(None) };
    let member: passlink_engine::ids::MemberId = row.next()?;
    tx.run(MEMBER_ROLES, values![text, member]).await?;
    find(tx, app, group, invite).await
}

async fn accept(tx: &mut Tx, invite: &Invite, event: &Event) -> Result<bool> {
    if tx.first(ACCEPT, values![event.at, invite.id]).await?.is_none() {
        return Ok(false);
    }
    tx.run(ACTIVATE, values![invite.member]).await?;
    groups::tell(tx, event, invite.group, Some(invite.user))?;
    Ok(true)
}

/// The invited person redeemed the link; for anybody else it only signs in.
pub(crate) async fn accept_by_link(tx: &mut Tx, app: AppId, invite: InviteId, user: UserId, event: &Event) -> Result<()> {
    let Some(found) = tx.first(FIND_OPEN, values![invite, app, user]).await?.map(read).transpose()? else { return Ok(()) };
    accept(tx, &found, event).await.map(|_| ())
}

pub(crate) async fn settle(tx: &mut Tx, s: &SettleInvite) -> Result<SettleOutcome> {
    let Some(found) = find(tx, s.app, s.group, s.invite).await? else { return Ok(SettleOutcome::Unknown) };
    match s.settle {
        Settle::Accept(user) if found.user != user => return Ok(SettleOutcome::Forbidden),
        Settle::Accept(_) => {
            if !accept(tx, &found, &s.event).await? {
                return Ok(SettleOutcome::Unknown);
            }
        }
        Settle::Remove(right) => {
            if !groups::may(tx, s.group, right).await? {
                return Ok(SettleOutcome::Forbidden);
            }
            if tx.first(DELETE, values![found.id]).await?.is_none() {
                return Ok(SettleOutcome::Unknown);
            }
            tx.run(DELETE_PENDING, values![found.member]).await?;
            groups::tell(tx, &s.event, found.group, Some(found.user))?;
        }
    }
    tx.run(END_LINK, values![s.event.at, found.link]).await?;
    let now = find(tx, s.app, s.group, s.invite).await?;
    Ok(SettleOutcome::Done(Box::new(now.unwrap_or(found))))
}

/// The invitations of a group that is gone; their links sign in all the same.
pub(crate) async fn remove_group(tx: &mut Tx, group: GroupId) -> Result<()> {
    tx.many(DELETE_OF_GROUP, values![group]).await.map(|_| ())
}

/// The invitations of a user who is gone.
pub(crate) async fn remove_user(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.run(DELETE_OF_USER, values![user]).await.map(|_| ())
}
