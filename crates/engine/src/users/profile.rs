//! What an app keeps about a person: a name, two maps of metadata, roles. Changes are merged, so that two clients that know different keys do not undo each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{FieldError, Problem};
use crate::time::Timestamp;

/// Keys one map of metadata may have.
pub const MOST_KEYS: usize = 20;
/// Bytes one map of metadata may have as JSON.
pub const MOST_BYTES: usize = 4096;
/// Bytes each part of a name may have.
const LONGEST_NAME: usize = 256;
/// Roles one user may have, and bytes each.
const MOST_ROLES: usize = 100;

/// The parts of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonName {
    /// Given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Names between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle: Option<String>,
    /// Family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

impl PersonName {
    /// All parts there are, with one blank between.
    pub fn full(&self) -> String {
        let parts = [&self.first, &self.middle, &self.last].into_iter().flatten().map(String::as_str);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The name.
    pub name: PersonName,
    /// Metadata that only the app's servers may write.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub trusted: Map<String, Value>,
    /// Metadata that the app lets browsers write, and must not rely on.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub untrusted: Map<String, Value>,
    /// Roles, in the app's own words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Values of fields of the app's schema, as far as they do not stand elsewhere (see [`super::writing`]).
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// Labels of the app's own, each with its values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// What a person's own device remembers for the app, such as that a question was asked.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub remembered: Map<String, Value>,
    /// When things happened.
    #[serde(skip_serializing_if = "is_quiet")]
    pub activity: Activity,
}

/// When things happened, as far as doors note it that show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activity {
    /// The last change of the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// The first sign-in and how it was proven, such as `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_sign_in: Option<(Timestamp, String)>,
    /// The last one, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<(Timestamp, String)>,
}

fn is_quiet(activity: &Activity) -> bool {
    *activity == Activity::default()
}

/// What to change; what is not given stays.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// Parts of the name that are given replace.
    pub name: PersonName,
    /// Merged key by key; `null` removes the key.
    pub trusted: Option<Map<String, Value>>,
    /// Likewise.
    pub untrusted: Option<Map<String, Value>>,
    /// Replaces all roles.
    pub roles: Option<Vec<String>>,
    /// Replaces all labels.
    pub attributes: Option<BTreeMap<String, Vec<String>>>,
    /// Merged key by key; `null` removes the key.
    pub remembered: Option<Map<String, Value>>,
}

/// Merges `change` into `map` key by key at the top level; `null` removes a key.
pub fn merge(map: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (key, value) in change {
        match value {
            Value::Null => drop(map.remove(key)),
            value => drop(map.insert(key.clone(), value.clone())),
        }
    }
}

/// How many bytes a map has as JSON.
pub fn size(map: &Map<String, Value>) -> usize {
    serde_json::to_string(map).map_or(usize::MAX, |text| text.len())
}

impl ProfileChange {
    /// The profile after the change.
    ///
    /// # Errors
    /// Each field that would be over its bounds: `name.first` and so on, `trusted_metadata`, `untrusted_metadata`, `roles`.
    pub fn apply(&self, profile: &Profile) -> Result<Profile, Vec<FieldError>> {
        let mut new = profile.clone();
        let mut bad = Vec::new();
        let parts = [
            ("name.first", &self.name.first, &mut new.name.first),
            ("name.middle", &self.name.middle, &mut new.name.middle),
            ("name.last", &self.name.last, &mut new.name.last),
        ];
        for (field, given, kept) in parts {
            let Some(given) = given else { continue };
            if given.len() > LONGEST_NAME || given.chars().any(char::is_control) {
                bad.push(
                    FieldError::new(field, format!("must be one line of at most {LONGEST_NAME} bytes"))
                        .because(Problem::TooLarge),
                );
            }
            *kept = Some(given.clone());
        }
        let maps =
            [("trusted_metadata", &self.trusted, &mut new.trusted), ("untrusted_metadata", &self.untrusted, &mut new.untrusted)];
        for (field, given, kept) in maps {
            let Some(given) = given else { continue };
            merge(kept, given);
            if kept.len() > MOST_KEYS {
                bad.push(FieldError::new(field, format!("may have at most {MOST_KEYS} keys")).because(Problem::TooMany));
            } else if size(kept) > MOST_BYTES {
                bad.push(FieldError::new(field, format!("may have at most {MOST_BYTES} bytes")).because(Problem::TooLarge));
            }
        }
        if let Some(roles) = &self.roles {
            if roles.len() > MOST_ROLES || roles.iter().any(|role| role.is_empty() || role.len() > 128) {
                bad.push(
                    FieldError::new("roles", format!("may be at most {MOST_ROLES} names of 1 to 128 bytes"))
                        .because(Problem::TooMany),
                );
            }
            new.roles = roles.clone();
        }
        if let Some(attributes) = &self.attributes {
            new.attributes.clone_from(attributes);
        }
        if let Some(remembered) = &self.remembered {
            merge(&mut new.remembered, remembered);
            if new.remembered.len() > MOST_KEYS || size(&new.remembered) > MOST_BYTES {
                let message = format!("may have at most {MOST_KEYS} keys and {MOST_BYTES} bytes");
                bad.push(FieldError::new("meta", message).because(Problem::TooMany));
            }
        }
        if bad.is_empty() { Ok(new) } else { Err(bad) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn changes_merge_and_null_removes() {
        let change = |trusted| ProfileChange { trusted: Some(map(trusted)), ..ProfileChange::default() };
        let first = change(json!({"a": 1, "b": {"c": 2}})).apply(&Profile::default()).unwrap();
        let second = change(json!({"b": {"d": 3}, "a": null, "e": false})).apply(&first).unwrap();
        assert_eq!(Value::Object(second.trusted.clone()), json!({"b": {"d": 3}, "e": false}));
        assert_eq!(ProfileChange::default().apply(&second).unwrap(), second);
    }

    #[test]
    fn only_given_parts_of_a_name_change() {
        let name = |first: Option<&str>, last: Option<&str>| ProfileChange {
            name: PersonName { first: first.map(str::to_owned), middle: None, last: last.map(str::to_owned) },
            ..ProfileChange::default()
        };
        let profile = name(Some("Ada"), Some("King")).apply(&Profile::default()).unwrap();
        let profile = name(None, Some("Lovelace")).apply(&profile).unwrap();
        assert_eq!(profile.name.full(), "Ada Lovelace");
    }

    #[test]
    fn bounds_are_those_of_the_merged_map() {
        let keys = |from: usize, to: usize| (from..to).map(|i| (format!("k{i}"), json!(i))).collect::<Map<_, _>>();
        let change = |untrusted| ProfileChange { untrusted: Some(untrusted), ..ProfileChange::default() };
        let full = change(keys(0, 20)).apply(&Profile::default()).unwrap();
        assert_eq!(change(keys(20, 21)).apply(&full).unwrap_err()[0].problem, Problem::TooMany);
        assert!(change(keys(0, 20)).apply(&full).is_ok());
        let text = |length: usize| change(map(json!({"k": "x".repeat(length)})));
        let bare = size(&map(json!({"k": ""})));
        assert!(text(MOST_BYTES - bare).apply(&Profile::default()).is_ok());
        assert_eq!(text(MOST_BYTES - bare + 1).apply(&Profile::default()).unwrap_err()[0].problem, Problem::TooLarge);
    }
}
