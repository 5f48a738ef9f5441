//! What an app's policy changes.

use passlink_engine::apps::{Elsewhere, Opening, SignUp};
use passlink_engine::time::Lifetime;
use serde_json::json;

use crate::support::{APP, Browser, Kind, Mail, TestApp, doubles::TestSender};

async fn immediate() -> TestApp {
    TestApp::with(|setup| setup.app.opening = Opening::Immediate).await
}

fn is_live(app: &TestApp) -> bool {
    // Column 16 is `redeemed_at`.
    app.rows("links").iter().all(|row| row[16] == rusqlite::types::Value::Null)
}

#[tokio::test]
async fn immediate_a_get_redeems_once_and_then_tells_the_app_in_the_fragment() {
    let app = immediate().await;
    let mail = app.link_for("ada@example.com").await;
    let first = app.get(mail.path()).await;
    assert_eq!(first.status, 303);
    assert!(first.location().starts_with(&format!("{APP}/auth/callback#access_token=")), "{}", first.location());

    let again = app.get(mail.path()).await;
    assert_eq!(again.status, 303, "{}", again.title());
    assert!(again.location().starts_with(&format!("{APP}/auth/callback#error=")), "{}", again.location());
    let keys: Vec<String> = again.fragment().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["error", "error_code", "error_description", "sb"]);
    assert_eq!(again.handed("error_code"), "otp_expired");
}

#[tokio::test]
async fn immediate_an_expired_link_tells_the_app_in_the_fragment() {
    let app = immediate().await;
    let mail = app.link_for("ada@example.com").await;
    app.clock.advance_secs(600);
    let late = app.get(mail.path()).await;
    assert_eq!((late.status.as_u16(), late.handed("error_code").as_str()), (303, "otp_expired"));
    assert!(!late.signs_in());
}

#[tokio::test]
async fn immediate_a_text_that_is_no_link_of_ours_still_gets_a_page() {
    let app = immediate().await;
    let unknown = app.get("/l/plk_nothing").await;
    assert_eq!(unknown.status, 410);
    assert!(unknown.is_html());
}

