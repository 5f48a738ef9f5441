//! A receiver of webhooks that keeps every request and answers as it is told.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::lock;
use crate::tls::{TestCertificate, TlsListener};

/// How the sink answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status with these headers and an empty body.
    Status(u16, Vec<(String, String)>),
    /// 200 with a body that never ends; how much of it was taken is counted.
    Endless,
    /// No answer at all.
    Silence,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct WebhookRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Vec<u8>,
}

struct Shared {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<WebhookRequest>>,
    streamed: AtomicUsize,
}

/// A running receiver; it stops when dropped.
pub struct WebhookSink {
    address: SocketAddr,
    certificate: Option<TestCertificate>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl WebhookSink {
    /// Listens on `ip`, on `port` or (0) a free one; speaks TLS when there are `tls_names` for the certificate.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn start(ip: IpAddr, port: u16, tls_names: &[&str]) -> Self {
        let certificate = (!tls_names.is_empty()).then(|| TestCertificate::for_names(tls_names));
        let answer = Mutex::new(Answer::Status(204, Vec::new()));
        let shared = Arc::new(Shared { answer, requests: Mutex::default(), streamed: AtomicUsize::new(0) });
        let app = Router::new().fallback(receive).with_state(shared.clone());
        let listener = TcpListener::bind((ip, port)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = match &certificate {
            Some(certificate) => {
                let listener = TlsListener::new(listener, certificate);
                tokio::spawn(async move { axum::serve(listener, app).await.unwrap_or_default() })
            }
            None => tokio::spawn(async move { axum::serve(listener, app).await.unwrap_or_default() }),
        };
        Self { address, certificate, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority behind its certificate, if it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificate.as_ref().map(TestCertificate::ca_pem)
    }

    /// Changes the answer to requests from now on.
    pub fn answer_with(&self, answer: Answer) {
        *lock(&self.shared.answer) = answer;
    }

    /// Everything received so far.
    pub fn requests(&self) -> Vec<WebhookRequest> {
        lock(&self.shared.requests).clone()
    }

    /// How many bytes of endless bodies were handed to the connection.
    pub fn streamed(&self) -> usize {
        self.shared.streamed.load(Ordering::SeqCst)
    }
}

impl Drop for WebhookSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request = WebhookRequest { method: method.to_string(), path: uri.to_string(), headers, body: body.to_vec() };
    lock(&shared.requests).push(request);
    let answer = lock(&shared.answer).clone();
    match answer {
        Answer::Status(status, headers) => {
            let mut response = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (name.parse::<axum::http::HeaderName>(), value.parse()) {
                    response.headers_mut().append(name, value);
                }
            }
            response
        }
        Answer::Endless => {
            let stream = futures_util::stream::repeat_with(move || {
                shared.streamed.fetch_add(1024, Ordering::SeqCst);
                Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 1024]))
            });
            Body::from_stream(stream).into_response()
        }
        Answer::Silence => std::future::pending().await,
    }
}
