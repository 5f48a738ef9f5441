//! The Asset dialect beyond what its wire cases show: opening links in browsers, hostile paths, boundaries, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::apps::{AppSettings, Opening};
use passlink_engine::caller::{RequestContext, Scopes};
use passlink_engine::ids::GroupId;
use passlink_engine::limits::Limit;
use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use passlink_http::dialects::asset::notice::Webhook;
use serde_json::{Value, json};

use crate::support::{APP, Answer, Kind, PUBLIC, TestApp, strict_settings};

const COOKIE: &str = "__Host-passlink-session";
const DEAD: &str = "https://app.example.com/?error=link_invalid";

/// An id as the wire shows it, written a second time: long division of the bytes.
pub fn business_id(id: GroupId) -> String {
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut rest = id.as_bytes().to_vec();
    let mut digits = Vec::new();
    for _ in 0..22 {
        let mut remainder = 0u32;
        for byte in &mut rest {
            let value = remainder * 256 + u32::from(*byte);
            (*byte, remainder) = ((value / 58) as u8, value % 58);
        }
        digits.push(char::from(alphabet[remainder as usize]));
    }
    format!("biz_{}", digits.iter().rev().collect::<String>())
}

/// A server with a client of each of two tenants, and a business of the first.
pub struct Asset {
    pub app: TestApp,
    pub basic: String,
    pub bearer: String,
    pub other_bearer: String,
    pub business: String,
}

fn client(id: &str, scopes: &str) -> SaveClient {
    SaveClient {
        client_id: Some(id.to_owned()),
        client_secret: Some(Secret::new("secret-test-0123456789".to_owned())),
        scopes: Scopes::parse(scopes),
        label: None,
        expires_at: None,
    }
}

impl Asset {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut AppSettings)) -> Self {
        let app = TestApp::with(|setup| {
            change(&mut setup.app);
            setup.more_apps.push(("other", strict_settings()));
        })
        .await;
        for (name, id) in [("example", "client-1"), ("other", "client-2")] {
            let operator = app.engine.operator(&RequestContext::default(), name).unwrap();
            app.engine.save_client(&operator, client(id, "*")).await.unwrap();
        }
        let basic = |id: &str| format!("Basic {}", STANDARD.encode(format!("{id}:secret-test-0123456789")));
        let mut asset =
            Self { app, basic: basic("client-1"), bearer: String::new(), other_bearer: String::new(), business: String::new() };
        asset.bearer = asset.token(&basic("client-1"), "").await;
        asset.other_bearer = asset.token(&basic("client-2"), "").await;
        asset.business = asset.make_business("ext-1").await;
        asset
    }

    async fn ask_token(&self, basic: &str, form: &str) -> Answer {
        let headers = [("authorization", basic), ("content-type", "application/x-www-form-urlencoded")];
        self.app.anonymous("POST", "/v0/auth/token", &headers, form.to_owned()).await
    }

    async fn token(&self, basic: &str, form: &str) -> String {
        let answer = self.ask_token(basic, form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
    }

    pub async fn call(&self, bearer: &str, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("authorization", bearer), ("content-type", "application/json")];
        self.app.anonymous(method, path, &headers, body.to_string()).await
    }

    async fn make_business(&self, external_id: &str) -> String {
        let body = json!({"name": "Brass & Co", "entity_type": "llc", "entries_start": "2026-01-01T00:00:00Z", "fiscal_year": "12/31",
            "external_id": external_id});
        let answer = self.call(&self.bearer, "POST", "/v0/business", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.app.clock.advance_secs(1);
        answer.json()["data"]["id"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, more: Value) -> Answer {
        let mut body = json!({"business_id": self.business});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call(&self.bearer, "POST", "/v0/auth/magic-link", body).await
    }

    /// A link's path on our host.
    pub async fn link(&self, more: Value) -> String {
        let answer = self.ask(more).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let url = answer.json()["data"]["magic_link"].as_str().unwrap().to_owned();
        url.strip_prefix(PUBLIC).expect("it is on the public origin").to_owned()
    }

    async fn session(&self, headers: &[(&str, &str)]) -> Answer {
        self.app.anonymous("GET", "/v0/auth/session", headers, "").await
    }
}

fn is_dead(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.location()), (303, DEAD), "{}", answer.body);
    assert!(answer.set_cookie(COOKIE).is_none());
}

