//! The settings of a mail server.

use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use serde::Deserialize;

use crate::settings::{self, InvalidSettings};

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS from the first byte; port 465.
    Tls,
    /// Clear text until STARTTLS, which must succeed before anything else is said; port 587.
    #[default]
    StartTls,
    /// Clear text; port 25. Only to this machine, unless `allow_plain_text_to_remote_hosts` is set.
    Plain,
}

/// A mail server that takes our mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Host name or address of the mail server. Its certificate must be valid for exactly this name.
    pub host: String,
    /// Port; by default 465, 587 or 25, according to `security`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `tls`, `starttls` (default) or `plain`.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// User name, if the server wants one; then `password` is needed too.
    #[serde(default)]
    pub username: Option<String>,
    /// Password for `username`.
    #[serde(default, deserialize_with = "settings::optional_secret")]
    pub password: Option<Secret>,
    /// The name we greet with (EHLO); by default this machine's host name.
    #[serde(default)]
    pub helo_name: Option<String>,
    /// Certificates (PEM) of authorities to trust besides the system's.
    #[serde(default)]
    pub ca_certificates: Option<String>,
    /// How many connections are open at most; they are kept and used again. Default 4.
    #[serde(default = "four")]
    pub pool_size: u16,
    /// With `security = "plain"`: send mail, links and the password readable for everyone on the way to another machine.
    #[serde(default)]
    pub allow_plain_text_to_remote_hosts: bool,
    /// How long connecting may take. Default 5s.
    #[serde(default = "settings::five_seconds")]
    pub connect_timeout: Lifetime,
    /// How long one attempt may take in all. Default 15s, and not more.
    #[serde(default = "settings::fifteen_seconds")]
    pub timeout: Lifetime,
}

const fn four() -> u16 {
    4
}

impl SmtpSettings {
    /// The defaults for this host.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            security: SmtpSecurity::default(),
            username: None,
            password: None,
            helo_name: None,
            ca_certificates: None,
            pool_size: four(),
            allow_plain_text_to_remote_hosts: false,
            connect_timeout: settings::five_seconds(),
            timeout: settings::fifteen_seconds(),
        }
    }

    /// The given port, or the usual one.
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::Plain => 25,
        })
    }

    /// Refuses what cannot work or would be unsafe without saying so.
    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        let host = self.host.as_str();
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b)) {
            return Err(InvalidSettings::new("host", "must be a host name or an address, without scheme, port or brackets"));
        }
        if self.security == SmtpSecurity::Plain && !self.allow_plain_text_to_remote_hosts && !settings::is_loopback(host) {
            let advice = format!(
                "is `plain`, but {host} is another machine; use `starttls` or `tls`, or set \
                 `allow_plain_text_to_remote_hosts = true` if everyone on the way may read the links"
            );
            return Err(InvalidSettings::new("security", advice));
        }
        match (&self.username, &self.password) {
            (Some(_), None) => return Err(InvalidSettings::new("password", "is missing; `username` is set")),
            (None, Some(_)) => return Err(InvalidSettings::new("username", "is missing; `password` is set")),
            (Some(name), _) if name.is_empty() || name.chars().any(char::is_control) => {
                return Err(InvalidSettings::new("username", "is empty or contains a control character"));
            }
            (_, Some(password)) if password.expose().is_empty() || password.expose().chars().any(char::is_control) => {
                return Err(InvalidSettings::new("password", "is empty or contains a line break; copy it again"));
            }
            _ => {}
        }
        let helo_fits =
            |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
        if self.helo_name.as_ref().is_some_and(|name| !helo_fits(name)) {
            return Err(InvalidSettings::new("helo_name", "must be a host name such as mail.example.com"));
        }
        if self.pool_size == 0 {
            return Err(InvalidSettings::new("pool_size", "must be at least 1"));
        }
        Ok(())
    }
}
