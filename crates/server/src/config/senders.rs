//! `[senders.<name>]`: the ways mail leaves. Which keys there are depends on `kind`.

use std::collections::{BTreeMap, BTreeSet};

use passlink_delivery::SenderSettings;
use passlink_engine::messages::inbox::INBOX;
use serde::Deserialize;

use super::document::Section;
use super::key::Key;
use super::kind::Kind;
use super::problem::{Place, Problems};
use super::settled::Settled;

/// A kind of sender, with the example of the template.
#[derive(Debug)]
pub struct SenderKind {
    /// What `kind` says.
    pub name: &'static str,
    /// What it sends through.
    pub doc: &'static str,
    /// Its keys, without `kind`.
    pub keys: &'static [Key],
}

/// `kind` itself.
pub const KIND: Key =
    Key::required("kind", Kind::Choice(&["smtp", "mailgun", "webhook"]), "\"smtp\"", "What sends: smtp, mailgun or webhook.");

const CA_CERTIFICATES: Key = Key::optional(
    "ca_certificates",
    Kind::Text,
    "\"-----BEGIN CERTIFICATE-----…\"",
    "Certificates (PEM) of authorities to trust besides the system's.",
)
.or_file();
const CONNECT_TIMEOUT: Key = Key::new("connect_timeout", Kind::Duration, "\"5s\"", "How long connecting may take.");
const TIMEOUT: Key = Key::new("timeout", Kind::Duration, "\"15s\"", "How long one attempt may take in all, at most 15s.");

/// The kinds.
pub const KINDS: &[SenderKind] = &[
    SenderKind {
        name: "smtp",
        doc: "A mail server.",
        keys: &[
            Key::required(
                "host",
                Kind::Text,
                "\"smtp.example.com\"",
                "The mail server; its certificate must be valid for exactly this name.",
            ),
            Key::optional("port", Kind::Whole(1, 65_535), "587", "Its port; by default 465, 587 or 25, according to security."),
            Key::new(
                "security",
                Kind::Choice(&["tls", "starttls", "plain"]),
                "\"starttls\"",
                "\"tls\" from the first byte, \"starttls\" before anything else is said, or \"plain\".",
            ),
            Key::optional("username", Kind::Text, "\"passlink\"", "The user name, when the server wants one."),
            Key::optional("password", Kind::Text, "\"…\"", "The password that goes with it.").secret(),
            Key::optional("helo_name", Kind::Text, "\"auth.example.com\"", "The name we greet with; by default this machine's."),
            CA_CERTIFICATES,
            Key::new("pool_size", Kind::Whole(1, 1000), "4", "How many connections are open at most."),
            Key::new(
                "allow_plain_text_to_remote_hosts",
                Kind::Flag,
                "false",
                "With security = \"plain\": send links and the password readable for everyone on the way to another machine.",
            ),
            CONNECT_TIMEOUT,
            TIMEOUT,
        ],
    },
    SenderKind {
        name: "mailgun",
        doc: "Mailgun's API.",
        keys: &[
            Key::required("domain", Kind::Text, "\"mg.example.com\"", "The sending domain as registered with Mailgun."),
            Key::required(
                "api_key",
                Kind::Text,
                "\"…\"",
                "An API key; a domain sending key is enough, and can do nothing but send.",
            )
            .secret(),
            Key::new(
                "base_url",
                Kind::Text,
                "\"https://api.mailgun.net\"",
                "Where the API is; https://api.eu.mailgun.net for domains in the EU region.",
            ),
            CA_CERTIFICATES,
            CONNECT_TIMEOUT,
            TIMEOUT,
        ],
    },
    SenderKind {
        name: "webhook",
        doc: "Your own service, called with a signed POST (Standard Webhooks).",
        keys: &[
            Key::required("url", Kind::Text, "\"https://mailer.example.com/passlink\"", "The address to call; https."),
            Key::required(
                "secret",
                Kind::Text,
                "\"whsec_…\"",
                "The signing secret both sides know: whsec_ and the base64 of 24 to 64 random bytes.",
            )
            .secret(),
            Key::new("allow_loopback_http", Kind::Flag, "false", "Allow an http address on this machine."),
            Key::new(
                "allow_private_addresses",
                Kind::Flag,
                "false",
                "Allow private addresses: whoever can set the DNS entry of the address can then reach services inside.",
            ),
            CA_CERTIFICATES,
            CONNECT_TIMEOUT,
            Key::new("timeout", Kind::Duration, "\"5s\"", "How long one attempt may take in all, at most 15s."),
        ],
    },
];

