//! The whole way: ask, mail, page, press, tokens, cookies, refresh, logout.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::{APP, Kind, PUBLIC, TestApp};

/// The claims of an access token that the published keys verify.
async fn verified(app: &TestApp, token: &str) -> Value {
    let keys = app.get("/.well-known/jwks.json").await;
    assert!(!keys.body.contains("\"d\""), "a private part is published: {}", keys.body);
    let keys: JwkSet = serde_json::from_str(&keys.body).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    let key = keys.find(header.kid.as_deref().unwrap()).expect("the key of the token is published");
    let mut rules = Validation::new(header.alg);
    rules.set_audience(&["authenticated"]);
    rules.set_issuer(&[PUBLIC]);
    // The test's clock is not the wall clock.
    rules.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &rules).expect("the token verifies").claims
}

#[tokio::test]
async fn a_mailed_link_becomes_a_session_at_the_callback() {
    let app = TestApp::new().await;
    for (turn, kind) in Kind::ALL.into_iter().enumerate() {
        let email = format!("Ada{turn}@Example.COM");
        let asked = app.post_json("/api/auth/send-magic-link", &json!({"email": email, "callback_next": "/reports?a=1"})).await;
        assert_eq!((asked.status.as_u16(), asked.json()), (200, json!({"ok": true})));
        let mail = app.mail().await;
        assert_eq!(mail.to, email.to_lowercase());
        assert!(mail.text.contains(&mail.link) && mail.html.contains(&mail.link), "both parts hold the link");
        assert!(mail.text.contains(&mail.code) && mail.html.contains(&mail.code), "both parts hold the code");

        let person = app.browser(kind);
        let answer = person.redeem(mail.path()).await;
        assert_eq!(answer.status, 303, "{kind:?}: {}", answer.body);
        let target = url::Url::parse(answer.location()).unwrap();
        assert_eq!(target.origin().ascii_serialization(), APP);
        assert_eq!((target.path(), target.query()), ("/auth/callback", Some("next=%2Freports%3Fa%3D1")));
        let fragment = answer.fragment();
        let keys: Vec<&str> = fragment.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["access_token", "expires_at", "expires_in", "refresh_token", "sb", "token_type", "type"]);
        assert_eq!((answer.handed("token_type").as_str(), answer.handed("expires_in").as_str()), ("bearer", "3600"));
        assert_eq!(answer.handed("type"), "signup", "the first sign-in makes the user");

        let claims = verified(&app, &answer.handed("access_token")).await;
        assert_eq!(claims["email"], email.to_lowercase());
        assert_eq!((&claims["role"], &claims["aal"]), (&json!("authenticated"), &json!("aal1")));
        assert_eq!(claims["exp"].to_string(), answer.handed("expires_at"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    }
}

#[tokio::test]
async fn the_second_sign_in_of_a_user_is_no_sign_up_and_a_new_session() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let first = person.redeem(app.link_for("ada@example.com").await.path()).await;
    app.clock.advance_secs(61);
    let second = person.redeem(app.link_for("ada@example.com").await.path()).await;
    assert_eq!((first.handed("type").as_str(), second.handed("type").as_str()), ("signup", "magiclink"));
    let (a, b) = (verified(&app, &first.handed("access_token")).await, verified(&app, &second.handed("access_token")).await);
    assert_eq!(a["sub"], b["sub"]);
    assert_ne!(a["session_id"], b["session_id"]);
}

#[tokio::test]
async fn tokens_become_cookies_are_refreshed_and_die_at_logout_also_as_bearer() {
    let app = TestApp::new().await;
    let person = app.browser(Kind::Chrome);
    let answer = person.redeem(app.link_for("ada@example.com").await.path()).await;
    let (access, refresh) = (answer.handed("access_token"), answer.handed("refresh_token"));

    let body = json!({"access_token": access, "refresh_token": refresh, "redirect_to": "/reports"});
    let exchanged = person.fetch("POST", "/auth/exchange-supabase-token", APP, Some(body)).await;
    assert_eq!((exchanged.status.as_u16(), exchanged.json()), (200, json!({"redirectTo": "/reports"})));
    for name in ["sb-access-token", "sb-refresh-token"] {
        let cookie = exchanged.set_cookie(name).unwrap_or_else(|| panic!("{name} is set"));
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{attribute} in {cookie}");
        }
    }

    let me = person.fetch("GET", "/api/auth/me", APP, None).await;
    assert_eq!(me.json()["email"], "ada@example.com");
    assert_eq!(me.json()["id"], verified(&app, &access).await["sub"]);
    assert_eq!(person.fetch("GET", "/auth/status", APP, None).await.json(), json!({"approved": true}));

    app.clock.advance_secs(30);
    let refreshed = app.post_json("/api/auth/refresh", &json!({"refresh_token": refresh})).await.json();
    assert_eq!(refreshed["access_token"], refreshed["token"]);
    assert_eq!(refreshed["expires_in"], 3600);
    let newer = refreshed["access_token"].as_str().unwrap().to_owned();
    assert_ne!(newer, access);
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(app.anonymous("GET", "/auth/me", &[("authorization", &bearer(&newer))], "").await.status, 200);

    let out = person.fetch("POST", "/api/auth/logout", APP, None).await;
    assert_eq!((out.status.as_u16(), out.json()), (200, json!({"ok": true})));
    assert_eq!(person.cookie("sb-access-token"), None, "the cookies are gone");
    for token in [&access, &newer] {
        let dead = app.anonymous("GET", "/auth/me", &[("authorization", &bearer(token))], "").await;
        assert_eq!((dead.status.as_u16(), dead.code().as_str()), (401, "invalid_token"));
    }
    let next = refreshed["refresh_token"].clone();
    let dead = app.post_json("/auth/refresh", &json!({"refresh_token": next})).await;
    assert_eq!((dead.status.as_u16(), dead.code().as_str()), (401, "invalid_refresh_token"));
}

