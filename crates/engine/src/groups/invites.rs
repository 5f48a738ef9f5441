//! Invitations into a group: a link for one person, who is a pending member until it is redeemed or they accept while signed in.

use serde_json::Value;

use super::manage::{no_group, right};
use super::store::{InsertMemberOutcome, Right};
use super::{GroupRef, Member, MemberState, check_roles};
use crate::Engine;
use crate::caller::Caller;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::ids::{AppId, GroupId, InviteId, LinkId, MemberId, UserId};
use crate::limits::Want;
use crate::links::issue::{IssueLink, Together, check_lifetime};
use crate::links::plan::{IdWish, PlanLink};
use crate::links::short::ShortenUrl;
use crate::links::{Purpose, store::InsertOutcome};
use crate::ports::Draw;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::users::schema::address_field;
use crate::users::write::Whom;
use crate::users::writing::{Mode, Writer, Writing};
use crate::users::{Address, Person};

/// Where an invitation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum InviteState {
    /// Not answered.
    Pending = 1,
    /// The person is a member by it.
    Accepted = 2,
    /// The person does not want to be one.
    Rejected = 3,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq)]
pub struct Invite {
    /// The public id.
    pub id: InviteId,
    /// Of which app.
    pub app: AppId,
    /// Into which group.
    pub group: GroupId,
    /// Who is invited.
    pub user: UserId,
    /// Their pending membership.
    pub member: MemberId,
    /// The link that signs them in and accepts.
    pub link: LinkId,
    /// The roles they will have.
    pub roles: Vec<String>,
    /// Where it is.
    pub state: InviteState,
    /// How the inviting caller named them, as it was written.
    pub named: Value,
    /// Where the link leads.
    pub redirect: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
}

/// An invitation with its membership, written together with its link.
#[derive(Clone, Debug)]
pub struct NewInvite {
    /// The invitation; the link's id is filled in.
    pub invite: Invite,
    /// The pending member.
    pub member: Member,
    /// By which right.
    pub right: Right,
    /// Written with it.
    pub event: Event,
}

/// Whom to invite.
#[derive(Clone, Debug)]
pub enum Invitee {
    /// Whoever has this address, or somebody new with it; the link proves it.
    Address(Address),
    /// Somebody who is there.
    User(UserId),
}

/// Invites somebody.
#[derive(Clone, Debug)]
pub struct InviteUser {
    /// Whom.
    pub invitee: Invitee,
    /// How the caller named them, to be shown again.
    pub named: Value,
    /// The roles they will have.
    pub roles: Vec<String>,
    /// The link: redirect, lifetime, door, handover.
    pub link: IssueLink,
}

/// An invitation just made.
#[derive(Clone, Debug)]
pub struct Invited {
    /// It.
    pub invite: Invite,
    /// Who is invited.
    pub person: Person,
    /// The link to deliver. For an app it signs in and accepts, for a person it only leads to the app.
    pub url: Secret,
}

/// Ends or answers an invitation.
#[derive(Clone, Debug)]
pub struct SettleInvite {
    /// Of which app.
    pub app: AppId,
    /// Of which group.
    pub group: GroupId,
    /// Which.
    pub invite: InviteId,
    /// What happens.
    pub settle: Settle,
    /// Written with it.
    pub event: Event,
}

