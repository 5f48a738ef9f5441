//! Whole servers: processes of the real binary on one database, with a mail server that keeps what it accepts.
//!
//! PostgreSQL comes from `scripts/postgres-for-tests`; each test has a schema of its own.

pub mod browser;
pub mod chance;
pub mod cluster;
pub mod database;
pub mod history;
pub mod load;
pub mod passage;
pub mod process;
pub mod syncs;
pub mod wire;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use passlink_testkit::smtp::{ReceivedMail, SmtpOptions, SmtpSink};
use tempfile::TempDir;

use database::Database;
use process::Process;

/// The origin that links begin with; nobody listens there, the tests call the processes by their ports.
pub const ORIGIN: &str = "http://localhost:9";
/// The app's origin.
pub const APP: &str = "https://app.example.com";

/// A limit that stands in nobody's way.
pub const WIDE: &str = "10000000 per 1m";

/// What several processes share.
pub struct Fleet {
    pub database: Database,
    pub sink: Arc<SmtpSink>,
    folder: TempDir,
    /// These tests measure time and load the machine: one at a time, also over processes of the test runner.
    _turn: File,
}

impl Fleet {
    /// With limits that stand in nobody's way.
    pub async fn new(database: Database) -> Self {
        Self::with(database, "", &format!("limit_per_network = \"{WIDE}\"")).await
    }

    /// With more lines for `[server]` and for the app.
    pub async fn with(database: Database, server: &str, app: &str) -> Self {
        let turn = turn();
        let sink = Arc::new(SmtpSink::start(SmtpOptions::default()).await);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!(
            r#"[server]
public_origin = "{ORIGIN}"
secret = "a server secret for tests, longer than it must be"
data = "{data}"
workers = 2
{server}
[database]
url = "{url}"
[limits]
per_server = "{WIDE}"
[senders.mail]
kind = "smtp"
host = "127.0.0.1"
port = {port}
security = "plain"
pool_size = 8
[apps.shop]
allowed_origins = ["{APP}"]
sender = "mail"
from_address = "signin@example.com"
link_lifetime = "1h"
limit_per_mailbox = "{WIDE}"
limit_per_app = "{WIDE}"
limit_refused_per_network = "{WIDE}"
limit_attempts_per_network = "{WIDE}"
{app}
"#,
            data = folder.path().join("data").display(),
            url = database.url(),
            port = sink.address().port(),
        );
        std::fs::write(folder.path().join("passlink.toml"), text).expect("the configuration is written");
        Self { database, sink, folder, _turn: turn }
    }

    /// Starts a process and waits until it answers.
    pub async fn start(&self) -> Process {
        let mut process = self.spawn(wire::free_port());
        process.ready().await;
        process
    }

    /// Starts a process on this port, and does not wait.
    pub fn spawn(&self, port: u16) -> Process {
        Process::spawn(Process::command(), &self.configuration(), port, &self.log())
    }

    /// The same by a command that begins otherwise, such as with a program that watches it.
    pub fn spawn_as(&self, command: Command) -> Process {
        Process::spawn(command, &self.configuration(), wire::free_port(), &self.log())
    }

    /// The file of the configuration.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("passlink.toml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What the processes complained about: lines of the level ERROR, and panics.
    pub fn complaints(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"ERROR\"") || line.contains("panicked")).map(str::to_owned).collect()
    }

    /// The link in a mail, as a path.
    pub fn link_in(mail: &ReceivedMail) -> String {
        let text = String::from_utf8_lossy(&mail.raw).replace("=\r\n", "");
        let start = text.find(&format!("{ORIGIN}/l/")).unwrap_or_else(|| panic!("no link in {text}")) + ORIGIN.len();
        let rest = &text[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/_-".contains(c)).unwrap_or(rest.len());
        rest[..end].to_owned()
    }

    /// The `Message-ID` of a mail.
    pub fn message_id(mail: &ReceivedMail) -> String {
        let text = String::from_utf8_lossy(&mail.raw);
        let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_else(|| panic!("no id in {text}"));
        line.trim().to_owned()
    }

    /// Waits until nothing waits in the outbox.
    pub async fn drained(&self) {
        let start = std::time::Instant::now();
        while self.database.number("SELECT count(*) FROM outbox WHERE state = 1").await > 0 {
            assert!(start.elapsed() < super::support::PATIENCE, "mail stays in the outbox: {:?}", self.complaints());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

fn turn() -> File {
    let file = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/one-fleet-at-a-time")).expect("a file in the target folder");
    file.lock().expect("a lock on it");
    file
}

/// Makes of each `async fn name(database: Database)` two tests, `sqlite::name` and `postgres::name`.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::fleet::database::Database::sqlite()).await }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::fleet::database::Database::postgres().await).await }
        )+}
    };
}
pub(crate) use both;
