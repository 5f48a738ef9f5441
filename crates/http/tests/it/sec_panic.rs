//! A panic in any handler (`security.md` 41). The routes are those that were mounted, so that a new one is tested too.

use passlink_http::DIALECTS;

use crate::support::{APP, Answer, TestApp, filled, request};

/// In a request's extensions: its handler is to panic. No header can say this.
#[derive(Clone)]
struct Panics;

const TEXT: &str = "s3cret-panic-text";

async fn app() -> TestApp {
    TestApp::with(|setup| {
        setup.http.dev = true;
        setup.http.failpoint = Some(|extensions| assert!(extensions.get::<Panics>().is_none(), "{TEXT}"));
    })
    .await
}

async fn panicking(app: &TestApp, method: &str, path: &str) -> Answer {
    let mut request = request(method, path, &[("origin", APP)], "");
    request.extensions_mut().insert(Panics);
    app.call(request).await
}

/// What a 500 of each dialect looks like.
fn is_error_of(dialect: &str, answer: &Answer) {
    match dialect {
        "apphandoff" => {
            assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "error"]);
            assert_eq!(answer.code(), "internal_error");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            // Or else the app in the browser is told nothing but that it failed.
            assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after, x-request-id"));
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
        "rownd" => {
            let body = answer.json();
            let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["code", "error", "message", "messages", "statusCode"]);
            assert_eq!((&body["code"], &body["statusCode"]), (&"E_INTERNAL".into(), &500.into()));
        }
        "stytch" => {
            let body = answer.json();
            let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["error_message", "error_type", "error_url", "request_id", "status_code"]);
            assert_eq!((&body["error_type"], &body["status_code"]), (&"internal_server_error".into(), &500.into()));
            assert!(body["request_id"].as_str().unwrap().ends_with(answer.header("x-request-id").unwrap()));
        }
        "asset" => {
            let body = answer.json();
            assert_eq!(body, serde_json::json!({"error": "Something went wrong on our side", "data": null}));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.header("x-ratelimit-limit").is_some());
        }
        other => panic!("say here what a 500 of {other} looks like"),
    }
}

fn is_hidden_500(answer: &Answer, method: &str, path: &str) {
    assert_eq!(answer.status, 500, "{method} {path}: {}", answer.body);
    let id = answer.header("x-request-id").expect("a request id");
    assert!(!answer.body.contains(TEXT) && !answer.body.contains(".rs"), "{method} {path}: {}", answer.body);
    let dialect = DIALECTS.iter().find(|dialect| (dialect.owns)(path));
    if method == "HEAD" {
        assert_eq!(answer.body, "", "{path}");
    } else if let Some(dialect) = dialect {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {path}");
        is_error_of(dialect.slug, answer);
    } else {
        assert!(answer.is_html() && answer.body.contains(id), "{method} {path}: the page quotes the id: {}", answer.body);
    }
}

#[tokio::test]
async fn sec_41_a_panic_in_any_handler_is_a_500_in_the_shape_of_its_route_and_the_process_lives() {
    let app = app().await;
    let mut handlers = 0;
    for path in app.paths.iter().map(|declared| filled(declared)) {
        for method in app.methods_of(&path).await {
            is_hidden_500(&panicking(&app, &method, &path).await, &method, &path);
            handlers += 1;
        }
        is_hidden_500(&panicking(&app, "PURGE", &path).await, "PURGE", &path);
    }
    assert!(handlers > app.paths.len(), "{handlers}");
    for nowhere in ["/nowhere", "/api/nowhere", "/auth/nowhere", "/l", "/docs/x/y"] {
        is_hidden_500(&panicking(&app, "GET", nowhere).await, "GET", nowhere);
    }
    assert_eq!(app.get("/healthz").await.json()["status"], "ok");
    assert_eq!(app.post_json("/auth/send-magic-link", &serde_json::json!({"email": "a@example.com"})).await.status, 200);
}

/// A person who follows a link to the callback and a program that calls an unknown operation are told in their own ways.
#[tokio::test]
async fn answers_outside_of_handlers_have_the_shape_of_their_path() {
    let app = app().await;
    let from_app = [("origin", APP)];
    let unknown = app.anonymous("GET", "/api/auth/nothing", &from_app, "").await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "not_found"));
    assert_eq!(unknown.header("access-control-allow-origin"), Some(APP), "the app can read that there is no such operation");
    let foreign = app.anonymous("GET", "/api/auth/nothing", &[("origin", "https://evil.test")], "").await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let served = TestApp::new().await.get("/auth/callback").await;
    assert!(served.status == 404 && served.is_html(), "{} {}", served.status, served.body);
}
