//! HTTP Basic credentials (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use passlink_engine::secret::Secret;
use zeroize::Zeroizing;

/// User id and password, if there is exactly one `Authorization` header and it has both.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, Secret)> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (all.next()?, all.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some((id.to_owned(), Secret::new(secret.to_owned())))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
        basic_credentials(&headers).map(|(id, secret)| (id, secret.expose().to_owned()))
    }

    #[test]
    fn sec_36_only_whole_credentials_are_read() {
        let both = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("Basic YTpi"), both("a", "b"));
        assert_eq!(read("bAsIc  YTpi "), both("a", "b"));
        assert_eq!(read("Basic YTpiOmM="), both("a", "b:c"));
        for bad in ["", "Basic", "Basic ", "Basic YQ==", "Basic YTpi!", "Basic //86YQ==", "Bearer YTpi", "YTpi", "Basic a:b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(basic_credentials(&twice).is_none());
    }
}
