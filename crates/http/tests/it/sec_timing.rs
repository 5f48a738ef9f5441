//! Time tells nothing (`security.md` 5, 17, 31). Classes are interleaved and compared by rank (Mann and Whitney), so that what the machine does
//! besides falls on all alike; the bound is one that chance exceeds about once in a million runs.

use std::time::{Duration, Instant};

use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::{RequestContext, Scopes};
use passlink_engine::keys::ServerKeys;
use passlink_engine::secret::{Secret, Token, TokenKind};
use passlink_engine::time::Timestamp;
use serde_json::json;

use crate::support::{Kind, SERVER_SECRET, TestApp};

/// How far the ranks of two samples lie apart, in standard deviations.
fn apart(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = one.iter().map(|t| (*t, true)).chain(other.iter().map(|t| (*t, false))).collect();
    all.sort_unstable();
    let ranks: f64 = all.iter().enumerate().filter(|(_, (_, is_one))| *is_one).map(|(rank, _)| rank as f64 + 1.0).sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let mean = n * (n + m + 1.0) / 2.0;
    (ranks - mean) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

const FAR: f64 = 5.0;

/// Measures up to three times: a difference of ours is there each time, one of the machine is not.
async fn never_lies_apart(what: &str, measure: impl AsyncFn() -> f64) {
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(measure().await);
        if seen.last().is_some_and(|apart| apart.abs() < FAR) {
            return;
        }
    }
    panic!("{what} lie apart, in deviations each time: {seen:.1?}");
}

#[test]
fn the_measure_itself_tells_a_tenth_apart() {
    let sample = |base: u64| -> Vec<Duration> { (0..300).map(|i| Duration::from_nanos(base + (i * 7919) % 400)).collect() };
    assert!(apart(&sample(1000), &sample(1000)).abs() < 0.1);
    assert!(apart(&sample(1000), &sample(1100)).abs() > FAR);
}

#[tokio::test]
async fn sec_31_time_does_not_tell_who_has_an_account() {
    never_lies_apart("known and unknown addresses", known_and_unknown).await;
}

