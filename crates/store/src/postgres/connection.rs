use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::select_ok;
use passlink_engine::{Error, ErrorKind, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::Instant;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PATIENCE;

/// Connections made before this instant are trusted no more.
type Distrusted = Arc<RwLock<Option<Instant>>>;

fn distrust(distrusted: &Distrusted, older_than: Duration) {
    let instant = Instant::now().checked_sub(older_than);
    let mut distrusted = distrusted.write().unwrap_or_else(PoisonError::into_inner);
    *distrusted = instant.max(*distrusted);
}

/// How to reach the server.
#[derive(Clone)]
pub(crate) struct Settings {
    /// One for each host.
    hosts: Vec<tokio_postgres::Config>,
    tls: Option<MakeRustlsConnect>,
    /// Shared by all connectors.
    distrusted: Distrusted,
}

impl Settings {
    pub(crate) fn read(url: &str, authorities: Option<&str>) -> Result<Self> {
        let mut config: tokio_postgres::Config =
            checked(url).parse().map_err(|e| Error::invalid("database.url", format!("is not a PostgreSQL URL: {e}")))?;
        if config.get_ssl_mode() == SslMode::Prefer && !config.get_hosts().iter().all(is_here) {
            // "Where the server can" would be in clear text wherever somebody in between says that it cannot.
            config.ssl_mode(SslMode::Require);
        }
        config.connect_timeout(PATIENCE);
        config.keepalives_idle(Duration::from_secs(30));
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(client_config(authorities)?)),
        };
        Ok(Self { hosts: hosts(config), tls, distrusted: Arc::default() })
    }

    /// Asks all hosts at once and takes the first that takes writes: one that hangs holds nobody up.
    pub(crate) async fn connect(&self, name: &str, synchronous_commit: &str) -> Result<Client> {
        let tries = self.hosts.iter().map(|host| Box::pin(self.connect_to(host.clone(), name, synchronous_commit)));
        select_ok(tries).await.map(|(client, _)| client)
    }

    async fn connect_to(&self, mut config: tokio_postgres::Config, name: &str, synchronous_commit: &str) -> Result<Client> {
        config.application_name(name);
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.map_err(failed)?;
                tokio::spawn(connection);
                client
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                tokio::spawn(connection);
                client
            }
        };
        client
            .batch_execute(&format!("SET synchronous_commit = {synchronous_commit}; SET TIME ZONE 'UTC'"))
            .await
            .map_err(failed)?;
        Ok(client)
    }
}

/// The URL in the driver's words. Whenever there is TLS, the certificate's chain and name are checked, which is what `verify-ca` and `verify-full` ask for; the
/// driver knows neither.
fn checked(url: &str) -> String {
    ["verify-full", "verify-ca"]
        .iter()
        .fold(url.to_owned(), |url, mode| url.replace(&format!("sslmode={mode}"), "sslmode=require"))
}

/// Whether a host is this machine, which nobody is in between.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// One configuration for each host of a URL that names several, which are a primary and its standbys: a standby is passed over until it is promoted.
/// (The driver would try them one after the other, and wait without end for one that takes the connection and then says nothing.)
fn hosts(all: tokio_postgres::Config) -> Vec<tokio_postgres::Config> {
    let count = all.get_hosts().len().max(all.get_hostaddrs().len());
    if count < 2 {
        return vec![all];
    }
    let one = |index: usize| {
        let mut config = tokio_postgres::Config::new();
        config.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation()).channel_binding(all.get_channel_binding());
        config.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        all.get_user().map(|user| config.user(user));
        all.get_password().map(|password| config.password(password));
        all.get_dbname().map(|name| config.dbname(name));
        all.get_options().map(|options| config.options(options));
        all.get_connect_timeout().map(|time| config.connect_timeout(*time));
        all.get_tcp_user_timeout().map(|time| config.tcp_user_timeout(*time));
        all.get_keepalives_interval().map(|time| config.keepalives_interval(time));
        all.get_keepalives_retries().map(|retries| config.keepalives_retries(retries));
        match all.get_hosts().get(index) {
            Some(Host::Tcp(name)) => _ = config.host(name),
            Some(Host::Unix(path)) => _ = config.host_path(path),
            None => {}
        }
        all.get_hostaddrs().get(index).map(|address| config.hostaddr(*address));
        all.get_ports().get(index).or(all.get_ports().first()).map(|port| config.port(*port));
        config
    };
    (0..count).map(one).collect()
}

fn client_config(authorities: Option<&str>) -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let bad =
        |e: &dyn std::fmt::Display| Error::invalid("database.postgres_ca_certificates_file", format!("cannot be used: {e}"));
    Ok(match authorities {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(Error::internal)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
    })
}

/// A connection with its prepared statements.
pub(crate) struct Connection {
    pub(crate) client: Client,
    made_at: Instant,
    distrusted: Distrusted,
    statements: Mutex<HashMap<usize, Statement>>,
}

impl Connection {
    /// The prepared form of a static text, known by its address.
    pub(crate) async fn prepared(&self, sql: &'static str) -> Result<Statement> {
        let key = sql.as_ptr() as usize;
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await.map_err(|error| self.failed(error))?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(key, statement.clone());
        Ok(statement)
    }

