//! What people's browsers do: ask for a link, open it, press the button.

use serde_json::json;

use super::wire::{Answer, NoAnswer, ask, request};
use super::{APP, ORIGIN};

/// The request that asks for a link.
pub fn send(address: &str) -> String {
    send_with("/api/auth/send-magic-link", address, &[])
}

/// The same by another path and with more headers.
pub fn send_with(path: &str, address: &str, more: &[(&str, &str)]) -> String {
    let mut headers = vec![("Content-Type", "application/json"), ("Origin", APP)];
    headers.extend_from_slice(more);
    request("POST", path, &headers, &json!({"email": address, "callback_origin": APP}).to_string())
}

/// The request that exchanges a refresh token.
pub fn refresh(token: &str) -> String {
    request("POST", "/api/auth/refresh", &[("Content-Type", "application/json")], &json!({"refresh_token": token}).to_string())
}

/// A link's page as one browser was shown it.
#[derive(Clone, Debug)]
pub struct Page {
    path: String,
    cookie: String,
    nonce: String,
}

/// Opens a link in a new browser: the page with its button, or else the answer.
pub async fn open(port: u16, path: &str) -> Result<Result<Page, Answer>, NoAnswer> {
    let answer = ask(port, &opening(path)).await?;
    Ok(page(path, &answer).ok_or(answer))
}

/// The request that opens a link.
pub fn opening(path: &str) -> String {
    request("GET", path, &[("Sec-Fetch-Mode", "navigate")], "")
}

/// The page in an answer to an opening.
pub fn page(path: &str, answer: &Answer) -> Option<Page> {
    if answer.status != 200 {
        return None;
    }
    let form = answer.body.split(&format!("action=\"{path}\"")).nth(1)?;
    let nonce = form.split("name=\"nonce\" value=\"").nth(1)?.split('"').next()?;
    Some(Page { path: path.to_owned(), cookie: answer.cookie("passlink-page")?.to_owned(), nonce: nonce.to_owned() })
}

impl Page {
    /// The request of a press on its button.
    pub fn press(&self) -> String {
        let cookie = format!("passlink-page={}", self.cookie);
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Cookie", cookie.as_str()),
            ("Origin", ORIGIN),
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-User", "?1"),
        ];
        request("POST", &self.path, &headers, &format!("nonce={}", self.nonce))
    }
}

/// The refresh token of the session that an answer hands over.
pub fn session(answer: &Answer) -> Option<String> {
    let location = answer.header("location").filter(|_| answer.status == 303)?;
    let fragment = location.strip_prefix(APP)?.split_once('#')?.1;
    assert!(fragment.contains("access_token="), "{location}");
    let token = fragment.split('&').find_map(|pair| pair.strip_prefix("refresh_token="))?;
    Some(token.to_owned())
}

/// Whether an answer is the clean refusal of a link that did its work.
pub fn is_used(answer: &Answer) -> bool {
    answer.status == 410 && session(answer).is_none()
}

/// Whether a refresh token works.
pub async fn refreshes(port: u16, token: &str) -> bool {
    ask(port, &refresh(token)).await.is_ok_and(|answer| answer.status == 200 && answer.body.contains("access_token"))
}