#[tokio::test]
async fn immediate_what_only_looks_does_not_redeem() {
    let app = immediate().await;
    let mail = app.link_for("ada@example.com").await;
    for (method, headers) in [
        ("HEAD", vec![]),
        ("OPTIONS", vec![]),
        ("GET", vec![("sec-purpose", "prefetch")]),
        ("GET", vec![("sec-purpose", "prefetch;prerender")]),
        ("GET", vec![("sec-purpose", "prefetch;anonymous-client-ip")]),
        ("GET", vec![("purpose", "prefetch")]),
        ("GET", vec![("x-purpose", "preview")]),
        ("GET", vec![("x-moz", "prefetch")]),
        ("GET", vec![("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
        ("GET", vec![("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]),
        ("GET", vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
        ("DELETE", vec![]),
        ("PUT", vec![]),
    ] {
        let answer = app.anonymous(method, mail.path(), &headers, "").await;
        assert!(!answer.signs_in(), "{method} {headers:?}");
        assert!(is_live(&app), "{method} {headers:?} redeemed");
    }
    assert!(app.get(mail.path()).await.signs_in());
}

/// An app whose link is bound to the first browser, opened in a second one.
async fn bound<'a>(app: &'a TestApp) -> (Browser<'a>, Browser<'a>, Mail) {
    let (asking, other) = (app.browser(Kind::Chrome), app.browser(Kind::SafariIos));
    asking.ask("ada@example.com").await;
    let mail = app.mail().await;
    (asking, other, mail)
}

#[tokio::test]
async fn elsewhere_open_lets_any_browser_press_the_button() {
    let app = TestApp::with(|s| {
        s.http.dev = true;
        s.app.elsewhere = Elsewhere::Open;
    })
    .await;
    let (_, other, mail) = bound(&app).await;
    assert!(other.redeem(mail.path()).await.signs_in());
}

#[tokio::test]
async fn elsewhere_refuse_leaves_only_the_code() {
    let app = TestApp::with(|s| {
        s.http.dev = true;
        s.app.elsewhere = Elsewhere::Refuse;
    })
    .await;
    let (_, other, mail) = bound(&app).await;
    let page = other.open(mail.path()).await;
    assert!(page.is_elsewhere_page());
    assert!(page.forms().iter().all(|form| !form.action.ends_with("/number")), "no number is asked for");
    assert!(other.press(&page, "/code", &[("code", &mail.code)]).await.signs_in());
}

#[tokio::test]
async fn sign_up_closed_answers_strangers_alike_and_mails_them_nothing() {
    let app = TestApp::new().await;
    let known = app.browser(Kind::Chrome).redeem(app.link_for("ada@example.com").await.path()).await;
    assert!(known.signs_in());
    app.change(|settings| settings.sign_up = SignUp::Closed).await;
    for email in ["ada@example.com", "eve@example.com"] {
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": email})).await;
        assert_eq!((asked.status.as_u16(), asked.json()), (200, json!({"ok": true})));
    }
    let mails = app.dispatch().await;
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["ada@example.com"]);
}

#[tokio::test]
async fn sign_up_closed_after_the_mail_went_makes_no_user() {
    let app = TestApp::new().await;
    let mail = app.link_for("eve@example.com").await;
    app.change(|settings| settings.sign_up = SignUp::Closed).await;
    let refused = app.browser(Kind::Chrome).redeem(mail.path()).await;
    assert!(!refused.signs_in());
    assert_eq!((refused.status.as_u16(), refused.title()), (410, "This link is no longer accepted"));
    assert!(refused.forms().is_empty(), "another link would not be accepted either");
    assert!(app.rows("users").is_empty());
}

#[tokio::test]
async fn only_wrong_tries_are_called_wrong_tries() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    let screen = person.ask("ada@example.com").await;
    let code = app.mail().await.code;
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let waiting = person.visit(&screen).await;
    let mut answer = None;
    for _ in 0..5 {
        answer = Some(person.press(&waiting, "/code", &[("code", wrong)]).await);
    }
    let closed = answer.unwrap();
    assert_eq!((closed.status.as_u16(), closed.title()), (410, "Too many wrong tries"));
    assert!(person.press(&closed, "/again", &[]).await.status == 303, "another link works at once, as the page says");
    app.mail().await;
}

/// Who has the right code or was approved has proved the address, and may know; the waiting screen would show itself again without a word.
#[tokio::test]
async fn sign_up_closed_is_told_to_who_finishes_on_the_waiting_screen() {
    let app = TestApp::dev().await;
    let (person, other) = (app.browser(Kind::Chrome), app.browser(Kind::Firefox));
    let screen = person.ask("bob@example.com").await;
    let mail = app.mail().await;
    let waiting = person.visit(&screen).await;
    let number = crate::support::between(&waiting.body, "number-digits\">", "<").unwrap().to_owned();
    other.press(&other.open(mail.path()).await, "/number", &[("number", &number)]).await;
    let approved = person.visit(&screen).await;
    app.change(|settings| settings.sign_up = SignUp::Closed).await;
    for refused in [person.press(&waiting, "/code", &[("code", &mail.code)]).await, person.press(&approved, "/finish", &[]).await]
    {
        assert_eq!((refused.status.as_u16(), refused.title()), (410, "This link is no longer accepted"));
        assert!(refused.forms().is_empty() && !refused.body.contains("<script"), "it does not try again by itself");
    }
    assert!(app.rows("sessions").is_empty());
}

async fn waits(outcome: impl FnOnce(&TestSender)) -> crate::support::Answer {
    let app = TestApp::with(|setup| {
        setup.sends_at_once = true;
        setup.app.wait_for_sending = Some(Lifetime::from_secs(5));
    })
    .await;
    outcome(&app.sender);
    app.post_json("/api/auth/send-magic-link", &json!({"email": "ada@example.com"})).await
}

#[tokio::test]
async fn an_app_that_waits_for_sending_learns_that_the_sender_refused() {
    let refused = waits(TestSender::refuses).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (502, "email_delivery_failed"));
    assert!(!refused.body.contains("550"), "the provider's words stay inside");
    assert_eq!(waits(|_| {}).await.json(), json!({"ok": true}));
}

#[tokio::test]
async fn without_a_sender_the_dialect_says_that_it_is_not_set_up() {
    let app = TestApp::with(|setup| setup.app.sender = None).await;
    let answer = app.post_json("/api/auth/send-magic-link", &json!({"email": "ada@example.com"})).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "auth_not_configured"));
}

#[tokio::test]
async fn without_randomness_nothing_weaker_is_used() {
    let app = TestApp::new().await;
    app.entropy.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = app.post_json("/api/auth/send-magic-link", &json!({"email": "ada@example.com"})).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "service_unavailable"));
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(app.rows("links").is_empty());
}

#[tokio::test]
async fn a_dialect_switched_off_is_not_there() {
    let app = TestApp::with(|setup| setup.http.dialects_off = vec!["apphandoff".to_owned()]).await;
    for path in ["/api/auth/send-magic-link", "/auth/me", "/openapi/apphandoff.json"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_dialect_switched_off_for_the_app_takes_no_session_of_it_but_ends_it() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let answer = person.redeem(app.link_for("ada@example.com").await.path()).await;
    app.change(|settings| settings.dialects_off = vec!["apphandoff".to_owned()]).await;
    let (access, refresh) = (answer.handed("access_token"), answer.handed("refresh_token"));
    let bearer = format!("Bearer {access}");
    for path in ["/auth/me", "/api/auth/status"] {
        let off = app.anonymous("GET", path, &[("authorization", &bearer)], "").await;
        assert_eq!((off.status.as_u16(), off.code().as_str()), (404, "not_found"), "{path}");
    }
    for path in ["/auth/exchange-supabase-token", "/auth/refresh"] {
        let off = app.post_json(path, &json!({"access_token": access, "refresh_token": refresh})).await;
        assert_eq!((off.status.as_u16(), off.code().as_str()), (404, "not_found"), "{path}");
    }
    person.plant("sb-access-token", &access);
    assert_eq!(person.fetch("POST", "/auth/logout", &app.public, None).await.status, 200, "signing out always works");
    app.change(|settings| settings.dialects_off.clear()).await;
    assert_eq!(app.post_json("/auth/refresh", &json!({"refresh_token": refresh})).await.status, 401);
}
