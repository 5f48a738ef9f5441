//! TLS, STARTTLS and credentials.

use passlink_delivery::{SmtpSecurity, SmtpSender, SmtpSettings};
use passlink_engine::messages::sender::Sender;
use passlink_testkit::smtp::{Security, SmtpOptions, SmtpSink};

use crate::smtp::plain;
use crate::{class, expect, message_to, secret};

fn options(security: Security, names: &[&str]) -> SmtpOptions {
    SmtpOptions { security, names: names.iter().map(|&name| name.to_owned()).collect(), ..SmtpOptions::default() }
}

/// Settings that trust the sink and fit its kind of TLS.
fn trusting(sink: &SmtpSink, host: &str, security: SmtpSecurity) -> SmtpSettings {
    let mut settings = SmtpSettings::new(host);
    (settings.port, settings.security) = (Some(sink.address().port()), security);
    settings.ca_certificates = Some(sink.ca_pem().to_owned());
    settings
}

const BOTH: [(Security, SmtpSecurity); 2] = [(Security::Tls, SmtpSecurity::Tls), (Security::StartTls, SmtpSecurity::StartTls)];

#[tokio::test]
async fn mail_goes_over_tls_and_starttls() {
    for (server, client) in BOTH {
        let sink = SmtpSink::start(options(server, &["127.0.0.1", "localhost"])).await;
        for host in ["127.0.0.1", "localhost"] {
            let sender = SmtpSender::new("mail", trusting(&sink, host, client)).expect("valid");
            expect(&sender.send(&message_to("ada@example.com")).await, "sent");
        }
        assert!(sink.mail().len() == 2 && sink.mail().iter().all(|mail| mail.encrypted));
        assert_eq!(sink.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn sec_30_wrong_name_certificate_is_refused() {
    for (server, client) in BOTH {
        let sink = SmtpSink::start(options(server, &["mail.example.com"])).await;
        let mut settings = trusting(&sink, "localhost", client);
        (settings.username, settings.password) = (Some("user".to_owned()), Some(secret("hunter2")));
        let outcome = SmtpSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await;
        expect(&outcome, "misconfigured");
        assert!(class(&outcome).1.contains("certificate of localhost"), "{outcome:?}");
        assert!(sink.mail().is_empty());
        assert!(!sink.commands().iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
    }
}

#[tokio::test]
async fn sec_30_unknown_authority_is_refused() {
    for (server, client) in BOTH {
        let sink = SmtpSink::start(options(server, &["localhost"])).await;
        let mut settings = trusting(&sink, "localhost", client);
        settings.ca_certificates = None;
        let outcome = SmtpSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await;
        expect(&outcome, "misconfigured");
        assert!(sink.mail().is_empty());
    }
}

#[tokio::test]
async fn sec_30_starttls_is_required_not_hoped_for() {
    let sink = SmtpSink::start(options(Security::Plain, &["localhost"])).await;
    let sender = SmtpSender::new("mail", trusting(&sink, "localhost", SmtpSecurity::StartTls)).expect("valid");
    expect(&sender.send(&message_to("ada@example.com")).await, "misconfigured");
    assert!(sink.mail().is_empty() && !sink.commands().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn sec_30_replies_injected_before_tls_are_not_believed() {
    // Read ahead, these would answer EHLO, and every later reply would belong to the command before.
    let injected = "250-sink.test\r\n250 8BITMIME\r\n".to_owned();
    let mut options = options(Security::StartTls, &["localhost"]);
    options.injected_after_starttls = Some(injected);
    let sink = SmtpSink::start(options).await;
    let sender = SmtpSender::new("mail", trusting(&sink, "localhost", SmtpSecurity::StartTls)).expect("valid");
    for to in ["ada@example.com", "refuse@example.com"] {
        expect(&sender.send(&message_to(to)).await, "misconfigured");
    }
    assert!(!sink.commands().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_the_mistake_it_is() {
    let sink = SmtpSink::start(options(Security::Plain, &["localhost"])).await;
    let sender = SmtpSender::new("mail", trusting(&sink, "localhost", SmtpSecurity::Tls)).expect("valid");
    let outcome = sender.send(&message_to("ada@example.com")).await;
    expect(&outcome, "misconfigured");
    assert!(class(&outcome).1.contains("check the port"), "{outcome:?}");
}

#[tokio::test]
async fn credentials_are_given_and_their_refusal_is_an_alarm() {
    for mechanisms in ["PLAIN LOGIN", "LOGIN", "PLAIN"] {
        let mut options = options(Security::StartTls, &["localhost"]);
        options.credentials = Some(("user".to_owned(), "hunter2 é".to_owned()));
        options.mechanisms = mechanisms.to_owned();
        let sink = SmtpSink::start(options).await;
        let mut settings = trusting(&sink, "localhost", SmtpSecurity::StartTls);
        settings.username = Some("user".to_owned());
        settings.password = Some(secret("hunter2 é"));
        let sender = SmtpSender::new("mail", settings.clone()).expect("valid");
        expect(&sender.send(&message_to("ada@example.com")).await, "sent");
        assert_eq!(sink.mail()[0].user.as_deref(), Some("user"), "{mechanisms}");

        settings.password = Some(secret("hunter2 wrong"));
        let outcome = SmtpSender::new("mail", settings.clone()).expect("valid").send(&message_to("ada@example.com")).await;
        expect(&outcome, "misconfigured");
        assert!(class(&outcome).1.contains("535"), "{outcome:?}");

        (settings.username, settings.password) = (None, None);
        let outcome = SmtpSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await;
        expect(&outcome, "misconfigured");
        assert!(class(&outcome).1.contains("530"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_server_with_unknown_mechanisms_only_is_an_alarm() {
    let mut options = options(Security::StartTls, &["localhost"]);
    (options.credentials, options.mechanisms) = (Some(("user".to_owned(), "pw".to_owned())), "GSSAPI".to_owned());
    let sink = SmtpSink::start(options).await;
    let mut settings = trusting(&sink, "localhost", SmtpSecurity::StartTls);
    (settings.username, settings.password) = (Some("user".to_owned()), Some(secret("hunter2")));
    expect(&SmtpSender::new("mail", settings).expect("valid").send(&message_to("ada@example.com")).await, "misconfigured");
}

#[tokio::test]
async fn sec_30_clear_text_only_for_loopback() {
    let sink = SmtpSink::start(SmtpOptions::default()).await;
    for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
        let mut settings = plain(&sink);
        settings.host = host.to_owned();
        expect(&SmtpSender::new("mail", settings).expect(host).send(&message_to("ada@example.com")).await, "sent");
    }
    for host in ["mail.example.com", "10.0.0.1", "192.168.0.1", "localhost.example.com", "::ffff:10.0.0.1", "0.0.0.0"] {
        let mut settings = plain(&sink);
        settings.host = host.to_owned();
        let error = SmtpSender::new("mail", settings.clone()).err().expect(host);
        assert_eq!(error.setting, "security", "{error}");
        settings.allow_plain_text_to_remote_hosts = true;
        assert!(SmtpSender::new("mail", settings).is_ok(), "{host}");
    }
}