/// The parameter of a URL.
fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_person_opens_a_link_presses_once_and_is_in() {
    let asset = Asset::new().await;
    let path = asset.link(json!({"path": "/reports?month=1#top", "email": "ada@example.com", "session_timeout": 600})).await;
    assert!(path.starts_with("/magic-link/reports?token=plk_") && path.ends_with("&month=1"), "{path}");
    let person = asset.app.browser(Kind::Chrome);
    let page = person.open(&path).await;
    assert!(page.is_confirm_page() && page.body.contains("a•••@e•••.com"), "{}", page.body);
    assert!(!page.body.contains("ada@example.com"), "whom it is for is masked");
    let other = asset.app.browser(Kind::Firefox);
    let others = other.open(&path).await;
    asset.app.clock.advance_secs(30);
    let done = person.press(&page, "", &[]).await;
    assert_eq!(done.status, 303, "{}", done.body);
    let code = parameter(done.location(), "code").expect("a code, for the app is on another host");
    assert_eq!(done.location(), format!("{APP}/reports?month=1&code={code}#top"));
    for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(done.header(name), Some(value));
    }
    let cookie = done.set_cookie(COOKIE).unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure", "Max-Age=600"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} in {cookie}");
    }
    // Used from now on, whoever comes, and by whatever way.
    is_dead(&other.press(&others, "", &[]).await);
    is_dead(&other.open(&path).await);
    // Its own page may repeat its press for a minute and gets the same.
    let repeated = person.press(&page, "", &[]).await;
    assert_eq!((repeated.location(), repeated.set_cookie(COOKIE)), (done.location(), Some(cookie)));
    asset.app.clock.advance_secs(60);
    is_dead(&person.press(&page, "", &[]).await);

    let held = person.visit("/v0/auth/session").await;
    assert_eq!(held.status, 200, "{}", held.body);
    let data = held.json()["data"].clone();
    assert_eq!(data["business_id"], asset.business);
    assert_eq!((&data["external_business_id"], &data["email"]), (&json!("ext-1"), &json!("ada@example.com")));
    assert!(data["magic_link_id"].as_str().unwrap().starts_with("mlk_"));
    // Signed in on our own pages too, and out again, which ends it everywhere.
    let home = person.visit("/signed-in").await;
    assert!(home.status == 200 && home.body.contains("Brass &#38; Co"), "{}", home.body);
    person.press(&home, "/sign-out", &[]).await;
    assert_eq!(person.visit("/v0/auth/session").await.status, 401);
}

#[tokio::test]
async fn a_session_ends_at_its_time_and_is_never_prolonged() {
    let asset = Asset::with(|app| app.opening = Opening::Immediate).await;
    let person = asset.app.browser(Kind::Chrome);
    let path = asset.link(json!({"session_timeout": 100, "ttl": 1})).await;
    asset.app.clock.advance_secs(59);
    assert_eq!(person.open(&path).await.status, 303);
    for seconds in [50, 49] {
        asset.app.clock.advance_secs(seconds);
        assert_eq!(person.visit("/v0/auth/session").await.status, 200);
    }
    asset.app.clock.advance_secs(1);
    assert_eq!(person.visit("/v0/auth/session").await.status, 401, "a hundred seconds after it was used");
    let late = asset.link(json!({"ttl": 1})).await;
    asset.app.clock.advance_secs(60);
    is_dead(&person.open(&late).await);
}

