//! What the Rownd contract settled where the vendor is silent (section 10), row by row, and what no wire case can look into.
//!
//! | question | shown by (`tests/cases/rownd/…`, else a test) |
//! |---|---|
//! | `m` in `expiration` | expiration_m_is_minutes |
//! | over-long expiration | expiration_wrong |
//! | API-made auth link reusable? | redeem_once |
//! | no `verification_type` | verification_none |
//! | unknown `data` keys | refused_data_unknown |
//! | same new address twice | same_new_address_twice |
//! | app links: unverified matches | app_written_addresses_match, typed_addresses_do_not_match |
//! | lifetime of `/me` links | me_magic_lifetime |
//! | missing `redirect_url` | redirect_absent, me_magic_without_home |
//! | JSON or redirect | redeem_json_asks, redeem_json_immediate, redeem_browser_immediate |
//! | what a browser carries home | redeem_browser_immediate; `a_browser_carries_the_session_home` here |
//! | statuses of dead links | redeem_unknown, redeem_expired, redeem_once |
//! | PUT profile | profile_put_replaces |
//! | `after` | profile_list |
//! | sign-out body | sign_out_by_app, sign_out_everywhere, sign_out_here |

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use passlink_engine::apps::Opening;
use serde_json::{Value, json};

use crate::support::{Kind, TestApp};

#[test]
fn every_case_that_the_table_names_is_there() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rownd");
    let rows: Vec<&str> = include_str!("rownd.rs").lines().filter(|line| line.starts_with("//! | ")).skip(1).collect();
    assert_eq!(rows.len(), 15, "the contract has as many");
    for row in rows {
        let shown = row.rsplit('|').nth(1).unwrap().split(';').next().unwrap();
        for case in shown.split(',') {
            assert!(cases.join(format!("{}.http", case.trim())).is_file(), "{row}");
        }
    }
}

/// Both decoders that clients use read what stands in the fragment, whatever the ids and the tokens are, and nothing in it has to be escaped in an address.
#[tokio::test]
async fn a_browser_carries_the_session_home() {
    let app = TestApp::with(|setup| setup.app.opening = Opening::Immediate).await;
    app.save_client("example", "key_shop", "*").await;
    let headers =
        [("x-rownd-app-key", "key_shop"), ("x-rownd-app-secret", "secret-test-0123456789"), ("content-type", "application/json")];
    for (number, user) in ["__default__", "a", "ab", "abc", "a|b", "a+b@c", "__uuid__", "__objectid__"].into_iter().enumerate() {
        let body = json!({
            "user_id": user, "data": {"email": format!("a{number}@example.com")}, "redirect_url": "https://app.example.com/x?a=1"
        });
        let made = app.anonymous("POST", "/hub/auth/magic", &headers, body.to_string()).await.json();
        let path = made["link"].as_str().unwrap().strip_prefix(&app.public).unwrap();
        let led = app.anonymous("GET", path, &[("accept", "text/html")], "").await;
        let (address, fragment) = led.location().split_once('#').unwrap();
        assert_eq!((led.status.as_u16(), address), (302, "https://app.example.com/x?a=1"));
        let carried = fragment.strip_prefix("rph_init=").unwrap();
        assert!(carried.bytes().all(|b| b.is_ascii_alphanumeric()), "{carried}");
        let read = STANDARD.decode(carried).unwrap();
        assert!(read == STANDARD_NO_PAD.decode(carried).unwrap() && read == URL_SAFE_NO_PAD.decode(carried).unwrap());
        let session: Value = serde_json::from_slice(&read).unwrap();
        let mut keys: Vec<&str> = session.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["access_token", "app_id", "app_user_id", "refresh_token"]);
        assert_eq!(session["app_user_id"], made["app_user_id"]);
        // And it is a session.
        let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
        let own = app.anonymous("GET", "/me", &[("authorization", &bearer)], "").await;
        assert_eq!((own.status.as_u16(), &own.json()["data"]["user_id"]), (200, &made["app_user_id"]));
        let next = app.post_json("/hub/auth/token", &json!({"refresh_token": session["refresh_token"]})).await;
        assert_eq!(next.status, 200, "{}", next.body);
    }
}

const SDK: &[(&str, &str)] = &[("user-agent", "Rownd SDK for iOS/3.0")];

/// A link opens at its own door. At this one, the links of others are none, and stay live.
#[tokio::test]
async fn links_of_other_doors_are_none_here() {
    let app = TestApp::with(|setup| setup.app.opening = Opening::Immediate).await;
    let mail = app.link_for("ada@example.com").await;
    let token = mail.path().rsplit('/').next().unwrap().to_owned();
    let here = format!("/hub/auth/magic/{token}");
    let browser = app.browser(Kind::Chrome);
    let answer = app.anonymous("GET", &here, SDK, "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "E_LINK_NOT_FOUND"));
    let page = browser.open(&here).await;
    assert!(page.status == 404 && page.is_html() && !page.body.contains(&token), "{}", page.status);
    let there = browser.open(mail.path()).await;
    assert!(there.signs_in(), "it was used up: {} {}", there.status, there.body);
}

/// Where the dialect is switched off for an app, its links do not open either.
#[tokio::test]
async fn links_do_not_open_where_the_dialect_is_off() {
    let app = TestApp::with(|setup| {
        setup.app.default_redirect_url = Some("https://app.example.com/in".to_owned());
    })
    .await;
    app.save_client("example", "key_1", "*").await;
    let headers =
        [("x-rownd-app-key", "key_1"), ("x-rownd-app-secret", "secret-test-0123456789"), ("content-type", "application/json")];
    let body = json!({"data": {"email": "ada@example.com"}});
    let made = app.anonymous("POST", "/hub/auth/magic", &headers, body.to_string()).await.json();
    let path = made["link"].as_str().unwrap().trim_start_matches(&app.public).to_owned();
    app.change(|settings| settings.dialects_off = vec!["rownd".to_owned()]).await;
    assert_eq!(app.anonymous("GET", &path, SDK, "").await.status, 404);
    assert_eq!(app.browser(Kind::Chrome).open(&path).await.status, 404);
    app.change(|settings| settings.dialects_off.clear()).await;
    assert_eq!(app.anonymous("GET", &path, SDK, "").await.status, 200, "it is live");
}

/// In another browser than the one that asked, the page is shown where it was opened: nothing repeats the link's secret.
#[tokio::test]
async fn sec_16_a_challenge_opened_elsewhere_repeats_no_secret() {
    let app = TestApp::with(|setup| {
        setup.app.default_redirect_url = Some("https://app.example.com/in".to_owned());
    })
    .await;
    app.save_client("example", "key_1", "*").await;
    let headers = [("x-rownd-app-key", "key_1"), ("content-type", "application/json")];
    let body = json!({"email": "ada@example.com", "return_url": "/in", "show_number": true});
    assert_eq!(app.anonymous("POST", "/hub/auth/init", &headers, body.to_string()).await.status, 200);
    let mail = app.mail().await;
    let page = app.browser(Kind::Firefox).open(mail.path()).await;
    assert!(page.status == 200 && page.is_html(), "{}", page.status);
    assert!(!format!("{:?}", page.headers).contains(mail.path().rsplit('/').next().unwrap()));
    assert!(page.body.contains("name=\"number\""), "{}", page.body);
}
