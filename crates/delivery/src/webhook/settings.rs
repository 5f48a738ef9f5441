//! The settings of a webhook.

use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use serde::Deserialize;
use url::{Host, Url};

use super::address::Allowed;
use crate::http;
use crate::settings::{self, InvalidSettings};

/// A service of the operator that sends the messages itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The URL to call with POST; https.
    pub url: String,
    /// The signing secret that both sides know: `whsec_` and the base64 of 24 to 64 random bytes.
    #[serde(deserialize_with = "settings::secret")]
    pub secret: Secret,
    /// Allow an http URL whose host is this machine (`localhost`, 127.0.0.1, ::1).
    #[serde(default)]
    pub allow_loopback_http: bool,
    /// Allow addresses of private networks and of this machine: whoever can set the URL's DNS entry can then reach services inside.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Certificates (PEM) of authorities to trust besides the system's.
    #[serde(default)]
    pub ca_certificates: Option<String>,
    /// How long connecting may take. Default 5s.
    #[serde(default = "settings::five_seconds")]
    pub connect_timeout: Lifetime,
    /// How long one attempt may take in all. Default 5s, at most 15s.
    #[serde(default = "settings::five_seconds")]
    pub timeout: Lifetime,
}

impl WebhookSettings {
    /// The defaults for this URL and secret.
    pub fn new(url: impl Into<String>, secret: Secret) -> Self {
        Self {
            url: url.into(),
            secret,
            allow_loopback_http: false,
            allow_private_addresses: false,
            ca_certificates: None,
            connect_timeout: settings::five_seconds(),
            timeout: settings::five_seconds(),
        }
    }

    /// The URL and the addresses it may lead to. An address in the URL, in whatever notation, is judged here: it is never resolved.
    pub(super) fn target(&self) -> Result<(Url, Allowed), InvalidSettings> {
        let url = http::parse_url("url", &self.url, self.allow_loopback_http)?;
        let allowed = match (url.scheme(), self.allow_private_addresses) {
            ("http", _) => Allowed::Loopback,
            (_, true) => Allowed::PublicAndPrivate,
            (_, false) => Allowed::Public,
        };
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if literal.is_some_and(|ip| !allowed.contains(ip)) {
            let advice = "leads to a private or special address; use a public one, or set `allow_private_addresses = true`";
            return Err(InvalidSettings::new("url", advice));
        }
        Ok((url, allowed))
    }
}
