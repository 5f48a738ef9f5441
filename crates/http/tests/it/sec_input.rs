//! Hostile input (`security.md` 39).

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::json;

use crate::support::{Answer, Kind, PUBLIC, TestApp};

const SEND: &str = "/api/auth/send-magic-link";

fn is_error(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    assert!(answer.json()["error"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
}

async fn post(app: &TestApp, body: impl Into<Body>) -> Answer {
    app.anonymous("POST", SEND, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn sec_39_bodies_are_limited_as_announced_and_as_counted() {
    let app = TestApp::new().await;
    let padded = |size: usize| {
        let shell = json!({"email": "a@example.com", "pad": ""}).to_string();
        shell.replace("\"pad\":\"\"", &format!("\"pad\":\"{}\"", "x".repeat(size - shell.len())))
    };
    assert_eq!(padded(65_536).len(), 65_536);
    assert_eq!(post(&app, padded(65_536)).await.status, 200);
    is_error(&post(&app, padded(65_537)).await, 413, "payload_too_large", "one byte more");
    let announced = [("content-type", "application/json"), ("content-length", "65537")];
    is_error(&app.anonymous("POST", SEND, &announced, "{}").await, 413, "payload_too_large", "announced");
    let huge = [("content-type", "application/json"), ("content-length", "18446744073709551615")];
    is_error(&app.anonymous("POST", SEND, &huge, "{}").await, 413, "payload_too_large", "announced far more");
    let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 4096])));
    is_error(&post(&app, Body::from_stream(chunks)).await, 413, "payload_too_large", "an endless body");
    for path in ["/auth/refresh", "/auth/exchange-supabase-token"] {
        let headers = [("content-type", "application/json")];
        is_error(&app.anonymous("POST", path, &headers, padded(70_000)).await, 413, "payload_too_large", path);
    }
}

#[tokio::test]
async fn sec_39_an_endless_form_is_not_read_to_its_end() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 4096])));
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", PUBLIC)];
    let answer = app.anonymous("POST", mail.path(), &headers, Body::from_stream(chunks)).await;
    assert!(answer.status == 413 && answer.is_html(), "{}", answer.status);
    assert!(app.browser(Kind::Chrome).redeem(mail.path()).await.signs_in());
}

#[tokio::test]
async fn sec_39_a_form_that_is_too_large_gets_a_page_that_says_so_and_a_way_back() {
    let app = TestApp::dev().await;
    let person = app.browser(Kind::Chrome);
    let screen = person.ask("ada@example.com").await;
    let link = app.mail().await.path().to_owned();
    let at = |place: &str, action: &str| (format!("{place}{action}"), place.to_owned());
    let mut forms =
        vec![at("/", ""), at(&link, ""), ("/sign-out".into(), "/signed-in".into()), ("/inbox/delete".into(), "/inbox".into())];
    forms.extend(["/number", "/code", "/refuse", "/again"].map(|action| at(&link, action)));
    forms.extend(["/code", "/again", "/finish"].map(|action| at(&screen, action)));
    for (action, back) in forms {
        let answer = person.request("POST", &action, &person.press_headers(), format!("nonce={}", "x".repeat(65_536))).await;
        assert_eq!((answer.status.as_u16(), answer.title()), (413, "That was too long"), "{action}");
        assert!(answer.body.contains(&format!("href=\"{back}\"")), "{action}: {}", answer.body);
    }
}

