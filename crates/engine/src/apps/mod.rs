//! Apps (tenants), their policy and their clients. All dialects share one app's users, links and sessions.

pub mod directory;
pub mod manage;
pub mod store;
pub mod tokens;

use serde::{Deserialize, Serialize};

use crate::caller::Scopes;
use crate::email_address::EmailAddress;
use crate::ids::AppId;
use crate::limits::Limit;
use crate::redirects::{AllowList, AllowedOrigin, LandingUrl, Origin, RelativePath};
use crate::secret::AppTag;
use crate::time::{Lifetime, Timestamp};
use crate::users::schema::Schema;
use crate::users::write::UserIdFormat;

/// A tenant.
#[derive(Clone, Debug)]
pub struct App {
    /// The public id.
    pub id: AppId,
    /// The five public bytes in its tokens.
    pub tag: AppTag,
    /// The operator's name for it: lower-case letters, digits and dashes; unique.
    pub name: String,
    /// Everything an operator can set.
    pub settings: AppSettings,
    /// When it was made; the oldest app is the default app.
    pub created_at: Timestamp,
}

impl App {
    /// What people see: the display name, else the name.
    pub fn display_name(&self) -> &str {
        self.settings.display_name.as_deref().unwrap_or(&self.name)
    }

    /// Where browsers may be sent.
    pub fn allow_list(&self) -> AllowList {
        AllowList::new(self.settings.allowed_origins.clone(), self.settings.native)
    }

    /// Whether a browser may be sent to this origin.
    pub fn allows(&self, origin: &Origin) -> bool {
        self.allow_list().allows(origin)
    }

    /// The path on an allowed origin that receives sign-ins.
    pub fn callback_path(&self) -> Option<RelativePath> {
        RelativePath::parse(&self.settings.callback_path)
    }

    /// Whether a dialect is served for this app.
    pub fn speaks(&self, dialect: &str) -> bool {
        !self.settings.dialects_off.iter().any(|off| off == dialect)
    }
}

/// What a GET of a link does (`decisions.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Opening {
    /// It shows a page and changes nothing; a person's POST redeems.
    #[default]
    Confirm,
    /// It redeems: mail scanners that follow links will burn them.
    Immediate,
}

/// What another browser than the requester's may do with a link (`decisions.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    /// Approve after repeating the number on the requester's screen, or type the code.
    #[default]
    Number,
    /// Redeem like the requester's own.
    Open,
    /// Nothing but type the code.
    Refuse,
}

/// Whether addresses without a user may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SignUp {
    /// A user comes to be at the first redemption.
    #[default]
    Open,
    /// Unknown addresses get no mail; the answer is the same.
    Closed,
}

/// How `expires_in` of a client's token is to be read: vendors disagree with RFC 6749.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum TokenExpiry {
    /// The instant of its end, in seconds since 1970, as a vendor documents it.
    #[default]
    Timestamp,
    /// Seconds from now (RFC 6749 5.1).
    Seconds,
}

/// What becomes of the sessions that were handed off by one that is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum HandoffRevocation {
    /// They end with it, and theirs with them.
    #[default]
    Cascade,
    /// They go on; each is ended by itself.
    Independent,
}

