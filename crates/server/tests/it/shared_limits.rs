//! Limits over two servers, whatever a client invents (`security.md` 25).

use tokio::task::JoinSet;

use crate::fleet::browser::send_with;
use crate::fleet::database::Database;
use crate::fleet::process::Process;
use crate::fleet::wire::{Answer, ask};
use crate::fleet::{Fleet, both};

both!(
    sec_25_a_small_limit_holds_exactly_over_two_servers,
    sec_25_a_large_limit_holds_within_5_percent_over_two_servers,
    sec_25_what_a_client_writes_before_a_trusted_proxy_does_is_not_believed,
);

/// What a client of one network invents to look like many, or to reach the same operation unseen.
fn disguises(number: usize) -> (String, Vec<(&'static str, String)>) {
    let invented = format!("203.0.113.{}", number % 250);
    let headers = match number % 9 {
        0 => vec![],
        1 => vec![("X-Forwarded-For", invented)],
        2 => vec![("X-Forwarded-For", format!("{invented}, 198.51.100.{}", number % 250))],
        3 => vec![("X-Real-IP", invented.clone()), ("Client-IP", invented.clone()), ("True-Client-IP", invented)],
        4 => vec![("Forwarded", format!("for={invented};proto=https"))],
        5 => vec![("X-Forwarded-For", format!("[2001:db8:{number:x}::1]:99")), ("Via", "1.1 proxy".to_owned())],
        6 => vec![("X-Forwarded-Host", format!("{number}.example.com")), ("CF-Connecting-IP", invented)],
        7 => vec![("User-Agent", format!("Agent/{number}")), ("Accept-Language", "de".to_owned())],
        _ => vec![("X-Forwarded-For", "127.0.0.1".to_owned()), ("X-Forwarded-For", invented)],
    };
    let path = match number % 8 {
        0 => "/api/auth/send-magic-link".to_owned(),
        1 => "/auth/send-magic-link".to_owned(),
        2 => format!("/api/auth/send-magic-link?n={number}"),
        3 => "/api/auth/send%2Dmagic-link".to_owned(),
        4 => "//api/auth/send-magic-link".to_owned(),
        5 => "/api/auth/./send-magic-link".to_owned(),
        6 => "/api/auth/send-magic-link/".to_owned(),
        _ => "/API/auth/Send-Magic-Link".to_owned(),
    };
    (path, headers)
}

/// Nothing worth mentioning comes back within ten hours while a test runs.
fn limit(count: usize) -> String {
    format!("limit_per_network = \"{count} per 10h\"")
}

/// So many requests at once, over both servers, each in its own disguise and for an address of its own.
async fn storm(servers: &[Process; 2], count: usize, more: fn(usize) -> Vec<(&'static str, String)>) -> Vec<Answer> {
    let mut all = JoinSet::new();
    for number in 0..count {
        let (path, mut headers) = disguises(number);
        headers.extend(more(number));
        let port = servers[number / 8 % 2].port;
        all.spawn(async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ask(port, &send_with(&path, &format!("n{number}@example.com"), &headers)).await.expect("an answer")
        });
    }
    all.join_all().await
}

/// How many were let through; all others must be refused in the right way, and cost no mail.
async fn let_through(fleet: &Fleet, answers: &[Answer]) -> usize {
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    // A path that leads nowhere costs nothing; those that lead to the operation are three of eight at least.
    assert_eq!(with(200) + with(429) + with(404), answers.len(), "{answers:?} {:?}", fleet.complaints());
    assert!(with(200) + with(429) >= answers.len() * 3 / 8, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        let wait = refused.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        assert!(wait.is_some_and(|seconds| seconds > 0) && refused.body.contains("rate_limited"), "{refused:?}");
    }
    fleet.drained().await;
    assert_eq!(fleet.sink.mail().len(), with(200), "one mail for each that was let through, and no other");
    let links = fleet.database.number("SELECT count(*) FROM links").await;
    assert_eq!(links, with(200) as i64, "and one link");
    with(200)
}

async fn sec_25_a_small_limit_holds_exactly_over_two_servers(database: Database) {
    let fleet = Fleet::with(database, "", &limit(20)).await;
    let servers = [fleet.start().await, fleet.start().await];
    let answers = storm(&servers, 160, |_| vec![]).await;
    assert_eq!(let_through(&fleet, &answers).await, 20);
    drop(servers);
    fleet.database.remove().await;
}

/// A large budget is handed to the servers in parts, so some of it may be with the one that is not asked any more.
async fn sec_25_a_large_limit_holds_within_5_percent_over_two_servers(database: Database) {
    let fleet = Fleet::with(database, "", &limit(400)).await;
    let servers = [fleet.start().await, fleet.start().await];
    let answers = storm(&servers, 1600, |_| vec![]).await;
    let count = let_through(&fleet, &answers).await;
    assert!((380..=400).contains(&count), "{count}");
    drop(servers);
    fleet.database.remove().await;
}

async fn sec_25_what_a_client_writes_before_a_trusted_proxy_does_is_not_believed(database: Database) {
    let fleet = Fleet::with(database, "trusted_proxies = [\"127.0.0.1\"]", &limit(20)).await;
    let servers = [fleet.start().await, fleet.start().await];
    // The proxy appends whom it saw: one subscriber, who has a whole /64 to himself and uses it.
    let answers = storm(&servers, 160, |number| vec![("X-Forwarded-For", format!("2001:db8:1:2::{number:x}"))]).await;
    assert_eq!(let_through(&fleet, &answers).await, 20);
    let neighbour = [("X-Forwarded-For", "2001:db8:1:2::1, 2001:db8:1:3::1")];
    let served = ask(servers[0].port, &send_with("/auth/send-magic-link", "neighbour@example.com", &neighbour)).await;
    assert_eq!(served.expect("an answer").status, 200, "another subscriber has a budget of its own");
    drop(servers);
    fleet.database.remove().await;
}
