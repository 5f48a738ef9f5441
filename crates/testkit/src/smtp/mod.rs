//! A strict SMTP server that keeps what it accepts.
//!
//! Faults by the recipient's local part (a `+tag` may follow): `refuse` is answered 550, `later` 451, `drop` loses the connection
//! after the whole message was read, `stall` never answers the message, `slow` answers it when the test says so, `last` accepts
//! it and then closes the connection.

mod line;
mod session;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::lock;
use crate::tls::TestCertificate;

/// How the sink expects to be spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Clear text.
    #[default]
    Plain,
    /// Clear text until STARTTLS, which is required before mail.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// What the sink is like. The default is clear text, without credentials.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// TLS or not.
    pub security: Security,
    /// Names the certificate is valid for.
    pub names: Vec<String>,
    /// User name and password without which no mail is taken.
    pub credentials: Option<(String, String)>,
    /// The offered mechanisms, `PLAIN LOGIN` unless changed.
    pub mechanisms: String,
    /// Clear-text replies smuggled in behind the answer to STARTTLS, as an attacker in the network would.
    pub injected_after_starttls: Option<String>,
    /// The greeting, `220 …` unless changed.
    pub greeting: String,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            security: Security::Plain,
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            credentials: None,
            mechanisms: "PLAIN LOGIN".to_owned(),
            injected_after_starttls: None,
            greeting: "220 sink.test ESMTP".to_owned(),
        }
    }
}

/// One accepted message with its envelope.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// The name given with EHLO.
    pub helo: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// The user that had authenticated.
    pub user: Option<String>,
    /// The reverse path.
    pub from: String,
    /// The one recipient.
    pub to: String,
    /// The message after dot-unstuffing, with its CRLFs.
    pub raw: Vec<u8>,
    /// The same as it came over the wire, still dot-stuffed.
    pub wire: Vec<u8>,
    /// The queue id that the sink answered.
    pub queue_id: String,
}

/// What sessions share.
struct Shared {
    options: SmtpOptions,
    certificate: TestCertificate,
    mail: Mutex<Vec<ReceivedMail>>,
    violations: Mutex<Vec<String>>,
    commands: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    slow: Semaphore,
    /// How many messages to `slow` were read to their end.
    waiting: AtomicUsize,
}

/// A running sink; it stops when dropped.
pub struct SmtpSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl SmtpSink {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: SmtpOptions) -> Self {
        let names: Vec<&str> = options.names.iter().map(String::as_str).collect();
        let shared = Arc::new(Shared {
            certificate: TestCertificate::for_names(&names),
            options,
            mail: Mutex::default(),
            violations: Mutex::default(),
            commands: Mutex::default(),
            connections: Mutex::default(),
            slow: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn({
            let shared = shared.clone();
            async move {
                // Dropped with this task, and with it every session.
                let mut sessions = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    *lock(&shared.connections) += 1;
                    sessions.spawn(session::serve(stream, shared.clone()));
                }
            }
        });
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority behind its certificate.
    pub fn ca_pem(&self) -> &str {
        self.shared.certificate.ca_pem()
    }

    /// Everything accepted so far, in order.
    pub fn mail(&self) -> Vec<ReceivedMail> {
        lock(&self.shared.mail).clone()
    }

    /// What was accepted after the first so many.
    pub fn mail_after(&self, count: usize) -> Vec<ReceivedMail> {
        lock(&self.shared.mail).get(count..).unwrap_or_default().to_vec()
    }

    /// What was accepted for one recipient.
    pub fn mail_to(&self, address: &str) -> Vec<ReceivedMail> {
        self.mail().into_iter().filter(|mail| mail.to == address).collect()
    }

    /// Breaches of the protocol by the client; a good client causes none.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.violations).clone()
    }

    /// Every command line received, over all connections; arguments of AUTH are left out.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        *lock(&self.shared.connections)
    }

    /// How many messages to `slow` were read to their end so far, answered or not.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::SeqCst)
    }

    /// Lets one message to `slow` be answered.
    pub fn release_slow(&self) {
        self.shared.slow.add_permits(1);
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}
