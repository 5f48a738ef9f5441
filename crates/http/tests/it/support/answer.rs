//! An answer, read whole, and what a page in it holds.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// An answer with its body.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("the body ends");
        Self { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// The header, if it is there once and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        assert!(self.headers.get_all(name).iter().count() <= 1, "{name} stands there twice");
        self.headers.get(name).map(|value| value.to_str().expect(name))
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location, but {} {}", self.status, self.body))
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The `Set-Cookie` of this name.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        self.set_cookies().into_iter().find(|cookie| cookie.split('=').next() == Some(name))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.body))
    }

    /// The `code` of an error body.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn is_html(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
    }

    pub fn title(&self) -> &str {
        between(&self.body, "<h1>", "</h1>").unwrap_or_else(|| panic!("no heading: {} {}", self.status, self.body))
    }

    /// The forms of the page.
    pub fn forms(&self) -> Vec<Form> {
        self.body.split("<form").skip(1).map(|rest| Form::read(rest.split("</form>").next().unwrap_or(rest))).collect()
    }

    /// The form whose action ends so.
    pub fn form(&self, action_ends: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action.ends_with(action_ends));
        found.unwrap_or_else(|| panic!("no form to …{action_ends}: {} {}", self.status, self.body))
    }

    /// Whether it is the page with the one button that redeems.
    pub fn is_confirm_page(&self) -> bool {
        self.status == StatusCode::OK && self.title().starts_with("Sign in to") && self.forms().len() == 1
    }

    /// Whether it is the page for another browser than the requester's.
    pub fn is_elsewhere_page(&self) -> bool {
        self.status == StatusCode::OK && self.title().starts_with("Are you signing in")
    }

    /// The pairs of the fragment of `Location`.
    pub fn fragment(&self) -> Vec<(String, String)> {
        let fragment = self.location().split_once('#').map_or("", |(_, fragment)| fragment);
        url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect()
    }

    /// One value of it.
    pub fn handed(&self, name: &str) -> String {
        let found = self.fragment().into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.location()))
    }

    /// Whether somebody got in by this answer: tokens in a fragment, or a session cookie.
    pub fn signs_in(&self) -> bool {
        let session = self.set_cookies().iter().any(|c| c.contains("passlink-session=pls_") || c.contains("sb-access-token=ey"));
        let location = self.headers.get("location").and_then(|l| l.to_str().ok()).unwrap_or_default();
        let tokens = location.contains("access_token=") || location.contains("rph_init=");
        session || tokens || self.body.contains("access_token")
    }
}

/// A form of a page.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub method: String,
    pub nonce: String,
    pub buttons: usize,
}

impl Form {
    fn read(html: &str) -> Self {
        let text = |before: &str| between(html, before, "\"").unwrap_or_default().to_owned();
        Self {
            action: text("action=\"").replace("&#38;", "&"),
            method: text("method=\""),
            nonce: text("name=\"nonce\" value=\""),
            buttons: html.matches("<button").count(),
        }
    }
}

pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(&text[start..start + length])
}
