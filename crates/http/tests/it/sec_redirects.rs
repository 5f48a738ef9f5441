//! Where a browser may be sent (`security.md` 18 to 22), at the wire.

use passlink_engine::redirects::AllowedOrigin;
use serde_json::json;
use url::Url;

use crate::hostile::{ABSOLUTE, RELATIVE};
use crate::support::{APP, Answer, Kind, TestApp};

/// Whether the answer refuses, and if it does not, where the mailed link leads.
async fn outcome(app: &TestApp, answer: &Answer) -> Option<Url> {
    if answer.status == 400 {
        assert!(["validation_error", "callback_origin_not_allowed"].contains(&answer.code().as_str()), "{}", answer.body);
        assert!(app.dispatch().await.is_empty(), "a refused request sends no mail");
        return None;
    }
    assert_eq!(answer.status, 200, "{}", answer.body);
    let redeemed = app.browser(Kind::SafariIos).redeem(app.mail().await.path()).await;
    // A link made in the very millisecond in which another one of its address was redeemed does not work, and this clock stands still.
    app.clock.advance_secs(1);
    Some(Url::parse(redeemed.location()).unwrap())
}

fn stays(target: &Url, text: &str) {
    assert_eq!(target.origin().ascii_serialization(), APP, "{text:?} leads to {target}");
    assert_eq!(target.path(), "/auth/callback", "{text:?} leads to {target}");
}

#[tokio::test]
async fn sec_19_no_hostile_callback_origin_leads_off_the_list() {
    assert!(ABSOLUTE.len() >= 80, "{}", ABSOLUTE.len());
    let app = TestApp::new().await;
    let mut accepted: Vec<&str> = Vec::new();
    for text in ABSOLUTE {
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": "a@example.com", "callback_origin": text})).await;
        if let Some(target) = outcome(&app, &asked).await {
            stays(&target, text);
            accepted.push(*text);
        }
    }
    assert!(accepted.is_empty(), "{accepted:?}");
}

#[tokio::test]
async fn sec_22_no_hostile_header_leads_off_the_list() {
    let app = TestApp::new().await;
    for text in ABSOLUTE.iter().filter(|text| text.chars().all(|c| (' '..='~').contains(&c)) && text.trim() == **text) {
        for header in ["x-apphandoff-callback-origin", "origin", "referer"] {
            // Two that are not origins at all count as absent, and a referrer is reduced to its origin.
            let absent = *text == "null" && header == "origin";
            let headers = [("content-type", "application/json"), (header, *text)];
            let asked = app.anonymous("POST", "/auth/send-magic-link", &headers, r#"{"email":"a@example.com"}"#).await;
            match outcome(&app, &asked).await {
                Some(target) => {
                    stays(&target, text);
                    let own = Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == APP);
                    assert!(absent || (header == "referer" && own), "{header}: {text} was accepted");
                }
                None => assert!(!absent),
            }
        }
    }
}

#[tokio::test]
async fn sec_20_no_hostile_next_place_is_kept() {
    assert!(RELATIVE.len() >= 45, "{}", RELATIVE.len());
    let app = TestApp::new().await;
    for text in RELATIVE {
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": "a@example.com", "callback_next": text})).await;
        let target = outcome(&app, &asked).await.unwrap_or_else(|| panic!("{text:?} is dropped, not refused"));
        stays(&target, text);
        assert_eq!(target.query(), None, "{text:?} was kept as {target}");
    }
}

#[tokio::test]
async fn sec_20_safe_places_are_kept_as_given() {
    let app = TestApp::new().await;
    for text in
        ["/", "/reports", "/a/b?c=d&e=f#g", "/a%20b", "/\u{fc}", "/search?q=//x", "/go?u=https://evil.test/", "/a/../b", "/x%25"]
    {
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": "a@example.com", "callback_next": text})).await;
        let target = outcome(&app, &asked).await.unwrap();
        stays(&target, text);
        let pairs: Vec<(String, String)> = target.query_pairs().into_owned().collect();
        assert_eq!(pairs, [("next".to_owned(), text.to_owned())]);
    }
}

