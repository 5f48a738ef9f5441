use url::Url;

use super::Origin;

/// A place inside an app: a path with optional query and fragment that cannot leave its origin, however it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelativePath(String);

impl RelativePath {
    /// The longest accepted text in bytes.
    pub const LONGEST: usize = 2048;

    /// Reads a path, or answers `None` when it is not safe.
    ///
    /// Safe means, as given and after one and two rounds of percent-decoding: exactly one `/` first, no backslash, no
    /// character below 0x20 nor 0x7f, no empty segment before `?` or `#`; and joining it with an origin stays on that origin.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::LONGEST {
            return None;
        }
        let mut round = text.as_bytes().to_vec();
        for _ in 0..3 {
            Self::looks_safe(&round).then_some(())?;
            round = percent_decode(&round);
        }
        let path = Self(text.to_owned());
        let probe = Origin::parse("https://origin.invalid")?;
        path.join(&probe).map(|_| path)
    }

    fn looks_safe(bytes: &[u8]) -> bool {
        let before_query = bytes.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
        bytes.first() == Some(&b'/')
            && !bytes.iter().any(|b| *b < 0x20 || *b == 0x7f || *b == b'\\')
            && !before_query.windows(2).any(|pair| pair == b"//")
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of this place on `origin`; `None` if the parser lands anywhere else.
    pub fn join(&self, origin: &Origin) -> Option<Url> {
        let joined = origin.to_url()?.join(&self.0).ok()?;
        let stays = Origin::of(&joined).as_ref() == Some(origin) && !joined.path().contains("//");
        stays.then_some(joined)
    }
}

fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let decoded = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        match decoded {
            Some(byte) => {
                out.push(byte);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_the_app_are_kept() {
        for path in [
            "/",
            "/reports",
            "/reports/2026?from=1&to=2#top",
            "/a%20b",
            "/ü",
            "/a/../b",
            "/search?q=//x",
            "/p?u=https://x.example/",
        ] {
            assert!(RelativePath::parse(path).is_some(), "{path}");
        }
    }
}
