//! Users, the addresses by which they are known, and what their app keeps about them.
//!
//! A person who signs in by mail comes to be at the first redemption, never by asking for a link; a client may also make users itself. Read [`manage`] for what
//! clients do, [`profile`] and [`schema`] for what is kept, [`writing`] for how, [`search`] for finding, [`import`] for people who come from another server.

pub mod addresses;
pub mod external_id;
pub mod import;
pub mod manage;
pub mod profile;
pub mod schema;
pub mod search;
pub mod store;
pub mod write;
pub mod writing;

pub use external_id::ExternalId;
pub use profile::{PersonName, Profile};

use crate::email_address::EmailAddress;
use crate::ids::{AppId, IdentifierId, UserId};
use crate::phone_number::PhoneNumber;
use crate::time::Timestamp;

/// What kind of address an identifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum IdentifierKind {
    /// A mail address.
    Email = 1,
    /// A telephone number (E.164).
    Phone = 2,
}

/// Who wrote an identifier: an unproven address written by a stranger must not keep what it collected once its owner proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i64)]
pub enum WrittenBy {
    /// The person, by redeeming a link sent there.
    Person = 1,
    /// A client of the app.
    Client = 2,
    /// The operator, by import or command.
    Operator = 3,
}

/// An address of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A mail address.
    Email(EmailAddress),
    /// A telephone number.
    Phone(PhoneNumber),
}

impl Address {
    /// What kind it is.
    pub const fn kind(&self) -> IdentifierKind {
        match self {
            Self::Email(_) => IdentifierKind::Email,
            Self::Phone(_) => IdentifierKind::Phone,
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Phone(phone) => phone.as_str(),
        }
    }
}

/// An address and what is known about it.
#[derive(Clone, Debug)]
pub struct Identifier {
    /// The public id.
    pub id: IdentifierId,
    /// The address.
    pub address: Address,
    /// Whether messages to the user go there.
    pub is_primary: bool,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When control of it was first proven.
    pub verified_at: Option<Timestamp>,
    /// Unless it is proven by then, it goes.
    pub provisional_until: Option<Timestamp>,
}

/// A person in an app: what every request needs to know.
#[derive(Clone, Debug)]
pub struct User {
    /// The public id; `sub` in tokens.
    pub id: UserId,
    /// Of which app.
    pub app: AppId,
    /// The primary mail address.
    pub email: Option<EmailAddress>,
    /// When control of it was first proven.
    pub email_verified_at: Option<Timestamp>,
    /// When the user came to be.
    pub created_at: Timestamp,
    /// While set, sign-in is refused.
    pub disabled_at: Option<Timestamp>,
    /// Invited or made as such by a client, and has not signed in yet.
    pub is_pending: bool,
}

/// A person with everything the app keeps.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub user: User,
    /// All addresses, oldest first.
    pub identifiers: Vec<Identifier>,
    /// The app's own id of the user.
    pub external_id: Option<ExternalId>,
    /// What the app keeps about the person.
    pub profile: Profile,
    /// Guards changes: see [`store::UserStore::change_user`].
    pub version: i64,
}

impl Person {
    /// Without addresses whose time to be proven is over.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.identifiers.retain(|identifier| identifier.provisional_until.is_none_or(|end| now < end));
        self
    }

    /// The mail addresses.
    pub fn emails(&self) -> impl Iterator<Item = (&Identifier, &EmailAddress)> {
        self.identifiers.iter().filter_map(|i| match &i.address {
            Address::Email(email) => Some((i, email)),
            Address::Phone(_) => None,
        })
    }

    /// The telephone numbers.
    pub fn phones(&self) -> impl Iterator<Item = (&Identifier, &PhoneNumber)> {
        self.identifiers.iter().filter_map(|i| match &i.address {
            Address::Phone(phone) => Some((i, phone)),
            Address::Email(_) => None,
        })
    }
}

/// Which user a client means.
#[derive(Clone, Debug)]
pub enum UserRef {
    /// By our id.
    Id(UserId),
    /// By the app's own.
    External(ExternalId),
}
