//! Mail through any mail server, over pooled connections.
//!
//! [`SmtpSettings`] say where and how; `message` writes the MIME message, `connection` opens and keeps connections, `reply` turns the
//! server's answers into outcomes. When to try again is not decided here.

mod connection;
mod line_wise;
mod message;
mod reply;
mod settings;

use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome, Sender};

use crate::report;
use crate::settings::InvalidSettings;
use connection::{Connections, Stage};

/// How long a message waits for one of the connections; with the time that sending may take, less than a worker may hold it.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(25);

pub use settings::{SmtpSecurity, SmtpSettings};

/// Sends through a mail server.
pub struct SmtpSender {
    name: String,
    connections: Connections,
}

impl SmtpSender {
    /// Checks the settings; opens no connection.
    ///
    /// # Errors
    /// [`InvalidSettings`] for a setting that cannot work, such as clear text to another machine.
    pub fn new(name: &str, settings: SmtpSettings) -> Result<Self, InvalidSettings> {
        Ok(Self { name: name.to_owned(), connections: Connections::new(settings)? })
    }
}

#[async_trait::async_trait]
impl Sender for SmtpSender {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, message: &OutgoingMessage) -> SendOutcome {
        if let Err(why) = report::check_headers(message) {
            return SendOutcome::Refused { why };
        }
        let (envelope, bytes) = match message::mime(message) {
            Ok(mime) => mime,
            Err(why) => return SendOutcome::Refused { why },
        };
        // Waiting for others is no fault of the server's, so it has a time of its own.
        let Ok(turn) = tokio::time::timeout(LONGEST_WAIT, self.connections.turn()).await else {
            let why = format!("all connections to {} were busy for {LONGEST_WAIT:?}", self.connections.host());
            return SendOutcome::Retry { why, after: None };
        };
        let whole = self.connections.limits().whole;
        // A connection that is dropped half-way, because time is up, is closed and never used again.
        let attempt = async {
            let mut connection = match self.connections.take(turn).await {
                Ok(connection) => connection,
                Err(error) => return reply::failure(&error, Stage::Open, self.connections.host(), message),
            };
            match connection.send(&envelope, &bytes).await {
                Ok(response) => {
                    self.connections.put_back(connection);
                    SendOutcome::Sent { provider_id: reply::queue_id(&response) }
                }
                Err(error) => reply::failure(&error, Stage::Send, self.connections.host(), message),
            }
        };
        tokio::time::timeout(whole, attempt).await.unwrap_or_else(|_| SendOutcome::Retry {
            why: format!("{} did not finish within {whole:?}", self.connections.host()),
            after: None,
        })
    }
}
