//! Links that a client asks for with more than an address: by which addresses the person is found, what is written down about them, which group they join.
//!
//! Nobody comes to be by asking. Whom the link signs in is decided again when it is redeemed, in the same transaction; until then, an id is kept for somebody new,
//! so that the client can note it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::issue::{Carries, Carry, IssueLink, IssuedLink, check_lifetime};
use crate::Engine;
use crate::apps::App;
use crate::caller::{Authority, Caller};
use crate::email_address::EmailAddress;
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::groups::{Admission, GroupRef, GroupStatus};
use crate::ids::{GroupId, InviteId, UserId};
use crate::phone_number::PhoneNumber;
use crate::time::Timestamp;
use crate::users::schema::{OwnedBy, address_field};
use crate::users::store::{NewIdentity, Reserve};
use crate::users::write::UserIdFormat;
use crate::users::writing::{self, Mode, Writer, Writing, read_address};
use crate::users::{Address, ExternalId, IdentifierKind, Person, Profile, User, UserRef};

/// An address as it is kept with a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAddress {
    /// A mail address.
    Email(EmailAddress),
    /// A telephone number.
    Phone(PhoneNumber),
}

impl From<Address> for PlannedAddress {
    fn from(address: Address) -> Self {
        match address {
            Address::Email(email) => Self::Email(email),
            Address::Phone(phone) => Self::Phone(phone),
        }
    }
}

impl From<PlannedAddress> for Address {
    fn from(address: PlannedAddress) -> Self {
        match address {
            PlannedAddress::Email(email) => Self::Email(email),
            PlannedAddress::Phone(phone) => Self::Phone(phone),
        }
    }
}

/// Whom a link signs in, and what that writes down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignInPlan {
    /// The addresses by which the person is found, the most telling one first.
    pub addresses: Vec<PlannedAddress>,
    /// Who it is when nobody is found by them: somebody who is there, or who comes to be.
    pub otherwise: NewIdentity,
    /// The address that redeeming proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proves: Option<PlannedAddress>,
    /// Values of the app's schema, written with the app's right.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// The group that they join, if it is still open then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The invitation that it accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<InviteId>,
}

impl SignInPlan {
    /// The addresses in the engine's form.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.addresses.iter().cloned().map(Address::from)
    }

    /// The address that redeeming proves.
    pub fn proves(&self) -> Option<Address> {
        self.proves.clone().map(Address::from)
    }

    /// The proven address, or the first one by which the person is found, as it may be shown to whoever holds the link.
    pub fn masked_address(&self) -> Option<String> {
        let address = self.proves().or_else(|| self.addresses().next())?;
        Some(match address {
            Address::Email(email) => email.masked(),
            Address::Phone(phone) => phone.masked(),
        })
    }

    /// What is written down about a person: values for fields that left the schema meanwhile are passed over.
    pub fn writing(&self, schema: &crate::users::schema::Schema) -> Writing {
        let fits = |(name, value): &(&String, &Value)| schema.field(name).is_some_and(|field| field.check(value).is_ok());
        let values = self.values.iter().filter(fits).map(|(name, value)| (name.clone(), value.clone())).collect();
        Writing { values, mode: Mode::Merge, by: Writer::App }
    }
}

/// How a sign-in that only an id names was proven, in the words of a profile.
pub const fn method_word(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Email => "email",
        IdentifierKind::Phone => "phone",
    }
}

/// Which id somebody gets who is not found by an address.
#[derive(Clone, Debug)]
pub enum IdWish {
    /// A new one, of a form; of the app's when not given.
    New(Option<UserIdFormat>),
    /// This very one.
    Named(ExternalId),
    /// That of somebody who is there.
    User(UserId),
}