/// What an operator can set for one app. Every field has a default, so stored settings of older versions stay readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSettings {
    /// The name people see on pages and in mails.
    pub display_name: Option<String>,
    /// An https address of a logo.
    pub logo_url: Option<String>,
    /// The accent colour, `#rrggbb`.
    pub colour: String,
    /// Hosts of calls without credentials that belong to this app.
    pub hosts: Vec<String>,
    /// Where browsers may be sent.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Where they are sent when a request names no origin.
    pub default_origin: Option<String>,
    /// Loopback addresses with any port are allowed too (native apps).
    pub native: bool,
    /// The path on the origin that receives a sign-in.
    pub callback_path: String,
    /// The query parameter that carries the place inside the app.
    pub next_parameter: String,
    /// Pages of the app that receive the token of a mailed client's link when a user signs in; the first one by default.
    pub sign_in_urls: Vec<LandingUrl>,
    /// The same for new users.
    pub sign_up_urls: Vec<LandingUrl>,
    /// The same for invitations.
    pub invite_urls: Vec<LandingUrl>,
    /// Answers for links that clients deliver themselves also hold an address of ours, where a page asks the person before it leads on.
    pub page_for_client_links: bool,
    /// Well-known tokens, addresses and codes of a vendor's sandbox answer as theirs do: for test projects only.
    pub sandbox: bool,
    /// What a GET of a link does.
    pub opening: Opening,
    /// What another browser than the requester's may do.
    pub elsewhere: Elsewhere,
    /// Whether unknown addresses may sign in.
    pub sign_up: SignUp,
    /// The fields that the app keeps about each person, when they are not the usual ones.
    pub schema: Option<Schema>,
    /// The form of the ids of new users, where a request does not say.
    pub user_id_format: UserIdFormat,
    /// The app's page to which links lead that name none, and below which relative places are.
    pub default_redirect_url: Option<String>,
    /// Origins, and schemes of native apps such as `myapp:`, to which links may lead that a client asks for; none listed: anywhere.
    pub client_redirect_origins: Vec<String>,
    /// More audiences in signed access tokens.
    pub audiences: Vec<String>,
    /// iOS apps that open links of this server, such as `ABCDE12345.com.example.app`.
    pub ios_app_ids: Vec<String>,
    /// Android apps that do, as package and SHA-256 fingerprint of their certificate: `com.example.app/AB:CD:…`.
    pub android_apps: Vec<String>,
    /// Where people get the app.
    pub download_url: Option<String>,
    /// Signed refresh tokens work as often as they are shown.
    pub refresh_reuse_allowed: bool,
    /// Whoever asks to sign in an address without a user is told so.
    pub tell_unknown_users: bool,
    /// How long a mailed link and its code live.
    pub link_lifetime: Lifetime,
    /// The longest lifetime a caller may ask for.
    pub link_lifetime_ceiling: Lifetime,
    /// The longest lifetime a client with credentials may ask for.
    pub client_link_lifetime_ceiling: Lifetime,
    /// How many of the newest links of one person work at the same time.
    pub pending_links: u32,
    /// How long a session lives without being refreshed.
    pub session_lifetime: Lifetime,
    /// The longest lifetime a client may give a session.
    pub session_lifetime_ceiling: Lifetime,
    /// How long a link lives that a signed-in person mints for another device.
    pub handoff_lifetime: Lifetime,
    /// How long the session lives that such a link makes; `session_lifetime` when not given.
    pub handoff_session_lifetime: Option<Lifetime>,
    /// What becomes of the sessions that were handed off by one that is ended.
    pub handoff_revocation: HandoffRevocation,
    /// How long an access token lives.
    pub access_token_lifetime: Lifetime,
    /// For how long a repeated refresh gets the same new token again.
    pub refresh_reuse_window: Lifetime,
    /// The sender's name from `[senders.…]`; none means that links are returned to trusted callers only.
    pub sender: Option<String>,
    /// The sender tried when the first one fails.
    pub fallback_sender: Option<String>,
    /// The address mails come from.
    pub from_address: Option<EmailAddress>,
    /// The name mails come from; the display name when not set.
    pub from_name: Option<String>,
    /// Where answers go.
    pub reply_to: Option<EmailAddress>,
    /// How long a request waits for the first attempt to send, so that its failure can be told; none: it does not wait.
    pub wait_for_sending: Option<Lifetime>,
    /// Dialects not served for this app.
    pub dialects_off: Vec<String>,
    /// Requests a client network may make that cost a mail.
    pub limit_per_network: Limit,
    /// Mails one mailbox may get.
    pub limit_per_mailbox: Limit,
    /// Mails the app may send.
    pub limit_per_app: Limit,
    /// Requests a client network may make that are refused for bad input.
    pub limit_refused_per_network: Limit,
    /// Wrong codes that may be tried for one address, over all of its requests.
    pub limit_codes_per_mailbox: Limit,
    /// Tries a client network has at codes, numbers, links and refresh tokens.
    pub limit_attempts_per_network: Limit,
    /// Requests of all clients together, in dialects that count every one.
    pub limit_requests_per_app: Limit,
    /// The same for one group.
    pub limit_requests_per_group: Limit,
    /// How the end of a client's token is told.
    pub token_expiry: TokenExpiry,
    /// Where the app's own server is told of used links and ended sessions, in dialects that do so.
    pub notice_url: Option<String>,
    /// That address may be one of a private network or of this machine.
    pub notice_private_addresses: bool,
    /// Links for other devices, and invitations into groups, that one signed-in person may make.
    pub limit_handoffs_per_user: Limit,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            display_name: None,
            logo_url: None,
            colour: "#3b5bdb".to_owned(),
            hosts: Vec::new(),
            allowed_origins: Vec::new(),
            default_origin: None,
            native: false,
            callback_path: "/auth/callback".to_owned(),
            next_parameter: "next".to_owned(),
            sign_in_urls: Vec::new(),
            sign_up_urls: Vec::new(),
            invite_urls: Vec::new(),
            page_for_client_links: false,
            sandbox: false,
            opening: Opening::default(),
            elsewhere: Elsewhere::default(),
            sign_up: SignUp::default(),
            schema: None,
            user_id_format: UserIdFormat::default(),
            default_redirect_url: None,
            client_redirect_origins: Vec::new(),
            audiences: Vec::new(),
            ios_app_ids: Vec::new(),
            android_apps: Vec::new(),
            download_url: None,
            refresh_reuse_allowed: false,
            tell_unknown_users: false,
            link_lifetime: Lifetime::from_minutes(10),
            link_lifetime_ceiling: Lifetime::from_minutes(60),
            client_link_lifetime_ceiling: Lifetime::from_secs(30 * 86_400),
            pending_links: 3,
            session_lifetime: Lifetime::from_secs(30 * 86_400),
            session_lifetime_ceiling: Lifetime::from_secs(366 * 86_400),
            handoff_lifetime: Lifetime::from_minutes(15),
            handoff_session_lifetime: None,
            handoff_revocation: HandoffRevocation::default(),
            access_token_lifetime: Lifetime::from_minutes(60),
            refresh_reuse_window: Lifetime::from_secs(10),
            sender: None,
            fallback_sender: None,
            from_address: None,
            from_name: None,
            reply_to: None,
            wait_for_sending: None,
            dialects_off: Vec::new(),
            limit_per_network: Limit::new(5, Lifetime::from_minutes(15)),
            limit_per_mailbox: Limit::new(3, Lifetime::from_minutes(15)),
            limit_per_app: Limit::new(600, Lifetime::from_minutes(1)),
            limit_refused_per_network: Limit::new(60, Lifetime::from_minutes(15)),
            limit_codes_per_mailbox: Limit::new(20, Lifetime::from_minutes(60)),
            limit_attempts_per_network: Limit::new(300, Lifetime::from_minutes(5)),
            limit_requests_per_app: Limit::new(300, Lifetime::from_minutes(1)),
            limit_requests_per_group: Limit::new(300, Lifetime::from_minutes(1)),
            token_expiry: TokenExpiry::default(),
            notice_url: None,
            notice_private_addresses: false,
            limit_handoffs_per_user: Limit::new(30, Lifetime::from_minutes(15)),
        }
    }
}

