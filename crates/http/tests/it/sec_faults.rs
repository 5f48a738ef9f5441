//! Malformed credentials and our own defects (`security.md` 36, 41).

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::support::{Answer, Kind, TestApp, request};

const SEND: &str = "/api/auth/send-magic-link";

#[tokio::test]
async fn sec_36_no_malformed_credential_gets_in_or_breaks_anything() {
    let app = TestApp::new().await;
    let tokens = app.browser(Kind::Chrome).redeem(app.link_for("ada@example.com").await.path()).await;
    let (access, refresh) = (tokens.handed("access_token"), tokens.handed("refresh_token"));
    let parts: Vec<&str> = access.split('.').collect();
    let unsigned = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let values = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer  ".to_owned(),
        access.clone(),
        format!("Basic {access}"),
        format!("bearer:{access}"),
        format!("Bearer {}", &access[..access.len() - 2]),
        format!("Bearer {}.{}.", parts[0], parts[1]),
        format!("Bearer {}.{}", parts[0], parts[1]),
        format!("Bearer {}..{}", parts[0], parts[2]),
        format!("Bearer .{}.{}", parts[1], parts[2]),
        unsigned,
        format!("Bearer {refresh}"),
        format!("Bearer {access} {access}"),
        format!("Bearer {access}, Bearer {access}"),
        format!("Bearer \"{access}\""),
        format!("Token {access}"),
        "Bearer \u{e9}\u{ff}".to_owned(),
        format!("Bearer {}", "a".repeat(20_000)),
        "Bearer null".to_owned(),
        "Bearer ....".to_owned(),
        "Digest x".to_owned(),
        format!("Bearer {}", access.to_uppercase()),
    ];
    assert!(values.len() >= 20);
    for value in &values {
        for path in ["/api/auth/me", "/auth/status"] {
            let answer = app.anonymous("GET", path, &[("authorization", value)], "").await;
            assert_eq!(answer.status, 401, "{value}");
            assert!(["unauthorized", "invalid_token"].contains(&answer.code().as_str()), "{value}: {}", answer.body);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let logout = app.anonymous("POST", "/auth/logout", &[("authorization", value)], "").await;
        assert_eq!(logout.status, 200, "logout looks at the cookie only");
    }
    let good = format!("bearer {access}");
    assert_eq!(app.anonymous("GET", "/auth/me", &[("authorization", &good)], "").await.status, 200, "still alive");
}

#[tokio::test]
async fn sec_41_a_panic_is_a_500_with_a_request_id_and_the_process_lives() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let person = app.browser(Kind::Chrome);
    let page = person.open(mail.path()).await;
    let hidden = |answer: &Answer| {
        assert_eq!(answer.status, 500, "{}", answer.body);
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        assert!(!answer.body.contains("s3cret-panic-text") && !answer.body.contains("doubles.rs"), "{}", answer.body);
        id
    };
    app.entropy.panics.store(true, Ordering::SeqCst);
    for path in [SEND, "/auth/send-magic-link"] {
        let answer = app.post_json(path, &json!({"email": "bob@example.com"})).await;
        hidden(&answer);
        assert_eq!(answer.code(), "internal_error", "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "error"]);
    }
    for answer in [app.get(mail.path()).await, person.press(&page, "", &[]).await] {
        let id = hidden(&answer);
        assert!(answer.is_html() && answer.body.contains(&id), "the page quotes the id");
    }
    app.entropy.panics.store(false, Ordering::SeqCst);
    assert!(person.redeem(mail.path()).await.signs_in(), "the process lives and the link too");
    assert_eq!(app.get("/healthz").await.json()["status"], "ok");
}

#[tokio::test]
async fn sec_41_a_request_without_a_known_peer_is_answered_too() {
    let app = TestApp::new().await;
    let headers = [("content-type", "application/json")];
    let asked = request("POST", SEND, &headers, json!({"email": "a@example.com"}).to_string());
    let answer = Answer::read(tower::ServiceExt::oneshot(app.router.clone(), asked).await.unwrap()).await;
    assert_eq!(answer.json(), json!({"ok": true}));
}