/// Every key any kind of sender has.
pub fn all_keys() -> impl Iterator<Item = &'static Key> {
    std::iter::once(&KIND).chain(KINDS.iter().flat_map(|kind| kind.keys))
}

/// The senders that were declared.
#[derive(Debug, Default)]
pub struct Senders {
    /// Every declared name and `inbox`, also of those whose settings have problems: apps may name them.
    pub names: BTreeSet<String>,
    /// Those that are sound.
    pub settings: BTreeMap<String, SenderSettings>,
}

pub(super) fn read_all(sections: BTreeMap<String, Section>, problems: &mut Problems) -> Senders {
    let mut senders = Senders { names: BTreeSet::from([INBOX.to_owned()]), ..Senders::default() };
    for (name, section) in sections {
        if name == INBOX {
            problems
                .note(&section.place, "[senders.inbox] cannot be declared: \"inbox\" is the built-in inbox; choose another name");
            continue;
        }
        if let Some(settings) = read_one(&name, section, problems) {
            senders.settings.insert(name.clone(), settings);
        }
        senders.names.insert(name);
    }
    senders
}

fn read_one(name: &str, mut section: Section, problems: &mut Problems) -> Option<SenderSettings> {
    let before = problems.0.len();
    let chosen = section.given.get(KIND.name).and_then(|given| KINDS.iter().find(|kind| Some(kind.name) == given.value.as_str()));
    let Some(kind) = chosen else {
        // Without a kind no other key can be judged.
        section.given.retain(|key, _| key == KIND.name);
        Settled::new(section, [&KIND], problems);
        return None;
    };
    let settled = Settled::new(section, std::iter::once(&KIND).chain(kind.keys), problems);
    if problems.0.len() > before {
        return None;
    }
    let refused = |problems: &mut Problems, place: &Place, why: &str| problems.note(place, format!("{} {why}", settled.name()));
    let settings = match SenderSettings::deserialize(toml::Value::Table(settled.table())) {
        Ok(settings) => settings,
        Err(error) => {
            refused(problems, settled.place(KIND.name), error.message());
            return None;
        }
    };
    if let Err(invalid) = passlink_delivery::build(name, settings.clone()) {
        problems.note(settled.place(invalid.setting), format!("{}.{} {}", settled.name(), invalid.setting, invalid.advice));
        return None;
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables here and the structs of the senders must not drift apart.
    #[test]
    fn every_key_is_one_the_sender_reads() {
        for kind in KINDS {
            let mut table = toml::Table::from_iter([("kind".to_owned(), toml::Value::from(kind.name))]);
            for key in kind.keys {
                table.insert(key.name.to_owned(), crate::config::key::literal(key.shown_text()).expect(key.name));
            }
            let read = SenderSettings::deserialize(toml::Value::Table(table.clone()));
            assert!(read.is_ok(), "{}: {:?}", kind.name, read.err());
            for key in kind.keys {
                let mut wrong = table.clone();
                wrong.insert(key.name.to_owned(), toml::Value::Array(Vec::new()));
                assert!(
                    SenderSettings::deserialize(toml::Value::Table(wrong)).is_err(),
                    "{} does not read {}",
                    kind.name,
                    key.name
                );
            }
        }
    }
}
