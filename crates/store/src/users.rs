//! Users and their identifiers.

use passlink_engine::email_address::EmailAddress;
use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, IdentifierId, SessionId, UserId};
use passlink_engine::phone_number::PhoneNumber;
use passlink_engine::time::Timestamp;
use passlink_engine::users::store::{
    ChangeUser, ChangeUserOutcome, CreateUserOutcome, ExchangeIdentifier, ExchangeIdentifierOutcome, NewAddress, NewIdentity,
    NewUser, RemoveOutcome, Reserve, UserStore, WriteUser, WriteUserOutcome,
};
use passlink_engine::users::{Address, ExternalId, Identifier, IdentifierKind, Person, User, UserRef, WrittenBy};
use passlink_engine::{Error, ErrorKind, Result};

use crate::SqlStore;
use crate::people::SetDisabled;
use crate::statements::{append, statements};
use crate::tx::{Row, Tx, values};
use crate::{events, members, people, redeem, sessions};

/// The columns of a user (alias `u`) with its primary mail address (alias `i`), in the order of [`read`].
macro_rules! user_columns {
    () => {
        "u.id, u.app_id, i.value, i.verified_at, u.created_at, u.disabled_at, u.is_pending"
    };
}
pub(crate) use user_columns;

/// A person is read as one row for each address; `$from` names the users as `u`, in order.
macro_rules! people {
    ($from:expr) => {
        concat!(
            "SELECT u.id, u.app_id, u.created_at, u.disabled_at, u.is_pending, u.external_id, u.profile, u.version,
            i.id, i.kind, i.value, i.is_primary, i.created_at, i.verified_at, i.provisional_until FROM ",
            $from,
            " ORDER BY u.id, i.created_at, i.kind, i.is_primary DESC, i.value"
        )
    };
}

append!(
    INSERT_USER,
    insert_user,
    "INSERT INTO users (id, app_id, created_at) VALUES ($1, $2, $3)",
    "INSERT INTO users (id, app_id, created_at) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[])",
    [Bytes, Bytes, Int]
);

