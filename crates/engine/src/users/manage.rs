//! What clients do with users: make, look up, change, remove.

use super::profile::ProfileChange;
use super::store::{ChangeUser, ChangeUserOutcome, CreateUserOutcome, NewUser};
use super::{Address, ExternalId, IdentifierKind, Person, UserRef, WrittenBy};
use crate::Engine;
use crate::caller::{Authority, Caller};
use crate::email_address::EmailAddress;
use crate::error::{Error, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::ids::UserId;
use crate::phone_number::PhoneNumber;
use crate::ports::Draw;

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct CreateUser {
    /// A mail address, not proven by this.
    pub email: Option<EmailAddress>,
    /// A telephone number, not proven by this.
    pub phone: Option<PhoneNumber>,
    /// Not signed in yet.
    pub is_pending: bool,
    /// The app's own id.
    pub external_id: Option<ExternalId>,
    /// What to keep.
    pub profile: ProfileChange,
}

/// There is no such user for this caller.
pub(crate) fn no_user() -> Error {
    Error::not_found("user", "There is no such user")
}

pub(crate) fn taken(field: &str, message: &str) -> Error {
    Error::invalid_fields(vec![FieldError::new(field, message).because(Problem::Taken)])
}

impl Engine {
    /// Makes a user. Its addresses are not proven by this: their owner's first proof ends what others had with them (`security.md` 32).
    ///
    /// # Errors
    /// `Forbidden` without the scope; `Invalid` with [`Problem::Missing`] without any address, with [`Problem::Taken`] naming `email`, `phone` or `external_id`, or
    /// naming what is over its bounds.
    pub async fn create_user(&self, caller: &Caller, command: CreateUser) -> Result<Person> {
        caller.require("user:write")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let addresses: Vec<_> = [command.email.map(Address::Email), command.phone.map(Address::Phone)]
            .into_iter()
            .flatten()
            .map(|address| (draw.identifier_id(), address, None))
            .collect();
        if addresses.is_empty() {
            return Err(Error::invalid_fields(vec![
                FieldError::new("email", "An e-mail address or a telephone number is required").because(Problem::Missing),
            ]));
        }
        let profile = command.profile.apply(&super::Profile::default()).map_err(Error::invalid_fields)?;
        let id = draw.user_id();
        let new = NewUser {
            id,
            app: caller.app.id,
            now,
            created_at: now,
            addresses,
            written_by: match caller.authority {
                Authority::Operator => WrittenBy::Operator,
                _ => WrittenBy::Client,
            },
            is_pending: command.is_pending,
            external_id: command.external_id,
            profile,
            unique: Vec::new(),
            disabled_at: None,
            members: Vec::new(),
            event: Event::new(EventKind::UserCreated, caller, &mut draw, now).user(id),
        };
        match self.store.create_user(new).await? {
            CreateUserOutcome::Created => self.person(caller, UserRef::Id(id)).await,
            CreateUserOutcome::AddressTaken(IdentifierKind::Email) => {
                Err(taken("email", "A user with this e-mail address exists"))
            }
            CreateUserOutcome::AddressTaken(IdentifierKind::Phone) => {
                Err(taken("phone", "A user with this telephone number exists"))
            }
            CreateUserOutcome::ValueTaken(field) => Err(super::write::taken(&field)),
            CreateUserOutcome::ExternalIdTaken => Err(taken("external_id", "A user with this external id exists")),
            CreateUserOutcome::IdTaken => Err(Error::internal("a new id was not new")),
        }
    }

    /// The person a client means.
    ///
    /// # Errors
    /// `Forbidden` without the scope, `NotFound` about `user`.
    pub async fn find_person(&self, caller: &Caller, user: UserRef) -> Result<Person> {
        caller.require("user:read")?;
        self.person(caller, user).await
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn person(&self, caller: &Caller, user: UserRef) -> Result<Person> {
        let person = self.store.find_person(caller.app.id, user).await?.ok_or_else(no_user)?;
        Ok(person.at(self.clock.now()))
    }

    /// Changes what the app keeps, and its own id of the user (`Some(None)` removes it).
    ///
    /// # Errors
    /// `Forbidden`, `NotFound` about `user`, `Invalid` naming what is over its bounds or taken.
    pub async fn change_user(
        &self,
        caller: &Caller,
        user: UserRef,
        profile: ProfileChange,
        external_id: Option<Option<ExternalId>>,
    ) -> Result<Person> {
        caller.require("user:write")?;
        self.apply_profile(caller, user, profile, external_id).await
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn apply_profile(
        &self,
        caller: &Caller,
        user: UserRef,
        profile: ProfileChange,
        external_id: Option<Option<ExternalId>>,
    ) -> Result<Person> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::UserChanged, caller, &mut draw, now);
        let change = ChangeUser { app: caller.app.id, user, profile, external_id, event };
        match self.store.change_user(change).await? {
            ChangeUserOutcome::Changed(person) => Ok(person.at(now)),
            ChangeUserOutcome::Unknown => Err(no_user()),
            ChangeUserOutcome::ExternalIdTaken => Err(taken("external_id", "A user with this external id exists")),
            ChangeUserOutcome::Refused(fields) => Err(Error::invalid_fields(fields)),
        }
    }

    /// How many users the caller's app has.
    ///
    /// # Errors
    /// `Forbidden`; those of storage.
    pub async fn count_users(&self, caller: &Caller) -> Result<u64> {
        caller.require("user:read")?;
        self.store.count_users(caller.app.id).await
    }

    /// Removes a user: sessions end, links and codes die, addresses are free again. Answers the id.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound` about `user`.
    pub async fn delete_user(&self, caller: &Caller, user: UserRef) -> Result<UserId> {
        caller.require("user:write")?;
        let id = self.person(caller, user).await?.user.id;
        self.remove_user(caller, id).await?;
        Ok(id)
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn remove_user(&self, caller: &Caller, id: UserId) -> Result<()> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::UserDeleted, caller, &mut draw, now).user(id);
        let ended = self.store.delete_user(caller.app.id, id, event).await?.ok_or_else(no_user)?;
        ended.into_iter().for_each(|session| self.sessions.forget(session));
        Ok(())
    }
}
