//! Accepting connections, and letting them finish at the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::ListenerSettings;
use super::capacity::Capacity;
use super::connection::{Shared, serve};
use super::deaf;
use crate::stop::Stop;

/// A pause after the system could give us no connection (no file descriptors left, say), so that we do not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a handshake that is under way when the end comes may take: a round trip within a data centre, and some more.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// Takes the address.
///
/// # Errors
/// A sentence that says what to do.
pub async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on; choose another address with {setting}"))
}

/// A bound address and what to serve there.
pub struct Listener {
    /// The bound address.
    pub listener: TcpListener,
    /// The routes.
    pub router: Router,
    /// TLS, when spoken.
    pub tls: Option<TlsAcceptor>,
    /// What is put up with.
    pub settings: ListenerSettings,
}

impl Listener {
    /// Serves until the word to stop; then accepts nothing more and lets what is in progress end, within the time for that. Answers whether
    /// everything ended by itself.
    pub async fn run(self, stop: Stop) -> bool {
        let settings = Arc::new(self.settings);
        let capacity = Capacity::new(&settings);
        let shared = Shared { router: self.router, tls: self.tls, settings: Arc::clone(&settings), stop: stop.clone() };
        let mut connections = JoinSet::new();
        let begin = |connections: &mut JoinSet<()>, stream, peer: SocketAddr| match capacity.enter(peer.ip()) {
            Some(place) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    serve(shared, stream, peer).await;
                    drop(place);
                });
            }
            None => {
                metrics::counter!("passlink_connections_refused_total").increment(1);
                tracing::debug!("a client has too many connections open");
            }
        };
        loop {
            tokio::select! {
                () = stop.wait() => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        tracing::error!("a connection panicked");
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => begin(&mut connections, stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "no connection could be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
        // Without a filter clients may go on coming: then the first moment without any is the end.
        let patience = if deaf::begin_no_more(&self.listener) { UNDER_WAY } else { Duration::ZERO };
        let end = Instant::now() + patience;
        while let Ok(Ok((stream, peer))) = tokio::time::timeout_at(end, self.listener.accept()).await {
            begin(&mut connections, stream, peer);
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        tokio::time::timeout(settings.drain_timeout, all).await.is_ok()
    }
}
