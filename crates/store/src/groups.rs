//! Groups. Who removes one takes its row first and the memberships afterwards: see [`crate::members`].

use passlink_engine::events::Event;
use passlink_engine::groups::invites::{Invite, SettleInvite, SettleOutcome};
use passlink_engine::groups::store::{
    GroupStore, InsertGroup, InsertMember, InsertMemberOutcome, MemberOutcome, Right, UpdateGroup, UpdateGroupOutcome,
    UpdateMember,
};
use passlink_engine::groups::{Admission, Cursor, Group, GroupFilter, GroupRef, GroupStatus, Member, MemberRef, Page};
use passlink_engine::ids::{AppId, GroupId, InviteId, MemberId, UserId};
use passlink_engine::{Error, ErrorKind, Result};

use crate::SqlStore;
use crate::paging::{List, bytes, count, cut};
use crate::statements::statements;
use crate::tx::{Row, Tx, Value, values};
use crate::{events, invites, members};

macro_rules! group_columns {
    () => {
        "groups.id, groups.app_id, groups.name, groups.admission, groups.status, groups.external_id, groups.attributes, groups.created_at, groups.updated_at, groups.created_by, groups.updated_by, groups.version"
    };
}

pub(crate) use group_columns;

macro_rules! groups {
    ($where:literal) => {
        concat!("SELECT ", group_columns!(), " FROM groups WHERE ", $where)
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

}

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

pub(crate) fn json(value: impl Into<serde_json::Value>) -> String {
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

pub(crate) async fn may(tx: &mut Tx, group: GroupId, right: Right) -> Result<bool> {
    match right {
        Right::App => Ok(true),
        Right::Only(own) => Ok(own == group),
        Right::Owner(user) => Ok(members::member_of(tx, group, MemberRef::User(user)).await?.is_some_and(|own| own.is_owner())),
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
        && members::add(
            tx,
            &members::Adding { app: g.app, member: founder, only_open: false, user_is_new: false, first_owns: true },
        )
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
    members::remove_group(tx, was.id).await?;
    invites::remove_group(tx, was.id).await?;
    tell(tx, event, was.id, None)?;
    Ok(UpdateGroupOutcome::Changed(Box::new(was)))
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
        self.write_alone(new, |tx, new| Box::pin(members::insert_member(tx, new))).await
    }

    async fn find_member(&self, app: AppId, group: GroupRef, member: MemberRef) -> Result<Option<Member>> {
        self.read((app, group, member), |tx, (app, group, member)| Box::pin(members::find_member(tx, *app, group, *member))).await
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
            Box::pin(members::list_members(tx, *app, *group, users.as_deref(), *cursor, *limit))
        })
        .await
    }

    async fn update_member(&self, change: UpdateMember) -> Result<MemberOutcome> {
        self.write(change, |tx, change| Box::pin(members::update_member(tx, change))).await
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
            Box::pin(members::delete_member(tx, *app, group, *member, *right, event))
        })
        .await
    }

    async fn groups_of_user(&self, app: AppId, user: UserId) -> Result<Vec<(Group, Member)>> {
        self.read((app, user), |tx, (app, user)| Box::pin(members::of_user(tx, *app, *user))).await
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
