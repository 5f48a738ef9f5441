//! Where a webhook may not lead (security 38).

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use passlink_delivery::webhook::Lookup;
use passlink_delivery::{WebhookSender, WebhookSettings};
use passlink_engine::messages::sender::Sender;
use passlink_testkit::webhook::WebhookSink;

use crate::webhook::{LOOPBACK, SECRET};
use crate::{class, expect, message_to, secret};

/// A name server that gives another answer every time.
struct Rebinding {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Rebinding {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self { answers: answers.iter().map(|answer| answer.to_vec()).collect(), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Lookup for Rebinding {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.get(at).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(answer.iter().map(|ip| ip.parse().expect("address")).collect())
    }
}

#[test]
fn sec_38_private_addresses_in_any_notation_are_refused() {
    let hosts = "127.0.0.1 127.1 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1 017700000001 127.0.0.1. 0 0.0.0.0 10.0.0.1 10.1 167772161 \
                 172.16.0.1 192.168.0.1 192.168.257 100.64.0.1 169.254.169.254 2852039166 0xa9fea9fe 224.0.0.1 255.255.255.255 \
                 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::127.0.0.1] [2002:7f00:1::] [fe80::1] [fd00::1] \
                 [fd00:ec2::254] [ff02::1] [0:0:0:0:0:0:0:1] １２７.０.０.１ 127。0。0。1 ①②⑦.0.0.1 %31%32%37.0.0.1";
    for host in hosts.split_whitespace() {
        let settings = WebhookSettings::new(format!("https://{host}/hook"), secret(SECRET));
        let error = WebhookSender::new("hook", settings).err().unwrap_or_else(|| panic!("{host} was accepted"));
        assert_eq!(error.setting, "url", "{error}");
    }
    for host in ["8.8.8.8", "[2606:4700::1111]", "hooks.example.com"] {
        let settings = WebhookSettings::new(format!("https://{host}/hook"), secret(SECRET));
        assert!(WebhookSender::new("hook", settings).is_ok(), "{host}");
    }
}

#[tokio::test]
async fn sec_38_a_rebinding_name_reaches_nothing() {
    let sink = WebhookSink::start(LOOPBACK, 0, &["hooks.example.com"]).await;
    let answers: [&[&str]; 6] = [
        &["127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["93.184.215.14", "127.0.0.1"],
        &["127.0.0.1", "93.184.215.14"],
        &["10.0.0.1"],
        &["169.254.169.254"],
    ];
    let lookup = Rebinding::new(&answers);
    let mut settings = WebhookSettings::new(format!("https://hooks.example.com:{}/", sink.address().port()), secret(SECRET));
    settings.ca_certificates = sink.ca_pem().map(str::to_owned);
    let sender = WebhookSender::with_lookup("hook", settings, lookup.clone()).expect("valid");
    for n in 1..=answers.len() {
        let outcome = sender.send(&message_to("ada@example.com")).await;
        expect(&outcome, "misconfigured");
        assert!(class(&outcome).1.contains("not allowed here"), "{outcome:?}");
        assert_eq!(lookup.asked(), n, "once per attempt");
    }
    assert!(sink.requests().is_empty());
    // A name that cannot be resolved may resolve later.
    expect(&sender.send(&message_to("ada@example.com")).await, "retry");
}

#[tokio::test]
async fn sec_38_the_address_is_resolved_once_and_pinned() {
    let port_owner = WebhookSink::start(LOOPBACK, 0, &["hooks.example.com"]).await;
    let port = port_owner.address().port();
    let second = WebhookSink::start(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), port, &["hooks.example.com"]).await;
    let lookup = Rebinding::new(&[&["127.0.0.1"], &["127.0.0.2"], &["169.254.169.254"]]);
    let mut settings = WebhookSettings::new(format!("https://hooks.example.com:{port}/"), secret(SECRET));
    settings.ca_certificates = port_owner.ca_pem().map(str::to_owned);
    settings.allow_private_addresses = true;
    let sender = WebhookSender::with_lookup("hook", settings.clone(), lookup.clone()).expect("valid");
    expect(&sender.send(&message_to("ada@example.com")).await, "sent");
    assert_eq!((lookup.asked(), port_owner.requests().len(), second.requests().len()), (1, 1, 0));
    // The same connection serves the next message; whatever the name says by now.
    expect(&sender.send(&message_to("ada@example.com")).await, "sent");
    assert_eq!((lookup.asked(), port_owner.requests().len(), second.requests().len()), (1, 2, 0));
    // Allowing private addresses allows no special ones.
    let metadata = Rebinding::new(&[&["169.254.169.254"]]);
    let sender = WebhookSender::with_lookup("hook", settings, metadata).expect("valid");
    expect(&sender.send(&message_to("ada@example.com")).await, "misconfigured");
}

#[tokio::test]
async fn sec_38_loopback_http_leads_nowhere_else() {
    let sink = WebhookSink::start(LOOPBACK, 0, &[]).await;
    let mut settings = WebhookSettings::new(format!("http://localhost:{}/", sink.address().port()), secret(SECRET));
    assert_eq!(WebhookSender::new("hook", settings.clone()).err().map(|error| error.setting), Some("url"));
    settings.allow_loopback_http = true;
    let lookup = Rebinding::new(&[&["127.0.0.1"]]);
    let sender = WebhookSender::with_lookup("hook", settings.clone(), lookup).expect("valid");
    expect(&sender.send(&message_to("ada@example.com")).await, "sent");
    let lookup = Rebinding::new(&[&["10.0.0.1"], &["93.184.215.14"]]);
    let sender = WebhookSender::with_lookup("hook", settings.clone(), lookup).expect("valid");
    for _ in 0..2 {
        expect(&sender.send(&message_to("ada@example.com")).await, "misconfigured");
    }
    settings.url = "http://hooks.example.com/".to_owned();
    assert_eq!(WebhookSender::new("hook", settings).err().map(|error| error.setting), Some("url"));
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test]
async fn sec_30_wrong_name_certificate_is_refused() {
    let sink = WebhookSink::start(LOOPBACK, 0, &["other.example.com"]).await;
    let mut settings = WebhookSettings::new(format!("https://hooks.example.com:{}/", sink.address().port()), secret(SECRET));
    settings.ca_certificates = sink.ca_pem().map(str::to_owned);
    settings.allow_private_addresses = true;
    let sender = WebhookSender::with_lookup("hook", settings, Rebinding::new(&[&["127.0.0.1"]])).expect("valid");
    expect(&sender.send(&message_to("ada@example.com")).await, "misconfigured");
    assert!(sink.requests().is_empty());
}
