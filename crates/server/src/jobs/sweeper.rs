//! Removing what nobody needs any more, in small steps with pauses, so that requests hardly notice (`security.md` 53).

use std::future::Future;
use std::time::Duration;

use passlink_engine::Result;

use super::repeat::Health;
use crate::stop::Stop;

/// Between two steps while there is work: a step of 500 rows every 5 ms is 100,000 rows a second at most.
const BETWEEN_STEPS: Duration = Duration::from_millis(5);
/// Between two looks when there is none.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);

/// Runs until the word to stop.
pub async fn run<F, R>(mut step: F, stop: Stop)
where
    F: FnMut() -> R,
    R: Future<Output = Result<u64>>,
{
    let mut health = Health::new("sweeper");
    let mut pause = BETWEEN_LOOKS;
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let result = step().await;
        health.note(&result);
        pause = match result {
            Ok(rows) if rows > 0 => {
                metrics::counter!("passlink_rows_swept_total").increment(rows);
                BETWEEN_STEPS
            }
            _ => BETWEEN_LOOKS,
        };
    }
}
