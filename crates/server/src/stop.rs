//! The word to stop: given once, heard by everything that runs.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Gives the word.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears the word; clones hear it too.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A pair that belongs together.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Everything is to stop. Dropping the stopper says the same.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Ends when the word is given.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        // An error means that the stopper is gone, which says the same.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }

    /// For rooms that know nothing of this one: true from the word on.
    pub fn hear(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Whether the word was given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// SIGTERM and SIGINT, heard from the moment this is made: a signal during the start is not lost, and not answered by a sudden end.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; within a runtime.
    ///
    /// # Errors
    /// The signals cannot be listened for.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("The signals to stop cannot be listened for");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Ends when one has come, with its name.
    pub async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
