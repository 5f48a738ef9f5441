//! JSON bodies of this dialect, read field by field. `null` is the same as absent (Rust's SDK sends it), except inside maps where it removes a key.

use axum::body::Body;
use http::HeaderMap;
use passlink_engine::sessions::ClientFacts;
use passlink_engine::time::Lifetime;
use passlink_engine::users::PersonName;
use serde_json::{Map, Value};

use super::error::Refusal;
use crate::extract::json;

/// The fields of a body, or of an object in it.
pub(super) struct Fields {
    object: Map<String, Value>,
    /// What stands before a field's name in messages.
    path: String,
}

/// Reads a body.
///
/// # Errors
/// The wrong media type, a body too large, not JSON, or not an object.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Refusal> {
    match json::read(headers, body).await? {
        Value::Object(object) => Ok(Fields { object, path: String::new() }),
        _ => Err(Refusal::bad_request("The body must be a JSON object.")),
    }
}

impl Fields {
    fn take(&mut self, field: &str) -> Option<Value> {
        self.object.remove(field).filter(|value| !value.is_null())
    }

    fn wrong(&self, field: &str, what: &str) -> Refusal {
        Refusal::bad_request(format!("{}{field}: must be {what}.", self.path))
    }

    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "a string")),
        }
    }

    /// A text that is not empty; `None` when it is missing, `null` or empty.
    pub(super) fn filled(&mut self, field: &str) -> Result<Option<String>, Refusal> {
        Ok(self.text(field)?.filter(|text| !text.is_empty()))
    }

    pub(super) fn integer(&mut self, field: &str) -> Result<Option<i64>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| self.wrong(field, "an integer")),
        }
    }

    pub(super) fn flag(&mut self, field: &str) -> Result<bool, Refusal> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(field, "true or false")),
        }
    }

    /// An object as it is, with its `null`s.
    pub(super) fn map(&mut self, field: &str) -> Result<Option<Map<String, Value>>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(self.wrong(field, "an object")),
        }
    }

    /// An object of fields.
    pub(super) fn object(&mut self, field: &str) -> Result<Option<Self>, Refusal> {
        let path = format!("{}{field}.", self.path);
        Ok(self.map(field)?.map(|object| Self { object, path }))
    }

    pub(super) fn list(&mut self, field: &str) -> Result<Option<Vec<Value>>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(self.wrong(field, "a list")),
        }
    }

    pub(super) fn texts(&mut self, field: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(list) = self.list(field)? else { return Ok(None) };
        let texts: Option<Vec<String>> = list.into_iter().map(|value| value.as_str().map(str::to_owned)).collect();
        texts.map(Some).ok_or_else(|| self.wrong(field, "a list of strings"))
    }

    /// Whole minutes within a range; `refused` is the error type outside of it.
    pub(super) fn minutes(
        &mut self,
        field: &str,
        range: std::ops::RangeInclusive<i64>,
        refused: &'static str,
    ) -> Result<Option<Lifetime>, Refusal> {
        let Some(minutes) = self.integer(field)? else { return Ok(None) };
        if range.contains(&minutes) {
            return Ok(Some(Lifetime::from_minutes(minutes)));
        }
        let (first, last) = (range.start(), range.end());
        Err(Refusal::new(400, refused, format!("{field}: must be from {first} to {last} minutes.")))
    }

    /// `attributes`: what the caller knows of the person's device.
    pub(super) fn attributes(&mut self) -> Result<ClientFacts, Refusal> {
        let Some(mut fields) = self.object("attributes")? else { return Ok(ClientFacts::default()) };
        let (ip_address, user_agent) = (fields.filled("ip_address")?, fields.filled("user_agent")?);
        if [&ip_address, &user_agent].into_iter().flatten().any(|text| text.len() > 1024) {
            return Err(Refusal::bad_request("attributes: each must be at most 1024 bytes."));
        }
        Ok(ClientFacts { ip_address, user_agent })
    }

    /// `name`: parts that are not given stay.
    pub(super) fn name(&mut self) -> Result<PersonName, Refusal> {
        let Some(mut fields) = self.object("name")? else { return Ok(PersonName::default()) };
        Ok(PersonName { first: fields.text("first_name")?, middle: fields.text("middle_name")?, last: fields.text("last_name")? })
    }
}
