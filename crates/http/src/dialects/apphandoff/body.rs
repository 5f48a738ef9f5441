//! JSON bodies of this dialect: an object, read field by field, so that every bad field is named.

use axum::body::Body;
use http::HeaderMap;
use passlink_engine::error::FieldError;
use serde_json::{Map, Value};

use super::error::Refusal;
use crate::extract::json::{self, BodyProblem};

/// The fields of a body, and what was found wrong with them.
pub(super) struct Fields {
    object: Map<String, Value>,
    bad: Vec<FieldError>,
}

/// Reads a body.
///
/// # Errors
/// The wrong media type, a body too large, not JSON, or not an object.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Refusal> {
    let value = json::read(headers, body).await.map_err(|problem| match problem {
        BodyProblem::MediaType => Refusal::media_type(),
        BodyProblem::TooLarge => Refusal::too_large(),
        BodyProblem::NotJson(message) => Refusal::invalid_json(&message),
    })?;
    match value {
        Value::Object(object) => Ok(Fields { object, bad: Vec::new() }),
        _ => Err(Refusal::invalid(&[FieldError::new("", "The body must be a JSON object")])),
    }
}

impl Fields {
    /// Notes that a field is bad.
    pub(super) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.bad.push(FieldError::new(field, message));
    }

    /// A text of at most `most` bytes; `None` when it is missing or, which is noted, anything else.
    pub(super) fn text(&mut self, field: &str, most: usize) -> Option<String> {
        match self.object.remove(field) {
            None => None,
            Some(Value::String(text)) if text.len() <= most => Some(text),
            Some(Value::String(_)) => {
                self.refuse(field, format!("Must be at most {most} bytes long"));
                None
            }
            Some(_) => {
                self.refuse(field, "Must be a string");
                None
            }
        }
    }

    /// A text that must be there and not be empty.
    pub(super) fn required_text(&mut self, field: &str, most: usize) -> Option<String> {
        let missing = !self.object.contains_key(field);
        let text = self.text(field, most);
        if missing || text.as_deref() == Some("") {
            self.refuse(field, "Required");
            return None;
        }
        text
    }

    /// Ends reading.
    ///
    /// # Errors
    /// Every bad field.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.bad.is_empty() { Ok(()) } else { Err(Refusal::invalid(&self.bad)) }
    }
}
