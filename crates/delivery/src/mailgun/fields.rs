//! The form that Mailgun is sent.

use passlink_engine::messages::sender::{Mailbox, OutgoingMessage};
use reqwest::multipart::Form;

use crate::report;

/// One message to one recipient. Tracking is off three times over: a rewritten link would break, and leak its token.
pub(super) fn form(message: &OutgoingMessage) -> Form {
    let mut form = Form::new()
        .text("from", mailbox(&message.from))
        .text("to", message.to.as_str().to_owned())
        .text("subject", message.subject.clone())
        .text("text", message.text.expose().to_owned());
    if let Some(html) = &message.html {
        form = form.text("html", html.expose().to_owned());
    }
    if let Some(reply_to) = &message.reply_to {
        form = form.text("h:Reply-To", reply_to.as_str().to_owned());
    }
    if !message.tag.is_empty() {
        form = form.text("o:tag", message.tag.clone());
    }
    form.text("o:tracking", "no")
        .text("o:tracking-clicks", "no")
        .text("o:tracking-opens", "no")
        .text("v:message_id", message.id.to_string())
        .text("h:Message-Id", report::message_id(message))
        .text("h:Auto-Submitted", "auto-generated")
        .text("h:X-Auto-Response-Suppress", "All")
        .text("h:Content-Language", message.language.clone())
}

/// `"Name" <address>`, the name always quoted (RFC 5322 3.2.4). Mailgun encodes what is not ASCII.
fn mailbox(mailbox: &Mailbox) -> String {
    match mailbox.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), mailbox.address),
        None => mailbox.address.to_string(),
    }
}
