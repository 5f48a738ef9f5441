//! Taking fields out of a vendor's objects. `null` is as good as nothing; something else than what is meant is told with the field's name.

use serde_json::{Map, Value};

/// The old id, when it can be read, and why the person cannot be.
pub type Refused = (Option<String>, String);

fn take(object: &mut Map<String, Value>, field: &str) -> Option<Value> {
    object.remove(field).filter(|value| !value.is_null())
}

/// A text.
///
/// # Errors
/// It is something else.
pub fn text(object: &mut Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    match take(object, field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{field}: must be a string")),
    }
}

/// `true` or `false`; `false` when it is not there.
///
/// # Errors
/// It is something else.
pub fn flag(object: &mut Map<String, Value>, field: &str) -> Result<bool, String> {
    match take(object, field) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(format!("{field}: must be true or false")),
    }
}

/// An object.
///
/// # Errors
/// It is something else.
pub fn map(object: &mut Map<String, Value>, field: &str) -> Result<Option<Map<String, Value>>, String> {
    match take(object, field) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(format!("{field}: must be an object")),
    }
}

/// A list of objects; empty when it is not there.
///
/// # Errors
/// It is something else.
pub fn objects(object: &mut Map<String, Value>, field: &str) -> Result<Vec<Map<String, Value>>, String> {
    let wrong = || format!("{field}: must be a list of objects");
    match take(object, field) {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list.into_iter().map(|value| value.as_object().cloned().ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

/// A list of texts.
///
/// # Errors
/// It is something else.
pub fn texts(object: &mut Map<String, Value>, field: &str) -> Result<Option<Vec<String>>, String> {
    let wrong = || format!("{field}: must be a list of strings");
    match take(object, field) {
        None => Ok(None),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<String>> = list.into_iter().map(|value| value.as_str().map(str::to_owned)).collect();
            texts.map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}
