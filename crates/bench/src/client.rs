//! A client that costs little: keep-alive connections, prepared bytes, answers read by their length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Error;

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; its body is read and passed over.
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The head, as text.
    pub head: &'a str,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer whole.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, Error> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..head_end])?;
        let status: u16 = head.get(9..12).ok_or("no status")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(Ok(0), str::parse::<usize>)?;
        while self.buffer.len() < head_end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        let head = std::str::from_utf8(&self.buffer[..head_end])?;
        Ok(Answer { status, head })
    }
}

/// What a load gave.
pub struct Load {
    /// Answers with the expected status, a second.
    pub per_second: f64,
    /// Latencies, sorted.
    latencies: Vec<Duration>,
    /// Answers with another status.
    pub others: u64,
    /// Requests answered as expected.
    pub count: u64,
}

impl Load {
    /// The latency that this share of the requests did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let index = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Makes the bytes of the n-th request; `None` when there are no more.
pub type Requests = Arc<dyn Fn(u64) -> Option<Vec<u8>> + Send + Sync>;

/// Asks over `connections` connections until `time` is over; at a constant rate when one is given.
pub async fn load(
    address: SocketAddr,
    connections: u64,
    time: Duration,
    rate: Option<u32>,
    expected: u16,
    requests: Requests,
) -> Result<Load, Error> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (next, requests) = (Arc::clone(&next), Arc::clone(&requests));
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let (mut latencies, mut others) = (Vec::new(), 0);
            while started.elapsed() < time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = rate.map(|rate| started + Duration::from_secs_f64(number as f64 / f64::from(rate)));
                if let Some(due) = due {
                    if due >= started + time {
                        break;
                    }
                    tokio::time::sleep_until(due.into()).await;
                }
                let Some(request) = requests(number) else { break };
                // At a constant rate, waiting for a free connection counts too: it is what a user would feel.
                let begun = due.unwrap_or_else(Instant::now);
                let status = connection.ask(&request).await?.status;
                if status == expected {
                    latencies.push(begun.elapsed());
                } else {
                    others += 1;
                }
            }
            Ok::<_, Error>((latencies, others))
        });
    }
    let (mut latencies, mut others) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (some, other) = done??;
        latencies.extend(some);
        others += other;
    }
    let elapsed = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let count = latencies.len() as u64;
    Ok(Load { per_second: count as f64 / elapsed, latencies, others, count })
}
