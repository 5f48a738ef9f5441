//! What is kept with a session and seldom needed; stored as JSON, so that it can grow.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Method;
use crate::error::{FieldError, Problem};
use crate::ids::{IdentifierId, LinkId};
use crate::time::Timestamp;
use crate::users::profile::{merge, size};

/// Bytes that a caller's claims may have as JSON.
pub const MOST_CLAIM_BYTES: usize = 4096;
/// Factors kept with one session; the oldest go first.
const MOST_FACTORS: usize = 20;

/// How a secret reached the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The caller delivered it by itself: that proves nothing about an address.
    Caller,
    /// By mail.
    Email,
}

/// One proof that a person gave in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Link or code.
    pub method: Method,
    /// How it reached the person.
    pub channel: Channel,
    /// The link.
    pub link: LinkId,
    /// The address it was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<IdentifierId>,
    /// That address in words, as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it was first given.
    pub first_at: Timestamp,
    /// When it was last given.
    pub last_at: Timestamp,
}

/// What a caller knows of the person's device, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientFacts {
    /// The address the person came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// The browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionDetails {
    /// The proofs, oldest first. Empty for sessions that began on our own pages: the session's method and link tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Factor>,
    /// The caller's own claims.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// The device.
    #[serde(skip_serializing_if = "is_default")]
    pub client: ClientFacts,
}

fn is_default(facts: &ClientFacts) -> bool {
    *facts == ClientFacts::default()
}

impl SessionDetails {
    /// Adds a proof. The same address proven in the same way again renews what is there.
    pub fn add(&mut self, factor: Factor) {
        let is_same = |known: &&mut Factor| {
            (known.method, known.channel) == (factor.method, factor.channel)
                && match factor.identifier {
                    Some(_) => known.identifier == factor.identifier,
                    None => known.link == factor.link,
                }
        };
        if let Some(known) = self.factors.iter_mut().find(is_same) {
            *known = Factor { first_at: known.first_at, ..factor };
            return;
        }
        self.factors.push(factor);
        let over = self.factors.len().saturating_sub(MOST_FACTORS);
        self.factors.drain(..over);
    }

    /// Merges claims key by key; `null` removes a key. What a dialect reserves is not to be in it.
    ///
    /// # Errors
    /// `claims` with [`Problem::TooLarge`] when they would have more than [`MOST_CLAIM_BYTES`].
    pub fn merge_claims(&mut self, change: &Map<String, Value>) -> Result<(), FieldError> {
        merge(&mut self.claims, change);
        if size(&self.claims) > MOST_CLAIM_BYTES {
            return Err(
                FieldError::new("claims", format!("may have at most {MOST_CLAIM_BYTES} bytes")).because(Problem::TooLarge)
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn factor(link: u8, identifier: Option<u8>, at: i64) -> Factor {
        Factor {
            method: Method::Link,
            channel: if identifier.is_some() { Channel::Email } else { Channel::Caller },
            link: LinkId::from_bytes(&[link; 16]).unwrap(),
            identifier: identifier.map(|id| IdentifierId::from_bytes(&[id; 16]).unwrap()),
            address: None,
            first_at: Timestamp::from_millis(at),
            last_at: Timestamp::from_millis(at),
        }
    }

    #[test]
    fn the_same_address_is_one_factor_and_links_for_nobody_are_each_their_own() {
        let mut details = SessionDetails::default();
        for f in [factor(1, Some(1), 1), factor(2, Some(1), 2), factor(3, Some(2), 3), factor(4, None, 4), factor(5, None, 5)] {
            details.add(f);
        }
        assert_eq!(details.factors.len(), 4);
        assert_eq!((details.factors[0].first_at.as_millis(), details.factors[0].last_at.as_millis()), (1, 2));
        for link in 0..50 {
            details.add(factor(link, None, 9));
        }
        assert_eq!(details.factors.len(), MOST_FACTORS);
    }

    #[test]
    fn claims_are_bounded_after_merging() {
        let mut details = SessionDetails::default();
        let change = |value: Value| value.as_object().cloned().unwrap();
        details.merge_claims(&change(json!({"a": 1, "b": "x".repeat(4000)}))).unwrap();
        details.merge_claims(&change(json!({"a": null, "b": "y".repeat(4000)}))).unwrap();
        assert_eq!(details.claims.len(), 1);
        assert!(details.merge_claims(&change(json!({"c": "z".repeat(100)}))).is_err());
    }
}
