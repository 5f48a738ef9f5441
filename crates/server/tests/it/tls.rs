//! TLS with a certificate that changes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use passlink_server::config::server::TlsFiles;
use passlink_server::listener::ListenerSettings;
use passlink_server::listener::tls::Certificate;
use passlink_server::stop::stop;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{PATIENCE, Running, serve_with};

fn new_certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate")
}

fn write(files: &TlsFiles, certified: &CertifiedKey<KeyPair>) {
    std::fs::write(&files.certificate, certified.cert.pem()).unwrap();
    std::fs::write(&files.key, certified.signing_key.serialize_pem()).unwrap();
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }
}

/// Whether the listener shows exactly this certificate; and the protocol agreed on.
async fn shows(running: &Running, certificate: &CertificateDer<'static>) -> Option<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(running.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
}

async fn becomes(running: &Running, certificate: &CertificateDer<'static>) {
    let shown = async { while shows(running, certificate).await.is_none() {} };
    tokio::time::timeout(PATIENCE, shown).await.expect("the new certificate is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let (first, second, third) = (new_certificate(), new_certificate(), new_certificate());
    write(&files, &first);
    let certificate = Certificate::load(files.clone()).unwrap();
    let router = Router::new().route("/", get(|| async { "hello" }));
    let running = serve_with(router, ListenerSettings::default(), Some(certificate.acceptor().unwrap())).await;
    let (_stopper, watching) = stop();
    tokio::spawn(certificate.watch(Duration::from_millis(10), watching));

    assert_eq!(shows(&running, first.cert.der()).await.as_deref(), Some(b"h2".as_slice()));
    write(&files, &second);
    becomes(&running, second.cert.der()).await;
    assert!(shows(&running, first.cert.der()).await.is_none());

    // Each of these is looked at before the next good one is taken, and none of them may end the listener or the watch.
    for bad in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &third.cert.pem()] {
        std::fs::write(&files.certificate, bad).unwrap();
        for _ in 0..10 {
            assert!(shows(&running, second.cert.der()).await.is_some(), "the good certificate stays in force");
        }
    }
    std::fs::remove_file(&files.key).unwrap();
    assert!(shows(&running, second.cert.der()).await.is_some());
    write(&files, &third);
    becomes(&running, third.cert.der()).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write(&files, &new_certificate());
    let settings = ListenerSettings { header_timeout: Duration::from_millis(200), ..ListenerSettings::default() };
    let tls = Certificate::load(files).unwrap().acceptor().unwrap();
    let running = serve_with(Router::new(), settings, Some(tls)).await;
    assert_eq!(running.exchange("").await, "");
    assert!(!running.get("/").await.contains("HTTP/1.1"), "clear text was answered");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let told = |files: &TlsFiles| format!("{:#}", Certificate::load(files.clone()).expect_err("it is refused"));
    assert!(told(&files).contains("certificate.pem cannot be read"));
    write(&files, &new_certificate());
    std::fs::write(&files.key, new_certificate().signing_key.serialize_pem()).unwrap();
    assert!(told(&files).contains("do not belong together"));
    std::fs::write(&files.key, "nothing").unwrap();
    assert!(told(&files).contains("key.pem holds no private key"));
}
