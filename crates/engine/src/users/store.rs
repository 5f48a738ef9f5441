//! Storage of users.

use serde::{Deserialize, Serialize};

use super::profile::ProfileChange;
use super::{Address, ExternalId, Person, User, UserRef, WrittenBy};
use crate::email_address::EmailAddress;
use crate::error::Result;
use crate::events::Event;
use crate::ids::{AppId, IdentifierId, SessionId, UserId};
use crate::time::Timestamp;

/// A user made by a client or an operator.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The id.
    pub id: UserId,
    /// Of which app.
    pub app: AppId,
    /// Now.
    pub now: Timestamp,
    /// When the user came to be: now, or earlier when imported.
    pub created_at: Timestamp,
    /// The addresses with their ids, and since when each is proven. The first of each kind is the primary one; none stands here twice.
    pub addresses: Vec<(IdentifierId, Address, Option<Timestamp>)>,
    /// Who wrote them.
    pub written_by: WrittenBy,
    /// Not signed in yet.
    pub is_pending: bool,
    /// The app's own id.
    pub external_id: Option<ExternalId>,
    /// What is kept.
    pub profile: super::Profile,
    /// Values that no other user of the app may have, by field, in the form in which they are compared.
    pub unique: Vec<(String, String)>,
    /// Since when sign-in is refused.
    pub disabled_at: Option<Timestamp>,
    /// Memberships that they bring along, each with what is written with it.
    pub members: Vec<(crate::groups::Member, Event)>,
    /// Written with it.
    pub event: Event,
}

/// An address that is added to a user, and stays only if it is proven in time.
#[derive(Clone, Debug)]
pub struct NewAddress {
    /// Its id.
    pub id: IdentifierId,
    /// Whose it becomes.
    pub user: UserId,
    /// The address.
    pub address: Address,
    /// Unless it is proven by then, it goes.
    pub until: Timestamp,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateUserOutcome {
    /// There it is.
    Created,
    /// A user of the app has this address already.
    AddressTaken(super::IdentifierKind),
    /// A user of the app has the value of this field already, of which there may be one.
    ValueTaken(String),
    /// A user of the app has this external id already.
    ExternalIdTaken,
    /// A user has this id already, perhaps of another app.
    IdTaken,
}

/// Changes a user.
#[derive(Clone, Debug)]
pub struct ChangeUser {
    /// Of which app.
    pub app: AppId,
    /// Which user.
    pub user: UserRef,
    /// What is kept.
    pub profile: ProfileChange,
    /// `Some(None)` removes the external id.
    pub external_id: Option<Option<ExternalId>>,
    /// Written with it.
    pub event: Event,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum ChangeUserOutcome {
    /// As it is now.
    Changed(Box<Person>),
    /// There is no such user.
    Unknown,
    /// Another user has this external id.
    ExternalIdTaken,
    /// The profile would be over its bounds.
    Refused(Vec<crate::error::FieldError>),
}

/// What became of an address that was to go.
#[derive(Clone, Debug)]
pub enum RemoveOutcome {
    /// It is gone; the person as they are now.
    Removed(Box<Person>),
    /// There is no such address.
    Unknown,
    /// The user has no other.
    Last,
}

/// Replaces the only address of a user.
#[derive(Clone, Debug)]
pub struct ExchangeIdentifier {
    /// Of which app.
    pub app: AppId,
    /// Whose.
    pub user: UserId,
    /// The new one's id.
    pub id: IdentifierId,
    /// The new one.
    pub address: Address,
    /// Written with it.
    pub event: Event,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum ExchangeIdentifierOutcome {
    /// Replaced; the person as they are now.
    Exchanged(Box<Person>),
    /// The user has not exactly one address, and that of this kind.
    NotTheOnlyOne,
    /// Somebody has the new address.
    Taken,
}

/// Somebody who may come to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIdentity {
    /// Our id.
    pub id: UserId,
    /// The app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
}

impl NewIdentity {
    /// Whoever has this identity.
    pub fn user_ref(&self) -> UserRef {
        self.external_id.clone().map_or(UserRef::Id(self.id), UserRef::External)
    }
}

/// Writes values of the app's schema.
#[derive(Clone, Debug)]
pub struct WriteUser {
    /// Of which app.
    pub app: AppId,
    /// Whose values.
    pub user: UserRef,
    /// Who comes to be when there is nobody.
    pub create: Option<NewIdentity>,
    /// The app's schema.
    pub schema: super::schema::Schema,
    /// What to write.
    pub writing: super::writing::Writing,
    /// Now.
    pub now: Timestamp,
    /// Ids for new addresses, one for each kind.
    pub identifiers: [IdentifierId; 2],
    /// Written with it.
    pub changed: Event,
    /// Written when somebody came to be.
    pub created: Event,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum WriteUserOutcome {
    /// Written.
    Written {
        /// The person as they are now.
        person: Box<Person>,
        /// They came to be by it.
        created: bool,
    },
    /// There is no such user.
    Unknown,
    /// The schema does not allow it.
    Refused(super::writing::Refused),
    /// The value of this field is another user's.
    Taken(String),
}

/// An id that is kept for somebody who may come to be by signing in.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// Of which app.
    pub app: AppId,
    /// The address by which they will be found.
    pub address: Address,
    /// Which form of id was asked for: requests for different forms do not meet.
    pub form: String,
    /// The id to keep, unless there is one.
    pub identity: NewIdentity,
    /// Until when at least.
    pub until: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// Storage of users.
#[async_trait::async_trait]
pub trait UserStore: Send + Sync {
    /// The user with this id.
    async fn find_user(&self, app: AppId, id: UserId) -> Result<Option<User>>;

