//! `[apps.<name>]` and `[[apps.<name>.clients]]`: made or changed at every start, so that the file decides.

use std::collections::{BTreeMap, BTreeSet};

use passlink_engine::ErrorKind;
use passlink_engine::apps::AppSettings;
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::Scopes;
use passlink_engine::secret::Secret;
use serde::Deserialize;

use super::document::{AppSections, Section};
use super::key::Key;
use super::kind::{Kind, instant};
use super::problem::{Problems, nearest};
use super::settled::Settled;

/// The keys of an app: the fields of [`AppSettings`], with its defaults.
pub const KEYS: &[Key] = &[
    Key::optional(
        "display_name",
        Kind::Text,
        "\"Example\"",
        "The name people see on pages and in mails; by default the app's name.",
    ),
    Key::optional("logo_url", Kind::Text, "\"https://app.example.com/logo.png\"", "An https address of a logo."),
    Key::new("colour", Kind::Text, "\"#3b5bdb\"", "The accent colour."),
    Key::new("hosts", Kind::Texts, "[]", "Host names whose calls without credentials belong to this app."),
    Key::new(
        "allowed_origins",
        Kind::AllowedOrigins,
        "[]",
        "Where browsers may be sent, such as \"https://app.example.com\" or \"https://*.example.com\".",
    ),
    Key::optional(
        "default_origin",
        Kind::Origin,
        "\"https://app.example.com\"",
        "Where they are sent when a request names no origin.",
    ),
    Key::new("native", Kind::Flag, "false", "Allow loopback addresses with any port too, for apps on people's own machines."),
    Key::new("callback_path", Kind::Text, "\"/auth/callback\"", "The path on the origin that receives a sign-in."),
    Key::new("next_parameter", Kind::Text, "\"next\"", "The query parameter that carries the place inside the app."),
    Key::new(
        "sign_in_urls",
        Kind::LandingUrls,
        "[]",
        "Pages of the app that receive the token of a link that a client has us mail; matched as a whole. The first one is the default.",
    ),
    Key::new("sign_up_urls", Kind::LandingUrls, "[]", "The same for users who sign in for the first time."),
    Key::new("invite_urls", Kind::LandingUrls, "[]", "The same for invitations."),
    Key::new(
        "page_for_client_links",
        Kind::Flag,
        "false",
        "Links that a client delivers itself also get an address of ours, where a page asks the person before it leads on to the first of sign_in_urls.",
    ),
    Key::new(
        "sandbox",
        Kind::Flag,
        "false",
        "Answer a vendor's public test tokens, addresses and codes as theirs does, in test projects. They are public: for tests only.",
    ),
    Key::new(
        "opening",
        Kind::Choice(&["confirm", "immediate"]),
        "\"confirm\"",
        "What opening a link does: show a page with a button, or sign in at once (mail scanners will then use links up).",
    ),
    Key::new(
        "elsewhere",
        Kind::Choice(&["number", "open", "refuse"]),
        "\"number\"",
        "What another browser than the one that asked may do: approve by repeating a number, sign in itself, or nothing.",
    ),
    Key::new("sign_up", Kind::Choice(&["open", "closed"]), "\"open\"", "Whether addresses without a user may sign in."),
    Key::optional(
        "schema",
        Kind::Schema,
        "{ email = {}, phone_number = {}, first_name = {}, last_name = {}, plan = { type = \"string\", owned_by = \"app\" } }",
        "The fields that the app keeps about each person, instead of email, phone_number, first_name, last_name and google_id.",
    ),
    Key::new(
        "user_id_format",
        Kind::Choice(&["own", "uuid", "objectid"]),
        "\"own\"",
        "The form of the ids of new users, where a request does not say.",
    ),
    Key::optional(
        "default_redirect_url",
        Kind::Text,
        "\"https://app.example.com\"",
        "The app's page to which clients' links lead that name none, and below which relative places are.",
    ),
    Key::new(
        "client_redirect_origins",
        Kind::Texts,
        "[]",
        "Origins, and schemes of native apps such as \"myapp:\", to which clients' links may lead; none listed: anywhere.",
    ),
    Key::new("audiences", Kind::Texts, "[]", "More audiences in signed access tokens."),
    Key::new(
        "ios_app_ids",
        Kind::Texts,
        "[]",
        "Native apps of iOS that open links of this server, such as \"ABCDE12345.com.example.app\".",
    ),
    Key::new(
        "android_apps",
        Kind::Texts,
        "[]",
        "Native apps of Android that do, as package and SHA-256 fingerprint of their certificate: \"com.example.app/AB:CD:…\".",
    ),
    Key::optional("download_url", Kind::Text, "\"https://app.example.com/download\"", "Where people get the app."),
    Key::new("refresh_reuse_allowed", Kind::Flag, "false", "Signed refresh tokens work as often as they are shown."),
    Key::new(
        "tell_unknown_users",
        Kind::Flag,
        "false",
        "Whoever asks to sign in an address without a user is told so; it tells strangers who has an account.",
    ),
    Key::new("link_lifetime", Kind::Duration, "\"10m\"", "How long a mailed link and its code live."),
    Key::new("link_lifetime_ceiling", Kind::Duration, "\"1h\"", "The longest lifetime a caller may ask for."),
    Key::new(
        "client_link_lifetime_ceiling",
        Kind::Duration,
        "\"30d\"",
        "The longest lifetime of a link that a client with credentials may ask for.",
    ),
    Key::new("pending_links", Kind::Whole(1, 100), "3", "How many of the newest links of one person work at the same time."),
    Key::new("session_lifetime", Kind::Duration, "\"30d\"", "How long a session lives without being refreshed."),
    Key::new(
        "session_lifetime_ceiling",
        Kind::Duration,
        "\"366d\"",
        "The longest lifetime that a client with credentials may give a session.",
    ),
    Key::new(
        "handoff_lifetime",
        Kind::Duration,
        "\"15m\"",
        "How long a link lives that a signed-in person mints for another device, as a QR code.",
    ),
    Key::optional(
        "handoff_session_lifetime",
        Kind::Duration,
        "\"7d\"",
        "How long the session lives that such a link makes; session_lifetime when not given.",
    ),
    Key::new(
        "handoff_revocation",
        Kind::Choice(&["cascade", "independent"]),
        "\"cascade\"",
        "When a session ends, those it was handed on to from there end with it, or go on by themselves.",
    ),
    Key::new("access_token_lifetime", Kind::Duration, "\"1h\"", "How long an access token lives."),
    Key::new("refresh_reuse_window", Kind::Duration, "\"10s\"", "For how long a repeated refresh gets the same new token again."),
    Key::optional(
        "sender",
        Kind::Text,
        "\"mail\"",
        "The sender, by its name; without one, links are only returned to trusted callers.",
    ),
    Key::optional("fallback_sender", Kind::Text, "\"other-mail\"", "The sender tried when the first one fails."),
    Key::optional("from_address", Kind::Email, "\"signin@example.com\"", "The address mails come from."),
    Key::optional("from_name", Kind::Text, "\"Example\"", "The name mails come from; by default the display name."),
    Key::optional("reply_to", Kind::Email, "\"help@example.com\"", "Where answers go."),
    Key::optional(
        "wait_for_sending",
        Kind::Duration,
        "\"3s\"",
        "How long a request waits for the first attempt to send, so that its failure can be told.",
    ),
    Key::new("dialects_off", Kind::Texts, "[]", "Dialects that are not served for this app."),
    Key::new("limit_per_network", Kind::Limit, "\"5 per 15m\"", "Requests a client network may make that cost a mail."),
    Key::new("limit_per_mailbox", Kind::Limit, "\"3 per 15m\"", "Mails one mailbox may get."),
    Key::new("limit_per_app", Kind::Limit, "\"600 per 1m\"", "Mails the app may send."),
    Key::new(
        "limit_refused_per_network",
        Kind::Limit,
        "\"60 per 15m\"",
        "Requests of a client network that may be refused for bad input.",
    ),
    Key::new(
        "limit_codes_per_mailbox",
        Kind::Limit,
        "\"20 per 1h\"",
        "Codes that may be tried for one address by clients, over all of its requests.",
    ),
    Key::new(
        "limit_attempts_per_network",
        Kind::Limit,
        "\"300 per 5m\"",
        "Tries a client network has at codes, numbers, links and refresh tokens.",
    ),
    Key::new(
        "limit_requests_per_app",
        Kind::Limit,
        "\"300 per 1m\"",
        "Requests of all clients of the app together, in dialects that count every one (Asset).",
    ),
    Key::new("limit_requests_per_group", Kind::Limit, "\"300 per 1m\"", "The same for one group (a business)."),
    Key::optional(
        "notice_url",
        Kind::Text,
        "\"https://api.example.com/hooks/passlink\"",
        "Where your server is told of used links and ended sessions by a signed webhook (Asset).",
    ),
    Key::new(
        "notice_private_addresses",
        Kind::Flag,
        "false",
        "Allow that address to be one of a private network or of this machine: whoever sets its DNS entry can then reach services inside.",
    ),
    Key::new(
        "token_expiry",
        Kind::Choice(&["timestamp", "seconds"]),
        "\"timestamp\"",
        "How expires_in of a client's token is told (Asset): as the instant of its end, as they document it, or in seconds (RFC 6749).",
    ),
    Key::new(
        "limit_handoffs_per_user",
        Kind::Limit,
        "\"30 per 15m\"",
        "Links for other devices, and invitations into groups, that one signed-in person may make.",
    ),
];

