//! Headers of every page and every redirect (`security.md` 11).

use serde_json::json;

use crate::support::{APP, Answer, Kind, TestApp};

/// What every answer to a person carries.
const ALWAYS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-robots-tag", "noindex, nofollow"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("strict-transport-security", "max-age=31536000"),
];
const PLAIN: &str = "default-src 'none'; style-src 'self'; img-src 'self' data: https:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

fn has_headers(answer: &Answer, what: &str) {
    for (name, value) in ALWAYS {
        assert_eq!(answer.header(name), Some(value), "{name} of {what}");
    }
    assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 36), "{what} has a request id");
}

fn is_page(answer: &Answer, status: u16, policy: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{what}");
    has_headers(answer, what);
    assert_eq!(answer.header("content-security-policy"), Some(policy), "{what}");
}

fn is_redirect(answer: &Answer, to: &str, what: &str) {
    assert_eq!(answer.status, 303, "{what}: {}", answer.body);
    assert!(answer.location().starts_with(to), "{what} leads to {}", answer.location());
    assert!(answer.body.is_empty(), "{what}");
    has_headers(answer, what);
}

fn leading_to(origin: &str) -> String {
    format!("{PLAIN} {origin}")
}

#[tokio::test]
async fn sec_11_pages_of_a_link() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let mail = app.link_for("ada@example.com").await;
    let page = person.open(mail.path()).await;
    is_page(&page, 200, &leading_to(APP), "the confirm page");
    is_page(&app.anonymous("HEAD", mail.path(), &[], "").await, 200, &leading_to(APP), "HEAD of the confirm page");
    let foreign = person.request("POST", mail.path(), &person.press_headers(), "nonce=x".into()).await;
    is_page(&foreign, 403, PLAIN, "a press that is not ours");
    is_redirect(&person.press(&page, "", &[]).await, &format!("{APP}/auth/callback#"), "the press");
    is_page(&person.open(mail.path()).await, 200, PLAIN, "already in");
    is_page(&app.get(mail.path()).await, 410, PLAIN, "a used link");
    is_page(&app.get("/l/nonsense").await, 410, PLAIN, "an unknown link");
    let dead = app.browser(Kind::Chrome);
    let page = dead.open(mail.path()).await;
    is_redirect(&dead.press(&page, "/again", &[]).await, "/wait/", "asking again");
}

#[tokio::test]
async fn sec_11_a_reload_of_a_forms_address_shows_the_page_of_the_link() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    for action in ["number", "code", "refuse", "again"] {
        let answer = app.get(&format!("{}/{action}", mail.path())).await;
        is_page(&answer, 200, &leading_to(APP), action);
        assert!(answer.is_confirm_page(), "{action}");
    }
}

