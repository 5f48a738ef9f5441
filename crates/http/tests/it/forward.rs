//! The page between a client's mailed link and the app: it leads on and uses nothing up (contract `stytch.md` section 9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passlink_engine::apps::{AppSettings, Opening};
use passlink_engine::caller::Scopes;
use passlink_engine::redirects::LandingUrl;
use serde_json::{Value, json};

use crate::support::{Answer, Kind, TestApp};

const LANDING: &str = "https://app.example.com/authenticate?from=mail";

struct World {
    app: TestApp,
    basic: String,
}

impl World {
    async fn new(change: impl FnOnce(&mut AppSettings)) -> Self {
        let app = TestApp::with(|setup| {
            let urls = vec![LandingUrl::parse(LANDING).unwrap()];
            (setup.app.sign_in_urls, setup.app.sign_up_urls, setup.app.invite_urls) = (urls.clone(), urls.clone(), urls);
            change(&mut setup.app);
        })
        .await;
        app.save_client("example", "project-test-1", Scopes::ALL).await;
        Self { app, basic: format!("Basic {}", STANDARD.encode("project-test-1:secret-test-0123456789")) }
    }

    async fn call(&self, path: &str, body: Value) -> Answer {
        let headers = [("authorization", self.basic.as_str()), ("content-type", "application/json")];
        self.app.anonymous("POST", path, &headers, body.to_string()).await
    }

    /// The path of a mailed link.
    async fn mailed(&self, operation: &str) -> String {
        let sent = self.call(&format!("/v1/magic_links/email/{operation}"), json!({"email": "ada@example.com"})).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        self.app.mail().await.path().to_owned()
    }

    async fn exchange(&self, token: &str) -> u16 {
        self.call("/v1/magic_links/authenticate", json!({"token": token})).await.status.as_u16()
    }
}

fn token(path: &str) -> &str {
    path.split("&token=").nth(1).unwrap()
}

#[tokio::test]
async fn a_persons_press_leads_on_with_the_token_and_uses_nothing_up() {
    let world = World::new(|_| {}).await;
    for (operation, kind) in [("login_or_create", "signup"), ("login_or_create", "login"), ("invite", "invite")] {
        let world = if operation == "invite" { &World::new(|_| {}).await } else { &world };
        let path = world.mailed(operation).await;
        assert!(path.starts_with("/v1/magic_links/redirect?public_token=public-token-test-"), "{path}");
        let browser = world.app.browser(Kind::Chrome);
        let page = browser.open(&path).await;
        assert!(page.is_html() && page.status == 200, "{}", page.body);
        assert!(page.body.contains("@e") && !page.body.contains("ada@example.com"), "masked: {}", page.body);
        assert!(!page.body.contains("<script") && !page.body.contains("http-equiv"), "{}", page.body);
        let answer = browser.press(&page, "", &[]).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let (before, kept) = (LANDING, token(&path));
        let expected = format!("{before}&stytch_token_type=magic_links&token={kept}&stytch_redirect_type={kind}");
        assert_eq!(answer.location(), expected);
        // Leading on twice is as good as once: only the exchange uses the token up.
        assert_eq!(browser.press(&browser.open(&path).await, "", &[]).await.status, 303);
        assert_eq!(world.exchange(kept).await, 200);
        let dead = browser.open(&path).await;
        assert!(dead.is_html() && dead.status == 410 && !dead.body.contains(kept), "{} {}", dead.status, dead.body);
    }
}

#[tokio::test]
async fn sec_09_no_machine_learns_where_a_link_leads_or_uses_it_up() {
    let world = World::new(|_| {}).await;
    let path = world.mailed("login_or_create").await;
    for method in ["GET", "HEAD", "GET"] {
        for agent in ["Mozilla/5.0 (compatible; Barracuda)", "curl/8", "Mozilla/5.0 Chrome/130.0"] {
            let answer = world.app.anonymous(method, &path, &[("user-agent", agent), ("accept", "*/*")], "").await;
            assert_eq!(answer.status, 200);
            assert!(answer.headers.get("location").is_none() && !answer.body.contains("app.example.com/authenticate"));
        }
    }
    // Posts that no person's press made.
    let page = world.app.get(&path).await;
    let nonce = page.form("").nonce;
    for headers in [
        vec![("content-type", "application/x-www-form-urlencoded")],
        vec![("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.test")],
        vec![("content-type", "application/x-www-form-urlencoded"), ("origin", crate::support::PUBLIC)],
    ] {
        let answer = world.app.anonymous("POST", &path, &headers, format!("nonce={nonce}")).await;
        assert_eq!((answer.status.as_u16(), answer.headers.get("location")), (403, None), "{headers:?}");
        assert!(answer.is_html());
    }
    assert_eq!(world.exchange(token(&path)).await, 200);
}

