//! The port through which a message leaves: mail, text message, webhook.

use crate::email_address::EmailAddress;
use crate::ids::MessageId;
use crate::secret::Secret;
use crate::time::{Lifetime, Timestamp};

/// The name and address a message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Shown before the address; never contains control characters.
    pub name: Option<String>,
    /// The address itself.
    pub address: EmailAddress,
}

/// One rendered message to one recipient, ready to leave. It holds a live link and code: never log it.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// Fixed for the life of the outbox job, over all attempts: Message-ID and idempotency keys derive from it.
    pub id: MessageId,
    /// The one recipient.
    pub to: EmailAddress,
    /// Who it is from.
    pub from: Mailbox,
    /// Where answers go, when not to `from`.
    pub reply_to: Option<EmailAddress>,
    /// One line without control characters.
    pub subject: String,
    /// The text part; always there.
    pub text: Secret,
    /// The HTML part.
    pub html: Option<Secret>,
    /// The date of the message: when it was asked for.
    pub date: Timestamp,
    /// After this instant the message is pointless and must not be sent.
    pub expires_at: Timestamp,
    /// A short ASCII category for the provider, such as `magic-link`.
    pub tag: String,
    /// BCP 47 language of the texts.
    pub language: String,
    /// The app's public identifier, for senders that pass the message on (webhook).
    pub app: String,
    /// The link by itself, for senders that render their own text (webhook).
    pub link: Option<Secret>,
    /// The code by itself, likewise.
    pub code: Option<Secret>,
}

/// What became of one attempt to send. The texts are for the operator: no secrets, no full addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The provider took responsibility.
    Sent {
        /// The provider's own id for the message, when it gives one.
        provider_id: Option<String>,
    },
    /// Might work later.
    Retry {
        /// Why it did not work now.
        why: String,
        /// The provider's own wish for how long to wait.
        after: Option<Lifetime>,
    },
    /// This message will never go (a refused recipient, say); others may.
    Refused {
        /// The provider's reason.
        why: String,
    },
    /// No message goes until the operator changes something (credentials, domain). Tried again like [`SendOutcome::Retry`],
    /// but reported as an alarm.
    Misconfigured {
        /// What to change.
        why: String,
    },
}

/// A way to send messages. Implementations report honestly and never retry by themselves: when to try again is the
/// engine's decision.
#[async_trait::async_trait]
pub trait Sender: Send + Sync {
    /// The configured name, as operators know it from `[senders.<name>]`.
    fn name(&self) -> &str;

    /// Makes one attempt, within 15 seconds.
    async fn send(&self, message: &OutgoingMessage) -> SendOutcome;
}
