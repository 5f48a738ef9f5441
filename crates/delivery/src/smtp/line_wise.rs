//! A guard for the clear-text part of a STARTTLS connection.
//!
//! Whoever sits in the network can append clear-text replies behind the server's answer to STARTTLS. A client that has read
//! ahead would take them for replies inside TLS, and from then on every real reply would belong to the wrong command: a refused
//! message could look accepted. This stream therefore hands out one byte at a time until the TLS handshake begins, so that
//! nothing is ever read ahead; bytes that do not belong to TLS then make the handshake fail. (Poddebniak et al., "Why TLS is better
//! without STARTTLS", 2021.)

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The first byte of a TLS handshake record; no SMTP command begins with it.
const TLS_HANDSHAKE: u8 = 22;

/// A TCP stream that is never read ahead of need in clear text.
#[derive(Debug)]
pub(super) struct LineWise {
    stream: TcpStream,
    in_tls: bool,
}

impl LineWise {
    /// Guards a fresh connection.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, in_tls: false }
    }
}

impl AsyncTokioStream for LineWise {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for LineWise {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.in_tls || buffer.remaining() == 0 {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineWise {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_tls |= bytes.first() == Some(&TLS_HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