#[tokio::test]
async fn an_access_token_ends_at_the_exact_second() {
    let app = TestApp::new().await;
    let answer = app.browser(Kind::Firefox).redeem(app.link_for("ada@example.com").await.path()).await;
    let bearer = format!("Bearer {}", answer.handed("access_token"));
    let me = async || app.anonymous("GET", "/auth/me", &[("authorization", &bearer)], "").await.status.as_u16();
    app.clock.advance_secs(3599);
    assert_eq!(me().await, 200);
    app.clock.advance_secs(1);
    assert_eq!(me().await, 401);
}

#[tokio::test]
async fn a_refresh_token_repeats_its_answer_for_a_moment_and_its_later_reuse_ends_the_session() {
    let app = TestApp::new().await;
    let answer = app.browser(Kind::Firefox).redeem(app.link_for("ada@example.com").await.path()).await;
    let first = json!({"refresh_token": answer.handed("refresh_token")});
    let one = app.post_json("/auth/refresh", &first).await.json();
    app.clock.advance_secs(9);
    let two = app.post_json("/auth/refresh", &first).await.json();
    assert_eq!(one["refresh_token"], two["refresh_token"]);
    app.clock.advance_secs(2);
    assert_eq!(app.post_json("/auth/refresh", &first).await.code(), "invalid_refresh_token");
    let next = app.post_json("/auth/refresh", &json!({"refresh_token": one["refresh_token"]})).await;
    assert_eq!(next.code(), "invalid_refresh_token", "the whole session ended");
}

#[tokio::test]
async fn exchange_takes_only_two_tokens_of_one_live_session() {
    let app = TestApp::new().await;
    let ada = app.browser(Kind::Chrome).redeem(app.link_for("ada@example.com").await.path()).await;
    let bob = app.browser(Kind::Chrome).redeem(app.link_for("bob@example.com").await.path()).await;
    let exchange = async |access: &str, refresh: &str| {
        let body = json!({"access_token": access, "refresh_token": refresh});
        app.post_json("/auth/exchange-supabase-token", &body).await
    };
    let (access, refresh) = (ada.handed("access_token"), ada.handed("refresh_token"));
    for (a, r) in [
        (access.as_str(), bob.handed("refresh_token").as_str()),
        (bob.handed("access_token").as_str(), refresh.as_str()),
        (refresh.as_str(), access.as_str()),
        ("x", refresh.as_str()),
        (access.as_str(), "x"),
    ] {
        let refused = exchange(a, r).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "invalid_token"));
        assert!(refused.set_cookies().is_empty());
    }
    assert_eq!(exchange(&access, &refresh).await.status, 200);
    app.post_json("/auth/refresh", &json!({"refresh_token": refresh})).await;
    assert_eq!(exchange(&access, &refresh).await.status, 401, "the refresh token was used up");
}

#[tokio::test]
async fn a_code_in_the_browser_that_asked_signs_in_as_the_link_would() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::SafariIos);
    let screen = person.ask("ada@example.com").await;
    let mail = app.mail().await;
    let page = person.visit(&screen).await;
    let answer = person.press(&page, "/code", &[("code", &format!("{} {}", &mail.code[..3], &mail.code[3..]))]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/signed-in"));
    let home = person.visit("/signed-in").await;
    assert!(home.body.contains("ada@example.com"), "{}", home.body);
    assert_eq!(app.browser(Kind::Chrome).open(mail.path()).await.status, 410, "the link died with the code");
}
