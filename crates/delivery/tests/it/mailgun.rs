//! Mailgun's API as its fake answers it.

use passlink_delivery::{MailgunSender, MailgunSettings};
use passlink_engine::messages::sender::{SendOutcome, Sender};
use passlink_engine::time::Lifetime;
use passlink_testkit::mailgun::{Encoding, MailgunFake, MailgunOptions};

use crate::{address, class, expect, message_to, secret};

fn settings(fake: &MailgunFake) -> MailgunSettings {
    let mut settings = MailgunSettings::new("mg.example.com", secret("key-testkit"));
    settings.base_url = fake.base_url("127.0.0.1");
    settings
}

async fn fake_and_sender() -> (MailgunFake, MailgunSender) {
    let fake = MailgunFake::start(MailgunOptions::default()).await;
    let sender = MailgunSender::new("mail", settings(&fake)).expect("valid");
    (fake, sender)
}

#[tokio::test]
async fn sec_29_the_whole_request() {
    let (fake, sender) = fake_and_sender().await;
    let mut message = message_to("ada@example.com");
    message.from.name = Some("Ätna \"The\", \\ Söhne".to_owned());
    message.subject = "Anmelden ☃, jetzt".to_owned();
    message.reply_to = Some(address("help@example.org"));
    let outcome = sender.send(&message).await;

    let [request] = fake.requests().try_into().expect("one request");
    assert_eq!((request.path.as_str(), request.status), ("/v3/mg.example.com/messages", 200));
    assert_eq!(outcome, SendOutcome::Sent { provider_id: Some("2026.00000000@mg.example.com".to_owned()) });
    assert_eq!(request.encoding, Some(Encoding::Multipart));
    assert_eq!(request.header("authorization"), Some("Basic YXBpOmtleS10ZXN0a2l0"));
    assert_eq!(request.header("user-agent"), Some("passlink/0.1.0"));
    let mut headers: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    headers.sort_unstable();
    assert_eq!(headers, ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]);
    let id = message.id.to_string();
    let message_id = format!("<{id}@example.org>");
    let expected = [
        ("from", "\"Ätna \\\"The\\\", \\\\ Söhne\" <no-reply@example.org>"),
        ("to", "ada@example.com"),
        ("subject", "Anmelden ☃, jetzt"),
        ("text", message.text.expose()),
        ("html", message.html.as_ref().map(|html| html.expose()).unwrap_or_default()),
        ("h:Reply-To", "help@example.org"),
        ("o:tag", "magic-link"),
        ("o:tracking", "no"),
        ("o:tracking-clicks", "no"),
        ("o:tracking-opens", "no"),
        ("v:message_id", &id),
        ("h:Message-Id", &message_id),
        ("h:Auto-Submitted", "auto-generated"),
        ("h:X-Auto-Response-Suppress", "All"),
        ("h:Content-Language", "en"),
    ];
    let fields: Vec<(&str, &str)> = request.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, expected);
    let body = String::from_utf8(request.body).expect("text");
    assert!(body.contains("Content-Disposition: form-data; name=\"o:tracking\"\r\n\r\nno\r\n"), "{body}");
}

#[tokio::test]
async fn parts_that_are_missing_are_left_out() {
    let (fake, sender) = fake_and_sender().await;
    let mut message = message_to("ada@example.com");
    (message.html, message.from.name, message.tag) = (None, None, String::new());
    expect(&sender.send(&message).await, "sent");
    let [request] = fake.accepted_for("ada@example.com").try_into().expect("one");
    assert_eq!(request.field("from"), ["no-reply@example.org"]);
    for missing in ["html", "h:Reply-To", "o:tag"] {
        assert!(request.field(missing).is_empty(), "{missing}");
    }
}

