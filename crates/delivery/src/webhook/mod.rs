//! Messages handed to the operator's own service, as a signed webhook (Standard Webhooks 1.0).
//!
//! [`WebhookSettings`] say where, `payload` is the body, `sign` the signature, `address` and `resolve` keep us from calling addresses
//! inside the operator's network. The receiver gets the link and the code by themselves too, to render its own texts.

mod address;
mod notice;
mod payload;
mod resolve;
mod settings;
mod sign;

use std::sync::Arc;

use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome, Sender};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url};

use crate::settings::{InvalidSettings, TimeLimits};
use crate::{http, report};
use resolve::GuardedResolver;
use sign::SigningKey;

pub use notice::NoticeClient;
pub use resolve::{Lookup, SystemLookup};
pub use settings::WebhookSettings;

/// Sends by calling a URL.
pub struct WebhookSender {
    name: String,
    url: Url,
    host: String,
    key: SigningKey,
    client: Client,
}

impl WebhookSender {
    /// Checks the settings; opens no connection and resolves nothing.
    ///
    /// # Errors
    /// [`InvalidSettings`] for a setting that cannot work or a URL that must not be called.
    pub fn new(name: &str, settings: WebhookSettings) -> Result<Self, InvalidSettings> {
        Self::with_lookup(name, settings, Arc::new(SystemLookup))
    }

    /// The same with another source of addresses than the operating system.
    ///
    /// # Errors
    /// As [`WebhookSender::new`].
    pub fn with_lookup(name: &str, settings: WebhookSettings, lookup: Arc<dyn Lookup>) -> Result<Self, InvalidSettings> {
        let (url, allowed) = settings.target()?;
        let key = SigningKey::parse(&settings.secret)?;
        let limits = TimeLimits::new(settings.connect_timeout, settings.timeout)?;
        let resolver = GuardedResolver::new(lookup, allowed);
        let builder = http::builder(limits, settings.ca_certificates.as_deref())?.dns_resolver(Arc::new(resolver));
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self { name: name.to_owned(), url, host, key, client: http::build(builder)? })
    }
}

#[async_trait::async_trait]
impl Sender for WebhookSender {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, message: &OutgoingMessage) -> SendOutcome {
        if let Err(why) = report::check_headers(message) {
            return SendOutcome::Refused { why };
        }
        let id = message.id.to_string();
        // Receivers refuse old timestamps, so this is the time of the attempt, not of the message.
        let timestamp = crate::http::wall_clock().as_second();
        let body = payload::json(message);
        let signature = self.key.sign(&id, timestamp, body.expose().as_bytes());
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body.expose().to_owned());
        match request.send().await {
            Ok(response) => outcome(response, &self.host).await,
            Err(error) => match resolve::refused(&error) {
                Some(refused) => SendOutcome::Misconfigured { why: format!("{} {refused}", self.host) },
                None => http::failure(&error, &self.host),
            },
        }
    }
}

/// The status decides. The body is only read to free the connection, and never reported: it may repeat what we sent.
async fn outcome(response: Response, host: &str) -> SendOutcome {
    let status = response.status().as_u16();
    let after = http::wish_to_wait(response.headers());
    http::body(response).await;
    let why = format!("{host} answered {status}");
    match status {
        200..=299 => SendOutcome::Sent { provider_id: None },
        300..=399 => {
            SendOutcome::Misconfigured { why: format!("{why}, and redirects are not followed; write the final address in `url`") }
        }
        401 | 403 => SendOutcome::Misconfigured { why: format!("{why}; check that both sides have the same `secret`") },
        408 | 429 | 500.. => SendOutcome::Retry { why, after },
        _ => SendOutcome::Refused { why },
    }
}
