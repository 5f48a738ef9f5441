//! JSON bodies, read strictly (`security.md` 39): no duplicate keys, bounded depth, valid UTF-8 without lone surrogates, nothing after the value.

use std::fmt;

use axum::body::{Body, to_bytes};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::frame::LARGEST_BODY;

/// How deep objects and arrays may nest.
pub(crate) const DEPTH: usize = 32;

/// Why a body cannot be read at all.
#[derive(Debug)]
pub(crate) enum BodyProblem {
    /// It is not JSON by its media type.
    MediaType,
    /// It is larger than allowed, which is [`LARGEST_BODY`] as a rule.
    TooLarge,
    /// A sentence that says what is wrong, without any of the body.
    NotJson(String),
}

/// Reads the body of a request.
///
/// # Errors
/// [`BodyProblem`].
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Value, BodyProblem> {
    read_up_to(headers, body, LARGEST_BODY).await
}

/// The same for dialects whose bodies may be larger, in bytes.
///
/// # Errors
/// [`BodyProblem`].
pub(crate) async fn read_up_to(headers: &HeaderMap, body: Body, most: usize) -> Result<Value, BodyProblem> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(BodyProblem::MediaType);
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(BodyProblem::TooLarge);
    }
    let bytes = to_bytes(body, most).await.map_err(|_| BodyProblem::TooLarge)?;
    parse(&bytes).map_err(BodyProblem::NotJson)
}

/// Reads a whole text.
///
/// # Errors
/// A sentence that says what is wrong, without any of the body.
pub(crate) fn parse(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "The body is not UTF-8".to_owned())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: DEPTH }.deserialize(&mut reader).map_err(|e| describe(&e))?;
    reader.end().map_err(|e| describe(&e))?;
    Ok(value)
}

fn describe(error: &serde_json::Error) -> String {
    // Only the library's position and our own reasons: its other texts may quote the body.
    let reason = error.to_string();
    match [DUPLICATE, TOO_DEEP].into_iter().find(|known| reason.starts_with(known)) {
        Some(known) => format!("{known} (line {}, column {})", error.line(), error.column()),
        None => format!("The body is not valid JSON (line {}, column {})", error.line(), error.column()),
    }
}

const DUPLICATE: &str = "An object has the same key twice";
const TOO_DEEP: &str = "The body is nested too deeply";

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        self.depth.checked_sub(1).map(|depth| Self { depth }).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut all = Vec::new();
        while let Some(value) = seq.next_element_seed(inside)? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inside)?;
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_39_only_strict_json_is_read() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(br#"{"a": [1, -2, 3.5, true, null, "\u00e9"], "b": {}}"#).is_ok());
        assert!(parse(deep(DEPTH).as_bytes()).is_ok());
        for bad in [
            deep(DEPTH + 1).as_bytes(),
            br#"{"a": 1, "a": 2}"#,
            br#"{"x": {"a": 1, "\u0061": 2}}"#,
            b"{\"a\": NaN}",
            b"{\"a\": Infinity}",
            b"{\"a\": \"\xff\"}",
            br#"{"a": "\ud800"}"#,
            b"{\"a\": 1} x",
            b"{\"a\": 1,}",
            b"{'a': 1}",
            b"\xef\xbb\xbf{}",
            b"",
        ] {
            assert!(parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
