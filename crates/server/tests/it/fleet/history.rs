//! What people saw, and whether one link that signs in at most once can explain it.
//!
//! Requests without an answer, and answers of 5xx, are unknown: they may have been carried out or not. Everything else must fit: a link is a register
//! that is taken at most once, each attempt takes effect at one moment between its beginning and its end, and whoever took it may take it again for a
//! minute and gets the same session.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Fleet;
use super::browser::{is_used, open, refreshes, session};
use super::wire::ask;

/// Links that are compared at the same time.
const AT_ONCE: usize = 32;

/// What became of a press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A session with this refresh token.
    Session(String),
    /// The clean refusal.
    Used,
    /// Nobody knows.
    Unknown,
    /// Nobody listened.
    NotAsked,
}

/// One press of one browser.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub browser: usize,
    pub began: Instant,
    pub ended: Instant,
    pub outcome: Outcome,
}

/// Everything that was seen.
#[derive(Default)]
pub struct History {
    /// Addresses whose request for a link was answered by 200.
    pub acknowledged: Vec<String>,
    /// Requests for a link that were not answered.
    pub doubtful: usize,
    /// Presses, by address.
    pub attempts: HashMap<String, Vec<Attempt>>,
    /// Answers of 5xx.
    pub failures: Vec<String>,
    /// Connections that ended without an answer.
    pub cuts: Vec<String>,
}

impl History {
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    fn count(&self, wanted: fn(&Outcome) -> bool) -> usize {
        self.attempts.values().flatten().filter(|attempt| wanted(&attempt.outcome)).count()
    }

    pub fn redeemed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Session(_)))
    }

    pub fn unknown(&self) -> usize {
        self.doubtful + self.count(|outcome| *outcome == Outcome::Unknown)
    }

    /// In a line.
    pub fn told(&self) -> String {
        let (links, sessions, unknown) = (self.acknowledged(), self.redeemed(), self.unknown());
        let (used, failures) = (self.count(|outcome| *outcome == Outcome::Used), &self.failures);
        format!("{links} links, {sessions} sessions, {used} refusals, {unknown} unknown, 5xx {failures:?}")
    }

    /// Compares what was seen with what is there now, behind a server that runs and has sent everything.
    pub async fn check(&self, fleet: &Fleet, port: u16) {
        let links = self.check_mail(fleet);
        let lost = fleet.database.number("SELECT count(*) FROM outbox WHERE state <> 2").await;
        assert_eq!(lost, 0, "messages that will not go: {:?}", fleet.complaints());
        let all: Vec<(String, String)> = links.into_iter().collect();
        for some in all.chunks(AT_ONCE) {
            let mut checks = JoinSet::new();
            for (address, path) in some {
                let (address, path) = (address.clone(), path.clone());
                let attempts = self.attempts.get(&address).cloned().unwrap_or_default();
                checks.spawn(async move {
                    check_order(&address, &attempts);
                    check_now(&address, &path, &attempts, port).await;
                });
            }
            checks.join_all().await;
        }
        let twice = "SELECT count(*) FROM (SELECT link_id FROM sessions GROUP BY link_id HAVING count(*) > 1) AS links_with_two";
        assert_eq!(fleet.database.number(twice).await, 0, "links with two sessions");
        let sessions = fleet.database.number("SELECT count(*) FROM sessions").await;
        assert_eq!(sessions, all.len() as i64, "by now every link was redeemed once");
    }

    /// Every acknowledged request has its mail; copies of one job are the same message. Answers the links by address.
    fn check_mail(&self, fleet: &Fleet) -> BTreeMap<String, String> {
        let mut jobs: BTreeMap<String, (String, String)> = BTreeMap::new();
        for mail in fleet.sink.mail() {
            let (id, link) = (Fleet::message_id(&mail), Fleet::link_in(&mail));
            let first = jobs.entry(mail.to.clone()).or_insert_with(|| (id.clone(), link.clone()));
            assert_eq!(*first, (id, link), "two jobs for {}, which was asked for once", mail.to);
        }
        let ids: HashSet<&String> = jobs.values().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), jobs.len(), "an id of its own for each job");
        let lost: Vec<&String> = self.acknowledged.iter().filter(|address| !jobs.contains_key(*address)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}; {:?}", fleet.complaints());
        assert_eq!(fleet.sink.violations(), Vec::<String>::new());
        jobs.into_iter().map(|(address, (_, link))| (address, link)).collect()
    }
}

/// Whether the outcomes of one link have an order that makes sense.
pub fn check_order(address: &str, attempts: &[Attempt]) {
    let winners: Vec<&Attempt> = attempts.iter().filter(|a| matches!(a.outcome, Outcome::Session(_))).collect();
    let one = |a: &&Attempt| (a.browser, a.outcome.clone());
    let different: HashSet<_> = winners.iter().map(one).map(|(browser, outcome)| (browser, format!("{outcome:?}"))).collect();
    assert!(different.len() <= 1, "two sessions of {address}: {attempts:#?}");
    for refused in attempts.iter().filter(|attempt| attempt.outcome == Outcome::Used) {
        let may_have_taken_it = |other: &&Attempt| {
            other.browser != refused.browser
                && other.began <= refused.ended
                && matches!(other.outcome, Outcome::Session(_) | Outcome::Unknown)
                && winners.first().is_none_or(|winner| winner.browser == other.browser)
        };
        assert!(attempts.iter().any(|a| may_have_taken_it(&a)), "refused before anybody took it, {address}: {attempts:#?}");
    }
}

/// Whether the link is now as its outcomes say. Afterwards it is used.
async fn check_now(address: &str, path: &str, attempts: &[Attempt], port: u16) {
    let has = |wanted: fn(&Outcome) -> bool| attempts.iter().any(|attempt| wanted(&attempt.outcome));
    let spent = has(|outcome| matches!(outcome, Outcome::Session(_) | Outcome::Used));
    let untouched = !spent && !has(|outcome| *outcome == Outcome::Unknown);
    match open(port, path).await.expect("an answer") {
        Ok(page) => {
            assert!(!spent, "spent and yet alive, {address}: {attempts:#?}");
            let rival = open(port, path).await.expect("an answer").expect("a button");
            let answer = ask(port, &page.press()).await.expect("an answer");
            let token = session(&answer).unwrap_or_else(|| panic!("a live link of {address} gives no session: {answer:?}"));
            assert!(refreshes(port, &token).await, "a new session is dead: {address}");
            assert!(is_used(&ask(port, &rival.press()).await.expect("an answer")), "twice: {address}");
        }
        Err(answer) => assert!(is_used(&answer) && !untouched, "never redeemed and yet {answer:?}, {address}: {attempts:#?}"),
    }
    for attempt in attempts {
        if let Outcome::Session(token) = &attempt.outcome {
            assert!(refreshes(port, token).await, "an acknowledged session is lost: {address}");
        }
    }
}
