//! Who may press the button (`security.md` 12): a person, on our page, in the browser that was shown it.

use crate::support::browser::form_body;
use crate::support::{Kind, PUBLIC, TestApp};

const CHROME: &str = Kind::Chrome.user_agent();
const FIREFOX: &str = Kind::Firefox.user_agent();
const SAFARI: &str = Kind::SafariIos.user_agent();
const OLD: &str = Kind::SafariOld.user_agent();
const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0";
const HEADLESS: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36";
const FXIOS: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/133.0 Mobile/15E148 Safari/605.1.15";
const CRIOS: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1";
const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36";

/// What the browser sends: user agent, `Origin`, `Sec-Fetch-Site`, `Sec-Fetch-User`; empty for a header it does not send.
type Row = (&'static str, &'static str, &'static str, &'static str, bool);

const ROWS: &[Row] = &[
    // A person's press, in each family, with the origin or `null`.
    (CHROME, PUBLIC, "same-origin", "?1", true),
    (CHROME, "null", "same-origin", "?1", true),
    (ANDROID, "null", "same-origin", "?1", true),
    (EDGE, PUBLIC, "same-origin", "?1", true),
    (FIREFOX, PUBLIC, "same-origin", "?1", true),
    (FIREFOX, "null", "same-origin", "?1", true),
    (SAFARI, PUBLIC, "same-origin", "", true),
    (SAFARI, "null", "same-origin", "", true),
    (FXIOS, PUBLIC, "same-origin", "", true),
    (CRIOS, PUBLIC, "same-origin", "", true),
    (OLD, PUBLIC, "", "", true),
    (OLD, "null", "", "", true),
    // Old Chromium and Firefox without Fetch Metadata cannot tell.
    (CHROME, PUBLIC, "", "", true),
    (FIREFOX, PUBLIC, "", "", true),
    ("", PUBLIC, "", "", true),
    (CHROME, "https://auth.example.test:443", "same-origin", "?1", true),
    // No person caused it.
    (CHROME, PUBLIC, "same-origin", "", false),
    (CHROME, "null", "same-origin", "", false),
    (CHROME, PUBLIC, "same-origin", "?0", false),
    (CHROME, PUBLIC, "same-origin", "1", false),
    (HEADLESS, PUBLIC, "same-origin", "", false),
    (EDGE, PUBLIC, "same-origin", "", false),
    (ANDROID, PUBLIC, "same-origin", "", false),
    (FIREFOX, PUBLIC, "same-origin", "", false),
    (FIREFOX, "null", "same-origin", "?0", false),
    // Not from our page.
    (CHROME, PUBLIC, "cross-site", "?1", false),
    (CHROME, "null", "cross-site", "?1", false),
    (CHROME, PUBLIC, "same-site", "?1", false),
    (CHROME, "null", "same-site", "?1", false),
    (CHROME, PUBLIC, "none", "?1", false),
    (SAFARI, "null", "cross-site", "", false),
    (SAFARI, "null", "none", "", false),
    (FIREFOX, PUBLIC, "Same-Origin", "?1", false),
    (CHROME, "", "same-origin", "?1", false),
    (SAFARI, "", "same-origin", "", false),
    (OLD, "", "", "", false),
    (CHROME, "https://evil.test", "same-origin", "?1", false),
    (CHROME, "https://evil.test", "cross-site", "?1", false),
    (OLD, "https://evil.test", "", "", false),
    (OLD, "https://app.example.com", "", "", false),
    (OLD, "https://auth.example.test.evil.test", "", "", false),
    (OLD, "https://evil-auth.example.test", "", "", false),
    (OLD, "https://auth.example.test@evil.test", "", "", false),
    (OLD, "https://auth.example.test:8443", "", "", false),
    (OLD, "http://auth.example.test", "", "", false),
    (OLD, "https://sub.auth.example.test", "", "", false),
    (OLD, "https://auth.example.test/x", "", "", false),
    (OLD, "auth.example.test", "", "", false),
    (OLD, "NULL", "", "", false),
];

fn headers((agent, origin, site, user, _): &Row) -> Vec<(&'static str, String)> {
    let all = [("user-agent", agent), ("origin", origin), ("sec-fetch-site", site), ("sec-fetch-user", user)];
    let mut headers: Vec<_> = all.into_iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n, (*v).to_owned())).collect();
    if !site.is_empty() {
        headers.extend([("sec-fetch-mode", "navigate".to_owned()), ("sec-fetch-dest", "document".to_owned())]);
    }
    headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    headers
}

