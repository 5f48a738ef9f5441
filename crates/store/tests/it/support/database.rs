//! A database of its own for each test, and a second way into it that knows nothing of the store.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

pub enum Database {
    Sqlite { folder: tempfile::TempDir },
    Postgres { url: String, schema: String, admin: Client },
}

static SCHEMAS: AtomicU32 = AtomicU32::new(0);

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("PASSLINK_TEST_POSTGRES is not reachable");
    tokio::spawn(connection);
    client
}

impl Database {
    pub async fn fresh(kind: Kind) -> Self {
        if kind == Kind::Sqlite {
            return Self::Sqlite { folder: tempfile::tempdir().unwrap() };
        }
        // A test that is left out has not passed: without a PostgreSQL it fails.
        let base = std::env::var("PASSLINK_TEST_POSTGRES")
            .expect("this test needs PostgreSQL: run it as \"scripts/postgres-for-tests cargo nextest run -p passlink-store\"");
        let schema = format!("test_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&base).await;
        admin.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).await.unwrap();
        let joint = if base.contains('?') { '&' } else { '?' };
        // A server may be set up to answer before the sync: durable writes must ask for it all the same.
        let url = format!("{base}{joint}options=-csearch_path%3D{schema}%20-csynchronous_commit%3Doff");
        Self::Postgres { admin: connect(&url).await, url, schema }
    }

    /// As the store wants it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite { .. } => format!("sqlite:{}", self.path().display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    pub fn kind(&self) -> Kind {
        if matches!(self, Self::Sqlite { .. }) { Kind::Sqlite } else { Kind::Postgres }
    }

    /// The file of a SQLite database.
    pub fn path(&self) -> PathBuf {
        let Self::Sqlite { folder } = self else { panic!("PostgreSQL has no file") };
        folder.path().join("passlink.db")
    }

    /// A connection of one's own to a SQLite database.
    pub fn sqlite(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    /// The connection to a PostgreSQL database.
    pub fn postgres(&self) -> &Client {
        let Self::Postgres { admin, .. } = self else { panic!("this is SQLite") };
        admin
    }

    /// One more connection to a PostgreSQL database.
    pub async fn another_postgres(&self) -> Client {
        connect(&self.url()).await
    }

    pub async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite { .. } => self.sqlite().execute_batch(sql).unwrap(),
            Self::Postgres { admin, .. } => admin.batch_execute(sql).await.unwrap(),
        }
    }

    /// The one integer a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite { .. } => self.sqlite().query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres { admin, .. } => admin.query_one(sql, &[]).await.unwrap().get(0),
        }
    }

    /// How many rows a table has.
    pub async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// How a literal of bytes is written.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self {
            Self::Sqlite { .. } => format!("X'{hex}'"),
            Self::Postgres { .. } => format!("'\\x{hex}'::bytea"),
        }
    }

    /// Every row of every table, as text in order: to see whether anything changed.
    pub async fn dump_rows(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in [
            "apps",
            "clients",
            "signing_keys",
            "users",
            "identifiers",
            "groups",
            "members",
            "links",
            "sessions",
            "session_tokens",
            "outbox",
            "notices",
            "inbox",
            "events",
        ] {
            match self {
                Self::Sqlite { .. } => {
                    let connection = self.sqlite();
                    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
                    let columns = statement.column_count();
                    let row = |row: &rusqlite::Row<'_>| {
                        Ok((0..columns).map(|i| format!("{:?}|", row.get_ref_unwrap(i))).collect::<String>())
                    };
                    all.extend(statement.query_map([], row).unwrap().map(Result::unwrap));
                }
                Self::Postgres { admin, .. } => {
                    let rows = admin.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap();
                    all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
                }
            }
        }
        all.sort();
        all
    }

    /// Everything at rest: the files of SQLite with their write-ahead log, or each value of each row of PostgreSQL.
    pub async fn dump(&self) -> Vec<u8> {
        match self {
            Self::Sqlite { folder } => {
                let files = std::fs::read_dir(folder.path()).unwrap();
                files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
            }
            Self::Postgres { admin, schema, .. } => {
                let tables = admin
                    .query("SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1", &[schema])
                    .await
                    .unwrap();
                let mut all = Vec::new();
                for table in tables {
                    let table: String = table.get(0);
                    for row in admin.query(&format!("SELECT t.*, t::text FROM {table} t"), &[]).await.unwrap() {
                        for (i, column) in row.columns().iter().enumerate() {
                            match *column.type_() {
                                Type::BYTEA => all.extend(row.get::<_, Option<Vec<u8>>>(i).unwrap_or_default()),
                                Type::TEXT => all.extend(row.get::<_, Option<String>>(i).unwrap_or_default().into_bytes()),
                                _ => {}
                            }
                            all.push(0);
                        }
                    }
                }
                all
            }
        }
    }

    pub async fn remove(&self) {
        if let Self::Postgres { admin, schema, .. } = self {
            // Waits for nobody: connections of the test may still hold the schema.
            let dropped = format!("SET lock_timeout = '2s'; DROP SCHEMA {schema} CASCADE");
            let _ = admin.batch_execute(&dropped).await;
        }
    }
}

/// Bytes as text, one character for each, so that the standard library's fast search finds any of them.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
