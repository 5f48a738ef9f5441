//! The message as it goes over the wire.

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use passlink_engine::email_address::EmailAddress;
use passlink_engine::messages::sender::OutgoingMessage;

use crate::report;

/// The envelope with its one recipient, and the bytes.
pub(super) fn mime(message: &OutgoingMessage) -> Result<(Envelope, Vec<u8>), String> {
    let (from, to) = (address(&message.from.address)?, address(&message.to)?);
    let envelope = Envelope::new(Some(from.clone()), vec![to.clone()]).map_err(|error| error.to_string())?;
    let name = message.from.name.clone().filter(|name| !name.trim().is_empty());
    let mut builder: MessageBuilder = Message::builder()
        .envelope(envelope.clone())
        .from(Mailbox::new(name, from))
        .to(Mailbox::new(None, to))
        .subject(message.subject.as_str())
        .date(message.date.to_system_time())
        .message_id(Some(report::message_id(message)))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("Content-Language", &message.language));
    if let Some(reply_to) = &message.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(reply_to)?));
    }
    let text = one_kind_of_line_end(message.text.expose());
    let built = match &message.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, one_kind_of_line_end(html.expose()))),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    built.map(|built| (envelope, built.formatted())).map_err(|error| format!("no message can be made of it: {error}"))
}

fn address(address: &EmailAddress) -> Result<Address, String> {
    address.as_str().parse().map_err(|_| format!("the address {} cannot be used in mail", address.masked()))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Every line end becomes LF; the library makes CRLF of it. A lone CR would reach the wire as it is.
fn one_kind_of_line_end(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
