//! JSON bodies of this dialect, read field by field: every bad field is named at once. `null` is the same as absent.

use axum::body::Body;
use http::HeaderMap;
use passlink_engine::groups::GroupRef;
use passlink_engine::ids::GroupId;
use passlink_engine::time::Timestamp;
use serde_json::{Map, Value};

use super::error::{Problem, Refusal};
use super::ids::{self, Read};
use crate::extract::json;

/// The fields of a body, and what was found wrong with them.
pub(super) struct Fields {
    object: Map<String, Value>,
    bad: Vec<Problem>,
}

/// Reads a body.
///
/// # Errors
/// 413 when it is too large, 422 when it is not a JSON object.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Refusal> {
    match json::read(headers, body).await? {
        Value::Object(object) => Ok(Fields { object, bad: Vec::new() }),
        _ => Err(Refusal::invalid(&[Problem::new("body", "", "dict_type", "must be a JSON object")])),
    }
}

impl Fields {
    /// Notes that a field is bad.
    pub(super) fn refuse(&mut self, field: &str, kind: &'static str, message: impl Into<String>) {
        self.bad.push(Problem::new("body", field, kind, message));
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.object.remove(field).filter(|value| !value.is_null())
    }

    /// Whether the field is there, be it as `null`.
    pub(super) fn is_given(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field)? {
            Value::String(text) => Some(text),
            _ => {
                self.refuse(field, "string_type", "must be a string");
                None
            }
        }
    }

    /// Notes it when the field is missing.
    pub(super) fn must_have(&mut self, field: &str) {
        if self.object.get(field).is_none_or(Value::is_null) {
            self.refuse(field, "missing", "is required");
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, field: &str) -> Option<String> {
        self.must_have(field);
        self.text(field)
    }

    /// An integer of a range; no text, no fraction.
    pub(super) fn integer(&mut self, field: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.take(field)?;
        match value.as_i64() {
            Some(number) if range.contains(&number) => return Some(number),
            Some(number) if number < *range.start() => {
                self.refuse(field, "greater_than_equal", format!("must be at least {}", range.start()));
            }
            Some(_) => self.refuse(field, "less_than_equal", format!("must be at most {}", range.end())),
            // Larger than any integer we know.
            None if value.is_u64() => self.refuse(field, "less_than_equal", format!("must be at most {}", range.end())),
            None => self.refuse(field, "int_type", "must be an integer"),
        }
        None
    }

    /// One of several words.
    pub(super) fn one_of<T: Copy>(&mut self, field: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(field)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(field, "enum", format!("must be one of {}", words.join(", ")));
        }
        found
    }

    /// A moment, as ISO 8601 writes it; kept as it was given.
    pub(super) fn moment(&mut self, field: &str) -> Option<String> {
        let text = self.text(field)?;
        let forms = [text.clone(), format!("{text}Z"), format!("{text}T00:00:00Z")];
        if text.len() > 64 || !forms.iter().any(|form| Timestamp::parse_rfc3339(form).is_some()) {
            self.refuse(field, "datetime_parsing", "must be a date and time such as 2026-01-31T00:00:00Z");
            return None;
        }
        Some(text)
    }

    /// The business that two fields name, each by an id of its own kind.
    pub(super) fn businesses(&mut self) -> Vec<GroupRef> {
        let mut named = Vec::new();
        let (own, external) = (self.text("business_id"), self.text("external_business_id"));
        if own.is_none() && external.is_none() && self.bad.is_empty() {
            self.refuse("business_id", "missing", "is required, or external_business_id");
        }
        match own.as_deref().map(business) {
            Some(Some(group)) => named.push(group),
            Some(None) => self.refuse("business_id", "string_pattern_mismatch", MALFORMED),
            None => {}
        }
        named.extend(external.map(GroupRef::External));
        named
    }

    /// Ends reading.
    ///
    /// # Errors
    /// Every bad field.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.bad.is_empty() { Ok(()) } else { Err(Refusal::invalid(&self.bad)) }
    }
}

/// What is wrong with an id that is none.
pub(super) const MALFORMED: &str = "must be biz_ and 18 to 24 letters and digits";

/// The business of an id; one of their form that we never gave out is none of the tenant's.
pub(super) fn business(text: &str) -> Option<GroupRef> {
    match ids::read("biz", text) {
        Read::Id(id) => Some(GroupRef::Id(GroupId::from_uuid(id))),
        Read::Foreign => Some(GroupRef::Id(GroupId::from_uuid(uuid::Uuid::nil()))),
        Read::Malformed => None,
    }
}
