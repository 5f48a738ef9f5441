//! Groups and their members.
//!
//! Who removes a user or a group takes its row first and the memberships afterwards; who adds a member holds both rows (on PostgreSQL, where transactions run
//! side by side), so that no membership outlives either. The first member of a group is decided while nobody else can hold the group.

use passlink_engine::events::Event;
use passlink_engine::groups::invites::{Invite, SettleInvite, SettleOutcome};
use passlink_engine::groups::store::{
    AddRight, GroupStore, InsertGroup, InsertMember, InsertMemberOutcome, MemberOutcome, Right, UpdateGroup, UpdateGroupOutcome,
    UpdateMember,
};
use passlink_engine::groups::{
    Admission, Cursor, Group, GroupFilter, GroupRef, GroupStatus, Member, MemberRef, MemberState, OWNER, Page,
};
use passlink_engine::ids::{AppId, GroupId, InviteId, MemberId, UserId};
use passlink_engine::{Error, ErrorKind, Result};

use crate::SqlStore;
use crate::statements::statements;
use crate::tx::{Row, Tx, Value, values};
use crate::{events, invites};

macro_rules! group_columns {
    () => {
        "groups.id, groups.app_id, groups.name, groups.admission, groups.status, groups.external_id, groups.attributes, groups.created_at, groups.updated_at, groups.created_by, groups.updated_by, groups.version"
    };
}

pub(crate) use group_columns;

macro_rules! member_columns {
    () => {
        "members.id, members.group_id, members.user_id, members.roles, members.state, members.added_by, members.invited_by, members.created_at"
    };
}

macro_rules! groups {
    ($where:literal) => {
        concat!("SELECT ", group_columns!(), " FROM groups WHERE ", $where)
    };
}

macro_rules! members {
    ($where:literal) => {
        concat!("SELECT ", member_columns!(), " FROM members WHERE ", $where)
    };
}

statements! {
    FIND = groups!("groups.id = $1 AND groups.app_id = $2");
    FIND_BY_EXTERNAL_ID = groups!("groups.app_id = $1 AND groups.external_id = $2");
    AFTER = groups!("groups.app_id = $1 AND groups.id > $2 ORDER BY groups.id LIMIT CAST($3 AS BIGINT)");
    BEFORE = groups!("groups.app_id = $1 AND groups.id < $2 ORDER BY groups.id DESC LIMIT CAST($3 AS BIGINT)");
    COUNT = "SELECT count(*) FROM groups WHERE app_id = $1";
    BY_NAME = groups!("groups.app_id = $1 AND groups.name = $2 ORDER BY groups.id");
    INSERT = "INSERT INTO groups (id, app_id, name, admission, status, external_id, attributes, created_at, updated_at, created_by, updated_by, version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0) ON CONFLICT DO NOTHING RETURNING id";
    CHANGE = "UPDATE groups SET name = $1, admission = $2, status = $3, external_id = $4, attributes = $5, updated_at = $6, updated_by = $7, version = version + 1
        WHERE id = $8 AND version = $9 RETURNING id";
    DELETE = concat!("DELETE FROM groups WHERE groups.id = $1 AND groups.app_id = $2 RETURNING ", group_columns!());
    DELETE_MEMBERS = "DELETE FROM members WHERE group_id = $1";
    DELETE_MEMBERSHIPS = "DELETE FROM members WHERE user_id = $1";

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
}

/// For PostgreSQL alone, as the other two: a user who is about to become a member is not removed meanwhile.
pub(crate) const HOLD_USER: &str = "SELECT id FROM users WHERE id = $1 AND app_id = $2 FOR KEY SHARE";
/// The group is not removed meanwhile; others may join at the same time.
pub(crate) const HOLD_GROUP: &str = "SELECT id FROM groups WHERE id = $1 FOR KEY SHARE";
/// Nobody else joins meanwhile: for the first member.
pub(crate) const HOLD_GROUP_ALONE: &str = "SELECT id FROM groups WHERE id = $1 FOR UPDATE";

