//! Events.

use passlink_engine::Result;
use passlink_engine::events::{Event, EventFilter, EventKind, EventStore};
use passlink_engine::ids::EventId;

use crate::SqlStore;
use crate::statements::{append, statements};
use crate::tx::{Row, Tx, Value, values};

macro_rules! columns {
    () => {
        "id, at, app_id, kind, request_id, actor, link_id, user_id, session_id, message_id, detail"
    };
}

append!(
    INSERT_EVENT,
    insert_event,
    concat!("INSERT INTO events (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"),
    concat!(
        "INSERT INTO events (",
        columns!(),
        ") SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[],
        $10::bytea[], $11::text[])"
    ),
    [Bytes, Int, Bytes, Text, Text, Text, Bytes, Bytes, Bytes, Bytes, Text]
);

statements! {
    COUNT = "SELECT count(*) FROM (SELECT 1 FROM events WHERE link_id = $1 AND kind = $2 LIMIT 200) AS counted";
    LIST = concat!("SELECT ", columns!(), " FROM events WHERE (CAST($1 AS BIGINT) = 0 OR app_id = $2) ORDER BY id DESC LIMIT CAST($3 AS BIGINT)");
    LIST_LINK = concat!("SELECT ", columns!(), " FROM events WHERE link_id = $1 ORDER BY id DESC LIMIT CAST($2 AS BIGINT)");
    LIST_ADDRESS = concat!("SELECT ", columns!(), " FROM events WHERE link_id IN (SELECT id FROM links WHERE app_id = $1 AND address = $2)
        ORDER BY id DESC LIMIT CAST($3 AS BIGINT)");
    // Without an app there is no index to help: for the operator's rare question over all apps.
    LIST_ADDRESS_EVERYWHERE = concat!("SELECT ", columns!(), " FROM events WHERE link_id IN (SELECT id FROM links WHERE address = $1)
        ORDER BY id DESC LIMIT CAST($2 AS BIGINT)");
    IS_TO_ADDRESS = "SELECT 1 FROM links WHERE id = $1 AND address = $2";
}

/// Writes an event in the transaction of the thing it tells.
pub(crate) fn write(tx: &mut Tx, event: &Event) -> Result<()> {
    let detail = serde_json::Value::Object(event.detail.clone()).to_string();
    tx.append(
        &INSERT_EVENT,
        values![
            event.id,
            event.at,
            event.app,
            event.kind.code(),
            event.request_id.as_str(),
            event.actor.as_str(),
            event.link,
            event.user,
            event.session,
            event.message,
            detail
        ],
    )
}

fn read(mut row: Row) -> Result<Option<Event>> {
    let (id, at, app): (EventId, _, _) = (row.next()?, row.next()?, row.next()?);
    let code: String = row.next()?;
    let (request_id, actor) = (row.next()?, row.next()?);
    let (link, user, session, message) = (row.next()?, row.next()?, row.next()?, row.next()?);
    let detail: String = row.next()?;
    let detail = serde_json::from_str(&detail).unwrap_or_default();
    // A kind that a newer version wrote is not shown by an older one.
    let Some(kind) = EventKind::from_code(&code) else { return Ok(None) };
    Ok(Some(Event { id, at, app, kind, request_id, actor, link, user, session, message, detail }))
}

async fn append_all(tx: &mut Tx, events: &[Event]) -> Result<()> {
    events.iter().try_for_each(|event| write(tx, event))
}

async fn append_opened(tx: &mut Tx, event: &Event, at_most: u32) -> Result<()> {
    let count: i64 = match tx.first(COUNT, values![event.link, event.kind.code()]).await? {
        Some(mut row) => row.next()?,
        None => 0,
    };
    if count < i64::from(at_most) { write(tx, event) } else { Ok(()) }
}

async fn list(tx: &mut Tx, filter: &EventFilter, limit: u32) -> Result<Vec<Event>> {
    if let (Some(link), Some(address)) = (filter.link, &filter.address)
        && tx.first(IS_TO_ADDRESS, values![link, address.as_str()]).await?.is_none()
    {
        return Ok(Vec::new());
    }
    let rows = match (&filter.link, &filter.address, &filter.app) {
        (Some(link), _, _) => tx.many(LIST_LINK, values![*link, limit]).await?,
        (None, Some(address), Some(app)) => tx.many(LIST_ADDRESS, values![*app, address.as_str(), limit]).await?,
        (None, Some(address), None) => tx.many(LIST_ADDRESS_EVERYWHERE, values![address.as_str(), limit]).await?,
        (None, None, app) => {
            let any = Value::Bytes(Vec::new());
            let app_value = app.map_or(any, Value::from);
            tx.many(LIST, vec![Value::from(app.is_some()), app_value, Value::from(limit)]).await?
        }
    };
    let mut events: Vec<Event> = rows.into_iter().filter_map(|row| read(row).transpose()).collect::<Result<_>>()?;
    events.retain(|event| filter.app.is_none() || event.app == filter.app);
    Ok(events)
}

#[async_trait::async_trait]
impl EventStore for SqlStore {
    async fn append_events(&self, events: Vec<Event>) -> Result<()> {
        self.write(events, |tx, events| Box::pin(append_all(tx, events))).await
    }

    async fn append_opened(&self, event: Event, at_most: u32) -> Result<()> {
        self.write((event, at_most), |tx, (event, at_most)| Box::pin(append_opened(tx, event, *at_most))).await
    }

    async fn list_events(&self, filter: EventFilter, limit: u32) -> Result<Vec<Event>> {
        self.read((filter, limit), |tx, (filter, limit)| Box::pin(list(tx, filter, *limit))).await
    }
}
