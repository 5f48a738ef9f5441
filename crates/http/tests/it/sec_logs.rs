//! Logs hold no secret (`security.md` 42).

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{APP, Answer, Kind, TestApp};

/// Where everything that is logged lands.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;
    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

/// Secrets of an answer: cookies and tokens handed out.
fn secrets(answer: &Answer) -> Vec<String> {
    let cookies =
        answer.set_cookies().into_iter().filter_map(|c| c.split(';').next()?.split_once('=').map(|(_, v)| v.to_owned()));
    let nonces = answer.forms().into_iter().map(|form| form.nonce);
    let handed = answer.headers.get("location").map(|_| answer.fragment()).unwrap_or_default();
    let tokens = handed.into_iter().filter(|(key, _)| key.ends_with("_token")).map(|(_, value)| value);
    cookies.chain(nonces).chain(tokens).filter(|secret| secret.len() > 10).collect()
}

#[tokio::test]
async fn sec_42_no_secret_no_address_and_no_query_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // With one subscriber only, tracing decides whether a log line is wanted on the thread that first meets it, which may be another test's.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = TestApp::dev().await;
    let mut seen: Vec<String> = Vec::new();

    // By the API: ask, open, press, repeat, exchange, me, refresh, logout.
    let person = app.browser(Kind::Chrome);
    let mail = app.link_for("ada.lovelace@example.com").await;
    seen.extend([mail.token().to_owned(), mail.code.clone()]);
    let page = person.open(&format!("{}?utm_source=qu3ry-secret", mail.path())).await;
    seen.extend(secrets(&page));
    let answer = person.press(&page, "", &[]).await;
    seen.extend(secrets(&answer));
    person.press(&page, "", &[]).await;
    let (access, refresh) = (answer.handed("access_token"), answer.handed("refresh_token"));
    let body = json!({"access_token": access, "refresh_token": refresh});
    seen.extend(secrets(&person.fetch("POST", "/auth/exchange-supabase-token", APP, Some(body)).await));
    app.anonymous("GET", "/auth/me?token=qu3ry-secret", &[("authorization", &format!("Bearer {access}"))], "").await;
    app.anonymous("GET", "/auth/me", &[("authorization", &format!("Bearer {access}x"))], "").await;
    let refreshed = app.post_json("/auth/refresh", &json!({"refresh_token": refresh})).await.json();
    seen.extend(["access_token", "refresh_token"].map(|key| refreshed[key].as_str().unwrap().to_owned()));
    person.fetch("POST", "/auth/logout", APP, None).await;

    // On our pages: ask, wrong code, wrong number, code elsewhere, dead links, a new one.
    let (asking, other) = (app.browser(Kind::Firefox), app.browser(Kind::SafariIos));
    let screen = asking.ask("grace.hopper@example.com").await;
    let second = app.mail().await;
    seen.extend([second.token().to_owned(), second.code.clone()]);
    seen.extend(secrets(&asking.visit(&screen).await));
    let elsewhere = other.open(second.path()).await;
    seen.extend(secrets(&elsewhere));
    other.press(&elsewhere, "/code", &[("code", "123123")]).await;
    other.press(&elsewhere, "/number", &[("number", "07")]).await;
    other.press(&elsewhere, "/refuse", &[]).await;
    seen.extend(secrets(&other.press(&elsewhere, "/code", &[("code", &second.code)]).await));
    let used = asking.visit(&screen).await;
    seen.extend(secrets(&asking.press(&used, "/again", &[]).await));
    seen.push(app.mail().await.token().to_owned());

    // What is refused and what fails.
    app.post_json("/auth/send-magic-link", &json!({"email": "not an address qu3ry-secret"})).await;
    app.anonymous("POST", "/auth/send-magic-link", &[("content-type", "application/json")], "{\"qu3ry-secret").await;
    app.sender.refuses();
    app.post_json("/auth/send-magic-link", &json!({"email": "ada.lovelace@example.com"})).await;
    app.dispatch().await;
    app.entropy.panics.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(app.get(second.path()).await.status, 500);
    app.entropy.panics.store(false, std::sync::atomic::Ordering::SeqCst);
    app.get(&format!("/nothing/{}?x=qu3ry-secret", mail.token())).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.lines().count() >= 25 && text.contains("request failed") && text.contains("request refused"), "{text}");
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "every line is JSON");
    assert!(text.lines().all(|line| line.matches("\"message\":").count() == 1), "and has each key once: {text}");
    assert!(seen.len() > 20, "{}", seen.len());
    for secret in &seen {
        // A code has six digits, which may stand in an id by accident; quoted, it is the code.
        let needle = if secret.len() == 6 { format!("\"{secret}\"") } else { secret.clone() };
        assert!(!text.contains(&needle), "{needle} was logged: {}", text.lines().find(|line| line.contains(&needle)).unwrap());
    }
    for needle in ["qu3ry-secret", "ada.lovelace", "grace.hopper", "/l/plk_", "plk_", "pls_", "plr_", "plb_", "Bearer ", "eyJ"] {
        assert!(!text.contains(needle), "{needle} was logged: {}", text.lines().find(|line| line.contains(needle)).unwrap());
    }
}
