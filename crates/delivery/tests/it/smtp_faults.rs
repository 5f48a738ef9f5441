//! Mail servers that refuse, stall and go away.

use passlink_delivery::{SmtpSecurity, SmtpSender, SmtpSettings};
use passlink_engine::messages::sender::{SendOutcome, Sender};
use passlink_engine::time::Lifetime;
use passlink_testkit::smtp::{SmtpOptions, SmtpSink};

use crate::smtp::plain;
use crate::{class, expect, message_to, until};

fn impatient(sink: &SmtpSink) -> SmtpSettings {
    let mut settings = plain(sink);
    settings.timeout = Lifetime::from_secs(1);
    settings
}

#[tokio::test]
async fn a_refused_recipient_is_refused_and_masked() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    let outcome = sender.send(&message_to("refuse+1@example.com")).await;
    expect(&outcome, "refused");
    assert_eq!(class(&outcome).1, "127.0.0.1 answered 550 5.1.1 <r•••@e•••.com>: no such mailbox");
}

#[tokio::test]
async fn sec_47_faults_that_may_pass_are_reported_as_such() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    let impatient = SmtpSender::new("mail", impatient(&sink)).expect("valid");
    for (sender, to, said) in [
        (&sender, "later@example.com", "451"),
        (&sender, "drop@example.com", "ended the connection"),
        (&impatient, "stall@example.com", "within 1s"),
    ] {
        let outcome = sender.send(&message_to(to)).await;
        expect(&outcome, "retry");
        assert!(class(&outcome).1.contains(said), "{outcome:?}");
    }
    assert!(sink.mail().is_empty());
    expect(&sender.send(&message_to("ada@example.com")).await, "sent");
}

#[tokio::test]
async fn sec_47_every_attempt_has_the_same_message_id_and_date() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    let message = message_to("ada@example.com");
    for _ in 0..2 {
        expect(&sender.send(&message).await, "sent");
    }
    let header = |raw: &[u8], name: &str| {
        let text = String::from_utf8_lossy(raw).into_owned();
        text.lines().find(|line| line.starts_with(name)).map(str::to_owned).expect("header")
    };
    let mail = sink.mail();
    for name in ["Message-ID:", "Date:"] {
        assert_eq!(header(&mail[0].raw, name), header(&mail[1].raw, name));
    }
}

#[tokio::test]
async fn a_message_cut_off_by_time_never_disturbs_the_next() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let mut settings = impatient(&sink);
    settings.pool_size = 1;
    let sender = SmtpSender::new("mail", settings).expect("valid");
    // A kept connection is used for the message that stalls; its late reply must not answer the next message's commands.
    expect(&sender.send(&message_to("first@example.com")).await, "sent");
    expect(&sender.send(&message_to("slow@example.com")).await, "retry");
    sink.release_slow();
    expect(&sender.send(&message_to("refuse@example.com")).await, "refused");
    expect(&sender.send(&message_to("later@example.com")).await, "retry");
    let outcome = sender.send(&message_to("last@example.com")).await;
    let [last] = sink.mail_to("last@example.com").try_into().expect("one mail");
    assert_eq!(outcome, SendOutcome::Sent { provider_id: Some(last.queue_id) });
    assert_eq!(sink.violations(), Vec::<String>::new());
    // The message that was cut off was accepted in the end: at least once, with the Message-ID to recognise the second copy.
    until(|| !sink.mail_to("slow@example.com").is_empty()).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
    for to in ["last@example.com", "last@example.com", "ada@example.com"] {
        expect(&sender.send(&message_to(to)).await, "sent");
    }
    assert_eq!((sink.connections(), sink.mail().len()), (3, 3));
}

#[tokio::test]
async fn no_server_is_worth_another_try() {
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        listener.local_addr().expect("bound").port()
    };
    let mut settings = SmtpSettings::new("127.0.0.1");
    (settings.port, settings.security) = (Some(port), SmtpSecurity::Plain);
    let outcome = SmtpSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await;
    expect(&outcome, "retry");
    assert_eq!(class(&outcome).1, "the connection to 127.0.0.1 failed: connection refused");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let mut settings = SmtpSettings::new("127.0.0.1");
    (settings.port, settings.security) = (Some(listener.local_addr().expect("bound").port()), SmtpSecurity::Plain);
    settings.timeout = Lifetime::from_millis(300);
    expect(&SmtpSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await, "retry");
}

#[tokio::test]
async fn a_greeting_says_whether_to_come_back() {
    for (greeting, expected) in [("421 too busy", "retry"), ("554 no mail from you", "misconfigured"), ("hello", "retry")] {
        let sink = SmtpSink::start(SmtpOptions { greeting: greeting.to_owned(), ..SmtpOptions::default() }).await;
        let sender = SmtpSender::new("mail", plain(&sink)).expect("valid");
        expect(&sender.send(&message_to("ada@example.com")).await, expected);
    }
}
