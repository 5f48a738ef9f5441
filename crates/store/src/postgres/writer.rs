//! Writer tasks: each takes what waits, runs the bodies of the group at the same time over one pipelining connection in one transaction, and commits once.
//! When anything in a group fails, the group is undone and runs again in halves, until what fails stands alone.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use passlink_engine::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::PATIENCE;
use super::connection::{Connector, failed};
use super::scope::PostgresScope;
use crate::job::{Job, Share};
use crate::tx::Tx;

/// Writes that may wait; more are refused at once instead of waiting in vain.
const MOST_WAITING: usize = 8192;
/// Writes in one group.
const MOST_IN_GROUP: usize = 128;
/// Tries of a body alone, for deadlocks between replicas.
const TRIES: u32 = 3;

type Jobs = Vec<Box<dyn Job>>;

pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// One task for each connection: while one waits for its commit, the other runs its bodies.
    pub(crate) fn start(connectors: Vec<Connector>) -> Self {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for connector in connectors {
            tokio::spawn(work(connector, Arc::clone(&waiting)));
        }
        Self { jobs }
    }

    /// Queues a job and waits for its answer: not longer than for a group, whether it is the queue that is slow or PostgreSQL.
    pub(crate) async fn write<T>(
        &self,
        job: Box<dyn Job>,
        answer: oneshot::Receiver<T>,
    ) -> Result<Result<T, oneshot::error::RecvError>> {
        self.jobs.try_send(job).map_err(|_| Error::unavailable("too many writes are waiting"))?;
        let late = |_| Error::unavailable("PostgreSQL did not answer in time");
        tokio::time::timeout(PATIENCE, answer).await.map_err(late)
    }
}

async fn next_group(waiting: &Mutex<mpsc::Receiver<Box<dyn Job>>>) -> Option<Jobs> {
    let mut group = Vec::new();
    let mut waiting = waiting.lock().await;
    (waiting.recv_many(&mut group, MOST_IN_GROUP).await > 0).then_some(group)
}

async fn work(connector: Connector, waiting: Arc<Mutex<mpsc::Receiver<Box<dyn Job>>>>) {
    while let Some(mut group) = next_group(&waiting).await {
        group.sort_by(|one, other| one.turn().cmp(other.turn()));
        let (alone, shared): (Jobs, Jobs) = group.into_iter().partition(|job| job.share() == Share::Alone);
        write(&connector, shared).await;
        for job in alone {
            write(&connector, vec![job]).await;
        }
    }
}

/// Writes a group. One that was undone is halved until the failing bodies stand alone: the others still share their syncs, and nobody waits for a commit each.
async fn write(connector: &Connector, group: Jobs) {
    let mut undone = vec![group];
    while let Some(mut group) = undone.pop() {
        // Whoever waited too long behind a group that hung has had the answer that it did not work.
        group.retain(|job| job.is_awaited());
        if group.is_empty() {
            continue;
        }
        match run_group(connector, &mut group).await {
            Fate::Committed => group.into_iter().for_each(Job::answer),
            Fate::Lost(error) => fail_all(group, &error),
            Fate::Undone(error) if group.len() <= 1 => alone(connector, group, error).await,
            // Halves would get into each other's way again, and a deadlock costs a second each time.
            Fate::Contended => {
                for job in group.into_iter().filter(|job| job.is_awaited()) {
                    alone(connector, vec![job], contended()).await;
                }
            }
            Fate::Undone(error) => {
                tracing::debug!(error = error.log_line(), jobs = group.len(), "a group of writes runs again in halves");
                let second = group.split_off(group.len() / 2);
                undone.extend([second, group]);
            }
        }
    }
}

/// What became of a group.
enum Fate {
    /// It is on disk.
    Committed,
    /// Nothing of it is in the database.
    Undone(Error),
    /// The same, for something changed or waited under it that may be gone by the next time.
    Contended,
    /// Nobody knows, or the server is away: never reported as a success.
    Lost(Error),
}

async fn run_group(connector: &Connector, group: &mut Jobs) -> Fate {
    let mut used = None;
    let work = async {
        let connection = match connector.get().await {
            Ok(connection) => connection,
            Err(error) => return Fate::Lost(error),
        };
        used = Some(Arc::clone(&connection));
        let scope = Arc::new(PostgresScope::new(Arc::clone(&connection)));
        let begin = connection.client.batch_execute("BEGIN");
        let bodies = join_all(group.iter_mut().map(|job| {
            let mut tx = Tx::Postgres(Arc::clone(&scope));
            async move { job.run(&mut tx).await }
        }));
        let (begun, succeeded) = join(begin, bodies).await;
        let outcome = match begun.map_err(failed) {
            Ok(()) if succeeded.into_iter().all(|ok| ok) => scope.flush(Some("COMMIT")).await,
            Ok(()) if group.iter().any(|job| job.may_pass()) => Err(Error::unavailable("a body failed")),
            Ok(()) => Err(Error::internal("a body failed")),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => Fate::Committed,
            Err(error) if connection.client.is_closed() => Fate::Lost(error),
            Err(error) => match connection.client.batch_execute("ROLLBACK").await {
                Ok(()) if group.len() > 1 && passes(&scope, group) => Fate::Contended,
                Ok(()) => Fate::Undone(error),
                Err(lost) => Fate::Lost(failed(lost)),
            },
        }
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(fate) => fate,
        Err(_) => {
            connector.abandon(used.as_ref());
            Fate::Lost(Error::unavailable("PostgreSQL did not answer in time"))
        }
    }
}

fn contended() -> Error {
    Error::unavailable("the same rows are changed by others")
}

/// Whether what undid a group may be gone when it runs again.
fn passes(scope: &PostgresScope, group: &Jobs) -> bool {
    match scope.refused() {
        // Class 40: undone in favour of another transaction (PostgreSQL, appendix A).
        Some(state) => state.code().starts_with("40"),
        // No statement failed: a body found what it could not go on with.
        None => group.iter().any(|job| job.may_pass()),
    }
}

/// Runs one body by itself; a deadlock with another replica is tried again.
async fn alone(connector: &Connector, mut single: Jobs, first: Error) {
    let mut error = first;
    for _ in 0..TRIES {
        // A body's own refusal stays what it is; running it again would say the same.
        if !matches!(error.kind(), ErrorKind::Unavailable) {
            break;
        }
        match run_group(connector, &mut single).await {
            Fate::Committed => return single.into_iter().for_each(Job::answer),
            Fate::Undone(again) => error = again,
            Fate::Contended => error = contended(),
            Fate::Lost(lost) => return fail_all(single, &lost),
        }
    }
    fail_all(single, &error);
}

fn fail_all(group: Jobs, error: &Error) {
    let cause = error.log_line();
    group.into_iter().for_each(|job| job.fail(&cause));
}