async fn known_and_unknown() -> f64 {
    const PEOPLE: usize = 40;
    const TIMES: usize = 25;
    let app = TestApp::with(|setup| setup.in_memory = true).await;
    let address = |is_known: bool, number: usize| format!("{}{number}@example.com", if is_known { "known" } else { "other" });
    for number in 0..PEOPLE {
        let mail = app.link_for(&address(true, number)).await;
        assert_eq!(app.browser(Kind::Chrome).redeem(mail.path()).await.status, 303);
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..PEOPLE * TIMES {
        // Which goes first changes, in no simple pattern.
        let order = if (number * 2_654_435_761) & 64 == 0 { [true, false] } else { [false, true] };
        for is_known in order {
            let body = json!({"email": address(is_known, number % PEOPLE)});
            let begun = Instant::now();
            let answer = app.post_json("/auth/send-magic-link", &body).await;
            let took = begun.elapsed();
            assert_eq!(answer.status, 200);
            if is_known { known.push(took) } else { unknown.push(took) }
        }
    }
    apart(&known, &unknown)
}

#[tokio::test]
async fn sec_17_time_does_not_tell_wrong_links_apart() {
    never_lies_apart("wrong, foreign and malformed links", wrong_links).await;
}

async fn wrong_links() -> f64 {
    const EACH: usize = 200;
    let app = TestApp::with(|setup| setup.in_memory = true).await;
    let tag = app.app().tag;
    let token = |kind, tag, number: usize| {
        let mut random = [7; 32];
        random[..8].copy_from_slice(&number.to_le_bytes());
        Token::new(kind, tag, Timestamp::from_millis(1_800_000_000_000), random).expose().expose().to_owned()
    };
    let mut samples: [Vec<Duration>; 4] = Default::default();
    for number in 0..EACH {
        for place in 0..4 {
            let class = (place + number) % 4;
            let text = match class {
                0 => token(TokenKind::SignInLink, tag, number),
                1 => token(TokenKind::SignInLink, *b"other", number),
                2 => token(TokenKind::Session, tag, number),
                _ => format!("plk_{number:056}"),
            };
            let begun = Instant::now();
            let answer = app.get(&format!("/l/{text}")).await;
            samples[class].push(begun.elapsed());
            assert_eq!(answer.status, 410);
        }
    }
    // The class that lies furthest from tokens never issued.
    samples[1..].iter().map(|sample| apart(&samples[0], sample)).max_by(|one, other| one.abs().total_cmp(&other.abs())).unwrap()
}

#[tokio::test]
async fn sec_17_time_does_not_tell_dead_links_apart() {
    never_lies_apart("used and expired links", dead_links).await;
}

/// Used, and expired: the two that are known, and told on the page; what is told besides is the same for both.
async fn dead_links() -> f64 {
    const EACH: usize = 200;
    let app = TestApp::with(|setup| setup.in_memory = true).await;
    let mut paths: [Vec<String>; 2] = Default::default();
    for number in 0..EACH / 20 {
        paths[0].push(app.link_for(&format!("old{number}@example.com")).await.path().to_owned());
    }
    app.clock.advance_secs(601);
    for number in 0..EACH / 20 {
        let mail = app.link_for(&format!("used{number}@example.com")).await;
        assert_eq!(app.browser(Kind::Chrome).redeem(mail.path()).await.status, 303);
        paths[1].push(mail.path().to_owned());
    }
    app.clock.advance_secs(120);
    let mut samples: [Vec<Duration>; 2] = Default::default();
    for number in 0..EACH {
        for place in 0..2 {
            let class = (place + number) % 2;
            let path = &paths[class][number % paths[class].len()];
            let begun = Instant::now();
            let answer = app.get(path).await;
            samples[class].push(begun.elapsed());
            assert_eq!(answer.status, 410);
        }
    }
    apart(&samples[0], &samples[1])
}

#[tokio::test]
async fn sec_05_time_does_not_tell_how_much_of_a_secret_is_right() {
    never_lies_apart("secrets more and less like the right one", wrong_secrets).await;
}

async fn wrong_secrets() -> f64 {
    const EACH: usize = 300;
    let app = TestApp::with(|setup| setup.in_memory = true).await;
    let operator = app.engine.operator(&RequestContext::default(), &app.app().name).unwrap();
    let secret = "correct-horse-battery-staple-0123456789";
    let client = SaveClient {
        client_id: Some("backend".to_owned()),
        client_secret: Some(Secret::new(secret.to_owned())),
        scopes: Scopes::parse("link:create"),
        label: None,
        expires_at: None,
    };
    app.engine.save_client(&operator, client).await.unwrap();
    // What is compared are keyed hashes, so likeness in the text does not make likeness there; guesses with both are tried, as no attacker could choose them.
    let keys = ServerKeys::derive(&SERVER_SECRET).unwrap();
    let right = keys.credential_hash("backend", secret);
    let alike = |guess: &String| {
        keys.credential_hash("backend", guess).iter().zip(&right).take_while(|(guessed, right)| guessed == right).count()
    };
    let guesses = || (0..).map(|number| format!("guess-number-{number:026}"));
    let classes = [
        guesses().find(|guess| alike(guess) == 0).unwrap(),
        guesses().find(|guess| alike(guess) == 2).unwrap(),
        format!("X{}", &secret[1..]),
        format!("{}X", &secret[..secret.len() - 1]),
    ];
    let mut samples: [Vec<Duration>; 4] = Default::default();
    for number in 0..EACH {
        for place in 0..classes.len() {
            let class = (place + number) % classes.len();
            let begun = Instant::now();
            app.engine.authenticate_client(&RequestContext::default(), "backend", &classes[class]).await.unwrap_err();
            samples[class].push(begun.elapsed());
        }
    }
    let (hashes, texts) = (apart(&samples[0], &samples[1]), apart(&samples[2], &samples[3]));
    if hashes.abs() > texts.abs() { hashes } else { texts }
}
