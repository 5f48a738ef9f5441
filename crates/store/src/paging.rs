//! Pages of lists: what comes after an id, and what before it.

use passlink_engine::groups::{Cursor, Page};
use passlink_engine::{Error, Result};

use crate::tx::{Row, Tx, Value};

/// How many rows a statement counts.
pub(crate) async fn count(tx: &mut Tx, sql: &'static str, of: Value) -> Result<u64> {
    let mut row = tx.first(sql, vec![of]).await?.ok_or_else(|| Error::internal("a count without a row"))?;
    row.next::<i64>().map(i64::unsigned_abs)
}

/// A list by statements: what comes after an id in order, and what before it in reverse.
pub(crate) struct List<T> {
    pub(crate) after: &'static str,
    pub(crate) before: &'static str,
    pub(crate) of: Value,
    pub(crate) read: fn(&mut Row) -> Result<T>,
    pub(crate) id: fn(&T) -> Vec<u8>,
}

impl<T> List<T> {
    async fn side(&self, tx: &mut Tx, sql: &'static str, of: Vec<u8>, limit: u32) -> Result<Vec<T>> {
        let rows = tx.many(sql, vec![self.of.clone(), Value::Bytes(of), Value::from(limit)]).await?;
        rows.into_iter().map(|mut row| (self.read)(&mut row)).collect()
    }

    /// One more than the page holds tells whether it goes on there; another look, whether there is something on the other side.
    pub(crate) async fn page(&self, tx: &mut Tx, cursor: Cursor<Vec<u8>>, limit: u32, total: u64) -> Result<Page<T>> {
        let (start, backwards) = match cursor {
            Cursor::Start => (vec![0; 16], false),
            Cursor::After(id) => (id, false),
            Cursor::Before(id) => (id, true),
        };
        let (there, back) = if backwards { (self.before, self.after) } else { (self.after, self.before) };
        let mut items = self.side(tx, there, start.clone(), limit + 1).await?;
        let goes_on = items.len() > limit as usize;
        items.truncate(limit as usize);
        let edge = match items.first() {
            Some(nearest) => (self.id)(nearest),
            // Beyond the end, where the given one itself may stand on the other side.
            None if backwards => before(start),
            None => after(start),
        };
        let other_side = !self.side(tx, back, edge, 1).await?.is_empty();
        let (has_previous, has_next) = if backwards { (goes_on, other_side) } else { (other_side, goes_on) };
        if backwards {
            items.reverse();
        }
        Ok(Page { items, total, has_previous, has_next })
    }
}

/// The id that follows; the highest stays.
fn after(id: Vec<u8>) -> Vec<u8> {
    let bytes = <[u8; 16]>::try_from(id).unwrap_or([0xff; 16]);
    u128::from_be_bytes(bytes).saturating_add(1).to_be_bytes().to_vec()
}

/// The id that comes before; the lowest stays.
fn before(id: Vec<u8>) -> Vec<u8> {
    let bytes = <[u8; 16]>::try_from(id).unwrap_or([0; 16]);
    u128::from_be_bytes(bytes).saturating_sub(1).to_be_bytes().to_vec()
}

/// A page of what was found one by one.
pub(crate) fn cut<T, Id: Ord + Copy>(mut all: Vec<T>, cursor: Cursor<Id>, limit: u32, id: fn(&T) -> Id) -> Page<T> {
    all.sort_by_key(id);
    all.dedup_by_key(|item| id(item));
    let (total, limit) = (all.len(), limit as usize);
    let (start, end) = match cursor {
        Cursor::Start => (0, limit.min(total)),
        Cursor::After(last) => {
            let start = all.partition_point(|item| id(item) <= last);
            (start, (start + limit).min(total))
        }
        Cursor::Before(first) => {
            let end = all.partition_point(|item| id(item) < first);
            (end.saturating_sub(limit), end)
        }
    };
    let items = all.drain(start..end).collect();
    Page { items, total: total as u64, has_previous: start > 0, has_next: end < total }
}

/// A cursor whose id is bytes.
pub(crate) fn bytes<Id>(cursor: Cursor<Id>, of: impl Fn(&Id) -> Vec<u8>) -> Cursor<Vec<u8>> {
    match cursor {
        Cursor::Start => Cursor::Start,
        Cursor::After(id) => Cursor::After(of(&id)),
        Cursor::Before(id) => Cursor::Before(of(&id)),
    }
}
