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
use crate::ids::{AppId, GroupId, InviteId, UserId};
use crate::phone_number::PhoneNumber;
use crate::time::Timestamp;
use crate::users::schema::{OwnedBy, address_field, address_kind};
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
    /// The person was found by an address, and nobody else may use the link: whoever has given that address up since is not signed in by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_by_address: bool,
    /// Values of the app's schema, written with the app's right.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// The values are a stranger's, and only for somebody who comes to be by this link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub values_of_newcomer: bool,
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

    /// What is written down about a person, who comes to be just now or not: values for fields that left the schema meanwhile are passed over.
    pub fn writing(&self, schema: &crate::users::schema::Schema, is_new: bool) -> Writing {
        let fits = |(name, value): &(&String, &Value)| {
            (is_new || !self.values_of_newcomer) && schema.field(name).is_some_and(|field| field.check(value).is_ok())
        };
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
    /// One that was kept for somebody new, and told to the app.
    Reserved(UserId),
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
    /// The values are a stranger's, and only for somebody who comes to be by this link.
    pub values_of_newcomer: bool,
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
    /// write about themselves. Any other address among them is passed over: it would find, or become, what only its owner may.
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
        // An unknown field stays, and is refused like any other bad one, whoever has the address.
        let theirs = |name: &String| match app.settings.schema().field(name) {
            Some(field) => address_kind(name).is_none() && field.owned_by == OwnedBy::User && field.user_visible,
            None => true,
        };
        command.values.retain(|name, _| theirs(name));
        command.values.insert(address_field(IdentifierKind::Email).to_owned(), address.as_str().into());
        let link = IssueLink { address: Some(address), carry: Carry::Mail, carries: Carries::LinkAndCode, ..command.link };
        let (proves, id) = (Some(IdentifierKind::Email), IdWish::New(None));
        let command = PlanLink { link, proves, id, values_of_newcomer: true, ..command };
        self.plan_link(caller, command).await
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn plan_link(&self, caller: &Caller, command: PlanLink) -> Result<PlannedLink> {
        let (app, now) = (&caller.app, self.clock.now());
        if let Some(group) = command.group {
            self.must_be_open(app, group).await?;
        }
        let addresses = self.planned_addresses(app, &command)?;
        let mut by_address: Option<Person> = None;
        for address in &addresses {
            let Some(person) = self.find_owner(app.id, address, now).await? else { continue };
            match &by_address {
                Some(known) if known.user.id != person.user.id => {
                    let message = "The addresses belong to two different users";
                    return Err(Error::new(ErrorKind::Conflict, message).about("user"));
                }
                _ => by_address = Some(person),
            }
        }
        let by_id = match &command.id {
            IdWish::New(_) => None,
            IdWish::Named(id) => self.store.find_person(app.id, UserRef::External(id.clone())).await?,
            IdWish::Reserved(id) | IdWish::User(id) => self.store.find_person(app.id, UserRef::Id(*id)).await?,
        };
        let by_id = by_id.map(|person| person.at(now));
        if addresses.is_empty() && matches!(command.id, IdWish::New(_)) {
            let message = "must tell who it is: an address in data, or user_id";
            return Err(Error::invalid_fields(vec![FieldError::new("data", message).because(Problem::Missing)]));
        }
        let format = match (&by_address, &by_id, &command.id) {
            (None, None, IdWish::User(_)) => return Err(crate::users::manage::no_user()),
            (None, _, IdWish::New(format)) => Some(format.unwrap_or(app.settings.user_id_format)),
            _ => None,
        };
        let identity_of = |person: &Person| NewIdentity { id: person.user.id, external_id: person.external_id.clone() };
        // Who it is where nobody has the addresses when the link is used: never who had one of them before.
        let mut otherwise = match (&by_id, &command.id) {
            (Some(person), _) => identity_of(person),
            (None, IdWish::Named(id)) => self.named_identity(id.clone())?,
            (None, IdWish::Reserved(id) | IdWish::User(id)) => NewIdentity { id: *id, external_id: None },
            (None, IdWish::New(format)) => self.new_identity(format.unwrap_or(app.settings.user_id_format))?,
        };
        let only_by_address = match (&by_address, &by_id, &command.id) {
            (Some(owner), Some(named), _) => owner.user.id == named.user.id,
            (Some(_), None, IdWish::User(_)) => true,
            _ => false,
        };
        let found = by_address.or(by_id);
        let person = found.clone().unwrap_or_else(|| nobody(otherwise.clone(), app, now));
        let proves = match command.proves {
            None => None,
            Some(kind) => Some(self.address_to_prove(&person, &addresses, kind).await?),
        };
        // What is wrong now would be wrong then: told to whoever can mend it, before anything is kept.
        let whole = Writing { values: command.values.clone(), mode: Mode::Merge, by: Writer::App };
        // A stranger is told the same whoever has the address.
        let newcomer = command.values_of_newcomer.then(|| nobody(otherwise.clone(), app, now));
        let about = newcomer.as_ref().unwrap_or(&person);
        if let Err(writing::Refused::Fields(fields)) = writing::write(about, app.settings.schema(), &whole, now) {
            return Err(Error::invalid_fields(fields).about("data"));
        }
        let lifetime = command.link.lifetime.unwrap_or(app.settings.link_lifetime);
        check_lifetime(caller, command.link.purpose, lifetime)?;
        if let (Some(format), Some(address), Authority::Client { .. }) = (format, addresses.first(), &caller.authority) {
            // A client that asks twice for the same new person is told the same id. Strangers are told none, and must not learn by the time it takes who is new.
            let form = format!("{format:?}").to_lowercase();
            let reserve =
                Reserve { app: app.id, address: address.clone(), form, identity: otherwise, until: now.plus(lifetime), now };
            otherwise = self.store.reserve_identity(reserve).await?;
        }
        let identity = found.as_ref().map_or_else(|| otherwise.clone(), identity_of);
        let plan = SignInPlan {
            addresses: addresses.into_iter().map(PlannedAddress::from).collect(),
            otherwise,
            only_by_address,
            proves: proves.map(PlannedAddress::from),
            values: command.values,
            values_of_newcomer: command.values_of_newcomer,
            group: command.group,
            invite: command.invite,
        };
        let link = IssueLink { user: found.as_ref().map(|person| person.user.id), plan: Some(plan), ..command.link };
        let link = self.issue(caller, link).await?;
        Ok(PlannedLink { link, identity, is_known: found.is_some() })
    }

    /// Who has an address: whoever did not prove it in time has it no more.
    pub(crate) async fn find_owner(&self, app: AppId, address: &Address, now: Timestamp) -> Result<Option<Person>> {
        let owner = self.store.find_person_by_address(app, address).await?.map(|person| person.at(now));
        Ok(owner.filter(|person| person.identifiers.iter().any(|identifier| identifier.address == *address)))
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
        let owner = self.find_owner(person.user.app, &address, self.clock.now()).await?;
        match owner.filter(|owner| owner.user.id != person.user.id) {
            Some(_) => Err(crate::users::write::taken(name)),
            None => Ok(address),
        }
    }
}