/// Asks for a link with more than an address.
#[derive(Clone, Debug)]
pub struct PlanLink {
    /// The link: redirect, lifetime, door, carry and the like.
    pub link: IssueLink,
    /// Which kind of address redeeming proves.
    pub proves: Option<IdentifierKind>,
    /// Values of the app's schema.
    pub values: Map<String, Value>,
    /// Which id.
    pub id: IdWish,
    /// The group to join.
    pub group: Option<GroupId>,
    /// The invitation to accept.
    pub invite: Option<InviteId>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct PlannedLink {
    /// The link.
    pub link: IssuedLink,
    /// Whom it signs in, as far as can be said now.
    pub identity: NewIdentity,
    /// They are there already.
    pub is_known: bool,
}

fn nobody(id: NewIdentity, app: &App, now: Timestamp) -> Person {
    let user = User {
        id: id.id,
        app: app.id,
        email: None,
        email_verified_at: None,
        created_at: now,
        disabled_at: None,
        is_pending: false,
    };
    Person { user, identifiers: Vec::new(), external_id: id.external_id, profile: Profile::default(), version: 0 }
}

impl Engine {
    /// Makes a link that finds or makes its user when it is redeemed.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`; `Invalid` naming fields of `data` that the schema does not allow, `data` when nothing tells who it is; `NotFound` or
    /// `Conflict` about `group` when it is unknown or not open; `Conflict` about `user` when the addresses belong to two people, or the one to be proven is another's;
    /// those of [`Engine::issue_link`].
    pub async fn issue_planned(&self, caller: &Caller, command: PlanLink) -> Result<PlannedLink> {
        caller.require("link:create")?;
        self.plan_link(caller, command).await
    }

    /// Mails a link to an address, for whoever has it or somebody new: what strangers may ask for. Values are written for somebody new only, and only those that people may
    /// write about themselves.
    ///
    /// # Errors
    /// `NotConfigured` without a sender; `NotFound` about `user` when nobody has the address, the request is to sign somebody in, and the app tells; else as
    /// [`Engine::issue_planned`] and [`Engine::issue_link`].
    pub async fn mail_planned(
        &self,
        caller: &Caller,
        address: EmailAddress,
        is_sign_in: bool,
        mut command: PlanLink,
    ) -> Result<PlannedLink> {
        let app = &caller.app;
        let known = self.store.find_user_by_email(app.id, &address).await?.is_some();
        if is_sign_in && !known && app.settings.tell_unknown_users {
            return Err(crate::users::manage::no_user());
        }
        let field = address_field(IdentifierKind::Email);
        if known {
            command.values.clear();
        }
        let theirs = |name: &String| {
            name == field
                || app.settings.schema().field(name).is_none_or(|field| field.owned_by == OwnedBy::User && field.user_visible)
        };
        command.values.retain(|name, _| theirs(name));
        command.values.insert(field.to_owned(), address.as_str().into());
        let link = IssueLink { address: Some(address), carry: Carry::Mail, carries: Carries::LinkAndCode, ..command.link };
        let command = PlanLink { link, proves: Some(IdentifierKind::Email), id: IdWish::New(None), ..command };
        self.plan_link(caller, command).await
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn plan_link(&self, caller: &Caller, command: PlanLink) -> Result<PlannedLink> {
        let (app, now) = (&caller.app, self.clock.now());
        if let Some(group) = command.group {
            self.must_be_open(app, group).await?;
        }
        let addresses = self.planned_addresses(app, &command)?;
        let mut found: Option<Person> = None;
        for address in &addresses {
            let Some(person) = self.store.find_person_by_address(app.id, address).await? else { continue };
            match &found {
                Some(known) if known.user.id != person.user.id => {
                    let message = "The addresses belong to two different users";
                    return Err(Error::new(ErrorKind::Conflict, message).about("user"));
                }
                _ => found = Some(person.at(now)),
            }
        }
        let wished = match &command.id {
            IdWish::New(_) => None,
            IdWish::Named(id) => Some(UserRef::External(id.clone())),
            IdWish::User(id) => Some(UserRef::Id(*id)),
        };
        let is_named = wished.is_some();
        if let (None, Some(wished)) = (&found, wished) {
            found = self.store.find_person(app.id, wished).await?.map(|person| person.at(now));
        }
        if addresses.is_empty() && !is_named {
            let message = "must tell who it is: an address in data, or user_id";
            return Err(Error::invalid_fields(vec![FieldError::new("data", message).because(Problem::Missing)]));
        }
        let format = match (&found, &command.id) {
            (None, IdWish::User(_)) => return Err(crate::users::manage::no_user()),
            (None, IdWish::New(format)) => Some(format.unwrap_or(app.settings.user_id_format)),
            _ => None,
        };
        let mut identity = match (&found, &command.id, format) {
            (Some(person), ..) => NewIdentity { id: person.user.id, external_id: person.external_id.clone() },
            (None, IdWish::Named(id), _) => self.named_identity(id.clone())?,
            (None, _, format) => self.new_identity(format.unwrap_or_default())?,
        };
        let person = found.clone().unwrap_or_else(|| nobody(identity.clone(), app, now));
        let proves = match command.proves {
            None => None,
            Some(kind) => Some(self.address_to_prove(&person, &addresses, kind).await?),
        };
        // What is wrong now would be wrong then: told to whoever can mend it, before anything is kept.
        let whole = Writing { values: command.values.clone(), mode: Mode::Merge, by: Writer::App };
        if let Err(writing::Refused::Fields(fields)) = writing::write(&person, app.settings.schema(), &whole, now) {
            return Err(Error::invalid_fields(fields).about("data"));
        }
        let lifetime = command.link.lifetime.unwrap_or(app.settings.link_lifetime);
        check_lifetime(caller, command.link.purpose, lifetime)?;
        if let (Some(format), Some(address), Authority::Client { .. }) = (format, addresses.first(), &caller.authority) {
            // A client that asks twice for the same new person is told the same id. Strangers are told none, and must not learn by the time it takes who is new.
            let form = format!("{format:?}").to_lowercase();
            let reserve = Reserve { app: app.id, address: address.clone(), form, identity, until: now.plus(lifetime), now };
            identity = self.store.reserve_identity(reserve).await?;
        }
        let plan = SignInPlan {
            addresses: addresses.into_iter().map(PlannedAddress::from).collect(),
            otherwise: identity.clone(),
            proves: proves.map(PlannedAddress::from),
            values: command.values,
            group: command.group,
            invite: command.invite,
        };
        let link = IssueLink { user: found.as_ref().map(|person| person.user.id), plan: Some(plan), ..command.link };
        let link = self.issue(caller, link).await?;
        Ok(PlannedLink { link, identity, is_known: found.is_some() })
    }

    async fn must_be_open(&self, app: &App, group: GroupId) -> Result<()> {
        let found = self.store.find_group(app.id, GroupRef::Id(group)).await?;
        let found = found.ok_or_else(|| Error::not_found("group", "There is no such group"))?;
        match found.admission == Admission::Open && found.status == GroupStatus::Active {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Conflict, "This group is not open to everybody").about("group")),
        }
    }

