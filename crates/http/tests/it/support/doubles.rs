//! Doubles of the three ports that tests steer: time, randomness, sending.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome, Sender};
use passlink_engine::ports::{Clock, Entropy, EntropyFailure};
use passlink_engine::time::{Lifetime, Timestamp};

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_800_000_000_000))
    }
}

impl TestClock {
    pub fn advance(&self, by: Lifetime) {
        self.0.fetch_add(by.as_millis(), Ordering::SeqCst);
    }

    pub fn advance_secs(&self, secs: i64) {
        self.advance(Lifetime::from_secs(secs));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Repeatable bytes that never repeat within a test (SplitMix64). It can be told to panic in the draw of a use case, or to fail.
#[derive(Default)]
pub struct TestEntropy {
    state: AtomicU64,
    pub panics: AtomicBool,
    pub fails: AtomicBool,
}

/// A use case draws at least this much at once; request ids and page secrets less.
const LARGE: usize = 100;

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailure> {
        let large = bytes.len() >= LARGE;
        assert!(!(large && self.panics.load(Ordering::SeqCst)), "the test wants this handler to panic: s3cret-panic-text");
        if large && self.fails.load(Ordering::SeqCst) {
            return Err(EntropyFailure);
        }
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A mail as it left.
#[derive(Clone)]
pub struct Mail {
    pub to: String,
    pub link: String,
    pub code: String,
    pub text: String,
    pub html: String,
}

impl Mail {
    /// The link's path on our host.
    pub fn path(&self) -> &str {
        self.link.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).expect("a link has a path")
    }

    /// The link's secret.
    pub fn token(&self) -> &str {
        self.link.rsplit('/').next().expect("a link ends in its token")
    }
}

/// Keeps what it is given; answers as it is told.
pub struct TestSender {
    pub sent: Mutex<Vec<Mail>>,
    pub outcome: Mutex<SendOutcome>,
}

impl Default for TestSender {
    fn default() -> Self {
        Self { sent: Mutex::default(), outcome: Mutex::new(SendOutcome::Sent { provider_id: None }) }
    }
}

impl TestSender {
    pub fn refuses(&self) {
        *self.outcome.lock().unwrap() = SendOutcome::Refused { why: "550 no such mailbox".to_owned() };
    }
}

#[async_trait::async_trait]
impl Sender for TestSender {
    fn name(&self) -> &str {
        "mail"
    }

    async fn send(&self, message: &OutgoingMessage) -> SendOutcome {
        // Mails for some dialects carry only one of link and code.
        let secret =
            |text: &Option<passlink_engine::secret::Secret>| text.as_ref().map(|t| t.expose().to_owned()).unwrap_or_default();
        let mail = Mail {
            to: message.to.to_string(),
            link: secret(&message.link),
            code: secret(&message.code),
            text: message.text.expose().to_owned(),
            html: secret(&message.html),
        };
        let outcome = self.outcome.lock().unwrap().clone();
        if matches!(outcome, SendOutcome::Sent { .. }) {
            self.sent.lock().unwrap().push(mail);
        }
        outcome
    }
}
