//! PostgreSQL goes away and comes back under a running server (`security.md` 48).

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::fleet::browser::{Page, open, opening, refresh, send, session};
use crate::fleet::cluster::Cluster;
use crate::fleet::database::Database;
use crate::fleet::passage::Passage;
use crate::fleet::process::Process;
use crate::fleet::wire::{Answer, ask, request};
use crate::fleet::{Fleet, WIDE};
use crate::support::PATIENCE;

/// A machine client, which the Asset dialect needs. The Base64 is that of `machine:secret-test-outage`.
const CLIENT: &str = "[[apps.shop.clients]]\nclient_id = \"machine\"\nclient_secret = \"secret-test-outage\"";
const CREDENTIALS: &str = "Basic bWFjaGluZTpzZWNyZXQtdGVzdC1vdXRhZ2U=";

async fn fleet(database: Database) -> Fleet {
    let limits = ["limit_per_network", "limit_requests_per_app", "limit_requests_per_group"];
    let limits: String = limits.iter().map(|name| format!("{name} = \"{WIDE}\"\n")).collect();
    Fleet::with(database, "", &format!("{limits}{CLIENT}")).await
}

/// What a machine client asks for, each with what it names it.
async fn machine(fleet: &Fleet, server: &Process) -> Vec<(&'static str, String)> {
    let form = [("Authorization", CREDENTIALS), ("Content-Type", "application/x-www-form-urlencoded")];
    let token = request("POST", "/v0/auth/token", &form, "");
    let data = async |request: &str| {
        let answer = ask(server.port, request).await.expect("an answer");
        assert!(answer.status < 300, "{answer:?} {:?}", fleet.complaints());
        serde_json::from_str::<serde_json::Value>(&answer.body).expect("JSON")
    };
    let bearer = format!("Bearer {}", data(&token).await["access_token"].as_str().expect("a token"));
    let call = |method: &str, path: &str, body: serde_json::Value| {
        request(method, path, &[("Authorization", &bearer), ("Content-Type", "application/json")], &body.to_string())
    };
    let business = serde_json::json!({"name": "Shop", "entity_type": "llc", "entries_start": "2026-01-01", "fiscal_year": "12/31",
        "external_id": "shop"});
    data(&call("POST", "/v0/business", business)).await;
    let link = call("POST", "/v0/auth/magic-link", serde_json::json!({"external_business_id": "shop"}));
    let url = data(&link).await["data"]["magic_link"].as_str().expect("a link").to_owned();
    let path = url.split_once("/magic-link").map(|(_, rest)| format!("/magic-link{rest}")).expect("a link of ours");
    // Whether there is such a session, only the database can tell.
    let session = format!("Bearer pls_E{}", "A".repeat(55));
    vec![
        ("asset token", token),
        ("asset link", link),
        ("asset businesses", call("GET", "/v0/business", serde_json::json!({}))),
        ("asset session", request("GET", "/v0/auth/session", &[("Authorization", &session)], "")),
        ("opening of an asset link", request("GET", &path, &[], "")),
    ]
}

