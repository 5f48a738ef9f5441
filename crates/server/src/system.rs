//! The engine's ports to this machine: its clock and its random generator.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use passlink_engine::ports::{Clock, Entropy, EntropyFailure};
use passlink_engine::time::Timestamp;

/// How far the wall clock may fall back before the operator is told.
const TOLD_FROM_MILLIS: i64 = 5_000;

/// The wall clock, which never goes back: what has expired once stays expired (`security.md` 50).
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicI64,
    told: AtomicBool,
}

impl SystemClock {
    fn not_before(&self, wall: i64) -> i64 {
        let latest = self.latest.fetch_max(wall, Ordering::Relaxed).max(wall);
        let behind = latest - wall;
        if behind > TOLD_FROM_MILLIS && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                behind_ms = behind,
                "the clock was set back; time stands still here until it has caught up, or until a restart"
            );
        } else if behind == 0 && self.told.load(Ordering::Relaxed) {
            self.told.store(false, Ordering::Relaxed);
        }
        latest
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter through which everything else reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(self.not_before(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// The operating system's generator, through aws-lc.
#[derive(Debug)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// Made at once; its first use takes some 30 ms, see [`SystemEntropy::warm_up`].
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }

    /// Uses the generator once on a thread of its own, so that neither the start nor the first request pays for it.
    pub fn warm_up() {
        std::thread::spawn(|| Self::new().fill(&mut [0; 1]).is_ok());
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailure> {
        self.0.fill(bytes).map_err(|_| EntropyFailure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_50_a_clock_that_is_set_back_revives_nothing() {
        let clock = SystemClock::default();
        assert_eq!(clock.not_before(100_000), 100_000);
        assert_eq!(clock.not_before(20_000), 100_000);
        assert!(clock.told.load(Ordering::Relaxed));
        assert_eq!(clock.not_before(100_001), 100_001);
        assert!(!clock.told.load(Ordering::Relaxed));
    }
}