#[tokio::test]
async fn sec_39_only_strict_json_objects_are_read() {
    let app = TestApp::new().await;
    let nested = |depth: usize| format!("{{\"email\":\"a@example.com\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    for bad in [
        "",
        " ",
        "{",
        "}",
        "{\"email\":}",
        "{\"email\":\"a@example.com\"",
        "{\"email\":\"a@example.com\",}",
        "{'email':'a@example.com'}",
        "{email:\"a@example.com\"}",
        "{\"email\":\"a@example.com\"} x",
        "{\"email\":\"a@example.com\"}{}",
        "\u{feff}{}",
        "{\"email\":NaN}",
        "{\"email\":Infinity}",
        "{\"email\":01}",
        "{\"email\":\"\\ud800\"}",
        "{\"email\":\"\\x\"}",
        "{\"email\":\"a\n@example.com\"}",
        "{\"email\":\"a@example.com\",\"email\":\"b@example.com\"}",
        "{\"x\":{\"a\":1,\"\\u0061\":2}}",
        "// x\n{}",
        "undefined",
        "email=a%40example.com",
        &nested(32),
    ] {
        is_error(&post(&app, bad.to_owned()).await, 400, "invalid_json", bad);
    }
    is_error(&post(&app, vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await, 400, "invalid_json", "not UTF-8");
    for (body, path) in [("[]", ""), ("null", ""), ("1", ""), ("\"x\"", ""), ("true", ""), ("{}", "email")] {
        let answer = post(&app, body).await;
        is_error(&answer, 400, "validation_error", body);
        assert!(answer.json()["fieldErrors"].get(path).is_some(), "{body}: {}", answer.body);
    }
    assert_eq!(post(&app, nested(31)).await.status, 200);
    assert_eq!(app.dispatch().await.len(), 1, "nothing else was mailed");
}

#[tokio::test]
async fn sec_39_other_media_types_and_methods_are_refused() {
    let app = TestApp::new().await;
    for path in [SEND, "/auth/send-magic-link", "/auth/refresh", "/auth/exchange-supabase-token"] {
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/json",
            "application/jsonp",
            "application/json-patch+json",
            "application/xml",
            "*/*",
            "json",
            "application/json, text/plain",
        ] {
            let headers = [("content-type", kind)];
            let headers = if kind.is_empty() { &headers[..0] } else { &headers[..] };
            let answer = app.anonymous("POST", path, headers, r#"{"email":"a@example.com"}"#).await;
            is_error(&answer, 415, "unsupported_media_type", &format!("{path} {kind}"));
        }
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"] {
            let answer = app.anonymous(method, path, &[], "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{method} {path} names what works");
            assert!(method == "HEAD" || answer.code() == "method_not_allowed", "{method} {path}");
        }
    }
    for kind in ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json ;charset=\"utf-8\""]
    {
        let answer = app.anonymous("POST", SEND, &[("content-type", kind)], r#"{"email":"a@example.com"}"#).await;
        assert_eq!(answer.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn sec_39_hostile_forms_get_a_page() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    let person = app.browser(Kind::Chrome);
    let nonce = person.open(mail.path()).await.form("").nonce;
    let endless = "&a".repeat(30_000);
    for body in ["", "nonce", "nonce=", "=", "&&&", "%", "nonce=%ff%fe", "nonce[]=x", "{\"nonce\":1}", endless.as_str()] {
        let answer = person.request("POST", mail.path(), &person.press_headers(), body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.is_html()), (403, true), "{body:.40}");
    }
    let twice = person.request("POST", mail.path(), &person.press_headers(), format!("nonce=x&nonce={nonce}")).await;
    assert!(twice.signs_in() || twice.status == 403);
}

#[tokio::test]
async fn sec_39_paths_that_are_no_text_lead_nowhere() {
    let app = TestApp::dev().await;
    for path in ["/assets/%ff", "/assets/%Aa?v=1", "/assets/x/%ff.css"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""), "{path}");
    }
    for path in ["/l/%ff", "/l/%ff/code", "/wait/%ff", "/docs/%ff", "/openapi/%ff", "/inbox/%ff", "/inbox/%ff/html"] {
        let answer = app.get(path).await;
        assert!(answer.status == 404 && answer.is_html(), "{path}: {} {}", answer.status, answer.body);
    }
}

/// Whatever stands in the path of a link, the answer is a page or a redirect within our host, and no fault of ours.
#[tokio::test]
async fn sec_39_no_path_of_a_link_breaks_anything() {
    let app = TestApp::new().await;
    let odd = [
        "%0d%0aSet-Cookie:%20a=b",
        "%0a",
        "%00",
        "%2F%2Fevil.test",
        "%5C%5Cevil.test",
        "..%2f..",
        "%3Cscript%3E",
        "%22%3E%3Cimg%20src=x%3E",
        "%F0%9F%98%80",
        "%C3%A9",
        "plk_%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9",
        "{token}",
        "$%7Bjndi:x%7D",
        "%252e%252e",
        "a%20b",
        "%E2%80%A8",
    ];
    for text in odd.iter().map(|t| (*t).to_owned()).chain(["a".repeat(7000)]) {
        for action in ["", "/number", "/code", "/refuse", "/again"] {
            let path = format!("/l/{text}{action}");
            for method in ["GET", "HEAD", "POST"] {
                let answer = app.anonymous(method, &path, &[], "").await;
                assert!(answer.status.is_client_error() && answer.is_html(), "{method} {path:.60}: {}", answer.status);
                assert!(!answer.body.contains("<script>") && !answer.body.contains("<img"), "{path:.60}");
                assert!(answer.headers.get("location").is_none(), "{path:.60}");
            }
        }
    }
}