pub(crate) fn read(row: &mut Row) -> Result<Group> {
    let (id, app, name) = (row.next()?, row.next()?, row.next()?);
    let admission = if row.next::<i64>()? == Admission::Open as i64 { Admission::Open } else { Admission::InviteOnly };
    let status = if row.next::<i64>()? == GroupStatus::Active as i64 { GroupStatus::Active } else { GroupStatus::Inactive };
    let external_id = row.next()?;
    let attributes: Option<String> = row.next()?;
    Ok(Group {
        id,
        app,
        name,
        admission,
        status,
        external_id,
        attributes: attributes.map(|text| serde_json::from_str(&text)).transpose().map_err(Error::internal)?,
        created_at: row.next()?,
        updated_at: row.next()?,
        created_by: row.next()?,
        updated_by: row.next()?,
        version: row.next()?,
    })
}

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

fn json(value: impl Into<serde_json::Value>) -> String {
    value.into().to_string()
}

/// Writes an event about a group, and about one of its members.
pub(crate) fn tell(tx: &mut Tx, event: &Event, group: GroupId, user: Option<UserId>) -> Result<()> {
    let mut event = Event { user: user.or(event.user), ..event.clone() };
    event.detail.insert("group".to_owned(), group.to_string().into());
    events::write(tx, &event)
}

pub(crate) async fn find(tx: &mut Tx, app: AppId, group: &GroupRef) -> Result<Option<Group>> {
    let row = match group {
        GroupRef::Id(id) => tx.first(FIND, values![*id, app]).await?,
        // No text of PostgreSQL's may hold it.
        GroupRef::External(id) if id.contains('\0') => None,
        GroupRef::External(id) => tx.first(FIND_BY_EXTERNAL_ID, values![app, id.as_str()]).await?,
    };
    row.map(|mut row| read(&mut row)).transpose()
}

/// The member of a group that is known to be the app's.
async fn member_of(tx: &mut Tx, group: GroupId, member: MemberRef) -> Result<Option<Member>> {
    let row = match member {
        MemberRef::Id(id) => tx.first(FIND_MEMBER, values![group, id]).await?,
        MemberRef::User(user) => tx.first(FIND_USER, values![group, user]).await?,
    };
    row.map(|mut row| read_member(&mut row)).transpose()
}

pub(crate) async fn may(tx: &mut Tx, group: GroupId, right: Right) -> Result<bool> {
    match right {
        Right::App => Ok(true),
        Right::Only(own) => Ok(own == group),
        Right::Owner(user) => Ok(member_of(tx, group, MemberRef::User(user)).await?.is_some_and(|own| own.is_owner())),
    }
}

async fn insert(tx: &mut Tx, new: &InsertGroup) -> Result<bool> {
    let g = &new.group;
    let attributes = g.attributes.clone().map(json);
    let external_id = g.external_id.as_deref();
    let (admission, status) = (g.admission as i64, g.status as i64);
    let (by, last_by) = (g.created_by.as_str(), g.updated_by.as_str());
    let row = values![
        g.id,
        g.app,
        g.name.as_str(),
        admission,
        status,
        external_id,
        attributes,
        g.created_at,
        g.updated_at,
        by,
        last_by
    ];
    if tx.first(INSERT, row).await?.is_none() {
        return Ok(false);
    }
    if let Some(founder) = &new.founder
        && add(tx, &Adding { app: g.app, member: founder, only_open: false, user_is_new: false, first_owns: true })
            .await?
            .is_none()
    {
        return Err(Error::not_found("user", "There is no such user"));
    }
    tell(tx, &new.event, g.id, new.founder.as_ref().map(|founder| founder.user))?;
    Ok(true)
}

