use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// Scheme, host and port of an http(s) URL, normalised: lower case, A-labels, no trailing dot, default port left out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads an origin: http or https, nothing after the host but an optional port and `/`.
    ///
    /// `None` for everything else: user info, path, query, fragment, backslash, blank or control character anywhere,
    /// percent-encoded hosts, and characters beyond ASCII: browsers send A-labels, and folding must make no look-alike the real name.
    pub fn parse(text: &str) -> Option<Self> {
        text.is_ascii().then(|| Self::parse_international(text))?
    }

    /// The same for an operator's own text, where a name may be written in its own script.
    pub(super) fn parse_international(text: &str) -> Option<Self> {
        if text.len() > 512 || text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '%' | '@')) {
            return None;
        }
        let (_, authority) = text.split_once("://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.is_empty() || authority.contains(['/', '?', '#']) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        (url.path() == "/").then_some(())?;
        Self::of(&url)
    }

    /// The origin of a parsed URL; `None` unless it is http(s) without user info.
    pub fn of(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "https" => "https",
            "http" => "http",
            _ => return None,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(domain) => {
                let domain = domain.strip_suffix('.').unwrap_or(domain);
                let well_formed = !domain.is_empty()
                    && domain.split('.').all(|label| !label.is_empty())
                    && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
                well_formed.then(|| domain.to_owned())?
            }
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => format!("[{ip}]"),
        };
        Some(Self { scheme, host, port: url.port_or_known_default()? })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host as it stands in a URL (IPv6 in brackets).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also when it is the scheme's default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is this machine: `localhost`, `*.localhost` (RFC 6761), 127.0.0.0/8 or ::1.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// As a URL with path `/`, to join against.
    pub fn to_url(&self) -> Option<Url> {
        Url::parse(&self.to_string()).ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.scheme == "https" { 443 } else { 80 };
        match self.port {
            port if port == default => write!(f, "{}://{}", self.scheme, self.host),
            port => write!(f, "{}://{}:{port}", self.scheme, self.host),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
