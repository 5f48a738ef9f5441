//! The built-in inbox: a sender that keeps every message for the developer to open. Its name in settings is `inbox`.

use serde::{Deserialize, Serialize};

use super::sender::OutgoingMessage;
use super::store::InboxRow;
use crate::Engine;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The name by which apps choose it as their sender.
pub const INBOX: &str = "inbox";

/// A message as the developer sees it.
#[derive(Clone, Serialize, Deserialize)]
pub struct InboxMessage {
    /// The app's name.
    pub app: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The link.
    pub link: String,
    /// The code.
    pub code: String,
}

/// A message with its id and time.
#[derive(Clone)]
pub struct Received {
    /// The id.
    pub id: MessageId,
    /// When it came.
    pub received_at: Timestamp,
    /// What it says.
    pub message: InboxMessage,
}

impl Engine {
    pub(crate) fn inbox_row(&self, message: &OutgoingMessage, app: crate::ids::AppId, now: Timestamp) -> Result<InboxRow> {
        let from = match &message.from.name {
            Some(name) => format!("{name} <{}>", message.from.address),
            None => message.from.address.to_string(),
        };
        let plain = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned()).unwrap_or_default();
        let kept = InboxMessage {
            app: message.app.clone(),
            from,
            to: message.to.to_string(),
            subject: message.subject.clone(),
            text: message.text.expose().to_owned(),
            html: plain(&message.html),
            link: plain(&message.link),
            code: plain(&message.code),
        };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&kept).map_err(Error::internal)?);
        let sealed = self.keys.seal(self.entropy.as_ref(), &context(message.id), &plain)?;
        Ok(InboxRow { id: message.id, app, received_at: now, sealed })
    }

    /// The newest messages, newest first.
    ///
    /// # Errors
    /// Those of storage; `Internal` when a message does not open.
    pub async fn inbox(&self, limit: u32) -> Result<Vec<Received>> {
        self.store.list_inbox(limit).await?.into_iter().map(|row| self.open_inbox(row)).collect()
    }

    /// One message.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn inbox_message(&self, id: MessageId) -> Result<Option<Received>> {
        self.store.find_inbox(id).await?.map(|row| self.open_inbox(row)).transpose()
    }

    /// Removes all messages.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn clear_inbox(&self) -> Result<()> {
        self.store.clear_inbox().await
    }

    fn open_inbox(&self, row: InboxRow) -> Result<Received> {
        let plain = zeroize::Zeroizing::new(self.keys.open(&context(row.id), &row.sealed)?);
        let message = serde_json::from_slice(&plain).map_err(Error::internal)?;
        Ok(Received { id: row.id, received_at: row.received_at, message })
    }
}

fn context(id: MessageId) -> Vec<u8> {
    [b"inbox".as_slice(), id.as_bytes()].concat()
}
