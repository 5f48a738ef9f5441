//! What clients do with the addresses of a user.

use super::manage::{no_user, taken};
use super::store::{ExchangeIdentifier, ExchangeIdentifierOutcome, RemoveOutcome};
use super::{Address, IdentifierKind, Person, UserRef};
use crate::Engine;
use crate::caller::Caller;
use crate::error::{Error, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::ids::IdentifierId;
use crate::ports::Draw;

impl Engine {
    /// Takes an address away from its user.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` about `user`; `Invalid` naming `identifier` when the user has no other.
    pub async fn remove_address(&self, caller: &Caller, kind: IdentifierKind, id: IdentifierId) -> Result<Person> {
        caller.require("user:write")?;
        let now = self.clock.now();
        let owner = self.store.find_person_by_identifier(caller.app.id, id).await?.ok_or_else(no_user)?.at(now);
        if !owner.identifiers.iter().any(|known| known.id == id && known.address.kind() == kind) {
            return Err(no_user());
        }
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::UserChanged, caller, &mut draw, now).user(owner.user.id).with("address", "removed");
        match self.store.remove_identifier(caller.app.id, id, event).await? {
            RemoveOutcome::Removed(person) => Ok(person.at(now)),
            RemoveOutcome::Unknown => Err(no_user()),
            RemoveOutcome::Last => Err(Error::invalid_fields(vec![
                FieldError::new("identifier", "This is the user's only address").because(Problem::OutOfRange),
            ])),
        }
    }

    /// Replaces the only address of a user by another of its kind, which is not proven by this. Links to the old one die.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` about `user`; `Invalid` naming `identifier` when the user has not exactly one address of this kind, or `email` or `phone` when it
    /// is taken.
    pub async fn exchange_address(&self, caller: &Caller, user: UserRef, address: Address) -> Result<Person> {
        caller.require("user:write")?;
        let now = self.clock.now();
        let person = self.person(caller, user).await?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let exchange = ExchangeIdentifier {
            app: caller.app.id,
            user: person.user.id,
            id: draw.identifier_id(),
            event: Event::new(EventKind::UserChanged, caller, &mut draw, now).user(person.user.id).with("address", "exchanged"),
            address: address.clone(),
        };
        match self.store.exchange_identifier(exchange).await? {
            ExchangeIdentifierOutcome::Exchanged(person) => Ok(person.at(now)),
            ExchangeIdentifierOutcome::NotTheOnlyOne => Err(Error::invalid_fields(vec![
                FieldError::new("identifier", "Only the address of a user who has exactly one, of this kind, can be exchanged")
                    .because(Problem::Mismatch),
            ])),
            ExchangeIdentifierOutcome::Taken => Err(match address.kind() {
                IdentifierKind::Email => taken("email", "A user with this e-mail address exists"),
                IdentifierKind::Phone => taken("phone", "A user with this telephone number exists"),
            }),
        }
    }
}
