//! Repeats and fixation (`security.md` 14, 15), and that tokens work only as what they are.

use std::collections::HashSet;

use passlink_engine::secret::{Token, TokenKind};
use passlink_engine::time::Timestamp;
use serde_json::Value;

use crate::support::browser::form_body;
use crate::support::{APP, Kind, TestApp};

/// The claims of a JWT, unverified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn sec_14_the_same_page_may_repeat_its_press_for_a_minute() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let person = app.browser(Kind::Chrome);
    let page = person.open(mail.path()).await;
    let first = person.press(&page, "", &[]).await;
    let without_access = |answer: &crate::support::Answer| {
        let mut pairs = answer.fragment();
        pairs.retain(|(key, _)| key != "access_token");
        (answer.location().split('#').next().unwrap().to_owned(), pairs, claims(&answer.handed("access_token")))
    };
    for second in [0, 30, 29] {
        app.clock.advance_secs(second);
        let again = person.press(&page, "", &[]).await;
        // An ECDSA signature differs each time; what it signs does not.
        assert_eq!(without_access(&again), without_access(&first));
    }
    assert_eq!(app.rows("sessions").len(), 1, "no second session");
    app.clock.advance_secs(1);
    let late = person.press(&page, "", &[]).await;
    assert_eq!((late.status.as_u16(), late.title()), (200, "You are already signed in"));
    assert!(!late.signs_in());
}

#[tokio::test]
async fn sec_14_nobody_else_repeats_it() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let person = app.browser(Kind::Chrome);
    let page = person.open(mail.path()).await;
    let nonce = page.form("").nonce;
    assert!(person.press(&page, "", &[]).await.signs_in());

    let bare = app.browser(Kind::Chrome);
    let copied = bare.request("POST", mail.path(), &bare.press_headers(), form_body(&nonce, &[])).await;
    assert_eq!(copied.status, 403, "the nonce without the cookie");
    let other = app.browser(Kind::Chrome);
    let dead = other.open(mail.path()).await;
    assert_eq!(dead.status, 410);
    let own = dead.form("/again").nonce;
    let pressed = other.request("POST", mail.path(), &other.press_headers(), form_body(&own, &[])).await;
    assert_eq!(pressed.status, 410, "its own nonce");
    assert!(!pressed.signs_in());
    assert!(!person.open(mail.path()).await.signs_in(), "a GET never repeats it");
}

#[tokio::test]
async fn sec_14_nothing_is_repeated_after_logout() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let person = app.browser(Kind::Firefox);
    let page = person.open(mail.path()).await;
    let first = person.press(&page, "", &[]).await;
    person.plant("sb-access-token", &first.handed("access_token"));
    assert_eq!(person.fetch("POST", "/auth/logout", APP, None).await.status, 200);
    assert!(!person.press(&page, "", &[]).await.signs_in());
}

/// Signs in on the demo page; answers the session cookie as it was set.
async fn cookie_of_sign_in(app: &TestApp, person: &crate::support::Browser<'_>) -> String {
    person.ask("ada@example.com").await;
    let mail = app.mail().await;
    let answer = person.open(mail.path()).await;
    answer.set_cookie("__Host-passlink-session").expect("a session begins").to_owned()
}

#[tokio::test]
async fn sec_15_each_sign_in_makes_a_new_session_cookie() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    let mut seen = HashSet::new();
    for _ in 0..5 {
        app.clock.advance_secs(61);
        let cookie = cookie_of_sign_in(&app, &person).await;
        let (value, attributes) = cookie.split_once('=').unwrap().1.split_once("; ").unwrap();
        assert!(value.starts_with("pls_") && value.len() == 60, "{value}");
        assert!(seen.insert(value.to_owned()), "a session id came twice");
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(attributes.split("; ").any(|a| a == attribute), "{attribute} in {attributes}");
        }
        assert!(!attributes.contains("Domain"));
    }
    assert_eq!(app.rows("sessions").len(), 5);
}

