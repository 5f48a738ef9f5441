//! Sending what waits in the outbox. A round takes up to 32 messages and lasts as long as its slowest sender; so that a sender that hangs stops
//! nobody else's mail, further rounds begin beside it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use passlink_engine::Result;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::repeat::Health;
use crate::stop::Stop;

/// Rounds at the same time.
const MOST_ROUNDS: usize = 16;
/// How often the outbox is looked at when nothing wakes us: for delayed messages, and those of other replicas.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until the word to stop, and then until the rounds in hand are done. `round` answers whether it was full, so that there may be more.
pub async fn run<F, R>(mut round: F, wake: Arc<Notify>, look_every: Duration, stop: Stop)
where
    F: FnMut() -> R,
    R: Future<Output = Result<bool>> + Send + 'static,
{
    let mut looks = interval(look_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut health = Health::new("dispatcher");
    let mut rounds = JoinSet::new();
    loop {
        let is_free = rounds.len() < MOST_ROUNDS;
        let begin = tokio::select! {
            () = stop.wait() => break,
            () = wake.notified(), if is_free => true,
            _ = looks.tick(), if is_free => true,
            Some(ended) = rounds.join_next(), if !rounds.is_empty() => match ended {
                Ok(result) => {
                    health.note(&result);
                    result.unwrap_or(false)
                }
                Err(error) => {
                    tracing::error!(%error, "a round of sending ended badly; its messages are tried again when their leases run out");
                    false
                }
            },
        };
        if begin {
            rounds.spawn(round());
        }
    }
    while rounds.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn a_round_that_hangs_stops_no_other() {
        let (begun, mut beginnings) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let round = move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let begun = begun.clone();
            async move {
                let _ = begun.send(number);
                if number == 0 {
                    std::future::pending::<()>().await;
                }
                Ok(false)
            }
        };
        let (stopper, stop) = stop();
        let wake = Arc::new(Notify::new());
        let job = tokio::spawn(run(round, Arc::clone(&wake), Duration::from_millis(20), stop));
        assert_eq!(beginnings.recv().await, Some(0));
        wake.notify_one();
        assert_eq!(beginnings.recv().await, Some(1), "woken while the first round hangs");
        assert_eq!(beginnings.recv().await, Some(2), "and without being woken, by looking");
        stopper.stop();
        job.abort();
    }

    #[tokio::test]
    async fn a_full_round_is_followed_by_another_at_once() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let round = move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(number < 9) }
        };
        let (stopper, stop) = stop();
        let start = tokio::time::Instant::now();
        let job = tokio::spawn(run(round, Arc::new(Notify::new()), LOOK_EVERY, stop));
        while count.load(Ordering::SeqCst) < 10 {
            tokio::task::yield_now().await;
        }
        assert!(start.elapsed() < LOOK_EVERY);
        stopper.stop();
        job.await.unwrap();
    }

    #[tokio::test]
    async fn sec_51_the_round_in_hand_is_finished_after_the_word_to_stop() {
        let done = Arc::new(AtomicUsize::new(0));
        let go_on = Arc::new(Notify::new());
        let (begun, mut beginnings) = mpsc::unbounded_channel();
        let round = {
            let (done, go_on) = (Arc::clone(&done), Arc::clone(&go_on));
            move || {
                let (done, go_on, begun) = (Arc::clone(&done), Arc::clone(&go_on), begun.clone());
                async move {
                    let _ = begun.send(());
                    go_on.notified().await;
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(false)
                }
            }
        };
        let (stopper, stop) = stop();
        let job = tokio::spawn(run(round, Arc::new(Notify::new()), LOOK_EVERY, stop));
        beginnings.recv().await;
        stopper.stop();
        tokio::task::yield_now().await;
        assert!(!job.is_finished());
        go_on.notify_one();
        job.await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
