//! The SDK as an app would make it, and what the tests say about its answers.

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stytch::client::Vertical;
use stytch::consumer::client::Client;
use stytch::consumer::{magic_links, sessions, users};

pub const NOBODY: &str = "user-test-11111111-1111-4111-8111-111111111111";

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests with tests/sdk/stytch/run"))
}

pub fn project() -> String {
    variable("SDK_PROJECT")
}

/// A client as an app makes it, with empty caches.
pub fn client() -> Client {
    client_with(&project(), &variable("SDK_SECRET"))
}

pub fn client_with(project: &str, secret: &str) -> Client {
    let url: reqwest::Url = variable("SDK_URL").parse().expect("a URL");
    let http = || stytch::client::Client::new_with_base_url(project, secret, url.clone(), Vertical::Consumer).expect("a client");
    Client::new_with_http_client(http(), http())
}

/// The SDK's own error, with everything that it promises.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: stytch::Result<T>, status: u16, error_type: &str) {
    let error = result.expect_err("it is refused");
    let stytch::Error::Response(response) = error else { panic!("not an error of the API: {error:?}") };
    assert_eq!((response.status_code.as_u16(), response.error_type.as_str()), (status, error_type), "{response:?}");
    assert!(response.error_message.len() > 5, "{response:?}");
    assert!(response.request_id.starts_with("request-id-test-"), "{response:?}");
    assert!(response.error_url.ends_with(&format!("#{error_type}")), "{response:?}");
}

/// The `kid` of a JWT.
pub fn kid(jwt: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(jwt.split('.').next().expect("a header")).expect("base64");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

/// A new address.
pub fn address() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("ada{}@example.com", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A new user with an id of the app's.
pub async fn user(sdk: &Client, external_id: Option<&str>) -> String {
    let request =
        users::CreateRequest { email: Some(address()), external_id: external_id.map(str::to_owned), ..Default::default() };
    sdk.users.create(request).await.expect("a user").user_id
}

/// The token of a new link.
pub async fn link(sdk: &Client, user_id: &str) -> String {
    let request = magic_links::CreateRequest { user_id: user_id.to_owned(), ..Default::default() };
    sdk.magic_links.create(request).await.expect("a link").token
}

/// A new user, and a session of hers with these claims.
pub async fn signed_in(sdk: &Client, claims: Option<serde_json::Value>) -> magic_links::AuthenticateResponse {
    let user_id = user(sdk, None).await;
    let request = magic_links::AuthenticateRequest {
        token: link(sdk, &user_id).await,
        session_duration_minutes: Some(60),
        session_custom_claims: claims,
        ..Default::default()
    };
    sdk.magic_links.authenticate(request).await.expect("a session")
}

pub fn by_token(token: &str) -> sessions::AuthenticateRequest {
    sessions::AuthenticateRequest { session_token: Some(token.to_owned()), ..Default::default() }
}

pub fn by_jwt(jwt: &str) -> sessions::AuthenticateRequest {
    sessions::AuthenticateRequest { session_jwt: Some(jwt.to_owned()), ..Default::default() }
}

/// See `../rotate`.
pub fn rotate() {
    let done = std::process::Command::new(variable("SDK_PYTHON")).arg(variable("SDK_ROTATE")).status().expect("python runs");
    assert!(done.success(), "the rotation failed");
}

/// Asks again and again until it is so: the server reads its keys anew every two seconds.
pub async fn becomes(what: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A new address for mail; the tests of each tier are a process of their own.
pub fn mailbox() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("grace{}@example.net", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The text of the first mail to an address, or a later one, as it arrived; see `../mail_server.py`.
pub async fn mail_to(email: &str, which: u32) -> String {
    let file = std::path::Path::new(&variable("SDK_MAIL")).join(email).join(format!("{which}.txt"));
    becomes(async || file.exists()).await;
    std::fs::read_to_string(file).expect("a mail")
}

/// The token in the link of a mail.
pub async fn token_to(email: &str, which: u32) -> String {
    let mail = mail_to(email, which).await;
    let link = mail.split_whitespace().find(|word| word.contains("/v1/magic_links/redirect?")).expect("a link");
    link.split("&token=").nth(1).expect("a token").to_owned()
}

/// The code of a mail.
pub async fn code_to(email: &str, which: u32) -> String {
    let mail = mail_to(email, which).await;
    mail.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).expect("a code").to_owned()
}
