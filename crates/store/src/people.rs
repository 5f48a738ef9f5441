//! What apps keep about people by their schema: see `passlink_engine::users::writing` for the rules. Ids kept for people who may come to be.

use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, IdentifierId, SessionId, UserId};
use passlink_engine::time::Timestamp;
use passlink_engine::users::schema::address_field;
use passlink_engine::users::store::{NewIdentity, Reserve, WriteUser, WriteUserOutcome};
use passlink_engine::users::writing::{self, AddressChange, Written};
use passlink_engine::users::{Address, ExternalId, IdentifierKind, Person, Profile, User, UserRef, WrittenBy};
use passlink_engine::{Error, Result};

use crate::statements::statements;
use crate::tx::{Tx, values};
use crate::{events, sessions, users};

statements! {
    INSERT_PERSON = "INSERT INTO users (id, app_id, created_at, external_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id";
    SAVE_PROFILE = "UPDATE users SET profile = $1, version = version + 1 WHERE id = $2 AND version = $3 RETURNING id";
    OF_KIND = "DELETE FROM identifiers WHERE user_id = $1 AND kind = $2 RETURNING value";
    OF_KIND_PRIMARY = "DELETE FROM identifiers WHERE user_id = $1 AND kind = $2 AND is_primary = 1 AND value <> $3 RETURNING value";
    INSERT_ADDRESS = "INSERT INTO identifiers (app_id, kind, value, user_id, id, is_primary, written_by, created_at, verified_at)
        VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8) ON CONFLICT (app_id, kind, value) DO NOTHING RETURNING user_id";
    MAKE_PRIMARY = "UPDATE identifiers SET is_primary = 1 WHERE app_id = $1 AND kind = $2 AND value = $3 AND user_id = $4";
    PROVE = "UPDATE identifiers SET verified_at = $1, provisional_until = NULL WHERE app_id = $2 AND kind = $3 AND value = $4 AND user_id = $5
        AND verified_at IS NULL RETURNING id";
    END_LINKS_TO = "UPDATE links SET revoked_at = $1, revoked_why = 3 WHERE app_id = $2 AND address = $3 AND redeemed_at IS NULL AND revoked_at IS NULL";
    PROVEN_BY_OTHER = "SELECT user_id FROM identifiers WHERE app_id = $1 AND kind = $2 AND value = $3 AND user_id <> $4 AND verified_at IS NOT NULL";
    HOLDER = "SELECT user_id FROM unique_values WHERE app_id = $1 AND field = $2 AND value = $3";
    LET_GO = "DELETE FROM unique_values WHERE user_id = $1 AND field = $2";
    LET_ALL_GO = "DELETE FROM unique_values WHERE user_id = $1";
    HOLD = "INSERT INTO unique_values (app_id, field, value, user_id) VALUES ($1, $2, $3, $4) ON CONFLICT (app_id, field, value) DO NOTHING RETURNING user_id";
    RESERVE = "INSERT INTO reserved_users (app_id, kind, value, form, user_id, external_id, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (app_id, kind, value, form) DO UPDATE SET
            user_id = CASE WHEN reserved_users.expires_at > $8 THEN reserved_users.user_id ELSE excluded.user_id END,
            external_id = CASE WHEN reserved_users.expires_at > $8 THEN reserved_users.external_id ELSE excluded.external_id END,
            expires_at = CASE WHEN reserved_users.expires_at > excluded.expires_at THEN reserved_users.expires_at ELSE excluded.expires_at END
        RETURNING user_id, external_id";
    LET_RESERVED_GO = "DELETE FROM reserved_users WHERE app_id = $1 AND kind = $2 AND value = $3";
    IS_RESERVED = "SELECT user_id FROM reserved_users WHERE user_id = $1 AND app_id = $2 AND expires_at > $3";
    DISABLE = "UPDATE users SET disabled_at = $1 WHERE id = $2 AND app_id = $3 RETURNING id";
}

/// Who has an address now; expired ones that nobody proved go first.
pub(crate) async fn owner(tx: &mut Tx, app: AppId, address: &Address, now: Timestamp) -> Result<Option<UserId>> {
    users::drop_expired(tx, app, address, now).await?;
    users::owner(tx, app, address).await
}

/// A person who is not there yet.
pub(crate) fn nobody(app: AppId, identity: &NewIdentity, now: Timestamp) -> Person {
    let user = User {
        id: identity.id,
        app,
        email: None,
        email_verified_at: None,
        created_at: now,
        disabled_at: None,
        is_pending: false,
    };
    Person { user, identifiers: Vec::new(), external_id: identity.external_id.clone(), profile: Profile::default(), version: 0 }
}

