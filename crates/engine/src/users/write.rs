//! What apps and people do with values of the app's schema: see [`super::writing`] for the rules.

use super::manage::no_user;
use super::schema::Schema;
use super::store::{NewIdentity, WriteUser, WriteUserOutcome};
use super::writing::{Refused, Writer, Writing};
use super::{ExternalId, Person, UserRef};
use crate::Engine;
use crate::caller::{Authority, Caller};
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::ids::{AppId, SessionId, UserId};
use crate::ports::Draw;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The form of the ids of new users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserIdFormat {
    /// Ours, in the form that each dialect gives it.
    #[default]
    Own,
    /// A UUID (version 4).
    Uuid,
    /// 24 hexadecimal digits: four bytes of time, eight random ones.
    Objectid,
}

/// A user that a client names, who may come to be by it.
#[derive(Clone, Debug)]
pub enum Whom {
    /// Somebody who is there.
    Known(UserRef),
    /// Whoever has this id, or somebody new with it.
    Named(NewIdentity),
}

/// What one writing did.
#[derive(Clone, Debug)]
pub struct WrittenUser {
    /// As they are now.
    pub person: Person,
    /// They came to be by it.
    pub created: bool,
}

pub(super) fn refused(refused: Refused) -> Error {
    match refused {
        Refused::Fields(fields) => Error::invalid_fields(fields).about("user"),
        Refused::NotEditable(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
            Error::new(ErrorKind::Forbidden, format!("Only the app can change {}", names.join(", "))).about("field")
        }
    }
}

pub(crate) fn taken(field: &str) -> Error {
    let message = format!("{field} belongs to another user of this app");
    Error::new(ErrorKind::Conflict, message).about("user")
}

