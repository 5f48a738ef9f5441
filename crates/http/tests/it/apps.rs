//! Several apps on one server.

use passlink_engine::redirects::AllowedOrigin;
use serde_json::json;

use crate::support::{APP, Browser, Kind, TestApp, settings};

const TWO: &str = "https://two.example.net";

async fn two_apps() -> TestApp {
    TestApp::with(|setup| {
        setup.http.dev = true;
        let mut second = settings();
        second.display_name = Some("Second".to_owned());
        second.allowed_origins = vec![AllowedOrigin::parse(TWO).unwrap()];
        second.hosts = vec!["two.example.test".to_owned()];
        second.default_origin = Some(TWO.to_owned());
        setup.more_apps.push(("second", second));
    })
    .await
}

async fn ask(app: &TestApp, person: &Browser<'_>, origin: &str) -> String {
    let body = json!({"email": "ada@example.com", "callback_origin": origin});
    assert_eq!(person.fetch("POST", "/auth/send-magic-link", &app.public, Some(body)).await.status, 200);
    app.mail().await.path().to_owned()
}

#[tokio::test]
async fn the_calling_origin_names_the_app_and_the_link_keeps_it() {
    let app = two_apps().await;
    let person = app.browser(Kind::SafariIos);
    for (origin, name) in [(APP, "Sign in to Example"), (TWO, "Sign in to Second")] {
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": "ada@example.com", "callback_origin": origin})).await;
        assert_eq!(asked.status, 200);
        let mail = app.mail().await;
        assert_eq!(person.open(mail.path()).await.title(), name);
        assert!(person.redeem(mail.path()).await.location().starts_with(origin));
    }
    assert_eq!(app.rows("users").len(), 2, "one address, two apps, two users");
}

/// A browser has one proof, whichever app it got it from.
#[tokio::test]
async fn a_browser_that_knows_one_app_can_wait_for_a_link_of_another() {
    let app = two_apps().await;
    let person = app.browser(Kind::Chrome);
    person.ask("ada@example.com").await;
    app.mail().await;
    let path = ask(&app, &person, TWO).await;
    app.clock.advance_secs(600);
    let expired = person.open(&path).await;
    assert_eq!(expired.title(), "This link has expired");
    let screen = person.press(&expired, "/again", &[]).await.location().to_owned();
    let mail = app.mail().await;
    let waiting = person.visit(&screen).await;
    assert_eq!((waiting.status.as_u16(), waiting.title()), (200, "Check your mail"));
    let inside = person.press(&waiting, "/code", &[("code", &mail.code)]).await;
    assert!(inside.signs_in() && inside.location().starts_with(TWO), "{}", inside.location());
}

#[tokio::test]
async fn sec_37_each_app_signs_with_its_own_key_and_publishes_only_that() {
    let app = two_apps().await;
    let keys = async |host: &str| app.anonymous("GET", "/.well-known/jwks.json", &[("host", host)], "").await.json();
    let (first, second) = (keys("auth.example.test").await, keys("two.example.test:443").await);
    let kid = |keys: &serde_json::Value| {
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
        keys["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    assert_ne!(kid(&first), kid(&second));
    let person = app.browser(Kind::SafariOld);
    app.post_json("/auth/send-magic-link", &json!({"email": "ada@example.com", "callback_origin": TWO})).await;
    let answer = person.redeem(app.mail().await.path()).await;
    let header = jsonwebtoken::decode_header(answer.handed("access_token")).unwrap();
    assert_eq!(header.kid, Some(kid(&second)));
}

/// HTTP/2 says the host beside the path, and so may HTTP/1.1; the headers may say nothing, or something else.
#[tokio::test]
async fn the_authority_of_a_request_names_the_app() {
    let app = two_apps().await;
    let name = async |uri: &str, headers: &[(&str, &str)]| {
        let answer = app.anonymous("GET", uri, headers, "").await;
        answer.body.contains("Second")
    };
    assert!(!name("/nowhere", &[]).await);
    assert!(name("/nowhere", &[("host", "two.example.test")]).await);
    assert!(name("https://two.example.test/nowhere", &[]).await);
    assert!(name("https://two.example.test/nowhere", &[("host", "auth.example.test")]).await);
    assert!(!name("https://auth.example.test/nowhere", &[("host", "two.example.test")]).await);
}
