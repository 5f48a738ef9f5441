//! Certificates for loopback servers: one authority per double, and a listener that speaks TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A server certificate, signed by an authority of its own.
#[derive(Clone)]
pub struct TestCertificate {
    ca_pem: String,
    config: Arc<rustls::ServerConfig>,
}

impl TestCertificate {
    /// A certificate that is valid for exactly these names (host names or IP addresses).
    ///
    /// # Panics
    /// When a name is not one; it is a test's mistake.
    pub fn for_names(names: &[&str]) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("key")).expect("authority");
        let key = KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let leaf = CertificateParams::new(names).expect("names").signed_by(&key, &ca).expect("certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("certificate and key belong together");
        Self { ca_pem: ca.pem(), config: Arc::new(config) }
    }

    /// The authority, for the client to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The server's side of the handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

/// A listener for [`axum::serve`] that completes the TLS handshake first. A failed handshake ends only that connection.
pub struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// Speaks TLS with `certificate` on connections of `tcp`.
    pub fn new(tcp: TcpListener, certificate: &TestCertificate) -> Self {
        Self { tcp, acceptor: certificate.acceptor() }
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, peer)) = self.tcp.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
