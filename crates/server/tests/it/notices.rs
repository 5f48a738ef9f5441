//! A used link is told to the app's own server, by the real binary: signed, and again when that server was away.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use passlink_testkit::webhook::{Answer, WebhookSink};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::fleet::database::Database;
use crate::fleet::wire::{ask, request};

/// The Base64 is that of `machine:secret-test-notices`.
const CLIENT: &str = "[[apps.shop.clients]]\nclient_id = \"machine\"\nclient_secret = \"secret-test-notices\"";
const CREDENTIALS: &str = "Basic bWFjaGluZTpzZWNyZXQtdGVzdC1ub3RpY2Vz";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_link_is_told_until_it_is_heard() {
    let sink = WebhookSink::start(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, &[]).await;
    sink.answer_with(Answer::Status(500, Vec::new()));
    let app = format!(
        "opening = \"immediate\"\nnotice_url = \"http://{}/hooks\"\nnotice_private_addresses = true\n{CLIENT}",
        sink.address()
    );
    let fleet = Fleet::with(Database::sqlite(), "", &app).await;
    let server = fleet.start().await;
    let ask = async |text: String| {
        let answer = ask(server.port, &text).await.expect("an answer");
        assert!(answer.status < 400, "{answer:?} {:?}", fleet.complaints());
        answer
    };
    let form = [("Authorization", CREDENTIALS), ("Content-Type", "application/x-www-form-urlencoded")];
    let token: Value = serde_json::from_str(&ask(request("POST", "/v0/auth/token", &form, "")).await.body).expect("JSON");
    let bearer = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
    let call = async |path: &str, body: Value| -> Value {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        serde_json::from_str(&ask(request("POST", path, &headers, &body.to_string())).await.body).expect("JSON")
    };
    let business = json!({"name": "Shop", "entity_type": "llc", "entries_start": "2026-01-01", "fiscal_year": "12/31",
        "external_id": "shop"});
    call("/v0/business", business).await;
    let link = call("/v0/auth/magic-link", json!({"external_business_id": "shop"})).await;
    let url = link["data"]["magic_link"].as_str().expect("a link");
    let path = &url[url.find("/magic-link").expect("a link of ours")..];
    ask(request("GET", path, &[], "")).await;

    let begun = Instant::now();
    while sink.requests().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing came: {:?}", fleet.complaints());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sink.answer_with(Answer::Status(200, Vec::new()));
    while sink.requests().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "no second try: {:?}", fleet.complaints());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(8), "it waits before it tries again");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let [first, second] = sink.requests().try_into().expect("no third try");
    assert_eq!((&first.body, &first.headers["asset-id"]), (&second.body, &second.headers["asset-id"]));
    let body: Value = serde_json::from_slice(&second.body).expect("JSON");
    assert_eq!(body["id"], second.headers["asset-id"].to_str().expect("text"));
    assert_eq!((&body["type"], &body["data"]["magic_link_id"]), (&json!("MAGIC_LINK_USED"), &link["data"]["magic_link_id"]));
    // 2048 bits in base64url without padding.
    assert_eq!(second.headers["asset-signature"].len(), 342);
    assert!(ask(request("GET", "/.well-known/jwks.json", &[], "")).await.body.contains("RS256"));
}
