//! What the server's answers mean for the message.

use std::error::Error as _;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;
use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome};

use super::connection::{Failure, Stage};
use crate::report;

/// The queue id in the final reply, in the ways servers in use say it: `queued as X` (Postfix), `id=X` (Exim), `X Message accepted`
/// (Sendmail).
pub(super) fn queue_id(response: &Response) -> Option<String> {
    let text = response.message().collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let found = words.iter().enumerate().find_map(|(at, word)| {
        let next = |offset: usize| words.get(at + offset).copied().unwrap_or_default();
        if word.eq_ignore_ascii_case("queued") && next(1).eq_ignore_ascii_case("as") {
            return words.get(at + 2).copied();
        }
        if next(1).eq_ignore_ascii_case("message") && next(2).eq_ignore_ascii_case("accepted") {
            return Some(*word);
        }
        word.get(..3).filter(|start| start.eq_ignore_ascii_case("id=")).and(word.get(3..))
    });
    let id = found?.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let plain = id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    // The number in front of everything, such as 2.0.0, is a status and no id.
    (plain && id.len() >= 6).then(|| id.to_owned())
}

/// The outcome of an attempt that did not end with an accepted message.
pub(super) fn failure(failure: &Failure, stage: Stage, host: &str, message: &OutgoingMessage) -> SendOutcome {
    match failure {
        Failure::Connect(error) => SendOutcome::Retry { why: format!("no connection to {host}: {error}"), after: None },
        Failure::NotLoopback => SendOutcome::Misconfigured {
            why: format!("{host} leads to another machine and `security` is `plain`; use `starttls` or `tls`"),
        },
        Failure::Smtp(error) => smtp_failure(error, stage, host, message),
    }
}

fn smtp_failure(error: &Error, stage: Stage, host: &str, message: &OutgoingMessage) -> SendOutcome {
    if let Some(tls) = report::tls_error(error) {
        return SendOutcome::Misconfigured { why: report::tls_advice(tls, host) };
    }
    let Some(code) = error.status().map(u16::from) else {
        return without_reply(error, host);
    };
    let said = error.source().map(|text| report::provider_text(&text.to_string(), message)).unwrap_or_default();
    let why = format!("{host} answered {code} {said}").trim_end().to_owned();
    match (code, stage) {
        // RFC 4954 section 6: these are about our credentials, whenever they come.
        (530 | 534 | 535 | 538, _) => SendOutcome::Misconfigured { why: format!("{why}; check `username` and `password`") },
        (500.., Stage::Open) => SendOutcome::Misconfigured { why: format!("{why}; it takes no mail from us at all") },
        (500.., Stage::Send) => SendOutcome::Refused { why },
        _ => SendOutcome::Retry { why, after: None },
    }
}

/// The connection failed, or the server cannot do what we need.
fn without_reply(error: &Error, host: &str) -> SendOutcome {
    if error.is_client() {
        let what = error.source().map(|what| what.to_string()).unwrap_or_default();
        return SendOutcome::Misconfigured { why: format!("{host} cannot be used as configured: {what}") };
    }
    let why = if error.is_timeout() {
        format!("no connection to {host} in time")
    } else if error.is_response() {
        format!("{host} ended the connection or did not answer in SMTP")
    } else {
        format!("the connection to {host} failed: {}", io_kind(error).unwrap_or_else(|| "unknown reason".to_owned()))
    };
    SendOutcome::Retry { why, after: None }
}

fn io_kind(error: &Error) -> Option<String> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind().to_string());
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_ids_are_found_as_servers_write_them() {
        let cases = [
            ("250 2.0.0 Ok: queued as 4F1A2B3C4D\r\n", Some("4F1A2B3C4D")),
            ("250 OK id=1rABCD-0001Xy-2z\r\n", Some("1rABCD-0001Xy-2z")),
            ("250 2.0.0 38GAb1cD012345 Message accepted for delivery\r\n", Some("38GAb1cD012345")),
            ("250-2.0.0 Ok:\r\n250 queued as 4F1A2B3C4D.\r\n", Some("4F1A2B3C4D")),
            ("250 2.0.0 Message accepted\r\n", None),
            ("250 Ok: queued as <ada@example.com>\r\n", None),
            ("250 OK\r\n", None),
        ];
        for (reply, expected) in cases {
            let response: Response = reply.parse().expect(reply);
            assert_eq!(queue_id(&response).as_deref(), expected, "{reply}");
        }
    }
}
