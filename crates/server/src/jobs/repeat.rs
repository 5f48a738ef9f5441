//! A job that does one thing every so often.

use std::future::Future;
use std::time::Duration;

use passlink_engine::Result;
use tokio::time::{MissedTickBehavior, interval};

use crate::stop::Stop;

/// Does it at once and then every `period`, until the word to stop. A failure is logged once until it works again.
pub async fn every<F, R>(name: &'static str, period: Duration, mut work: F, stop: Stop)
where
    F: FnMut() -> R,
    R: Future<Output = Result<()>>,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut health = Health::new(name);
    loop {
        tokio::select! {
            () = stop.wait() => return,
            _ = ticks.tick() => {}
        }
        health.note(&work().await);
    }
}

/// Logs the first failure and the first success after failures: a database that is away fills no disk.
#[derive(Debug)]
pub struct Health {
    name: &'static str,
    fails: bool,
}

impl Health {
    /// Of a job that works so far.
    pub fn new(name: &'static str) -> Self {
        Self { name, fails: false }
    }

    /// Notes how it went; answers whether it works.
    pub fn note<T>(&mut self, result: &Result<T>) -> bool {
        match (result, self.fails) {
            (Ok(_), true) => tracing::info!(job = self.name, "works again"),
            (Err(error), false) => tracing::error!(job = self.name, error = error.log_line(), "does not work"),
            _ => {}
        }
        self.fails = result.is_err();
        !self.fails
    }
}