/// The keys of a client.
pub const CLIENT_KEYS: &[Key] = &[
    Key::required("client_id", Kind::Text, "\"project-live-…\"", "The public id, unique on the server."),
    Key::required("client_secret", Kind::Text, "\"…\"", "The secret, at least 16 characters.").secret(),
    Key::new("scopes", Kind::Text, "\"*\"", "What it may do, separated by spaces; \"*\" is everything."),
    Key::optional("label", Kind::Text, "\"backend\"", "Your own note."),
    Key::optional("expires", Kind::Instant, "\"2027-01-31T00:00:00Z\"", "From when on it is refused."),
];

/// An app with its clients.
#[derive(Clone, Debug)]
pub struct DeclaredApp {
    /// Its settings.
    pub settings: AppSettings,
    /// Its clients.
    pub clients: Vec<SaveClient>,
}

pub(super) fn read_all(
    sections: BTreeMap<String, AppSections>,
    senders: &BTreeSet<String>,
    problems: &mut Problems,
) -> BTreeMap<String, DeclaredApp> {
    let mut client_ids = BTreeSet::new();
    let mut apps = BTreeMap::new();
    for (name, sections) in sections {
        let settled = Settled::new(sections.app, KEYS, problems);
        let settings = read_settings(&settled, senders, problems);
        let clients =
            sections.clients.into_iter().filter_map(|section| read_client(section, &mut client_ids, problems)).collect();
        if let Some(settings) = settings {
            apps.insert(name, DeclaredApp { settings, clients });
        }
    }
    apps
}

