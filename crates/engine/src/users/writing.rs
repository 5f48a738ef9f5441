//! Writing what an app keeps by its schema: values of fields, of which two are the person's addresses.
//!
//! What a person types about themselves proves nothing: an address they write down is kept as a value like any other, and only becomes an address of theirs by
//! which they are found when it is proven, or when the app itself writes it.

use serde_json::{Map, Value};

use super::profile::Profile;
use super::schema::{OwnedBy, Schema, SchemaField, address_kind};
use super::{Address, IdentifierKind, Person};
use crate::email_address::EmailAddress;
use crate::error::{FieldError, Problem};
use crate::phone_number::PhoneNumber;
use crate::time::Timestamp;

/// Bytes that all values of a person may have as JSON.
pub const MOST_BYTES: usize = 64 * 1024;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The app, with its credentials.
    App,
    /// The person.
    Person,
}

/// What happens to fields that are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They stay; `null` clears a field.
    Merge,
    /// They are cleared, except for addresses.
    Replace,
}

/// What to write.
#[derive(Clone, Debug)]
pub struct Writing {
    /// By field.
    pub values: Map<String, Value>,
    /// What happens to the others.
    pub mode: Mode,
    /// Who writes.
    pub by: Writer,
}

/// A change of a person's address of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// The app wrote it: it takes the place of the one they had.
    Set(Address),
    /// It is theirs no more.
    Clear(IdentifierKind),
}

/// What a writing does.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// What is kept now.
    pub profile: Profile,
    /// What becomes of their addresses.
    pub addresses: Vec<AddressChange>,
    /// Addresses that the person wrote down as theirs: refused when somebody else has proven one.
    pub claimed: Vec<Address>,
    /// The values of fields that must be unique, as texts; `None` where there is none now.
    pub unique: Vec<(String, Option<String>)>,
}

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Values that the schema does not allow.
    Fields(Vec<FieldError>),
    /// Fields that are not the person's to write.
    NotEditable(Vec<FieldError>),
}

/// Reads an address of a kind; telephone numbers may lack their `+`.
///
/// # Errors
/// What it must be, as the end of a sentence.
pub fn read_address(kind: IdentifierKind, text: &str) -> Result<Address, String> {
    match kind {
        IdentifierKind::Email => {
            EmailAddress::parse(text.trim()).map(Address::Email).map_err(|_| "must be an e-mail address".to_owned())
        }
        IdentifierKind::Phone => {
            let text = text.trim();
            let digits = text.chars().filter(char::is_ascii_digit).count();
            let bare = !text.starts_with('+') && (8..=15).contains(&digits);
            let number = if bare { PhoneNumber::parse(&format!("+{text}")) } else { PhoneNumber::parse(text) };
            number.map(Address::Phone).map_err(|_| "must be a telephone number with its country, such as +12025550162".to_owned())
        }
    }
}

impl Person {
    /// The address of this kind by which they are found.
    pub fn address(&self, kind: IdentifierKind) -> Option<&super::Identifier> {
        let mut of_kind = self.identifiers.iter().filter(|identifier| identifier.address.kind() == kind);
        of_kind.clone().find(|identifier| identifier.is_primary).or_else(|| of_kind.next())
    }

    /// The value of a field of the schema.
    pub fn value(&self, field: &str) -> Option<Value> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Value::String);
        if let Some(value) = self.profile.data.get(field) {
            return Some(value.clone());
        }
        match field {
            "first_name" => text(&self.profile.name.first),
            "last_name" => text(&self.profile.name.last),
            _ => {
                let identifier = self.address(address_kind(field)?)?;
                Some(Value::String(identifier.address.as_str().to_owned()))
            }
        }
    }

    /// Whether an address of theirs is proven.
    pub fn is_verified(&self) -> bool {
        self.identifiers.iter().any(|identifier| identifier.verified_at.is_some())
    }
}

impl Profile {
    /// Puts a value where its field is kept: parts of the name are shared with every other door.
    fn put(&mut self, field: &str, value: Option<Value>) {
        let part = match field {
            "first_name" => Some(&mut self.name.first),
            "last_name" => Some(&mut self.name.last),
            _ => None,
        };
        match (part, value) {
            (Some(part), Some(Value::String(text))) => {
                *part = Some(text);
                self.data.remove(field);
            }
            (part, value) => {
                if let Some(part) = part {
                    *part = None;
                }
                match value {
                    Some(value) => drop(self.data.insert(field.to_owned(), value)),
                    None => drop(self.data.remove(field)),
                }
            }
        }
    }
}

