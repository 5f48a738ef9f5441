//! Two browsers (`security.md` 13): the one that asked, and the one that opened the mail.

use axum::body::HttpBody;
use http::StatusCode;

use crate::support::{Browser, Kind, Mail, TestApp, between, request};

struct Two<'a> {
    asking: Browser<'a>,
    other: Browser<'a>,
    screen: String,
    mail: Mail,
}

async fn two(app: &TestApp) -> Two<'_> {
    let (asking, other) = (app.browser(Kind::Chrome), app.browser(Kind::SafariIos));
    let screen = asking.ask("ada@example.com").await;
    Two { mail: app.mail().await, asking, other, screen }
}

impl Two<'_> {
    async fn number(&self) -> String {
        let page = self.asking.visit(&self.screen).await;
        between(&page.body, "number-digits\">", "<").expect("the screen shows a number").to_owned()
    }

    async fn state(&self, who: &Browser<'_>) -> String {
        who.visit(&format!("{}/status", self.screen)).await.json()["state"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn sec_13_another_browser_cannot_press_its_way_in() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let before = app.rows("links");
    let page = two.other.open(two.mail.path()).await;
    assert!(page.is_elsewhere_page(), "{}", page.title());
    assert!(page.body.contains("Chrome on Windows"), "it says which browser asked");
    // The button's request, made by hand with a good nonce.
    let nonce = page.forms()[0].nonce.clone();
    let body = crate::support::browser::form_body(&nonce, &[]);
    let pressed = two.other.request("POST", two.mail.path(), &two.other.press_headers(), body).await;
    assert!(!pressed.signs_in());
    assert!(pressed.is_elsewhere_page(), "{} {}", pressed.status, pressed.body);
    assert_eq!(app.rows("links"), before);
    let own = two.asking.open(two.mail.path()).await;
    assert!(own.signs_in(), "the browser that asked needs no press: {}", own.status);
}

#[tokio::test]
async fn sec_13_the_number_approves_and_the_first_browser_finishes() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    assert_eq!(two.state(&two.asking).await, "pending");
    let page = two.other.open(two.mail.path()).await;
    let done = two.other.press(&page, "/number", &[("number", &two.number().await)]).await;
    assert_eq!((done.status, done.title()), (StatusCode::OK, "Look at your other screen"));
    assert!(!done.signs_in() && app.rows("sessions").is_empty(), "approving signs nobody in");
    assert_eq!(two.state(&two.asking).await, "approved");

    // A script of the page submits this form, so no gesture comes with it.
    let screen = two.asking.visit(&two.screen).await;
    let form = screen.form("/finish");
    let mut headers = two.asking.press_headers();
    headers.retain(|(name, _)| *name != "sec-fetch-user");
    let body = crate::support::browser::form_body(&form.nonce, &[]);
    let finished = two.asking.request("POST", &form.action, &headers, body).await;
    assert!(finished.signs_in() && finished.location() == "/signed-in", "{}", finished.status);
    assert_eq!(two.state(&two.asking).await, "redeemed");
}

#[tokio::test]
async fn sec_13_nobody_finishes_before_the_approval_or_in_another_browser() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let screen = two.asking.visit(&two.screen).await;
    let early = two.asking.press(&screen, "/finish", &[]).await;
    assert!(!early.signs_in() && early.status == 200, "{}", early.status);

    let page = two.other.open(two.mail.path()).await;
    two.other.press(&page, "/number", &[("number", &two.number().await)]).await;
    // The other browser knows the screen's address and makes itself a nonce for it by asking for a link of its own.
    let own_screen = two.other.ask("eve@example.com").await;
    let nonce = two.other.visit(&own_screen).await.form("/finish").nonce;
    let body = crate::support::browser::form_body(&nonce, &[]);
    let stolen = two.other.request("POST", &format!("{}/finish", two.screen), &two.other.press_headers(), body).await;
    assert_eq!(stolen.status, 403);
    assert!(!stolen.signs_in() && app.rows("sessions").is_empty());
}

#[tokio::test]
async fn sec_13_two_wrong_numbers_leave_only_the_code_and_the_first_browser() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let right: u8 = two.number().await.parse().unwrap();
    let wrong = (if right == 99 { 10 } else { right + 1 }).to_string();
    let page = two.other.open(two.mail.path()).await;
    let once = two.other.press(&page, "/number", &[("number", &wrong)]).await;
    assert!(once.body.contains("1 try left"), "{}", once.body);
    let twice = two.other.press(&once, "/number", &[("number", &wrong)]).await;
    assert!(twice.is_elsewhere_page());
    assert!(twice.forms().iter().all(|form| !form.action.ends_with("/number")), "no third try is offered");
    // A third try by hand, with the right number.
    let form = page.form("/number");
    let body = crate::support::browser::form_body(&form.nonce, &[("number", &right.to_string())]);
    two.other.request("POST", &form.action, &two.other.press_headers(), body).await;
    assert_eq!(two.state(&two.asking).await, "pending", "it came too late");
    assert!(two.asking.open(two.mail.path()).await.signs_in());
}

