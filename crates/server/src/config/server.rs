//! `[server]`: addresses, secret, TLS, and what the listener puts up with.

use std::net::SocketAddr;
use std::path::PathBuf;

use passlink_engine::keys::ServerKeys;
use passlink_engine::redirects::Origin;
use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;

use super::Part;
use super::key::Key;
use super::kind::Kind;
use super::problem::Problems;
use super::settled::Settled;
use crate::listener::ListenerSettings;
use crate::network::Network;

/// The section.
pub const PART: Part =
    Part { name: "server", doc: "Where Passlink listens, what it is called, and what it puts up with.", keys: KEYS };

const KEYS: &[Key] = &[
    Key::new("listen", Kind::Listen, "\"127.0.0.1:8080\"", "Address and port to listen on."),
    Key::required(
        "public_origin",
        Kind::Origin,
        "\"https://auth.example.com\"",
        "The origin people see; every link begins with it, whatever a request's headers say. Only https, unless its host is this machine.",
    ),
    Key::required(
        "secret",
        Kind::Text,
        "\"at least 32 random bytes, such as from: openssl rand -hex 32\"",
        "What all stored hashes and sealed values depend on; keep it apart from the database, and never change it.",
    )
    .secret(),
    Key::new("data", Kind::Path, "\"passlink-data\"", "The data folder; made when it is not there."),
    Key::new(
        "trusted_proxies",
        Kind::Networks,
        "[]",
        "Addresses and networks of the proxies in front, whose X-Forwarded-For is believed; nobody else's is.",
    ),
    Key::optional("workers", Kind::Whole(1, 1024), "4", "Threads that serve requests; by default one for each processor."),
    Key::optional(
        "tls_certificate_file",
        Kind::Path,
        "\"/etc/passlink/certificate.pem\"",
        "Certificate chain (PEM) to serve https with, without a proxy; read again when it changes.",
    ),
    Key::optional("tls_key_file", Kind::Path, "\"/etc/passlink/key.pem\"", "Private key (PEM) of the certificate."),
    Key::optional(
        "metrics_listen",
        Kind::Listen,
        "\"127.0.0.1:9090\"",
        "Address and port that serve /metrics for Prometheus, in clear text and without credentials.",
    ),
    Key::new(
        "dialects_off",
        Kind::Texts,
        "[]",
        "Dialects that are not served at all: \"stytch\", \"rownd\", \"asset\", \"apphandoff\", \"supabase\".",
    ),
    Key::new(
        "cached_sessions",
        Kind::Whole(0, 100_000_000),
        "100000",
        "How many sessions are remembered so that checking them costs no query.",
    ),
    Key::new(
        "sends_mail",
        Kind::Flag,
        "true",
        "Whether this server sends what waits in the outbox; false leaves it to the other replicas.",
    ),
    Key::new("header_timeout", Kind::Duration, "\"10s\"", "How long the headers of a request, or a TLS handshake, may take."),
    Key::new(
        "body_timeout",
        Kind::Duration,
        "\"10s\"",
        "How long the body of a request may take, and how long an answer may wait for its reader.",
    ),
    Key::new("idle_timeout", Kind::Duration, "\"60s\"", "How long a connection may stay open without a request."),
    Key::new("max_header_bytes", Kind::Whole(8192, 1_048_576), "32768", "How many bytes the headers of a request may have."),
    Key::new(
        "connections_per_client",
        Kind::Whole(1, 1_000_000),
        "200",
        "Connections one client (an IPv4 address or an IPv6 /64) may have open; this machine and trusted proxies are exempt.",
    ),
    Key::new(
        "drain_timeout",
        Kind::Duration,
        "\"10s\"",
        "How long requests in progress may take to end when the server is told to stop.",
    ),
];

/// Certificate and key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// The section, read.
#[derive(Debug)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What links begin with.
    pub public_origin: Origin,
    /// The server secret.
    pub secret: Secret,
    /// The data folder.
    pub data: PathBuf,
    /// Whose forwarding headers are believed, as written.
    pub trusted_proxies: Vec<String>,
    /// Threads, when chosen.
    pub workers: Option<usize>,
    /// TLS, when served.
    pub tls: Option<TlsFiles>,
    /// Where metrics are served.
    pub metrics_listen: Option<SocketAddr>,
    /// Dialects not served.
    pub dialects_off: Vec<String>,
    /// Sessions remembered.
    pub cached_sessions: u64,
    /// Whether this server sends what waits in the outbox.
    pub sends_mail: bool,
    /// What the listener puts up with.
    pub listener: ListenerSettings,
}

impl Server {
    pub(super) fn read(section: &Settled, problems: &mut Problems) -> Option<Self> {
        let public_origin = section.read::<String>("public_origin").and_then(|text| Origin::parse(&text));
        if let Some(origin) = public_origin.as_ref().filter(|origin| origin.scheme() == "http" && !origin.is_loopback()) {
            let message = format!(
                "server.public_origin is {origin}: links over http can be read on the way. Write https://{}, with TLS here (tls_certificate_file) or in a proxy",
                origin.host()
            );
            problems.note(section.place("public_origin"), message);
        }
        let secret = section.read::<String>("secret").map(Secret::new);
        if secret.as_ref().is_some_and(|secret| secret.expose().len() < ServerKeys::SHORTEST_SECRET) {
            let message = "server.secret must be at least 32 bytes; `openssl rand -hex 32` makes a good one";
            problems.note(section.place("secret"), message);
        }
        let path = |name| section.read::<PathBuf>(name);
        let tls = match (path("tls_certificate_file"), path("tls_key_file")) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                problems
                    .note(section.place("tls_certificate_file"), "server.tls_key_file is missing: a certificate needs its key");
                None
            }
            (None, Some(_)) => {
                problems
                    .note(section.place("tls_key_file"), "server.tls_certificate_file is missing: a key needs its certificate");
                None
            }
        };
        let trusted_proxies: Vec<String> = section.read("trusted_proxies")?;
        let duration = |name| section.read::<Lifetime>(name).map(Lifetime::as_duration);
        let listener = ListenerSettings {
            header_timeout: duration("header_timeout")?,
            body_timeout: duration("body_timeout")?,
            idle_timeout: duration("idle_timeout")?,
            drain_timeout: duration("drain_timeout")?,
            max_header_bytes: section.read("max_header_bytes")?,
            connections_per_client: section.read("connections_per_client")?,
            uncounted: Network::loopback()
                .into_iter()
                .chain(trusted_proxies.iter().filter_map(|text| Network::parse(text)))
                .collect(),
        };
        Some(Self {
            listen: section.read("listen")?,
            public_origin: public_origin?,
            secret: secret?,
            data: path("data")?,
            trusted_proxies,
            workers: section.read("workers"),
            tls,
            metrics_listen: section.read("metrics_listen"),
            dialects_off: section.read("dialects_off")?,
            cached_sessions: section.read("cached_sessions")?,
            sends_mail: section.read("sends_mail")?,
            listener,
        })
    }
}
