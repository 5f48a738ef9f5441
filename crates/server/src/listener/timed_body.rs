//! The body of a request, which must have come within a time counted from when somebody began to read it. The time is for the whole body and
//! not for each part: at 64 KB a body is small, and a byte every nine seconds would otherwise hold its place for days.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::body::Bytes;
use tokio::time::Sleep;

/// The body did not come in time, or the connection broke.
#[derive(Debug)]
pub struct BodyError(Option<hyper::Error>);

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "the body of the request broke off" } else { "the body of the request took too long" })
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

/// A body with a time.
#[derive(Debug)]
pub struct TimedBody {
    body: hyper::body::Incoming,
    time: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl TimedBody {
    /// Gives `body` this much time.
    pub fn new(body: hyper::body::Incoming, time: Duration) -> Self {
        Self { body, time, end: None }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError(Some(error)))));
        }
        // Most bodies are there when they are asked for: the timer is made only for those that are not.
        let end = this.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.time)));
        end.as_mut().poll(context).map(|()| Some(Err(BodyError(None))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
