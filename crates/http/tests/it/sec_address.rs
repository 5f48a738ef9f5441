//! Hostile addresses at the wire (`security.md` 27).

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn sec_27_hostile_addresses_are_refused_and_mail_nobody() {
    let app = TestApp::new().await;
    let long = format!("{}@example.com", "a".repeat(65));
    let longer = format!("a@{}.com", "a.".repeat(130));
    for email in [
        "",
        " ",
        "a",
        "@",
        "a@",
        "@example.com",
        "a@b",
        "a@@example.com",
        "a@example.com@evil.test",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "Ada <a@example.com>",
        "<a@example.com>",
        "\"a\"@example.com",
        "\"a b\"@example.com",
        "a(b)@example.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@example.com\n",
        "a@example.com\r\nBcc: b@example.com",
        "a\u{0}@example.com",
        "a@example.com\u{0}",
        " a@example.com",
        "a@example.com ",
        "a b@example.com",
        "a@exa mple.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@.example.com",
        "a@example..com",
        "a@example.com.",
        "a@-example.com",
        "a@example-.com",
        "a\u{202e}@example.com",
        "a\u{200b}@example.com",
        "a@example\u{200b}.com",
        "a\u{ff20}example.com",
        "a@example\u{3002}com",
        "a@example.com%0aBcc:b@example.com",
        "mailto:a@example.com",
        "a@\u{212a}.com",
        "\u{131}@example.com",
        &long,
        &longer,
    ] {
        let answer = app.post_json("/auth/send-magic-link", &json!({"email": email})).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "validation_error"), "{email:?}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["fieldErrors"]["email"], body["issues"][0]["message"], "{email:?}");
        assert!(email.trim().len() < 3 || !answer.body.contains(email), "the address is not repeated: {email:?}");
    }
    assert!(app.dispatch().await.is_empty());
}

#[tokio::test]
async fn sec_28_letter_case_does_not_matter_and_everything_else_does() {
    let app = TestApp::new().await;
    for (typed, mailed) in [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
        ("a.d.a@example.com", "a.d.a@example.com"),
        ("ada@b\u{fc}cher.example", "ada@xn--bcher-kva.example"),
    ] {
        assert_eq!(app.link_for(typed).await.to, mailed);
    }
}