statements! {
    FIND = concat!("SELECT ", user_columns!(), " FROM users u LEFT JOIN identifiers i ON i.user_id = u.id AND i.kind = 1 AND i.is_primary = 1
        WHERE u.id = $1 AND u.app_id = $2");
    FIND_BY_EMAIL = concat!("SELECT ", user_columns!(), " FROM identifiers i JOIN users u ON u.id = i.user_id
        WHERE i.app_id = $1 AND i.kind = 1 AND i.value = $2");
    PERSON = people!("users u LEFT JOIN identifiers i ON i.user_id = u.id WHERE u.id = $1 AND u.app_id = $2");
    PERSON_BY_EXTERNAL_ID = people!("users u LEFT JOIN identifiers i ON i.user_id = u.id WHERE u.app_id = $1 AND u.external_id = $2");
    PERSON_BY_ADDRESS = people!("identifiers k JOIN users u ON u.id = k.user_id JOIN identifiers i ON i.user_id = u.id
        WHERE k.app_id = $1 AND k.kind = $2 AND k.value = $3");
    PERSON_BY_IDENTIFIER = people!("identifiers k JOIN users u ON u.id = k.user_id JOIN identifiers i ON i.user_id = u.id WHERE k.id = $1 AND k.app_id = $2");
    // Ids begin with their time, so this is the order in which people came to be.
    PEOPLE = people!("(SELECT * FROM users WHERE app_id = $1 AND id > $2 ORDER BY id LIMIT CAST($3 AS BIGINT)) u LEFT JOIN identifiers i ON i.user_id = u.id");
    PEOPLE_BACK = people!("(SELECT * FROM users WHERE app_id = $1 AND id < $2 ORDER BY id DESC LIMIT CAST($3 AS BIGINT)) u LEFT JOIN identifiers i ON i.user_id = u.id");
    COUNT = "SELECT count(*) FROM users WHERE app_id = $1";
    // Whoever comes second waits for the first and finds its row.
    INSERT_IDENTIFIER = "INSERT INTO identifiers (app_id, kind, value, user_id, id, is_primary, written_by, created_at, verified_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (app_id, kind, value) DO NOTHING RETURNING user_id";
    OWNER = "SELECT user_id FROM identifiers WHERE app_id = $1 AND kind = $2 AND value = $3";
    VERIFY = "UPDATE identifiers SET verified_at = $1, provisional_until = NULL WHERE app_id = $2 AND kind = 1 AND value = $3 AND verified_at IS NULL RETURNING user_id";
    // Whoever was noted first may be a slip of the pen that nobody will ever prove.
    PROMOTE = "UPDATE identifiers SET is_primary = 1 WHERE app_id = $1 AND kind = 1 AND value = $2 AND is_primary = 0 AND NOT EXISTS
        (SELECT 1 FROM identifiers o WHERE o.user_id = identifiers.user_id AND o.kind = 1 AND o.is_primary = 1 AND o.provisional_until IS NULL) RETURNING user_id";
    DEMOTE_OTHERS = "UPDATE identifiers SET is_primary = 0 WHERE user_id = $1 AND kind = 1 AND value <> $2 AND is_primary = 1";
    INSERT_PROVISIONAL = "INSERT INTO identifiers (app_id, kind, value, user_id, id, is_primary, written_by, created_at, provisional_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (app_id, kind, value) DO NOTHING RETURNING user_id";
    DROP_EXPIRED = "DELETE FROM identifiers WHERE app_id = $1 AND kind = $2 AND value = $3 AND provisional_until <= $4";
    HAS_PRIMARY = "SELECT id FROM identifiers WHERE user_id = $1 AND kind = $2 AND is_primary = 1";
    OF_USER = "SELECT id FROM identifiers WHERE user_id = $1 LIMIT 1";
    DELETE_ONE = "DELETE FROM identifiers WHERE id = $1 AND app_id = $2 RETURNING user_id";
    MAKE_PRIMARY = "UPDATE identifiers SET is_primary = 1 WHERE id = $1";
    END_LINKS_TO_ONE = "UPDATE links SET revoked_at = $1, revoked_why = 3 WHERE app_id = $2 AND address = $3 AND redeemed_at IS NULL AND revoked_at IS NULL";
    REPLACE = "UPDATE identifiers SET id = $1, kind = $2, value = $3, is_primary = 1, written_by = $4, created_at = $5, verified_at = NULL, provisional_until = NULL
        WHERE id = $6 AND app_id = $7 RETURNING id";
    DROP_EXPIRED_OF = "DELETE FROM identifiers WHERE user_id = $1 AND provisional_until <= $2";
    ACTIVATE = "UPDATE users SET is_pending = 0 WHERE id = $1 AND is_pending = 1";
    INSERT_WHOLE = "INSERT INTO users (id, app_id, created_at, is_pending, external_id, profile, disabled_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING RETURNING id";
    CHANGE = "UPDATE users SET profile = $1, external_id = $2, version = version + 1 WHERE id = $3 AND version = $4 RETURNING id";
    HAS_EXTERNAL_ID = "SELECT id FROM users WHERE app_id = $1 AND external_id = $2";
    END_LINKS_TO = "UPDATE links SET revoked_at = $1, revoked_why = 3 WHERE app_id = $2 AND redeemed_at IS NULL AND revoked_at IS NULL
        AND address IN (SELECT value FROM identifiers WHERE user_id = $3)";
    DELETE_IDENTIFIERS = "DELETE FROM identifiers WHERE user_id = $1";
    DELETE = "DELETE FROM users WHERE id = $1 AND app_id = $2 RETURNING id";
}

pub(crate) fn read(row: &mut Row) -> Result<User> {
    let (id, app) = (row.next()?, row.next()?);
    let email: Option<String> = row.next()?;
    let email = email.map(|text| EmailAddress::parse(&text)).transpose().map_err(Error::internal)?;
    Ok(User {
        id,
        app,
        email,
        email_verified_at: row.next()?,
        created_at: row.next()?,
        disabled_at: row.next()?,
        is_pending: row.next()?,
    })
}

/// People from their rows, which stand together.
fn read_people(rows: Vec<Row>) -> Result<Vec<Person>> {
    let mut people: Vec<Person> = Vec::new();
    for mut row in rows {
        let (id, app, created_at, disabled_at, is_pending) = (row.next()?, row.next()?, row.next()?, row.next()?, row.next()?);
        let external_id: Option<String> = row.next()?;
        let profile: String = row.next()?;
        let version = row.next()?;
        if people.last().is_none_or(|person| person.user.id != id) {
            people.push(Person {
                user: User { id, app, email: None, email_verified_at: None, created_at, disabled_at, is_pending },
                identifiers: Vec::new(),
                external_id: external_id.as_deref().map(ExternalId::parse).transpose().map_err(Error::internal)?,
                profile: serde_json::from_str(&profile).map_err(Error::internal)?,
                version,
            });
        }
        let (Some(identifier), Some(person)) = (read_identifier(&mut row)?, people.last_mut()) else { continue };
        if let (Address::Email(email), true) = (&identifier.address, identifier.is_primary) {
            person.user.email = Some(email.clone());
            person.user.email_verified_at = identifier.verified_at;
        }
        person.identifiers.push(identifier);
    }
    Ok(people)
}

/// The address of a row; none when the user has none.
fn read_identifier(row: &mut Row) -> Result<Option<Identifier>> {
    let Some(id) = row.next::<Option<IdentifierId>>()? else { return Ok(None) };
    let (kind, value): (i64, String) = (row.next()?, row.next()?);
    let address = if kind == IdentifierKind::Email as i64 {
        Address::Email(EmailAddress::parse(&value).map_err(Error::internal)?)
    } else {
        Address::Phone(PhoneNumber::parse(&value).map_err(Error::internal)?)
    };
    Ok(Some(Identifier {
        id,
        address,
        is_primary: row.next()?,
        created_at: row.next()?,
        verified_at: row.next()?,
        provisional_until: row.next()?,
    }))
}

pub(crate) async fn find(tx: &mut Tx, app: AppId, id: UserId) -> Result<Option<User>> {
    tx.first(FIND, values![id, app]).await?.map(|mut row| read(&mut row)).transpose()
}

pub(crate) async fn find_by_email(tx: &mut Tx, app: AppId, email: &EmailAddress) -> Result<Option<User>> {
    tx.first(FIND_BY_EMAIL, values![app, email.as_str()]).await?.map(|mut row| read(&mut row)).transpose()
}

pub(crate) async fn find_person(tx: &mut Tx, app: AppId, user: &UserRef) -> Result<Option<Person>> {
    let rows = match user {
        UserRef::Id(id) => tx.many(PERSON, values![*id, app]).await?,
        UserRef::External(id) => tx.many(PERSON_BY_EXTERNAL_ID, values![app, id.as_str()]).await?,
    };
    Ok(read_people(rows)?.pop())
}

async fn find_by_address(tx: &mut Tx, app: AppId, address: &Address) -> Result<Option<Person>> {
    let rows = tx.many(PERSON_BY_ADDRESS, values![app, address.kind() as i64, address.as_str()]).await?;
    Ok(read_people(rows)?.pop())
}

async fn list(tx: &mut Tx, app: AppId, after: Option<UserId>, newest_first: bool, limit: u32) -> Result<Vec<Person>> {
    let edge = if newest_first { 255 } else { 0 };
    let after = after.map_or_else(|| vec![edge; 16], |id| id.as_bytes().to_vec());
    let mut people = read_people(tx.many(if newest_first { PEOPLE_BACK } else { PEOPLE }, values![app, after, limit]).await?)?;
    if newest_first {
        people.reverse();
    }
    Ok(people)
}

/// An address that nobody proved in time is free again.
pub(crate) async fn drop_expired(tx: &mut Tx, app: AppId, address: &Address, now: Timestamp) -> Result<()> {
    tx.run(DROP_EXPIRED, values![app, address.kind() as i64, address.as_str(), now]).await.map(|_| ())
}

pub(crate) async fn owner(tx: &mut Tx, app: AppId, address: &Address) -> Result<Option<UserId>> {
    let found = tx.first(OWNER, values![app, address.kind() as i64, address.as_str()]).await?;
    found.map(|mut row| row.next()).transpose()
}

/// Which kind of address of a new user is another's.
pub(crate) async fn taken_address(tx: &mut Tx, new: &NewUser) -> Result<Option<IdentifierKind>> {
    for (_, address, _) in &new.addresses {
        if people::owner(tx, new.app, address, new.now).await?.is_some() {
            return Ok(Some(address.kind()));
        }
    }
    Ok(None)
}

/// Adds a free address to a user until it is proven.
pub(crate) async fn add_address(tx: &mut Tx, app: AppId, new: &NewAddress, now: Timestamp) -> Result<()> {
    let (kind, value) = (new.address.kind() as i64, new.address.as_str());
    let is_first = tx.first(HAS_PRIMARY, values![new.user, kind]).await?.is_none();
    let by = WrittenBy::Client as i64;
    let row = values![app, kind, value, new.user, new.id, is_first, by, now, new.until];
    match tx.first(INSERT_PROVISIONAL, row).await? {
        Some(_) => Ok(()),
        None => Err(taken_meanwhile()),
    }
}

/// Somebody took an address since we looked: everything is undone, and looked at again.
pub(crate) fn taken_meanwhile() -> Error {
    Error::unavailable("an address was taken a moment ago")
}

async fn remove_identifier(tx: &mut Tx, app: AppId, id: IdentifierId, event: &Event) -> Result<RemoveOutcome> {
    let Some(person) = find_by_identifier(tx, app, id).await? else { return Ok(RemoveOutcome::Unknown) };
    let Some(gone) = person.identifiers.iter().find(|identifier| identifier.id == id) else { return Ok(RemoveOutcome::Unknown) };
    let others = |kind| person.identifiers.iter().filter(move |other| other.id != id && other.address.kind() == kind);
    let lasting = |other: &Identifier| other.provisional_until.is_none();
    if !person.identifiers.iter().any(|other| other.id != id && lasting(other)) {
        return Ok(RemoveOutcome::Last);
    }
    tx.run(END_LINKS_TO_ONE, values![event.at, app, gone.address.as_str()]).await?;
    if tx.first(DELETE_ONE, values![id, app]).await?.is_none() {
        return Ok(RemoveOutcome::Unknown);
    }
    if let (true, Some(next)) = (gone.is_primary, others(gone.address.kind()).find(|other| lasting(other))) {
        tx.run(MAKE_PRIMARY, values![next.id]).await?;
    }
    // Two removals at once must not leave a user without any address.
    if tx.many(OF_USER, values![person.user.id]).await?.is_empty() {
        return Err(Error::unavailable("another address was removed a moment ago"));
    }
    events::write(tx, event)?;
    let now = find_person(tx, app, &UserRef::Id(person.user.id)).await?;
    Ok(now.map_or(RemoveOutcome::Unknown, |person| RemoveOutcome::Removed(Box::new(person))))
}

async fn exchange_identifier(tx: &mut Tx, e: &ExchangeIdentifier) -> Result<ExchangeIdentifierOutcome> {
    let (kind, value, now) = (e.address.kind() as i64, e.address.as_str(), e.event.at);
    tx.run(DROP_EXPIRED_OF, values![e.user, now]).await?;
    let found = find_person(tx, e.app, &UserRef::Id(e.user)).await?;
    let only = found.as_ref().filter(|person| person.identifiers.len() == 1).and_then(|person| person.identifiers.first());
    let Some(old) = only else { return Ok(ExchangeIdentifierOutcome::NotTheOnlyOne) };
    if people::owner(tx, e.app, &e.address, now).await?.is_some() {
        return Ok(ExchangeIdentifierOutcome::Taken);
    }
    tx.run(END_LINKS_TO_ONE, values![now, e.app, old.address.as_str()]).await?;
    let row = values![e.id, kind, value, WrittenBy::Client as i64, now, old.id, e.app];
    let replaced = tx.first(REPLACE, row).await.map_err(|error| match error.kind() {
        ErrorKind::Conflict => taken_meanwhile().caused_by(error),
        _ => error,
    })?;
    if replaced.is_none() {
        return Ok(ExchangeIdentifierOutcome::NotTheOnlyOne);
    }
    events::write(tx, &e.event)?;
    let person = find_person(tx, e.app, &UserRef::Id(e.user)).await?;
    let person = person.ok_or_else(|| Error::unavailable("a user was removed a moment ago"))?;
    Ok(ExchangeIdentifierOutcome::Exchanged(Box::new(person)))
}

async fn find_by_identifier(tx: &mut Tx, app: AppId, identifier: IdentifierId) -> Result<Option<Person>> {
    Ok(read_people(tx.many(PERSON_BY_IDENTIFIER, values![identifier, app]).await?)?.pop())
}

pub(crate) async fn create(tx: &mut Tx, new: &NewUser) -> Result<CreateUserOutcome> {
    if let Some(kind) = taken_address(tx, new).await? {
        return Ok(CreateUserOutcome::AddressTaken(kind));
    }
    for (field, value) in &new.unique {
        if people::is_held(tx, new.app, field, value).await? {
            return Ok(CreateUserOutcome::ValueTaken(field.clone()));
        }
    }
    let profile = serde_json::to_string(&new.profile).map_err(Error::internal)?;
    let external_id = new.external_id.as_ref().map(ExternalId::as_str);
    let row = values![new.id, new.app, new.created_at, new.is_pending, external_id, profile, new.disabled_at];
    if tx.first(INSERT_WHOLE, row).await?.is_none() {
        let is_taken = match external_id {
            Some(id) => tx.first(HAS_EXTERNAL_ID, values![new.app, id]).await?.is_some(),
            None => false,
        };
        return Ok(if is_taken { CreateUserOutcome::ExternalIdTaken } else { CreateUserOutcome::IdTaken });
    }
    let mut kinds = Vec::new();
    for (id, address, verified_at) in &new.addresses {
        let (kind, by) = (address.kind() as i64, new.written_by as i64);
        let is_primary = !kinds.contains(&kind);
        kinds.push(kind);
        let row = values![new.app, kind, address.as_str(), new.id, *id, is_primary, by, new.created_at, *verified_at];
        if tx.first(INSERT_IDENTIFIER, row).await?.is_none() {
            return Err(taken_meanwhile());
        }
    }
    for (field, value) in &new.unique {
        people::hold(tx, new.app, new.id, field, value).await?;
    }
    events::write(tx, &new.event)?;
    for (member, event) in &new.members {
        members::bring(tx, new.app, member, event).await?;
    }
    Ok(CreateUserOutcome::Created)
}

async fn change(tx: &mut Tx, c: &ChangeUser) -> Result<ChangeUserOutcome> {
    // Somebody else may change the same user at the same time; the version tells, and what they wrote is merged with, not undone.
    for _ in 0..16 {
        let Some(mut person) = find_person(tx, c.app, &c.user).await? else { return Ok(ChangeUserOutcome::Unknown) };
        person.profile = match c.profile.apply(&person.profile) {
            Ok(profile) => profile,
            Err(fields) => return Ok(ChangeUserOutcome::Refused(fields)),
        };
        if let Some(external_id) = &c.external_id {
            person.external_id = external_id.clone();
        }
        if let Some(wanted) = &person.external_id
            && let Some(mut row) = tx.first(HAS_EXTERNAL_ID, values![c.app, wanted.as_str()]).await?
            && row.next::<UserId>()? != person.user.id
        {
            return Ok(ChangeUserOutcome::ExternalIdTaken);
        }
        let profile = serde_json::to_string(&person.profile).map_err(Error::internal)?;
        let external_id = person.external_id.as_ref().map(ExternalId::as_str);
        let changed = tx.first(CHANGE, values![profile, external_id, person.user.id, person.version]).await;
        let changed = changed.map_err(|error| match error.kind() {
            // Somebody took the external id since we looked: undone, and looked at again.
            ErrorKind::Conflict => Error::unavailable("an external id was taken a moment ago").caused_by(error),
            _ => error,
        })?;
        if changed.is_some() {
            person.version += 1;
            events::write(tx, &Event { user: Some(person.user.id), ..c.event.clone() })?;
            return Ok(ChangeUserOutcome::Changed(Box::new(person)));
        }
    }
    Err(Error::unavailable("a user is changed by too many at once"))
}

async fn delete(tx: &mut Tx, app: AppId, user: UserId, event: &Event) -> Result<Option<Vec<SessionId>>> {
    // In the order in which a redemption locks: links of addresses, sessions, other links, addresses, user.
    tx.run(END_LINKS_TO, values![event.at, app, user]).await?;
    let ended = sessions::end_all(tx, app, user, None, event.at).await?;
    redeem::end_links_of(tx, user, event.at).await?;
    tx.run(DELETE_IDENTIFIERS, values![user]).await?;
    people::let_go(tx, user).await?;
    if tx.first(DELETE, values![user, app]).await?.is_none() {
        return Ok(None);
    }
    members::remove_user(tx, user).await?;
    events::write(tx, event)?;
    Ok(Some(ended))
}

/// Somebody who proved an address just now.
pub(crate) struct Proven<'a> {
    pub(crate) app: AppId,
    pub(crate) user: UserId,
    pub(crate) identifier: IdentifierId,
    pub(crate) email: &'a EmailAddress,
}

/// Makes a user who proved this address just now, unless somebody else has it; answers whose it is, and whether that user is new.
pub(crate) async fn create_proven(tx: &mut Tx, p: Proven<'_>, now: Timestamp) -> Result<(UserId, bool)> {
    let (kind, by) = (IdentifierKind::Email as i64, WrittenBy::Person as i64);
    let row = values![p.app, kind, p.email.as_str(), p.user, p.identifier, true, by, now, now];
    if tx.first(INSERT_IDENTIFIER, row).await?.is_some() {
        tx.append(&INSERT_USER, values![p.user, p.app, now])?;
        return Ok((p.user, true));
    }
    let owner = owner(tx, p.app, &Address::Email(p.email.clone())).await?;
    Ok((owner.ok_or_else(|| Error::unavailable("an identifier came and went"))?, false))
}

/// Marks the address as proven; `true` when it was not before. It becomes its user's first one where no other lasts.
pub(crate) async fn verify(tx: &mut Tx, app: AppId, email: &EmailAddress, now: Timestamp) -> Result<bool> {
    if tx.first(VERIFY, values![now, app, email.as_str()]).await?.is_none() {
        return Ok(false);
    }
    if let Some(mut row) = tx.first(PROMOTE, values![app, email.as_str()]).await? {
        tx.run(DEMOTE_OTHERS, values![row.next::<UserId>()?, email.as_str()]).await?;
    }
    Ok(true)
}

/// A pending user signs in for the first time.
pub(crate) async fn activate(tx: &mut Tx, user: &mut User) -> Result<()> {
    if user.is_pending {
        tx.run(ACTIVATE, values![user.id]).await?;
        user.is_pending = false;
    }
    Ok(())
}

#[async_trait::async_trait]
impl UserStore for SqlStore {
    async fn find_user(&self, app: AppId, id: UserId) -> Result<Option<User>> {
        self.read((app, id), |tx, (app, id)| Box::pin(find(tx, *app, *id))).await
    }

    async fn find_user_by_email(&self, app: AppId, email: &EmailAddress) -> Result<Option<User>> {
        self.read((app, email.clone()), |tx, (app, email)| Box::pin(find_by_email(tx, *app, email))).await
    }

    async fn find_person(&self, app: AppId, user: UserRef) -> Result<Option<Person>> {
        self.read((app, user), |tx, (app, user)| Box::pin(find_person(tx, *app, user))).await
    }

    async fn find_person_by_address(&self, app: AppId, address: &Address) -> Result<Option<Person>> {
        self.read((app, address.clone()), |tx, (app, address)| Box::pin(find_by_address(tx, *app, address))).await
    }

    async fn find_person_by_identifier(&self, app: AppId, identifier: IdentifierId) -> Result<Option<Person>> {
        self.read((app, identifier), |tx, (app, identifier)| Box::pin(find_by_identifier(tx, *app, *identifier))).await
    }

    async fn list_people(&self, app: AppId, after: Option<UserId>, newest_first: bool, limit: u32) -> Result<Vec<Person>> {
        self.read((app, after, newest_first, limit), |tx, (app, after, newest_first, limit)| {
            Box::pin(list(tx, *app, *after, *newest_first, *limit))
        })
        .await
    }

    async fn write_user(&self, write: WriteUser) -> Result<WriteUserOutcome> {
        self.write_in_turn(people::turn(&write), write, |tx, write| Box::pin(people::write(tx, write))).await
    }

    async fn reserve_identity(&self, reserve: Reserve) -> Result<NewIdentity> {
        self.write(reserve, |tx, reserve| Box::pin(people::reserve(tx, reserve))).await
    }

    async fn is_reserved(&self, app: AppId, user: UserId, now: Timestamp) -> Result<bool> {
        self.read((app, user, now), |tx, (app, user, now)| Box::pin(people::is_reserved(tx, *app, *user, *now))).await
    }

    async fn set_user_disabled(&self, app: AppId, user: UserId, disabled: bool, event: Event) -> Result<Option<Vec<SessionId>>> {
        let set = SetDisabled { app, user, disabled, event };
        self.write(set, |tx, set| Box::pin(people::set_disabled(tx, set))).await
    }

    async fn count_users(&self, app: AppId) -> Result<u64> {
        self.read(app, |tx, app| {
            Box::pin(async move {
                let mut row = tx.first(COUNT, values![*app]).await?.ok_or_else(|| Error::internal("a count without a row"))?;
                row.next::<i64>().map(i64::unsigned_abs)
            })
        })
        .await
    }

    async fn create_user(&self, new: NewUser) -> Result<CreateUserOutcome> {
        let turn = new.addresses.first().map(|(_, address, _)| address.as_str().as_bytes()).unwrap_or_default();
        let turn = [new.app.as_bytes(), turn].concat();
        self.write_in_turn(turn, new, |tx, new| Box::pin(create(tx, new))).await
    }

    async fn change_user(&self, change_one: ChangeUser) -> Result<ChangeUserOutcome> {
        self.write(change_one, |tx, c| Box::pin(change(tx, c))).await
    }

    async fn remove_identifier(&self, app: AppId, identifier: IdentifierId, event: Event) -> Result<RemoveOutcome> {
        self.write((app, identifier, event), |tx, (app, id, event)| Box::pin(remove_identifier(tx, *app, *id, event))).await
    }

    async fn exchange_identifier(&self, exchange: ExchangeIdentifier) -> Result<ExchangeIdentifierOutcome> {
        self.write(exchange, |tx, exchange| Box::pin(exchange_identifier(tx, exchange))).await
    }

    async fn delete_user(&self, app: AppId, user: UserId, event: Event) -> Result<Option<Vec<SessionId>>> {
        self.write_alone((app, user, event), |tx, (app, user, event)| Box::pin(delete(tx, *app, *user, event))).await
    }
}