    /// The user with this mail address, verified or not.
    async fn find_user_by_email(&self, app: AppId, email: &EmailAddress) -> Result<Option<User>>;

    /// The person with this id, ours or the app's.
    async fn find_person(&self, app: AppId, user: UserRef) -> Result<Option<Person>>;

    /// The person with this address.
    async fn find_person_by_address(&self, app: AppId, address: &Address) -> Result<Option<Person>>;

    /// The person whose address has this id.
    async fn find_person_by_identifier(&self, app: AppId, identifier: IdentifierId) -> Result<Option<Person>>;

    /// People of an app in the order in which they came to be, or the newest first, beginning after `after`.
    async fn list_people(&self, app: AppId, after: Option<UserId>, newest_first: bool, limit: u32) -> Result<Vec<Person>>;

    /// How many users an app has.
    async fn count_users(&self, app: AppId) -> Result<u64>;

    /// Makes a user with all of its addresses, or nothing.
    async fn create_user(&self, new: NewUser) -> Result<CreateUserOutcome>;

    /// Changes a user by one guarded statement.
    async fn change_user(&self, change: ChangeUser) -> Result<ChangeUserOutcome>;

    /// Writes values of the app's schema; the user's version guards it.
    async fn write_user(&self, write: WriteUser) -> Result<WriteUserOutcome>;

    /// Keeps an id for whoever signs in with this address first; answers the one that is kept.
    async fn reserve_identity(&self, reserve: Reserve) -> Result<NewIdentity>;

    /// Whether this id is kept for somebody who may come to be.
    async fn is_reserved(&self, app: AppId, user: UserId, now: Timestamp) -> Result<bool>;

    /// Disables or enables a user; disabling ends their sessions and answers which. `None` when there is no such user.
    async fn set_user_disabled(&self, app: AppId, user: UserId, disabled: bool, event: Event) -> Result<Option<Vec<SessionId>>>;

    /// Takes an address away from its user, unless it is the last one.
    async fn remove_identifier(&self, app: AppId, identifier: IdentifierId, event: Event) -> Result<RemoveOutcome>;

    /// Replaces the only address of a user by another of the same kind, not proven.
    async fn exchange_identifier(&self, exchange: ExchangeIdentifier) -> Result<ExchangeIdentifierOutcome>;

    /// Removes a user with addresses, sessions and links; answers the ended sessions, or `None` when there is no such user.
    async fn delete_user(&self, app: AppId, user: UserId, event: Event) -> Result<Option<Vec<SessionId>>>;
}
