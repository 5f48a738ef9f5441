//! Who is in a group: adding, changing, leaving.

use super::manage::{forbidden, no_group, right};
use super::store::{AddRight, InsertMember, InsertMemberOutcome, MemberOutcome, Right, UpdateMember};
use super::{Cursor, Group, GroupRef, MEMBER, MOST_ON_PAGE, Member, MemberRef, MemberState, Page, check_roles};
use crate::Engine;
use crate::caller::{Authority, Caller};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::ids::{GroupId, MemberId, UserId};
use crate::ports::Draw;
use crate::users::manage::no_user;

/// Somebody to be added to a group.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Who.
    pub user: UserId,
    /// Their roles. The first member of a group is an owner whatever stands here.
    pub roles: Vec<String>,
    /// Where they stand.
    pub state: MemberState,
}

fn no_member() -> Error {
    Error::not_found("member", "There is no such member")
}

fn checked(roles: &[String]) -> Result<()> {
    let mut bad = Vec::new();
    check_roles(roles, &mut bad);
    if bad.is_empty() { Ok(()) } else { Err(Error::invalid_fields(bad)) }
}

impl Engine {
    /// Adds a user to a group. Users may add themselves to an open group, as plain members.
    ///
    /// # Errors
    /// `NotFound` about `group` or `user`; `Conflict` about `member` when they are one already; `Forbidden` without the scope `group:update`, and for users who
    /// do not own the group, unless they add themselves as above; `Invalid` naming `roles`.
    pub async fn add_member(&self, caller: &Caller, group: GroupRef, new: NewMember) -> Result<Member> {
        let right = match right(caller, "group:update")? {
            Right::Owner(user) if user == new.user => {
                // An owner is a member: whoever adds themselves can only be joining.
                let is_plain = new.state == MemberState::Active && new.roles.iter().all(|role| role == MEMBER);
                if !is_plain {
                    return Err(forbidden());
                }
                AddRight::Open
            }
            // To add somebody is to see who they are, so a person asks them first.
            Right::Owner(_) => {
                let message = "Only the app adds other people to a group; invite them";
                return Err(Error::new(ErrorKind::Forbidden, message).about("group"));
            }
            right @ (Right::App | Right::Only(_)) => AddRight::As(right),
        };
        checked(&new.roles)?;
        let roles = if right == AddRight::Open { vec![MEMBER.to_owned()] } else { new.roles };
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let member = Member {
            id: draw.member_id(),
            group: GroupId::from_uuid(uuid::Uuid::nil()),
            user: new.user,
            roles,
            state: new.state,
            added_by: Some(caller.actor()),
            invited_by: None,
            created_at: now,
        };
        let event = Event::new(EventKind::GroupJoined, caller, &mut draw, now);
        match self.store.insert_member(InsertMember { app: caller.app.id, group, right, member, event }).await? {
            InsertMemberOutcome::Added(member) => Ok(*member),
            InsertMemberOutcome::NoGroup => Err(no_group()),
            InsertMemberOutcome::NoUser => Err(no_user()),
            InsertMemberOutcome::Forbidden => Err(forbidden()),
            InsertMemberOutcome::Already => {
                Err(Error::new(ErrorKind::Conflict, "The user is a member of the group already").about("member"))
            }
        }
    }

    /// The member. Users see themselves, owners everybody in their group.
    ///
    /// # Errors
    /// `NotFound` about `group` or `member`; `Forbidden` without the scope `group:read`, and for users who may not see them.
    pub async fn find_member(&self, caller: &Caller, group: GroupRef, member: MemberRef) -> Result<Member> {
        let right = right(caller, "group:read")?;
        let app = caller.app.id;
        let group = GroupRef::Id(self.store.find_group(app, group).await?.ok_or_else(no_group)?.id);
        let found = self.store.find_member(app, group.clone(), member).await?;
        match (right, &found) {
            (Right::Owner(user), Some(found)) if found.user == user => {}
            (right, _) => self.must_own(caller, &group, right).await?,
        }
        found.ok_or_else(no_member)
    }

