//! Where the secret goes and what dead links tell (`security.md` 16, 17, 31).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passlink_engine::secret::{Token, TokenKind};
use passlink_engine::time::Timestamp;
use serde_json::json;

use crate::support::{APP, Answer, Kind, TestApp, between, form_body};

fn keeps(answer: &Answer, secrets: &[&str], what: &str) {
    for secret in secrets {
        assert!(!answer.body.contains(secret), "{what}: the secret stands in the body");
        for (name, value) in &answer.headers {
            assert!(!String::from_utf8_lossy(value.as_bytes()).contains(secret), "{what}: the secret stands in {name}");
        }
    }
    if answer.is_html() || answer.status == 303 {
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}");
    }
}

#[tokio::test]
async fn sec_16_the_secret_of_a_pressed_link_is_never_repeated() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let mail = app.link_for("ada@example.com").await;
    let secrets = [mail.token(), mail.code.as_str()];
    let page = person.open(mail.path()).await;
    // The page itself says where its form goes; everything after it is silent.
    assert!(page.headers.iter().all(|(_, value)| !String::from_utf8_lossy(value.as_bytes()).contains(mail.token())));
    let answer = person.press(&page, "", &[]).await;
    keeps(&answer, &secrets, "the redirect");
    let body = json!({"access_token": answer.handed("access_token"), "refresh_token": answer.handed("refresh_token")});
    keeps(&person.fetch("POST", "/auth/exchange-supabase-token", APP, Some(body)).await, &secrets, "exchange");
    keeps(&person.fetch("GET", "/auth/me", APP, None).await, &secrets, "me");
    keeps(&person.visit("/signed-in").await, &secrets, "signed in");
    keeps(&person.open(mail.path()).await, &secrets, "already in");
    keeps(&person.fetch("POST", "/auth/logout", APP, None).await, &secrets, "logout");
}

#[tokio::test]
async fn sec_16_the_secret_is_in_no_redirect_of_two_browsers() {
    let app = TestApp::dev().await;
    let (asking, other) = (app.browser(Kind::Chrome), app.browser(Kind::Firefox));
    let screen = asking.ask("ada@example.com").await;
    let mail = app.mail().await;
    let page = other.open(mail.path()).await;
    let nonce = page.forms()[0].nonce.clone();
    let mut answers = vec![asking.visit(&screen).await];
    let form = crate::support::browser::form_body(&nonce, &[("number", "1")]);
    answers.push(other.request("POST", mail.path(), &other.press_headers(), form).await);
    for action in ["number", "code", "refuse", "again"] {
        answers.push(other.open(&format!("{}/{action}", mail.path())).await);
    }
    answers.push(asking.open(mail.path()).await);
    answers.push(asking.visit(&screen).await);
    for answer in answers {
        let location = answer.headers.get("location").map(|l| l.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(!location.contains(mail.token()), "{location}");
        assert!(answer.headers.iter().all(|(_, v)| !String::from_utf8_lossy(v.as_bytes()).contains(mail.token())));
    }
}

/// The page without what differs from request to request.
fn masked(answer: &Answer) -> String {
    let mut body = answer.body.clone();
    for form in answer.forms() {
        body = body.replace(&form.nonce, "NONCE");
    }
    match between(&body, "<code>", "</code>").map(str::to_owned) {
        Some(id) => body.replace(&id, "ID"),
        None => body,
    }
}

#[tokio::test]
async fn sec_17_wrong_unknown_and_foreign_links_look_the_same_and_all_dead_ones_have_one_status() {
    let app = TestApp::new().await;
    let used = app.link_for("used@example.com").await;
    app.browser(Kind::Chrome).redeem(used.path()).await;
    let expired = app.link_for("expired@example.com").await;
    app.clock.advance_secs(600);
    let issued = Timestamp::from_millis(1_800_000_000_000);
    let tag = app.app().tag;
    let made = |kind, tag, byte| Token::new(kind, tag, issued, [byte; 32]).expose().expose().to_owned();
    let unknown =
        [made(TokenKind::SignInLink, tag, 1), made(TokenKind::InviteLink, tag, 1), made(TokenKind::RedirectLink, tag, 2)];
    let foreign = [made(TokenKind::SignInLink, [1; 5], 1), made(TokenKind::Session, tag, 1), made(TokenKind::Refresh, tag, 1)];
    let wrong = ["x".to_owned(), used.token()[..59].to_owned(), used.token().replace("plk_", "plb_"), "%3Cscript%3E".to_owned()];
    let visit = async |token: &str| app.browser(Kind::Chrome).open(&format!("/l/{token}")).await;
    let reference = visit(&unknown[0]).await;
    assert_eq!(reference.title(), "We do not know this link");
    for token in unknown.iter().chain(&foreign).chain(&wrong) {
        let answer = visit(token).await;
        assert_eq!(answer.status, reference.status, "{token}");
        assert_eq!(masked(&answer), masked(&reference), "{token}");
        let names = |answer: &Answer| answer.headers.keys().map(|n| n.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&answer), names(&reference), "{token}");
    }
    for (token, title) in [(used.token(), "This link was already used"), (expired.token(), "This link has expired")] {
        let answer = visit(token).await;
        assert_eq!((answer.status, answer.title()), (reference.status, title));
        assert!(!answer.form("/again").nonce.is_empty(), "there is a way on");
    }
}

