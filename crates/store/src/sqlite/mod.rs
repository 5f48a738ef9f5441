//! SQLite: one writer thread with group commit, and readers that never wait for it.

mod writer;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;
use passlink_engine::{Error, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use crate::tx::{Body, Row, Tx, Value};
pub(crate) use writer::Writer;

/// How often, at most, another process is given time for its group.
const PATIENCE: i32 = 5_000;
/// How long each time. SQLite's own waiting grows to a tenth of a second, and would miss the short gaps between the groups of a busy server for seconds.
const PAUSE: Duration = Duration::from_millis(1);

/// Another process is writing: waits a moment; whether to try again.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for, which tells nobody when it is done; this is the writer's own thread"
)]
fn wait_for_others(tries: i32) -> bool {
    std::thread::sleep(PAUSE);
    tries < PATIENCE
}

/// Prepared statements kept by each connection.
const STATEMENTS: usize = 128;

pub(crate) struct Sqlite {
    path: PathBuf,
    pub(crate) writer: Writer,
    readers: Mutex<Vec<Connection>>,
    most_readers: usize,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, readers: usize) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|e| Error::unavailable(format!("cannot make the folder of the database: {e}")))?;
        }
        let writer = Writer::start(connect(path, true)?)?;
        Ok(Self { path: path.to_owned(), writer, readers: Mutex::default(), most_readers: readers.max(1) })
    }

    /// A connection of its own, for migrations.
    pub(crate) fn connect(&self) -> Result<Connection> {
        connect(&self.path, true)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a reading body at once: a point read takes microseconds, less than handing it to another thread.
    pub(crate) fn read<A, T>(&self, args: &A, body: Body<A, T>) -> Result<T> {
        let pooled = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => connect(&self.path, false)?,
        };
        let mut tx = Tx::Sqlite(connection);
        let result = run_to_end(body(&mut tx, args));
        if let Tx::Sqlite(connection) = tx {
            let mut readers = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if readers.len() < self.most_readers {
                readers.push(connection);
            }
        }
        result
    }
}

/// Polls once: on SQLite nothing in a body waits.
pub(crate) fn run_to_end<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    future.now_or_never().unwrap_or_else(|| Err(Error::internal("a body waited for something that is not its transaction")))
}

fn connect(path: &Path, writes: bool) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |=
        if writes { OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let open = || -> rusqlite::Result<Connection> {
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_handler(Some(wait_for_others))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        if writes {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // An answer that says yes is on disk (`decisions.md` 5): the sync happens at the commit of each group.
            connection.pragma_update(None, "synchronous", "FULL")?;
            // Pages after which the writer copies the log back. A thread of its own for that was measured: it syncs the same disk at the same time, and
            // held the writer up for 200 ms at a stretch.
            connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
        }
        // Kibibytes; taken as pages are read, not at once.
        connection.pragma_update(None, "cache_size", if writes { -32_768 } else { -8_192 })?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    };
    // Switching a new file to its write-ahead log fails at once, instead of waiting, when another server does the same: they take turns.
    let turn = match writes {
        true => {
            let turn = std::fs::File::create(path.with_extension("opening")).map_err(Error::unavailable)?;
            turn.lock().map_err(Error::unavailable)?;
            Some(turn)
        }
        false => None,
    };
    let opened = open();
    drop(turn);
    opened.map_err(|e| Error::unavailable(format!("cannot open the database {}: {e}", path.display())))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(v) => ValueRef::Integer(*v),
            Self::Text(v) => ValueRef::Text(v.as_bytes()),
            Self::Bytes(v) => ValueRef::Blob(v),
        }))
    }
}

fn failed(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, SystemIoFailure};
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let unique =
        error.sqlite_error().is_some_and(|e| [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE].contains(&e.extended_code));
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure | CannotOpen | OutOfMemory) => Error::unavailable(error),
        // Any other constraint is a defect of ours, as on PostgreSQL.
        Some(rusqlite::ErrorCode::ConstraintViolation) if unique => {
            Error::new(passlink_engine::ErrorKind::Conflict, "This already exists").caused_by(error)
        }
        _ => Error::internal(error),
    }
}

pub(crate) fn many(connection: &mut Connection, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
    let read = || -> rusqlite::Result<Vec<Row>> {
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                values.push(match row.get_ref(column)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(v) => Value::Int(v),
                    ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
                    ValueRef::Blob(v) => Value::Bytes(v.to_vec()),
                    ValueRef::Real(v) => Value::Int(v as i64),
                });
            }
            out.push(Row::new(values));
        }
        Ok(out)
    };
    read().map_err(failed)
}

pub(crate) fn run(connection: &mut Connection, sql: &'static str, values: &[Value]) -> Result<u64> {
    let run = || connection.prepare_cached(sql)?.execute(params_from_iter(values));
    run().map(|changed| changed as u64).map_err(failed)
}

pub(crate) fn control(connection: &Connection, sql: &'static str) -> Result<()> {
    let run = || connection.prepare_cached(sql)?.execute([]);
    run().map(|_| ()).map_err(failed)
}