/// What happens to an invitation.
#[derive(Clone, Copy, Debug)]
pub enum Settle {
    /// The invited person accepts.
    Accept(UserId),
    /// It is taken back by somebody with this right: link and pending membership go.
    Remove(Right),
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum SettleOutcome {
    /// Done.
    Done(Box<Invite>),
    /// There is no such (open) invitation.
    Unknown,
    /// Not by this right, or not this person's.
    Forbidden,
}

fn no_invite() -> Error {
    Error::not_found("invite", "There is no such invitation")
}

impl Engine {
    /// Invites somebody into a group: makes sure that a user exists, and gives them a pending membership and a link.
    ///
    /// # Errors
    /// `NotFound` about `group` or `user`; `Forbidden` without the scope `group:update`, and for users who do not own it; `RateLimited` for users who invite many; `Invalid` naming `roles`; `Conflict` about `member`
    /// when they are a member already; those of [`Engine::issue_planned`].
    pub async fn invite_to_group(&self, caller: &Caller, group: GroupRef, command: InviteUser) -> Result<Invited> {
        let by = right(caller, "group:update")?;
        // A link signs people in to the whole app, which is more than one group.
        if matches!(by, Right::Only(_)) {
            return Err(super::manage::forbidden());
        }
        let mut bad = Vec::new();
        check_roles(&command.roles, &mut bad);
        if !bad.is_empty() {
            return Err(Error::invalid_fields(bad));
        }
        let app = caller.app.id;
        let group = self.store.find_group(app, group).await?.ok_or_else(no_group)?;
        self.must_own(caller, &GroupRef::Id(group.id), by).await?;
        if let Right::Owner(user) = by {
            // An invitation makes a user of an address: one person must not fill the app with them.
            let want = Want {
                name: "invites_per_user",
                subject: &[app.as_bytes(), user.as_bytes()],
                limit: caller.app.settings.limit_handoffs_per_user,
            };
            self.take_limit(caller, want).await?;
        }
        let (person, proves, values) = match &command.invitee {
            Invitee::User(id) => (self.find_own_person(app, *id).await?, None, serde_json::Map::new()),
            Invitee::Address(address) => {
                let name = address_field(address.kind());
                let values = serde_json::Map::from_iter([(name.to_owned(), Value::from(address.as_str()))]);
                let person = match self.find_person_by_address_in(app, address).await? {
                    Some(person) => person,
                    None => {
                        let writing = Writing { values: values.clone(), mode: Mode::Merge, by: Writer::App };
                        let identity = self.new_identity(caller.app.settings.user_id_format)?;
                        self.write(caller, Whom::Named(identity), writing).await?.person
                    }
                };
                (person, Some(address.kind()), values)
            }
        };
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let member = Member {
            id: draw.member_id(),
            group: group.id,
            user: person.user.id,
            roles: command.roles.clone(),
            state: MemberState::Pending,
            added_by: None,
            invited_by: Some(caller.actor()),
            created_at: now,
        };
        let invite = Invite {
            id: draw.invite_id(),
            app,
            group: group.id,
            user: person.user.id,
            member: member.id,
            link: LinkId::from_uuid(uuid::Uuid::nil()),
            roles: command.roles,
            state: InviteState::Pending,
            named: command.named,
            redirect: command.link.redirect.as_ref().map(|target| target.as_url().to_string()),
            created_at: now,
            created_by: caller.actor(),
            accepted_at: None,
        };
        let id = invite.id;
        let event = Event::new(EventKind::GroupInvited, caller, &mut draw, now).user(person.user.id);
        let together = Together::Invite(Box::new(NewInvite { invite, member, right: by, event }));
        let url = match by {
            Right::App => {
                let link = IssueLink { purpose: Purpose::Invite, together, ..command.link };
                let plan = PlanLink {
                    link,
                    proves,
                    values,
                    values_of_newcomer: false,
                    id: IdWish::User(person.user.id),
                    group: None,
                    invite: Some(id),
                };
                let planned = self.plan_link(caller, plan).await?;
                planned.link.url.ok_or_else(|| Error::internal("a link that is returned has an address"))?
            }
            // Whoever has a link that signs in, is who it signs in: nobody is handed one for somebody else. The invited sign in by themselves, and accept.
            Right::Owner(_) | Right::Only(_) => {
                let lifetime = command.link.lifetime.unwrap_or(caller.app.settings.link_lifetime);
                check_lifetime(caller, Purpose::Invite, lifetime)?;
                let lacks = || Error::internal("an invitation that leads nowhere");
                let (target, door) = (command.link.redirect.ok_or_else(lacks)?, command.link.door.ok_or_else(lacks)?);
                let short = ShortenUrl { target, lifetime, data: command.link.data, door };
                self.shorten(caller, short, command.link.redirect_by, together).await?.1
            }
        };
        let invite = self.store.find_invite(app, group.id, id).await?.ok_or_else(no_invite)?;
        Ok(Invited { invite, person, url })
    }

    /// The invitations of a group, oldest first.
    ///
    /// # Errors
    /// `NotFound` about `group`; `Forbidden` without the scope `group:read`, and for users who do not own it.
    pub async fn list_invites(
        &self,
        caller: &Caller,
        group: GroupRef,
        after: Option<InviteId>,
        limit: u32,
    ) -> Result<(u64, Vec<Invite>)> {
        let group = self.owned_group(caller, group, "group:read").await?;
        self.store.list_invites(caller.app.id, group, after, limit.clamp(1, 1000)).await
    }

