//! What a key may hold: checked the same way whether it came from a file or from the environment.

use std::net::SocketAddr;

use passlink_engine::email_address::EmailAddress;
use passlink_engine::limits::Limit;
use passlink_engine::redirects::{AllowedOrigin, LandingUrl, Origin};
use passlink_engine::time::{Lifetime, Timestamp};
use passlink_engine::users::schema::Schema;
use toml::Value;

use crate::network::Network;

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, both included.
    Whole(i64, i64),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A duration such as `10m`.
    Duration,
    /// A limit such as `5 per 15m`.
    Limit,
    /// Address and port to listen on.
    Listen,
    /// The path of a file or folder.
    Path,
    /// An origin such as `https://auth.example.com`.
    Origin,
    /// An e-mail address.
    Email,
    /// An instant such as `2027-01-31T00:00:00Z`.
    Instant,
    /// A list of texts.
    Texts,
    /// A list of origins, also with a wildcard as first label.
    AllowedOrigins,
    /// A list of pages of the app.
    LandingUrls,
    /// A list of networks.
    Networks,
    /// Fields by name, each with what it may hold.
    Schema,
}

impl Kind {
    /// Whether the value can be used; otherwise what it must be, without the value itself.
    ///
    /// # Errors
    /// The end of a sentence that begins with the key's name.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let text = || value.as_str().ok_or_else(|| "must be a text in quotes".to_owned());
        match self {
            Self::Text | Self::Path => match text()?.is_empty() {
                true => Err("must not be empty; leave the key out instead".to_owned()),
                false => Ok(()),
            },
            Self::Flag => value.as_bool().map(drop).ok_or_else(|| "must be true or false".to_owned()),
            Self::Whole(least, most) => match value.as_integer() {
                Some(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("must be a whole number from {least} to {most}")),
            },
            Self::Choice(choices) => match choices.contains(&text()?) {
                true => Ok(()),
                false => Err(format!("must be one of {}", quoted(choices))),
            },
            Self::Duration => Lifetime::parse(text()?).map(drop).map_err(|e| e.to_string()),
            Self::Limit => Limit::parse(text()?).map(drop).map_err(|e| e.to_string()),
            Self::Listen => match text()?.parse::<SocketAddr>() {
                Ok(_) => Ok(()),
                Err(_) => Err("must be an address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned()),
            },
            Self::Origin => match Origin::parse(text()?) {
                Some(_) => Ok(()),
                None => Err("must be an origin without a path, such as \"https://auth.example.com\"".to_owned()),
            },
            Self::Email => EmailAddress::parse(text()?).map(drop).map_err(|e| e.to_string()),
            Self::Instant => instant(value).map(drop),
            Self::Texts => list(value, |_| Ok(())),
            Self::AllowedOrigins => list(value, |entry| AllowedOrigin::parse(entry).map(drop).map_err(|e| e.to_string())),
            Self::LandingUrls => list(value, |entry| LandingUrl::parse(entry).map(drop).map_err(|e| e.to_string())),
            Self::Schema => match value.clone().try_into::<Schema>() {
                Ok(schema) => schema.check().map_err(|field| field.message),
                Err(error) => {
                    Err(format!("must be fields such as {{ nick_name = {{ type = \"string\" }} }}: {}", error.message()))
                }
            },
            Self::Networks => list(value, |entry| match Network::parse(entry) {
                Some(_) => Ok(()),
                None => Err("must be addresses or networks such as \"10.0.0.0/8\" or \"::1\"".to_owned()),
            }),
        }
    }

    /// The value a plain text stands for, as environment variables and the command line have it: lists are separated by commas.
    ///
    /// # Errors
    /// As [`Kind::check`].
    pub fn read(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let value = match self {
            Self::Flag => text.parse().map(Value::Boolean).map_err(|_| "must be true or false".to_owned())?,
            Self::Whole(least, most) => {
                text.parse().map(Value::Integer).map_err(|_| format!("must be a whole number from {least} to {most}"))?
            }
            Self::Texts | Self::AllowedOrigins | Self::LandingUrls | Self::Networks => Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty())
                    .map(|entry| Value::String(entry.to_owned()))
                    .collect(),
            ),
            Self::Schema => super::key::literal(text).ok_or("must be fields such as { nick_name = { type = \"string\" } }")?,
            _ => Value::String(text.to_owned()),
        };
        self.check(&value)?;
        Ok(value)
    }
}

/// An instant, written as a text or as TOML's own date and time.
///
/// # Errors
/// What it must be.
pub fn instant(value: &Value) -> Result<Timestamp, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(at) => at.to_string(),
        _ => String::new(),
    };
    let at: jiff::Timestamp = text.parse().map_err(|_| "must be an instant such as \"2027-01-31T00:00:00Z\"".to_owned())?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

fn list(value: &Value, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let entries = value.as_array().ok_or("must be a list of texts such as [\"one\", \"two\"]")?;
    for entry in entries {
        check(entry.as_str().filter(|text| !text.is_empty()).ok_or("must be a list of texts such as [\"one\", \"two\"]")?)?;
    }
    Ok(())
}

fn quoted(choices: &[&str]) -> String {
    choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ")
}