#[tokio::test]
async fn sec_12_only_a_press_of_a_person_on_our_own_page_redeems() {
    assert!(ROWS.len() >= 30);
    let app = TestApp::new().await;
    for (turn, row) in ROWS.iter().enumerate() {
        let mail = app.link_for(&format!("row{turn}@example.com")).await;
        let person = app.browser(Kind::SafariIos);
        let page = person.open(mail.path()).await;
        let body = form_body(&page.form("").nonce, &[]);
        let before = app.rows("links");
        let answer = person.request("POST", mail.path(), &headers(row), body).await;
        if row.4 {
            assert!(answer.signs_in(), "refused: {row:?}: {}", answer.status);
            continue;
        }
        assert_eq!(answer.status, 403, "{row:?}");
        assert!(!answer.signs_in(), "{row:?}");
        assert_eq!(app.rows("links"), before, "consumed by {row:?}");
        assert!(answer.body.contains(&format!("href=\"{}\"", mail.path())), "there is a way back to the button");
        assert!(person.redeem(mail.path()).await.signs_in(), "afterwards it still redeems: {row:?}");
    }
}

/// What is wrong with nonce and cookie, given (own nonce, nonce of another link, nonce of another browser).
#[tokio::test]
async fn sec_12_the_nonce_belongs_to_this_browser_and_this_link() {
    let app = TestApp::new().await;
    let (mail, other_mail) = (app.link_for("ada@example.com").await, app.link_for("bob@example.com").await);
    let (person, stranger) = (app.browser(Kind::Chrome), app.browser(Kind::Chrome));
    let own = person.open(mail.path()).await.form("").nonce;
    let of_other_link = person.open(other_mail.path()).await.form("").nonce;
    let of_other_browser = stranger.open(mail.path()).await.form("").nonce;
    assert!(own != of_other_link && own != of_other_browser && own.len() == 43);
    let cookie = person.cookie("__Host-passlink-page").unwrap();
    let before = app.rows("links");
    let press = async |nonce: &str, cookie: Option<&str>| {
        let mut headers = person.press_headers();
        headers.extend(cookie.map(|value| ("cookie", format!("__Host-passlink-page={value}"))));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        app.anonymous("POST", mail.path(), &headers, form_body(nonce, &[])).await
    };
    let upper = own.to_uppercase();
    let longer = format!("{own}A");
    for (nonce, cookie, what) in [
        ("", Some(cookie.as_str()), "no nonce"),
        (of_other_link.as_str(), Some(&cookie), "the nonce of another link"),
        (of_other_browser.as_str(), Some(&cookie), "the nonce of another browser"),
        (&own[..42], Some(&cookie), "a cut nonce"),
        (longer.as_str(), Some(&cookie), "a longer nonce"),
        (upper.as_str(), Some(&cookie), "another case"),
        (cookie.as_str(), Some(&cookie), "the cookie as nonce"),
        (own.as_str(), None, "no cookie"),
        (own.as_str(), Some(""), "an empty cookie"),
        (own.as_str(), Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "another cookie"),
        ("", None, "nothing"),
    ] {
        assert_eq!(press(nonce, cookie).await.status, 403, "{what}");
        assert_eq!(app.rows("links"), before, "{what} consumed");
    }
    assert!(press(&own, Some(&cookie)).await.signs_in());
}

#[tokio::test]
async fn sec_12_our_other_forms_are_guarded_too() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    let screen = person.ask("ada@example.com").await;
    let mail = app.mail().await;
    let paths = [
        format!("{screen}/code"),
        format!("{screen}/again"),
        format!("{screen}/finish"),
        format!("{}/number", mail.path()),
        format!("{}/code", mail.path()),
        format!("{}/refuse", mail.path()),
        format!("{}/again", mail.path()),
        "/sign-out".to_owned(),
        "/inbox/delete".to_owned(),
        "/".to_owned(),
    ];
    let before = (app.rows("links"), app.rows("outbox"), app.rows("sessions"));
    for path in &paths {
        let page = person.visit(&screen).await;
        let nonce = page.forms().first().map(|form| form.nonce.clone()).unwrap_or_default();
        let body = form_body(&nonce, &[("code", &mail.code), ("number", "42"), ("email", "eve@example.com")]);
        let mut foreign = person.press_headers();
        foreign.retain(|(name, _)| !matches!(*name, "origin" | "sec-fetch-site"));
        foreign.extend([("origin", "https://evil.test".to_owned()), ("sec-fetch-site", "cross-site".to_owned())]);
        assert_eq!(person.request("POST", path, &foreign, body).await.status, 403, "{path} from elsewhere");
        let body = form_body("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &[("code", &mail.code)]);
        assert_eq!(person.request("POST", path, &person.press_headers(), body).await.status, 403, "{path} without its nonce");
    }
    assert_eq!((app.rows("links"), app.rows("outbox"), app.rows("sessions")), before);
}
