//! What must hold for every answer, whatever was asked.

use passlink_http::DIALECTS;
use serde_json::Value;

use super::call::Call;
use super::world::{Rows, TRIES, World};
use crate::support::{APP, Answer};

/// Pieces of what no answer may show, unless the request itself said it.
const INTERNAL: &[&str] = &[
    "panicked",
    "unwrap()",
    "rusqlite",
    "sqlite",
    "postgres",
    "constraint",
    "SELECT ",
    "INSERT ",
    ".rs:",
    "src/",
    "/tmp",
    "passlink.db",
    "serde",
    "tokio",
    "backtrace",
    "Os {",
    "Error {",
];

macro_rules! ensure {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}

/// What must hold of the answer.
pub fn answer(world: &World, call: &Call, answer: &Answer) -> Result<(), String> {
    let status = answer.status.as_u16();
    let told = || format!("answered {status} {:?}\n{}", answer.headers, answer.body);
    ensure!(status < 500 || status == 503 && answer.headers.contains_key("retry-after"), "a fault of ours: {}", told());
    ensure!(answer.headers.contains_key("x-request-id"), "no request id: {}", told());
    ensure!(answer.header("x-content-type-options") == Some("nosniff"), "types may be guessed: {}", told());
    let head = format!("{:?}", answer.headers);
    for internal in INTERNAL {
        let shown = answer.body.contains(internal) && !is_document(call) || head.contains(internal);
        ensure!(!shown || call.contains(internal), "it shows \"{internal}\": {}", told());
    }
    for secret in &world.secrets {
        let shown = answer.body.contains(secret.as_str()) || head.contains(secret.as_str());
        ensure!(!shown || call.contains(secret), "it gives somebody else's {secret} away: {}", told());
    }
    for cookie in answer.set_cookies() {
        let ours = ["__Host-passlink-", "sb-access-token=", "sb-refresh-token="].iter().any(|name| cookie.starts_with(name));
        ensure!(ours, "a cookie that is not ours: {cookie}");
    }
    if let Some(to) = answer.headers.get("location").map(|to| to.to_str().unwrap_or("?")) {
        let here = to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\");
        let there = to.strip_prefix(APP).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
        ensure!(here || there, "it leads to {to}");
    }
    if call.method == "HEAD" {
        ensure!(answer.body.is_empty(), "a body for HEAD: {}", told());
        return Ok(());
    }
    match DIALECTS.iter().find(|dialect| (dialect.owns)(call.path())) {
        Some(dialect) if status >= 400 => error_of(dialect.slug, status, answer).map_err(|what| format!("{what}: {}", told())),
        Some(_) => {
            let empty = answer.body.is_empty() && (status == 204 || status == 303);
            let picture = call.path().contains("/qr.") && answer.header("cache-control") == Some("no-store");
            ensure!(empty || picture || is_json(answer), "neither JSON nor empty: {}", told());
            Ok(())
        }
        None => page(call, status, answer).map_err(|what| format!("{what}: {}", told())),
    }
}

/// The reference quotes what it likes.
fn is_document(call: &Call) -> bool {
    ["/docs", "/openapi/", "/assets/"].iter().any(|start| call.path().starts_with(start))
}

fn is_json(answer: &Answer) -> bool {
    answer.header("content-type") == Some("application/json") && serde_json::from_str::<Value>(&answer.body).is_ok()
}

/// The exact shape of a dialect's errors.
fn error_of(dialect: &str, status: u16, answer: &Answer) -> Result<(), String> {
    ensure!(is_json(answer), "the error is not JSON");
    match dialect {
        "apphandoff" => apphandoff(status, answer),
        "rownd" => rownd(status, answer),
        "stytch" => stytch(status, answer),
        "asset" => asset(status, answer),
        other => panic!("say here what errors of {other} look like"),
    }
}