/// What a writing does to a person; touches nothing.
///
/// # Errors
/// [`Refused`].
pub fn write(person: &Person, schema: &Schema, writing: &Writing, now: Timestamp) -> Result<Written, Refused> {
    let mut bad: Vec<FieldError> = writing.values.iter().filter_map(|(name, value)| schema.refuse(name, value)).collect();
    let (mut not_editable, mut addresses, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
    let mut profile = person.profile.clone();
    for (name, value) in writing.values.iter().filter(|(name, _)| schema.field(name).is_some()) {
        let Some(field) = schema.field(name) else { continue };
        let value = Some(value.clone()).filter(|value| !value.is_null());
        let before = person.value(name);
        if writing.by == Writer::Person {
            // What a person cannot see is not touched; sending back what was read changes nothing.
            if !field.user_visible || value == before {
                continue;
            }
            if field.owned_by == OwnedBy::App {
                not_editable.push(FieldError::new(name, "can only be changed by the app"));
                continue;
            }
        }
        let Some(kind) = address_kind(name) else {
            profile.put(name, value);
            continue;
        };
        match value.as_ref().and_then(Value::as_str).map(|text| read_address(kind, text)) {
            Some(Err(message)) => bad.push(FieldError::new(name, message)),
            Some(Ok(address)) => {
                let is_theirs = person.address(kind).is_some_and(|known| known.address == address);
                match writing.by {
                    _ if is_theirs => drop(profile.data.remove(name)),
                    Writer::App => {
                        profile.data.remove(name);
                        addresses.push(AddressChange::Set(address));
                    }
                    Writer::Person => {
                        profile.data.insert(name.clone(), Value::String(address.as_str().to_owned()));
                        addresses.push(AddressChange::Clear(kind));
                        claimed.push(address);
                    }
                }
            }
            None if value.is_none() => {
                profile.data.remove(name);
                addresses.push(AddressChange::Clear(kind));
            }
            // The schema was told already.
            None => {}
        }
    }
    if writing.mode == Mode::Replace {
        for (name, field) in schema.0.iter().filter(|(name, _)| !writing.values.contains_key(*name)) {
            let is_theirs = writing.by == Writer::App || (field.user_visible && field.owned_by == OwnedBy::User);
            if is_theirs && address_kind(name).is_none() {
                profile.put(name, None);
            }
        }
    }
    if super::profile::size(&profile.data) > MOST_BYTES {
        bad.push(FieldError::new("data", format!("may have at most {MOST_BYTES} bytes")).because(Problem::TooLarge));
    }
    if !bad.is_empty() {
        return Err(Refused::Fields(bad));
    }
    if !not_editable.is_empty() {
        return Err(Refused::NotEditable(not_editable));
    }
    profile.activity.modified_at = Some(now);
    let after = Person { profile: profile.clone(), identifiers: after(person, &addresses), ..person.clone() };
    // Addresses that count are unique without that, and those that somebody only typed must not keep their owners out.
    let is_unique = |(name, field): &(&String, &SchemaField)| field.unique && address_kind(name).is_none();
    let unique = schema.0.iter().filter(is_unique);
    let unique = unique.map(|(name, _)| (name.clone(), after.value(name).map(|value| as_text(&value))));
    Ok(Written { unique: unique.collect(), profile, addresses, claimed })
}

fn after(person: &Person, changes: &[AddressChange]) -> Vec<super::Identifier> {
    let kind_of = |change: &AddressChange| match change {
        AddressChange::Set(address) => address.kind(),
        AddressChange::Clear(kind) => *kind,
    };
    let stays = |identifier: &&super::Identifier| !changes.iter().any(|change| kind_of(change) == identifier.address.kind());
    person.identifiers.iter().filter(stays).cloned().collect()
}

/// A value to be compared with others: texts without regard to letter case, which people do not see as a difference.
fn as_text(value: &Value) -> String {
    match value {
        // As JSON, for not every text can be a text of every database.
        Value::String(text) => Value::String(text.trim().to_lowercase()).to_string(),
        value => value.to_string(),
    }
}
