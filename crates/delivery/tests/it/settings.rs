//! Settings as they are read, and as they are refused.

use passlink_delivery::{InvalidSettings, MailgunSettings, SenderSettings, SmtpSecurity, SmtpSettings, WebhookSettings, build};
use passlink_engine::time::Lifetime;
use serde_json::json;

use crate::secret;
use crate::webhook::SECRET;

fn read(value: serde_json::Value) -> Result<SenderSettings, serde_json::Error> {
    serde_json::from_value(value)
}

#[test]
fn defaults_fill_what_is_not_written() {
    let Ok(SenderSettings::Smtp(smtp)) = read(json!({"kind": "smtp", "host": "mail.example.com"})) else { panic!("smtp") };
    assert_eq!((smtp.security, smtp.effective_port(), smtp.pool_size), (SmtpSecurity::StartTls, 587, 4));
    assert_eq!((smtp.connect_timeout, smtp.timeout), (Lifetime::from_secs(5), Lifetime::from_secs(15)));
    let Ok(SenderSettings::Smtp(smtp)) =
        read(json!({"kind": "smtp", "host": "m.example.com", "security": "tls", "timeout": "9s"}))
    else {
        panic!("smtp")
    };
    assert_eq!((smtp.effective_port(), smtp.timeout), (465, Lifetime::from_secs(9)));
    let Ok(SenderSettings::Mailgun(mailgun)) = read(json!({"kind": "mailgun", "domain": "mg.example.com", "api_key": "k"}))
    else {
        panic!("mailgun")
    };
    assert_eq!(mailgun.base_url, "https://api.mailgun.net");
    let Ok(SenderSettings::Webhook(webhook)) = read(json!({"kind": "webhook", "url": "https://example.com", "secret": SECRET}))
    else {
        panic!("webhook")
    };
    assert_eq!(webhook.timeout, Lifetime::from_secs(5));
    assert!(!webhook.allow_private_addresses && !webhook.allow_loopback_http);
}

#[test]
fn unknown_settings_are_errors() {
    for value in [
        json!({"kind": "smtp", "host": "m.example.com", "hots": "x"}),
        json!({"kind": "mailgun", "domain": "mg.example.com", "api_key": "k", "tracking": true}),
        json!({"kind": "webhook", "url": "https://example.com", "secret": SECRET, "follow_redirects": true}),
        json!({"kind": "pigeon"}),
        json!({"kind": "smtp", "host": "m.example.com", "security": "maybe"}),
    ] {
        assert!(read(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn sec_42_settings_do_not_print_their_secrets() {
    let settings = [
        read(json!({"kind": "smtp", "host": "m.example.com", "username": "u", "password": "hunter2"})),
        read(json!({"kind": "mailgun", "domain": "mg.example.com", "api_key": "hunter2"})),
        read(json!({"kind": "webhook", "url": "https://example.com", "secret": "hunter2"})),
    ];
    for settings in settings {
        let settings = settings.expect("valid");
        assert!(!format!("{settings:?}").contains("hunter2"));
        if let Err(error) = build("x", settings) {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_example_is_true() {
    #[derive(serde::Deserialize)]
    struct Example {
        senders: std::collections::BTreeMap<String, SenderSettings>,
    }
    let written = include_str!("../../senders.example.toml");
    // Once as it is, once with every default written out: both must be read, and mean the same.
    let uncommented: String = written
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line).to_owned() + "\n")
        .collect();
    let read = |text: &str| toml::from_str::<Example>(text).expect("valid").senders;
    let (short, long) = (read(written), read(&uncommented));
    assert_eq!(short.len(), 3);
    assert_eq!(uncommented.matches("timeout = ").count(), 6);
    for (name, settings) in &short {
        let without =
            |text: String| text.replace("port: Some(587)", "port: None").replace("Some(\"passlink.example.com\")", "None");
        assert_eq!(without(format!("{settings:?}")), without(format!("{:?}", long[name])));
        assert_eq!(build(name, settings.clone()).expect("valid").name(), name);
    }
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

fn error(settings: SenderSettings) -> InvalidSettings {
    build("x", settings).err().expect("an error")
}

#[tokio::test]
async fn a_setting_that_cannot_work_is_named() {
    let smtp = |change: fn(&mut SmtpSettings)| {
        let mut settings = SmtpSettings::new("mail.example.com");
        change(&mut settings);
        error(SenderSettings::Smtp(settings)).setting
    };
    assert_eq!(smtp(|s| s.host = "smtp://mail.example.com".to_owned()), "host");
    assert_eq!(smtp(|s| s.host = String::new()), "host");
    assert_eq!(smtp(|s| s.username = Some("u".to_owned())), "password");
    assert_eq!(smtp(|s| s.password = Some(secret("p"))), "username");
    assert_eq!(smtp(|s| (s.username, s.password) = (Some("u".to_owned()), Some(secret("p\n")))), "password");
    assert_eq!(smtp(|s| s.helo_name = Some("a b".to_owned())), "helo_name");
    assert_eq!(smtp(|s| s.pool_size = 0), "pool_size");
    assert_eq!(smtp(|s| s.timeout = Lifetime::from_secs(16)), "timeout");
    assert_eq!(smtp(|s| s.connect_timeout = Lifetime::from_secs(0)), "connect_timeout");
    assert_eq!(smtp(|s| s.ca_certificates = Some("/etc/ssl/ca.pem".to_owned())), "ca_certificates");

    let mailgun = |change: fn(&mut MailgunSettings)| {
        let mut settings = MailgunSettings::new("mg.example.com", secret("key-1"));
        change(&mut settings);
        error(SenderSettings::Mailgun(settings)).setting
    };
    assert_eq!(mailgun(|s| s.domain = "mg.example.com/x".to_owned()), "domain");
    assert_eq!(mailgun(|s| s.domain = "..".to_owned()), "domain");
    assert_eq!(mailgun(|s| s.api_key = secret("key-1\n")), "api_key");
    assert_eq!(mailgun(|s| s.base_url = "http://api.mailgun.net".to_owned()), "base_url");
    assert_eq!(mailgun(|s| s.base_url = "https://api.mailgun.net/v3".to_owned()), "base_url");
    assert_eq!(mailgun(|s| s.ca_certificates = Some("nothing".to_owned())), "ca_certificates");

    let webhook = |change: fn(&mut WebhookSettings)| {
        let mut settings = WebhookSettings::new("https://example.com/hook", secret(SECRET));
        change(&mut settings);
        error(SenderSettings::Webhook(settings)).setting
    };
    assert_eq!(webhook(|s| s.url = "http://example.com/hook".to_owned()), "url");
    assert_eq!(webhook(|s| s.secret = secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), "secret");
    assert_eq!(webhook(|s| s.secret = secret("whsec_c2hvcnQ=")), "secret");
    assert_eq!(webhook(|s| s.secret = secret("whsec_***")), "secret");
}

#[test]
fn an_error_says_what_to_do() {
    let mut settings = SmtpSettings::new("mail.example.com");
    settings.security = SmtpSecurity::Plain;
    let text = error(SenderSettings::Smtp(settings)).to_string();
    assert!(text.starts_with("`security` is `plain`, but mail.example.com is another machine; use `starttls`"), "{text}");
}