#[tokio::test]
async fn sec_09_only_a_navigating_get_spends_an_immediate_link() {
    let asset = Asset::with(|app| app.opening = Opening::Immediate).await;
    let path = asset.link(json!({})).await;
    let harmless: [(&str, &[(&str, &str)]); 6] = [
        ("HEAD", &[]),
        ("OPTIONS", &[]),
        ("GET", &[("sec-purpose", "prefetch;prerender")]),
        ("GET", &[("purpose", "prefetch")]),
        ("GET", &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
        ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
    ];
    for (method, headers) in harmless {
        let answer = asset.app.anonymous(method, &path, headers, "").await;
        assert!([200, 405].contains(&answer.status.as_u16()) && !answer.signs_in(), "{method} {headers:?}: {}", answer.status);
    }
    let spent = asset.app.get(&path).await;
    assert!(spent.status == 303 && spent.location().starts_with(&format!("{APP}/?code=")), "{}", spent.location());
    assert!(spent.set_cookie(COOKIE).is_some());
    is_dead(&asset.app.get(&path).await);
}

#[tokio::test]
async fn sec_09_under_confirm_no_get_spends_a_link() {
    let asset = Asset::new().await;
    let path = asset.link(json!({})).await;
    for kind in Kind::ALL {
        assert!(asset.app.browser(kind).open(&path).await.is_confirm_page());
    }
    assert!(asset.app.get(&format!("{path}.")).await.is_confirm_page(), "a full stop behind it");
    assert!(asset.app.get(&format!("{path}&utm_source=mail")).await.is_confirm_page());
    let robot = asset.app.anonymous("POST", &path, &[("content-type", "application/x-www-form-urlencoded")], "nonce=").await;
    assert_eq!(robot.status, 403);
    let person = asset.app.browser(Kind::SafariIos);
    let page = person.open(&path).await;
    assert_eq!(person.press(&page, "", &[]).await.status, 303);
}

#[tokio::test]
async fn the_visible_path_is_cosmetic() {
    let asset = Asset::with(|app| app.opening = Opening::Immediate).await;
    let token = |path: &str| parameter(&format!("{PUBLIC}{path}"), "token").unwrap();
    for edited in
        ["/magic-link?token=", "/magic-link/elsewhere?token=", "/magic-link/a/b/c?x=1&token=", "/magic-link/%2e%2e/x?token="]
    {
        let link = asset.link(json!({"path": "/kept"})).await;
        let answer = asset.app.get(&format!("{edited}{}", token(&link))).await;
        assert!(answer.location().starts_with(&format!("{APP}/kept?code=")), "{edited} {}", answer.location());
    }
    let link = asset.link(json!({"path": "/x?token=mine"})).await;
    let answer = asset.app.get(&link).await;
    assert!(answer.location().starts_with(&format!("{APP}/x?token=mine&code=")), "{}", answer.location());
}

#[tokio::test]
async fn sec_20_hostile_paths_are_refused() {
    let asset = Asset::new().await;
    let long = format!("/{}", "x".repeat(2048));
    let hostile = [
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\evil.test",
        "\\\\evil.test",
        "/\\/evil.test",
        "https://evil.test",
        "http:evil.test",
        "HTTPS:/evil.test",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "\tjavascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://evil.test/x",
        "view-source:https://evil.test",
        "intent://evil.test#Intent;end",
        "mailto:a@evil.test",
        "x-app.scheme+1:go",
        "%6aavascript:alert(1)",
        "..",
        "/..",
        "../admin",
        "/../admin",
        "/a/..",
        "/a/../b",
        "/a/../../b",
        "/%2e%2e/b",
        "/%2E./b",
        "/.%2e/b",
        "/a/%2e%2e",
        "/%252e%252e/b",
        "/a/..\\b",
        "/a\\..\\b",
        "/a/..?x=1",
        "/a/..#x",
        "/%2F%2Fevil.test",
        "/%5Cevil.test",
        "/%5c%5cevil.test",
        "/%252F/evil.test",
        "//%2fevil.test",
        "/a//b",
        "/a/\n/b",
        "/a\r\nSet-Cookie: x=1",
        "/a\u{0}b",
        "/a\u{7f}b",
        "/a%00b",
        "/a%0d%0aSet-Cookie:x",
        "/a%250ab",
        "//",
        "https:",
        "/\t/evil.test",
        "/\n/evil.test",
        &long,
    ];
    assert!(hostile.len() >= 45, "{}", hostile.len());
    for path in hostile {
        let answer = asset.ask(json!({"path": path})).await;
        assert_eq!(answer.status, 422, "{path:?}: {}", answer.body);
        assert_eq!(answer.json()["data"][0]["loc"], json!(["body", "path"]), "{path:?}");
    }
    for path in [json!(7), json!(["/x"]), json!({"a": 1}), json!(true)] {
        assert_eq!(asset.ask(json!({"path": path})).await.status, 422, "{path}");
    }
    // What stays inside the app leads there, and nowhere else.
    asset.app.change(|settings| settings.opening = Opening::Immediate).await;
    for (path, there) in [
        ("reports", "/reports"),
        ("@evil.test", "/@evil.test"),
        (".evil.test", "/.evil.test"),
        ("/:443@evil.test", "/:443@evil.test"),
        ("/x?next=//evil.test", "/x?next=//evil.test"),
        ("/a%20b", "/a%20b"),
        ("/ü", "/%C3%BC"),
    ] {
        let answer = asset.app.get(&asset.link(json!({"path": path})).await).await;
        let to = answer.location().split("code=").next().unwrap().trim_end_matches(['?', '&']).to_owned();
        assert_eq!(to, format!("{APP}{there}"), "{path}");
    }
}

#[tokio::test]
async fn boundaries_of_lifetimes() {
    let asset = Asset::new().await;
    let rows = [
        ("ttl", vec![(0, false), (1, true), (15, true), (16, false), (-1, false), (i64::MAX, false)]),
        ("session_timeout", vec![(0, false), (1, true), (7_948_800, true), (7_948_801, false), (-1, false), (i64::MIN, false)]),
    ];
    for (field, values) in rows {
        for (value, fits) in values {
            let answer = asset.ask(json!({field: value})).await;
            assert_eq!(answer.status.as_u16(), if fits { 201 } else { 422 }, "{field} {value}: {}", answer.body);
            assert!(fits || answer.json()["data"][0]["loc"] == json!(["body", field]), "{}", answer.body);
        }
        for value in [json!("5"), json!(5.0), json!(1.5), json!(true), json!([5]), json!(1e30), json!(u64::MAX)] {
            assert_eq!(asset.ask(json!({field: value})).await.status, 422, "{field} {value}");
        }
    }
    // An operator's ceiling refuses; it never shortens in silence.
    asset.app.change(|settings| settings.session_lifetime_ceiling = Lifetime::parse("30d").unwrap()).await;
    assert_eq!(asset.ask(json!({"session_timeout": 2_592_000})).await.status, 201);
    let over = asset.ask(json!({"session_timeout": 2_592_001})).await;
    assert_eq!((over.status.as_u16(), &over.json()["data"][0]["loc"]), (422, &json!(["body", "session_timeout"])));
    asset.app.change(|settings| settings.client_link_lifetime_ceiling = Lifetime::from_minutes(10)).await;
    assert_eq!(asset.ask(json!({"ttl": 10})).await.status, 201);
    assert_eq!(asset.ask(json!({"ttl": 11})).await.status, 422);
}

#[tokio::test]
async fn sec_37_another_tenants_business_is_indistinguishable_from_none() {
    let asset = Asset::new().await;
    let none = business_id(GroupId::from_uuid(uuid::Uuid::from_u128(7)));
    let (foreign, stranger) = (asset.business.clone(), &asset.other_bearer);
    let body = |id: &str| json!({"business_id": id});
    let pairs = [
        ("POST", "/v0/auth/magic-link".to_owned(), body(&foreign), "/v0/auth/magic-link".to_owned(), body(&none)),
        (
            "POST",
            "/v0/auth/magic-link".to_owned(),
            json!({"external_business_id": "ext-1"}),
            "/v0/auth/magic-link".to_owned(),
            json!({"external_business_id": "ext-none"}),
        ),
        ("GET", format!("/v0/business/{foreign}"), json!({}), format!("/v0/business/{none}"), json!({})),
        ("PATCH", format!("/v0/business/{foreign}"), json!({"name": "x"}), format!("/v0/business/{none}"), json!({"name": "x"})),
    ];
    for (method, path, body, other_path, other_body) in pairs {
        let there = asset.call(stranger, method, &path, body).await;
        let nowhere = asset.call(stranger, method, &other_path, other_body).await;
        assert_eq!((there.status.as_u16(), nowhere.status.as_u16()), (404, 404), "{method} {path}");
        assert_eq!(there.body, nowhere.body);
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&there), names(&nowhere));
    }
    let basic = format!("Basic {}", STANDARD.encode("client-2:secret-test-0123456789"));
    let confined = asset.ask_token(&basic, &format!("business_id={foreign}")).await;
    let nobody = asset.ask_token(&basic, &format!("business_id={none}")).await;
    assert_eq!((confined.status.as_u16(), confined.body), (404, nobody.body));
    let listed = asset.call(stranger, "GET", "/v0/business", json!({})).await;
    assert_eq!(listed.json(), json!({"data": [], "pagination": {"next_page_token": null, "previous_page_token": null}}));
    // A code of one tenant is nothing to another.
    asset.app.change(|settings| settings.opening = Opening::Immediate).await;
    let spent = asset.app.get(&asset.link(json!({})).await).await;
    let code = parameter(spent.location(), "code").unwrap();
    assert_eq!(asset.call(stranger, "POST", "/v0/auth/session", json!({"code": code})).await.status, 404);
    let own = asset.call(&asset.bearer, "POST", "/v0/auth/session", json!({"code": code})).await;
    assert_eq!(own.status, 200, "the stranger did not use it up: {}", own.body);
}