    /// One of them.
    ///
    /// # Errors
    /// As [`Engine::list_invites`]; `NotFound` about `invite`.
    pub async fn find_invite(&self, caller: &Caller, group: GroupRef, invite: InviteId) -> Result<Invite> {
        let group = self.owned_group(caller, group, "group:read").await?;
        self.store.find_invite(caller.app.id, group, invite).await?.ok_or_else(no_invite)
    }

    /// Changes the roles that the person will have.
    ///
    /// # Errors
    /// As [`Engine::invite_to_group`]; `NotFound` about `invite`.
    pub async fn change_invite(&self, caller: &Caller, group: GroupRef, invite: InviteId, roles: Vec<String>) -> Result<Invite> {
        let group = self.owned_group(caller, group, "group:update").await?;
        let mut bad = Vec::new();
        check_roles(&roles, &mut bad);
        if !bad.is_empty() {
            return Err(Error::invalid_fields(bad));
        }
        self.store.change_invite(caller.app.id, group, invite, roles).await?.ok_or_else(no_invite)
    }

    /// Takes an invitation back: its link dies, and the pending membership goes.
    ///
    /// # Errors
    /// As [`Engine::invite_to_group`]; `NotFound` about `invite`.
    pub async fn remove_invite(&self, caller: &Caller, group: GroupRef, invite: InviteId) -> Result<Invite> {
        let by = right(caller, "group:update")?;
        self.settle_invite(caller, group, invite, Settle::Remove(by)).await
    }

    /// The invited person accepts while signed in.
    ///
    /// # Errors
    /// `NotFound` about `group` or `invite`; `Forbidden` for everybody else.
    pub async fn accept_invite(&self, caller: &Caller, group: GroupRef, invite: InviteId) -> Result<Invite> {
        let user = caller.person()?;
        self.settle_invite(caller, group, invite, Settle::Accept(user)).await
    }

    async fn settle_invite(&self, caller: &Caller, group: GroupRef, invite: InviteId, settle: Settle) -> Result<Invite> {
        let app = caller.app.id;
        let group = self.store.find_group(app, group).await?.ok_or_else(no_group)?.id;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let kind = match settle {
            Settle::Accept(_) => EventKind::GroupJoined,
            Settle::Remove(_) => EventKind::GroupLeft,
        };
        let event = Event::new(kind, caller, &mut draw, now);
        match self.store.settle_invite(SettleInvite { app, group, invite, settle, event }).await? {
            SettleOutcome::Done(invite) => Ok(*invite),
            SettleOutcome::Unknown => Err(no_invite()),
            SettleOutcome::Forbidden => Err(super::manage::forbidden()),
        }
    }

    async fn owned_group(&self, caller: &Caller, group: GroupRef, scope: &str) -> Result<GroupId> {
        let by = right(caller, scope)?;
        let group = self.store.find_group(caller.app.id, group).await?.ok_or_else(no_group)?.id;
        self.must_own(caller, &GroupRef::Id(group), by).await?;
        Ok(group)
    }
}

/// Why an invitation could not be written.
pub(crate) fn refused(outcome: InsertOutcome) -> Error {
    match outcome {
        InsertOutcome::Member(InsertMemberRefusal::Already) => {
            Error::new(ErrorKind::Conflict, "The user is a member of the group already").about("member")
        }
        InsertOutcome::Member(InsertMemberRefusal::Forbidden) => super::manage::forbidden(),
        _ => no_group(),
    }
}

/// Why a member was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertMemberRefusal {
    /// They are a member already.
    Already,
    /// Not by this right.
    Forbidden,
    /// Group or user is gone.
    Gone,
}

impl From<&InsertMemberOutcome> for InsertMemberRefusal {
    fn from(outcome: &InsertMemberOutcome) -> Self {
        match outcome {
            InsertMemberOutcome::Already | InsertMemberOutcome::Added(_) => Self::Already,
            InsertMemberOutcome::Forbidden => Self::Forbidden,
            InsertMemberOutcome::NoGroup | InsertMemberOutcome::NoUser => Self::Gone,
        }
    }
}
