//! Groups of users within an app: teams, organisations, the businesses that an app serves.
//!
//! A group has members with roles, says who may join, and carries what its app wants to know of it. [`manage`] makes and changes groups, [`members`] who is in them.

pub mod invites;
pub mod manage;
pub mod members;
pub mod store;

use serde_json::{Map, Value};

use crate::error::{FieldError, Problem};
use crate::ids::{AppId, GroupId, MemberId, UserId};
use crate::time::Timestamp;

/// Characters a name or an external id may have.
pub const LONGEST_NAME: usize = 255;
/// Bytes the attributes may have as JSON.
pub const MOST_BYTES: usize = 16 * 1024;
/// Roles one member may have.
pub const MOST_ROLES: usize = 20;
/// Characters one role may have.
pub const LONGEST_ROLE: usize = 64;
/// The most groups or members on a page.
pub const MOST_ON_PAGE: u32 = 1000;
/// The role of those who may change the group. A group's first member always has it.
pub const OWNER: &str = "owner";
/// The role of those who joined by themselves.
pub const MEMBER: &str = "member";

/// Who may join without being added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum Admission {
    /// Nobody.
    #[default]
    InviteOnly = 1,
    /// Any user of the app.
    Open = 2,
}

/// Whether the group is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum GroupStatus {
    /// It is.
    #[default]
    Active = 1,
    /// Nobody joins it, nor signs in for it.
    Inactive = 2,
}

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The public id.
    pub id: GroupId,
    /// Of which app.
    pub app: AppId,
    /// The name: one line of 1 to 255 characters.
    pub name: String,
    /// Who may join.
    pub admission: Admission,
    /// Whether it is in use.
    pub status: GroupStatus,
    /// The app's own id, unique in the app: 1 to 255 characters.
    pub external_id: Option<String>,
    /// What the app keeps about it.
    pub attributes: Option<Map<String, Value>>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who made it: see [`crate::caller::Caller::actor`].
    pub created_by: String,
    /// Who changed it last.
    pub updated_by: String,
    /// Guards changes.
    pub version: i64,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum MemberState {
    /// In the group.
    #[default]
    Active = 1,
    /// Invited, and has not answered.
    Pending = 2,
    /// Invited, and declined.
    Rejected = 3,
}

/// A user in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The public id.
    pub id: MemberId,
    /// In which group.
    pub group: GroupId,
    /// Who.
    pub user: UserId,
    /// Roles, in the app's own words; `owner` is ours.
    pub roles: Vec<String>,
    /// Where they stand.
    pub state: MemberState,
    /// Who added them: see [`crate::caller::Caller::actor`].
    pub added_by: Option<String>,
    /// Who invited them.
    pub invited_by: Option<String>,
    /// When they were added.
    pub created_at: Timestamp,
}

impl Member {
    /// Whether they may change the group.
    pub fn is_owner(&self) -> bool {
        self.state == MemberState::Active && self.roles.iter().any(|role| role == OWNER)
    }
}

/// Which group is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRef {
    /// By our id.
    Id(GroupId),
    /// By the app's own.
    External(String),
}

/// Which member of a group is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRef {
    /// By the member's id.
    Id(MemberId),
    /// By the user's.
    User(UserId),
}

/// Where a page of a list stands. Lists are in the order in which things came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor<Id> {
    /// At the beginning.
    Start,
    /// Behind this one, which may be gone.
    After(Id),
    /// Before this one, which may be gone.
    Before(Id),
}

/// A page of a list, always in the list's own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What stands on it.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether there is something before it.
    pub has_previous: bool,
    /// Whether there is something behind it.
    pub has_next: bool,
}

/// Which groups to list; all, unless ids or names are given: then those with one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// Is one of these.
    pub ids: Vec<GroupId>,
    /// Has exactly one of these names.
    pub names: Vec<String>,
}

impl GroupFilter {
    /// Whether every group is meant.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.names.is_empty()
    }
}

/// A line of 1 to [`LONGEST_NAME`] characters.
fn check_line(field: &str, text: &str, bad: &mut Vec<FieldError>) {
    let length = text.chars().count();
    if length == 0 || text.chars().any(char::is_control) {
        bad.push(FieldError::new(field, format!("must be one line of 1 to {LONGEST_NAME} characters")));
    } else if length > LONGEST_NAME {
        bad.push(FieldError::new(field, format!("may have at most {LONGEST_NAME} characters")).because(Problem::TooLarge));
    }
}

pub(crate) fn check_roles(roles: &[String], bad: &mut Vec<FieldError>) {
    let is_role = |role: &String| (1..=LONGEST_ROLE).contains(&role.chars().count()) && !role.chars().any(char::is_control);
    if roles.len() > MOST_ROLES {
        bad.push(FieldError::new("roles", format!("may be at most {MOST_ROLES}")).because(Problem::TooMany));
    } else if !roles.iter().all(is_role) {
        bad.push(FieldError::new("roles", format!("must be names of 1 to {LONGEST_ROLE} characters")));
    }
}