#[tokio::test]
async fn a_code_is_exchanged_once_within_a_minute() {
    let asset = Asset::with(|app| app.opening = Opening::Immediate).await;
    let code = async || {
        let spent = asset.app.get(&asset.link(json!({"email": "ada@example.com"})).await).await;
        parameter(spent.location(), "code").unwrap()
    };
    let exchange = async |code: &str| asset.call(&asset.bearer, "POST", "/v0/auth/session", json!({"code": code})).await;
    let one = code().await;
    asset.app.clock.advance_secs(59);
    let held = exchange(&one).await;
    assert_eq!(held.status, 200, "{}", held.body);
    let token = held.json()["data"]["session_token"].as_str().unwrap().to_owned();
    assert_eq!(exchange(&one).await.status, 404, "once");
    let bearer = format!("Bearer {token}");
    let session = asset.session(&[("authorization", &bearer)]).await;
    let mut expected = held.json()["data"].clone();
    expected.as_object_mut().unwrap().remove("session_token");
    assert_eq!((session.status.as_u16(), session.json()["data"].clone()), (200, expected));
    let late = code().await;
    asset.app.clock.advance_secs(60);
    assert_eq!(exchange(&late).await.status, 404, "within a minute");
    for wrong in ["", "x", &token, &late.replace("plc_", "pls_")] {
        assert_eq!(exchange(wrong).await.status, 404, "{wrong}");
    }
    // The end of the one is the end of all of its tokens.
    let ended = asset.app.anonymous("DELETE", "/v0/auth/session", &[("authorization", &bearer)], "").await;
    assert_eq!((ended.status.as_u16(), ended.body.as_str()), (204, ""));
    assert_eq!(asset.session(&[("authorization", &bearer)]).await.status, 401);
    let again = asset.app.anonymous("DELETE", "/v0/auth/session", &[("authorization", &bearer)], "").await;
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn what_is_taken_away_ends_links_and_sessions() {
    let asset = Asset::with(|app| app.opening = Opening::Immediate).await;
    let set = async |status: &str| {
        let path = format!("/v0/business/{}", asset.business);
        assert_eq!(asset.call(&asset.bearer, "PATCH", &path, json!({"status": status})).await.status, 200);
    };
    let person = asset.app.browser(Kind::Chrome);
    let spent = person.open(&asset.link(json!({})).await).await;
    let code = parameter(spent.location(), "code").unwrap();
    let waiting = asset.link(json!({})).await;
    set("inactive").await;
    assert_eq!(asset.ask(json!({})).await.status, 403);
    is_dead(&asset.app.get(&waiting).await);
    assert_eq!(person.visit("/v0/auth/session").await.status, 401);
    assert_eq!(asset.call(&asset.bearer, "POST", "/v0/auth/session", json!({"code": code})).await.status, 404);
    set("active").await;
    assert_eq!(person.visit("/v0/auth/session").await.status, 200, "it was only asleep");
    // A removed client: its tokens and its links are dead, its sessions live on.
    let operator = asset.app.engine.operator(&RequestContext::default(), "example").unwrap();
    asset.app.engine.save_client(&operator, client("client-3", "*")).await.unwrap();
    let third = asset.token(&format!("Basic {}", STANDARD.encode("client-3:secret-test-0123456789")), "").await;
    let made = asset.call(&third, "POST", "/v0/auth/magic-link", json!({"business_id": asset.business})).await.json();
    let link = made["data"]["magic_link"].as_str().unwrap().to_owned();
    asset.app.engine.revoke_client(&operator, "client-3").await.unwrap();
    is_dead(&asset.app.get(link.strip_prefix(PUBLIC).unwrap()).await);
    assert_eq!(asset.call(&third, "GET", "/v0/business", json!({})).await.status, 401);
    // A removed business takes its sessions along.
    let group = passlink_engine::groups::GroupRef::External("ext-1".to_owned());
    asset.app.engine.delete_group(&operator, group).await.unwrap();
    assert_eq!(person.visit("/v0/auth/session").await.status, 401);
    is_dead(&asset.app.get(&waiting).await);
}

#[tokio::test]
async fn sec_06_links_of_businesses_open_at_their_own_door_only() {
    let asset = Asset::new().await;
    let path = asset.link(json!({})).await;
    let token = parameter(&format!("{PUBLIC}{path}"), "token").unwrap();
    let mailed = asset.app.link_for("ada@example.com").await;
    let person = asset.app.browser(Kind::Chrome);
    assert_eq!(person.open(&format!("/l/{token}")).await.status, 410);
    is_dead(&person.open(&format!("/magic-link?token={}", mailed.token())).await);
    let headers = [("authorization", asset.basic.as_str()), ("content-type", "application/json")];
    let stytch = asset.app.anonymous("POST", "/v1/magic_links/authenticate", &headers, json!({"token": token}).to_string()).await;
    assert_eq!(stytch.status, 404, "{}", stytch.body);
    // Nor does a session of a business sign a person in, or one of a person a business.
    let page = person.open(&path).await;
    assert!(page.is_confirm_page(), "nothing used it up");
    person.press(&page, "", &[]).await;
    let business = person.cookie(COOKIE).unwrap();
    let body = json!({"session_token": business}).to_string();
    let held = asset.app.anonymous("POST", "/v1/sessions/authenticate", &headers, body).await;
    assert_eq!(held.status, 404, "{}", held.body);
    let me = asset.app.anonymous("GET", "/api/auth/me", &[("authorization", &format!("Bearer {business}"))], "").await;
    assert_eq!(me.status, 401);
    for token in [business.replace("pls_", "plc_"), token, asset.bearer[7..].to_owned(), mailed.token().to_owned()] {
        assert_eq!(asset.session(&[("authorization", &format!("Bearer {token}"))]).await.status, 401, "{token}");
    }
    assert_eq!(asset.call(&format!("Bearer {business}"), "GET", "/v0/business", json!({})).await.status, 401);
}

#[tokio::test]
async fn sec_33_forged_tokens_are_refused() {
    let asset = Asset::new().await;
    let token = asset.bearer[7..].to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = (decode(parts[0]), decode(parts[1]));
    let keys = asset.app.get("/.well-known/jwks.json").await.json();
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]), "its key is published");
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        format!("{}.{}.{}", parts[0], encode(&claims), parts[2])
    };
    let with_header = |header: Value| format!("{}.{}.{}", encode(&header), parts[1], parts[2]);
    let none = json!({"alg": "none", "typ": "JWT", "kid": header["kid"]});
    let hmac = json!({"alg": "HS256", "typ": "JWT", "kid": header["kid"]});
    let embedded = json!({"alg": "ES256", "typ": "JWT", "jwk": keys["keys"][0]});
    for forged in [
        changed("scope", json!("auth:create business:create")),
        changed("sub", json!("client-2")),
        changed("exp", json!(9_999_999_999_i64)),
        changed("client_id", json!("client-2")),
        with_header(none.clone()),
        format!("{}.{}.", encode(&none), parts[1]),
        with_header(hmac),
        with_header(embedded),
        with_header(json!({"alg": "ES256", "typ": "JWT", "kid": "00000000-0000-7000-8000-000000000000"})),
        format!("{}.{}", parts[0], parts[1]),
        token[..token.len() - 4].to_owned(),
        String::new(),
        "x".to_owned(),
    ] {
        let answer = asset.call(&format!("Bearer {forged}"), "GET", "/v0/business", json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")), "{forged}");
    }
    for header in [token.clone(), format!("Basic {token}"), format!("Bearer{token}"), format!("Token {token}")] {
        assert_eq!(asset.call(&header, "GET", "/v0/business", json!({})).await.status, 401, "{header}");
    }
    // A JWT of a session is signed by the same keys, and no client's token.
    let signed_in = asset.app.browser(Kind::SafariOld).redeem(asset.app.link_for("ada@example.com").await.path()).await;
    let person = format!("Bearer {}", signed_in.handed("access_token"));
    assert_eq!(asset.call(&person, "GET", "/v0/business", json!({})).await.status, 401);
    let me = asset.app.anonymous("GET", "/api/auth/me", &[("authorization", &asset.bearer)], "").await;
    assert_eq!(me.status, 401, "nor the other way");
    // To the second.
    let left = claims["exp"].as_i64().unwrap() - asset.app.engine.now().as_secs();
    asset.app.clock.advance_secs(left - 1);
    assert_eq!(asset.call(&asset.bearer, "GET", "/v0/business", json!({})).await.status, 200);
    asset.app.clock.advance_secs(1);
    assert_eq!(asset.call(&asset.bearer, "GET", "/v0/business", json!({})).await.status, 401);
}

