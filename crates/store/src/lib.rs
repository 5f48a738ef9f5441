//! Storage on SQLite and PostgreSQL: the same bodies, the same guarantees.
//!
//! [`SqlStore`] implements the engine's store traits, one file a room (`links.rs`, `sessions.rs`, …). Bodies are written once over the transaction port
//! in `tx.rs`; `sqlite/` and `postgres/` run them, many in one commit. Policy is not decided here, and there is no clock: `now` is an argument.

mod apps;
mod events;
mod exchange;
mod failpoint;
mod group_sessions;
mod groups;
mod invites;
mod job;
mod limits;
mod links;
mod maintenance;
mod members;
mod migrate;
mod notices;
mod outbox;
mod paging;
mod people;
mod plan;
mod postgres;
mod redeem;
mod sessions;
mod sqlite;
mod statements;
mod tx;
mod users;

use std::path::PathBuf;
use std::sync::Arc;

use passlink_engine::{Error, Result};

pub use failpoint::Failpoint;
pub use statements::{Statements, all_statements};

use crate::job::{Share, Write};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::tx::Body;

/// Which database, and how to reach it.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `sqlite:PATH` or `postgres://user:password@host:port/name?sslmode=…`, also with several hosts: a primary and its standbys.
    pub url: String,
    /// Connections for reading.
    pub readers: usize,
    /// PEM of the certificate authorities to trust for PostgreSQL instead of the system's.
    pub postgres_ca_certificates: Option<String>,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// The store.
pub struct SqlStore {
    backend: Backend,
}

impl SqlStore {
    /// Opens the database; does not migrate.
    ///
    /// # Errors
    /// `Invalid` naming `database.url`, `Unavailable` when it cannot be reached.
    pub async fn open(settings: &DatabaseSettings) -> Result<Arc<Self>> {
        let url = settings.url.as_str();
        let backend = if let Some(path) = url.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err(Error::invalid("database.url", "must name a file, as in sqlite:passlink.db"));
            }
            Backend::Sqlite(Sqlite::open(&PathBuf::from(path), settings.readers)?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Backend::Postgres(Box::new(
                Postgres::open(url, settings.postgres_ca_certificates.as_deref(), settings.readers).await?,
            ))
        } else {
            return Err(Error::invalid("database.url", "must start with sqlite: or postgres://"));
        };
        Ok(Arc::new(Self { backend }))
    }

    /// One durable transaction, shared with the writes of other requests.
    pub(crate) async fn write<A: Send + Sync + 'static, T: Send + 'static>(&self, args: A, body: Body<A, T>) -> Result<T> {
        self.write_in_turn(Vec::new(), args, body).await
    }

    /// The same for a body that begins by locking what `turn` names, and which other requests may want too.
    pub(crate) async fn write_in_turn<A: Send + Sync + 'static, T: Send + 'static>(
        &self,
        turn: Vec<u8>,
        args: A,
        body: Body<A, T>,
    ) -> Result<T> {
        self.submit(Share::Group, turn, args, body).await
    }

    /// The same for a body that shares its transaction with no other, where bodies of one would run side by side: see [`Share::Alone`].
    pub(crate) async fn write_alone<A: Send + Sync + 'static, T: Send + 'static>(&self, args: A, body: Body<A, T>) -> Result<T> {
        self.submit(Share::Alone, Vec::new(), args, body).await
    }

    async fn submit<A: Send + Sync + 'static, T: Send + 'static>(
        &self,
        share: Share,
        turn: Vec<u8>,
        args: A,
        body: Body<A, T>,
    ) -> Result<T> {
        let (job, answer) = Write::job(args, body, share, turn);
        let answer = match &self.backend {
            Backend::Sqlite(sqlite) => {
                sqlite.writer.submit(job)?;
                answer.await
            }
            Backend::Postgres(postgres) => postgres.writer.write(job, answer).await?,
        };
        answer.map_err(|_| Error::unavailable("the writer stopped"))?
    }

    /// A write that a crash may forget: it is atomic, and nobody waits for a sync.
    pub(crate) async fn write_soft<A: Send + Sync + 'static, T: Send + 'static>(&self, args: A, body: Body<A, T>) -> Result<T> {
        match &self.backend {
            Backend::Sqlite(sqlite) => {
                let (job, answer) = Write::job(args, body, Share::Soft, Vec::new());
                sqlite.writer.submit(job)?;
                answer.await.map_err(|_| Error::unavailable("the writer stopped"))?
            }
            Backend::Postgres(postgres) => postgres.soft(&args, body).await,
        }
    }

    /// Reads what was committed.
    pub(crate) async fn read<A: Send + Sync + 'static, T: Send + 'static>(&self, args: A, body: Body<A, T>) -> Result<T> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(&args, body),
            Backend::Postgres(postgres) => postgres.read(&args, body).await,
        }
    }
}
