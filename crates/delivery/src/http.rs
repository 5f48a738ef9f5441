//! The HTTP client of the senders that need one, and what its failures mean.

use std::error::Error as _;

use passlink_engine::messages::sender::SendOutcome;
use passlink_engine::time::Lifetime;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Response, redirect};
use url::Url;

use crate::report;
use crate::settings::{self, InvalidSettings, TimeLimits};

/// The most of an answer that is read, in bytes.
pub(crate) const LONGEST_ANSWER: usize = 64 * 1024;
/// The longest wait that a provider may wish for.
const LONGEST_WAIT: i64 = 24 * 3600;

/// A client that follows no redirect, uses no proxy from the environment, never retries, and verifies certificates and names.
pub(crate) fn builder(limits: TimeLimits, ca_certificates: Option<&str>) -> Result<ClientBuilder, InvalidSettings> {
    let mut builder = Client::builder()
        .user_agent(concat!("passlink/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(limits.connect)
        .timeout(limits.whole);
    if let Some(pem) = ca_certificates {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if certificates.is_empty() {
            return Err(InvalidSettings::new("ca_certificates", "contains no certificate in PEM form"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}

/// Finishes the client.
pub(crate) fn build(builder: ClientBuilder) -> Result<Client, InvalidSettings> {
    builder.build().map_err(|error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        InvalidSettings::new("ca_certificates", format!("cannot be used for TLS, or this system has no certificates: {cause}"))
    })
}

/// Reads a URL that must be https, or http to this machine when `loopback_http` allows it.
pub(crate) fn parse_url(setting: &'static str, text: &str, loopback_http: bool) -> Result<Url, InvalidSettings> {
    let url = Url::parse(text.trim())
        .map_err(|error| InvalidSettings::new(setting, format!("is no URL ({error}); write https://host/path")))?;
    let host = url.host_str().unwrap_or_default();
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() || host.is_empty() {
        return Err(InvalidSettings::new(setting, "must have a host and neither user, password nor fragment"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback_http && settings::is_loopback(host) => Ok(url),
        "http" => {
            Err(InvalidSettings::new(setting, format!("must begin with https:// because {host} is reached over the network")))
        }
        other => Err(InvalidSettings::new(setting, format!("begins with {other}: and must begin with https://"))),
    }
}

/// The outcome when no answer came.
pub(crate) fn failure(error: &reqwest::Error, host: &str) -> SendOutcome {
    if let Some(tls) = report::tls_error(error) {
        return SendOutcome::Misconfigured { why: report::tls_advice(tls, host) };
    }
    // The error's own text holds the URL; its kind says enough.
    let why = if error.is_timeout() {
        format!("no answer from {host} in time")
    } else if error.is_connect() {
        format!("no connection to {host}: {}", report::first_cause(error))
    } else {
        format!("the connection to {host} broke before the answer")
    };
    SendOutcome::Retry { why, after: None }
}

/// The first 64 KB of the answer's body; what was read so far when it breaks off.
pub(crate) async fn body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LONGEST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LONGEST_ANSWER {
            break;
        }
    }
    body
}

/// The real time: providers name moments of it, and receivers compare signatures' times with it. The engine's clock may be a test's.
#[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the clock, and why")]
pub(crate) fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// How long the provider wants us to wait: `Retry-After` in seconds or as a date (RFC 9110 10.2.3), or `X-RateLimit-Reset` as Unix time.
pub(crate) fn wish_to_wait(headers: &HeaderMap) -> Option<Lifetime> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let now = wall_clock().as_second();
    let until = |second: i64| second.saturating_sub(now);
    let seconds = match text(RETRY_AFTER.as_str()) {
        Some(after) => match after.parse::<i64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => jiff::fmt::rfc2822::parse(after).ok().map(|date| until(date.timestamp().as_second())),
        },
        None => text("x-ratelimit-reset").and_then(|reset| reset.parse::<i64>().ok()).map(until),
    };
    seconds.filter(|&seconds| seconds > 0).map(|seconds| Lifetime::from_secs(seconds.min(LONGEST_WAIT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<i64> {
        let headers = HeaderMap::from_iter([(name.parse().expect("name"), value.parse().expect("value"))]);
        wish_to_wait(&headers).map(Lifetime::as_secs)
    }

    #[test]
    fn a_provider_says_in_three_ways_when_to_try_again() {
        assert_eq!(wait("retry-after", "120"), Some(120));
        let later = wall_clock() + jiff::SignedDuration::from_secs(90);
        let date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert!(wait("retry-after", &date).is_some_and(|secs| (85..=90).contains(&secs)), "{date}");
        assert!(wait("x-ratelimit-reset", &later.as_second().to_string()).is_some_and(|secs| (85..=90).contains(&secs)));
    }

    #[test]
    fn an_odd_wish_is_passed_over_or_cut() {
        for odd in ["", "-5", "0", "soon", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait("retry-after", odd), None, "{odd}");
        }
        assert_eq!(wait("retry-after", "99999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("x-ratelimit-reset", "1000"), None);
    }

    #[test]
    fn sec_30_http_only_for_loopback() {
        for fine in ["https://api.example.com/x", "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1/"] {
            assert!(parse_url("url", fine, true).is_ok(), "{fine}");
        }
        for bad in [
            "http://api.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1/",
            "ftp://localhost",
            "file:///etc/passwd",
        ] {
            assert!(parse_url("url", bad, true).is_err(), "{bad}");
        }
        for bad in ["http://localhost/", "https://user:pw@example.com/", "https://example.com/#x", "example.com", ""] {
            assert!(parse_url("url", bad, false).is_err(), "{bad}");
        }
    }
}