#[tokio::test]
async fn sec_20_exchange_sends_nobody_away() {
    let app = TestApp::new().await;
    let tokens = app.browser(Kind::Chrome).redeem(app.link_for("ada@example.com").await.path()).await;
    let exchange = async |to: &str| {
        let (access, refresh) = (tokens.handed("access_token"), tokens.handed("refresh_token"));
        let body = json!({"access_token": access, "refresh_token": refresh, "redirect_to": to});
        app.post_json("/auth/exchange-supabase-token", &body).await.json()["redirectTo"].clone()
    };
    for text in RELATIVE.iter().chain(ABSOLUTE).filter(|text| !text.is_empty()) {
        assert_eq!(exchange(text).await, "/", "{text:?}");
    }
    assert_eq!(exchange("/reports?a=b").await, "/reports?a=b");
}

#[tokio::test]
async fn sec_18_a_wildcard_is_one_whole_label_and_never_the_bare_domain() {
    let app = TestApp::with(|s| {
        s.app.allowed_origins = vec![AllowedOrigin::parse("https://*.example.com").unwrap()];
        s.app.default_origin = None;
    })
    .await;
    for (origin, allowed) in [
        ("https://a.example.com", true),
        ("https://a.b.example.com", true),
        ("https://A.EXAMPLE.com.", true),
        ("https://example.com", false),
        ("https://xexample.com", false),
        ("https://a.example.com:444", false),
        ("http://a.example.com", false),
        ("https://a.example.com.evil.test", false),
        ("https://*.example.com", false),
    ] {
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": "a@example.com", "callback_origin": origin})).await;
        assert_eq!(asked.status == 200, allowed, "{origin}: {}", asked.body);
    }
}

const WITHDRAWN: &str = "This link is no longer accepted";

/// Removes the one entry of the list, as an operator would.
async fn unlist(app: &TestApp) {
    app.change(|settings| {
        settings.allowed_origins = vec![AllowedOrigin::parse("https://new.example.com").unwrap()];
        settings.default_origin = None;
    })
    .await;
}

#[tokio::test]
async fn sec_22_an_entry_removed_after_the_mail_went_closes_the_link() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let mail = app.link_for("ada@example.com").await;
    let page = person.open(mail.path()).await;
    unlist(&app).await;
    let before = app.rows("links");
    for answer in [person.press(&page, "", &[]).await, person.open(mail.path()).await] {
        assert_eq!((answer.status.as_u16(), answer.title()), (410, WITHDRAWN));
        assert!(!answer.signs_in() && !answer.body.contains(APP));
        assert!(answer.forms().is_empty(), "another link would lead nowhere either");
    }
    assert_eq!(app.rows("links"), before, "nothing was consumed");
}

#[tokio::test]
async fn sec_22_the_code_of_such_a_link_is_checked_as_well() {
    let app = TestApp::dev().await;
    let (asking, other) = (app.browser(Kind::Chrome), app.browser(Kind::Firefox));
    asking.ask("x@example.com").await;
    app.mail().await;
    let body = json!({"email": "ada@example.com", "callback_origin": APP});
    asking.fetch("POST", "/auth/send-magic-link", &app.public, Some(body)).await;
    let mail = app.mail().await;
    let page = other.open(mail.path()).await;
    assert!(page.is_elsewhere_page());
    unlist(&app).await;
    let answer = other.press(&page, "/code", &[("code", &mail.code)]).await;
    assert_eq!((answer.status.as_u16(), answer.title()), (410, WITHDRAWN));
    assert!(app.rows("sessions").is_empty(), "nobody was signed in");
}

#[tokio::test]
async fn sec_22_a_repeat_of_such_a_link_leads_nowhere() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let mail = app.link_for("ada@example.com").await;
    let page = person.open(mail.path()).await;
    assert!(person.press(&page, "", &[]).await.signs_in());
    unlist(&app).await;
    let again = person.press(&page, "", &[]).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert!(!again.signs_in() && !again.body.contains(APP));
}