fn apphandoff(status: u16, answer: &Answer) -> Result<(), String> {
    let body = answer.json();
    let members = body.as_object().ok_or("the error is no object")?;
    let known = ["error", "code", "fieldErrors", "issues", "retryAfter"];
    ensure!(members.keys().all(|name| known.contains(&name.as_str())), "an unknown member");
    ensure!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "no error");
    let code = answer.code();
    let codes: &[&str] = match status {
        400 => &["validation_error", "invalid_json", "callback_origin_not_allowed", "callback_origin_required"],
        401 => &["unauthorized", "invalid_token", "invalid_refresh_token"],
        403 => &["forbidden"],
        404 => &["not_found"],
        405 => &["method_not_allowed"],
        413 => &["payload_too_large"],
        415 => &["unsupported_media_type"],
        429 => &["rate_limited"],
        503 => &["service_unavailable"],
        _ => &[],
    };
    ensure!(codes.contains(&code.as_str()), "the code {code} with status {status}");
    let fields = members.get("fieldErrors").and_then(Value::as_object);
    if code == "validation_error" {
        let (fields, issues) = fields.zip(body["issues"].as_array()).ok_or("it names no field")?;
        ensure!(!fields.is_empty() && !issues.is_empty(), "it names no field");
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        ensure!(fields.values().all(text) && issues.iter().all(|issue| text(&issue["message"])), "a field without a reason");
        let named = |issue: &Value| issue["path"].as_str().is_some_and(|path| fields.contains_key(path));
        ensure!(issues.iter().all(named), "issues and fieldErrors name different fields");
        let fields_of_this = ["", "email", "callback_origin", "callback_next", "access_token", "refresh_token", "redirect_to"];
        ensure!(fields.keys().all(|name| fields_of_this.contains(&name.as_str())), "a field of nothing");
    } else {
        ensure!(fields.is_none() && !members.contains_key("issues"), "fields with {code}");
    }
    let waits = members.get("retryAfter").is_some_and(Value::is_u64) && answer.headers.contains_key("retry-after");
    ensure!(status != 429 || waits, "it does not say when to come again");
    ensure!(status != 401 || answer.header("www-authenticate") == Some("Bearer"), "it does not say how to sign in");
    ensure!(answer.header("cache-control") == Some("no-store"), "the error may be kept");
    Ok(())
}

fn stytch(status: u16, answer: &Answer) -> Result<(), String> {
    let body = answer.json();
    let members = body.as_object().ok_or("the error is no object")?;
    let names: Vec<_> = members.keys().map(String::as_str).collect();
    ensure!(names == ["error_message", "error_type", "error_url", "request_id", "status_code"], "not the members of an error");
    ensure!(body["status_code"] == status, "another status in the body");
    let id = answer.header("x-request-id").unwrap_or("?");
    ensure!(body["request_id"].as_str().is_some_and(|shown| shown.ends_with(id)), "another request id in the body");
    let kind = body["error_type"].as_str().unwrap_or_default();
    ensure!(!kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "no error type");
    ensure!(body["error_message"].as_str().is_some_and(|text| text.len() > 3), "no message");
    let fits = match status {
        401 => kind == "unauthorized_credentials" || kind.starts_with("unable_to_auth") || kind == "attribute_mismatch",
        404 => kind.ends_with("_not_found"),
        405 => kind == "method_not_allowed",
        413 => kind == "request_too_large",
        415 => kind == "unsupported_media_type",
        429 => kind == "too_many_requests" && answer.headers.contains_key("retry-after"),
        400 | 403 => true,
        _ => false,
    };
    ensure!(fits, "the type {kind} with status {status}");
    Ok(())
}

fn asset(status: u16, answer: &Answer) -> Result<(), String> {
    let body = answer.json();
    let members = body.as_object().ok_or("the error is no object")?;
    let is_known = |name: &str| ["error", "data", "error_description"].contains(&name);
    ensure!(members.keys().all(|name| is_known(name)) && members.contains_key("data"), "not the members of an error");
    ensure!(body["error"].as_str().is_some_and(|text| text.len() > 3), "no error");
    ensure!([401, 403, 404, 405, 413, 422, 429, 503].contains(&status), "a status that is not theirs");
    let problems = body["data"].as_array();
    if status == 422 {
        let problems = problems.filter(|list| !list.is_empty()).ok_or("it names no field")?;
        let place = |loc: &Value| loc.as_array().is_some_and(|loc| loc.len() <= 2 && !loc.is_empty());
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let is_told = |one: &Value| place(&one["loc"]) && text(&one["msg"]) && text(&one["type"]);
        ensure!(problems.iter().all(is_told), "a field without a reason");
    } else {
        ensure!(body["data"].is_null(), "fields with {status}");
    }
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    ensure!((status == 401) == ["Bearer", "Basic realm=\"token\""].contains(&challenge), "how to sign in, or not");
    ensure!(status != 429 && status != 503 || answer.headers.contains_key("retry-after"), "it does not say when to come again");
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        ensure!(answer.header(name).is_some_and(|value| value.parse::<u64>().is_ok()), "no {name}");
    }
    ensure!(answer.header("cache-control") == Some("no-store"), "the error may be kept");
    Ok(())
}