#[tokio::test]
async fn sec_22_a_page_that_is_not_registered_any_more_is_not_led_to() {
    let world = World::new(|_| {}).await;
    let path = world.mailed("login_or_create").await;
    let browser = world.app.browser(Kind::Chrome);
    let page = browser.open(&path).await;
    world.app.change(|settings| settings.sign_up_urls = vec![LandingUrl::parse("https://other.example.com/").unwrap()]).await;
    world.app.change(|settings| settings.sign_in_urls.clear()).await;
    world.app.change(|settings| settings.invite_urls.clear()).await;
    let answer = browser.press(&page, "", &[]).await;
    assert!(answer.is_html() && answer.headers.get("location").is_none(), "{}", answer.status);
    assert_eq!(browser.open(&path).await.status, 410);
}

#[tokio::test]
async fn wrong_addresses_of_the_page_are_told_on_a_page() {
    let world = World::new(|_| {}).await;
    let path = world.mailed("login_or_create").await;
    let public = path.split('?').nth(1).unwrap().split('&').next().unwrap();
    for bad in [
        "/v1/magic_links/redirect".to_owned(),
        "/v1/magic_links/redirect?token=x".to_owned(),
        format!("/v1/magic_links/redirect?{public}&token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        format!("/v1/magic_links/redirect?{public}&token=a&token=b"),
        format!(
            "/v1/magic_links/redirect?public_token=public-token-test-01938a6e-6c1c-7e21-8c8b-0123456789ab&token={}",
            token(&path)
        ),
    ] {
        let answer = world.app.browser(Kind::Firefox).open(&bad).await;
        assert!(answer.is_html() && answer.status.is_client_error(), "{bad}: {}", answer.status);
    }
    let answer = world.app.anonymous("PUT", &path, &[], "").await;
    assert!(answer.is_html() && answer.status == 405, "{}", answer.status);
    // What mail programs and trackers add does no harm.
    for fine in [format!("{path}&utm_source=x"), format!("{path}."), format!("{path}%3E")] {
        assert_eq!(world.app.browser(Kind::Firefox).open(&fine).await.status, 200, "{fine}");
    }
}

#[tokio::test]
async fn under_immediate_the_page_goes_on_by_itself() {
    let world = World::new(|settings| settings.opening = Opening::Immediate).await;
    let path = world.mailed("login_or_create").await;
    let browser = world.app.browser(Kind::Chrome);
    let page = browser.open(&path).await;
    assert!(page.body.contains("/assets/forward.js") && page.body.contains("<button"), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(browser.press(&page, "", &[]).await.status, 303);
    assert_eq!(world.exchange(token(&path)).await, 200);
}

#[tokio::test]
async fn a_client_that_delivers_by_itself_can_have_the_page_too() {
    let world = World::new(|settings| settings.page_for_client_links = true).await;
    let user = world.call("/v1/users", json!({"email": "ada@example.com"})).await.json();
    let link = world.call("/v1/magic_links", json!({"user_id": user["user_id"]})).await.json();
    let url = link["url"].as_str().unwrap();
    let path = url.strip_prefix(crate::support::PUBLIC).unwrap();
    let browser = world.app.browser(Kind::SafariIos);
    let answer = browser.press(&browser.open(path).await, "", &[]).await;
    assert!(answer.location().starts_with(LANDING), "{}", answer.location());
    assert!(answer.location().contains(link["token"].as_str().unwrap()));
    // Delivered by itself it still proves nothing.
    assert_eq!(world.exchange(token(path)).await, 200);
    let shown = format!("/v1/users/{}", user["user_id"].as_str().unwrap());
    let shown = world.app.anonymous("GET", &shown, &[("authorization", world.basic.as_str())], "").await;
    assert_eq!(shown.json()["emails"][0]["verified"], false);
    // Without the setting there is neither address nor page.
    world.app.change(|settings| settings.page_for_client_links = false).await;
    let plain = world.call("/v1/magic_links", json!({"user_id": user["user_id"]})).await.json();
    assert!(plain.get("url").is_none());
    let path = format!("{}&token={}", path.split("&token=").next().unwrap(), plain["token"].as_str().unwrap());
    assert_eq!(world.app.browser(Kind::Chrome).open(&path).await.status, 410);
}
