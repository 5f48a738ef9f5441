//! A listener on a free port, and a client that says exactly the bytes it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use passlink_server::listener::{Listener, ListenerSettings};
use passlink_server::stop::{Stopper, stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A running listener.
pub struct Running {
    pub address: SocketAddr,
    pub stopper: Stopper,
    pub ended: JoinHandle<bool>,
}

/// Longer than anything here takes; only a defect waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn serve(router: Router, settings: ListenerSettings) -> Running {
    serve_with(router, settings, None).await
}

pub async fn serve_with(router: Router, settings: ListenerSettings, tls: Option<TlsAcceptor>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stopper, stop) = stop();
    let ended = tokio::spawn(Listener { listener, router, tls, settings }.run(stop));
    Running { address, stopper, ended }
}

impl Running {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the listener accepts")
    }

    /// Sends bytes on a connection of their own and reads until the other side closes.
    pub async fn exchange(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        // The other side may close before it has read everything.
        let _ = stream.write_all(bytes.as_bytes()).await;
        read_to_end(&mut stream).await
    }

    pub async fn get(&self, path: &str) -> String {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }
}

/// Everything until the other side closes or resets.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = async {
        let mut part = [0; 16_384];
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            all.extend_from_slice(&part[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the other side closes");
    String::from_utf8_lossy(&all).into_owned()
}