#[tokio::test]
async fn sec_13_the_code_signs_in_where_it_is_typed() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let page = two.other.open(two.mail.path()).await;
    let wrong = if two.mail.code == "000000" { "111111" } else { "000000" };
    let refused = two.other.press(&page, "/code", &[("code", wrong)]).await;
    assert!(refused.is_elsewhere_page() && refused.body.contains("2 tries left"), "{}", refused.body);
    let inside = two.other.press(&page, "/code", &[("code", &two.mail.code)]).await;
    assert!(inside.signs_in());
    assert_eq!(two.state(&two.asking).await, "redeemed");
    let screen = two.asking.visit(&two.screen).await;
    assert_eq!(screen.status, 410, "the first browser is told, and not signed in");
    assert!(!screen.signs_in());
}

#[tokio::test]
async fn sec_13_wrong_codes_elsewhere_cannot_close_the_request() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let page = two.other.open(two.mail.path()).await;
    let wrong = if two.mail.code == "000000" { "111111" } else { "000000" };
    for _ in 0..10 {
        two.other.press(&page, "/code", &[("code", wrong)]).await;
    }
    let screen = two.asking.visit(&two.screen).await;
    assert!(two.asking.press(&screen, "/code", &[("code", &two.mail.code)]).await.signs_in());
}

#[tokio::test]
async fn sec_13_it_was_not_me_burns_nothing_and_says_so() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let before = app.rows("links");
    let page = two.other.open(two.mail.path()).await;
    let thanks = two.other.press(&page, "/refuse", &[]).await;
    assert_eq!(thanks.title(), "Thank you for telling us");
    assert!(!thanks.body.contains("no longer work"), "the page must not say what is not so");
    assert_eq!(app.rows("links"), before);
    assert!(two.asking.open(two.mail.path()).await.signs_in());
}

#[tokio::test]
async fn sec_13_the_screen_answers_only_the_browser_that_asked() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    two.other.ask("eve@example.com").await;
    for who in [&two.other, &app.browser(Kind::Chrome)] {
        assert_eq!(two.state(who).await, "dead");
        let page = who.visit(&two.screen).await;
        assert_eq!(page.status, 410);
        assert!(!page.body.contains("a•••@"), "not even the masked address");
    }
    assert_eq!(two.state(&two.asking).await, "pending");
    let first_event = async |who: &Browser<'_>| {
        let cookies: Vec<String> = who.jar.borrow().iter().map(|(n, v)| format!("{n}={v}")).collect();
        let asked = request("GET", &format!("{}/events", two.screen), &[("cookie", &cookies.join("; "))], "");
        let mut body = Box::pin(app.respond(asked).await.into_body());
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    assert_eq!(first_event(&two.asking).await, "data: {\"state\":\"pending\"}\n\n");
    assert_eq!(first_event(&two.other).await, "data: {\"state\":\"dead\"}\n\n");
}

#[tokio::test]
async fn sec_13_opening_a_link_never_makes_a_browser_the_requester() {
    let app = TestApp::dev().await;
    let two = two(&app).await;
    let unbound = app.link_for("bob@example.com").await;
    for path in [two.mail.path(), unbound.path(), "/l/nonsense"] {
        for kind in Kind::ALL {
            let browser = app.browser(kind);
            browser.open(path).await;
            browser.visit(path).await;
            assert_eq!(browser.cookie("__Host-passlink-browser"), None, "{path} {kind:?}");
        }
    }
}

#[tokio::test]
async fn sec_13_a_link_asked_for_by_api_is_bound_to_a_browser_that_shows_its_proof() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    let ask = async |person: &Browser<'_>| {
        let body = serde_json::json!({"email": "ada@example.com", "callback_origin": crate::support::APP});
        person.fetch("POST", "/api/auth/send-magic-link", &app.public, Some(body)).await
    };
    let first = ask(&person).await;
    assert_eq!(first.status, 200);
    let unbound = app.mail().await;
    assert!(first.set_cookie("__Host-passlink-browser").is_some(), "the same site's browser is given a proof");
    assert!(app.browser(Kind::SafariIos).open(unbound.path()).await.is_confirm_page(), "but might have dropped it");
    ask(&person).await;
    let bound = app.mail().await;
    assert!(app.browser(Kind::SafariIos).open(bound.path()).await.is_elsewhere_page(), "now it is known to keep it");
    assert!(person.open(bound.path()).await.signs_in());
}

/// A stream that would go on for minutes ends when the server is told to stop, so that it stops in time.
#[tokio::test]
async fn sec_51_a_waiting_screen_does_not_hold_the_server_up() {
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let app = TestApp::with(|setup| {
        setup.http.dev = true;
        setup.http.stopping = Some(stopping);
    })
    .await;
    let person = app.browser(Kind::Chrome);
    let screen = person.ask("ada@example.com").await;
    let cookies = format!("__Host-passlink-browser={}", person.cookie("__Host-passlink-browser").unwrap());
    let asked = request("GET", &format!("{screen}/events"), &[("cookie", &cookies)], "");
    let response = app.respond(asked).await;
    assert_eq!(response.status(), 200);
    let whole = tokio::spawn(axum::body::to_bytes(response.into_body(), 4096));
    let start = std::time::Instant::now();
    stop.send_replace(true);
    let whole = tokio::time::timeout(std::time::Duration::from_secs(20), whole).await.expect("it ends").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&whole).contains("pending"), "{whole:?}");
    assert!(start.elapsed() < std::time::Duration::from_secs(9), "ten seconds are all there is");
}
