//! The senders against doubles that speak the real protocols on loopback. One binary; a file per sender and concern.

mod mailgun;
mod notices;
mod settings;
mod smtp;
mod smtp_faults;
mod smtp_tls;
mod webhook;
mod webhook_addresses;

use std::time::Duration;

use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::MessageId;
use passlink_engine::messages::sender::{Mailbox, OutgoingMessage, SendOutcome};
use passlink_engine::secret::Secret;
use passlink_engine::time::Timestamp;

/// A sign-in mail to `to`.
fn message_to(to: &str) -> OutgoingMessage {
    let date = Timestamp::from_millis(1_795_000_000_123);
    OutgoingMessage {
        id: MessageId::new(date, [9; 10]),
        to: address(to),
        from: Mailbox { name: Some("Example".to_owned()), address: address("no-reply@example.org") },
        reply_to: None,
        subject: "Sign in to Example".to_owned(),
        text: secret("Open https://id.example.org/l/plk_AAAA to sign in, or type 482913.\n"),
        html: Some(secret("<p><a href=\"https://id.example.org/l/plk_AAAA\">Sign in</a> or type 482913.</p>\n")),
        date,
        expires_at: Timestamp::from_millis(1_795_000_600_123),
        tag: "magic-link".to_owned(),
        language: "en".to_owned(),
        app: "app-live-1".to_owned(),
        link: Some(secret("https://id.example.org/l/plk_AAAA")),
        code: Some(secret("482913")),
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect(text)
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// The outcome as its class and its text.
fn class(outcome: &SendOutcome) -> (&'static str, &str) {
    match outcome {
        SendOutcome::Sent { provider_id } => ("sent", provider_id.as_deref().unwrap_or_default()),
        SendOutcome::Retry { why, .. } => ("retry", why),
        SendOutcome::Refused { why } => ("refused", why),
        SendOutcome::Misconfigured { why } => ("misconfigured", why),
    }
}

/// Fails unless the outcome is of this class, and whenever its text gives something away (security 42).
#[track_caller]
fn expect(outcome: &SendOutcome, expected: &str) {
    let (class, why) = class(outcome);
    assert_eq!(class, expected, "{why}");
    for secret in ["plk_", "482913", "@example.com", "hunter2", "key-", "whsec_", "\n", "\r"] {
        assert!(!why.contains(secret), "{why:?} contains {secret:?}");
    }
}

/// Waits for something that other tasks bring about; there is no other sign of it.
async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
}
