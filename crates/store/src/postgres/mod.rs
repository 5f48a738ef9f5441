//! PostgreSQL: bodies run over pipelining connections, writes of many requests in one transaction.

mod connection;
mod scope;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use passlink_engine::{Error, Result};

use crate::tx::{Body, Tx};
use connection::Connector;
pub(crate) use scope::PostgresScope;
use writer::Writer;

/// How long a statement, a group or a connection may take before the answer is "not available" (`security.md` 48).
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Postgres {
    pub(crate) writer: Writer,
    readers: Vec<Connector>,
    soft: Connector,
    next_reader: AtomicUsize,
    config: connection::Settings,
}

impl Postgres {
    pub(crate) async fn open(url: &str, authorities: Option<&str>, readers: usize) -> Result<Self> {
        let config = connection::Settings::read(url, authorities)?;
        let durable = |name| Connector::new(config.clone(), name, "on");
        let readers: Vec<Connector> = (0..readers.clamp(1, 64)).map(|_| durable("passlink read")).collect();
        let writers = vec![durable("passlink write 1"), durable("passlink write 2")];
        // Limits may be forgotten by a crash, so their statements need not wait for a sync.
        let soft = Connector::new(config.clone(), "passlink limits", "off");
        // The first connection tells at start whether the URL is right; the others follow when they are needed.
        let Some(first) = readers.first() else { return Err(Error::internal("no reader")) };
        first.get().await?;
        Ok(Self { writer: Writer::start(writers), readers, soft, next_reader: AtomicUsize::new(0), config })
    }

    /// A connection of its own, for migrations.
    pub(crate) async fn connect(&self) -> Result<tokio_postgres::Client> {
        self.config.connect("passlink migrate", "on").await
    }

    pub(crate) async fn read<A, T>(&self, args: &A, body: Body<A, T>) -> Result<T> {
        let index = self.next_reader.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        run(&self.readers[index], args, body).await
    }

    pub(crate) async fn soft<A, T>(&self, args: &A, body: Body<A, T>) -> Result<T> {
        run(&self.soft, args, body).await
    }
}

/// Runs a body outside a transaction; its statements commit by themselves.
async fn run<A, T>(connector: &Connector, args: &A, body: Body<A, T>) -> Result<T> {
    let mut used = None;
    let work = async {
        let connection = connector.get().await?;
        used = Some(Arc::clone(&connection));
        let scope = Arc::new(PostgresScope::new(connection));
        let result = body(&mut Tx::Postgres(Arc::clone(&scope)), args).await?;
        scope.flush(None).await?;
        Ok(result)
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => {
            // A connection can die without a word: whoever comes next gets another one.
            connector.abandon(used.as_ref());
            Err(Error::unavailable("PostgreSQL did not answer in time"))
        }
    }
}
