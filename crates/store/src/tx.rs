//! The transaction port: one body of code for both databases.
//!
//! A body is an async function over [`Tx`] and borrowed arguments. On SQLite nothing in it ever waits, so it is simply run to its end; on PostgreSQL it
//! runs over a pipelining connection. A body may be run twice (when its group fails), so it must not have effects elsewhere. It must guard its writes in
//! `WHERE`: in a PostgreSQL group, bodies share a transaction and their statements interleave.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use passlink_engine::{Error, Result};

use crate::postgres::PostgresScope;
use crate::statements::Batch;

/// A plain value of a parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => $make:expr),+ $(,)?) => {$(
        impl From<$from> for Value { fn from(v: $from) -> Self { ($make)(v) } }
        impl From<Option<$from>> for Value { fn from(v: Option<$from>) -> Self { v.map_or(Value::Null, Value::from) } }
    )+};
}

value_from! {
    i64 => Value::Int,
    u32 => |v| Value::Int(i64::from(v)),
    bool => |v| Value::Int(i64::from(v)),
    String => Value::Text,
    &str => |v: &str| Value::Text(v.to_owned()),
    Vec<u8> => Value::Bytes,
    &[u8] => |v: &[u8]| Value::Bytes(v.to_vec()),
    passlink_engine::time::Timestamp => |v: passlink_engine::time::Timestamp| Value::Int(v.as_millis()),
    passlink_engine::ids::AppId => |v: passlink_engine::ids::AppId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::LinkId => |v: passlink_engine::ids::LinkId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::UserId => |v: passlink_engine::ids::UserId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::IdentifierId => |v: passlink_engine::ids::IdentifierId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::SessionId => |v: passlink_engine::ids::SessionId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::MessageId => |v: passlink_engine::ids::MessageId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::EventId => |v: passlink_engine::ids::EventId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::InviteId => |v: passlink_engine::ids::InviteId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::GroupId => |v: passlink_engine::ids::GroupId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::NoticeId => |v: passlink_engine::ids::NoticeId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::MemberId => |v: passlink_engine::ids::MemberId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::ids::KeyId => |v: passlink_engine::ids::KeyId| Value::Bytes(v.as_bytes().to_vec()),
    passlink_engine::secret::TokenHash => |v: passlink_engine::secret::TokenHash| Value::Bytes(v.as_bytes().to_vec()),
}

/// `values![a, b, c]`: parameters in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::tx::Value::from($value)),*] };
}
pub(crate) use values;

/// A row, read from left to right.
#[derive(Debug)]
pub(crate) struct Row(std::vec::IntoIter<Value>);

/// A column that can be read from a value.
pub(crate) trait Column: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

impl Column for i64 {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Int(v) = value { Some(v) } else { None }
    }
}

impl Column for u32 {
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).and_then(|v| v.try_into().ok())
    }
}

impl Column for bool {
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(|v| v != 0)
    }
}

impl Column for String {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(v) = value { Some(v) } else { None }
    }
}

impl Column for Vec<u8> {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Bytes(v) = value { Some(v) } else { None }
    }
}

impl<T: Column> Column for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl Column for passlink_engine::time::Timestamp {
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(Self::from_millis)
    }
}

macro_rules! column_bytes {
    ($($id:ty),+) => {$(
        impl Column for $id {
            fn from_value(value: Value) -> Option<Self> { Vec::<u8>::from_value(value).and_then(|v| Self::from_bytes(&v)) }
        }
    )+};
}

use passlink_engine::ids::{
    AppId, EventId, GroupId, IdentifierId, InviteId, KeyId, LinkId, MemberId, MessageId, NoticeId, SessionId, UserId,
};
use passlink_engine::secret::TokenHash;
column_bytes!(
    AppId,
    LinkId,
    UserId,
    IdentifierId,
    SessionId,
    MessageId,
    EventId,
    KeyId,
    GroupId,
    MemberId,
    InviteId,
    NoticeId,
    TokenHash
);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column.
    pub(crate) fn next<T: Column>(&mut self) -> Result<T> {
        let value = self.0.next().ok_or_else(|| Error::internal("a row has fewer columns than are read"))?;
        T::from_value(value).ok_or_else(|| Error::internal("a column holds a value of another type than is read"))
    }
}

/// The type of a column, for inserts of many rows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Bytes,
}

/// An insert that nothing in its own transaction reads back: PostgreSQL writes the rows of a whole group in one statement.
#[derive(Debug)]
pub(crate) struct Append {
    /// One row, for SQLite.
    pub one: &'static str,
    /// Many rows from arrays, for PostgreSQL.
    pub many: &'static str,
    /// The types of the columns.
    pub kinds: &'static [Kind],
}

/// A transaction, or for reads a connection, of either database.
pub(crate) enum Tx {
    Sqlite(rusqlite::Connection),
    Postgres(Arc<PostgresScope>),
}

impl Tx {
    /// The text of a batch for this database.
    pub(crate) fn batch(&self, batch: &Batch) -> &'static str {
        match self {
            Self::Sqlite(_) => batch.sqlite,
            Self::Postgres(_) => batch.postgres,
        }
    }

    /// All rows of a statement.
    pub(crate) async fn many(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(connection) => crate::sqlite::many(connection, sql, &values),
            Self::Postgres(scope) => scope.many(sql, &values).await,
        }
    }

    /// The first row of a statement.
    pub(crate) async fn first(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.many(sql, values).await?.into_iter().next())
    }

    /// Runs a statement; answers how many rows it changed.
    pub(crate) async fn run(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64> {
        match self {
            Self::Sqlite(connection) => crate::sqlite::run(connection, sql, &values),
            Self::Postgres(scope) => scope.run(sql, &values).await,
        }
    }

    /// Takes rows before they are changed, where transactions run side by side.
    pub(crate) async fn lock(&mut self, sql: &'static str, values: Vec<Value>) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(scope) => scope.many(sql, &values).await.map(|_| ()),
        }
    }

    /// Inserts a row that nothing in this transaction reads back.
    pub(crate) fn append(&mut self, insert: &'static Append, values: Vec<Value>) -> Result<()> {
        debug_assert_eq!(insert.kinds.len(), values.len(), "{}", insert.one);
        match self {
            Self::Sqlite(connection) => crate::sqlite::run(connection, insert.one, &values).map(|_| ()),
            Self::Postgres(scope) => {
                scope.append(insert, values);
                Ok(())
            }
        }
    }
}

/// What a body returns while it runs.
pub(crate) type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A body: a plain function, so that it can run again.
pub(crate) type Body<A, T> = for<'a> fn(&'a mut Tx, &'a A) -> Running<'a, T>;
