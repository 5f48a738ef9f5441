//! Bringing people over from another server: what clients cannot do, an operator can. People keep the id they had, for it stands in the app's own tables.

use serde_json::{Map, Value};

use super::profile::{Activity, Profile, ProfileChange};
use super::schema::address_field;
use super::store::{CreateUserOutcome, NewUser};
use super::write::{check_labels, refused};
use super::writing::{self, Mode, Writer, Writing};
use super::{Address, ExternalId, Identifier, IdentifierKind, Person, User, UserRef, WrittenBy};
use crate::Engine;
use crate::caller::{Authority, Caller};
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::groups::{Member, MemberState, check_roles};
use crate::ids::{GroupId, IdentifierId, UserId};
use crate::ports::Draw;
use crate::time::Timestamp;

/// A person as another server knew them.
#[derive(Clone, Debug, Default)]
pub struct ImportedUser {
    /// The id they keep; a new one when not given.
    pub id: Option<UserId>,
    /// When they came to be there; now when that is not known, and never later than now.
    pub created_at: Option<Timestamp>,
    /// The addresses and whether each is proven. Proven ones come first in what messages are sent to. There may be none.
    pub addresses: Vec<(Address, bool)>,
    /// Addresses that they wrote down and nobody proved: kept as values of the app's schema, and nobody is found by them.
    pub typed: Vec<Address>,
    /// Not signed in yet.
    pub is_pending: bool,
    /// Sign-in is refused.
    pub is_disabled: bool,
    /// The app's own id.
    pub external_id: Option<ExternalId>,
    /// What to keep.
    pub profile: ProfileChange,
    /// Values of the app's schema, but for addresses.
    pub values: Map<String, Value>,
    /// When things happened there.
    pub activity: Activity,
    /// The groups they are in, and their roles there, which stay exactly those.
    pub groups: Vec<(GroupId, Vec<String>)>,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// Made.
    Made(UserId),
    /// Was here already, by the id or by the app's own: nothing changed.
    There(UserId),
}

fn taken(field: &str, message: &str) -> Error {
    Error::invalid_fields(vec![FieldError::new(field, message).because(Problem::Taken)])
}

fn address_taken(kind: IdentifierKind) -> Error {
    match kind {
        IdentifierKind::Email => taken("email", "belongs to another user of this app"),
        IdentifierKind::Phone => taken("phone", "belongs to another user of this app"),
    }
}

fn operator_only(caller: &Caller) -> Result<()> {
    match caller.authority {
        Authority::Operator => Ok(()),
        _ => Err(Error::new(ErrorKind::Forbidden, "Only the operator imports users")),
    }
}

impl Engine {
    /// Makes one person as another server knew them, or finds that they are here. Doing it again changes nothing. Many may be under way at once; their
    /// writes share their syncs.
    ///
    /// # Errors
    /// `Forbidden` for anybody but the operator; `Invalid` with [`Problem::Taken`] naming `id` (a user of another app has it), `email` or `phone`, or naming
    /// what is over its bounds.
    pub async fn import_user(&self, caller: &Caller, person: ImportedUser) -> Result<Imported> {
        operator_only(caller)?;
        // Not the addresses: that they are taken is told by the write, for the same person may be on its way.
        if let Some(there) = self.known(caller, person.id, person.external_id.clone()).await? {
            return Ok(Imported::There(there));
        }
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let id = person.id.unwrap_or_else(|| draw.user_id());
        let created_at = person.created_at.unwrap_or(now).min(now);
        let addresses = identifiers(person.addresses.clone(), created_at, || draw.identifier_id());
        let (profile, unique) = whole(caller, &person, id, &addresses, now)?;
        let members = person.groups.into_iter().map(|(group, roles)| {
            let member = Member {
                id: draw.member_id(),
                group,
                user: id,
                roles,
                state: MemberState::Active,
                added_by: Some(caller.actor()),
                invited_by: None,
                created_at: now,
            };
            (member, Event::new(EventKind::GroupJoined, caller, &mut draw, now))
        });
        let members: Vec<_> = members.collect();
        let new = NewUser {
            id,
            app: caller.app.id,
            now,
            created_at,
            addresses,
            written_by: WrittenBy::Operator,
            is_pending: person.is_pending,
            external_id: person.external_id.clone(),
            profile,
            unique,
            disabled_at: person.is_disabled.then_some(now),
            members,
            event: Event::new(EventKind::UserCreated, caller, &mut draw, now).user(id).with("by", "import"),
        };
        match self.store.create_user(new).await? {
            CreateUserOutcome::Created => Ok(Imported::Made(id)),
            CreateUserOutcome::AddressTaken(kind) => {
                // The same person may stand in the file twice, or be imported by two at once.
                let there = self.known(caller, person.id, person.external_id).await?;
                there.map(Imported::There).ok_or_else(|| address_taken(kind))
            }
            CreateUserOutcome::ValueTaken(field) => {
                let there = self.known(caller, person.id, person.external_id).await?;
                there.map(Imported::There).ok_or_else(|| taken(&field, "belongs to another user of this app"))
            }
            CreateUserOutcome::ExternalIdTaken | CreateUserOutcome::IdTaken => {
                let there = self.known(caller, person.id, person.external_id).await?;
                there.map(Imported::There).ok_or_else(|| taken("id", "belongs to a user of another app of this server"))
            }
        }
    }

