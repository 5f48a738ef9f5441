//! Making, finding, changing and removing groups.

use serde_json::{Map, Value};

use super::store::{InsertGroup, Right, UpdateGroup, UpdateGroupOutcome};
use super::{
    Admission, Cursor, Group, GroupFilter, GroupRef, GroupStatus, MOST_BYTES, MOST_ON_PAGE, Member, MemberRef, MemberState,
    OWNER, Page, check_line,
};
use crate::Engine;
use crate::caller::{Authority, Caller};
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::ids::GroupId;
use crate::ports::Draw;
use crate::time::Timestamp;
use crate::users::manage::taken;
use crate::users::profile::{merge, size};

/// A group to be made.
#[derive(Clone, Debug, Default)]
pub struct NewGroup {
    /// The name.
    pub name: String,
    /// Who may join.
    pub admission: Admission,
    /// Whether it is in use.
    pub status: GroupStatus,
    /// The app's own id.
    pub external_id: Option<String>,
    /// What to keep.
    pub attributes: Option<Map<String, Value>>,
}

/// What to change in a group; what is not given stays.
#[derive(Clone, Debug, Default)]
pub struct ChangeGroup {
    /// The name.
    pub name: Option<String>,
    /// Who may join.
    pub admission: Option<Admission>,
    /// Whether it is in use.
    pub status: Option<GroupStatus>,
    /// The app's own id; `Some(None)` removes it.
    pub external_id: Option<Option<String>>,
    /// What is kept.
    pub attributes: Option<ChangeAttributes>,
}

/// How attributes change.
#[derive(Clone, Debug)]
pub enum ChangeAttributes {
    /// These instead of all that was kept.
    Replace(Option<Map<String, Value>>),
    /// Merged key by key at the top level; `null` removes the key.
    Merge(Map<String, Value>),
}

impl ChangeGroup {
    /// The group after the change.
    ///
    /// # Errors
    /// Each field that would be over its bounds: `name`, `external_id`, `attributes`.
    pub fn apply(&self, group: &Group) -> Result<Group, Vec<FieldError>> {
        let mut new = group.clone();
        let mut bad = Vec::new();
        if let Some(name) = &self.name {
            new.name.clone_from(name);
        }
        if let Some(external_id) = &self.external_id {
            new.external_id.clone_from(external_id);
        }
        new.admission = self.admission.unwrap_or(new.admission);
        new.status = self.status.unwrap_or(new.status);
        match &self.attributes {
            Some(ChangeAttributes::Replace(attributes)) => new.attributes.clone_from(attributes),
            Some(ChangeAttributes::Merge(change)) => merge(new.attributes.get_or_insert_default(), change),
            None => {}
        }
        check_line("name", &new.name, &mut bad);
        if let Some(external_id) = &new.external_id {
            check_line("external_id", external_id, &mut bad);
        }
        if new.attributes.as_ref().is_some_and(|attributes| size(attributes) > MOST_BYTES) {
            bad.push(FieldError::new("attributes", format!("may have at most {MOST_BYTES} bytes")).because(Problem::TooLarge));
        }
        if bad.is_empty() { Ok(new) } else { Err(bad) }
    }
}

pub(crate) fn no_group() -> Error {
    Error::not_found("group", "There is no such group")
}

pub(crate) fn forbidden() -> Error {
    Error::new(ErrorKind::Forbidden, "This is not allowed to you in this group").about("group")
}

/// The right of a caller with the scope, or of a user who must be an owner.
pub(crate) fn right(caller: &Caller, scope: &str) -> Result<Right> {
    match &caller.authority {
        Authority::User(user) => Ok(Right::Owner(*user)),
        Authority::Confined { scopes, group, .. } if scopes.grants(scope) => Ok(Right::Only(*group)),
        _ => caller.require(scope).map(|()| Right::App),
    }
}

/// The group that a caller wants made.
fn new_group(caller: &Caller, command: NewGroup, id: GroupId, now: Timestamp) -> Result<Group> {
    let group = Group {
        id,
        app: caller.app.id,
        name: command.name,
        admission: command.admission,
        status: command.status,
        external_id: command.external_id,
        attributes: command.attributes,
        created_at: now,
        updated_at: now,
        created_by: caller.actor(),
        updated_by: caller.actor(),
        version: 0,
    };
    ChangeGroup::default().apply(&group).map_err(Error::invalid_fields)
}

impl Engine {
    /// Makes a group. A user who makes one is its first member and owner.
    ///
    /// # Errors
    /// `Forbidden` without the scope `group:create`; `Invalid` naming `name`, `external_id` or `attributes`, with [`Problem::Taken`] when another group of the
    /// app has the external id.
    pub async fn create_group(&self, caller: &Caller, command: NewGroup) -> Result<Group> {
        let founder = match right(caller, "group:create")? {
            Right::App => None,
            Right::Owner(user) => Some(user),
            Right::Only(_) => return Err(forbidden()),
        };
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let id = draw.group_id();
        let group = new_group(caller, command, id, now)?;
        let founder = founder.map(|user| Member {
            id: draw.member_id(),
            group: id,
            user,
            roles: vec![OWNER.to_owned()],
            state: MemberState::Active,
            added_by: Some(caller.actor()),
            invited_by: None,
            created_at: now,
        });
        let event = Event::new(EventKind::GroupCreated, caller, &mut draw, now);
        match self.store.insert_group(InsertGroup { group: group.clone(), founder, event }).await? {
            true => Ok(group),
            false => Err(taken("external_id", "A group with this external id exists")),
        }
    }

