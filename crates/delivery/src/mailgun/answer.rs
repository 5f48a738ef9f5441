//! What Mailgun's answers mean.

use passlink_engine::messages::sender::{OutgoingMessage, SendOutcome};
use reqwest::Response;
use serde::Deserialize;

use crate::{http, report};

/// The fields of any answer that we look at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    id: Option<String>,
    message: Option<String>,
}

/// Reads an answer and judges it.
pub(super) async fn outcome(response: Response, message: &OutgoingMessage) -> SendOutcome {
    let status = response.status().as_u16();
    let after = http::wish_to_wait(response.headers());
    let body = http::body(response).await;
    let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
    let said = answer.message.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    let why = format!("Mailgun answered {status} {}", report::provider_text(&said, message)).trim_end().to_owned();
    match status {
        200..=299 => match answer.id {
            Some(id) => SendOutcome::Sent { provider_id: Some(provider_id(&id)) },
            // Something between us and Mailgun answered in its place; the mail may not have reached it.
            None => {
                SendOutcome::Retry { why: format!("the answer {status} is not Mailgun's; check `base_url` and proxies"), after }
            }
        },
        300..=399 => {
            SendOutcome::Misconfigured { why: format!("answered {status}, and redirects are not followed; check `base_url`") }
        }
        408 | 429 | 500.. => SendOutcome::Retry { why, after },
        401 => SendOutcome::Misconfigured { why: format!("{why}; check `api_key`, and that `base_url` is the key's region") },
        403 | 404 => SendOutcome::Misconfigured { why: format!("{why}; check `domain` and the account at Mailgun") },
        400 if said.contains("not allowed to send") => {
            SendOutcome::Misconfigured { why: format!("{why}; the domain must be verified and active at Mailgun") }
        }
        _ => SendOutcome::Refused { why },
    }
}

/// `<id@domain>` without the angle brackets, of a sane length.
fn provider_id(id: &str) -> String {
    id.trim_matches(['<', '>']).chars().filter(char::is_ascii_graphic).take(200).collect()
}