    /// A page of a group's members, or of those of them who are one of these users.
    ///
    /// # Errors
    /// `NotFound` about `group`; `Forbidden` without the scope `group:read`, and for users who do not own the group.
    pub async fn list_members(
        &self,
        caller: &Caller,
        group: GroupRef,
        users: Option<Vec<UserId>>,
        cursor: Cursor<MemberId>,
        limit: u32,
    ) -> Result<Page<Member>> {
        let right = right(caller, "group:read")?;
        let app = caller.app.id;
        let id = self.store.find_group(app, group).await?.ok_or_else(no_group)?.id;
        self.must_own(caller, &GroupRef::Id(id), right).await?;
        self.store.list_members(app, id, users, cursor, limit.clamp(1, MOST_ON_PAGE)).await
    }

    /// Gives a member other roles or another state; what is not given stays.
    ///
    /// # Errors
    /// `NotFound` about `group` or `member`; `Forbidden` without the scope `group:update`, and for users who do not own the group; `Invalid` naming `roles`.
    pub async fn change_member(
        &self,
        caller: &Caller,
        group: GroupRef,
        member: MemberRef,
        roles: Option<Vec<String>>,
        state: Option<MemberState>,
    ) -> Result<Member> {
        let right = right(caller, "group:update")?;
        checked(roles.as_deref().unwrap_or_default())?;
        // Nobody accepts an invitation for somebody else.
        if let (Right::Owner(_), Some(MemberState::Active)) = (right, state)
            && self.find_member(caller, group.clone(), member).await?.state != MemberState::Active
        {
            return Err(forbidden());
        }
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::GroupMemberChanged, caller, &mut draw, now);
        settle(self.store.update_member(UpdateMember { app: caller.app.id, group, member, right, roles, state, event }).await?)
    }

    /// Takes a member out of a group; answers them as they were. Users may always leave.
    ///
    /// # Errors
    /// `NotFound` about `group` or `member`; `Forbidden` without the scope `group:update`, and for users who do not own the group and take out somebody else.
    pub async fn remove_member(&self, caller: &Caller, group: GroupRef, member: MemberRef) -> Result<Member> {
        let right = right(caller, "group:update")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::GroupLeft, caller, &mut draw, now);
        settle(self.store.delete_member(caller.app.id, group, member, right, event).await?)
    }

    /// The groups a user is in or invited to, in the order in which they came in. Users see their own.
    ///
    /// # Errors
    /// `Forbidden` without the scope `group:read`, and for users who ask for somebody else.
    pub async fn groups_of_user(&self, caller: &Caller, user: UserId) -> Result<Vec<(Group, Member)>> {
        match caller.authority {
            Authority::User(own) if own == user => {}
            _ => caller.require("group:read")?,
        }
        self.store.groups_of_user(caller.app.id, user).await
    }

    /// For what is only read: an owner who is one no more a moment later has seen it anyway.
    pub(super) async fn must_own(&self, caller: &Caller, group: &GroupRef, right: Right) -> Result<()> {
        let may = match right {
            Right::App => true,
            Right::Only(own) => *group == GroupRef::Id(own),
            Right::Owner(user) => {
                let own = self.store.find_member(caller.app.id, group.clone(), MemberRef::User(user)).await?;
                own.is_some_and(|own| own.is_owner())
            }
        };
        if may { Ok(()) } else { Err(forbidden()) }
    }
}

fn settle(outcome: MemberOutcome) -> Result<Member> {
    match outcome {
        MemberOutcome::Done(member) => Ok(*member),
        MemberOutcome::NoGroup => Err(no_group()),
        MemberOutcome::NoMember => Err(no_member()),
        MemberOutcome::Forbidden => Err(forbidden()),
    }
}
