//! The one Mailgun endpoint that Passlink calls, on loopback: `POST /v3/{domain}/messages`.
//!
//! Checks what Mailgun checks (credentials, domain, required fields, addresses, sizes) and answers with its statuses and bodies.
//! Faults by the recipient's local part (a `+tag` may follow): `error500`, `error401`, `error403`, `error429`, `once500` and `once429`
//! (the first time only), `refuse` (400, as for an address it does not take), `slow` (answered when the test says so), `nonjson` (a proxy's page instead of an answer), `redirect`.

mod form;
mod rules;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::tls::{TestCertificate, TlsListener};
use crate::{fault_of, lock};

pub use form::Encoding;

/// What the fake is like.
#[derive(Clone, Debug)]
pub struct MailgunOptions {
    /// The one sending domain it knows.
    pub domain: String,
    /// The API key it accepts.
    pub api_key: String,
    /// With names: speaks TLS, with a certificate for these. Without: clear text.
    pub tls_names: Vec<String>,
    /// Whether the domain may send; one that is not verified may not.
    pub domain_is_active: bool,
}

impl Default for MailgunOptions {
    fn default() -> Self {
        let (domain, api_key) = ("mg.example.com".to_owned(), "key-testkit".to_owned());
        Self { domain, api_key, tls_names: Vec::new(), domain_is_active: true }
    }
}

/// One request exactly as it came.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Path and query.
    pub path: String,
    /// All headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
    /// How the form was encoded; `None` when it could not be read.
    pub encoding: Option<Encoding>,
    /// The form fields in order.
    pub fields: Vec<(String, String)>,
    /// The status it was answered with.
    pub status: u16,
}

impl RecordedRequest {
    /// All values of one form field.
    pub fn field(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// What handlers share.
struct Shared {
    options: MailgunOptions,
    requests: Mutex<Vec<RecordedRequest>>,
    failed_once: Mutex<HashSet<String>>,
    slow: Semaphore,
}

/// A running fake; it stops when dropped.
pub struct MailgunFake {
    address: SocketAddr,
    certificate: Option<TestCertificate>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl MailgunFake {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: MailgunOptions) -> Self {
        let names: Vec<&str> = options.tls_names.iter().map(String::as_str).collect();
        let certificate = (!names.is_empty()).then(|| TestCertificate::for_names(&names));
        let shared =
            Arc::new(Shared { options, requests: Mutex::default(), failed_once: Mutex::default(), slow: Semaphore::new(0) });
        let app = Router::new()
            .route("/v3/{domain}/messages", post(messages))
            .layer(DefaultBodyLimit::max(26 * 1024 * 1024))
            .with_state(shared.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
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

    /// What to put into `base_url`, with the given host name (`127.0.0.1` or `localhost`).
    pub fn base_url(&self, host: &str) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.address.port())
    }

    /// The authority behind its certificate, if it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificate.as_ref().map(TestCertificate::ca_pem)
    }

    /// Every request that reached the endpoint, accepted or not.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// The accepted messages to one recipient.
    pub fn accepted_for(&self, address: &str) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.status == 200 && request.field("to").contains(&address));
        requests
    }

    /// Lets one message to `slow` be answered.
    pub fn release_slow(&self) {
        self.shared.slow.add_permits(1);
    }
}

impl Drop for MailgunFake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn messages(
    State(shared): State<Arc<Shared>>,
    Path(domain): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parsed = form::read(&headers, body.clone()).await;
    let (encoding, fields) = parsed.map_or((None, Vec::new()), |(encoding, fields)| (Some(encoding), fields));
    let at = {
        let mut requests = lock(&shared.requests);
        requests.push(RecordedRequest {
            path: uri.to_string(),
            headers: headers.iter().map(|(k, v)| (k.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect(),
            body: body.to_vec(),
            encoding,
            fields: fields.clone(),
            status: 0,
        });
        requests.len() - 1
    };
    let response = answer(&shared, &domain, &headers, encoding.is_some(), &fields, at).await;
    lock(&shared.requests)[at].status = response.status().as_u16();
    response
}

async fn answer(
    shared: &Shared,
    domain: &str,
    headers: &HeaderMap,
    readable: bool,
    fields: &[(String, String)],
    at: usize,
) -> Response {
    if !rules::authorised(headers, &shared.options.api_key) {
        return (StatusCode::UNAUTHORIZED, "Forbidden").into_response();
    }
    if domain != shared.options.domain {
        return rules::message(StatusCode::NOT_FOUND, &format!("Domain not found: {domain}"));
    }
    if !shared.options.domain_is_active {
        let text = format!("Domain {domain} is not allowed to send: The domain is unverified and requires DNS configuration.");
        return rules::message(StatusCode::BAD_REQUEST, &text);
    }
    if !readable {
        return rules::message(StatusCode::BAD_REQUEST, "malformed form");
    }
    if let Err(what) = rules::check(fields) {
        return rules::message(StatusCode::BAD_REQUEST, &what);
    }
    let to = fields.iter().find(|(name, _)| name == "to").map_or("", |(_, value)| value.as_str());
    let once = fault_of(to).starts_with("once") && lock(&shared.failed_once).insert(to.to_owned());
    match fault_of(to) {
        "error500" => return rules::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        "once500" if once => return rules::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        "error401" => return (StatusCode::UNAUTHORIZED, "Forbidden").into_response(),
        "refuse" => {
            let text = format!("to parameter is not a valid address. please check documentation ({to})");
            return rules::message(StatusCode::BAD_REQUEST, &text);
        }
        "error403" => return rules::message(StatusCode::FORBIDDEN, "Your account may not send large batches yet"),
        "error429" => return rules::too_many(domain),
        "once429" if once => return rules::too_many(domain),
        "nonjson" => return (StatusCode::OK, [(header::CONTENT_TYPE, "text/html")], "<html>Welcome!</html>").into_response(),
        "redirect" => return (StatusCode::FOUND, [(header::LOCATION, "/v3/elsewhere")]).into_response(),
        "slow" => match shared.slow.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return StatusCode::GATEWAY_TIMEOUT.into_response(),
        },
        _ => {}
    }
    let body = serde_json::json!({ "id": format!("<2026.{at:08}@{domain}>"), "message": "Queued. Thank you." });
    axum::Json(body).into_response()
}
