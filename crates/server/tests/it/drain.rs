//! The end of a server (`security.md` 51).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use passlink_server::listener::ListenerSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use crate::support::{PATIENCE, read_to_end, serve};

/// A route that tells when it began and ends when it is told to.
fn slow() -> (Router, mpsc::UnboundedReceiver<()>, Arc<Notify>) {
    let (begun, beginnings) = mpsc::unbounded_channel();
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let handler = move || async move {
        let _ = begun.send(());
        waiting.notified().await;
        "done"
    };
    (Router::new().route("/slow", get(handler)).route("/", get(|| async { "quick" })), beginnings, go_on)
}

#[tokio::test]
async fn sec_51_sigterm_drains() {
    let (router, mut beginnings, go_on) = slow();
    let running = serve(router, ListenerSettings::default()).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    beginnings.recv().await.expect("the request is in progress");
    let mut idle = running.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(idle.read_u8().await.unwrap(), b'H');

    running.stopper.stop();
    assert!(read_to_end(&mut idle).await.ends_with("quick"), "an idle connection is closed at once");
    let refused = async { while TcpStream::connect(running.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("nothing new is accepted");

    go_on.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    assert!(running.ended.await.unwrap(), "everything ended by itself");
}

#[tokio::test]
async fn sec_51_draining_has_an_end() {
    let (router, mut beginnings, _never) = slow();
    let settings = ListenerSettings { drain_timeout: Duration::from_millis(200), ..ListenerSettings::default() };
    let running = serve(router, settings).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    beginnings.recv().await.expect("the request is in progress");
    let start = Instant::now();
    running.stopper.stop();
    assert!(!running.ended.await.unwrap(), "a request was cut off, and that is told");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(read_to_end(&mut busy).await, "");
}

#[tokio::test]
async fn sec_51_whoever_is_connected_is_heard() {
    let (router, ..) = slow();
    let running = serve(router, ListenerSettings::default()).await;
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut silent = running.connect().await;
    assert!(running.get("/").await.ends_with("quick"), "the silent connection has been accepted before this one");
    // This thread blocks, so the listener has no chance to accept these: the system has.
    let waiting: Vec<std::net::TcpStream> = (0..20)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(running.address).unwrap();
            std::io::Write::write_all(&mut stream, request).unwrap();
            stream
        })
        .collect();
    running.stopper.stop();
    // The first word, in time.
    silent.write_all(request).await.unwrap();
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        let answer = read_to_end(&mut TcpStream::from_std(stream).unwrap()).await;
        assert!(answer.ends_with("quick"), "{answer:?}");
    }
    assert!(read_to_end(&mut silent).await.ends_with("quick"), "its request was under way");
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn sec_51_whoever_says_nothing_delays_nobody_for_long() {
    let (router, ..) = slow();
    let running = serve(router, ListenerSettings::default()).await;
    let mut silent = running.connect().await;
    assert!(running.get("/").await.ends_with("quick"));
    let start = Instant::now();
    running.stopper.stop();
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(running.ended.await.unwrap());
    assert!(start.elapsed() < Duration::from_secs(3));
}

/// Clients whose connection was made before the port closed are answered, however narrow the moment: the system makes connections on our behalf, and
/// closing the port would cut those that were not yet picked up.
#[test]
fn sec_51_no_connection_that_was_made_is_cut() {
    const ROUNDS: usize = 12;
    const SERVERS: usize = 5;
    // Whoever comes too late tries again after a second, so servers end side by side.
    std::thread::scope(|scope| {
        for server in 0..SERVERS {
            scope.spawn(move || (0..ROUNDS).for_each(|round| one_end(server + round)));
        }
    });
}

/// One server that ends while clients connect.
fn one_end(moment: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let running = runtime.block_on(serve(slow().0, ListenerSettings::default()));
    let address = running.address;
    let heard = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || ask_until_refused(address, &heard))
        })
        .collect();
    // They are under way, and the end comes at another moment each time.
    while heard.load(Ordering::Relaxed) < 20 + moment && clients.iter().all(|client| !client.is_finished()) {
        std::thread::yield_now();
    }
    running.stopper.stop();
    for client in clients {
        client.join().expect("no panic").expect("a connection that was made is not cut");
    }
    assert!(runtime.block_on(running.ended).expect("it ends"));
}

/// Asks again and again on new connections until the port is closed.
fn ask_until_refused(address: std::net::SocketAddr, heard: &AtomicUsize) -> std::io::Result<()> {
    use std::io::{ErrorKind, Read, Write};
    loop {
        // Refused, or reset while the connection was being made: nothing was said yet.
        let mut stream = match std::net::TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.ends_with("quick") {
            return Err(std::io::Error::other(format!("cut after {} bytes", answer.len())));
        }
        heard.fetch_add(1, Ordering::Relaxed);
    }
}
