//! What Mailgun checks before it takes a message, and how it says no.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// HTTP Basic with user `api` and the key.
pub(super) fn authorised(headers: &HeaderMap, key: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Basic ")).and_then(|text| STANDARD.decode(text).ok());
    given.is_some_and(|given| given == format!("api:{key}").as_bytes())
}

/// A refusal in Mailgun's form.
pub(super) fn message(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "message": text }))).into_response()
}

/// Over the request limit for another half minute.
pub(super) fn too_many(domain: &str) -> Response {
    #[expect(clippy::disallowed_methods, reason = "a double of a provider, which tells real time")]
    let reset = SystemTime::now() + Duration::from_secs(30);
    let reset = reset.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    let text = format!("Domain {domain} is not allowed to send: request limit exceeded, try again after a while");
    let mut response = message(StatusCode::TOO_MANY_REQUESTS, &text);
    response.headers_mut().insert("x-ratelimit-reset", reset.into());
    response
}

/// The checks of the fields.
pub(super) fn check(fields: &[(String, String)]) -> Result<(), String> {
    let values =
        |name: &str| fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    let templated = !values("template").is_empty();
    if values("from").is_empty() && !templated {
        return Err("from parameter is missing".to_owned());
    }
    if values("to").is_empty() {
        return Err("to parameter is missing".to_owned());
    }
    if values("subject").is_empty() && !templated {
        return Err("subject parameter is missing".to_owned());
    }
    if ["text", "html", "amp-html"].iter().all(|part| values(part).iter().all(|value| value.is_empty())) && !templated {
        return Err("Need at least one of 'text' or 'html' parameters specified".to_owned());
    }
    let mut recipients = 0;
    for name in ["from", "to", "cc", "bcc"] {
        for address in values(name).into_iter().flat_map(split_list) {
            if !is_address(&address) {
                return Err(format!("{name} parameter is not a valid address. please check documentation"));
            }
            recipients += usize::from(name != "from");
        }
    }
    if recipients > 1000 {
        return Err("too many recipients".to_owned());
    }
    let options = fields.iter().filter(|(name, _)| ["o:", "h:", "v:", "t:"].iter().any(|prefix| name.starts_with(prefix)));
    let mut size = 0;
    for (name, value) in options {
        size += name.len() + value.len();
        if name.starts_with("h:") && !name.is_ascii() {
            return Err("header name is not ASCII".to_owned());
        }
        if value.contains(['\r', '\n']) {
            return Err(format!("{name} contains a line break"));
        }
        if name.starts_with("o:tracking") && !["yes", "no", "true", "false", "htmlonly"].contains(&value.as_str()) {
            return Err(format!("{name} parameter is not a valid value"));
        }
        if name == "o:tag" && (value.len() > 128 || !value.is_ascii()) {
            return Err("tag is too long or not ASCII".to_owned());
        }
    }
    if size > 16 * 1024 {
        return Err("options, headers and variables are over 16 kB".to_owned());
    }
    Ok(())
}

/// Splits at commas outside quotes.
fn split_list(list: &str) -> Vec<String> {
    let (mut items, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in list.chars() {
        match c {
            ',' if !quoted => {
                items.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if let Some(item) = items.last_mut() {
            item.push(c);
        }
    }
    items
}

/// `a@b`, or a name and `<a@b>`.
fn is_address(text: &str) -> bool {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (name.trim(), address),
        None => ("", text),
    };
    let quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"');
    let name_is_fine = quoted || !name.contains(['"', ',', '<', '>', '@', ':', ';', '\\', '(', ')', '[', ']']);
    let Some((local, domain)) = address.split_once('@') else { return false };
    let local_is_fine = !local.is_empty() && !local.contains([' ', ',', '<', '>', '"', '\r', '\n']);
    let domain_is_fine = domain.contains('.') && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    name_is_fine && !text.contains(['\r', '\n']) && local_is_fine && domain_is_fine && !domain.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[(&str, &str)]) -> Result<(), String> {
        let mut fields = vec![("from", "\"A, B\" <a@b.example>"), ("to", "c@d.example"), ("subject", "s"), ("text", "t")];
        for &(name, value) in changes {
            fields.retain(|(field, _)| *field != name);
            fields.push((name, value));
        }
        fields.retain(|(_, value)| *value != "(gone)");
        check(&fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn what_mailgun_refuses_is_refused() {
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&[("to", "C <c@d.example>, e@f.example")]), Ok(()));
        let long = "x".repeat(17_000);
        let many = vec!["a@b.example"; 1001].join(",");
        let cases: [&[(&str, &str)]; 14] = [
            &[("from", "(gone)")],
            &[("to", "(gone)")],
            &[("subject", "(gone)")],
            &[("text", "(gone)")],
            &[("text", "")],
            &[("to", "nobody")],
            &[("to", "a@b.example, nobody")],
            &[("from", "A, B <a@b.example>")],
            &[("to", "a@b")],
            &[("to", &many)],
            &[("h:X-Long", &long)],
            &[("h:X-Ünicode", "x")],
            &[("o:tracking", "maybe")],
            &[("o:tag", "tägig")],
        ];
        for case in cases {
            assert!(with(case).is_err(), "{:?}", case.iter().map(|(name, _)| name).collect::<Vec<_>>());
        }
    }
}