    /// Brings a group over from another server, or finds the one with its external id, which stays as it is; answers whether it was made.
    ///
    /// # Errors
    /// As [`Engine::create_group`].
    pub async fn import_group(&self, caller: &Caller, command: NewGroup) -> Result<(GroupId, bool)> {
        caller.require("group:create")?;
        let there = async || match &command.external_id {
            Some(id) => Ok::<_, Error>(self.store.find_group(caller.app.id, GroupRef::External(id.clone())).await?.map(|g| g.id)),
            None => Ok(None),
        };
        if let Some(there) = there().await? {
            return Ok((there, false));
        }
        match self.create_group(caller, command.clone()).await {
            Ok(group) => Ok((group.id, true)),
            // Perhaps by another import at the same moment.
            Err(error) => there().await?.map(|there| (there, false)).ok_or(error),
        }
    }

    /// What [`Engine::import_group`] would do, without doing it: whether it would make one.
    ///
    /// # Errors
    /// As [`Engine::create_group`].
    pub async fn check_group_import(&self, caller: &Caller, command: NewGroup) -> Result<bool> {
        caller.require("group:create")?;
        if let Some(id) = &command.external_id
            && self.store.find_group(caller.app.id, GroupRef::External(id.clone())).await?.is_some()
        {
            return Ok(false);
        }
        let now = self.clock.now();
        let id = Draw::new(self.entropy.as_ref(), now)?.group_id();
        new_group(caller, command, id, now).map(|_| true)
    }

    /// The group.
    ///
    /// # Errors
    /// `NotFound` about `group`; `Forbidden` without the scope `group:read`, and for users who are not in it.
    pub async fn find_group(&self, caller: &Caller, group: GroupRef) -> Result<Group> {
        let right = right(caller, "group:read")?;
        let found = self.store.find_group(caller.app.id, group).await?.ok_or_else(no_group)?;
        let may = match right {
            Right::App => true,
            Right::Only(group) => group == found.id,
            Right::Owner(user) => {
                let group = GroupRef::Id(found.id);
                self.store.find_member(caller.app.id, group, MemberRef::User(user)).await?.is_some()
            }
        };
        if may { Ok(found) } else { Err(forbidden()) }
    }

    /// A page of the app's groups; of the caller's own, when it is confined to one.
    ///
    /// # Errors
    /// `Forbidden` without the scope `group:read`, and for users: see [`Engine::groups_of_user`].
    pub async fn list_groups(
        &self,
        caller: &Caller,
        filter: GroupFilter,
        cursor: Cursor<GroupId>,
        limit: u32,
    ) -> Result<Page<Group>> {
        let filter = match right(caller, "group:read")? {
            Right::App => filter,
            Right::Only(group) if filter.is_empty() => GroupFilter { ids: vec![group], names: Vec::new() },
            Right::Only(_) | Right::Owner(_) => return Err(forbidden()),
        };
        self.store.list_groups(caller.app.id, filter, cursor, limit.clamp(1, MOST_ON_PAGE)).await
    }

    /// Changes a group.
    ///
    /// # Errors
    /// `NotFound` about `group`; `Forbidden` without the scope `group:update`, and for users who do not own it; `Invalid` as [`Engine::create_group`].
    pub async fn change_group(&self, caller: &Caller, group: GroupRef, change: ChangeGroup) -> Result<Group> {
        let right = right(caller, "group:update")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::GroupChanged, caller, &mut draw, now);
        let update = UpdateGroup { app: caller.app.id, group, right, change, event };
        settle(self.store.update_group(update).await?)
    }

    /// Removes a group and takes everybody out of it; answers it as it was.
    ///
    /// # Errors
    /// `NotFound` about `group`; `Forbidden` without the scope `group:delete`, and for users who do not own it.
    pub async fn delete_group(&self, caller: &Caller, group: GroupRef) -> Result<Group> {
        let right = right(caller, "group:delete")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::GroupDeleted, caller, &mut draw, now);
        settle(self.store.delete_group(caller.app.id, group, right, event).await?)
    }
}

fn settle(outcome: UpdateGroupOutcome) -> Result<Group> {
    match outcome {
        UpdateGroupOutcome::Changed(group) => Ok(*group),
        UpdateGroupOutcome::Unknown => Err(no_group()),
        UpdateGroupOutcome::Forbidden => Err(forbidden()),
        UpdateGroupOutcome::ExternalIdTaken => Err(taken("external_id", "A group with this external id exists")),
        UpdateGroupOutcome::Refused(fields) => Err(Error::invalid_fields(fields)),
    }
}
