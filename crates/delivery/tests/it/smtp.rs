//! What goes over the wire to a mail server.

use std::sync::Arc;

use mail_parser::MessageParser;
use passlink_delivery::{SenderSettings, SmtpSecurity, SmtpSender, SmtpSettings, build};
use passlink_engine::messages::sender::{SendOutcome, Sender};
use passlink_testkit::smtp::{SmtpOptions, SmtpSink};

use crate::{address, expect, message_to, secret};

/// A sender for the sink in clear text.
pub fn plain(sink: &SmtpSink) -> SmtpSettings {
    let mut settings = SmtpSettings::new("127.0.0.1");
    settings.port = Some(sink.address().port());
    settings.security = SmtpSecurity::Plain;
    settings
}

#[tokio::test]
async fn sec_29_bytes_on_the_wire() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = build("mail", SenderSettings::Smtp(plain(&sink))).expect("valid");
    assert_eq!(sender.name(), "mail");
    let mut message = message_to("ada@example.com");
    message.from.name = Some("Ätna, \"The\" <x@evil.example> \\ Söhne".to_owned());
    message.subject = "Anmelden für Übergrößenträger: ".to_owned() + &"schön ".repeat(40) + "and so =? on";
    message.reply_to = Some(address("help@example.org"));
    message.language = "de-AT".to_owned();
    let long = "x".repeat(3000);
    message.text = secret(&format!(".\n..\n.dot\nlone\rCR\r\nCRLF\n{long}\nFrom here é\n\n.\n"));
    message.html = Some(secret(&format!("<p>\n.\n{long}</p>")));
    expect(&sender.send(&message).await, "sent");

    assert_eq!(sink.violations(), Vec::<String>::new());
    let [mail] = sink.mail().try_into().expect("one mail");
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("no-reply@example.org", "ada@example.com"));
    assert!(mail.raw.is_ascii());
    let parsed = MessageParser::default().parse(&mail.raw).expect("a message");
    let from = parsed.from().and_then(|from| from.first()).expect("from");
    assert_eq!((from.name(), from.address()), (message.from.name.as_deref(), Some("no-reply@example.org")));
    assert_eq!(parsed.to().and_then(|to| to.first()).and_then(|to| to.address()), Some("ada@example.com"));
    assert_eq!(parsed.reply_to().and_then(|to| to.first()).and_then(|to| to.address()), Some("help@example.org"));
    assert_eq!(parsed.subject().map(str::trim), Some(message.subject.as_str()));
    let text = format!(".\n..\n.dot\nlone\nCR\nCRLF\n{long}\nFrom here é\n\n.\n");
    assert_eq!(parsed.body_text(0).map(|text| text.replace("\r\n", "\n")).as_deref().map(str::trim_end), Some(text.trim_end()));
    assert_eq!(
        parsed.body_html(0).map(|html| html.replace("\r\n", "\n")).as_deref(),
        Some(format!("<p>\n.\n{long}</p>").as_str())
    );

    let header = |name: &'static str| parsed.header_raw(name).map(str::trim);
    assert_eq!(parsed.date().map(|date| date.to_timestamp()), Some(1_795_000_000));
    assert_eq!(header("Message-ID"), Some(format!("<{}@example.org>", message.id).as_str()));
    assert_eq!(header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(header("X-Auto-Response-Suppress"), Some("All"));
    assert_eq!(header("Content-Language"), Some("de-AT"));
    assert_eq!(header("MIME-Version"), Some("1.0"));
    assert!(header("Content-Type").is_some_and(|kind| kind.starts_with("multipart/alternative")));
    let names: Vec<&str> = parsed.headers().iter().map(|header| header.name()).collect();
    for name in &names {
        assert_eq!(names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count(), 1, "{name} appears twice");
    }
}

#[tokio::test]
async fn sec_29_dots_are_stuffed() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    let mut message = message_to("ada@example.com");
    message.html = None;
    message.text = secret("before\n.\n.after\n");
    expect(&sender.send(&message).await, "sent");
    let mail = &sink.mail()[0];
    let wire = String::from_utf8_lossy(&mail.wire).into_owned();
    assert!(wire.contains("\r\nbefore\r\n..\r\n..after\r\n"), "{wire}");
    let raw = String::from_utf8_lossy(&mail.raw).into_owned();
    assert!(raw.contains("\r\nbefore\r\n.\r\n.after\r\n") && raw.contains("Content-Type: text/plain"), "{raw}");
}

#[tokio::test]
async fn sec_29_header_injection_is_refused_before_any_connection() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    for bad in ["Hi\r\nBcc: eve@example.net", "Hi\nX: y", "Hi\rX: y", "Hi\0"] {
        let mut message = message_to("ada@example.com");
        message.subject = bad.to_owned();
        expect(&sender.send(&message).await, "refused");
        let mut message = message_to("ada@example.com");
        message.from.name = Some(bad.to_owned());
        expect(&sender.send(&message).await, "refused");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn sec_28_exactly_one_envelope_recipient() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    let mut message = message_to("o'brien+tag=x@xn--bcher-kva.example");
    message.reply_to = Some(address("other@example.org"));
    message.from.name = Some("Third <third@example.org>, fourth@example.org".to_owned());
    expect(&sender.send(&message).await, "sent");
    let recipients: Vec<String> = sink.commands().into_iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<o'brien+tag=x@xn--bcher-kva.example>"]);
    assert_eq!(sink.mail_to("o'brien+tag=x@xn--bcher-kva.example").len(), 1);
}

#[tokio::test]
async fn the_queue_id_is_reported() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    let outcome = sender.send(&message_to("ada@example.com")).await;
    assert_eq!(outcome, SendOutcome::Sent { provider_id: Some(sink.mail()[0].queue_id.clone()) });
}

#[tokio::test]
async fn one_connection_carries_many_messages() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let mut settings = plain(&sink);
    settings.helo_name = Some("passlink.example.org".to_owned());
    let sender = SmtpSender::new("mail", settings).expect("valid");
    for n in 0..5 {
        expect(&sender.send(&message_to(&format!("user{n}@example.com"))).await, "sent");
    }
    assert_eq!((sink.connections(), sink.mail().len()), (1, 5));
    assert!(sink.mail().iter().all(|mail| mail.helo == "passlink.example.org"));
}

#[tokio::test]
async fn no_more_connections_than_the_pool_allows() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let mut settings = plain(&sink);
    settings.pool_size = 2;
    let sender = Arc::new(SmtpSender::new("mail", settings).expect("valid"));
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(&message_to(&format!("user{n}@example.com"))).await })
        })
        .collect();
    for task in tasks {
        expect(&task.await.expect("no panic"), "sent");
    }
    assert_eq!((sink.connections(), sink.mail().len()), (2, 12));
    assert_eq!(sink.violations(), Vec::<String>::new());
}
