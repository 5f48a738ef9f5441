//! Opening a link (`security.md` 9, 10): machines may look as often as they like.

use futures_util::future::join_all;
use serde::Deserialize;

use crate::support::{Answer, Kind, Mail, TestApp, between};

#[derive(Deserialize)]
struct Crawler {
    instances: Vec<String>,
}

/// UTF-8 as the wire carries it: one character for each byte.
fn as_bytes(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

fn crawlers() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/crawler-user-agents/crawler-user-agents.min.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| {
        panic!("the test data must lie beside the repository, in ../shared/corpora/crawler-user-agents: {e}")
    });
    let crawlers: Vec<Crawler> = serde_json::from_str(&text).expect("the test data is JSON");
    let agents: Vec<String> = crawlers.into_iter().flat_map(|crawler| crawler.instances).map(|agent| as_bytes(&agent)).collect();
    assert!(agents.len() > 2000, "the test data is cut short: {}", agents.len());
    agents
}

fn harmless(answer: &Answer, what: &str) {
    assert!(!answer.signs_in(), "{what} got in: {:?}", answer.headers);
    assert_eq!(answer.status, 200, "{what}");
    assert!(answer.set_cookies().iter().all(|c| c.starts_with("__Host-passlink-page=")), "{what}: {:?}", answer.headers);
}

/// Runs the visits and proves that they left the link as it was and that a person still gets in.
async fn leaves_alone(app: &TestApp, mail: &Mail, visits: Vec<(&str, Vec<(&str, &str)>)>) {
    let (links, sessions) = (app.rows("links"), app.rows("sessions"));
    assert_eq!(links.len(), 1);
    for group in visits.chunks(64) {
        let answers = group.iter().map(|(method, headers)| app.anonymous(method, mail.path(), headers, ""));
        for (answer, (method, headers)) in join_all(answers).await.iter().zip(group) {
            harmless(answer, &format!("{method} {headers:?}"));
        }
    }
    assert_eq!(app.rows("links"), links, "a visit changed the link");
    assert_eq!(app.rows("sessions"), sessions);
    assert!(app.browser(Kind::Chrome).redeem(mail.path()).await.signs_in(), "afterwards a person gets in");
}

#[tokio::test]
async fn sec_09_no_crawler_changes_a_link() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let agents = crawlers();
    let visits =
        agents.iter().flat_map(|agent| ["GET", "HEAD"].map(|method| (method, vec![("user-agent", agent.as_str())]))).collect();
    leaves_alone(&app, &mail, visits).await;
}

#[tokio::test]
async fn sec_09_no_prefetch_and_no_accept_header_changes_a_link() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let mut visits = Vec::new();
    for method in ["GET", "HEAD"] {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("sec-purpose", "PREFETCH"),
            ("purpose", "prefetch"),
            ("purpose", "preview"),
            ("x-purpose", "preview"),
            ("x-moz", "prefetch"),
            ("accept", "*/*"),
            ("accept", "application/json"),
            ("accept", "text/event-stream"),
            ("accept", "image/avif,image/webp,*/*;q=0.8"),
            ("accept", "text/html"),
            ("accept", ""),
            ("accept", "nonsense"),
            ("x-requested-with", "XMLHttpRequest"),
            ("x-http-method-override", "POST"),
            ("x-method-override", "POST"),
            ("range", "bytes=0-0"),
            ("user-agent", ""),
            ("sec-fetch-user", "?1"),
        ] {
            visits.push((method, vec![(name, value)]));
        }
    }
    leaves_alone(&app, &mail, visits).await;
}

#[tokio::test]
async fn sec_09_other_methods_are_refused_and_change_nothing() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let before = app.rows("links");
    for method in ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "PURGE"] {
        let answer = app.anonymous(method, mail.path(), &[], "").await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"), "{method}");
        assert!(answer.is_html() && !answer.signs_in(), "{method}");
    }
    assert_eq!(app.rows("links"), before);
    assert!(app.browser(Kind::Firefox).redeem(mail.path()).await.signs_in());
}

#[tokio::test]
async fn sec_09_a_scanner_that_presses_without_the_page_cookie_changes_nothing() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let page = app.get(mail.path()).await;
    let before = app.rows("links");
    let nonce = format!("nonce={}", page.form("").nonce);
    for action in ["", "/number", "/code", "/refuse", "/again"] {
        let path = format!("{}{action}", mail.path());
        let form = [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://auth.example.test")];
        let answer = app.anonymous("POST", &path, &form, nonce.clone()).await;
        assert_eq!(answer.status, 403, "{action}");
    }
    assert_eq!(app.rows("links"), before);
    assert!(app.dispatch().await.is_empty(), "nothing was mailed either");
}

#[tokio::test]
async fn sec_10_the_page_is_static_and_has_one_button() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let page = app.browser(Kind::Chrome).open(mail.path()).await;
    assert!(page.is_confirm_page());
    let html = page.body.to_ascii_lowercase();
    let forms = page.forms();
    assert_eq!((forms.len(), forms[0].buttons, forms[0].method.as_str()), (1, 1, "post"));
    assert_eq!(html.matches("<button").count(), 1);
    assert!(html.contains("sign in to example"), "the app's name");
    assert!(html.contains("a•••@e•••.com") && !html.contains("ada@example.com"), "the address is masked");
    for banned in
        ["<script", "http-equiv", "<iframe", "<object", "<embed", "<base", "<link rel=\"pre", "javascript:", "<img", "style=\""]
    {
        assert!(!html.contains(banned), "{banned}");
    }
    for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
        assert!(!tag.split_whitespace().skip(1).any(|attribute| attribute.starts_with("on")), "a handler: <{tag}>");
        for name in ["src=\"", "href=\"", "action=\""] {
            let local = between(tag, name, "\"").is_none_or(|url| url.starts_with('/') && !url.starts_with("//"));
            assert!(local, "somebody else's resource: <{tag}>");
        }
    }
}
