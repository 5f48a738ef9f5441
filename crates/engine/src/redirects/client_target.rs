//! Where links lead that a client with credentials, or a signed-in person, asks for: any page or app of theirs, unless the operator lists some.
//!
//! Pages without credentials are bound by the allow-list instead ([`super::AllowList`]).

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Origin, RedirectTarget, RelativePath, not_allowed};
use crate::apps::{App, base_url};
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};

/// Bytes of a target at most.
const LONGEST: usize = 2048;
/// Schemes whose addresses act in the browser itself instead of leading somewhere, or name any app at all (`security.md` 21).
const NEVER: [&str; 9] = ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "intent"];

/// Who chose a link's target, which decides how it is checked, when the link is made and again when it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// A page without credentials: the app's allow-list holds.
    #[default]
    Page,
    /// A client with credentials.
    Client,
    /// A signed-in person: only where the app's own page is, and what the operator lists.
    Person,
}

/// An entry of `client_redirect_origins`: an origin, or a scheme with its colon.
pub(crate) fn client_target_entry(text: &str) -> Option<String> {
    if let Some(origin) = Origin::parse(text) {
        return Some(origin.to_string());
    }
    let scheme = text.strip_suffix(':').filter(|scheme| !scheme.is_empty())?;
    let is_plain = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let is_known = ["http", "https"].contains(&scheme) || NEVER.contains(&scheme);
    (is_plain && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_known)
        .then(|| format!("{}:", scheme.to_ascii_lowercase()))
}

/// What of a target is compared with entries.
fn entry_of(url: &Url) -> Option<String> {
    match url.scheme() {
        "http" | "https" => Origin::of(url).map(|origin| origin.to_string()),
        scheme if NEVER.contains(&scheme) => None,
        scheme => Some(format!("{scheme}:")),
    }
}

/// Whether a link may lead there.
pub(crate) fn is_allowed(app: &App, url: &Url, by: ChosenBy) -> bool {
    let Some(entry) = entry_of(url) else { return false };
    let listed = &app.settings.client_redirect_origins;
    let is_listed = || listed.iter().filter_map(|known| client_target_entry(known)).any(|known| known == entry);
    match by {
        ChosenBy::Page => Origin::of(url).is_some_and(|origin| app.allows(&origin)),
        ChosenBy::Client => listed.is_empty() || is_listed() || is_home(app, url),
        ChosenBy::Person => is_home(app, url) || is_listed(),
    }
}

fn home(app: &App) -> Option<Url> {
    base_url(app.settings.default_redirect_url.as_deref()?)
}

fn is_home(app: &App, url: &Url) -> bool {
    home(app).is_some_and(|home| Origin::of(&home).is_some() && Origin::of(&home) == Origin::of(url))
}

fn bad(message: &str) -> Error {
    Error::invalid_fields(vec![FieldError::new("redirect_url", message)])
}

/// The target that a client or a person asks for; the app's own page when they ask for none.
///
/// # Errors
/// `RedirectRequired` when none is given (or a relative one) and the app has no page of its own; `Invalid` naming `redirect_url` for what is no target;
/// `RedirectNotAllowed`.
pub fn client_target(app: &App, given: Option<&str>, by: ChosenBy) -> Result<RedirectTarget> {
    let base = || {
        let message = "The app has no default_redirect_url, so redirect_url must be a whole address";
        home(app).ok_or_else(|| Error::new(ErrorKind::RedirectRequired, message))
    };
    let Some(text) = given.filter(|text| !text.is_empty()) else { return base().map(RedirectTarget) };
    if text.len() > LONGEST {
        return Err(Error::invalid_fields(vec![
            FieldError::new("redirect_url", format!("must have at most {LONGEST} bytes")).because(Problem::TooLarge),
        ]));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(bad("must not hold control characters, nor blanks around it"));
    }
    let place = text.split(['?', '#']).next().unwrap_or_default();
    if text.starts_with("//") || place.contains('\\') {
        return Err(bad("must not begin with // or hold a backslash"));
    }
    let url = match Url::parse(text) {
        Ok(url) => {
            let has_host = !matches!(url.scheme(), "http" | "https") || Origin::of(&url).is_some();
            if entry_of(&url).is_none() || !has_host {
                return Err(bad("must be an address of a page or of a native app"));
            }
            url
        }
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            join(&base()?, text).ok_or_else(|| bad("must be a place below the app's page"))?
        }
        Err(_) => return Err(bad("must be a whole address, or a place below the app's page")),
    };
    if is_allowed(app, &url, by) { Ok(RedirectTarget(url)) } else { Err(not_allowed()) }
}