/// What people do at the time: everything that needs the database in a way of its own.
struct Requests(Vec<(&'static str, String)>);

impl Requests {
    async fn prepare(fleet: &Fleet, server: &Process) -> Self {
        let path = link(fleet, server, "ada@example.com").await;
        let page = shown(server, &path).await;
        let other = link(fleet, server, "bob@example.com").await;
        let answer = ask(server.port, &shown(server, &other).await.press()).await.expect("an answer");
        let token = session(&answer).expect("a session");
        let mut all = machine(fleet, server).await;
        all.extend([
            ("send", send("eve@example.com")),
            ("open", opening(&path)),
            ("press", page.press()),
            ("refresh", refresh(&token)),
            ("ready", request("GET", "/readyz", &[], "")),
        ]);
        Self(all)
    }

    /// Everything several times at once; answers what came, and how long it took.
    async fn ask(&self, port: u16, times: usize) -> Vec<(&'static str, Answer, Duration)> {
        let mut all = JoinSet::new();
        for (what, request) in self.0.iter().cycle().take(self.0.len() * times) {
            let (what, request) = (*what, request.clone());
            all.spawn(async move {
                let start = Instant::now();
                let answer = ask(port, &request).await.expect("an answer");
                (what, answer, start.elapsed())
            });
        }
        all.join_all().await
    }
}

async fn link(fleet: &Fleet, server: &Process, address: &str) -> String {
    let sent = ask(server.port, &send(address)).await.expect("an answer");
    assert_eq!(sent.status, 200, "{sent:?} {:?}", fleet.complaints());
    fleet.drained().await;
    Fleet::link_in(&fleet.sink.mail_to(address)[0])
}

async fn shown(server: &Process, path: &str) -> Page {
    open(server.port, path).await.expect("an answer").expect("a button")
}

/// Some seconds without the database, asked all the time: always the right refusal, in time, and the process stays well.
async fn endure(fleet: &Fleet, server: &Process, requests: &Requests) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        let all = requests.ask(server.port, 8);
        let health = async {
            let begun = Instant::now();
            let answer = server.get("/healthz").await.expect("an answer");
            (answer.status, begun.elapsed())
        };
        let (answers, (status, took)) = tokio::join!(all, health);
        assert_eq!(status, 200, "the process lives");
        assert!(took < Duration::from_secs(1), "health took {took:?}");
        for (what, answer, took) in answers {
            assert_eq!(answer.status, 503, "{what}: {answer:?} {:?}", fleet.complaints().last());
            assert!(
                answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()),
                "{what}: {}",
                answer.head
            );
            assert!(took < Duration::from_secs(3), "{what} took {took:?}");
            if what.starts_with("asset") {
                let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
                assert!(body["error"].is_string() && body["data"].is_null(), "{what}: {answer:?}");
                assert!(answer.header("x-ratelimit-limit").is_some(), "{what}: {}", answer.head);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Everything works again, without a restart.
async fn recover(fleet: &Fleet, server: &Process, number: u32) {
    let start = Instant::now();
    let ready = request("GET", "/readyz", &[], "");
    for request in [send(&format!("back{number}@example.com")), ready] {
        while ask(server.port, &request).await.expect("an answer").status != 200 {
            assert!(start.elapsed() < Duration::from_secs(5), "no recovery {number}: {:#?}", fleet.complaints());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    while fleet.sink.mail_to(&format!("back{number}@example.com")).is_empty() {
        assert!(start.elapsed() < PATIENCE, "no mail: {:?}", fleet.complaints().last());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Kilobytes of memory that the process holds.
fn memory(server: &Process) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_48_the_database_stops_and_starts_again() {
    let mut cluster = Cluster::start().await;
    let fleet = fleet(Database::schema_on(&cluster.url()).await).await;
    let server = fleet.start().await;
    let requests = Requests::prepare(&fleet, &server).await;
    let before = memory(&server);
    for number in 0..2 {
        cluster.end();
        endure(&fleet, &server, &requests).await;
        cluster.begin().await;
        recover(&fleet, &server, number).await;
    }
    if let (Some(before), Some(after)) = (before, memory(&server)) {
        assert!(after - before < 30_000, "memory grew from {before} to {after} kB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_48_the_database_hangs_and_goes_on() {
    let mut cluster = Cluster::start().await;
    let fleet = fleet(Database::schema_on(&cluster.url()).await).await;
    let server = fleet.start().await;
    let requests = Requests::prepare(&fleet, &server).await;
    cluster.freeze().await;
    endure(&fleet, &server, &requests).await;
    cluster.thaw();
    recover(&fleet, &server, 0).await;
}

/// As when the database's address moves to another machine: nothing tells that the old connections are dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_48_connections_that_die_without_a_word_are_replaced() {
    let cluster = Cluster::start().await;
    let direct = Database::schema_on(&cluster.url()).await;
    let passage = Passage::to(cluster.address()).await;
    let behind = Database::Postgres(direct.url().replace(&cluster.address(), &format!("127.0.0.1:{}", passage.port)));
    let fleet = fleet(behind).await;
    let server = fleet.start().await;
    let requests = Requests::prepare(&fleet, &server).await;
    // All connections are in use once, so that all of them can die.
    requests.ask(server.port, 8).await;
    for number in 0..2 {
        passage.silence();
        for (what, answer, took) in requests.ask(server.port, 8).await {
            assert!(took < Duration::from_secs(3), "{what} took {took:?}: {answer:?}");
        }
        recover(&fleet, &server, number).await;
        for (what, answer, _) in requests.ask(server.port, 8).await {
            assert!(answer.status < 500, "{what}: {answer:?} {:?}", fleet.complaints().last());
        }
    }
}