fn rownd(status: u16, answer: &Answer) -> Result<(), String> {
    let body = answer.json();
    let members = body.as_object().ok_or("the error is no object")?;
    let names: Vec<_> = members.keys().map(String::as_str).filter(|name| *name != "field_errors").collect();
    ensure!(names == ["code", "error", "message", "messages", "statusCode"], "not the members of an error");
    ensure!(body["statusCode"] == status, "another status in the body");
    ensure!(["error", "message"].iter().all(|name| body[*name].as_str().is_some_and(|text| text.len() > 3)), "no message");
    let messages = body["messages"].as_array().ok_or("no messages")?;
    ensure!(!messages.is_empty() && messages.iter().all(Value::is_string), "no messages");
    if let Some(fields) = members.get("field_errors") {
        let texts = |value: &Value| value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string));
        ensure!(fields.as_object().is_some_and(|all| !all.is_empty() && all.values().all(texts)), "a field without a reason");
        ensure!(status == 400, "fields with another status");
    }
    let code = body["code"].as_str().unwrap_or_default();
    let codes: &[&str] = match status {
        400 => &[
            "E_VALIDATION",
            "E_USER_UPDATE_FAILED",
            "E_GROUP_NOT_FOUND",
            "E_GROUP_NOT_OPEN",
            "E_INVALID_REFRESH_TOKEN",
            "E_SIGN_IN_USER_NOT_FOUND",
        ],
        401 => &["E_UNAUTHORIZED"],
        403 => &["E_FORBIDDEN", "E_USER_DISABLED", "E_FIELD_NOT_EDITABLE"],
        404 => &["E_NOT_FOUND", "E_USER_NOT_FOUND", "E_LINK_NOT_FOUND"],
        405 => &["E_METHOD_NOT_ALLOWED"],
        409 => &["E_CONFLICT"],
        410 => &["E_LINK_EXPIRED", "E_LINK_CONSUMED"],
        413 => &["E_TOO_LARGE"],
        429 => &["E_RATE_LIMITED"],
        503 => &["E_UNAVAILABLE", "E_NOT_CONFIGURED"],
        _ => &[],
    };
    ensure!(codes.contains(&code), "the code {code} with status {status}");
    ensure!(status != 429 || answer.headers.contains_key("retry-after"), "it does not say when to come again");
    ensure!(answer.header("cache-control") == Some("no-store"), "the error may be kept");
    Ok(())
}

/// Answers to people, and to their pages' scripts.
fn page(call: &Call, status: u16, answer: &Answer) -> Result<(), String> {
    let empty = answer.body.is_empty() && (call.path().starts_with("/assets/") || call.path().ends_with("/events"));
    if status >= 400 {
        // Programs open these links too, and are answered in their way.
        let program = call.path().starts_with("/hub/auth/magic/") && is_json(answer);
        if program {
            return rownd(status, answer);
        }
        ensure!(empty || answer.is_html(), "the error is no page");
    }
    if !answer.is_html() {
        return Ok(());
    }
    let headers =
        [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("cross-origin-opener-policy", "same-origin")];
    for (name, value) in headers {
        ensure!(answer.header(name) == Some(value), "a page without {name}");
    }
    let robots = answer.header("x-robots-tag").unwrap_or_default();
    ensure!(robots.starts_with("noindex"), "a page that may be indexed");
    let policy = answer.header("content-security-policy").unwrap_or_default();
    ensure!(policy.contains("default-src 'none'"), "a page that may load anything");
    ensure!(!answer.body.contains("<script>x") && !answer.body.contains("<img src=x"), "what was sent runs in the page");
    ensure!(status < 400 || answer.body.contains("<h1>"), "a page that says nothing");
    Ok(())
}

/// What must hold of the rows.
pub fn rows(call: &Call, answer: &Answer, before: &Rows, after: &Rows) -> Result<(), String> {
    let refused = answer.status.as_u16() >= 400;
    let only_reads = ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&call.method.as_str());
    // A browser that asked for a link redeems it by opening it.
    let opens = call.method == "GET" && answer.signs_in();
    if !refused && (!only_reads || opens) {
        return Ok(());
    }
    // A refresh token that comes back ends its session, which is refused all the same.
    if call.path() == "/hub/auth/token" {
        return Ok(());
    }
    let tries = ["/code", "/number", "/otps/authenticate", "/hub/auth/complete"].iter().any(|end| call.path().ends_with(end));
    let counts = |table: &str| table == TRIES && tries;
    for ((table, before), (_, after)) in before.iter().zip(after.iter()).filter(|((table, _), _)| !counts(table)) {
        let why = if refused { "refused" } else { "read only" };
        let gone: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
        let new: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        let same = gone.is_empty() && new.is_empty();
        ensure!(same, "{why} with {}, and yet {table} changed from {gone:?} to {new:?}", answer.status);
    }
    Ok(())
}