    /// An error of a statement. A server that takes no writes any more has become a standby, and another one the primary: it is time to connect anew,
    /// but not more than once in a second, for the whole database may be read-only.
    pub(crate) fn failed(&self, error: tokio_postgres::Error) -> Error {
        if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            distrust(&self.distrusted, Duration::from_secs(1));
        }
        failed(error)
    }
}

/// Keeps one connection, and makes a new one when it is lost.
pub(crate) struct Connector {
    settings: Settings,
    name: &'static str,
    synchronous_commit: &'static str,
    current: RwLock<Option<Arc<Connection>>>,
    connecting: tokio::sync::Mutex<Option<Instant>>,
}

impl Connector {
    /// After a failed try, others fail at once for this long instead of queueing up behind one more.
    const PAUSE: Duration = Duration::from_millis(250);

    pub(crate) fn new(settings: Settings, name: &'static str, synchronous_commit: &'static str) -> Self {
        Self { settings, name, synchronous_commit, current: RwLock::default(), connecting: tokio::sync::Mutex::default() }
    }

    fn live(&self) -> Option<Arc<Connection>> {
        let distrusted = *self.settings.distrusted.read().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        current.filter(|c| !c.client.is_closed() && distrusted.is_none_or(|instant| c.made_at > instant))
    }

    pub(crate) async fn get(&self) -> Result<Arc<Connection>> {
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let mut last_failure = self.connecting.lock().await;
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        if last_failure.is_some_and(|at| at.elapsed() < Self::PAUSE) {
            return Err(Error::unavailable("PostgreSQL is not reachable"));
        }
        let connect = async {
            let client = self.settings.connect(self.name, self.synchronous_commit).await?;
            // We wait no longer, so PostgreSQL need not either; above all, a transaction whose connection died without a word must not keep its
            // locks until TCP notices.
            let patience = PATIENCE.as_millis();
            let limits = format!("SET statement_timeout = {patience}; SET idle_in_transaction_session_timeout = {patience}");
            client.batch_execute(&limits).await.map_err(failed)?;
            Ok(client)
        };
        let connected = tokio::time::timeout(PATIENCE, connect).await;
        match connected.unwrap_or_else(|_| Err(Error::unavailable("connecting to PostgreSQL took too long"))) {
            Ok(client) => {
                *last_failure = None;
                let distrusted = Arc::clone(&self.settings.distrusted);
                let connection =
                    Arc::new(Connection { client, made_at: Instant::now(), distrusted, statements: Mutex::default() });
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(error) => {
                *last_failure = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// Gives up a connection that did not answer, and all of its age: when the server's address has moved, they are dead too, and each would take
    /// its time to tell.
    pub(crate) fn abandon(&self, silent: Option<&Arc<Connection>>) {
        if silent.is_none() {
            return;
        }
        // What is younger was made while we waited, and works.
        distrust(&self.settings.distrusted, PATIENCE);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().zip(silent).is_some_and(|(known, silent)| Arc::ptr_eq(known, silent)) {
            *current = None;
        }
    }
}

pub(crate) fn failed(error: tokio_postgres::Error) -> Error {
    match error.code() {
        Some(state) if *state == SqlState::UNIQUE_VIOLATION => {
            Error::new(ErrorKind::Conflict, "This already exists").caused_by(error)
        }
        // Class 22, 23 and 42 are defects of ours; everything else (connection, resources, operator, deadlock) passes.
        Some(state) if ["22", "23", "42"].contains(&state.code().get(..2).unwrap_or_default()) => Error::internal(error),
        _ => Error::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        Settings::read(url, None).unwrap().hosts[0].get_ssl_mode()
    }

    #[tokio::test]
    async fn sec_30_clear_text_is_for_this_machine_or_asked_for() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (url, expected) in [
            ("postgres://passlink@db.example.com/passlink?sslmode=verify-full", SslMode::Require),
            ("postgres://passlink@db1,db2/passlink?sslmode=verify-full", SslMode::Require),
            ("postgres://passlink@db.example.com/passlink?sslmode=verify-ca", SslMode::Require),
            ("host=db.example.com user=passlink sslmode=verify-full", SslMode::Require),
            ("postgres://passlink@db.example.com/passlink?sslmode=require", SslMode::Require),
            ("postgres://passlink@db.example.com/passlink?sslmode=prefer", SslMode::Require),
            ("postgres://passlink@db.example.com/passlink", SslMode::Require),
            ("postgres://passlink@localhost,db.example.com/passlink", SslMode::Require),
            ("postgres://passlink@db.example.com/passlink?sslmode=disable", SslMode::Disable),
            ("postgres://passlink@localhost/passlink", SslMode::Prefer),
            ("postgres://passlink@127.0.0.1/passlink", SslMode::Prefer),
        ] {
            assert_eq!(mode(url), expected, "{url}");
        }
        assert!(Settings::read("postgres://passlink@db/passlink?sslmode=nonsense", None).is_err());
    }
}
