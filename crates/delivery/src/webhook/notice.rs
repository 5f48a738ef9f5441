//! Notices to an app's own server: as guarded as messages, to an address that each app sets for itself.

use std::sync::Arc;

use passlink_engine::messages::sender::SendOutcome;
use passlink_engine::secret::Secret;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::address::Allowed;
use super::resolve::{self, GuardedResolver, SystemLookup};
use super::settings::WebhookSettings;
use crate::http;
use crate::settings::{InvalidSettings, TimeLimits, five_seconds};

/// Calls addresses, each under its own permission.
pub struct NoticeClient {
    public: Client,
    private: Client,
    loopback: Client,
}

impl NoticeClient {
    /// Opens no connection and resolves nothing.
    ///
    /// # Errors
    /// [`InvalidSettings`] when this system has no certificates.
    pub fn new() -> Result<Self, InvalidSettings> {
        let client = |allowed| {
            let limits = TimeLimits::new(five_seconds(), five_seconds())?;
            let resolver = GuardedResolver::new(Arc::new(SystemLookup), allowed);
            http::build(http::builder(limits, None)?.dns_resolver(Arc::new(resolver)))
        };
        Ok(Self {
            public: client(Allowed::Public)?,
            private: client(Allowed::PublicAndPrivate)?,
            loopback: client(Allowed::Loopback)?,
        })
    }

    /// Posts JSON once. Only 200 means that it was taken. With `private`, addresses of private networks are called too, and those of this machine also by http.
    ///
    /// # Errors
    /// Why it was not taken, safe to log.
    pub async fn post(&self, url: &str, private: bool, headers: &[(&'static str, String)], body: String) -> Result<(), String> {
        let settings = WebhookSettings {
            allow_loopback_http: private,
            allow_private_addresses: private,
            ..WebhookSettings::new(url, Secret::new(String::new()))
        };
        let (url, allowed) = settings.target().map_err(|error| error.to_string())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let client = match allowed {
            Allowed::Public => &self.public,
            Allowed::PublicAndPrivate => &self.private,
            Allowed::Loopback => &self.loopback,
        };
        let mut all = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| format!("{name} cannot be sent"))?;
            all.insert(HeaderName::from_static(name), value);
        }
        match client.post(url).headers(all).body(body).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                http::body(response).await;
                if status == 200 { Ok(()) } else { Err(format!("{host} answered {status}")) }
            }
            Err(error) => Err(match (resolve::refused(&error), http::failure(&error, &host)) {
                (Some(refused), _) => format!("{host} {refused}"),
                (None, SendOutcome::Retry { why, .. } | SendOutcome::Misconfigured { why } | SendOutcome::Refused { why }) => why,
                (None, SendOutcome::Sent { .. }) => "no answer".to_owned(),
            }),
        }
    }
}
