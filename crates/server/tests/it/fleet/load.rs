//! People who ask for links and press their buttons, all the time, while something happens to the servers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use passlink_testkit::smtp::SmtpSink;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Fleet;
use super::browser::{self, Page};
use super::chance::Chance;
use super::history::{Attempt, History, Outcome};
use super::wire::{Answer, NoAnswer, ask};

/// The load while it runs.
pub struct Load {
    people: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    ports: Vec<u16>,
    over: AtomicBool,
    next: AtomicUsize,
    /// Links that came by mail, by address; redeemers choose among them.
    mailed: Mutex<Vec<(String, String)>>,
    history: Mutex<History>,
}

impl Load {
    /// So many who ask, and so many who redeem, on the servers behind these ports.
    pub fn begin(fleet: &Fleet, ports: Vec<u16>, senders: u64, redeemers: u64) -> Self {
        let shared = Arc::new(Shared {
            ports,
            over: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            mailed: Mutex::default(),
            history: Mutex::default(),
        });
        let mut people = JoinSet::new();
        for seed in 0..senders {
            people.spawn(send(Arc::clone(&shared), Chance::new(seed)));
        }
        for seed in 0..redeemers {
            people.spawn(redeem(Arc::clone(&shared), Chance::new(1000 + seed)));
        }
        people.spawn(collect(Arc::clone(&shared), Arc::clone(&fleet.sink)));
        Self { people, shared }
    }

    /// Everybody finishes what they are doing.
    pub async fn end(self) -> History {
        self.shared.over.store(true, Ordering::SeqCst);
        self.people.join_all().await;
        std::mem::take(&mut *lock(&self.shared.history))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Asks one of the servers; when nobody listens there, the next one: nothing else is tried again.
    async fn ask(&self, request: &str, chance: &mut Chance) -> Result<Answer, NoAnswer> {
        let first = chance.below(self.ports.len() as u64) as usize;
        for offset in 0..self.ports.len() {
            let answer = ask(self.ports[(first + offset) % self.ports.len()], request).await;
            if !matches!(answer, Err(NoAnswer::Refused)) {
                self.note(&answer);
                return answer;
            }
        }
        Err(NoAnswer::Refused)
    }

    fn note(&self, answer: &Result<Answer, NoAnswer>) {
        match answer {
            Ok(answer) if answer.status >= 500 => lock(&self.history).failures.push(format!("{answer:?}")),
            Err(NoAnswer::Cut(why)) => lock(&self.history).cuts.push(why.clone()),
            _ => {}
        }
    }
}

async fn send(shared: Arc<Shared>, mut chance: Chance) {
    while !shared.is_over() {
        let address = format!("p{}@example.com", shared.next.fetch_add(1, Ordering::SeqCst));
        match shared.ask(&browser::send(&address), &mut chance).await {
            Ok(answer) if answer.status == 200 => lock(&shared.history).acknowledged.push(address),
            Ok(answer) => assert!(answer.status >= 500, "{answer:?}"),
            Err(NoAnswer::Cut(_)) => lock(&shared.history).doubtful += 1,
            Err(NoAnswer::Refused) => {}
        }
        tokio::time::sleep(chance.millis(5, 30)).await;
    }
}

async fn redeem(shared: Arc<Shared>, mut chance: Chance) {
    while !shared.is_over() {
        tokio::time::sleep(chance.millis(1, 20)).await;
        let chosen = {
            let mut mailed = lock(&shared.mailed);
            let index = (!mailed.is_empty()).then(|| chance.below(mailed.len() as u64) as usize);
            // A quarter is left for somebody else, so that links are fought for.
            index.map(|index| if chance.below(4) == 0 { mailed[index].clone() } else { mailed.swap_remove(index) })
        };
        let Some((address, path)) = chosen else { continue };
        let opened = shared.ask(&browser::opening(&path), &mut chance).await;
        let Some(page) = opened.ok().and_then(|answer| browser::page(&path, &answer)) else { continue };
        press(&shared, &mut chance, &address, &page).await;
    }
}

/// One browser presses; without an answer, it presses the same button again, as people do.
async fn press(shared: &Shared, chance: &mut Chance, address: &str, page: &Page) {
    let browser = shared.next.fetch_add(1, Ordering::SeqCst);
    for _ in 0..2 {
        let began = Instant::now();
        let outcome = match shared.ask(&page.press(), chance).await {
            Ok(answer) => match browser::session(&answer) {
                Some(token) => Outcome::Session(token),
                None if browser::is_used(&answer) => Outcome::Used,
                None if answer.status >= 500 => Outcome::Unknown,
                None => panic!("neither a session nor a refusal: {answer:?}"),
            },
            Err(NoAnswer::Cut(_)) => Outcome::Unknown,
            Err(NoAnswer::Refused) => Outcome::NotAsked,
        };
        let is_known = matches!(outcome, Outcome::Session(_) | Outcome::Used);
        let attempt = Attempt { browser, began, ended: Instant::now(), outcome };
        lock(&shared.history).attempts.entry(address.to_owned()).or_default().push(attempt);
        if is_known {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Hands out what came by mail, but for every tenth link.
async fn collect(shared: Arc<Shared>, sink: Arc<SmtpSink>) {
    let mut seen = HashSet::new();
    let mut count = 0;
    while !shared.is_over() {
        let new = sink.mail_after(count);
        count += new.len();
        for mail in new {
            if seen.insert(mail.to.clone()) && !mail.to.contains("0@") {
                lock(&shared.mailed).push((mail.to.clone(), Fleet::link_in(&mail)));
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
