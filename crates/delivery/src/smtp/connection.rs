//! Opening connections and keeping them for the next message.
//!
//! The pool is our own because of one property: a connection whose exchange was cut off (time was up) must never carry another
//! message. The mail library's pool takes such a connection back, and its late replies would then answer the next message's commands.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::line_wise::LineWise;
use super::{SmtpSecurity, SmtpSettings};
use crate::settings::{InvalidSettings, TimeLimits};

/// A kept connection is closed after this long without mail; servers do the same after a few minutes.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// How many messages one connection carries; many servers end it after a hundred.
const MOST_MESSAGES: u32 = 50;

/// How far an attempt had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, TLS, authentication: nothing yet about this message.
    Open,
    /// Handing over the message.
    Send,
}

/// Why there is no connection, or no answer on it.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the mail library reports.
    Smtp(Error),
    /// No connection could be made.
    Connect(std::io::Error),
    /// `plain` was meant for this machine, but the name leads to another.
    NotLoopback,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

/// A connection in use. Dropping it closes it.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    messages: u32,
    idle_since: Instant,
    permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Whether the server is still there; it may have closed a connection that was idle.
    async fn answers(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.smtp.test_connected()).await.unwrap_or(false)
    }

    /// Hands one message over; the answer is the server's to the whole message.
    pub(super) async fn send(&mut self, envelope: &Envelope, bytes: &[u8]) -> Result<Response, Failure> {
        self.messages += 1;
        Ok(self.smtp.send(envelope, bytes).await?)
    }
}

/// All connections to one server.
pub(super) struct Connections {
    settings: SmtpSettings,
    limits: TimeLimits,
    helo: ClientId,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<Connection>>,
    permits: std::sync::Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new(settings: SmtpSettings) -> Result<Self, InvalidSettings> {
        settings.check()?;
        let limits = TimeLimits::new(settings.connect_timeout, settings.timeout)?;
        let tls = match settings.security {
            SmtpSecurity::Plain => None,
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(tls_parameters(&settings)?),
        };
        let helo = settings.helo_name.clone().map_or_else(ClientId::default, ClientId::Domain);
        let permits = std::sync::Arc::new(Semaphore::new(settings.pool_size.into()));
        Ok(Self { settings, limits, helo, tls, idle: Mutex::default(), permits })
    }

    pub(super) fn limits(&self) -> TimeLimits {
        self.limits
    }

    pub(super) fn host(&self) -> &str {
        &self.settings.host
    }

    /// The right to a connection; waits while `pool_size` of them are in use.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// A kept connection that still answers, or a new one.
    pub(super) async fn take(&self, permit: Option<OwnedSemaphorePermit>) -> Result<Connection, Failure> {
        while let Some(mut connection) = self.pop_idle() {
            if connection.idle_since.elapsed() < LONGEST_IDLE && connection.answers(self.limits.connect).await {
                connection.permit = permit;
                return Ok(connection);
            }
        }
        Ok(Connection { smtp: self.open().await?, messages: 0, idle_since: Instant::now(), permit })
    }

    /// Keeps a connection whose last message was answered.
    pub(super) fn put_back(&self, mut connection: Connection) {
        if connection.messages < MOST_MESSAGES && !connection.smtp.has_broken() {
            let permit = connection.permit.take();
            connection.idle_since = Instant::now();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
        }
    }

    fn pop_idle(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, Failure> {
        let host = self.settings.host.as_str();
        let late = |_| Failure::Connect(std::io::ErrorKind::TimedOut.into());
        let addresses = tokio::net::lookup_host((host, self.settings.effective_port()));
        let addresses: Vec<SocketAddr> =
            tokio::time::timeout(self.limits.connect, addresses).await.map_err(late)?.map_err(Failure::Connect)?.collect();
        let plain = self.settings.security == SmtpSecurity::Plain;
        let remote = addresses.iter().any(|address| !address.ip().to_canonical().is_loopback());
        if plain && remote && !self.settings.allow_plain_text_to_remote_hosts {
            return Err(Failure::NotLoopback);
        }
        let mut connection = match (&self.tls, self.settings.security) {
            (Some(tls), SmtpSecurity::StartTls) => {
                let stream = TcpStream::connect(&addresses[..]);
                let stream = tokio::time::timeout(self.limits.connect, stream).await.map_err(late)?.map_err(Failure::Connect)?;
                let mut connection =
                    AsyncSmtpConnection::connect_with_transport(Box::new(LineWise::new(stream)), &self.helo).await?;
                connection.starttls(tls.clone(), &self.helo).await?;
                connection
            }
            (tls, _) => {
                let limit = Some(self.limits.connect);
                AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &self.helo, tls.clone(), None).await?
            }
        };
        if let (Some(user), Some(password)) = (&self.settings.username, &self.settings.password) {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        Ok(connection)
    }
}

/// TLS 1.2 or newer; the certificate must be valid for the configured host.
fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, InvalidSettings> {
    let invalid = |error: Error| InvalidSettings::new("ca_certificates", format!("cannot be used for TLS: {error}"));
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.ca_certificates {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(InvalidSettings::new("ca_certificates", "contains no certificate in PEM form"));
        }
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(invalid)?);
    }
    builder.build().map_err(invalid)
}
