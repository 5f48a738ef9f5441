//! Where a browser may be sent: exact origins on the app's allow-list, and relative paths that stay on them.
//!
//! One parser (WHATWG, crate `url`) reads everything; parsed origins are compared, never texts.

mod allow_list;
mod client_target;
mod landing;
mod origin;
mod path;

pub use allow_list::{AllowList, AllowedOrigin};
pub use client_target::{ChosenBy, client_target};
pub(crate) use client_target::{client_target_entry, is_allowed};
pub use landing::LandingUrl;
pub use origin::Origin;
pub use path::RelativePath;

use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// A whole URL that passed the allow-list when it was made; stored with the link and checked again before use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget(Url);

impl RedirectTarget {
    /// Joins an allowed origin, the app's callback path and, as query parameter `parameter`, a safe place inside the app.
    ///
    /// # Errors
    /// `Internal` when the configured callback path leaves the origin (the configuration is checked at start).
    pub fn callback(origin: &Origin, callback_path: &RelativePath, parameter: &str, next: Option<&RelativePath>) -> Result<Self> {
        let mut url = callback_path.join(origin).ok_or_else(|| Error::internal("the callback path leaves its origin"))?;
        if let Some(next) = next {
            url.query_pairs_mut().append_pair(parameter, next.as_str());
        }
        Ok(Self(url))
    }

    /// Reads a stored target.
    ///
    /// # Errors
    /// `Internal`: it was a URL when it was stored.
    pub fn from_stored(text: &str) -> Result<Self> {
        Url::parse(text).map(Self).map_err(Error::internal)
    }

    /// Checks that the target's origin is (still) on the list.
    ///
    /// # Errors
    /// `RedirectNotAllowed`.
    pub fn check(&self, list: &AllowList) -> Result<()> {
        let allowed = Origin::of(&self.0).is_some_and(|origin| list.allows(&origin));
        allowed.then_some(()).ok_or_else(not_allowed)
    }

    /// The target's origin, such as `https://app.example.com`; of a native app its scheme, such as `myapp:`.
    pub fn origin(&self) -> String {
        match self.0.scheme() {
            "http" | "https" => self.0.origin().ascii_serialization(),
            scheme => format!("{scheme}:"),
        }
    }

    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL with a fragment of form-encoded pairs.
    pub fn with_fragment(&self, pairs: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        let fragment = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        url.set_fragment(Some(&fragment));
        url.into()
    }
}

pub(crate) fn not_allowed() -> Error {
    Error::new(ErrorKind::RedirectNotAllowed, "This origin is not on the app's list of allowed origins")
}
