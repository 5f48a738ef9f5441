use std::fmt;

use serde::{Deserialize, Serialize};

use super::Origin;

/// One entry of an app's allow-list: an exact origin, or `https://*.example.com` for every host below a domain, never the domain itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedOrigin {
    /// The origin, of the parent domain when `below` is set.
    origin: Origin,
    below: bool,
}

/// Why a text cannot be an entry of an allow-list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAllowedOrigin {
    /// Not scheme, host and port.
    #[error("must be an origin such as https://app.example.com or https://*.example.com")]
    Malformed,
    /// A wildcard anywhere but as the whole first label of an https origin.
    #[error("a wildcard may only be the whole first label of an https origin, as in https://*.example.com")]
    Wildcard,
    /// A wildcard directly below a public suffix would allow strangers.
    #[error("a wildcard may not stand directly below a public suffix")]
    PublicSuffix,
    /// Clear text over the network.
    #[error("http is only allowed for loopback hosts, with their port")]
    ClearText,
}

impl AllowedOrigin {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`InvalidAllowedOrigin`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidAllowedOrigin> {
        use InvalidAllowedOrigin::{ClearText, Malformed, PublicSuffix, Wildcard};
        let (text, below) = match text.split_once("://*.") {
            Some((scheme, rest)) => (format!("{scheme}://{rest}"), true),
            None => (text.to_owned(), false),
        };
        if text.contains('*') {
            return Err(Wildcard);
        }
        let origin = Origin::parse_international(&text).ok_or(Malformed)?;
        if origin.scheme() == "http" && (below || !origin.is_loopback()) {
            return Err(if below { Wildcard } else { ClearText });
        }
        if below && psl::domain(origin.host().as_bytes()).is_none() {
            return Err(PublicSuffix);
        }
        Ok(Self { origin, below })
    }

    /// Whether the entry covers this origin.
    pub fn covers(&self, candidate: &Origin) -> bool {
        if !self.below {
            return *candidate == self.origin;
        }
        candidate.scheme() == self.origin.scheme()
            && candidate.port() == self.origin.port()
            && candidate.host().strip_suffix(self.origin.host()).is_some_and(|left| left.len() > 1 && left.ends_with('.'))
    }
}

impl TryFrom<String> for AllowedOrigin {
    type Error = InvalidAllowedOrigin;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AllowedOrigin> for String {
    fn from(entry: AllowedOrigin) -> Self {
        entry.to_string()
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.origin.to_string();
        match (self.below, text.split_once("://")) {
            (true, Some((scheme, rest))) => write!(f, "{scheme}://*.{rest}"),
            _ => f.write_str(&text),
        }
    }
}

/// The origins a browser may be sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowList {
    entries: Vec<AllowedOrigin>,
    /// Native apps receive on a loopback port that changes with every run (RFC 8252 7.3).
    #[serde(default)]
    native: bool,
}

impl AllowList {
    /// A list; `native` allows http on any port of a loopback address.
    pub fn new(entries: Vec<AllowedOrigin>, native: bool) -> Self {
        Self { entries, native }
    }

    /// Whether a browser may be sent to this origin.
    pub fn allows(&self, origin: &Origin) -> bool {
        (self.native && origin.scheme() == "http" && origin.is_loopback())
            || self.entries.iter().any(|entry| entry.covers(origin))
    }

    /// The entries, as configured.
    pub fn entries(&self) -> &[AllowedOrigin] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, origin: &str) -> bool {
        let list = AllowList::new(vec![AllowedOrigin::parse(entry).expect(entry)], false);
        Origin::parse(origin).is_some_and(|origin| list.allows(&origin))
    }

    #[test]
    fn an_entry_covers_exactly_what_it_says() {
        for (entry, origin, expected) in [
            ("https://app.example.com", "https://app.example.com", true),
            ("https://app.example.com", "https://APP.example.com:443/", true),
            ("https://app.example.com", "https://app.example.com.", true),
            ("https://app.example.com", "https://app.example.com:444", false),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com", "https://app.example.com.evil.test", false),
            ("https://app.example.com", "https://evil.test/app.example.com", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:3000", "http://localhost:3001", false),
            ("https://bücher.example", "https://xn--bcher-kva.example", true),
        ] {
            assert_eq!(allows(entry, origin), expected, "{entry} {origin}");
        }
    }

    #[test]
    fn entries_that_would_allow_strangers_are_refused() {
        for entry in [
            "https://*.com",
            "https://*.co.uk",
            "https://*",
            "https://a.*.example.com",
            "https://*a.example.com",
            "http://*.example.com",
            "http://example.com",
            "https://user@example.com",
            "https://example.com/path",
            "https://example.com?x",
            "javascript:alert(1)",
            "*",
            "",
        ] {
            assert!(AllowedOrigin::parse(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn native_apps_get_any_loopback_port_and_nothing_else() {
        let list = AllowList::new(vec![], true);
        for (origin, expected) in [
            ("http://127.0.0.1:53121", true),
            ("http://[::1]:9", true),
            ("http://localhost:1", true),
            ("https://127.0.0.1:1", false),
            ("http://10.0.0.1:1", false),
            ("http://localhost.evil.test:1", false),
        ] {
            assert_eq!(list.allows(&Origin::parse(origin).unwrap()), expected, "{origin}");
        }
    }
}
