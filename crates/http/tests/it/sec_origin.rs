//! Where links point and who the client is (`security.md` 23 to 25).

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use passlink_http::{HttpSettings, Peer};
use serde_json::json;

use crate::support::{Answer, Kind, PUBLIC, Setup, TestApp, request, strict_settings};

/// Names that a forged header may carry.
const FORGED: &[(&str, &str)] = &[
    ("host", "evil.test"),
    ("host", "evil.test:443"),
    ("host", "auth.example.test.evil.test"),
    ("host", "auth.example.test@evil.test"),
    ("host", "auth.example.test:8443"),
    ("host", "localhost"),
    ("host", "[::1]"),
    ("host", ""),
    ("host", "evil.test/auth.example.test"),
    ("host", "\"><script>"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-host", "evil.test, auth.example.test"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-scheme", "http"),
    ("x-forwarded-ssl", "off"),
    ("x-forwarded-port", "8443"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-server", "evil.test"),
    ("x-forwarded-for", "evil.test"),
    ("x-original-host", "evil.test"),
    ("x-original-url", "https://evil.test/"),
    ("x-rewrite-url", "/evil"),
    ("x-host", "evil.test"),
    ("x-http-host-override", "evil.test"),
    ("forwarded", "host=evil.test;proto=http"),
    ("forwarded", "for=1.2.3.4;host=\"evil.test\""),
    ("forwarded", "by=x, host=evil.test"),
    ("x-real-ip", "evil.test"),
    ("front-end-https", "off"),
    ("x-url-scheme", "http"),
    ("x-proxyuser-ip", "evil.test"),
    ("via", "1.1 evil.test"),
    ("cf-visitor", "{\"scheme\":\"http\"}"),
    ("base-url", "https://evil.test"),
    ("proxy", "http://evil.test"),
    ("destination", "https://evil.test"),
];

#[tokio::test]
async fn sec_23_no_header_influences_the_link() {
    assert!(FORGED.len() >= 25);
    for proxies in [vec![], vec!["203.0.113.0/24".to_owned()]] {
        let app = TestApp::with(|setup| setup.http.trusted_proxies = proxies).await;
        for (name, value) in FORGED {
            let headers = [("content-type", "application/json"), (*name, *value)];
            let asked = app.anonymous("POST", "/auth/send-magic-link", &headers, r#"{"email":"a@example.com"}"#).await;
            assert_eq!(asked.status, 200, "{name}: {value}: {}", asked.body);
            let mail = app.mail().await;
            assert!(mail.link.starts_with(&format!("{PUBLIC}/l/plk_")), "{name}: {value}: {}", mail.link);
            for part in [&mail.text, &mail.html] {
                assert!(part.contains(&mail.link) && !part.contains("evil"), "{name}: {value}");
            }
        }
    }
}

/// The links of every other dialect, made and mailed, with each of the forged headers.
#[tokio::test]
async fn sec_23_no_header_influences_the_links_of_any_dialect() {
    let landing = || vec![passlink_engine::redirects::LandingUrl::parse("https://app.example.com/authenticate").unwrap()];
    let app = TestApp::with(|setup| {
        setup.app.default_redirect_url = Some("https://app.example.com/in".to_owned());
        (setup.app.sign_in_urls, setup.app.sign_up_urls) = (landing(), landing());
        setup.app.page_for_client_links = true;
    })
    .await;
    app.save_client("example", "project-test-1", "*").await;
    let basic = format!("Basic {}", STANDARD.encode("project-test-1:secret-test-0123456789"));
    let form = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let token = app.anonymous("POST", "/v0/auth/token", &form, "").await.json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let business =
        json!({"name": "B", "entity_type": "llc", "entries_start": "2026-01-01", "fiscal_year": "12/31", "external_id": "b"});
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(app.anonymous("POST", "/v0/business", &headers, business.to_string()).await.status, 201);
    let key = [("x-rownd-app-key", "project-test-1"), ("x-rownd-app-secret", "secret-test-0123456789")];
    let stytch = [("authorization", basic.as_str())];
    let asset = [("authorization", bearer.as_str())];
    let user = json!({"email": "ada@example.com", "external_id": "ada"});
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    assert_eq!(app.anonymous("POST", "/v1/users", &headers, user.to_string()).await.status, 200);
    /// Path, credentials, body, and where the answer has the link; else it comes by mail.
    type Made<'a> = (&'a str, &'a [(&'a str, &'a str)], serde_json::Value, Option<&'a str>);
    let made: [Made<'_>; 6] = [
        ("/v1/magic_links", &stytch, json!({"user_id": "ada"}), Some("/url")),
        ("/v1/magic_links/email/login_or_create", &stytch, json!({"email": "bob@example.com"}), None),
        ("/hub/auth/magic", &key, json!({"data": {"email": "cy@example.com"}}), Some("/link")),
        ("/hub/auth/magic", &key, json!({"purpose": "shorten", "redirect_url": "https://x.example"}), Some("/link")),
        ("/hub/auth/init", &key[..1], json!({"email": "di@example.com", "return_url": "/x"}), None),
        ("/v0/auth/magic-link", &asset, json!({"external_business_id": "b"}), Some("/data/magic_link")),
    ];
    for (name, value) in FORGED {
        for (path, credentials, body, at) in &made {
            let mut headers = vec![("content-type", "application/json"), (*name, *value)];
            headers.extend(credentials.iter());
            let answer = app.anonymous("POST", path, &headers, body.to_string()).await;
            assert!(answer.status.is_success(), "{path} {name}: {value}: {} {}", answer.status, answer.body);
            let link = match at {
                Some(at) => answer.json().pointer(at).and_then(|link| link.as_str().map(str::to_owned)).unwrap_or_default(),
                None => app.mail().await.link,
            };
            assert!(link.starts_with(&format!("{PUBLIC}/")), "{path} {name}: {value}: {link}");
            assert!(!answer.body.contains("evil"), "{path} {name}: {value}: {}", answer.body);
        }
        app.clock.advance_secs(60);
    }
}

#[tokio::test]
async fn sec_23_an_absolute_request_target_does_not_either() {
    let app = TestApp::new().await;
    let headers = [("content-type", "application/json")];
    let asked = app.anonymous("POST", "https://evil.test/auth/send-magic-link", &headers, r#"{"email":"a@example.com"}"#).await;
    assert_eq!(asked.status, 200);
    assert!(app.mail().await.link.starts_with(&format!("{PUBLIC}/l/")));
}

#[tokio::test]
async fn sec_23_pages_and_redirects_do_not_repeat_a_forged_host() {
    let app = TestApp::new().await;
    let mail = app.link_for("ada@example.com").await;
    for (name, value) in FORGED {
        for path in [mail.path(), "/l/x", "/nothing", "/signed-in", "/docs/apphandoff"] {
            let answer = app.anonymous("GET", path, &[(*name, *value)], "").await;
            let location = answer.headers.get("location").map(|l| l.to_str().unwrap_or("?")).unwrap_or_default();
            assert!(!answer.body.contains("evil") && !location.contains("evil"), "{path} {name}: {value}");
        }
    }
}

#[tokio::test]
async fn sec_23_clear_text_is_for_loopback_only() {
    for (origin, accepted) in [
        ("https://auth.example.test", true),
        ("http://localhost:8080", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://auth.example.test", false),
        ("http://10.0.0.1:8080", false),
        ("http://localhost.example.test", false),
    ] {
        let app = TestApp::new().await;
        let settings = passlink_engine::EngineSettings::new(passlink_engine::redirects::Origin::parse(origin).unwrap());
        let engine = app.engine_with(settings).await;
        assert_eq!(passlink_http::router(engine, HttpSettings::default()).is_ok(), accepted, "{origin}");
    }
}

#[tokio::test]
async fn sec_23_on_loopback_everything_works_in_clear_text() {
    let app = TestApp::with(|setup: &mut Setup| {
        setup.public_origin = "http://localhost:8080".to_owned();
        setup.http.dev = true;
    })
    .await;
    let person = app.browser(Kind::SafariIos);
    let screen = person.ask("ada@example.com").await;
    let mail = app.mail().await;
    assert!(mail.link.starts_with("http://localhost:8080/l/plk_"), "{}", mail.link);
    assert!(person.cookie("passlink-browser").is_some(), "without https there is no __Host-");
    let answer = person.open(mail.path()).await;
    assert!(answer.signs_in() && answer.header("strict-transport-security").is_none());
    assert_eq!(person.visit(&screen).await.location(), "/signed-in");
}

fn from(peer: &str, path: &str, headers: &[(&str, &str)], email: &str) -> Request<axum::body::Body> {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let mut request = request("POST", path, &all, json!({"email": email}).to_string());
    request.extensions_mut().insert(Peer(peer.parse::<SocketAddr>().unwrap()));
    request
}

async fn strict(proxies: &[&str]) -> TestApp {
    TestApp::with(|setup| {
        setup.app = strict_settings();
        setup.http.trusted_proxies = proxies.iter().map(|p| (*p).to_owned()).collect();
    })
    .await
}

fn is_limited(answer: &Answer) -> bool {
    let limited = answer.status == 429;
    if limited {
        assert_eq!(answer.code(), "rate_limited");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(seconds >= 1 && answer.json()["retryAfter"] == seconds, "{}", answer.body);
    }
    limited
}

#[tokio::test]
async fn sec_25_forged_headers_and_other_spellings_share_one_budget() {
    let app = strict(&[]).await;
    let mut limited = 0;
    for (turn, header) in [
        ("x-forwarded-for", "198.51.100.1"),
        ("forwarded", "for=198.51.100.2"),
        ("x-real-ip", "198.51.100.3"),
        ("client-ip", "198.51.100.4"),
        ("true-client-ip", "198.51.100.5"),
        ("cf-connecting-ip", "198.51.100.6"),
        ("x-client-ip", "198.51.100.7"),
        ("x-cluster-client-ip", "198.51.100.8"),
        ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
        ("fastly-client-ip", "198.51.100.9"),
        ("x-forwarded-for", "::1"),
        ("via", "x"),
    ]
    .into_iter()
    .enumerate()
    {
        // Both paths, many ports, an IPv4 address in either form: still one client.
        let path = ["/api/auth/send-magic-link", "/auth/send-magic-link", "/auth/send-magic-link?x=1"][turn % 3];
        let peer = [format!("203.0.113.9:{}", 1000 + turn), format!("[::ffff:203.0.113.9]:{}", 1000 + turn)];
        let answer = app.call(from(&peer[turn % 2], path, &[header], &format!("a{turn}@example.com"))).await;
        limited += u32::from(is_limited(&answer));
    }
    assert_eq!(limited, 12 - 5, "five pass, whatever the client writes");
    assert_eq!(app.dispatch().await.len(), 5, "refused requests cost no mail");
}

#[tokio::test]
async fn sec_25_other_paths_are_no_way_round_the_limit() {
    let app = strict(&[]).await;
    for path in [
        "/api/auth/send-magic-link/",
        "/api//auth/send-magic-link",
        "//api/auth/send-magic-link",
        "/api/auth/./send-magic-link",
        "/api/auth/x/../send-magic-link",
        "/API/AUTH/SEND-MAGIC-LINK",
        "/api/auth/send-magic-link;x",
        "/api/auth/send%2Dmagic%2Dlink/",
        "/api/auth%2Fsend-magic-link",
        "/auth/send-magic-link%00",
        "/auth/send-magic-link%20",
        "/auth/send-magic-link.json",
        "/auth/auth/send-magic-link",
    ] {
        let answer = app.call(from("203.0.113.9:1", path, &[], "ada@example.com")).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert!(app.dispatch().await.is_empty());
}

#[tokio::test]
async fn sec_24_a_trusted_proxy_tells_the_client_and_a_subscriber_is_a_64() {
    let app = strict(&["10.0.0.0/8"]).await;
    let mut turn = 0;
    let mut send = async |peer: &str, forwarded: &str| {
        turn += 1;
        let headers = [("x-forwarded-for", forwarded)];
        let headers = if forwarded.is_empty() { &headers[..0] } else { &headers[..] };
        is_limited(&app.call(from(peer, "/auth/send-magic-link", headers, &format!("b{turn}@example.com"))).await)
    };
    for (peer, one, another) in [
        ("10.0.0.1:1", "198.51.100.1", "198.51.100.2"),
        ("10.0.0.1:1", "6.6.6.6, 198.51.100.3", "6.6.6.6, 198.51.100.4"),
        ("[2001:db8:0:1::1]:1", "", "x"),
    ] {
        for _ in 0..5 {
            assert!(!send(peer, one).await, "{peer} {one}");
        }
        assert!(send(peer, one).await, "the sixth of {peer} {one} is refused");
        if another != "x" {
            assert!(!send(peer, another).await, "another client behind {peer} is not");
        }
    }
    assert!(send("[2001:db8:0:1:ffff::9]:7", "").await, "the same /64");
    assert!(!send("[2001:db8:0:2::1]:1", "").await, "another /64");
    assert!(send("10.0.0.1:1", "1.2.3.4, 198.51.100.1").await, "what stands left of the client is not believed");
}

#[tokio::test]
async fn sec_25_the_budget_comes_back_when_it_was_said() {
    let app = strict(&[]).await;
    let send = async || app.call(from("203.0.113.9:1", "/auth/send-magic-link", &[], "ada@example.com")).await;
    for _ in 0..5 {
        send().await;
    }
    let refused = send().await;
    assert!(is_limited(&refused));
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    app.clock.advance_secs(wait - 1);
    assert!(is_limited(&send().await));
    app.clock.advance_secs(1);
    assert!(!is_limited(&send().await));
}
