//! The certificate, read again when its files change: renewals need no restart, and a bad renewal leaves the good certificate in force.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::server::TlsFiles;
use crate::stop::Stop;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The certificate in force.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
}

/// What the two files hold; compared to find out whether they changed. Modification times would miss a file restored with its old time.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub fn load(files: TlsFiles) -> anyhow::Result<Arc<Self>> {
        let current = ArcSwap::from_pointee(read(&files)?.certified(&files)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Speaks TLS with it: HTTP/2 where the client can, else HTTP/1.1.
    ///
    /// # Errors
    /// The provider lacks what TLS needs, which is a defect of the build.
    pub fn acceptor(self: &Arc<Self>) -> anyhow::Result<TlsAcceptor> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files every so often and takes what is new and good.
    pub async fn watch(self: Arc<Self>, every: Duration, stop: Stop) {
        let mut seen = read(&self.files).ok();
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.wait() => return,
                _ = looks.tick() => {}
            }
            let now = match read(&self.files) {
                Ok(now) if Some(&now) == seen.as_ref() => continue,
                Ok(now) => now,
                Err(error) => {
                    if seen.take().is_some() {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "the certificate cannot be read; the old one stays in force"
                        );
                    }
                    continue;
                }
            };
            match now.certified(&self.files) {
                Ok(certified) => {
                    self.current.store(Arc::new(certified));
                    tracing::info!("the certificate was renewed");
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the new certificate is bad; the old one stays in force")
                }
            }
            seen = Some(now);
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(files: &TlsFiles) -> anyhow::Result<Contents> {
    let one = |path: &Path| std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    Ok(Contents { certificate: one(&files.certificate)?, key: one(&files.key)? })
}

impl Contents {
    fn certified(&self, files: &TlsFiles) -> anyhow::Result<CertifiedKey> {
        let name = |path: &Path| path.display().to_string();
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not PEM", name(&files.certificate)))?;
        if chain.is_empty() {
            bail!("{} holds no certificate", name(&files.certificate));
        }
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).with_context(|| format!("{} holds no private key", name(&files.key)))?;
        CertifiedKey::from_der(chain, key, &default_provider())
            .with_context(|| format!("{} and {} do not belong together", name(&files.certificate), name(&files.key)))
    }
}
