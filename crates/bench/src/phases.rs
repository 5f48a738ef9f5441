//! The figures, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Connection, Load, Requests, load};
use crate::server::{Server, Usage};
use crate::{Error, Options, receiver, reference};

/// Sessions that are verified in turn.
const SESSIONS: usize = 1000;
/// How many mailed links are waited for; the figures of redeeming share them.
const LINKS: usize = 120_000;

/// Measures everything on one database.
pub async fn run(options: &Options, postgres: Option<&str>) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let (receiver, links) = receiver::start().await?;
    println!("\n== {}, {} s a figure ==", if postgres.is_some() { "PostgreSQL" } else { "SQLite" }, options.time.as_secs_f64());

    let server = Server::start(options, folder.path(), postgres, receiver, false).await?;
    let size = std::fs::metadata(&options.binary)?.len();
    let idle = server.usage()?;
    println!(
        "first start with migration {} ms, idle memory {:.1} MB, binary {:.1} MB",
        server.start.as_millis(),
        idle.memory as f64 / 1e6,
        size as f64 / 1e6
    );
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "", "per s", "p50 ms", "p99 ms", "CPU µs");
    for connections in [1, 16, 64] {
        let constant: Requests = Arc::new(|_| Some(b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n".to_vec()));
        measure(&server, options, "reference: constant answer", connections, None, 200, constant).await?;
    }
    match postgres {
        None => {
            let rows = reference::sqlite(folder.path(), options.time)?;
            println!("{:<44} {rows:>9.0}", "reference: inserts, one sync each, 1 writer");
        }
        Some(url) => {
            for connections in [1, 16, 64] {
                let rows = reference::postgres(url, connections, options.time).await?;
                println!("{:<44} {rows:>9.0}", format!("reference: inserts, one commit each, {connections} writers"));
            }
        }
    }
    for (connections, rate) in [(1, None), (16, None), (64, None), (64, Some(options.rate))] {
        measure(&server, options, "issue", connections, rate, 200, issue(server.address, connections, rate.is_some())).await?;
    }
    let waiting = Instant::now();
    server.stop()?;

    let server = Server::start(options, folder.path(), postgres, receiver, true).await?;
    println!("start with an existing database {} ms", server.start.as_millis());
    let mut last = 0;
    while links.count() < LINKS && (links.count() > last || waiting.elapsed() < Duration::from_secs(5)) {
        last = links.count();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    println!("mail sent and marked: {} in {:.1} s beside nothing else", links.count(), waiting.elapsed().as_secs_f64());
    server.stop()?;

    let server = Server::start(options, folder.path(), postgres, receiver, false).await?;
    let mut all = links.take();
    let for_sessions = all.split_off(all.len().saturating_sub(SESSIONS));
    let share = all.len() / 8;
    for (connections, rate) in [(1, None), (16, None), (64, None), (64, Some(options.rate))] {
        // One connection needs the fewest, 64 without a pause the most.
        let wanted = if connections == 64 && rate.is_none() { 4 * share } else { share };
        let some: Vec<String> = all.split_off(all.len().saturating_sub(wanted));
        measure(&server, options, "redeem (ES256 session)", connections, rate, 303, redeem(server.address, some)).await?;
    }
    let tokens = sessions(&server, &for_sessions).await?;
    for (connections, rate) in [(1, None), (16, None), (64, None), (64, Some(options.rate))] {
        measure(&server, options, "verify session", connections, rate, 200, verify(server.address, &tokens)).await?;
    }
    println!("memory after all this {:.1} MB", server.usage()?.memory as f64 / 1e6);
    server.stop()
}

async fn measure(
    server: &Server,
    options: &Options,
    name: &str,
    connections: u64,
    rate: Option<u32>,
    expected: u16,
    requests: Requests,
) -> Result<Load, Error> {
    let before: Usage = server.usage()?;
    let done = load(server.address, connections, options.time, rate, expected, requests).await?;
    let processor = server.usage()?.processor - before.processor;
    let each = processor.as_secs_f64() * 1e6 / done.count.max(1) as f64;
    let milliseconds = |share| done.percentile(share).as_secs_f64() * 1e3;
    let title = match rate {
        Some(rate) => format!("{name}, constant {rate}/s"),
        None => format!("{name}, {connections} connections"),
    };
    println!("{title:<44} {:>9.0} {:>9.2} {:>9.2} {each:>9.1}", done.per_second, milliseconds(0.5), milliseconds(0.99));
    if done.others > 0 {
        println!("  and {} other answers", done.others);
    }
    Ok(done)
}

fn issue(address: std::net::SocketAddr, connections: u64, constant: bool) -> Requests {
    Arc::new(move |number| {
        let body = format!("{{\"email\":\"p{number}.{connections}.{constant}@example.com\"}}");
        let length = body.len();
        Some(format!("POST /api/auth/send-magic-link HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
    })
}

fn redeem(address: std::net::SocketAddr, links: Vec<String>) -> Requests {
    Arc::new(move |number| {
        let link = links.get(usize::try_from(number).ok()?)?;
        Some(format!("GET {link} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes())
    })
}

fn verify(address: std::net::SocketAddr, tokens: &[String]) -> Requests {
    let requests: Vec<Vec<u8>> = tokens
        .iter()
        .map(|token| {
            format!("GET /api/auth/me HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
        })
        .collect();
    Arc::new(move |number| requests.get(number as usize % requests.len().max(1)).cloned())
}

/// Redeems links one by one; answers the access tokens.
async fn sessions(server: &Server, links: &[String]) -> Result<Vec<String>, Error> {
    let mut connection = Connection::open(server.address).await?;
    let mut tokens = Vec::new();
    for link in links {
        let answer = connection.ask(format!("GET {link} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes()).await?;
        let token = answer.head.split_once("access_token=").and_then(|(_, rest)| rest.split('&').next());
        tokens.extend(token.map(str::to_owned));
    }
    if tokens.is_empty() { Err("no sessions to verify: no mail arrived".into()) } else { Ok(tokens) }
}