impl AppSettings {
    /// The fields that the app keeps about each person.
    pub fn schema(&self) -> &Schema {
        static USUAL: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(Schema::default);
        self.schema.as_ref().unwrap_or(&USUAL)
    }

    /// Whether a page is registered to receive tokens.
    pub fn is_landing(&self, url: &LandingUrl) -> bool {
        [&self.sign_in_urls, &self.sign_up_urls, &self.invite_urls].into_iter().flatten().any(|known| known.matches(url))
    }

    /// Checks what one field alone cannot tell.
    ///
    /// # Errors
    /// Every bad setting by its name with what to change.
    pub fn check(&self) -> Result<(), crate::error::Error> {
        let mut bad = Vec::new();
        let mut note = |field: &str, message: &str| {
            bad.push(crate::error::FieldError::new(field, message));
        };
        if RelativePath::parse(&self.callback_path).is_none() {
            note("callback_path", "must be a path starting with one \"/\"");
        }
        let parameter_is_plain = self.next_parameter.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if self.next_parameter.is_empty() || !parameter_is_plain {
            note("next_parameter", "must be letters, digits, \"_\" or \"-\"");
        }
        if self.colour.len() != 7 || !self.colour.starts_with('#') || !self.colour[1..].bytes().all(|b| b.is_ascii_hexdigit()) {
            note("colour", "must be a colour such as \"#3b5bdb\"");
        }
        if self.logo_url.as_deref().is_some_and(|logo| {
            url::Url::parse(logo).ok().and_then(|u| Origin::of(&u)).is_none_or(|o| o.scheme() != "https" && !o.is_loopback())
        }) {
            note("logo_url", "must be an https address");
        }
        let may_be_told = |url: &str| {
            let origin = url::Url::parse(url).ok().and_then(|url| Origin::of(&url));
            origin.is_some_and(|origin| origin.scheme() == "https" || (self.notice_private_addresses && origin.is_loopback()))
        };
        if self.notice_url.as_deref().is_some_and(|url| !may_be_told(url)) {
            note("notice_url", "must be an https URL (http only for this machine, with notice_private_addresses)");
        }
        match self.default_origin.as_deref().map(Origin::parse) {
            Some(None) => note("default_origin", "must be an origin such as https://app.example.com"),
            Some(Some(origin)) if !AllowList::new(self.allowed_origins.clone(), self.native).allows(&origin) => {
                note("default_origin", "must be one of allowed_origins");
            }
            _ => {}
        }
        if let Some(Err(field)) = self.schema.as_ref().map(Schema::check) {
            note("schema", &field.message);
        }
        if self.default_redirect_url.as_deref().is_some_and(|url| base_url(url).is_none()) {
            note("default_redirect_url", "must be an https address without query and fragment");
        }
        if self.client_redirect_origins.iter().any(|entry| crate::redirects::client_target_entry(entry).is_none()) {
            note("client_redirect_origins", "must be origins such as https://app.example.com or schemes such as myapp:");
        }
        if self.pending_links == 0 || self.pending_links > 100 {
            note("pending_links", "must be from 1 to 100");
        }
        if self.link_lifetime > self.link_lifetime_ceiling {
            note("link_lifetime", "must not be longer than link_lifetime_ceiling");
        }
        if self.handoff_lifetime > self.link_lifetime_ceiling {
            note("handoff_lifetime", "must not be longer than link_lifetime_ceiling");
        }
        if self.handoff_session_lifetime.is_some_and(|lifetime| lifetime > self.session_lifetime_ceiling) {
            note("handoff_session_lifetime", "must not be longer than session_lifetime_ceiling");
        }
        if self.session_lifetime > self.session_lifetime_ceiling {
            note("session_lifetime", "must not be longer than session_lifetime_ceiling");
        }
        if self.access_token_lifetime > self.session_lifetime {
            note("access_token_lifetime", "must not be longer than session_lifetime");
        }
        if self.sender.is_some() && self.from_address.is_none() {
            note("from_address", "is required when there is a sender");
        }
        if self
            .from_name
            .as_deref()
            .into_iter()
            .chain(self.display_name.as_deref())
            .any(|name| name.chars().any(char::is_control) || name.len() > 200)
        {
            note("display_name", "must be one line of at most 200 bytes");
        }
        if bad.is_empty() { Ok(()) } else { Err(crate::error::Error::invalid_fields(bad)) }
    }
}

