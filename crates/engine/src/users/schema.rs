//! An app's schema: the fields that it keeps about each person, what they may hold, and who may write them.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::IdentifierKind;
use crate::error::{FieldError, Problem};

/// Fields a schema may have.
const MOST_FIELDS: usize = 200;
/// Bytes the name of a field may have.
const LONGEST_NAME: usize = 64;

/// What a field may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A text.
    #[default]
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A calendar date or an instant (RFC 3339).
    Date,
    /// A JSON object.
    Object,
    /// Anything.
    Any,
    /// An address of a picture.
    Image,
    /// An address of a document.
    Document,
}

/// Who may write a field besides the app's servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnedBy {
    /// The person.
    #[default]
    User,
    /// Nobody.
    App,
}

/// More that a text must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationRules {
    /// Characters at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    /// Characters at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// A regular expression that the whole text must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_regex: Option<String>,
}

fn yes() -> bool {
    true
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaField {
    /// The name for people.
    #[serde(default)]
    pub display_name: String,
    /// What it may hold.
    #[serde(rename = "type", default)]
    pub field_type: FieldType,
    /// The operator's note on how sensitive it is, such as `pii_basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_category: Option<String>,
    /// Told to apps, which ask people for it; nothing is refused for the lack of it.
    #[serde(default)]
    pub required: bool,
    /// No two users of the app have the same value.
    #[serde(default)]
    pub unique: bool,
    /// Who may write it.
    #[serde(default)]
    pub owned_by: OwnedBy,
    /// Whether people see it.
    #[serde(default = "yes")]
    pub user_visible: bool,
    /// More that a text must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_rules: Option<ValidationRules>,
}

/// The fields by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema(pub BTreeMap<String, SchemaField>);

/// The field that holds an address of this kind.
pub const fn address_field(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Email => "email",
        IdentifierKind::Phone => "phone_number",
    }
}

/// The kind of address that this field holds.
pub fn address_kind(field: &str) -> Option<IdentifierKind> {
    [IdentifierKind::Email, IdentifierKind::Phone].into_iter().find(|kind| address_field(*kind) == field)
}

impl Default for Schema {
    fn default() -> Self {
        let field = |name: &str, display_name: &str, owned_by, user_visible| {
            let field = SchemaField {
                display_name: display_name.to_owned(),
                field_type: FieldType::String,
                data_category: Some("pii_basic".to_owned()),
                required: false,
                unique: false,
                owned_by,
                user_visible,
                validation_rules: None,
            };
            (name.to_owned(), field)
        };
        Self(BTreeMap::from([
            field("email", "Email", OwnedBy::User, true),
            field("phone_number", "Phone number", OwnedBy::User, true),
            field("first_name", "First name", OwnedBy::User, true),
            field("last_name", "Last name", OwnedBy::User, true),
            field("google_id", "Google ID", OwnedBy::App, false),
        ]))
    }
}

