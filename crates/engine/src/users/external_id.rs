use std::fmt;

use serde::{Deserialize, Serialize};

/// The app's own id of a user: 1 to 128 letters, digits, `.`, `_`, `-`, `|`, `:`, `@` or `+`, unique in the app. Many apps use UUIDs. A dialect that takes it wherever it takes
/// one of our ids refuses those that look as it shows ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(String);

/// Why a text is no [`ExternalId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("An external id is 1 to 128 letters, digits or . _ - | : @ +")]
pub struct InvalidExternalId;

impl ExternalId {
    /// Reads one.
    ///
    /// # Errors
    /// [`InvalidExternalId`].
    pub fn parse(text: &str) -> Result<Self, InvalidExternalId> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'|' | b':' | b'@' | b'+');
        let is_one = (1..=128).contains(&text.len()) && text.bytes().all(is_plain);
        if is_one { Ok(Self(text.to_owned())) } else { Err(InvalidExternalId) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ExternalId {
    type Error = InvalidExternalId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ExternalId> for String {
    fn from(id: ExternalId) -> Self {
        id.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_ids_are_plain() {
        for good in ["a", "auth0|123", "user_1.x-Y", "urn:a@b+c", "01938a6e-6c1c-7e21-8c8b-0123456789ab", &"a".repeat(128)] {
            assert!(ExternalId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a/b", "a\n", &"a".repeat(129)] {
            assert!(ExternalId::parse(bad).is_err(), "{bad}");
        }
    }
}
