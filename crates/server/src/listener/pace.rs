//! How long a connection may take for what it is doing. Hyper's own header time-out also ends connections that merely wait for their next
//! request, which may take longer; so the bytes and requests of a connection are watched here.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::ListenerSettings;

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Sending us headers (or nothing at all yet).
    Headers(Instant),
    /// Waiting for us: so many requests are in progress.
    Requests(usize),
    /// Nothing.
    Nothing(Instant),
}

#[derive(Debug)]
struct State {
    doing: Doing,
    /// Streams begin with any bytes on HTTP/1, but on HTTP/2 bytes may also be pings.
    bytes_begin_requests: bool,
    /// Since when an answer waits for its reader.
    blocked: Option<Instant>,
}

/// Watches one connection.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Mutex<State>>);

/// Why a connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooSlow {
    /// The headers did not come.
    Headers,
    /// Nothing came.
    Idle,
    /// The answer was not read.
    Reading,
}

impl Pace {
    /// A connection that has just come.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { doing: Doing::Headers(Instant::now()), bytes_begin_requests: true, blocked: None })))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request has arrived; it is in progress until the answer is dropped.
    pub fn request(&self, is_http2: bool) -> InProgress {
        self.change(|state| {
            state.bytes_begin_requests = !is_http2;
            state.doing = match state.doing {
                Doing::Requests(count) => Doing::Requests(count + 1),
                Doing::Headers(_) | Doing::Nothing(_) => Doing::Requests(1),
            };
        });
        InProgress(self.clone())
    }

    fn bytes_came(&self) {
        self.change(|state| {
            if let (Doing::Nothing(_), true) = (state.doing, state.bytes_begin_requests) {
                state.doing = Doing::Headers(Instant::now());
            }
        });
    }

    fn write_is_blocked(&self, blocked: bool) {
        self.change(|state| match (blocked, state.blocked) {
            (true, None) => state.blocked = Some(Instant::now()),
            (true, Some(_)) => {}
            (false, _) => state.blocked = None,
        });
    }

    fn judge(&self, settings: &ListenerSettings, now: Instant) -> Option<TooSlow> {
        let over = |since: Instant, most: Duration| now.duration_since(since) >= most;
        self.change(|state| match (state.blocked, state.doing) {
            (Some(since), _) if over(since, settings.body_timeout) => Some(TooSlow::Reading),
            (_, Doing::Headers(since)) if over(since, settings.header_timeout) => Some(TooSlow::Headers),
            (_, Doing::Nothing(since)) if over(since, settings.idle_timeout) => Some(TooSlow::Idle),
            _ => None,
        })
    }

    /// Ends when no request is on its way to us, as far as a connection can tell, and after `most` at the latest. A connection that has just come
    /// counts as one with a request on its way.
    pub async fn headers_are_in(&self, most: Duration) {
        let end = Instant::now() + most;
        while self.change(|state| matches!(state.doing, Doing::Headers(_))) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends when the connection is too slow. Looks four times in each time-out, which costs less than a timer for every request.
    pub async fn too_slow(&self, settings: &ListenerSettings) -> TooSlow {
        let shortest = settings.header_timeout.min(settings.idle_timeout).min(settings.body_timeout);
        let mut looks = tokio::time::interval((shortest / 4).max(Duration::from_millis(10)));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = looks.tick().await;
            if let Some(why) = self.judge(settings, now) {
                return why;
            }
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

/// A request in progress.
#[derive(Debug)]
pub struct InProgress(Pace);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.doing = match state.doing {
                Doing::Requests(count) if count > 1 => Doing::Requests(count - 1),
                _ => Doing::Nothing(Instant::now()),
            };
        });
    }
}

/// A stream whose bytes are watched.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    pace: Pace,
}

impl<S> Paced<S> {
    /// Watches `stream`.
    pub fn new(stream: S, pace: Pace) -> Self {
        Self { stream, pace }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pace.bytes_came();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> Paced<S> {
    fn watch<T>(&self, result: Poll<T>) -> Poll<T> {
        self.pace.write_is_blocked(result.is_pending());
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_a_connection_does_has_its_own_time() {
        let settings = ListenerSettings::default();
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let pace = Pace::new();
        assert_eq!(pace.judge(&settings, at(9)), None);
        assert_eq!(pace.judge(&settings, at(11)), Some(TooSlow::Headers));

        let (one, two) = (pace.request(false), pace.request(false));
        assert_eq!(pace.judge(&settings, at(3600)), None, "a request in progress is ours to end");
        drop(one);
        pace.bytes_came();
        assert_eq!(pace.judge(&settings, at(3600)), None);
        drop(two);
        assert_eq!(pace.judge(&settings, at(59)), None);
        assert_eq!(pace.judge(&settings, at(61)), Some(TooSlow::Idle));
        pace.bytes_came();
        assert_eq!(pace.judge(&settings, at(11)), Some(TooSlow::Headers), "the next request began to come");

        drop(pace.request(true));
        pace.bytes_came();
        assert_eq!(pace.judge(&settings, at(11)), None, "a ping of HTTP/2 begins no request");
        let _open = pace.request(true);
        pace.write_is_blocked(true);
        assert_eq!(pace.judge(&settings, at(11)), Some(TooSlow::Reading));
    }
}
