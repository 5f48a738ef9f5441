//! A write that waits for its group.

use passlink_engine::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use crate::tx::{Body, Running, Tx};

/// With what a write shares its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// With the writes of other requests, and their sync.
    Group,
    /// The same on SQLite, where bodies run one after the other. On PostgreSQL with nothing: because it takes several rows that others want too, and a group
    /// holds what its bodies took until all are done, so that no order of theirs would keep two groups from waiting for each other; or because it must see what
    /// the one before it came to.
    Alone,
    /// With others, and without waiting for the sync: what it wrote need not survive a crash.
    Soft,
}

/// A write of any kind, as the writers see it.
pub(crate) trait Job: Send {
    /// Runs the body and keeps its result; answers whether it succeeded.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

    /// What it locks first. Groups run their bodies in this order, so that two groups never wait for each other crosswise.
    fn turn(&self) -> &[u8];

    /// Whether anybody still waits for the answer.
    fn is_awaited(&self) -> bool;

    /// Whether its body failed for a reason that may be gone when it runs again, such as a deadlock with another server.
    fn may_pass(&self) -> bool;

    /// With what it shares its transaction.
    fn share(&self) -> Share;

    /// Sends the kept result, which is now durable (or an error).
    fn answer(self: Box<Self>);

    /// Sends an error instead: the group could not be committed.
    fn fail(self: Box<Self>, cause: &str);
}

pub(crate) struct Write<A, T> {
    args: A,
    body: Body<A, T>,
    share: Share,
    turn: Vec<u8>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<A: Send + Sync + 'static, T: Send + 'static> Write<A, T> {
    pub(crate) fn job(args: A, body: Body<A, T>, share: Share, turn: Vec<u8>) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { args, body, share, turn, result: None, reply }), answer)
    }
}

impl<A: Send + Sync + 'static, T: Send + 'static> Job for Write<A, T> {
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let running: Running<'_, T> = (self.body)(tx, &self.args);
            let result = running.await;
            let succeeded = result.is_ok();
            self.result = Some(result);
            succeeded
        })
    }

    fn turn(&self) -> &[u8] {
        &self.turn
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn may_pass(&self) -> bool {
        matches!(&self.result, Some(Err(error)) if *error.kind() == ErrorKind::Unavailable)
    }

    fn share(&self) -> Share {
        self.share
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(Error::internal("a write was not run")));
        // The asker may have gone away; what it asked for is done all the same.
        let _ = self.reply.send(result);
    }

    fn fail(self: Box<Self>, cause: &str) {
        // A body's own error tells more than that its group failed.
        let error = match self.result {
            Some(Err(error)) => error,
            _ => Error::unavailable(cause.to_owned()),
        };
        let _ = self.reply.send(Err(error));
    }
}
