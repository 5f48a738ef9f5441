//! passlink-delivery: the ways a message leaves, each a [`Sender`] of the engine.
//!
//! A sender makes one attempt and reports honestly what became of it. It never retries, never decides whether a message is still
//! worth sending, and reads neither files nor environment: settings arrive as plain structs with their secrets resolved. When an
//! attempt ends without the provider's answer (a lost connection, a time-out) the message may have gone; the engine tries
//! again, and the Message-ID or idempotency key, fixed per message, lets the receiving side recognise the second copy.
//!
//! | folder | sends | settings |
//! |---|---|---|
//! | [`smtp`] | through any mail server | [`SmtpSettings`] |
//! | [`mailgun`] | through Mailgun's HTTP API | [`MailgunSettings`] |
//! | [`webhook`] | to the operator's own service, signed | [`WebhookSettings`] |
//!
//! What they share: [`settings`] (defaults and how settings are refused), `report` (texts that are safe to log) and `http` (the client of
//! the HTTP senders). A new sender is a folder here, a variant of [`SenderSettings`] and a line in [`build`].

mod http;
pub mod mailgun;
mod report;
pub mod settings;
pub mod smtp;
pub mod webhook;

use std::sync::Arc;

use passlink_engine::messages::sender::Sender;
use serde::Deserialize;

pub use mailgun::{MailgunSender, MailgunSettings};
pub use settings::InvalidSettings;
pub use smtp::{SmtpSecurity, SmtpSender, SmtpSettings};
pub use webhook::{NoticeClient, WebhookSender, WebhookSettings};

/// The settings of one sender; `kind` says which.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SenderSettings {
    /// A mail server.
    Smtp(SmtpSettings),
    /// Mailgun.
    Mailgun(MailgunSettings),
    /// The operator's own service.
    Webhook(WebhookSettings),
}

/// Makes the sender that operators know as `[senders.<name>]`. Opens no connection.
///
/// # Errors
/// [`InvalidSettings`] names the first setting that cannot work and says what to do.
pub fn build(name: &str, settings: SenderSettings) -> Result<Arc<dyn Sender>, InvalidSettings> {
    Ok(match settings {
        SenderSettings::Smtp(settings) => Arc::new(SmtpSender::new(name, settings)?),
        SenderSettings::Mailgun(settings) => Arc::new(MailgunSender::new(name, settings)?),
        SenderSettings::Webhook(settings) => Arc::new(WebhookSender::new(name, settings)?),
    })
}
