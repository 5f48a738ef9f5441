//! The settings of Mailgun.

use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use serde::Deserialize;
use url::Url;

use crate::http;
use crate::settings::{self, InvalidSettings};

/// A sending domain at Mailgun.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailgunSettings {
    /// The sending domain as registered with Mailgun, such as `mg.example.com`.
    pub domain: String,
    /// An API key; a domain sending key is enough, and can do nothing but send.
    #[serde(deserialize_with = "settings::secret")]
    pub api_key: Secret,
    /// Where the API is. Default `https://api.mailgun.net`; domains in the EU region need `https://api.eu.mailgun.net`.
    #[serde(default = "us_region")]
    pub base_url: String,
    /// Certificates (PEM) of authorities to trust besides the system's.
    #[serde(default)]
    pub ca_certificates: Option<String>,
    /// How long connecting may take. Default 5s.
    #[serde(default = "settings::five_seconds")]
    pub connect_timeout: Lifetime,
    /// How long one attempt may take in all. Default 15s, and not more.
    #[serde(default = "settings::fifteen_seconds")]
    pub timeout: Lifetime,
}

fn us_region() -> String {
    "https://api.mailgun.net".to_owned()
}

impl MailgunSettings {
    /// The defaults for this domain and key.
    pub fn new(domain: impl Into<String>, api_key: Secret) -> Self {
        Self {
            domain: domain.into(),
            api_key,
            base_url: us_region(),
            ca_certificates: None,
            connect_timeout: settings::five_seconds(),
            timeout: settings::fifteen_seconds(),
        }
    }

    /// The one endpoint.
    pub(super) fn messages_url(&self) -> Result<Url, InvalidSettings> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        if !self.domain.contains('.') || !self.domain.bytes().all(plain) || self.domain.contains("..") {
            return Err(InvalidSettings::new("domain", "must be the sending domain alone, such as mg.example.com"));
        }
        let base = http::parse_url("base_url", &self.base_url, true)?;
        if base.query().is_some() || base.path().trim_end_matches('/').ends_with("/v3") {
            return Err(InvalidSettings::new("base_url", "must end before /v3, such as https://api.mailgun.net"));
        }
        let text = format!("{}/v3/{}/messages", base.as_str().trim_end_matches('/'), self.domain);
        Url::parse(&text).map_err(|error| InvalidSettings::new("base_url", format!("cannot be used: {error}")))
    }
}
