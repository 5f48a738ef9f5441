//! What the listener puts up with (`security.md` 40).

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Extension;
use axum::routing::{get, post};
use passlink_http::Peer;
use passlink_server::listener::ListenerSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::support::{PATIENCE, read_to_end, serve};

fn router() -> Router {
    Router::new()
        .route("/", get(|Extension(Peer(peer)): Extension<Peer>| async move { format!("hello {}", peer.ip()) }))
        .route("/echo", post(|body: Bytes| async move { body }))
}

fn short() -> ListenerSettings {
    ListenerSettings {
        header_timeout: Duration::from_millis(1000),
        body_timeout: Duration::from_millis(1000),
        idle_timeout: Duration::from_millis(2000),
        ..ListenerSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_40_dripping_headers_are_cut_while_others_are_served() {
    let running = serve(router(), short()).await;
    let mut drips = JoinSet::new();
    let start = Instant::now();
    for _ in 0..100 {
        let mut stream = running.connect().await;
        drips.spawn(async move {
            stream.write_all(b"GET / HTTP/1.1\r\nX-Drip: ").await.expect("the first bytes are taken");
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tokio::select! {
                    _ = tick.tick() => if stream.write_all(b"x").await.is_err() { return },
                    read = stream.read_u8() => {
                        assert!(read.is_err(), "a request that never ended was answered");
                        return;
                    }
                }
            }
        });
    }
    for _ in 0..20 {
        let begun = Instant::now();
        let answer = running.get("/").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello 127.0.0.1"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    let all = async { while drips.join_next().await.transpose().expect("no drip was answered").is_some() {} };
    tokio::time::timeout(PATIENCE, all).await.expect("every dripping socket is cut");
    assert!(start.elapsed() >= Duration::from_millis(1000), "cut before their time");
}

#[tokio::test]
async fn sec_40_a_dripping_body_is_cut() {
    let running = serve(router(), short()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        // Without end; a body that is as long as it says would be answered.
        for _ in 0..100_000 {
            tick.tick().await;
            if writer.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    // A reset after the answer is fine too.
    let _ = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut answer)).await.expect("the connection is cut");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    drip.abort();
}

#[tokio::test]
async fn sec_40_oversize_headers_are_refused() {
    let running = serve(router(), ListenerSettings::default()).await;
    let fitting = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: {}\r\n\r\n", "a".repeat(30_000));
    assert!(running.exchange(&fitting).await.starts_with("HTTP/1.1 200"));
    let one = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(33_000));
    assert!(running.exchange(&one).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: a\r\n".repeat(200));
    assert!(running.exchange(&many).await.starts_with("HTTP/1.1 431"));
    let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    let answer = running.exchange(&line).await;
    assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn sec_40_ambiguous_framing_is_refused() {
    let running = serve(router(), ListenerSettings::default()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    // RFC 9112 6.3: with both, the encoding alone counts, and the connection must end after the answer, so that nothing is left to smuggle.
    for headers in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = running.exchange(&request).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers:?}: a second request was read");
        assert!(answer.contains("connection: close"), "{headers:?}: {answer}");
    }
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        "Content-Length:",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "X: a\r\n Content-Length: 5",
        "Content-Length: 5\x0b",
        "X: a\0b",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = running.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers:?}: a second request was read");
    }
}

#[tokio::test]
async fn an_idle_connection_may_stay_longer_than_headers_may_take() {
    let running = serve(router(), short()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let start = Instant::now();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() >= Duration::from_millis(2000), "cut after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut() {
    let running = serve(router(), short()).await;
    assert_eq!(running.exchange("").await, "");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_cut() {
    let (dropped, is_dropped) = oneshot::channel();
    struct Big(Vec<u8>, #[expect(dead_code, reason = "its drop is the news")] oneshot::Sender<()>);
    impl AsRef<[u8]> for Big {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let big = Bytes::from_owner(Big(vec![0; 64 << 20], dropped));
    let slot = std::sync::Arc::new(std::sync::Mutex::new(Some(big)));
    let router = Router::new().route("/", get(move || async move { slot.lock().unwrap().take().unwrap_or_default() }));
    let running = serve(router, short()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, is_dropped).await.expect("the answer is given up").is_err());
    drop(stream);
}

#[tokio::test]
async fn sec_40_a_client_has_only_so_many_connections() {
    let settings = ListenerSettings { connections_per_client: 3, uncounted: Vec::new(), ..ListenerSettings::default() };
    let running = serve(router(), settings).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = running.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        held.push(stream);
    }
    assert_eq!(running.get("/").await, "", "a fourth connection was served");
    drop(held.pop());
    let again = async { while !running.get("/").await.starts_with("HTTP/1.1 200") {} };
    tokio::time::timeout(PATIENCE, again).await.expect("a place given back can be taken");
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let running = serve(router(), ListenerSettings::default()).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{}/", running.address)).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "hello 127.0.0.1");
    let long = client.get(format!("http://{}/", running.address)).header("x-long", "a".repeat(40_000)).send().await;
    assert!(long.is_err() || long.is_ok_and(|answer| answer.status() == 431), "oversize headers were accepted");
}
