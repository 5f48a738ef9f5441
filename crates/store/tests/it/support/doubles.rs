//! Doubles of time, randomness and the sender.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome, Sender};
use passlink_engine::ports::{Clock, Entropy, EntropyFailure};
use passlink_engine::time::{Lifetime, Timestamp};

/// A clock that stands until it is moved.
pub struct HandClock(AtomicI64);

impl Default for HandClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_800_000_000_000))
    }
}

impl HandClock {
    /// To this instant.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_millis(), Ordering::SeqCst);
    }

    /// On by this much.
    pub fn advance(&self, by: Lifetime) {
        self.0.fetch_add(by.as_millis(), Ordering::SeqCst);
    }

    /// On by a millisecond, so that one step comes after another.
    pub fn tick(&self) {
        self.advance(Lifetime::from_millis(1));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// SplitMix64 over a counter: the same for every run, and never the same twice.
pub struct SeededEntropy {
    seed: u64,
    count: AtomicU64,
    broken: AtomicBool,
}

impl SeededEntropy {
    pub fn new(seed: u32) -> Self {
        Self { seed: u64::from(seed) << 40, count: AtomicU64::default(), broken: AtomicBool::default() }
    }

    /// From now on it fails, or works again.
    pub fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailure> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(EntropyFailure);
        }
        for chunk in bytes.chunks_mut(8) {
            let mut z = (self.seed + self.count.fetch_add(1, Ordering::Relaxed)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Kept {
    messages: Vec<(&'static str, OutgoingMessage)>,
    outcomes: VecDeque<SendOutcome>,
    always: Option<SendOutcome>,
}

/// A sender that keeps every message, and answers as it is told: from the queue of outcomes, else always the same, else `Sent`.
pub struct Recorder {
    name: &'static str,
    kept: Arc<Mutex<Kept>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { name: "test", kept: Arc::default() }
    }
}

impl Recorder {
    /// The same record under another name.
    pub fn named(&self, name: &'static str) -> Self {
        Self { name, kept: Arc::clone(&self.kept) }
    }

    /// The next answers.
    pub fn answer_next(&self, outcomes: impl IntoIterator<Item = SendOutcome>) {
        self.kept.lock().unwrap().outcomes.extend(outcomes);
    }

    /// The answer to everything; `None` is `Sent`.
    pub fn answer_always(&self, outcome: Option<SendOutcome>) {
        self.kept.lock().unwrap().always = outcome;
    }

    /// What was handed over, in order.
    pub fn messages(&self) -> Vec<OutgoingMessage> {
        self.kept.lock().unwrap().messages.iter().map(|(_, message)| message.clone()).collect()
    }

    /// By which sender each went.
    pub fn routes(&self) -> Vec<&'static str> {
        self.kept.lock().unwrap().messages.iter().map(|(name, _)| *name).collect()
    }

    /// The newest message to this address.
    pub fn last_to(&self, address: &str) -> Option<OutgoingMessage> {
        self.messages().into_iter().rev().find(|message| message.to.as_str() == address)
    }
}

/// "Try again."
pub fn retry(after: Option<Lifetime>) -> SendOutcome {
    SendOutcome::Retry { why: "the mailbox is busy".to_owned(), after }
}

/// "Never."
pub fn refused() -> SendOutcome {
    SendOutcome::Refused { why: "no such mailbox".to_owned() }
}

#[async_trait::async_trait]
impl Sender for Recorder {
    fn name(&self) -> &str {
        self.name
    }

    async fn send(&self, message: &OutgoingMessage) -> SendOutcome {
        let mut kept = self.kept.lock().unwrap();
        kept.messages.push((self.name, message.clone()));
        let next = kept.outcomes.pop_front().or_else(|| kept.always.clone());
        next.unwrap_or(SendOutcome::Sent { provider_id: Some("provider-id".to_owned()) })
    }
}
