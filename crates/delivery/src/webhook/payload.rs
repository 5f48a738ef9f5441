//! The body of the webhook.

use passlink_engine::messages::sender::OutgoingMessage;
use passlink_engine::secret::Secret;
use serde::Serialize;

/// What the receiver gets. New fields may be added; none changes its meaning.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    app: &'a str,
    channel: &'static str,
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    html: Option<&'a str>,
    link: Option<&'a str>,
    code: Option<&'a str>,
    language: &'a str,
    expires_at: String,
}

/// The message as JSON; secret as a whole.
pub(super) fn json(message: &OutgoingMessage) -> Secret {
    let payload = Payload {
        kind: "message.send",
        id: message.id.to_string(),
        app: &message.app,
        channel: "email",
        to: message.to.as_str(),
        subject: &message.subject,
        text: message.text.expose(),
        html: message.html.as_ref().map(Secret::expose),
        link: message.link.as_ref().map(Secret::expose),
        code: message.code.as_ref().map(Secret::expose),
        language: &message.language,
        expires_at: message.expires_at.to_rfc3339(),
    };
    // Texts and options only: there is nothing in it that JSON cannot hold.
    Secret::new(serde_json::to_string(&payload).expect("a struct of texts is JSON"))
}
