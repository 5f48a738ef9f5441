//! Which callback origin decides (contract section 3): the first one present, and no falling through to a later one.

use http::HeaderMap;
use http::header::{ORIGIN, REFERER};
use passlink_engine::apps::App;
use passlink_engine::redirects::Origin;
use passlink_engine::{Error, ErrorKind};

use super::error::Refusal;

const HEADER: &str = "x-apphandoff-callback-origin";

/// What the request names, before any app is known.
pub(super) enum Named {
    /// A well-formed origin.
    Origin(Origin),
    /// A header that is present and not an origin.
    Malformed,
    /// Nothing.
    Nothing,
}

/// The first origin present: the body's, the dialect's header, `Origin`, the origin part of `Referer`.
pub(super) fn named(body: Option<&Origin>, headers: &HeaderMap) -> Named {
    if let Some(origin) = body {
        return Named::Origin(origin.clone());
    }
    let present = |name: &str| {
        headers.get(name).map(|value| value.to_str().unwrap_or("?").trim().to_owned()).filter(|text| !text.is_empty())
    };
    let from_referer = |text: String| match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.username().is_empty() => url.origin().ascii_serialization(),
        _ => text,
    };
    let text = present(HEADER)
        .or_else(|| present(ORIGIN.as_str()).filter(|text| text != "null"))
        .or_else(|| present(REFERER.as_str()).map(from_referer));
    match text {
        Some(text) => Origin::parse(&text).map_or(Named::Malformed, Named::Origin),
        None => Named::Nothing,
    }
}

/// The origin that receives the sign-in.
///
/// # Errors
/// `callback_origin_not_allowed`; `callback_origin_required` when nothing is named and there is no default.
pub(super) fn decide(named: Named, app: &App) -> Result<Origin, Refusal> {
    match named {
        Named::Origin(origin) if app.allows(&origin) => Ok(origin),
        Named::Origin(_) | Named::Malformed => Err(Refusal::origin_not_allowed()),
        Named::Nothing => app.settings.default_origin.as_deref().and_then(Origin::parse).ok_or_else(|| {
            Refusal::from(Error::new(ErrorKind::RedirectRequired, "Say with callback_origin where the sign-in should go"))
        }),
    }
}