    /// What [`Engine::import_user`] would say, without doing it: who it is when they are here already.
    ///
    /// # Errors
    /// As [`Engine::import_user`], but for ids of other apps.
    pub async fn check_import(&self, caller: &Caller, person: &ImportedUser) -> Result<Option<UserId>> {
        operator_only(caller)?;
        if let Some(there) = self.known(caller, person.id, person.external_id.clone()).await? {
            return Ok(Some(there));
        }
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let addresses = identifiers(person.addresses.clone(), now, || draw.identifier_id());
        whole(caller, person, draw.user_id(), &addresses, now)?;
        for (address, _) in &person.addresses {
            if self.store.find_person_by_address(caller.app.id, address).await?.is_some() {
                return Err(address_taken(address.kind()));
            }
        }
        Ok(None)
    }

    async fn known(&self, caller: &Caller, id: Option<UserId>, external_id: Option<ExternalId>) -> Result<Option<UserId>> {
        if let Some(id) = id
            && let Some(person) = self.store.find_person(caller.app.id, UserRef::Id(id)).await?
        {
            return Ok(Some(person.user.id));
        }
        let Some(external_id) = external_id else { return Ok(None) };
        match self.store.find_person(caller.app.id, UserRef::External(external_id)).await? {
            Some(person) if id.is_none_or(|id| id == person.user.id) => Ok(Some(person.user.id)),
            // They have an id of ours to be known by, and this is somebody else's.
            Some(_) => Err(taken("external_id", "belongs to another user of this app")),
            None => Ok(None),
        }
    }
}

/// An address with its id, and since when it is proven.
type NewIdentifier = (IdentifierId, Address, Option<Timestamp>);

/// What is kept about somebody new, and which of it nobody else may have.
fn whole(
    caller: &Caller,
    person: &ImportedUser,
    id: UserId,
    addresses: &[NewIdentifier],
    now: Timestamp,
) -> Result<(Profile, Vec<(String, String)>)> {
    let schema = caller.app.settings.schema();
    check_labels(person.profile.attributes.as_ref().unwrap_or(&std::collections::BTreeMap::new()))?;
    let mut bad = Vec::new();
    person.groups.iter().for_each(|(_, roles)| check_roles(roles, &mut bad));
    if !bad.is_empty() {
        return Err(Error::invalid_fields(bad));
    }
    let mut profile = person.profile.apply(&Profile::default()).map_err(Error::invalid_fields)?;
    for address in &person.typed {
        profile.data.insert(address_field(address.kind()).to_owned(), address.as_str().into());
    }
    let identifiers = addresses.iter().map(|(id, address, verified_at)| Identifier {
        id: *id,
        address: address.clone(),
        is_primary: true,
        created_at: now,
        verified_at: *verified_at,
        provisional_until: None,
    });
    let user = User {
        id,
        app: caller.app.id,
        email: None,
        email_verified_at: None,
        created_at: now,
        disabled_at: None,
        is_pending: person.is_pending,
    };
    let new = Person { user, identifiers: identifiers.collect(), external_id: None, profile, version: 0 };
    let writing = Writing { values: person.values.clone(), mode: Mode::Merge, by: Writer::App };
    let written = writing::write(&new, schema, &writing, now).map_err(refused)?;
    let unique = written.unique.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
    Ok((Profile { activity: person.activity.clone(), ..written.profile }, unique))
}

/// Each address once, proven ones first.
fn identifiers(
    addresses: Vec<(Address, bool)>,
    created_at: Timestamp,
    mut id: impl FnMut() -> IdentifierId,
) -> Vec<NewIdentifier> {
    let mut all: Vec<(Address, bool)> = Vec::new();
    for (address, is_proven) in addresses {
        match all.iter_mut().find(|(known, _)| *known == address) {
            Some((_, known)) => *known |= is_proven,
            None => all.push((address, is_proven)),
        }
    }
    all.sort_by_key(|(_, is_proven)| !is_proven);
    all.into_iter().map(|(address, is_proven)| (id(), address, is_proven.then_some(created_at))).collect()
}
