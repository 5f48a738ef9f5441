//! One connection from its first byte to its last.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, Version};
use http_body::{Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use passlink_http::Peer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::ListenerSettings;
use super::pace::{InProgress, Pace, Paced};
use super::timed_body::TimedBody;
use crate::stop::Stop;

/// How long a connection that has come before the word to stop may take to say what it wants.
const FIRST_WORD: Duration = Duration::from_millis(500);

/// What all connections share.
#[derive(Clone)]
pub struct Shared {
    /// The routes.
    pub router: Router,
    /// TLS, when spoken.
    pub tls: Option<TlsAcceptor>,
    /// What is put up with.
    pub settings: Arc<ListenerSettings>,
    /// When to end.
    pub stop: Stop,
}

/// Serves one connection until it ends, is too slow, or is asked to stop and has finished what it was doing.
pub async fn serve(shared: Shared, stream: TcpStream, peer: SocketAddr) {
    // Answers are small: waiting to fill a packet only delays them. A socket that refuses is about to fail anyway.
    let _ = stream.set_nodelay(true);
    let Some(tls) = shared.tls.clone() else {
        return speak(shared, stream, peer).await;
    };
    match tokio::time::timeout(shared.settings.header_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(shared, stream, peer).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(shared: Shared, stream: S, peer: SocketAddr) {
    let Shared { router, settings, stop, .. } = shared;
    let pace = Pace::new();
    let service = {
        let (pace, body_timeout) = (pace.clone(), settings.body_timeout);
        service_fn(move |request: Request<Incoming>| {
            let in_progress = pace.request(request.version() == Version::HTTP_2);
            let mut request = request.map(|body| Body::new(TimedBody::new(body, body_timeout)));
            request.extensions_mut().insert(Peer(peer));
            let answer = router.clone().call(request);
            async move { answer.await.map(|answer: Response<Body>| answer.map(|body| Answer { body, _in_progress: in_progress })) }
        })
    };
    let builder = builder(&settings);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Paced::new(stream, pace.clone())), service));
    let mut slow = pin!(pace.too_slow(&settings));
    let mut stopped = pin!(async {
        stop.wait().await;
        // Hyper closes a connection whose request it has not read yet, and the client would see a reset.
        pace.headers_are_in(FIRST_WORD).await;
    });
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // First, so that what has come is read before the connection is told to stop.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return;
            }
            why = &mut slow => {
                tracing::debug!(?why, "a connection was too slow");
                metrics::counter!("passlink_connections_cut_total", "why" => format!("{why:?}").to_lowercase()).increment(1);
                return;
            }
            () = &mut stopped, if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder(settings: &ListenerSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Times are watched by `Pace`; hyper's own would end idle connections with the time of headers.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(settings.max_header_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(settings.max_header_bytes)
        .max_concurrent_streams(100)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .max_send_buf_size(256 * 1024)
        .keep_alive_interval(settings.idle_timeout / 3)
        .keep_alive_timeout(settings.header_timeout);
    builder
}

/// An answer, whose request is in progress until it is written.
struct Answer {
    body: Body,
    _in_progress: InProgress,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