#[tokio::test]
async fn sec_15_a_planted_session_cookie_never_becomes_the_session() {
    let app = TestApp::dev().await;
    let attacker = app.browser(Kind::Chrome);
    let own = cookie_of_sign_in(&app, &attacker).await;
    let own = own.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
    let tag = app.app().tag;
    let made_up = Token::new(TokenKind::Session, tag, Timestamp::from_millis(1_800_000_000_000), [9; 32]).expose();
    for planted in [own.as_str(), made_up.expose(), "x", ""] {
        app.clock.advance_secs(61);
        let victim = app.browser(Kind::Chrome);
        victim.plant("__Host-passlink-session", planted);
        victim.plant("__Host-passlink-page", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        victim.ask("victim@example.com").await;
        let answer = victim.open(app.mail().await.path()).await;
        assert!(answer.signs_in());
        let session = victim.cookie("__Host-passlink-session").unwrap();
        assert_ne!(session, planted);
        let home = victim.visit("/signed-in").await;
        assert!(home.body.contains("victim@example.com"), "{}", home.body);
    }
    assert!(attacker.visit("/signed-in").await.body.contains("ada@example.com"), "the attacker's stays the attacker's");
    let stranger = app.browser(Kind::Chrome);
    stranger.plant("__Host-passlink-session", made_up.expose());
    assert_eq!(stranger.visit("/signed-in").await.status, 303, "a made-up session is none");
}

#[tokio::test]
async fn sec_15_a_planted_requesters_proof_opens_nobody_elses_link() {
    let app = TestApp::dev().await;
    let victim = app.browser(Kind::Chrome);
    victim.ask("victim@example.com").await;
    let mail = app.mail().await;
    let tag = app.app().tag;
    let issued = Timestamp::from_millis(1_800_000_000_000);
    let own_kind = Token::new(TokenKind::Browser, tag, issued, [9; 32]).expose();
    let other_kind = Token::new(TokenKind::Session, tag, issued, [9; 32]).expose();
    for planted in [own_kind.expose(), other_kind.expose(), mail.token(), "plb_", ""] {
        let attacker = app.browser(Kind::Chrome);
        attacker.plant("__Host-passlink-browser", planted);
        let answer = attacker.open(mail.path()).await;
        assert!(!answer.signs_in(), "{planted}");
        assert!(answer.is_elsewhere_page());
    }
}

#[tokio::test]
async fn sec_15_page_and_browser_cookies_have_every_attribute() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    let start = person.visit("/").await;
    let page = start.set_cookie("__Host-passlink-page").unwrap();
    let asked = person.press(&start, "/", &[("email", "ada@example.com")]).await;
    let browser = asked.set_cookie("__Host-passlink-browser").unwrap();
    for (cookie, site) in [(page, "SameSite=Strict"), (browser, "SameSite=Lax")] {
        for attribute in ["HttpOnly", "Secure", "Path=/", site] {
            assert!(cookie.split("; ").any(|a| a == attribute), "{attribute} in {cookie}");
        }
    }
}

/// A token that was seen a moment ago must not pass for one of another kind.
#[tokio::test]
async fn sec_06_a_session_cookie_is_no_access_token_and_an_access_token_no_session_cookie() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    cookie_of_sign_in(&app, &person).await;
    let session = person.cookie("__Host-passlink-session").unwrap();
    assert_eq!(person.visit("/signed-in").await.status, 200, "it was seen as what it is");
    let bearer = app.anonymous("GET", "/auth/me", &[("authorization", &format!("Bearer {session}"))], "").await;
    assert_eq!(bearer.status, 401, "{}", bearer.body);

    let answer = app.browser(Kind::Chrome).redeem(app.link_for("bob@example.com").await.path()).await;
    let access = answer.handed("access_token");
    assert_eq!(app.anonymous("GET", "/auth/me", &[("authorization", &format!("Bearer {access}"))], "").await.status, 200);
    let other = app.browser(Kind::Chrome);
    other.plant("__Host-passlink-session", &access);
    assert_eq!(other.visit("/signed-in").await.status, 303, "an access token is no session cookie");
}
