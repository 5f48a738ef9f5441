//! Inserts with one sync each, as most products do: one statement, one commit, one wait.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Error;

/// Rows a second into SQLite, WAL with synchronous=FULL, one row a transaction, one connection.
pub fn sqlite(folder: &Path, time: Duration) -> Result<f64, Error> {
    let connection = rusqlite::Connection::open(folder.join("reference.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB, b TEXT) STRICT", [])?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < time {
        connection.prepare_cached("INSERT INTO t (a, b) VALUES (?1, ?2)")?.execute((vec![7_u8; 36], "ada@example.com"))?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// Rows a second into PostgreSQL with synchronous_commit, one row a transaction, over so many connections.
pub async fn postgres(url: &str, connections: usize, time: Duration) -> Result<f64, Error> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        clients.push(client);
    }
    clients[0]
        .batch_execute("DROP TABLE IF EXISTS reference; CREATE TABLE reference (id bigserial PRIMARY KEY, a bytea, b text)")
        .await?;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in clients {
        tasks.spawn(async move {
            let statement = client.prepare("INSERT INTO reference (a, b) VALUES ($1, $2)").await?;
            let mut count = 0_u32;
            while begun.elapsed() < time {
                client.execute(&statement, &[&vec![7_u8; 36], &"ada@example.com"]).await?;
                count += 1;
            }
            Ok::<_, tokio_postgres::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