/// An http(s) address without query and fragment, to which relative places are appended.
pub(crate) fn base_url(text: &str) -> Option<url::Url> {
    let url = url::Url::parse(text).ok()?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (is_plain && matches!(url.scheme(), "http" | "https")).then_some(url)
}

/// A caller's credentials: the public id, a hash of the secret, and what they allow.
#[derive(Clone, Debug)]
pub struct Client {
    /// The public id, unique on the server.
    pub client_id: String,
    /// Of which app.
    pub app: AppId,
    /// Keyed hash of the secret.
    pub secret_hash: Vec<u8>,
    /// What it may do.
    pub scopes: Scopes,
    /// The operator's note.
    pub label: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When the operator revoked it.
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_settings_are_sound_and_survive_storage() {
        let settings = AppSettings::default();
        assert!(settings.check().is_ok());
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<AppSettings>(&text).unwrap(), settings);
        assert_eq!(serde_json::from_str::<AppSettings>("{}").unwrap(), settings);
    }

    #[test]
    fn every_bad_setting_is_named() {
        let settings = AppSettings {
            colour: "red".into(),
            callback_path: "//evil".into(),
            pending_links: 0,
            default_origin: Some("https://not.listed".into()),
            sender: Some("smtp".into()),
            link_lifetime: Lifetime::from_minutes(90),
            ..AppSettings::default()
        };
        let Err(error) = settings.check() else { panic!("accepted") };
        let crate::error::ErrorKind::Invalid(fields) = error.kind() else { panic!("{error:?}") };
        let named: Vec<&str> = fields.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(named, ["callback_path", "colour", "default_origin", "pending_links", "link_lifetime", "from_address"]);
    }
}