/// Makes a person without anything. Whoever comes second finds the first: undone, and looked at again.
pub(crate) async fn insert(tx: &mut Tx, person: &Person) -> Result<()> {
    let external_id = person.external_id.as_ref().map(ExternalId::as_str);
    let row = values![person.user.id, person.user.app, person.user.created_at, external_id];
    match tx.first(INSERT_PERSON, row).await? {
        Some(_) => Ok(()),
        None => Err(Error::unavailable("a user came to be a moment ago")),
    }
}

/// The field whose value is somebody else's, if any.
pub(crate) async fn taken(tx: &mut Tx, person: &Person, written: &Written, now: Timestamp) -> Result<Option<String>> {
    for change in &written.addresses {
        let AddressChange::Set(address) = change else { continue };
        if owner(tx, person.user.app, address, now).await?.is_some_and(|owner| owner != person.user.id) {
            return Ok(Some(address_field(address.kind()).to_owned()));
        }
    }
    for address in &written.claimed {
        let row = values![person.user.app, address.kind() as i64, address.as_str(), person.user.id];
        if tx.first(PROVEN_BY_OTHER, row).await?.is_some() {
            return Ok(Some(address_field(address.kind()).to_owned()));
        }
    }
    for (field, value) in &written.unique {
        let Some(value) = value else { continue };
        let Some(mut row) = tx.first(HOLDER, values![person.user.app, field.as_str(), value.as_str()]).await? else { continue };
        if row.next::<UserId>()? != person.user.id {
            return Ok(Some(field.clone()));
        }
    }
    Ok(None)
}

/// Whether some user has this value of a field, of which there may be one.
pub(crate) async fn is_held(tx: &mut Tx, app: AppId, field: &str, value: &str) -> Result<bool> {
    Ok(tx.first(HOLDER, values![app, field, value]).await?.is_some())
}

/// Notes that a user has a value that nobody else had a moment ago.
pub(crate) async fn hold(tx: &mut Tx, app: AppId, user: UserId, field: &str, value: &str) -> Result<()> {
    match tx.first(HOLD, values![app, field, value, user]).await? {
        Some(_) => Ok(()),
        None => Err(Error::unavailable("a value was taken a moment ago")),
    }
}

/// Carries a writing out; `false` when somebody else changed the person meanwhile.
pub(crate) async fn apply(
    tx: &mut Tx,
    person: &Person,
    written: &Written,
    identifiers: [IdentifierId; 2],
    now: Timestamp,
) -> Result<bool> {
    let (app, user) = (person.user.app, person.user.id);
    let profile = serde_json::to_string(&written.profile).map_err(Error::internal)?;
    if tx.first(SAVE_PROFILE, values![profile, user, person.version]).await?.is_none() {
        return Ok(false);
    }
    for change in &written.addresses {
        match change {
            AddressChange::Clear(kind) => {
                let gone = tx.many(OF_KIND, values![user, *kind as i64]).await?;
                end_links(tx, app, gone, now).await?;
            }
            AddressChange::Set(address) => set_address(tx, person, address, identifiers, now).await?,
        }
    }
    for (field, value) in &written.unique {
        tx.run(LET_GO, values![user, field.as_str()]).await?;
        let Some(value) = value else { continue };
        hold(tx, app, user, field, value).await?;
    }
    Ok(true)
}

async fn end_links(tx: &mut Tx, app: AppId, gone: Vec<crate::tx::Row>, now: Timestamp) -> Result<()> {
    for mut row in gone {
        tx.run(END_LINKS_TO, values![now, app, row.next::<String>()?]).await?;
    }
    Ok(())
}

/// An address that the app wrote takes the place of the one the person had.
async fn set_address(tx: &mut Tx, person: &Person, address: &Address, ids: [IdentifierId; 2], now: Timestamp) -> Result<()> {
    let (app, user, kind) = (person.user.app, person.user.id, address.kind());
    let gone = tx.many(OF_KIND_PRIMARY, values![user, kind as i64, address.as_str()]).await?;
    end_links(tx, app, gone, now).await?;
    if person.identifiers.iter().any(|identifier| identifier.address == *address) {
        tx.run(MAKE_PRIMARY, values![app, kind as i64, address.as_str(), user]).await?;
        return Ok(());
    }
    let id = ids[usize::from(kind == IdentifierKind::Phone)];
    let row = values![app, kind as i64, address.as_str(), user, id, WrittenBy::Client as i64, now, None::<Timestamp>];
    match tx.first(INSERT_ADDRESS, row).await? {
        Some(_) => Ok(()),
        None => Err(Error::unavailable("an address was taken a moment ago")),
    }
}

