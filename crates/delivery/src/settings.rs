//! What the settings of all senders share: how they are refused, their time limits, and reading secrets.

use std::net::IpAddr;
use std::time::Duration;

use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use serde::{Deserialize, Deserializer};

/// A setting that cannot work, and what to do about it. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` {advice}")]
pub struct InvalidSettings {
    /// The setting's name within its sender.
    pub setting: &'static str,
    /// What is wrong with it and what to write instead.
    pub advice: String,
}

impl InvalidSettings {
    /// For `setting`, with the advice that follows its name in the sentence.
    pub(crate) fn new(setting: &'static str, advice: impl Into<String>) -> Self {
        Self { setting, advice: advice.into() }
    }
}

/// The longest a sender may take for one attempt (the port's promise).
const LONGEST: Duration = Duration::from_secs(15);

/// How long one attempt may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    pub(crate) connect: Duration,
    pub(crate) whole: Duration,
}

impl TimeLimits {
    /// Checks the two settings.
    pub(crate) fn new(connect: Lifetime, whole: Lifetime) -> Result<Self, InvalidSettings> {
        for (setting, given) in [("connect_timeout", connect), ("timeout", whole)] {
            if given.as_millis() <= 0 || given.as_duration() > LONGEST {
                return Err(InvalidSettings::new(setting, format!("is {given}; give a time of more than zero and at most 15s")));
            }
        }
        Ok(Self { connect: connect.as_duration(), whole: whole.as_duration() })
    }
}

/// Five seconds.
pub(crate) const fn five_seconds() -> Lifetime {
    Lifetime::from_secs(5)
}

/// Fifteen seconds.
pub(crate) const fn fifteen_seconds() -> Lifetime {
    Lifetime::from_secs(15)
}

/// Reads a text into custody at once.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// The same for a secret that may be missing.
pub(crate) fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// Whether a host can only be this machine: `localhost` or a loopback address.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Refuses what a stray line break or blank in a secret's file leaves behind: it could never be accepted.
pub(crate) fn check_key(setting: &'static str, key: &Secret) -> Result<(), InvalidSettings> {
    if key.expose().is_empty() || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(InvalidSettings::new(
            setting,
            "is empty or contains blanks, line breaks or non-ASCII characters; copy it again",
        ));
    }
    Ok(())
}