#[tokio::test]
async fn what_a_client_loses_its_tokens_lose_at_once() {
    let asset = Asset::new().await;
    let operator = asset.app.engine.operator(&RequestContext::default(), "example").unwrap();
    asset.app.engine.save_client(&operator, client("client-1", "group:read")).await.unwrap();
    assert_eq!(asset.ask(json!({})).await.status, 403);
    assert_eq!(asset.call(&asset.bearer, "GET", "/v0/business", json!({})).await.status, 200);
    // And what it gains, they do not.
    let narrow = asset.token(&asset.basic, "").await;
    asset.app.engine.save_client(&operator, client("client-1", "*")).await.unwrap();
    let body = json!({"business_id": asset.business});
    assert_eq!(asset.call(&narrow, "POST", "/v0/auth/magic-link", body).await.status, 403);
}

#[tokio::test]
async fn the_tighter_limit_is_told_and_holds() {
    let minute = Lifetime::from_minutes(1);
    let asset = Asset::with(|app| {
        app.limit_requests_per_app = Limit::new(10, minute);
        app.limit_requests_per_group = Limit::new(3, minute);
    })
    .await;
    asset.app.clock.advance_secs(60);
    let told = |answer: &Answer| {
        let number = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{name}")).parse::<i64>().unwrap();
        (
            number("x-ratelimit-limit"),
            number("x-ratelimit-remaining"),
            number("x-ratelimit-reset") - asset.app.engine.now().as_secs(),
        )
    };
    let list = async || asset.call(&asset.bearer, "GET", "/v0/business", json!({})).await;
    assert_eq!(told(&list().await), (10, 9, 6));
    for left in [2, 1, 0] {
        let answer = asset.ask(json!({})).await;
        assert_eq!((answer.status.as_u16(), told(&answer).0, told(&answer).1), (201, 3, left));
    }
    let full = asset.ask(json!({})).await;
    assert_eq!(full.status, 429, "{}", full.body);
    assert_eq!((told(&full), full.header("retry-after")), ((3, 0, 20), Some("20")));
    assert!(full.json()["error"].as_str().unwrap().contains("Too many"));
    // Another business is not concerned, until the tenant itself is.
    let second = asset.make_business("ext-2").await;
    let other = |id: &str| json!({ "business_id": id });
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(asset.call(&asset.bearer, "POST", "/v0/auth/magic-link", other(&second)).await.status.as_u16());
    }
    assert_eq!(answers, [201, 201, 201, 429, 429]);
    let refused = list().await;
    assert_eq!((refused.status.as_u16(), told(&refused).0, told(&refused).1), (429, 10, 0));
    assert_eq!(list().await.header("content-type"), Some("application/json"));
    // Errors tell it too, also those of nobody in particular.
    for answer in [asset.call("Bearer x", "GET", "/v0/business", json!({})).await, asset.app.get("/v0/nothing").await] {
        assert_eq!(told(&answer).0, 10, "{}", answer.status);
    }
    asset.app.clock.advance_secs(60);
    let wrong = asset.call(&asset.bearer, "GET", "/v0/business/x", json!({})).await;
    assert_eq!((wrong.status.as_u16(), told(&wrong).1), (422, 9));
}

