//! Members of groups. Who adds one holds user and group (on PostgreSQL, where transactions run side by side), so that no membership outlives either; the first member of
//! a group is decided while nobody else can hold the group.

use passlink_engine::events::Event;
use passlink_engine::groups::store::{AddRight, InsertMember, InsertMemberOutcome, MemberOutcome, Right, UpdateMember};
use passlink_engine::groups::{Admission, Cursor, Group, GroupRef, GroupStatus, Member, MemberRef, MemberState, OWNER, Page};
use passlink_engine::ids::{AppId, GroupId, MemberId, UserId};
use passlink_engine::{Error, Result};

use crate::groups::{self, group_columns};
use crate::invites;
use crate::paging::{List, bytes, count, cut};
use crate::statements::statements;
use crate::tx::{Row, Tx, Value, values};

macro_rules! member_columns {
    () => {
        "members.id, members.group_id, members.user_id, members.roles, members.state, members.added_by, members.invited_by, members.created_at"
    };
}

macro_rules! members {
    ($where:literal) => {
        concat!("SELECT ", member_columns!(), " FROM members WHERE ", $where)
    };
}

statements! {
    FIND_MEMBER = members!("members.group_id = $1 AND members.id = $2");
    FIND_USER = members!("members.group_id = $1 AND members.user_id = $2");
    MEMBERS_AFTER = members!("members.group_id = $1 AND members.id > $2 ORDER BY members.id LIMIT CAST($3 AS BIGINT)");
    MEMBERS_BEFORE = members!("members.group_id = $1 AND members.id < $2 ORDER BY members.id DESC LIMIT CAST($3 AS BIGINT)");
    COUNT_MEMBERS = "SELECT count(*) FROM members WHERE group_id = $1";
    ANY_MEMBER = "SELECT id FROM members WHERE group_id = $1 LIMIT 1";
    // The first member is an owner. Whoever may not decide that ($11) adds nobody to a group without members.
    INSERT_MEMBER = "INSERT INTO members (id, group_id, user_id, roles, state, added_by, invited_by, created_at)
        SELECT $1, $2, $3, CASE WHEN EXISTS (SELECT 1 FROM members WHERE group_id = $2) THEN $4 ELSE $5 END,
            CAST($6 AS BIGINT), $7, $8, CAST($9 AS BIGINT)
        WHERE EXISTS (SELECT 1 FROM groups WHERE id = $2 AND app_id = $10 AND (CAST($11 AS BIGINT) = 0 OR (admission = 2 AND status = 1)))
            AND (CAST($12 AS BIGINT) = 1 OR EXISTS (SELECT 1 FROM members WHERE group_id = $2))
            AND (CAST($13 AS BIGINT) = 0 OR EXISTS (SELECT 1 FROM users WHERE id = $3 AND app_id = $10))
        ON CONFLICT (group_id, user_id) DO NOTHING RETURNING roles";
    USER_IS_THERE = "SELECT id FROM users WHERE id = $1 AND app_id = $2";
    CHANGE_MEMBER = concat!("UPDATE members SET roles = COALESCE($1, members.roles), state = COALESCE(CAST($2 AS BIGINT), members.state) WHERE members.group_id = $3 AND members.id = $4 RETURNING ",
        member_columns!());
    DELETE_MEMBER = concat!("DELETE FROM members WHERE members.group_id = $1 AND members.id = $2 RETURNING ", member_columns!());
    OF_USER = concat!("SELECT ", group_columns!(), ", ", member_columns!(),
        " FROM members JOIN groups ON groups.id = members.group_id WHERE members.user_id = $1 AND groups.app_id = $2 ORDER BY members.id");
    DELETE_MEMBERS = "DELETE FROM members WHERE group_id = $1";
    DELETE_MEMBERSHIPS = "DELETE FROM members WHERE user_id = $1";
}

/// For PostgreSQL alone, as the other two: a user who is about to become a member is not removed meanwhile.
pub(crate) const HOLD_USER: &str = "SELECT id FROM users WHERE id = $1 AND app_id = $2 FOR KEY SHARE";
/// The group is not removed meanwhile; others may join at the same time.
pub(crate) const HOLD_GROUP: &str = "SELECT id FROM groups WHERE id = $1 FOR KEY SHARE";
/// Nobody else joins meanwhile: for the first member.
pub(crate) const HOLD_GROUP_ALONE: &str = "SELECT id FROM groups WHERE id = $1 FOR UPDATE";

fn read_member(row: &mut Row) -> Result<Member> {
    let (id, group, user) = (row.next()?, row.next()?, row.next()?);
    let roles: String = row.next()?;
    let state = match row.next::<i64>()? {
        1 => MemberState::Active,
        2 => MemberState::Pending,
        _ => MemberState::Rejected,
    };
    let roles = serde_json::from_str(&roles).map_err(Error::internal)?;
    Ok(Member { id, group, user, roles, state, added_by: row.next()?, invited_by: row.next()?, created_at: row.next()? })
}

