//! Texts for the operator: what providers answered, without addresses, links or codes in it.

use std::error::Error;

use passlink_engine::email_address::EmailAddress;
use passlink_engine::messages::sender::OutgoingMessage;

/// The longest text of a provider that is passed on, in characters.
const LONGEST: usize = 200;

/// A provider's text made safe for logs: one line, no secrets of this message, no links, addresses masked, cut to a readable length.
pub(crate) fn provider_text(text: &str, message: &OutgoingMessage) -> String {
    let mut text = text.to_owned();
    for secret in [&message.link, &message.code].into_iter().flatten().filter(|secret| secret.expose().len() >= 4) {
        text = text.replace(secret.expose(), "[hidden]");
    }
    let words: Vec<String> = text.split(|c: char| c.is_whitespace() || c.is_control()).map(word).collect();
    let line = words.iter().filter(|word| !word.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn word(word: &str) -> String {
    // Links in any spelling, also with slashes escaped; and anything that holds one of our tokens.
    if ["://", ":\\/\\/", "%3a%2f", "plk_", "pls_", "plr_", "plb_"].iter().any(|mark| contains_ignore_case(word, mark)) {
        return "[link]".to_owned();
    }
    let delimiter = |c: char| "<>()[]{}\"',;:=".contains(c);
    word.split_inclusive(delimiter)
        .map(|piece| {
            let (name, end) = match piece.chars().next_back() {
                Some(last) if delimiter(last) => piece.split_at(piece.len() - last.len_utf8()),
                _ => (piece, ""),
            };
            let hidden = EmailAddress::parse(name.trim_end_matches('.')).map_or_else(|_| "•••@•••".to_owned(), |a| a.masked());
            if name.contains('@') { format!("{hidden}{end}") } else { piece.to_owned() }
        })
        .collect()
}

fn contains_ignore_case(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(part)
}

/// Refuses a message whose header values could break out of their line, before anything is connected.
pub(crate) fn check_headers(message: &OutgoingMessage) -> Result<(), String> {
    let values = [
        ("subject", Some(&message.subject)),
        ("sender's name", message.from.name.as_ref()),
        ("tag", Some(&message.tag)),
        ("language", Some(&message.language)),
        ("app", Some(&message.app)),
    ];
    for (what, value) in values.into_iter().filter_map(|(what, value)| Some((what, value?))) {
        if value.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(format!("the {what} contains a line break or another control character"));
        }
    }
    // Mail programs decode encoded words (RFC 2047) wherever they find them; nobody writes one by hand for an honest reason.
    for (what, value) in
        [("subject", message.subject.as_str()), ("sender's name", message.from.name.as_deref().unwrap_or_default())]
    {
        if value.split_once("=?").is_some_and(|(_, rest)| rest.contains("?=")) {
            return Err(format!("the {what} contains an encoded word"));
        }
    }
    if !message.tag.is_ascii() || message.tag.len() > 128 {
        return Err("the tag is not ASCII or is longer than 128 characters".to_owned());
    }
    if !message.language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err("the language is no BCP 47 tag".to_owned());
    }
    Ok(())
}

/// The Message-ID, the same for every attempt: the job's id at the sender's domain.
pub(crate) fn message_id(message: &OutgoingMessage) -> String {
    format!("<{}@{}>", message.id, message.from.address.domain())
}

/// The TLS error somewhere in a chain of causes. I/O errors hide theirs from `source`, so they are opened.
pub(crate) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The text of the error that all others in the chain come from: the operating system's, for a failed connection.
pub(crate) fn first_cause(error: &(dyn Error + 'static)) -> String {
    let mut first = error;
    while let Some(source) = first.source() {
        first = source;
    }
    first.to_string()
}

/// What to change after a TLS error.
pub(crate) fn tls_advice(error: &rustls::Error, host: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!(
                "the certificate of {host} is not valid for that name or not trusted ({why:?}); correct the host or set `ca_certificates`"
            )
        }
        _ => format!("no TLS with {host}: {error}; check the port and whether TLS is expected there"),
    }
}

#[cfg(test)]
mod tests {
    use passlink_engine::ids::MessageId;
    use passlink_engine::messages::sender::Mailbox;
    use passlink_engine::secret::Secret;
    use passlink_engine::time::Timestamp;

    use super::*;

    fn message() -> OutgoingMessage {
        let at = Timestamp::from_millis(1_800_000_000_000);
        OutgoingMessage {
            id: MessageId::new(at, [7; 10]),
            to: EmailAddress::parse("ada@example.com").expect("valid"),
            from: Mailbox { name: None, address: EmailAddress::parse("no-reply@example.org").expect("valid") },
            reply_to: None,
            subject: "Sign in".to_owned(),
            text: Secret::new("text".to_owned()),
            html: None,
            date: at,
            expires_at: at,
            tag: "magic-link".to_owned(),
            language: "en".to_owned(),
            app: "app".to_owned(),
            link: Some(Secret::new("https://id.example.org/l/plk_secret".to_owned())),
            code: Some(Secret::new("482913".to_owned())),
        }
    }

    #[test]
    fn sec_42_texts_of_providers_lose_addresses_links_and_codes() {
        let cases = [
            ("5.1.1 <ada@example.com>: no such mailbox", "5.1.1 <a•••@e•••.com>: no such mailbox"),
            ("unknown: Ada@Example.com.", "unknown: a•••@e•••.com"),
            ("\"odd one\"@example.com", "\"odd one\"•••@•••"),
            ("blocked https://id.example.org/l/plk_secret now", "blocked [hidden] now"),
            ("blocked https:\\/\\/other/x now", "blocked [link] now"),
            ("saw plk_abcdef", "saw [link]"),
            ("code 482913 seen", "code [hidden] seen"),
            ("two\r\nlines\u{1b}[31m", "two lines [31m"),
        ];
        for (given, expected) in cases {
            assert_eq!(provider_text(given, &message()), expected);
        }
        assert_eq!(provider_text(&"é".repeat(500), &message()).chars().count(), LONGEST + 1);
    }

    #[test]
    fn sec_29_no_encoded_word_is_smuggled_in() {
        let mut message = message();
        message.subject = "What is 1+1=? And why?".to_owned();
        assert_eq!(check_headers(&message), Ok(()));
        message.from.name = Some("=?utf-8?q?Your_bank?=".to_owned());
        assert!(check_headers(&message).is_err());
        (message.from.name, message.subject) = (None, "Hi =?utf-8?b?QQ==?=".to_owned());
        assert!(check_headers(&message).is_err());
    }

    #[test]
    fn sec_29_no_header_value_breaks_its_line() {
        assert_eq!(check_headers(&message()), Ok(()));
        let changes: [fn(&mut OutgoingMessage, &str); 5] = [
            |m, bad| m.subject = bad.to_owned(),
            |m, bad| m.from.name = Some(bad.to_owned()),
            |m, bad| m.tag = bad.to_owned(),
            |m, bad| m.language = bad.to_owned(),
            |m, bad| m.app = bad.to_owned(),
        ];
        for change in changes {
            for bad in ["a\r\nBcc: x@example.com", "a\nb", "a\rb", "a\0b", "a\u{2028}b", "a\u{85}b"] {
                let mut message = message();
                change(&mut message, bad);
                assert!(check_headers(&message).is_err(), "{bad:?}");
            }
        }
    }
}