#[tokio::test]
async fn a_link_survives_what_mail_programs_do_to_it() {
    let app = TestApp::new().await;
    for (turn, (before, after)) in [
        ("", "."),
        ("", ","),
        ("", "%3E"),
        ("", ")"),
        ("", "%22"),
        ("", "?utm_source=x&a=b"),
        ("%20", ""),
        ("", "%20"),
        ("", "%E2%80%A6"),
    ]
    .into_iter()
    .enumerate()
    {
        let mail = app.link_for(&format!("mail{turn}@example.com")).await;
        let path = format!("/l/{before}{}{after}", mail.token());
        let person = app.browser(Kind::SafariIos);
        let page = person.open(&path).await;
        assert!(page.is_confirm_page(), "{path}: {}", page.title());
        let form = page.form("");
        assert_eq!(form.action, mail.path(), "the form goes to the plain link");
        assert!(person.press(&page, "", &[]).await.signs_in(), "{path}");
    }
}

#[tokio::test]
async fn sec_31_known_and_unknown_addresses_get_the_same_answer() {
    let app = TestApp::new().await;
    assert!(app.browser(Kind::Chrome).redeem(app.link_for("known@example.com").await.path()).await.signs_in());
    let shape = |answer: &Answer| {
        let headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .map(|(name, value)| {
                let volatile = name == "x-request-id";
                (name.to_string(), if volatile { "ID".to_owned() } else { value.to_str().unwrap().to_owned() })
            })
            .collect();
        (answer.status, headers, answer.body.clone())
    };
    let mut shapes = Vec::new();
    for turn in 0..20 {
        for email in ["known@example.com".to_owned(), format!("unknown{turn}@example.com")] {
            shapes.push(shape(&app.post_json("/api/auth/send-magic-link", &json!({"email": email})).await));
        }
    }
    assert!(shapes.iter().all(|one| *one == shapes[0]), "{shapes:?}");
    assert_eq!(app.dispatch().await.len(), 40);
}

/// A short link has few characters and no power: whatever door it is brought to, nobody is signed in.
#[tokio::test]
async fn sec_02_a_short_link_signs_in_at_no_door() {
    let app = TestApp::dev().await;
    app.save_client("example", "project-test-1", "*").await;
    let key = [
        ("x-rownd-app-key", "project-test-1"),
        ("x-rownd-app-secret", "secret-test-0123456789"),
        ("content-type", "application/json"),
    ];
    let body = json!({"purpose": "shorten", "redirect_url": "https://shop.example.org/sale"});
    let made = app.anonymous("POST", "/hub/auth/magic", &key, body.to_string()).await.json();
    let token = made["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(token.len() < 22, "it is short: {token}");
    let person = app.browser(Kind::Chrome);
    // A browser with a nonce of ours, so that only the link stands in the way.
    let mail = app.link_for("ada@example.com").await;
    let page = person.open(mail.path()).await;
    assert!(page.is_confirm_page());
    let nonce = between(&page.body, "name=\"nonce\" value=\"", "\"").unwrap().to_owned();
    for path in [
        format!("/l/{token}"),
        format!("/l/plk_{token}"),
        format!("/hub/auth/magic/{token}"),
        format!("/magic-link?token={token}"),
    ] {
        for method in ["GET", "POST"] {
            let form = if method == "POST" { form_body(&nonce, &[]) } else { String::new() };
            let headers = if method == "POST" { person.press_headers() } else { person.navigation("none") };
            let answer = person.request(method, &path, &headers, form).await;
            assert!(!answer.signs_in() && !answer.body.contains("access_token"), "{method} {path}: {}", answer.status);
        }
        let sdk =
            app.anonymous("GET", &path, &[("user-agent", "Rownd SDK for iOS/3.0"), ("accept", "application/json")], "").await;
        assert!(!sdk.signs_in() && !sdk.body.contains("access_token"), "{path}: {}", sdk.body);
    }
    for action in ["code", "number", "again"] {
        let form = form_body(&nonce, &[("code", "123456"), ("number", "12")]);
        let answer = person.request("POST", &format!("/l/{token}/{action}"), &person.press_headers(), form).await;
        assert!(!answer.signs_in(), "{action}: {}", answer.status);
    }
    let basic = format!("Basic {}", STANDARD.encode("project-test-1:secret-test-0123456789"));
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    let body = json!({"token": token, "session_duration_minutes": 60}).to_string();
    assert_eq!(app.anonymous("POST", "/v1/magic_links/authenticate", &headers, body).await.status, 404);
    assert!(app.rows("sessions").is_empty());
}
