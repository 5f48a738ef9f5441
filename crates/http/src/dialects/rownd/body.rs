//! JSON bodies of this dialect, read field by field: every bad field is named. `null` is the same as absent.

use axum::body::Body;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::error::{FieldErrors, Refusal};
use crate::extract::json;

/// The largest body, in bytes (contract section 3).
const LARGEST: usize = 256 * 1024;

/// The fields of a body.
pub(super) struct Fields {
    object: Map<String, Value>,
    errors: FieldErrors,
}

/// Reads a body.
///
/// # Errors
/// The wrong media type, a body too large, not JSON, or not an object.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Refusal> {
    match json::read_up_to(headers, body, LARGEST).await? {
        Value::Object(object) => Ok(Fields::of(object)),
        _ => Err(Refusal::validation("The body must be a JSON object.")),
    }
}

/// The same where no body is needed: without one, nothing is given.
pub(super) async fn read_optional(headers: &HeaderMap, body: Body) -> Result<Fields, Refusal> {
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| json::BodyProblem::TooLarge)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Fields::of(Map::new()));
    }
    read(headers, Body::from(bytes)).await
}

impl Fields {
    pub(super) fn of(object: Map<String, Value>) -> Self {
        Self { object, errors: FieldErrors::new() }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.object.remove(field).filter(|value| !value.is_null())
    }

    /// Notes what is wrong with a field.
    pub(super) fn wrong(&mut self, field: &str, what: impl Into<String>) {
        self.errors.entry(field.to_owned()).or_default().push(what.into());
    }

    /// Notes that a field is required when it is missing.
    pub(super) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.errors.contains_key(field) {
            self.wrong(field, "is required");
        }
        value
    }

    fn kind<T>(&mut self, field: &str, what: &str, read: impl Fn(Value) -> Option<T>) -> Option<T> {
        let value = read(self.take(field)?);
        if value.is_none() {
            self.wrong(field, format!("must be {what}"));
        }
        value
    }

    pub(super) fn text(&mut self, field: &str, longest: usize) -> Option<String> {
        let text = self.kind(field, "a string", |value| value.as_str().map(str::to_owned))?;
        if text.len() > longest {
            self.wrong(field, format!("must have at most {longest} bytes"));
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        self.kind(field, "true or false", |value| value.as_bool())
    }

    pub(super) fn object(&mut self, field: &str) -> Option<Map<String, Value>> {
        self.kind(field, "an object", |value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        })
    }

    pub(super) fn list(&mut self, field: &str) -> Option<Vec<Value>> {
        self.kind(field, "a list", |value| match value {
            Value::Array(list) => Some(list),
            _ => None,
        })
    }

    pub(super) fn texts(&mut self, field: &str) -> Option<Vec<String>> {
        self.kind(field, "a list of strings", |value| match value {
            Value::Array(list) => list.into_iter().map(|value| value.as_str().map(str::to_owned)).collect(),
            _ => None,
        })
    }

    /// Whether the field is there and not `null`.
    pub(super) fn is_given(&self, field: &str) -> bool {
        self.object.get(field).is_some_and(|value| !value.is_null())
    }

    /// Whether the field is there, even as `null`.
    pub(super) fn names(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    /// The value as it is; `None` when it is missing.
    pub(super) fn raw(&mut self, field: &str) -> Option<Value> {
        self.object.remove(field)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, field: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(field, 64)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.wrong(field, format!("must be one of {}", words.join(", ")));
        }
        chosen
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub(super) fn check(&mut self) -> Result<(), Refusal> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(Refusal::fields("E_VALIDATION", std::mem::take(&mut self.errors)))
    }
}