    /// The addresses among the values, the kind to be proven first.
    fn planned_addresses(&self, app: &App, command: &PlanLink) -> Result<Vec<Address>> {
        let mut kinds = [IdentifierKind::Email, IdentifierKind::Phone];
        if command.proves == Some(IdentifierKind::Phone) {
            kinds.reverse();
        }
        let mut addresses = Vec::new();
        for kind in kinds {
            let name = address_field(kind);
            let Some(value) = command.values.get(name).filter(|_| app.settings.schema().field(name).is_some()) else { continue };
            let text = value
                .as_str()
                .ok_or_else(|| Error::invalid_fields(vec![FieldError::new(name, "must be a string")]).about("data"))?;
            let address = read_address(kind, text)
                .map_err(|message| Error::invalid_fields(vec![FieldError::new(name, message)]).about("data"))?;
            addresses.push(address);
        }
        Ok(addresses)
    }

    async fn address_to_prove(&self, person: &Person, given: &[Address], kind: IdentifierKind) -> Result<Address> {
        let name = address_field(kind);
        let own = || person.value(name).and_then(|value| read_address(kind, value.as_str()?).ok());
        let address = given.iter().find(|address| address.kind() == kind).cloned().or_else(own).ok_or_else(|| {
            let message = "must hold the address that the link verifies, unless the user has one";
            Error::invalid_fields(vec![FieldError::new(name, message).because(Problem::Missing)]).about("data")
        })?;
        let owner = self.store.find_person_by_address(person.user.app, &address).await?;
        match owner.filter(|owner| owner.user.id != person.user.id) {
            Some(_) => Err(crate::users::write::taken(name)),
            None => Ok(address),
        }
    }
}