#[tokio::test]
async fn sec_11_pages_of_the_waiting_browser() {
    let scripts = format!("{PLAIN}; script-src 'self'; connect-src 'self'");
    let app = TestApp::dev().await;
    let (person, other) = (app.browser(Kind::Chrome), app.browser(Kind::SafariIos));
    let start = person.visit("/").await;
    is_page(&start, 200, PLAIN, "the demo page");
    is_page(&person.press(&start, "/", &[("email", "x")]).await, 400, PLAIN, "a bad address");
    let asked = person.press(&start, "/", &[("email", "ada@example.com")]).await;
    is_redirect(&asked, "/wait/", "asking");
    let screen = asked.location().to_owned();
    is_page(&person.visit(&screen).await, 200, &scripts, "the waiting screen");
    is_page(&other.visit(&screen).await, 410, PLAIN, "the waiting screen of somebody else");
    is_page(&person.visit("/wait/nonsense").await, 404, PLAIN, "no waiting screen");
    for action in ["code", "again", "finish"] {
        is_redirect(&person.visit(&format!("{screen}/{action}")).await, &screen, action);
    }
    let mail = app.mail().await;
    let elsewhere = other.open(mail.path()).await;
    is_page(&elsewhere, 200, PLAIN, "elsewhere");
    is_page(&other.press(&elsewhere, "/number", &[("number", "x")]).await, 200, PLAIN, "a malformed number");
    is_page(&other.press(&elsewhere, "/code", &[("code", "x")]).await, 200, PLAIN, "a malformed code");
    is_page(&other.press(&elsewhere, "/refuse", &[]).await, 200, PLAIN, "not me");
    let wrong = person.visit(&screen).await;
    is_page(&person.press(&wrong, "/code", &[("code", "1")]).await, 200, &scripts, "a malformed code at the screen");
    is_redirect(&person.open(mail.path()).await, "/signed-in", "the requester's own browser");
    is_redirect(&person.visit(&screen).await, "/signed-in", "the screen afterwards");
    let home = person.visit("/signed-in").await;
    is_page(&home, 200, PLAIN, "signed in");
    let asks = person.visit("/handoff").await;
    is_page(&asks, 200, PLAIN, "asking for a hand-off");
    is_page(&person.press(&asks, "/handoff", &[("label", &"x".repeat(65))]).await, 400, PLAIN, "a bad label");
    let minted = person.press(&asks, "/handoff", &[]).await;
    is_redirect(&minted, "/handoff/", "minting a hand-off");
    is_page(&person.visit(minted.location()).await, 200, &scripts, "a hand-off");
    is_page(&other.visit(minted.location()).await, 404, PLAIN, "a hand-off of somebody else");
    is_page(&other.visit(&format!("{}/qr.svg", minted.location())).await, 404, PLAIN, "its picture");
    for picture in ["qr.svg", "qr.png"] {
        let answer = person.visit(&format!("{}/{picture}", minted.location())).await;
        has_headers(&answer, picture);
        assert!(answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{picture}");
    }
    is_redirect(&person.visit("/sign-out/x").await, "/signed-in", "a reload of a form's address");
    is_redirect(&other.visit("/handoff").await, "/", "nobody hands off");
    is_redirect(&person.press(&home, "/sign-out", &[]).await, "/", "signing out");
    is_redirect(&person.visit("/signed-in").await, "/", "nobody is signed in");
}

#[tokio::test]
async fn sec_11_all_other_pages_and_redirects() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Firefox);
    app.link_for("ada@example.com").await;
    for (path, status) in [
        ("/docs", 200),
        ("/docs/apphandoff", 200),
        ("/docs/none", 404),
        ("/openapi/none.json", 404),
        ("/nothing", 404),
        ("/l", 404),
    ] {
        is_page(&person.visit(path).await, status, PLAIN, path);
    }
    is_page(&app.anonymous("DELETE", "/docs", &[], "").await, 405, PLAIN, "a wrong method");
    let scripts = format!("{PLAIN}; script-src 'self'; connect-src 'self'");
    is_page(&person.visit("/auth/callback").await, 200, &scripts, "the demo's callback");
    is_page(&person.visit("/inbox").await, 200, PLAIN, "the inbox");
    is_page(&person.visit("/inbox/x").await, 404, PLAIN, "no message");
    is_page(&person.visit("/inbox/x/html").await, 404, PLAIN, "no message's part");
    is_page(&app.anonymous("POST", "/sign-out", &[], "").await, 403, PLAIN, "signing out from elsewhere");
    is_page(&app.anonymous("POST", "/inbox/delete", &[], "").await, 403, PLAIN, "emptying the inbox from elsewhere");
    let out = person.request("POST", "/auth/logout", &person.press_headers_of(APP), String::new()).await;
    is_redirect(&out, "/", "logout by a form");
}

#[tokio::test]
async fn sec_11_the_inbox_frames_a_mail_in_a_sandbox() {
    let app = TestApp::with(|setup| {
        setup.http.dev = true;
        setup.app.sender = Some("inbox".to_owned());
    })
    .await;
    let person = app.browser(Kind::Chrome);
    app.post_json("/auth/send-magic-link", &json!({"email": "ada@example.com"})).await;
    app.dispatch().await;
    let list = person.visit("/inbox").await;
    let path = crate::support::between(&list.body, "href=\"/inbox/", "\"").expect("a message is listed");
    let frames = format!("{PLAIN}; frame-src 'self'");
    is_page(&person.visit(&format!("/inbox/{path}")).await, 200, &frames, "a message");
    let part = person.visit(&format!("/inbox/{path}/html")).await;
    has_headers(&part, "the mail itself");
    let policy = part.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox") && !policy.contains("allow-scripts"), "{policy}");
    is_redirect(&person.press(&list, "/inbox/delete", &[]).await, "/inbox", "emptying the inbox");
}

/// A path that is not UTF-8 is answered like any other that leads nowhere.
#[tokio::test]
async fn sec_11_a_path_that_is_not_text_gets_a_page() {
    let app = TestApp::dev().await;
    for path in [
        "/l/%ff",
        "/l/%ff/number",
        "/handoff/%ff",
        "/handoff/%ff/qr.svg",
        "/wait/%ff",
        "/wait/%ff/code",
        "/inbox/%ff",
        "/docs/%ff",
        "/openapi/%ff",
    ] {
        let answer = app.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        assert!(answer.is_html(), "{path}: a bare {} {:?}", answer.status, answer.body);
        has_headers(&answer, path);
    }
}

/// Whatever route there is, its pages and redirects carry the headers: a new one cannot be forgotten.
#[tokio::test]
async fn sec_11_pages_and_redirects_of_every_route() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    person.ask("ada@example.com").await;
    let mail = app.mail().await;
    assert!(person.open(mail.path()).await.signs_in());
    let mut pages = 0;
    for declared in &app.paths {
        let path = crate::support::filled(declared);
        for method in ["GET", "POST"] {
            for signed_in in [true, false] {
                let answer = match signed_in {
                    true => person.request(method, &path, &person.press_headers(), String::new()).await,
                    false => app.anonymous(method, &path, &[("accept", "text/html")], "").await,
                };
                if answer.is_html() || answer.status.is_redirection() {
                    has_headers(&answer, &format!("{method} {path}"));
                    pages += 1;
                }
            }
        }
    }
    assert!(pages > 60, "{pages}");
}
