//! One request on one connection, byte by byte, so that a test knows exactly how far it came.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody listens: the request was never sent.
    Refused,
    /// The connection was made, and ended or stalled before the answer was whole: the request may have been carried out.
    Cut(String),
}

impl std::fmt::Debug for Answer {
    /// The body is said only when it is short: pages tell little.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = if self.body.len() < 500 { &self.body } else { "a page" };
        write!(f, "{} {body}", self.status)
    }
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The value of a cookie that is set.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            let cookie = value.trim().strip_prefix(name)?.strip_prefix('=')?;
            key.eq_ignore_ascii_case("set-cookie").then(|| cookie.split(';').next().unwrap_or_default())
        })
    }
}

/// The bytes of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:9\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Connects, says it, reads the answer.
pub async fn ask(port: u16, request: &str) -> Result<Answer, NoAnswer> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => NoAnswer::Refused,
        // Reset while the handshake was under way: the listener went away, and nothing was sent.
        std::io::ErrorKind::ConnectionReset => NoAnswer::Refused,
        _ => NoAnswer::Cut(error.to_string()),
    })?;
    say(stream, request).await
}

/// Says it on a connection that is there, reads the answer.
pub async fn say(mut stream: TcpStream, request: &str) -> Result<Answer, NoAnswer> {
    let cut = |error: std::io::Error| NoAnswer::Cut(error.to_string());
    let exchange = async {
        stream.write_all(request.as_bytes()).await.map_err(cut)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.map_err(cut)?;
        parse(&bytes).ok_or_else(|| NoAnswer::Cut(format!("after {} bytes", bytes.len())))
    };
    tokio::time::timeout(Duration::from_secs(15), exchange)
        .await
        .unwrap_or_else(|_| Err(NoAnswer::Cut("no answer in 15 s".into())))
}

/// Everybody at once: all connections to these ports are made, and then all requests are sent.
pub async fn at_once(requests: Vec<(u16, String)>) -> Vec<Answer> {
    let (release, released) = watch::channel(false);
    let mut asking = JoinSet::new();
    for (port, request) in requests {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a connection");
        let mut released = released.clone();
        asking.spawn(async move {
            released.wait_for(|released| *released).await.expect("a word");
            say(stream, &request).await.expect("an answer")
        });
    }
    release.send_replace(true);
    asking.join_all().await
}

/// `None` unless it is whole.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    let length: usize = answer.header("content-length")?.parse().ok()?;
    (answer.body.len() == length).then_some(answer)
}

/// A port that is free now, and that no outgoing connection is given (those begin at 32768).
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 500) as u16 * 16;
    loop {
        let port = 10_240 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
