//! A database of the test's own, and a look into it.

use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio_postgres::NoTls;

static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// Where the data is. What was made is removed at the end.
pub enum Database {
    Sqlite(TempDir),
    Postgres(String),
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A schema of its own.
    pub async fn postgres() -> Self {
        let server = std::env::var("PASSLINK_TEST_POSTGRES").unwrap_or_else(|_| {
            panic!("PASSLINK_TEST_POSTGRES is not set: run the tests with scripts/postgres-for-tests, as in: scripts/postgres-for-tests cargo test -p passlink-server")
        });
        Self::schema_on(&server).await
    }

    /// The same on a given server.
    pub async fn schema_on(server: &str) -> Self {
        let schema = format!("fleet_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::Relaxed));
        execute(server, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).await;
        let joint = if server.contains('?') { '&' } else { '?' };
        Self::Postgres(format!("{server}{joint}options=-csearch_path%3D{schema}"))
    }

    /// As `database.url` wants it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("passlink.db").display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// The one number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(_) => self.open().query_row(sql, [], |row| row.get(0)).expect(sql),
            Self::Postgres(url) => {
                let client = connect(url).await;
                client.query_one(sql, &[]).await.expect(sql).get(0)
            }
        }
    }

    /// Changes something behind the servers' back; answers how many rows.
    pub async fn change(&self, sql: &str) -> u64 {
        match self {
            Self::Sqlite(_) => self.open().execute(sql, []).expect(sql) as u64,
            Self::Postgres(url) => connect(url).await.execute(sql, &[]).await.expect(sql),
        }
    }

    /// As if the leases of all messages had run out. Only while no server runs.
    pub async fn end_leases(&self) -> u64 {
        self.change("UPDATE outbox SET next_at = 1 WHERE state = 1").await
    }

    /// Whether the file is sound; PostgreSQL looks after its own.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Sqlite(_) => {
                self.open().query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).expect("a check") == "ok"
            }
            Self::Postgres(_) => true,
        }
    }

    fn open(&self) -> rusqlite::Connection {
        let url = self.url();
        let connection = rusqlite::Connection::open(url.trim_start_matches("sqlite:")).expect("the database opens");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a time");
        connection
    }

    /// Removes the schema.
    pub async fn remove(&self) {
        if let Self::Postgres(url) = self
            && let Some((server, schema)) = url.split_once("options=-csearch_path%3D")
        {
            execute(server.trim_end_matches(['?', '&']), &format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("PostgreSQL answers");
    tokio::spawn(connection);
    client
}

async fn execute(url: &str, sql: &str) {
    connect(url).await.batch_execute(sql).await.expect(sql);
}
