//! The signed webhook.

use std::net::{IpAddr, Ipv4Addr};

use passlink_delivery::{WebhookSender, WebhookSettings};
use passlink_engine::messages::sender::{SendOutcome, Sender};
use passlink_engine::time::Lifetime;
use passlink_testkit::webhook::{Answer, WebhookSink};
use standardwebhooks::Webhook;

use crate::{class, expect, message_to, secret};

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Settings for a sink on loopback without TLS.
pub fn settings(sink: &WebhookSink) -> WebhookSettings {
    let mut settings = WebhookSettings::new(format!("http://{}/hooks/mail?x=1", sink.address()), secret(SECRET));
    settings.allow_loopback_http = true;
    settings
}

async fn sink_and_sender() -> (WebhookSink, WebhookSender) {
    let sink = WebhookSink::start(LOOPBACK, 0, &[]).await;
    let sender = WebhookSender::new("hook", settings(&sink)).expect("valid");
    (sink, sender)
}

#[tokio::test]
async fn sec_38_the_request_is_signed_and_whole() {
    let (sink, sender) = sink_and_sender().await;
    let message = message_to("ada@example.com");
    assert_eq!(sender.send(&message).await, SendOutcome::Sent { provider_id: None });
    let [request] = sink.requests().try_into().expect("one request");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks/mail?x=1"));
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["webhook-id"], message.id.to_string().as_str());
    assert!(request.headers["webhook-signature"].to_str().is_ok_and(|value| value.starts_with("v1,")));
    let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = serde_json::json!({
        "type": "message.send",
        "id": message.id.to_string(),
        "app": "app-live-1",
        "channel": "email",
        "to": "ada@example.com",
        "subject": "Sign in to Example",
        "text": message.text.expose(),
        "html": message.html.as_ref().map(|html| html.expose()),
        "link": "https://id.example.org/l/plk_AAAA",
        "code": "482913",
        "language": "en",
        "expires_at": "2026-11-18T11:16:40Z",
    });
    assert_eq!(body, expected);

    // An independent implementation of the standard verifies it, timestamp included, and refuses what was changed.
    let verifier = Webhook::new(SECRET).expect("secret");
    verifier.verify(&request.body, &request.headers).expect("a valid signature");
    assert!(verifier.verify(b"{}", &request.headers).is_err());
    let other = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("secret");
    assert!(other.verify(&request.body, &request.headers).is_err());
}

#[tokio::test]
async fn the_id_is_the_same_for_every_attempt() {
    let (sink, sender) = sink_and_sender().await;
    let message = message_to("ada@example.com");
    sink.answer_with(Answer::Status(500, Vec::new()));
    expect(&sender.send(&message).await, "retry");
    sink.answer_with(Answer::Status(200, Vec::new()));
    expect(&sender.send(&message).await, "sent");
    let [first, second] = sink.requests().try_into().expect("two requests");
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn every_status_has_its_class() {
    let (sink, sender) = sink_and_sender().await;
    let cases = [
        ("sent", vec![200, 201, 202, 204]),
        ("retry", vec![408, 429, 500, 502, 503, 504]),
        ("refused", vec![400, 404, 410, 413, 422]),
        ("misconfigured", vec![401, 403]),
    ];
    for (expected, statuses) in cases {
        for status in statuses {
            sink.answer_with(Answer::Status(status, Vec::new()));
            expect(&sender.send(&message_to("ada@example.com")).await, expected);
        }
    }
    sink.answer_with(Answer::Status(429, vec![("retry-after".to_owned(), "77".to_owned())]));
    let outcome = sender.send(&message_to("ada@example.com")).await;
    assert!(matches!(outcome, SendOutcome::Retry { after: Some(after), .. } if after == Lifetime::from_secs(77)), "{outcome:?}");
}

#[tokio::test]
async fn sec_38_redirects_are_not_followed() {
    let (sink, sender) = sink_and_sender().await;
    let elsewhere = WebhookSink::start(LOOPBACK, 0, &[]).await;
    for status in [301, 302, 303, 307, 308] {
        sink.answer_with(Answer::Status(status, vec![("location".to_owned(), format!("http://{}/", elsewhere.address()))]));
        expect(&sender.send(&message_to("ada@example.com")).await, "misconfigured");
    }
    assert_eq!((sink.requests().len(), elsewhere.requests().len()), (5, 0));
}

#[tokio::test]
async fn sec_38_an_endless_answer_is_cut() {
    let (sink, sender) = sink_and_sender().await;
    sink.answer_with(Answer::Endless);
    expect(&sender.send(&message_to("ada@example.com")).await, "sent");
    // What the sockets' buffers took in addition to the 64 KB that were read.
    assert!(sink.streamed() < 32 * 1024 * 1024, "{}", sink.streamed());
}

#[tokio::test]
async fn sec_38_time_is_limited() {
    let sink = WebhookSink::start(LOOPBACK, 0, &[]).await;
    assert_eq!(settings(&sink).timeout, Lifetime::from_secs(5));
    sink.answer_with(Answer::Silence);
    let mut settings = settings(&sink);
    settings.timeout = Lifetime::from_millis(300);
    let outcome = WebhookSender::new("hook", settings).expect("valid").send(&message_to("ada@example.com")).await;
    expect(&outcome, "retry");
    assert!(class(&outcome).1.contains("in time"), "{outcome:?}");
}