impl SchemaField {
    /// Whether the field may hold this value.
    ///
    /// # Errors
    /// What it must be, as the end of a sentence.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match self.field_type {
            FieldType::Any => true,
            FieldType::Number => value.is_number(),
            FieldType::Boolean => value.is_boolean(),
            FieldType::Object => value.is_object(),
            FieldType::Date => value.as_str().is_some_and(is_date),
            FieldType::String | FieldType::Image | FieldType::Document => value.is_string(),
        };
        if !fits {
            return Err(match self.field_type {
                FieldType::Number => "must be a number",
                FieldType::Boolean => "must be true or false",
                FieldType::Object => "must be an object",
                FieldType::Date => "must be a date such as 2027-01-31 or 2027-01-31T12:00:00Z",
                _ => "must be a string",
            }
            .to_owned());
        }
        let (Some(rules), Some(text)) = (&self.validation_rules, value.as_str()) else { return Ok(()) };
        let length = text.chars().count();
        match rules {
            ValidationRules { min_length: Some(least), .. } if length < *least => {
                Err(format!("must have at least {least} characters"))
            }
            ValidationRules { max_length: Some(most), .. } if length > *most => {
                Err(format!("must have at most {most} characters"))
            }
            ValidationRules { match_regex: Some(pattern), .. } if !matches_whole(pattern, text) => {
                Err("does not have the form that the app asks for".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok() || (text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok())
}

/// The engine of the library takes time linear in the text, whatever the pattern.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

fn matches_whole(pattern: &str, text: &str) -> bool {
    whole(pattern).is_ok_and(|regex| regex.is_match(text))
}

impl Schema {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&SchemaField> {
        self.0.get(name)
    }

    /// Checks what an operator wrote.
    ///
    /// # Errors
    /// The first field that cannot be used, as `schema` with a sentence.
    pub fn check(&self) -> Result<(), FieldError> {
        let bad = |message: String| Err(FieldError::new("schema", message));
        if self.0.len() > MOST_FIELDS {
            return bad(format!("must have at most {MOST_FIELDS} fields"));
        }
        for (name, field) in &self.0 {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
                return bad(format!("has the field \"{name}\": a name is 1 to {LONGEST_NAME} letters, digits, \"_\" or \"-\""));
            }
            if name == "user_id" {
                return bad("must not have the field \"user_id\", which every user has".to_owned());
            }
            if address_kind(name).is_some() && field.field_type != FieldType::String {
                return bad(format!("has the field \"{name}\", which must be of the type \"string\""));
            }
            let pattern = field.validation_rules.as_ref().and_then(|rules| rules.match_regex.as_deref());
            if pattern.is_some_and(|pattern| whole(pattern).is_err()) {
                return bad(format!("has the field \"{name}\", whose match_regex is no regular expression"));
            }
        }
        Ok(())
    }

    /// What is wrong with a value for a field; `null` is always right, for it clears.
    pub(crate) fn refuse(&self, name: &str, value: &Value) -> Option<FieldError> {
        let Some(field) = self.field(name) else {
            return Some(FieldError::new(name, "is not in the app's schema").because(Problem::Unexpected));
        };
        if value.is_null() {
            return None;
        }
        field.check(value).err().map(|message| FieldError::new(name, message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(text: &str) -> SchemaField {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_schema_of_a_new_app_is_sound() {
        assert!(Schema::default().check().is_ok());
        let again: Schema = serde_json::from_str(&serde_json::to_string(&Schema::default()).unwrap()).unwrap();
        assert_eq!(again, Schema::default());
    }

    #[test]
    fn each_type_takes_its_own_values_only() {
        let values = [json!("a"), json!(1), json!(true), json!("2027-01-31"), json!({}), json!([])];
        let table = [
            ("string", [true, false, false, true, false, false]),
            ("number", [false, true, false, false, false, false]),
            ("boolean", [false, false, true, false, false, false]),
            ("date", [false, false, false, true, false, false]),
            ("object", [false, false, false, false, true, false]),
            ("any", [true; 6]),
            ("image", [true, false, false, true, false, false]),
        ];
        for (kind, fits) in table {
            let field = field(&format!(r#"{{"type": "{kind}"}}"#));
            for (value, fits) in values.iter().zip(fits) {
                assert_eq!(field.check(value).is_ok(), fits, "{kind} {value}");
            }
        }
        let date = field(r#"{"type": "date"}"#);
        for (text, fits) in [("2027-01-31T12:00:00.000Z", true), ("2027-02-30", false), ("31.1.2027", false), ("20270131", false)]
        {
            assert_eq!(date.check(&json!(text)).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn rules_bind_texts() {
        let field = field(r#"{"validation_rules": {"min_length": 2, "max_length": 4, "match_regex": "[a-zé]+"}}"#);
        for (text, fits) in [("a", false), ("ab", true), ("éé", true), ("abcd", true), ("abcde", false), ("ab1", false)] {
            assert_eq!(field.check(&json!(text)).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn what_an_operator_cannot_mean_is_refused() {
        let one = |name: &str, text: &str| Schema(BTreeMap::from([(name.to_owned(), field(text))])).check();
        assert!(one("nick_name", "{}").is_ok());
        for (name, text) in [
            ("user_id", "{}"),
            ("", "{}"),
            ("a b", "{}"),
            ("email", r#"{"type": "number"}"#),
            ("a", r#"{"validation_rules": {"match_regex": "("}}"#),
        ] {
            assert!(one(name, text).is_err(), "{name} {text}");
        }
    }
}
