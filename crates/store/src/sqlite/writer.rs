//! The writer thread: takes whatever waits, runs each body in its own savepoint of one transaction, syncs once, answers all.

use futures_util::FutureExt;
use passlink_engine::{Error, Result};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::control;
use crate::job::{Job, Share};
use crate::tx::Tx;

/// Writes that may wait; more are refused at once instead of waiting in vain.
const MOST_WAITING: usize = 8192;
/// Writes in one group; a bound on how long the first one waits for the last.
const MOST_IN_GROUP: usize = 512;

pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    pub(crate) fn start(connection: Connection) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || work(connection, waiting))
            .map_err(Error::unavailable)?;
        Ok(Self { jobs })
    }

    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<()> {
        self.jobs.try_send(job).map_err(|_| Error::unavailable("too many writes are waiting"))
    }
}

fn work(connection: Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    let mut tx = Tx::Sqlite(connection);
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(MOST_IN_GROUP);
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < MOST_IN_GROUP {
            let Ok(next) = waiting.try_recv() else { break };
            group.push(next);
        }
        write_group(&mut tx, &mut group);
    }
}

fn write_group(tx: &mut Tx, group: &mut Vec<Box<dyn Job>>) {
    // A group of soft writes alone needs no sync; the next durable group syncs the log with what is before it.
    let soft = group.iter().all(|job| job.share() == Share::Soft);
    let begun = if soft {
        sql(tx, "PRAGMA synchronous = NORMAL").and_then(|()| sql(tx, "BEGIN IMMEDIATE"))
    } else {
        sql(tx, "BEGIN IMMEDIATE")
    };
    match begun {
        Ok(()) => run_group(tx, group, soft),
        Err(error) => fail_all(group, &error),
    }
    if soft && let Err(error) = sql(tx, "PRAGMA synchronous = FULL") {
        // Without it nothing durable could be promised any more.
        tracing::error!(
            error = error.log_line(),
            "the writer cannot go back to durable writes; the server has to be started again"
        );
        std::process::abort();
    }
}

/// Soft writes among durable ones do not wait for their sync; among themselves they are seen by whoever has been answered.
fn run_group(tx: &mut Tx, group: &mut Vec<Box<dyn Job>>, all_soft: bool) {
    let mut done = Vec::with_capacity(group.len());
    for mut job in group.drain(..) {
        let run = sql(tx, "SAVEPOINT one").map(|()| run_one(tx, &mut job));
        match run {
            Ok(()) if job.share() == Share::Soft && !all_soft => job.answer(),
            Ok(()) => done.push(job),
            Err(error) => job.fail(&error.log_line()),
        }
    }
    match sql(tx, "COMMIT") {
        Ok(()) => done.into_iter().for_each(Job::answer),
        Err(error) => {
            // Nothing of this group is in the database: a commit that fails on SQLite leaves the transaction open.
            let _ = sql(tx, "ROLLBACK");
            fail_all(&mut done, &error);
        }
    }
}

/// A failing body undoes its own writes and nobody else's.
fn run_one(tx: &mut Tx, job: &mut Box<dyn Job>) {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run(tx).now_or_never()));
    let succeeded = matches!(caught, Ok(Some(true)));
    let _ = if succeeded { sql(tx, "RELEASE one") } else { sql(tx, "ROLLBACK TO one").and_then(|()| sql(tx, "RELEASE one")) };
}

fn sql(tx: &Tx, text: &'static str) -> Result<()> {
    match tx {
        Tx::Sqlite(connection) => control(connection, text),
        Tx::Postgres(_) => Err(Error::internal("the SQLite writer was given another database")),
    }
}

fn fail_all(group: &mut Vec<Box<dyn Job>>, error: &Error) {
    let cause = error.log_line();
    group.drain(..).for_each(|job| job.fail(&cause));
}