/// Notes that a person's address is proven; `true` when it was not before.
pub(crate) async fn prove(tx: &mut Tx, person: &Person, address: &Address, now: Timestamp) -> Result<bool> {
    let row = values![now, person.user.app, address.kind() as i64, address.as_str(), person.user.id];
    Ok(tx.first(PROVE, row).await?.is_some())
}

pub(crate) async fn write(tx: &mut Tx, w: &WriteUser) -> Result<WriteUserOutcome> {
    for _ in 0..16 {
        let found = users::find_person(tx, w.app, &w.user).await?;
        let created = found.is_none();
        let person = match (found, &w.create) {
            (Some(person), _) => person.at(w.now),
            (None, Some(identity)) => nobody(w.app, identity, w.now),
            (None, None) => return Ok(WriteUserOutcome::Unknown),
        };
        let written = match writing::write(&person, &w.schema, &w.writing, w.now) {
            Ok(written) => written,
            Err(refused) => return Ok(WriteUserOutcome::Refused(refused)),
        };
        if let Some(field) = taken(tx, &person, &written, w.now).await? {
            return Ok(WriteUserOutcome::Taken(field));
        }
        if created {
            insert(tx, &person).await?;
            events::write(tx, &Event { user: Some(person.user.id), ..w.created.clone() })?;
        }
        if apply(tx, &person, &written, w.identifiers, w.now).await? {
            if !created {
                events::write(tx, &Event { user: Some(person.user.id), ..w.changed.clone() })?;
            }
            let now = users::find_person(tx, w.app, &UserRef::Id(person.user.id)).await?;
            let person = now.ok_or_else(|| Error::unavailable("a user was removed a moment ago"))?;
            return Ok(WriteUserOutcome::Written { person: Box::new(person), created });
        }
    }
    Err(Error::unavailable("a user is changed by too many at once"))
}

pub(crate) async fn reserve(tx: &mut Tx, r: &Reserve) -> Result<NewIdentity> {
    let external_id = r.identity.external_id.as_ref().map(ExternalId::as_str);
    let (kind, value) = (r.address.kind() as i64, r.address.as_str());
    let row = values![r.app, kind, value, r.form.as_str(), r.identity.id, external_id, r.until, r.now];
    let mut row = tx.first(RESERVE, row).await?.ok_or_else(|| Error::internal("an id was not kept"))?;
    let id = row.next()?;
    let external_id: Option<String> = row.next()?;
    let external_id = external_id.map(|text| ExternalId::parse(&text)).transpose().map_err(Error::internal)?;
    Ok(NewIdentity { id, external_id })
}

pub(crate) async fn is_reserved(tx: &mut Tx, app: AppId, user: UserId, now: Timestamp) -> Result<bool> {
    Ok(tx.first(IS_RESERVED, values![user, app, now]).await?.is_some())
}

/// Ids that were kept for somebody with this address are theirs now, or nobody's.
pub(crate) async fn release(tx: &mut Tx, app: AppId, address: &Address) -> Result<()> {
    tx.run(LET_RESERVED_GO, values![app, address.kind() as i64, address.as_str()]).await.map(|_| ())
}

/// Values that only one user may have are free again.
pub(crate) async fn let_go(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.run(LET_ALL_GO, values![user]).await.map(|_| ())
}

/// Disables or enables a user.
pub(crate) struct SetDisabled {
    pub(crate) app: AppId,
    pub(crate) user: UserId,
    pub(crate) disabled: bool,
    pub(crate) event: Event,
}

pub(crate) async fn set_disabled(tx: &mut Tx, s: &SetDisabled) -> Result<Option<Vec<SessionId>>> {
    let at = s.disabled.then_some(s.event.at);
    if tx.first(DISABLE, values![at, s.user, s.app]).await?.is_none() {
        return Ok(None);
    }
    let ended = match s.disabled {
        true => sessions::end_all(tx, s.app, s.user, None, s.event.at).await?,
        false => Vec::new(),
    };
    events::write(tx, &s.event)?;
    Ok(Some(ended))
}

/// The place of a writing in its group: users are changed in one order.
pub(crate) fn turn(w: &WriteUser) -> Vec<u8> {
    let user = match &w.user {
        UserRef::Id(id) => id.as_bytes().to_vec(),
        UserRef::External(id) => id.as_str().as_bytes().to_vec(),
    };
    [w.app.as_bytes(), &user].concat()
}
