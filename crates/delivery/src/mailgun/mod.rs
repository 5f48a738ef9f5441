//! Mail through Mailgun's HTTP API: `POST {base_url}/v3/{domain}/messages`.
//!
//! [`MailgunSettings`] say which domain and key, `fields` is the form that is sent, `answer` says what each answer means.

mod answer;
mod fields;
mod settings;

use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome, Sender};
use passlink_engine::secret::Secret;
use reqwest::{Client, Url};

use crate::settings::{InvalidSettings, TimeLimits, check_key};
use crate::{http, report};

pub use settings::MailgunSettings;

/// Sends through Mailgun.
pub struct MailgunSender {
    name: String,
    url: Url,
    host: String,
    key: Secret,
    client: Client,
}

impl MailgunSender {
    /// Checks the settings; opens no connection.
    ///
    /// # Errors
    /// [`InvalidSettings`] for a setting that cannot work, such as a base URL without TLS.
    pub fn new(name: &str, settings: MailgunSettings) -> Result<Self, InvalidSettings> {
        check_key("api_key", &settings.api_key)?;
        let url = settings.messages_url()?;
        let limits = TimeLimits::new(settings.connect_timeout, settings.timeout)?;
        let client = http::build(http::builder(limits, settings.ca_certificates.as_deref())?)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self { name: name.to_owned(), url, host, key: settings.api_key, client })
    }
}

#[async_trait::async_trait]
impl Sender for MailgunSender {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, message: &OutgoingMessage) -> SendOutcome {
        if let Err(why) = report::check_headers(message) {
            return SendOutcome::Refused { why };
        }
        let request = self.client.post(self.url.clone()).basic_auth("api", Some(self.key.expose()));
        match request.multipart(fields::form(message)).send().await {
            Ok(response) => answer::outcome(response, message).await,
            Err(error) => http::failure(&error, &self.host),
        }
    }
}