#[tokio::test]
async fn where_it_is_switched_off_there_is_nothing() {
    let asset = Asset::new().await;
    let path = asset.link(json!({})).await;
    asset.app.change(|settings| settings.dialects_off = vec!["asset".to_owned()]).await;
    let token = asset.ask_token(&asset.basic, "").await;
    assert_eq!((token.status.as_u16(), &token.json()["error"]), (404, &json!("invalid_request")));
    assert_eq!(asset.ask(json!({})).await.status, 404);
    is_dead(&asset.app.get(&path).await);
}

#[tokio::test]
async fn without_an_app_to_go_to_our_own_pages_say_it() {
    let asset = Asset::with(|app| app.default_origin = None).await;
    let person = asset.app.browser(Kind::Chrome);
    let page = person.open(&asset.link(json!({"path": "/reports"})).await).await;
    assert_eq!(person.press(&page, "", &[]).await.location(), "/signed-in");
    assert!(person.visit("/signed-in").await.body.contains("Brass &#38; Co"));
    let dead = asset.app.get("/magic-link?token=plk_x").await;
    assert!(dead.status == 410 && dead.is_html(), "{}", dead.status);
}

#[tokio::test]
async fn notices_are_signed_by_a_published_key() {
    let asset = Asset::with(|app| {
        app.opening = Opening::Immediate;
        app.notice_url = Some("https://api.example.com/hooks".to_owned());
    })
    .await;
    let person = asset.app.browser(Kind::Chrome);
    person.open(&asset.link(json!({"email": "ada@example.com"})).await).await;
    let held = person.visit("/v0/auth/session").await.json()["data"].clone();
    asset.app.clock.advance_secs(5);
    assert_eq!(person.request("DELETE", "/v0/auth/session", &person.navigation("same-origin"), String::new()).await.status, 204);
    let due = asset.app.engine.claim_notices(10).await.unwrap();
    let mut ids = Vec::new();
    for (due, kind) in due.iter().zip(["MAGIC_LINK_USED", "SESSION_ENDED"]) {
        assert_eq!((due.url.as_str(), due.attempt), ("https://api.example.com/hooks", 1));
        let webhook = Webhook::of(&due.notice);
        let body: Value = serde_json::from_str(&webhook.body).unwrap();
        let data = json!({"session_id": held["session_id"], "business_id": asset.business, "magic_link_id": held["magic_link_id"],
            "email": "ada@example.com"});
        assert_eq!((&body["id"], &body["type"], &body["data"]), (&json!(webhook.id), &json!(kind), &data));
        assert_eq!(webhook.signed(), format!("{}.{}", webhook.id, webhook.body));
        let signature = asset.app.engine.sign_notice(due, webhook.signed().as_bytes()).await.unwrap();
        let keys = asset.app.get("/.well-known/jwks.json").await.json();
        let keys = keys["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == "RS256");
        let keys: Vec<jsonwebtoken::jwk::Jwk> = keys.map(|key| serde_json::from_value(key.clone()).unwrap()).collect();
        let holds = |signed: &str| {
            let key = jsonwebtoken::DecodingKey::from_jwk(&keys[0]).unwrap();
            jsonwebtoken::crypto::verify(&signature, signed.as_bytes(), &key, jsonwebtoken::Algorithm::RS256).unwrap()
        };
        assert!(keys.len() == 1 && holds(&webhook.signed()) && !holds(&webhook.body));
        ids.push(webhook.id);
    }
    assert!(ids.len() == 2 && ids[0] != ids[1]);
}

/// Tenants are named by nothing but their credentials, and may share a host: whoever checks a tenant's tokens finds that tenant's keys, and no other's.
#[tokio::test]
async fn sec_33_keys_are_those_of_one_tenant() {
    let asset = Asset::new().await;
    let kids = async |path: &str| -> Vec<String> {
        let keys = asset.app.get(path).await.json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let part = |bearer: &str, at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(bearer.split([' ', '.']).nth(at).unwrap()).unwrap()).unwrap()
    };
    for (bearer, name) in [(&asset.bearer, "example"), (&asset.other_bearer, "other")] {
        let (header, claims) = (part(bearer, 1), part(bearer, 2));
        let kid = header["kid"].as_str().unwrap().to_owned();
        let by_id = kids(&format!("/.well-known/jwks.json?app={}", claims["tenant"].as_str().unwrap())).await;
        assert!(by_id.contains(&kid), "{name}");
        assert_eq!(by_id, kids(&format!("/.well-known/jwks.json?app={name}")).await);
        assert_eq!(kids("/.well-known/jwks.json").await.contains(&kid), name == "example", "the host's own app");
    }
    for nobody in ["", "ten_", "nobody", "%00", "ten_1111111111111111111111"] {
        assert!(kids(&format!("/.well-known/jwks.json?app={nobody}")).await.is_empty(), "{nobody}");
    }
}
