//! Pages of the app that receive the token of a client's link: whole URLs, registered by the operator and matched as a whole.

use serde::{Deserialize, Serialize};
use url::Url;

use super::Origin;

/// A registered page. A link leads to exactly such a URL, path and query included; only `www.` in front of the host makes no difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LandingUrl(Url);

/// Why a text is no [`LandingUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a whole https URL without user name and fragment, such as https://app.example.com/authenticate (http only for this machine)"
)]
pub struct InvalidLandingUrl;

impl LandingUrl {
    /// Reads one.
    ///
    /// # Errors
    /// [`InvalidLandingUrl`] for anything but http(s) with a host, for user info and fragments, for characters that parsers disagree about, and for http
    /// to other machines.
    pub fn parse(text: &str) -> Result<Self, InvalidLandingUrl> {
        let is_plain = text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        let url = Url::parse(text).ok().filter(|url| is_plain && url.fragment().is_none()).ok_or(InvalidLandingUrl)?;
        // The origin is read by the same rules as those of the allow-list, from the text in front of the path.
        let authority = text.split_once("://").map(|(scheme, rest)| (scheme, rest.split(['/', '?']).next().unwrap_or_default()));
        let (scheme, host) = authority.ok_or(InvalidLandingUrl)?;
        let origin = Origin::parse(&format!("{scheme}://{host}")).filter(|origin| Origin::of(&url).as_ref() == Some(origin));
        let origin = origin.ok_or(InvalidLandingUrl)?;
        if origin.scheme() != "https" && !(origin.scheme() == "http" && origin.is_loopback()) {
            return Err(InvalidLandingUrl);
        }
        Ok(Self(url))
    }

    /// Whether links to that one may be meant by this: equal as a whole, but for a leading `www.`.
    pub fn matches(&self, other: &Self) -> bool {
        let bare = |url: &Url| {
            let host = url.host_str().unwrap_or_default().to_owned();
            host.strip_prefix("www.").map_or(host.clone(), str::to_owned)
        };
        let rest = |url: &Url| {
            (url.scheme().to_owned(), url.port_or_known_default(), url.path().to_owned(), url.query().map(str::to_owned))
        };
        bare(&self.0) == bare(&other.0) && rest(&self.0) == rest(&other.0)
    }

    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Display for LandingUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl TryFrom<String> for LandingUrl {
    type Error = InvalidLandingUrl;
    fn try_from(text: String) -> Result<Self, InvalidLandingUrl> {
        Self::parse(&text)
    }
}

impl From<LandingUrl> for String {
    fn from(url: LandingUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_https_urls_are_registered() {
        for good in
            ["https://app.example.com/authenticate", "https://example.com", "http://localhost:3000/a?b=c", "http://127.0.0.1/x"]
        {
            assert!(LandingUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/authenticate",
            "http://app.example.com/a",
            "https://user@app.example.com/",
            "https://app.example.com/#x",
            "https://app.example.com\\@evil.test/",
            "https://app.exämple.com/",
            "javascript:alert(1)",
            "https:app.example.com",
            "https://app.example.com:443:443/",
            " https://app.example.com/",
        ] {
            assert!(LandingUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn they_match_as_a_whole() {
        let url = |text: &str| LandingUrl::parse(text).unwrap();
        let registered = url("https://example.com/a?b=c");
        for same in ["https://example.com/a?b=c", "https://www.example.com/a?b=c", "https://EXAMPLE.com:443/a?b=c"] {
            assert!(registered.matches(&url(same)), "{same}");
        }
        for other in [
            "https://example.com/a",
            "https://example.com/a?b=d",
            "https://example.com/a?b=c&d=e",
            "https://example.com/A?b=c",
            "https://x.example.com/a?b=c",
            "https://example.com:8443/a?b=c",
            "https://example.com/a/?b=c",
        ] {
            assert!(!registered.matches(&url(other)), "{other}");
        }
    }
}