/// A place below a page: exactly one slash between them, except before a query or fragment.
fn join(base: &Url, place: &str) -> Option<Url> {
    // What would leave a page's origin by any reading does not become better below a page.
    RelativePath::parse(&format!("/{}", place.strip_prefix('/').unwrap_or(place)))?;
    let base_text = base.as_str().trim_end_matches('/');
    let text = match place.as_bytes().first()? {
        b'?' | b'#' => format!("{}{place}", base.as_str()),
        _ => format!("{base_text}/{}", place.strip_prefix('/').unwrap_or(place)),
    };
    Url::parse(&text).ok().filter(|url| Origin::of(url).is_some() && Origin::of(url) == Origin::of(base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::AppSettings;
    use crate::ids::AppId;
    use crate::time::Timestamp;

    fn app(home: Option<&str>, origins: &[&str]) -> App {
        let settings = AppSettings {
            default_redirect_url: home.map(str::to_owned),
            client_redirect_origins: origins.iter().map(|entry| (*entry).to_owned()).collect(),
            ..AppSettings::default()
        };
        let now = Timestamp::from_millis(0);
        App { id: AppId::new(now, [0; 10]), tag: *b"abcde", name: "a".into(), settings, created_at: now }
    }

    fn target(app: &App, given: &str, by: ChosenBy) -> Option<String> {
        client_target(app, Some(given), by).ok().map(|target| target.as_url().to_string())
    }

    #[test]
    fn a_client_may_name_any_page_or_app() {
        let app = app(None, &[]);
        for good in ["https://a.example/x?y=1#z", "http://localhost:3000/", "myapp://open", "com.example.app:/sign-in"] {
            assert!(target(&app, good, ChosenBy::Client).is_some(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://a.example/1",
            "about:blank",
            "//evil.example",
            "\\\\evil.example",
            "/\\evil.example",
            "https:\\\\evil.example",
            "https://user@evil.example/",
            "https://",
            "http://[::1",
            "https://a.example/\u{0}",
            "relative",
            "/relative",
            "?a=b",
            &format!("https://a.example/{}", "x".repeat(2048)),
        ] {
            assert!(target(&app, bad, ChosenBy::Client).is_none(), "{bad}");
        }
    }

    /// In every case, with blanks and control characters around and inside, for whoever asks, and whatever is listed.
    #[test]
    fn sec_21_what_acts_in_the_browser_or_names_any_app_is_no_target() {
        let apps = [app(None, &[]), app(Some("https://app.example/base/"), &["https://app.example", "myapp:"])];
        for scheme in NEVER {
            let upper = scheme.to_ascii_uppercase();
            let mixed: String =
                scheme.chars().enumerate().map(|(i, c)| if i % 2 == 0 { c } else { c.to_ascii_uppercase() }).collect();
            let inside = format!("{}\t{}", &scheme[..2], &scheme[2..]);
            for spelt in
                [scheme, &upper, &mixed, &inside, &format!(" {scheme}"), &format!("\n{scheme}"), &format!("\u{0}{scheme}")]
            {
                for rest in [":x", "://x", ":https://app.example/", ":/x"] {
                    for (app, by) in apps.iter().flat_map(|app| [(app, ChosenBy::Client), (app, ChosenBy::Person)]) {
                        let given = format!("{spelt}{rest}");
                        assert!(target(app, &given, by).is_none(), "{given:?}");
                    }
                }
            }
            assert!(client_target_entry(&format!("{scheme}:")).is_none(), "{scheme} cannot be listed");
        }
    }

    /// By any reading: dot segments, one and two rounds of decoding, backslashes (`security.md` 20).
    #[test]
    fn sec_20_hostile_places_are_not_below_a_page() {
        let app = app(Some("https://app.example"), &[]);
        for bad in [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/%252fevil.example",
            "/%255cevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/x/..//evil.example",
            "/%2e%2e//evil.example",
            "/%2e/%2fevil.example",
            "/x//evil.example",
            "/x/%2fevil.example",
            "/\tevil",
            "/\nevil",
            "/\revil",
            "/\u{0}evil",
            "/\u{7f}evil",
            "/%00evil",
            "/%09evil",
            "/%0aevil",
            "/%0d%0aSet-Cookie:x",
            "/%7fevil",
            "/%2500evil",
            "x//evil.example",
            "x\\evil.example",
            "x%5cevil.example",
            "./%5cevil.example",
            "..%2f%2fevil.example",
            " /x",
            "/x ",
            "/\u{1}x",
            "https:/\\evil.example",
            "https:evil.example\\x",
            "/x\\..\\y",
            "/%2f/%5cevil.example",
            "/%2f%2fevil.example",
            "/;/%2f/evil.example",
            "/.%2f/evil.example",
            "/%2e%2f%2fevil.example",
            "/%5c%5cevil.example",
        ] {
            assert_eq!(target(&app, bad, ChosenBy::Client), None, "{bad:?}");
        }
    }

    #[test]
    fn relative_places_are_below_the_apps_page() {
        let app = app(Some("https://app.example/base/"), &[]);
        for (given, expected) in [
            ("account", "https://app.example/base/account"),
            ("/account", "https://app.example/base/account"),
            ("/account?x=1#", "https://app.example/base/account?x=1#"),
            ("?x=1", "https://app.example/base/?x=1"),
            ("#top", "https://app.example/base/#top"),
            (".evil.example", "https://app.example/base/.evil.example"),
            ("@evil.example", "https://app.example/base/@evil.example"),
            ("../../../x", "https://app.example/x"),
        ] {
            assert_eq!(target(&app, given, ChosenBy::Client).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(client_target(&app, None, ChosenBy::Client).unwrap().as_url().as_str(), "https://app.example/base/");
    }

    #[test]
    fn lists_bind_clients_and_home_binds_people() {
        let listed = app(Some("https://app.example"), &["https://other.example", "myapp:"]);
        for (given, client, person) in [
            ("https://app.example/x", true, true),
            ("https://other.example/x", true, true),
            ("MYAPP://x", true, true),
            ("https://third.example/", false, false),
            ("https://app.example.evil.example/", false, false),
            ("https://app.example:444/", false, false),
            ("http://app.example/", false, false),
            ("yourapp://x", false, false),
        ] {
            assert_eq!(target(&listed, given, ChosenBy::Client).is_some(), client, "{given}");
            assert_eq!(target(&listed, given, ChosenBy::Person).is_some(), person, "{given}");
        }
        let open = app(Some("https://app.example"), &[]);
        assert!(target(&open, "https://third.example/", ChosenBy::Client).is_some());
        assert!(target(&open, "https://third.example/", ChosenBy::Person).is_none());
    }
}