#[tokio::test]
async fn every_answer_has_its_class() {
    let (fake, sender) = fake_and_sender().await;
    let cases = [
        ("error500", "retry", "500"),
        ("error401", "misconfigured", "region"),
        ("error403", "misconfigured", "403"),
        ("error429", "retry", "429"),
        ("refuse", "refused", "(r•••@e•••.com)"),
        ("nonjson", "retry", "not Mailgun's"),
        ("redirect", "misconfigured", "redirects are not followed"),
    ];
    for (local, expected, said) in cases {
        let outcome = sender.send(&message_to(&format!("{local}@example.com"))).await;
        expect(&outcome, expected);
        assert!(class(&outcome).1.contains(said), "{outcome:?}");
    }
    // One request each: no retries in here, no redirect followed.
    assert_eq!(fake.requests().len(), cases.len());
}

#[tokio::test]
async fn the_next_attempt_succeeds_and_repeats_the_message_id() {
    let (fake, sender) = fake_and_sender().await;
    for local in ["once429", "once500"] {
        let to = format!("{local}@example.com");
        expect(&sender.send(&message_to(&to)).await, "retry");
        expect(&sender.send(&message_to(&to)).await, "sent");
        let requests = fake.requests();
        let of: Vec<_> = requests.iter().filter(|request| request.field("to") == [to.as_str()]).collect();
        assert_eq!(of.len(), 2);
        assert_eq!(of[0].field("h:Message-Id"), of[1].field("h:Message-Id"));
        assert_eq!(fake.accepted_for(&to).len(), 1);
    }
}

#[tokio::test]
async fn the_wish_to_wait_is_passed_on() {
    let (_fake, sender) = fake_and_sender().await;
    let SendOutcome::Retry { after: Some(after), .. } = sender.send(&message_to("error429@example.com")).await else {
        panic!("a wish was expected");
    };
    assert!((25..=30).contains(&after.as_secs()), "{after}");
}

#[tokio::test]
async fn a_wrong_key_domain_or_inactive_domain_is_an_alarm() {
    let fake = MailgunFake::start(MailgunOptions::default()).await;
    let mut wrong_key = settings(&fake);
    wrong_key.api_key = secret("key-wrong");
    let mut wrong_domain = settings(&fake);
    wrong_domain.domain = "mg.example.net".to_owned();
    let inactive = MailgunFake::start(MailgunOptions { domain_is_active: false, ..MailgunOptions::default() }).await;
    for settings in [wrong_key, wrong_domain, settings(&inactive)] {
        expect(&MailgunSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await, "misconfigured");
    }
}

#[tokio::test]
async fn time_is_limited() {
    let fake = MailgunFake::start(MailgunOptions::default()).await;
    let mut settings = settings(&fake);
    settings.timeout = Lifetime::from_millis(300);
    let outcome = MailgunSender::new("mail", settings).expect("valid").send(&message_to("slow@example.com")).await;
    expect(&outcome, "retry");
    assert_eq!(class(&outcome).1, "no answer from 127.0.0.1 in time");
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let mut settings = MailgunSettings::new("mg.example.com", secret("key-testkit"));
    settings.base_url = format!("http://{closed}");
    let outcome = MailgunSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await;
    expect(&outcome, "retry");
    assert!(class(&outcome).1.contains("Connection refused"), "{outcome:?}");
}

#[tokio::test]
async fn sec_29_header_injection_is_refused_before_any_call() {
    let (fake, sender) = fake_and_sender().await;
    let mut message = message_to("ada@example.com");
    message.subject = "Hi\r\nBcc: eve@example.net".to_owned();
    expect(&sender.send(&message).await, "refused");
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn sec_30_wrong_name_certificate_is_refused() {
    for (names, expected) in [("localhost", "sent"), ("api.mailgun.net", "misconfigured")] {
        let fake = MailgunFake::start(MailgunOptions { tls_names: vec![names.to_owned()], ..MailgunOptions::default() }).await;
        let mut settings = settings(&fake);
        settings.base_url = fake.base_url("localhost");
        let untrusting = MailgunSender::new("mail", settings.clone()).expect("valid");
        expect(&untrusting.send(&message_to("ada@example.com")).await, "misconfigured");
        assert!(fake.requests().is_empty());
        settings.ca_certificates = fake.ca_pem().map(str::to_owned);
        let sender = MailgunSender::new("mail", settings).expect("valid");
        expect(&sender.send(&message_to("ada@example.com")).await, expected);
        assert_eq!(fake.requests().len(), usize::from(expected == "sent"));
    }
}
