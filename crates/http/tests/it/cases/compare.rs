//! Comparing an answer with what a case expects.

use std::collections::HashMap;

use serde_json::Value;

use super::file::Step;
use crate::support::Answer;

/// What placeholders stand for.
pub type Bound = HashMap<String, String>;

/// Replaces `<name>` by what is bound to it and `<a*300>` by 300 letters.
pub fn fill(text: &str, bound: &Bound) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = placeholder(rest) {
        out.push_str(before);
        match (bound.get(name), name.split_once('*')) {
            (Some(value), _) => out.push_str(value),
            (None, Some((letter, times))) => out.push_str(&letter.repeat(times.parse().expect("<letter*times>"))),
            (None, None) => panic!("nothing is bound to <{name}>"),
        }
        rest = after;
    }
    out + rest
}

/// The first placeholder: what stands before it, its name, what stands after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find('<')?;
    let end = start + text[start..].find('>')?;
    Some((&text[..start], &text[start + 1..end], &text[end + 1..]))
}

fn matches_text(expected: &str, actual: &str, bound: &mut Bound) -> bool {
    let Some((before, name, after)) = placeholder(expected) else { return expected == actual };
    let Some(rest) = actual.strip_prefix(before) else { return false };
    let until = placeholder(after).map_or(after, |(literal, _, _)| literal);
    let length = if until.is_empty() { Some(rest.len()) } else { rest.find(until) };
    let Some((value, rest)) = length.map(|length| rest.split_at(length)) else { return false };
    let fits = match name {
        "any" => true,
        "text" => value.len() > 3 && value.contains(|c: char| c.is_ascii_alphabetic()),
        "int" => value.parse::<i64>().is_ok(),
        "time" => value.len() == 20 && value.ends_with('Z') && value.as_bytes()[10] == b'T',
        "uuid" => value.len() == 36 && value.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()),
        name => bound.entry(name.to_owned()).or_insert_with(|| value.to_owned()) == value,
    };
    fits && matches_text(after, rest, bound)
}

/// The key that lets an object have more keys than are expected.
const OPEN: &str = "...";

fn matches_json(expected: &Value, actual: &Value, bound: &mut Bound) -> bool {
    match (expected, actual) {
        (Value::Object(e), Value::Object(a)) => {
            let open = e.contains_key(OPEN);
            let e: Vec<_> = e.iter().filter(|(key, _)| *key != OPEN).collect();
            // The order of binding is that of the file.
            (open || e.len() == a.len()) && e.into_iter().all(|(key, e)| a.get(key).is_some_and(|a| matches_json(e, a, bound)))
        }
        (Value::Array(e), Value::Array(a)) => e.len() == a.len() && e.iter().zip(a).all(|(e, a)| matches_json(e, a, bound)),
        (Value::String(e), Value::String(a)) => e != "<int>" && matches_text(e, a, bound),
        (Value::String(e), a) => e.starts_with('<') && *e != "<text>" && matches_text(e, &a.to_string(), bound),
        (e, a) => e == a,
    }
}

/// Whether the answer is the expected one.
pub fn compare(step: &Step, answer: &Answer, bound: &mut Bound) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{what}\n    answered {} {:?}\n    {}", answer.status, answer.headers, answer.body));
    if answer.status.as_u16() != step.status {
        return wrong(format!("status {} was expected", step.status));
    }
    for (name, value) in &step.expected_headers {
        let expected =
            if bound.keys().any(|key| value.contains(&format!("<{key}>"))) { fill_known(value, bound) } else { value.clone() };
        let mut there = answer.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        if !there.any(|actual| matches_text(&expected, &actual, bound)) {
            return wrong(format!("the header {name}: {expected} was expected"));
        }
    }
    if let Some(name) = step.absent.iter().find(|name| answer.headers.contains_key(name.as_str())) {
        return wrong(format!("no header {name} was expected"));
    }
    let actual: Option<Value> = serde_json::from_str(&answer.body).ok();
    let fits = match (serde_json::from_str::<Value>(&step.expected_body), actual) {
        (Ok(expected), Some(actual)) => {
            consistent(&actual)?;
            matches_json(&expected, &actual, bound)
        }
        (Err(_), _) if step.expected_body == "<page>" => answer.is_html() && answer.body.contains("<h1>"),
        (Err(_), _) if step.expected_body == "<plain>" => !answer.body.is_empty(),
        (Err(_), _) if !step.expected_body.is_empty() => return wrong("the expected body is not JSON".to_owned()),
        (_, _) => step.expected_body.is_empty() && answer.body.is_empty(),
    };
    if fits { Ok(()) } else { wrong(format!("the body {} was expected", step.expected_body)) }
}

fn fill_known(text: &str, bound: &Bound) -> String {
    bound.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// What contract section 2 says of every error body.
fn consistent(body: &Value) -> Result<(), String> {
    let Some(issues) = body.get("issues").and_then(Value::as_array) else { return Ok(()) };
    let fields = body["fieldErrors"].as_object().ok_or("issues without fieldErrors")?;
    for (path, message) in fields {
        let first = issues.iter().find(|issue| issue["path"] == path.as_str()).ok_or("a field error without an issue")?;
        if first["message"] != *message {
            return Err(format!("fieldErrors[{path}] is not the first issue's message"));
        }
    }
    let all_listed = issues.iter().all(|issue| fields.contains_key(issue["path"].as_str().unwrap_or("?")));
    if all_listed { Ok(()) } else { Err("an issue without a field error".to_owned()) }
}

#[test]
fn the_runner_tells_differences() {
    let mut bound = Bound::new();
    assert!(matches_text("a=<any>; b=<int>", "a=x; b=7", &mut bound));
    assert!(!matches_text("a=<any>; b=<int>", "a=x; b=y", &mut bound));
    assert!(!matches_text("abc", "abcd", &mut bound));
    assert!(matches_text("<wait>", "180", &mut bound) && !matches_text("<wait>", "181", &mut bound));
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert!(matches_json(&json(r#"{"retryAfter": "<wait>"}"#), &json(r#"{"retryAfter": 180}"#), &mut bound));
    assert!(!matches_json(&json(r#"{"a": "<text>"}"#), &json(r#"{"a": "some text", "b": 1}"#), &mut bound));
    assert!(!matches_json(&json(r#"{"a": "<int>"}"#), &json(r#"{"a": "1"}"#), &mut bound));
    assert!(matches_json(&json(r#"{"a": 1, "...": ""}"#), &json(r#"{"a": 1, "b": 2}"#), &mut bound));
    assert!(!matches_json(&json(r#"{"a": 1, "...": ""}"#), &json(r#"{"b": 2}"#), &mut bound));
    assert!(!matches_text("<time>", "2026-01-31 12:00:00Z", &mut bound));
    assert!(consistent(&json(r#"{"fieldErrors": {"a": "x"}, "issues": [{"path": "a", "message": "y"}]}"#)).is_err());
}