async fn update(tx: &mut Tx, u: &UpdateGroup) -> Result<UpdateGroupOutcome> {
    // Somebody else may change the same group at the same time; the version tells.
    for _ in 0..16 {
        let Some(old) = find(tx, u.app, &u.group).await? else { return Ok(UpdateGroupOutcome::Unknown) };
        if !may(tx, old.id, u.right).await? {
            return Ok(UpdateGroupOutcome::Forbidden);
        }
        let mut new = match u.change.apply(&old) {
            Ok(new) => new,
            Err(fields) => return Ok(UpdateGroupOutcome::Refused(fields)),
        };
        if let Some(wanted) = &new.external_id
            && let Some(other) = find(tx, u.app, &GroupRef::External(wanted.clone())).await?
            && other.id != new.id
        {
            return Ok(UpdateGroupOutcome::ExternalIdTaken);
        }
        (new.updated_at, new.updated_by) = (u.event.at, u.event.actor.clone());
        let attributes = new.attributes.clone().map(json);
        let (admission, status) = (new.admission as i64, new.status as i64);
        let mut row = values![new.name.as_str(), admission, status, new.external_id.as_deref(), attributes];
        row.extend(values![new.updated_at, new.updated_by.as_str(), new.id, new.version]);
        let changed = tx.first(CHANGE, row).await.map_err(|error| match error.kind() {
            // Somebody took the external id since we looked: undone, and looked at again.
            ErrorKind::Conflict => Error::unavailable("an external id was taken a moment ago").caused_by(error),
            _ => error,
        })?;
        if changed.is_some() {
            new.version += 1;
            tell(tx, &u.event, new.id, None)?;
            return Ok(UpdateGroupOutcome::Changed(Box::new(new)));
        }
    }
    Err(Error::unavailable("a group is changed by too many at once"))
}

async fn delete(tx: &mut Tx, app: AppId, group: &GroupRef, right: Right, event: &Event) -> Result<UpdateGroupOutcome> {
    let Some(found) = find(tx, app, group).await? else { return Ok(UpdateGroupOutcome::Unknown) };
    if !may(tx, found.id, right).await? {
        return Ok(UpdateGroupOutcome::Forbidden);
    }
    let Some(mut row) = tx.first(DELETE, values![found.id, app]).await? else { return Ok(UpdateGroupOutcome::Unknown) };
    let was = read(&mut row)?;
    tx.run(DELETE_MEMBERS, values![was.id]).await?;
    invites::remove_group(tx, was.id).await?;
    tell(tx, event, was.id, None)?;
    Ok(UpdateGroupOutcome::Changed(Box::new(was)))
}

/// Takes a removed user out of all groups; after the user's own row.
pub(crate) async fn remove_user(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.run(DELETE_MEMBERSHIPS, values![user]).await?;
    invites::remove_user(tx, user).await
}

/// A member to be added.
struct Adding<'a> {
    app: AppId,
    member: &'a Member,
    /// Only to a group that is open and in use.
    only_open: bool,
    /// The user is written by this transaction, and cannot be seen yet.
    user_is_new: bool,
    /// The first member is an owner for being it.
    first_owns: bool,
}

/// Adds a member by one guarded statement; the roles they got, or `None` when they are a member already, or group or user are not as they must be.
async fn add(tx: &mut Tx, a: &Adding<'_>) -> Result<Option<Vec<String>>> {
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
    let mut row = values![m.id, m.group, m.user, json(m.roles.as_slice()), json(owner), m.state as i64];
    row.extend(values![added_by, invited_by, m.created_at, a.app, a.only_open, is_first, !a.user_is_new]);
    let Some(mut added) = tx.first(INSERT_MEMBER, row).await? else { return Ok(None) };
    serde_json::from_str(&added.next::<String>()?).map(Some).map_err(Error::internal)
}