fn read_settings(settled: &Settled, senders: &BTreeSet<String>, problems: &mut Problems) -> Option<AppSettings> {
    let settings = match AppSettings::deserialize(toml::Value::Table(settled.table())) {
        Ok(settings) => settings,
        Err(error) => {
            problems.note(settled.place(""), format!("{} {}", settled.name(), error.message()));
            return None;
        }
    };
    if let Err(error) = settings.check()
        && let ErrorKind::Invalid(fields) = error.kind()
    {
        for field in fields {
            problems.note(settled.place(&field.field), format!("{}.{} {}", settled.name(), field.field, field.message));
        }
    }
    for (field, sender) in [("sender", &settings.sender), ("fallback_sender", &settings.fallback_sender)] {
        if let Some(sender) = sender.as_ref().filter(|sender| !senders.contains(*sender)) {
            let near = nearest(sender, senders.iter().map(String::as_str)).unwrap_or_default();
            let message = format!(
                "{}.{field} is \"{sender}\", but there is no [senders.{sender}]; did you mean \"{near}\"?",
                settled.name()
            );
            problems.note(settled.place(field), message);
        }
    }
    Some(settings)
}

fn read_client(section: Section, taken: &mut BTreeSet<String>, problems: &mut Problems) -> Option<SaveClient> {
    let settled = Settled::new(section, CLIENT_KEYS, problems);
    let client_id: String = settled.read("client_id")?;
    if !taken.insert(client_id.clone()) {
        problems
            .note(settled.place("client_id"), format!("{}.client_id \"{client_id}\" is taken by another client", settled.name()));
    }
    Some(SaveClient {
        client_id: Some(client_id),
        client_secret: Some(Secret::new(settled.read("client_secret")?)),
        scopes: Scopes::parse(&settled.read::<String>("scopes")?),
        label: settled.read("label"),
        expires_at: settled.given("expires").and_then(|given| instant(&given.value).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table here and the engine's struct must not drift apart.
    #[test]
    fn the_keys_are_the_fields_of_the_settings_with_their_defaults() {
        let serde_json::Value::Object(fields) = serde_json::to_value(AppSettings::default()).unwrap() else {
            panic!("no object")
        };
        for (name, default) in &fields {
            let key = KEYS.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("{name} is not among the keys"));
            let told = key.default_value().map_or(serde_json::Value::Null, |value| serde_json::to_value(value).unwrap());
            assert_eq!(&told, default, "the default of {name}");
        }
        for key in KEYS {
            assert!(fields.contains_key(key.name), "{} is no field of the settings", key.name);
        }
    }
}
