//! The signature of Standard Webhooks 1.0: HMAC-SHA-256 over id, timestamp and body.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passlink_engine::secret::Secret;

use crate::settings::InvalidSettings;

/// The key behind `whsec_…`.
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    pub(super) fn parse(secret: &Secret) -> Result<Self, InvalidSettings> {
        let invalid = || InvalidSettings::new("secret", "must be `whsec_` and the base64 of 24 to 64 random bytes");
        let text = secret.expose().strip_prefix("whsec_").ok_or_else(invalid)?;
        let bytes = STANDARD.decode(text).map_err(|_| invalid())?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(invalid());
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}