/// The member of a group that is known to be the app's.
pub(crate) async fn member_of(tx: &mut Tx, group: GroupId, member: MemberRef) -> Result<Option<Member>> {
    let row = match member {
        MemberRef::Id(id) => tx.first(FIND_MEMBER, values![group, id]).await?,
        MemberRef::User(user) => tx.first(FIND_USER, values![group, user]).await?,
    };
    row.map(|mut row| read_member(&mut row)).transpose()
}

/// Takes a removed user out of all groups; after the user's own row.
pub(crate) async fn remove_user(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.run(DELETE_MEMBERSHIPS, values![user]).await?;
    invites::remove_user(tx, user).await
}

/// Takes everybody out of a removed group; after the group's own row.
pub(crate) async fn remove_group(tx: &mut Tx, group: GroupId) -> Result<()> {
    tx.run(DELETE_MEMBERS, values![group]).await.map(|_| ())
}

/// A member to be added.
pub(crate) struct Adding<'a> {
    pub(crate) app: AppId,
    pub(crate) member: &'a Member,
    /// Only to a group that is open and in use.
    pub(crate) only_open: bool,
    /// The user is written by this transaction, and cannot be seen yet.
    pub(crate) user_is_new: bool,
    /// The first member is an owner for being it.
    pub(crate) first_owns: bool,
}

/// Adds a member by one guarded statement; the roles they got, or `None` when they are a member already, or group or user are not as they must be.
pub(crate) async fn add(tx: &mut Tx, a: &Adding<'_>) -> Result<Option<Vec<String>>> {
    let m = a.member;
    if !a.user_is_new {
        tx.lock(HOLD_USER, values![m.user, a.app]).await?;
    }
    let is_first = tx.first(ANY_MEMBER, values![m.group]).await?.is_none();
    tx.lock(if is_first { HOLD_GROUP_ALONE } else { HOLD_GROUP }, values![m.group]).await?;
    let mut owner = m.roles.clone();
    if a.first_owns && !owner.iter().any(|role| role == OWNER) {
        owner.insert(0, OWNER.to_owned());
    }
    let (added_by, invited_by) = (m.added_by.as_deref(), m.invited_by.as_deref());
    let mut row = values![m.id, m.group, m.user, groups::json(m.roles.as_slice()), groups::json(owner), m.state as i64];
    row.extend(values![added_by, invited_by, m.created_at, a.app, a.only_open, is_first, !a.user_is_new]);
    let Some(mut added) = tx.first(INSERT_MEMBER, row).await? else { return Ok(None) };
    serde_json::from_str(&added.next::<String>()?).map(Some).map_err(Error::internal)
}

pub(crate) async fn insert_member(tx: &mut Tx, new: &InsertMember) -> Result<InsertMemberOutcome> {
    let Some(group) = groups::find(tx, new.app, &new.group).await? else { return Ok(InsertMemberOutcome::NoGroup) };
    let only_open = match new.right {
        AddRight::Open => true,
        AddRight::As(right) if groups::may(tx, group.id, right).await? => false,
        AddRight::As(_) => return Ok(InsertMemberOutcome::Forbidden),
    };
    let mut member = Member { group: group.id, ..new.member.clone() };
    let adding = Adding { app: new.app, member: &member, only_open, user_is_new: false, first_owns: true };
    if let Some(roles) = add(tx, &adding).await? {
        member.roles = roles;
        groups::tell(tx, &new.event, group.id, Some(member.user))?;
        return Ok(InsertMemberOutcome::Added(Box::new(member)));
    }
    let is_open = |group: &Group| group.admission == Admission::Open && group.status == GroupStatus::Active;
    match groups::find(tx, new.app, &new.group).await? {
        None => Ok(InsertMemberOutcome::NoGroup),
        Some(_) if member_of(tx, group.id, MemberRef::User(member.user)).await?.is_some() => Ok(InsertMemberOutcome::Already),
        Some(now) if only_open && !is_open(&now) => Ok(InsertMemberOutcome::Forbidden),
        Some(_) if tx.first(USER_IS_THERE, values![member.user, new.app]).await?.is_none() => Ok(InsertMemberOutcome::NoUser),
        // The last member left since we looked: undone, and looked at again.
        Some(_) => Err(Error::unavailable("a group changed a moment ago")),
    }
}

/// A membership that comes over from another server with its user, with exactly the roles it had: its group's first member is no owner for being it.
pub(crate) async fn bring(tx: &mut Tx, app: AppId, member: &Member, event: &Event) -> Result<()> {
    let adding = Adding { app, member, only_open: false, user_is_new: true, first_owns: false };
    if add(tx, &adding).await?.is_none() {
        return Err(Error::unavailable("a group was removed a moment ago"));
    }
    groups::tell(tx, event, member.group, Some(member.user))
}

