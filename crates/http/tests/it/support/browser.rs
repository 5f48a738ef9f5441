//! Browsers: a cookie jar that keeps the rules of `__Host-`, and the headers that each family really sends.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Answer, TestApp, request};

/// A family of browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Chrome,
    Firefox,
    SafariIos,
    /// Before Fetch Metadata (Safari 16.4).
    SafariOld,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Chrome, Kind::Firefox, Kind::SafariIos, Kind::SafariOld];

    pub const fn user_agent(self) -> &'static str {
        match self {
            Kind::Chrome => {
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
            }
            Kind::Firefox => "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            Kind::SafariIos => {
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
            }
            Kind::SafariOld => {
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15"
            }
        }
    }

    fn has_metadata(self) -> bool {
        self != Kind::SafariOld
    }

    /// Only Chromium and Firefox tell whether a person caused a navigation.
    fn tells_gesture(self) -> bool {
        matches!(self, Kind::Chrome | Kind::Firefox)
    }

    /// What stands in `Origin` when a form of a page with `Referrer-Policy: no-referrer` is sent to its own site: `null` by the Fetch standard.
    fn origin_of_press(self, own: &str) -> String {
        if matches!(self, Kind::Chrome | Kind::Firefox) { "null".to_owned() } else { own.to_owned() }
    }
}

/// One browser of one person.
pub struct Browser<'a> {
    app: &'a TestApp,
    pub kind: Kind,
    pub jar: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp, kind: Kind) -> Self {
        Self { app, kind, jar: RefCell::default() }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.borrow().get(name).cloned()
    }

    pub fn plant(&self, name: &str, value: &str) {
        self.jar.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// The headers of a navigation; `site` is `none` for a link from a mail program.
    pub fn navigation(&self, site: &'static str) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("user-agent", self.kind.user_agent().to_owned()),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8".to_owned()),
            ("accept-language", "en-GB,en;q=0.8".to_owned()),
            ("host", host(&self.app.public)),
        ];
        if self.kind.has_metadata() {
            headers.extend([
                ("sec-fetch-site", site.to_owned()),
                ("sec-fetch-mode", "navigate".to_owned()),
                ("sec-fetch-dest", "document".to_owned()),
            ]);
        }
        if self.kind.tells_gesture() {
            headers.push(("sec-fetch-user", "?1".to_owned()));
        }
        headers
    }

    /// The headers of a person's press on a button of our own page.
    pub fn press_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.navigation("same-origin");
        headers.push(("origin", self.kind.origin_of_press(&self.app.public)));
        headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        headers
    }

    /// The headers of a person's press on a form of another origin's page.
    pub fn press_headers_of(&self, origin: &str) -> Vec<(&'static str, String)> {
        let mut headers = self.navigation("cross-site");
        headers.push(("origin", origin.to_owned()));
        headers
    }

    /// Sends a request with the jar's cookies, and keeps those that come back.
    pub async fn request(&self, method: &str, path: &str, headers: &[(&'static str, String)], body: String) -> Answer {
        let mut headers = headers.to_vec();
        let jar = self.jar.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        if !jar.is_empty() {
            headers.push(("cookie", jar));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = path.strip_prefix(self.app.public.as_str()).unwrap_or(path);
        let answer = self.app.call(request(method, path, &headers, body)).await;
        self.keep(&answer);
        answer
    }

    fn keep(&self, answer: &Answer) {
        for cookie in answer.set_cookies() {
            let (name, rest) = cookie.split_once('=').expect("a cookie has a name");
            let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
            let attributes: Vec<&str> = attributes.split(';').map(str::trim).collect();
            let host_rules = attributes.contains(&"Secure") && attributes.contains(&"Path=/") && !cookie.contains("Domain");
            assert!(!name.starts_with("__Host-") || host_rules, "browsers drop this cookie: {cookie}");
            let mut jar = self.jar.borrow_mut();
            match attributes.contains(&"Max-Age=0") {
                true => jar.remove(name),
                false => jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// Opens a link from the mail program.
    pub async fn open(&self, path: &str) -> Answer {
        self.request("GET", path, &self.navigation("none"), String::new()).await
    }

    /// Follows a redirect or a link within our own pages.
    pub async fn visit(&self, path: &str) -> Answer {
        self.request("GET", path, &self.navigation("same-origin"), String::new()).await
    }

    /// Presses the button of the form whose action ends so.
    pub async fn press(&self, page: &Answer, action_ends: &str, fields: &[(&str, &str)]) -> Answer {
        let form = page.form(action_ends);
        let body = form_body(&form.nonce, fields);
        self.request("POST", &form.action, &self.press_headers(), body).await
    }

    /// Opens a mailed link and presses its button.
    pub async fn redeem(&self, path: &str) -> Answer {
        let page = self.open(path).await;
        assert!(page.is_confirm_page(), "{} {}", page.status, page.body);
        self.press(&page, "", &[]).await
    }

    /// Asks for a link on the demo page; answers the waiting screen's path.
    pub async fn ask(&self, email: &str) -> String {
        let page = self.visit("/").await;
        let asked = self.press(&page, "/", &[("email", email)]).await;
        assert_eq!(asked.status, 303, "{}", asked.body);
        asked.location().to_owned()
    }

    /// `fetch()` by a page of `origin`, with cookies.
    pub async fn fetch(&self, method: &str, path: &str, origin: &str, body: Option<serde_json::Value>) -> Answer {
        let site = if origin == self.app.public { "same-origin" } else { "cross-site" };
        let mut headers = vec![("user-agent", self.kind.user_agent().to_owned()), ("origin", origin.to_owned())];
        if self.kind.has_metadata() {
            headers.extend([
                ("sec-fetch-site", site.to_owned()),
                ("sec-fetch-mode", "cors".to_owned()),
                ("sec-fetch-dest", "empty".to_owned()),
            ]);
        }
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        self.request(method, path, &headers, body.map(|b| b.to_string()).unwrap_or_default()).await
    }
}

fn host(public: &str) -> String {
    public.split_once("://").map_or(public, |(_, host)| host).to_owned()
}

/// A form's body.
pub fn form_body(nonce: &str, fields: &[(&str, &str)]) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    out.append_pair("nonce", nonce).extend_pairs(fields);
    out.finish()
}