impl Engine {
    /// An id for somebody who may come to be, in this form.
    ///
    /// # Errors
    /// `Unavailable` without randomness.
    pub fn new_identity(&self, format: UserIdFormat) -> Result<NewIdentity> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let id = draw.user_id();
        let text = match format {
            UserIdFormat::Own => None,
            UserIdFormat::Uuid => Some(uuid::Builder::from_random_bytes(draw.bytes()).into_uuid().to_string()),
            UserIdFormat::Objectid => {
                let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
                let random: [u8; 8] = draw.bytes();
                Some([&seconds.to_be_bytes()[..], &random].concat().iter().map(|byte| format!("{byte:02x}")).collect())
            }
        };
        let external_id = text.map(|text| ExternalId::parse(&text)).transpose().map_err(Error::internal)?;
        Ok(NewIdentity { id, external_id })
    }

    /// Whether an id was kept, and told to the app, for somebody who may come to be.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn is_reserved(&self, app: AppId, user: UserId) -> Result<bool> {
        self.store.is_reserved(app, user, self.clock.now()).await
    }

    /// An identity with the very id that a client chose.
    ///
    /// # Errors
    /// `Unavailable` without randomness.
    pub fn named_identity(&self, external_id: ExternalId) -> Result<NewIdentity> {
        Ok(NewIdentity { external_id: Some(external_id), ..self.new_identity(UserIdFormat::Own)? })
    }

    /// Writes values of the app's schema.
    ///
    /// # Errors
    /// `Forbidden` without the scope; `NotFound` about `user`; `Invalid` about `user` naming fields that the schema does not allow; `Forbidden` about `field` when a
    /// person writes what is the app's; `Conflict` about `user` when a value is another user's.
    pub async fn write_user(&self, caller: &Caller, whom: Whom, writing: Writing) -> Result<WrittenUser> {
        match (&caller.authority, &whom, writing.by) {
            (Authority::User(id), Whom::Known(UserRef::Id(own)), Writer::Person) if id == own => {}
            _ => caller.require("user:write")?,
        }
        self.write(caller, whom, writing).await
    }

    pub(crate) async fn write(&self, caller: &Caller, whom: Whom, writing: Writing) -> Result<WrittenUser> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let (user, create) = match whom {
            Whom::Known(user) => (user, None),
            Whom::Named(new) => (new.user_ref(), Some(new)),
        };
        let command = WriteUser {
            app: caller.app.id,
            user,
            create,
            schema: caller.app.settings.schema().clone(),
            writing,
            now,
            identifiers: [draw.identifier_id(), draw.identifier_id()],
            changed: Event::new(EventKind::UserChanged, caller, &mut draw, now),
            created: Event::new(EventKind::UserCreated, caller, &mut draw, now),
        };
        match self.store.write_user(command).await? {
            WriteUserOutcome::Written { person, created } => Ok(WrittenUser { person: person.at(now), created }),
            WriteUserOutcome::Unknown => Err(no_user()),
            WriteUserOutcome::Refused(why) => Err(refused(why)),
            WriteUserOutcome::Taken(field) => Err(taken(&field)),
        }
    }

    /// The person with this id in an app, for whoever may name them in a request: whether they may be shown is another question.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn find_person_in(&self, app: AppId, user: UserRef) -> Result<Option<Person>> {
        Ok(self.store.find_person(app, user).await?.map(|person| person.at(self.clock.now())))
    }

    /// The person with this address, likewise.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn find_person_by_address_in(&self, app: AppId, address: &super::Address) -> Result<Option<Person>> {
        Ok(self.store.find_person_by_address(app, address).await?.map(|person| person.at(self.clock.now())))
    }

    /// Who is signed in, with everything the app keeps about them.
    ///
    /// # Errors
    /// `NotFound` about `user`.
    pub async fn find_own_person(&self, app: AppId, user: UserId) -> Result<Person> {
        let person = self.store.find_person(app, UserRef::Id(user)).await?.ok_or_else(no_user)?;
        Ok(person.at(self.clock.now()))
    }

    /// Replaces the app's labels of a user.
    ///
    /// # Errors
    /// `Forbidden` without the scope; `NotFound` about `user`; `Invalid` naming `attributes` over their bounds.
    pub async fn label_user(&self, caller: &Caller, user: UserRef, labels: BTreeMap<String, Vec<String>>) -> Result<Person> {
        caller.require("user:write")?;
        check_labels(&labels)?;
        let change = super::profile::ProfileChange { attributes: Some(labels), ..Default::default() };
        self.change_user(caller, user, change, None).await
    }

    /// Merges what the person's own device wants remembered.
    ///
    /// # Errors
    /// `NotFound` about `user`; `Invalid` naming `meta` over its bounds.
    pub async fn remember_for_user(&self, caller: &Caller, change: Map<String, Value>) -> Result<Person> {
        let Authority::User(user) = caller.authority else {
            return Err(Error::new(ErrorKind::Forbidden, "Only a signed-in person's device remembers things"));
        };
        let change = super::profile::ProfileChange { remembered: Some(change), ..Default::default() };
        self.apply_profile(caller, UserRef::Id(user), change, None).await
    }

    /// Disables or enables a user. Disabling ends their sessions; their links stay, and are refused while it lasts.
    ///
    /// # Errors
    /// `Forbidden` without the scope; `NotFound` about `user`.
    pub async fn set_user_disabled(&self, caller: &Caller, user: UserRef, disabled: bool) -> Result<Person> {
        caller.require("user:write")?;
        let now = self.clock.now();
        let id = self.person(caller, user).await?.user.id;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let state = if disabled { "disabled" } else { "enabled" };
        let event = Event::new(EventKind::UserChanged, caller, &mut draw, now).user(id).with("state", state);
        let ended = self.store.set_user_disabled(caller.app.id, id, disabled, event).await?.ok_or_else(no_user)?;
        self.forget_sessions(ended);
        self.person(caller, UserRef::Id(id)).await
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// `Forbidden` without the scope; `NotFound` about `user`.
    pub async fn sign_out_user(&self, caller: &Caller, user: UserRef) -> Result<()> {
        caller.require("session:revoke")?;
        let id = self.person(caller, user).await?.user.id;
        self.end_sessions_of(caller, id, None).await
    }

    /// Ends all sessions of a user, except one.
    pub(crate) async fn end_sessions_of(&self, caller: &Caller, user: UserId, except: Option<SessionId>) -> Result<()> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::SessionRevoked, caller, &mut draw, now).user(user).with("reason", "signed_out");
        let ended = self.store.revoke_sessions_of(caller.app.id, user, except, event).await?;
        self.forget_sessions(ended);
        Ok(())
    }

    fn forget_sessions(&self, ended: Vec<SessionId>) {
        ended.into_iter().for_each(|session| self.sessions.forget(session));
    }
}

/// Checks labels, for callers who write more than them and must write all or nothing.
///
/// # Errors
/// `Invalid` naming `attributes` over their bounds.
pub fn check_labels(labels: &BTreeMap<String, Vec<String>>) -> Result<()> {
    let bytes = serde_json::to_string(labels).map_or(usize::MAX, |text| text.len());
    if labels.len() <= 50 && bytes <= 16 * 1024 {
        return Ok(());
    }
    let field = FieldError::new("attributes", "may have at most 50 names and 16 KiB").because(Problem::TooLarge);
    Err(Error::invalid_fields(vec![field]))
}

/// Values for people to look at, one for every field of a schema.
pub fn sample(schema: &Schema, now: Timestamp) -> Map<String, Value> {
    use super::schema::FieldType;
    let one = |(name, field): (&String, &super::schema::SchemaField)| {
        let value = match (name.as_str(), field.field_type) {
            ("email", _) => Value::from("ada@example.com"),
            ("phone_number", _) => Value::from("+12025550162"),
            ("first_name", _) => Value::from("Ada"),
            ("last_name", _) => Value::from("Lovelace"),
            (_, FieldType::Number) => Value::from(42),
            (_, FieldType::Boolean) => Value::from(true),
            (_, FieldType::Date) => Value::from(now.to_rfc3339()),
            (_, FieldType::Object) => serde_json::json!({"key": "value"}),
            (_, FieldType::Image | FieldType::Document) => Value::from("https://example.com/file"),
            (_, FieldType::String | FieldType::Any) => Value::from("text"),
        };
        (name.clone(), value)
    };
    schema.0.iter().map(one).collect()
}