pub(crate) async fn insert_member(tx: &mut Tx, new: &InsertMember) -> Result<InsertMemberOutcome> {
    let Some(group) = find(tx, new.app, &new.group).await? else { return Ok(InsertMemberOutcome::NoGroup) };
    let only_open = match new.right {
        AddRight::Open => true,
        AddRight::As(right) if may(tx, group.id, right).await? => false,
        AddRight::As(_) => return Ok(InsertMemberOutcome::Forbidden),
    };
    let mut member = Member { group: group.id, ..new.member.clone() };
    let adding = Adding { app: new.app, member: &member, only_open, user_is_new: false, first_owns: true };
    if let Some(roles) = add(tx, &adding).await? {
        member.roles = roles;
        tell(tx, &new.event, group.id, Some(member.user))?;
        return Ok(InsertMemberOutcome::Added(Box::new(member)));
    }
    let is_open = |group: &Group| group.admission == Admission::Open && group.status == GroupStatus::Active;
    match find(tx, new.app, &new.group).await? {
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
    tell(tx, event, member.group, Some(member.user))
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
    tell(tx, j.event, j.group, Some(j.user))?;
    Ok(Some(member))
}

async fn find_member(tx: &mut Tx, app: AppId, group: &GroupRef, member: MemberRef) -> Result<Option<Member>> {
    match find(tx, app, group).await? {
        Some(group) => member_of(tx, group.id, member).await,
        None => Ok(None),
    }
}

async fn update_member(tx: &mut Tx, u: &UpdateMember) -> Result<MemberOutcome> {
    let Some(group) = find(tx, u.app, &u.group).await? else { return Ok(MemberOutcome::NoGroup) };
    if !may(tx, group.id, u.right).await? {
        return Ok(MemberOutcome::Forbidden);
    }
    let Some(member) = member_of(tx, group.id, u.member).await? else { return Ok(MemberOutcome::NoMember) };
    let roles = u.roles.clone().map(json);
    let row = values![roles, u.state.map(|state| state as i64), group.id, member.id];
    let Some(mut row) = tx.first(CHANGE_MEMBER, row).await? else { return Ok(MemberOutcome::NoMember) };
    tell(tx, &u.event, group.id, Some(member.user))?;
    Ok(MemberOutcome::Done(Box::new(read_member(&mut row)?)))
}

async fn delete_member(
    tx: &mut Tx,
    app: AppId,
    group: &GroupRef,
    which: MemberRef,
    right: Right,
    event: &Event,
) -> Result<MemberOutcome> {
    let Some(group) = find(tx, app, group).await? else { return Ok(MemberOutcome::NoGroup) };
    let found = member_of(tx, group.id, which).await?;
    let is_own = matches!((right, &found), (Right::Owner(user), Some(member)) if member.user == user);
    if !is_own && !may(tx, group.id, right).await? {
        return Ok(MemberOutcome::Forbidden);
    }
    let Some(member) = found else { return Ok(MemberOutcome::NoMember) };
    let Some(mut row) = tx.first(DELETE_MEMBER, values![group.id, member.id]).await? else { return Ok(MemberOutcome::NoMember) };
    tell(tx, event, group.id, Some(member.user))?;
    Ok(MemberOutcome::Done(Box::new(read_member(&mut row)?)))
}

async fn count(tx: &mut Tx, sql: &'static str, of: Value) -> Result<u64> {
    let mut row = tx.first(sql, vec![of]).await?.ok_or_else(|| Error::internal("a count without a row"))?;
    row.next::<i64>().map(i64::unsigned_abs)
}

/// A list by statements: what comes after an id in order, and what before it in reverse.
struct List<T> {
    after: &'static str,
    before: &'static str,
    of: Value,
    read: fn(&mut Row) -> Result<T>,
    id: fn(&T) -> Vec<u8>,
}

impl<T> List<T> {
    async fn side(&self, tx: &mut Tx, sql: &'static str, of: Vec<u8>, limit: u32) -> Result<Vec<T>> {
        let rows = tx.many(sql, vec![self.of.clone(), Value::Bytes(of), Value::from(limit)]).await?;
        rows.into_iter().map(|mut row| (self.read)(&mut row)).collect()
    }

    /// One more than the page holds tells whether it goes on there; another look, whether there is something on the other side.
    async fn page(&self, tx: &mut Tx, cursor: Cursor<Vec<u8>>, limit: u32, total: u64) -> Result<Page<T>> {
        let (start, backwards) = match cursor {
            Cursor::Start => (vec![0; 16], false),
            Cursor::After(id) => (id, false),
            Cursor::Before(id) => (id, true),
        };
        let (there, back) = if backwards { (self.before, self.after) } else { (self.after, self.before) };
        let mut items = self.side(tx, there, start.clone(), limit + 1).await?;
        let goes_on = items.len() > limit as usize;
        items.truncate(limit as usize);
        let edge = match items.first() {
            Some(nearest) => (self.id)(nearest),
            // Beyond the end, where the given one itself may stand on the other side.
            None if backwards => before(start),
            None => after(start),
        };
        let other_side = !self.side(tx, back, edge, 1).await?.is_empty();
        let (has_previous, has_next) = if backwards { (goes_on, other_side) } else { (other_side, goes_on) };
        if backwards {
            items.reverse();
        }
        Ok(Page { items, total, has_previous, has_next })
    }
}

/// The id that follows; the highest stays.
fn after(id: Vec<u8>) -> Vec<u8> {
    let bytes = <[u8; 16]>::try_from(id).unwrap_or([0xff; 16]);
    u128::from_be_bytes(bytes).saturating_add(1).to_be_bytes().to_vec()
}

/// The id that comes before; the lowest stays.
fn before(id: Vec<u8>) -> Vec<u8> {
    let bytes = <[u8; 16]>::try_from(id).unwrap_or([0; 16]);
    u128::from_be_bytes(bytes).saturating_sub(1).to_be_bytes().to_vec()
}

/// A page of what was found one by one.
fn cut<T, Id: Ord + Copy>(mut all: Vec<T>, cursor: Cursor<Id>, limit: u32, id: fn(&T) -> Id) -> Page<T> {
    all.sort_by_key(id);
    all.dedup_by_key(|item| id(item));
    let (total, limit) = (all.len(), limit as usize);
    let (start, end) = match cursor {
        Cursor::Start => (0, limit.min(total)),
        Cursor::After(last) => {
            let start = all.partition_point(|item| id(item) <= last);
            (start, (start + limit).min(total))
        }
        Cursor::Before(first) => {
            let end = all.partition_point(|item| id(item) < first);
            (end.saturating_sub(limit), end)
        }
    };
    let items = all.drain(start..end).collect();
    Page { items, total: total as u64, has_previous: start > 0, has_next: end < total }
}

fn bytes<Id>(cursor: Cursor<Id>, of: impl Fn(&Id) -> Vec<u8>) -> Cursor<Vec<u8>> {
    match cursor {
        Cursor::Start => Cursor::Start,
        Cursor::After(id) => Cursor::After(of(&id)),
        Cursor::Before(id) => Cursor::Before(of(&id)),
    }
}

async fn list(tx: &mut Tx, app: AppId, filter: &GroupFilter, cursor: Cursor<GroupId>, limit: u32) -> Result<Page<Group>> {
    if !filter.is_empty() {
        let mut all = Vec::new();
        for id in &filter.ids {
            all.extend(find(tx, app, &GroupRef::Id(*id)).await?);
        }
        for name in filter.names.iter().filter(|name| !name.contains('\0')) {
            for mut row in tx.many(BY_NAME, values![app, name.as_str()]).await? {
                all.push(read(&mut row)?);
            }
        }
        return Ok(cut(all, cursor, limit, |group| group.id));
    }
    let total = count(tx, COUNT, Value::from(app)).await?;
    let id = |group: &Group| group.id.as_bytes().to_vec();
    let list = List { after: AFTER, before: BEFORE, of: Value::from(app), read, id };
    list.page(tx, bytes(cursor, |id| id.as_bytes().to_vec()), limit, total).await
}

async fn list_members(
    tx: &mut Tx,
    app: AppId,
    group: GroupId,
    users: Option<&[UserId]>,
    cursor: Cursor<MemberId>,
    limit: u32,
) -> Result<Page<Member>> {
    let is_there = find(tx, app, &GroupRef::Id(group)).await?.is_some();
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

async fn of_user(tx: &mut Tx, app: AppId, user: UserId) -> Result<Vec<(Group, Member)>> {
    let rows = tx.many(OF_USER, values![user, app]).await?;
    rows.into_iter().map(|mut row| Ok((read(&mut row)?, read_member(&mut row)?))).collect()
}

#[async_trait::async_trait]
impl GroupStore for SqlStore {
    async fn insert_group(&self, new: InsertGroup) -> Result<bool> {
        self.write(new, |tx, new| Box::pin(insert(tx, new))).await
    }

    async fn find_group(&self, app: AppId, group: GroupRef) -> Result<Option<Group>> {
        self.read((app, group), |tx, (app, group)| Box::pin(find(tx, *app, group))).await
    }

    async fn list_groups(&self, app: AppId, filter: GroupFilter, cursor: Cursor<GroupId>, limit: u32) -> Result<Page<Group>> {
        let args = (app, filter, cursor, limit);
        self.read(args, |tx, (app, filter, cursor, limit)| Box::pin(list(tx, *app, filter, *cursor, *limit))).await
    }

    async fn update_group(&self, change: UpdateGroup) -> Result<UpdateGroupOutcome> {
        self.write(change, |tx, change| Box::pin(update(tx, change))).await
    }

    async fn delete_group(&self, app: AppId, group: GroupRef, right: Right, event: Event) -> Result<UpdateGroupOutcome> {
        let args = (app, group, right, event);
        self.write_alone(args, |tx, (app, group, right, event)| Box::pin(delete(tx, *app, group, *right, event))).await
    }

    async fn insert_member(&self, new: InsertMember) -> Result<InsertMemberOutcome> {
        self.write_alone(new, |tx, new| Box::pin(insert_member(tx, new))).await
    }

    async fn find_member(&self, app: AppId, group: GroupRef, member: MemberRef) -> Result<Option<Member>> {
        self.read((app, group, member), |tx, (app, group, member)| Box::pin(find_member(tx, *app, group, *member))).await
    }

    async fn list_members(
        &self,
        app: AppId,
        group: GroupId,
        users: Option<Vec<UserId>>,
        cursor: Cursor<MemberId>,
        limit: u32,
    ) -> Result<Page<Member>> {
        let args = (app, group, users, cursor, limit);
        self.read(args, |tx, (app, group, users, cursor, limit)| {
            Box::pin(list_members(tx, *app, *group, users.as_deref(), *cursor, *limit))
        })
        .await
    }

    async fn update_member(&self, change: UpdateMember) -> Result<MemberOutcome> {
        self.write(change, |tx, change| Box::pin(update_member(tx, change))).await
    }

    async fn delete_member(
        &self,
        app: AppId,
        group: GroupRef,
        member: MemberRef,
        right: Right,
        event: Event,
    ) -> Result<MemberOutcome> {
        let args = (app, group, member, right, event);
        self.write_alone(args, |tx, (app, group, member, right, event)| {
            Box::pin(delete_member(tx, *app, group, *member, *right, event))
        })
        .await
    }

    async fn groups_of_user(&self, app: AppId, user: UserId) -> Result<Vec<(Group, Member)>> {
        self.read((app, user), |tx, (app, user)| Box::pin(of_user(tx, *app, *user))).await
    }

    async fn find_invite(&self, app: AppId, group: GroupId, invite: InviteId) -> Result<Option<Invite>> {
        self.read((app, group, invite), |tx, (app, group, invite)| Box::pin(invites::find(tx, *app, *group, *invite))).await
    }

    async fn list_invites(&self, app: AppId, group: GroupId, after: Option<InviteId>, limit: u32) -> Result<(u64, Vec<Invite>)> {
        self.read((app, group, after, limit), |tx, (app, group, after, limit)| {
            Box::pin(invites::list(tx, *app, *group, *after, *limit))
        })
        .await
    }

    async fn change_invite(&self, app: AppId, group: GroupId, invite: InviteId, roles: Vec<String>) -> Result<Option<Invite>> {
        self.write((app, group, invite, roles), |tx, (app, group, invite, roles)| {
            Box::pin(invites::change(tx, *app, *group, *invite, roles))
        })
        .await
    }

    async fn settle_invite(&self, settle: SettleInvite) -> Result<SettleOutcome> {
        self.write_alone(settle, |tx, settle| Box::pin(invites::settle(tx, settle))).await
    }
}
