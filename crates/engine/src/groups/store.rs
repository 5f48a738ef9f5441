//! Storage of groups and members.

use super::invites::{Invite, SettleInvite, SettleOutcome};
use super::manage::ChangeGroup;
use super::{Cursor, Group, GroupFilter, GroupRef, Member, MemberRef, MemberState, Page};
use crate::error::{FieldError, Result};
use crate::events::Event;
use crate::ids::{AppId, GroupId, InviteId, UserId};

/// By which right somebody acts on a group. What depends on a membership is looked up in the transaction that acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Somebody with the app's own right.
    App,
    /// A user: only as an owner.
    Owner(UserId),
    /// Somebody with the right to this group alone.
    Only(GroupId),
}

/// A group to be made.
#[derive(Clone, Debug)]
pub struct InsertGroup {
    /// The group.
    pub group: Group,
    /// Its first member, if any.
    pub founder: Option<Member>,
    /// Written with it, naming the group and the member.
    pub event: Event,
}

/// Changes a group.
#[derive(Clone, Debug)]
pub struct UpdateGroup {
    /// Of which app.
    pub app: AppId,
    /// Which group.
    pub group: GroupRef,
    /// By which right.
    pub right: Right,
    /// What to change.
    pub change: ChangeGroup,
    /// Written with it; its time and actor become those of the change.
    pub event: Event,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum UpdateGroupOutcome {
    /// As it is now.
    Changed(Box<Group>),
    /// There is no such group.
    Unknown,
    /// Not by this right.
    Forbidden,
    /// Another group of the app has this external id.
    ExternalIdTaken,
    /// The group would be over its bounds.
    Refused(Vec<FieldError>),
}

/// Adds a user to a group.
#[derive(Clone, Debug)]
pub struct InsertMember {
    /// Of which app.
    pub app: AppId,
    /// Which group.
    pub group: GroupRef,
    /// By which right.
    pub right: AddRight,
    /// The member; the group's id and the first member's role are filled in.
    pub member: Member,
    /// Written with it, naming the group and the member.
    pub event: Event,
}

/// By which right somebody adds a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddRight {
    /// As everything else.
    As(Right),
    /// A user who adds themselves, for which the group must be open and in use.
    Open,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum InsertMemberOutcome {
    /// In.
    Added(Box<Member>),
    /// There is no such group.
    NoGroup,
    /// There is no such user.
    NoUser,
    /// Not by this right.
    Forbidden,
    /// They are a member already.
    Already,
}

/// Changes a member.
#[derive(Clone, Debug)]
pub struct UpdateMember {
    /// Of which app.
    pub app: AppId,
    /// Which group.
    pub group: GroupRef,
    /// Which member.
    pub member: MemberRef,
    /// By which right.
    pub right: Right,
    /// Replaces all roles.
    pub roles: Option<Vec<String>>,
    /// The new state.
    pub state: Option<MemberState>,
    /// Written with it, naming the group and the member.
    pub event: Event,
}

/// What became of a change of a member, or of their removal.
#[derive(Clone, Debug)]
pub enum MemberOutcome {
    /// As they are now, or were last.
    Done(Box<Member>),
    /// There is no such group.
    NoGroup,
    /// There is no such member.
    NoMember,
    /// Not by this right.
    Forbidden,
}

/// Storage of groups and members.
#[async_trait::async_trait]
pub trait GroupStore: Send + Sync {
    /// Makes a group; `false` when another group of the app has its external id.
    async fn insert_group(&self, new: InsertGroup) -> Result<bool>;

    /// The group.
    async fn find_group(&self, app: AppId, group: GroupRef) -> Result<Option<Group>>;

    /// A page of an app's groups, oldest first.
    async fn list_groups(&self, app: AppId, filter: GroupFilter, cursor: Cursor<GroupId>, limit: u32) -> Result<Page<Group>>;

    /// Changes a group by one guarded statement.
    async fn update_group(&self, update: UpdateGroup) -> Result<UpdateGroupOutcome>;

    /// Removes a group with its members; `Changed` holds it as it was last.
    async fn delete_group(&self, app: AppId, group: GroupRef, right: Right, event: Event) -> Result<UpdateGroupOutcome>;

    /// Adds a member. The first one also becomes an owner.
    async fn insert_member(&self, new: InsertMember) -> Result<InsertMemberOutcome>;

    /// The member of a group of the app.
    async fn find_member(&self, app: AppId, group: GroupRef, member: MemberRef) -> Result<Option<Member>>;

    /// A page of a group's members, oldest first; of these users only, if any are given.
    async fn list_members(
        &self,
        app: AppId,
        group: GroupId,
        users: Option<Vec<UserId>>,
        cursor: Cursor<crate::ids::MemberId>,
        limit: u32,
    ) -> Result<Page<Member>>;

    /// Changes a member.
    async fn update_member(&self, update: UpdateMember) -> Result<MemberOutcome>;

    /// Takes a member out of a group. A user may always take out themselves.
    async fn delete_member(
        &self,
        app: AppId,
        group: GroupRef,
        member: MemberRef,
        right: Right,
        event: Event,
    ) -> Result<MemberOutcome>;

    /// The groups of a user with their membership, in the order in which they joined.
    async fn groups_of_user(&self, app: AppId, user: UserId) -> Result<Vec<(Group, Member)>>;

    /// The invitation.
    async fn find_invite(&self, app: AppId, group: GroupId, invite: InviteId) -> Result<Option<Invite>>;

    /// How many invitations a group has, and a page of them, oldest first.
    async fn list_invites(&self, app: AppId, group: GroupId, after: Option<InviteId>, limit: u32) -> Result<(u64, Vec<Invite>)>;

    /// Changes the roles of a pending invitation and of its member.
    async fn change_invite(&self, app: AppId, group: GroupId, invite: InviteId, roles: Vec<String>) -> Result<Option<Invite>>;

    /// Accepts or removes an invitation, with its membership and its link.
    async fn settle_invite(&self, settle: SettleInvite) -> Result<SettleOutcome>;
}
