//! What a message says, sealed while it waits.

use serde::{Deserialize, Serialize};

use crate::email_address::EmailAddress;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::keys::ServerKeys;
use crate::ports::Entropy;

/// Everything needed to render and send a sign-in mail.
#[derive(Clone, Serialize, Deserialize)]
pub struct Payload {
    /// The recipient.
    pub to: EmailAddress,
    /// The whole link; empty when the mail carries a code alone.
    pub link: String,
    /// The code; empty when it carries a link alone.
    pub code: String,
    /// Whether it invites.
    #[serde(default)]
    pub invite: bool,
    /// For how many minutes they work.
    pub minutes: i64,
    /// The browser that asked, in words.
    pub requested_with: Option<String>,
    /// `Accept-Language` of the request.
    pub language: Option<String>,
}

impl Payload {
    pub(crate) fn seal(&self, keys: &ServerKeys, entropy: &dyn Entropy, id: MessageId) -> Result<Vec<u8>> {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(self).map_err(Error::internal)?);
        keys.seal(entropy, &context(id), &plain)
    }

    pub(crate) fn open(keys: &ServerKeys, id: MessageId, sealed: &[u8]) -> Result<Self> {
        let plain = zeroize::Zeroizing::new(keys.open(&context(id), sealed)?);
        serde_json::from_slice(&plain).map_err(Error::internal)
    }
}

fn context(id: MessageId) -> Vec<u8> {
    [b"message".as_slice(), id.as_bytes()].concat()
}
