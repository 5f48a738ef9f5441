use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::{join_all, try_join};
use futures_util::{TryStreamExt, pin_mut};
use passlink_engine::{Error, Result};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::connection::Connection;
use crate::tx::{Append, Kind, Row, Value};

/// One transaction (or none, for reads) on one connection, shared by the bodies of a group.
pub(crate) struct PostgresScope {
    pub(crate) connection: Arc<Connection>,
    appended: Mutex<Vec<(&'static Append, Vec<Value>)>>,
    /// What the server refused first; after that it refuses everything.
    refused: OnceLock<SqlState>,
}

impl PostgresScope {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, appended: Mutex::default(), refused: OnceLock::new() }
    }

    fn failed(&self, error: tokio_postgres::Error) -> Error {
        if let Some(state) = error.code() {
            self.refused.get_or_init(|| state.clone());
        }
        self.connection.failed(error)
    }

    /// What the server refused first, if it was not a body that gave up by itself.
    pub(crate) fn refused(&self) -> Option<&SqlState> {
        self.refused.get()
    }

    pub(crate) async fn many(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        let failed = |error| self.failed(error);
        let statement = self.connection.prepared(sql).await?;
        let rows = self.connection.client.query_raw(&statement, values).await.map_err(failed)?;
        pin_mut!(rows);
        let mut out = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let columns = row.columns().iter().enumerate().map(|(i, column)| {
                Ok(match *column.type_() {
                    Type::INT8 => row.try_get::<_, Option<i64>>(i)?.map_or(Value::Null, Value::Int),
                    Type::INT4 => row.try_get::<_, Option<i32>>(i)?.map_or(Value::Null, |v| Value::Int(v.into())),
                    Type::BOOL => row.try_get::<_, Option<bool>>(i)?.map_or(Value::Null, |v| Value::Int(v.into())),
                    Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(i)?.map_or(Value::Null, Value::Bytes),
                    _ => row.try_get::<_, Option<String>>(i)?.map_or(Value::Null, Value::Text),
                })
            });
            out.push(Row::new(columns.collect::<Result<_, tokio_postgres::Error>>().map_err(failed)?));
        }
        Ok(out)
    }

    pub(crate) async fn run(&self, sql: &'static str, values: &[Value]) -> Result<u64> {
        let statement = self.connection.prepared(sql).await?;
        self.connection.client.execute_raw(&statement, values).await.map_err(|error| self.failed(error))
    }

    pub(crate) fn append(&self, insert: &'static Append, values: Vec<Value>) {
        self.appended.lock().unwrap_or_else(PoisonError::into_inner).push((insert, values));
    }

    /// Writes the rows that bodies appended, each table's in one statement, and then ends the transaction: all in one round trip.
    pub(crate) async fn flush(&self, end: Option<&'static str>) -> Result<()> {
        let appended = std::mem::take(&mut *self.appended.lock().unwrap_or_else(PoisonError::into_inner));
        let mut tables: Vec<(&'static Append, Vec<Vec<Value>>)> = Vec::new();
        for (insert, values) in appended {
            match tables.iter_mut().find(|(known, _)| std::ptr::eq(*known, insert)) {
                Some((_, rows)) => rows.push(values),
                None => tables.push((insert, vec![values])),
            }
        }
        // Prepared before anything is sent, so that the end of the transaction is not sent ahead of its inserts.
        let mut inserts = Vec::with_capacity(tables.len());
        for (insert, rows) in tables {
            inserts.push((self.connection.prepared(insert.many).await?, arrays(insert, rows)?));
        }
        let failed = |error| self.failed(error);
        let inserted = async {
            let sent = inserts.iter().map(|(statement, arrays)| self.connection.client.execute_raw(statement, arrays));
            join_all(sent).await.into_iter().try_for_each(|result| result.map(|_| ())).map_err(failed)
        };
        let ended = async {
            match end {
                Some(end) => self.connection.client.batch_execute(end).await.map_err(failed),
                None => Ok(()),
            }
        };
        // Both are polled in this order, and the connection sends in the order of polling.
        try_join(inserted, ended).await.map(|_| ())
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(v) if *ty == Type::INT4 => i32::try_from(*v)?.to_sql(ty, out),
            Self::Int(v) if *ty == Type::INT8 => v.to_sql(ty, out),
            Self::Text(v) if [Type::TEXT, Type::VARCHAR].contains(ty) => v.to_sql(ty, out),
            Self::Bytes(v) if *ty == Type::BYTEA => v.to_sql(ty, out),
            _ => Err(format!("a parameter is expected to be {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column of many rows.
#[derive(Debug)]
enum Array {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl ToSql for Array {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(v) => v.to_sql(ty, out),
            Self::Text(v) => v.to_sql(ty, out),
            Self::Bytes(v) => v.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Turns rows into one array for each column.
fn arrays(insert: &Append, rows: Vec<Vec<Value>>) -> Result<Vec<Array>> {
    let size = rows.len();
    let empty = |kind: &Kind| match kind {
        Kind::Int => Array::Int(Vec::with_capacity(size)),
        Kind::Text => Array::Text(Vec::with_capacity(size)),
        Kind::Bytes => Array::Bytes(Vec::with_capacity(size)),
    };
    let mut columns: Vec<Array> = insert.kinds.iter().map(empty).collect();
    for (column, value) in rows.into_iter().flat_map(|row| row.into_iter().enumerate()) {
        match (columns.get_mut(column), value) {
            (Some(Array::Int(all)), Value::Int(v)) => all.push(Some(v)),
            (Some(Array::Text(all)), Value::Text(v)) => all.push(Some(v)),
            (Some(Array::Bytes(all)), Value::Bytes(v)) => all.push(Some(v)),
            (Some(Array::Int(all)), Value::Null) => all.push(None),
            (Some(Array::Text(all)), Value::Null) => all.push(None),
            (Some(Array::Bytes(all)), Value::Null) => all.push(None),
            _ => return Err(Error::internal(format!("a row does not fit its insert: {}", insert.one))),
        }
    }
    Ok(columns)
}