/// A user who joins within another transaction, such as that of a redemption.
pub(crate) struct Join<'a> {
    pub(crate) app: AppId,
    pub(crate) group: GroupId,
    pub(crate) user: UserId,
    /// The user is written by this transaction.
    pub(crate) user_is_new: bool,
    pub(crate) member: MemberId,
    /// The role of a plain member as a rule; a group's first member is an owner besides.
    pub(crate) roles: &'a [String],
    /// Who joins, tells `added_by` of; when, is when the member came to be.
    pub(crate) event: &'a Event,
}

/// Adds a user to a group if it is there, open and in use, and they are no member yet, not even an invited one; the new member, if any.
pub(crate) async fn join(tx: &mut Tx, j: Join<'_>) -> Result<Option<Member>> {
    let mut member = Member {
        id: j.member,
        group: j.group,
        user: j.user,
        roles: j.roles.to_vec(),
        state: MemberState::Active,
        added_by: Some(j.event.actor.clone()),
        invited_by: None,
        created_at: j.event.at,
    };
    let adding = Adding { app: j.app, member: &member, only_open: true, user_is_new: j.user_is_new, first_owns: true };
    let Some(roles) = add(tx, &adding).await? else { return Ok(None) };
    member.roles = roles;
    groups::tell(tx, j.event, j.group, Some(j.user))?;
    Ok(Some(member))
}

pub(crate) async fn find_member(tx: &mut Tx, app: AppId, group: &GroupRef, member: MemberRef) -> Result<Option<Member>> {
    match groups::find(tx, app, group).await? {
        Some(group) => member_of(tx, group.id, member).await,
        None => Ok(None),
    }
}

pub(crate) async fn update_member(tx: &mut Tx, u: &UpdateMember) -> Result<MemberOutcome> {
    let Some(group) = groups::find(tx, u.app, &u.group).await? else { return Ok(MemberOutcome::NoGroup) };
    if !groups::may(tx, group.id, u.right).await? {
        return Ok(MemberOutcome::Forbidden);
    }
    let Some(member) = member_of(tx, group.id, u.member).await? else { return Ok(MemberOutcome::NoMember) };
    let roles = u.roles.clone().map(groups::json);
    let row = values![roles, u.state.map(|state| state as i64), group.id, member.id];
    let Some(mut row) = tx.first(CHANGE_MEMBER, row).await? else { return Ok(MemberOutcome::NoMember) };
    groups::tell(tx, &u.event, group.id, Some(member.user))?;
    Ok(MemberOutcome::Done(Box::new(read_member(&mut row)?)))
}

pub(crate) async fn delete_member(
    tx: &mut Tx,
    app: AppId,
    group: &GroupRef,
    which: MemberRef,
    right: Right,
    event: &Event,
) -> Result<MemberOutcome> {
    let Some(group) = groups::find(tx, app, group).await? else { return Ok(MemberOutcome::NoGroup) };
    let found = member_of(tx, group.id, which).await?;
    let is_own = matches!((right, &found), (Right::Owner(user), Some(member)) if member.user == user);
    if !is_own && !groups::may(tx, group.id, right).await? {
        return Ok(MemberOutcome::Forbidden);
    }
    let Some(member) = found else { return Ok(MemberOutcome::NoMember) };
    let Some(mut row) = tx.first(DELETE_MEMBER, values![group.id, member.id]).await? else { return Ok(MemberOutcome::NoMember) };
    groups::tell(tx, event, group.id, Some(member.user))?;
    Ok(MemberOutcome::Done(Box::new(read_member(&mut row)?)))
}

pub(crate) async fn list_members(
    tx: &mut Tx,
    app: AppId,
    group: GroupId,
    users: Option<&[UserId]>,
    cursor: Cursor<MemberId>,
    limit: u32,
) -> Result<Page<Member>> {
    let is_there = groups::find(tx, app, &GroupRef::Id(group)).await?.is_some();
    if let (Some(users), true) = (users, is_there) {
        let mut all = Vec::new();
        for user in users {
            all.extend(member_of(tx, group, MemberRef::User(*user)).await?);
        }
        return Ok(cut(all, cursor, limit, |member| member.id));
    }
    if !is_there {
        return Ok(Page { items: Vec::new(), total: 0, has_previous: false, has_next: false });
    }
    let total = count(tx, COUNT_MEMBERS, Value::from(group)).await?;
    let id = |member: &Member| member.id.as_bytes().to_vec();
    let list = List { after: MEMBERS_AFTER, before: MEMBERS_BEFORE, of: Value::from(group), read: read_member, id };
    list.page(tx, bytes(cursor, |id| id.as_bytes().to_vec()), limit, total).await
}

pub(crate) async fn of_user(tx: &mut Tx, app: AppId, user: UserId) -> Result<Vec<(Group, Member)>> {
    let rows = tx.many(OF_USER, values![user, app]).await?;
    rows.into_iter().map(|mut row| Ok((groups::read(&mut row)?, read_member(&mut row)?))).collect()
}
