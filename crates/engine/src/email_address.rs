//! E-mail addresses: one canonical form, used to compare, to store and to send.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A mail address in canonical form: dot-atom local part in lower case, `@`, and a lower-case A-label domain with a dot.
///
/// Plus tags and dots are kept; only letter case is folded (the identity rule of `security.md` 28). Parsing a canonical address
/// gives the same address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why a text is no [`EmailAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmailAddress {
    /// Nothing was given.
    #[error("An e-mail address is required")]
    Empty,
    /// Longer than RFC 5321 allows: 64 bytes before the `@`, 254 in all.
    #[error("This e-mail address is too long")]
    TooLong,
    /// Not of the form we accept.
    #[error("This is not a valid e-mail address")]
    Malformed,
}

impl EmailAddress {
    /// Reads an address as a person may type it: blanks around it and letter case do not matter.
    ///
    /// # Errors
    /// [`InvalidEmailAddress`] for everything but a dot-atom local part of ASCII characters and a domain that strict UTS 46 accepts and
    /// that has a dot. Quotes, comments, lists, address literals, control, bidirectional and invisible characters are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        use InvalidEmailAddress::{Empty, Malformed, TooLong};
        // Only the blanks that a person types or pastes around it: stripping more (a line end, U+2028) would repair hostile input.
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(Empty);
        }
        if text.len() > 1024 {
            return Err(TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(Malformed)?;
        // RFC 5321 4.1.2 dot-string; the local part is ASCII because many providers refuse SMTPUTF8.
        if local.is_empty() || !local.bytes().all(is_atext_or_dot) || local.split('.').any(str::is_empty) {
            return Err(Malformed);
        }
        // Only what a person would type as a domain reaches IDNA: no full stop but U+002E, no control or invisible character.
        if domain.chars().any(|c| {
            c.is_control() || matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}') || is_invisible(c) || is_compatibility(c)
        }) {
            return Err(Malformed);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| Malformed)?;
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if local.len() > 64 || address.len() > 254 {
            return Err(TooLong);
        }
        let labels: Vec<&str> = domain.split('.').collect();
        let tld_is_numeric = labels.last().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
        if labels.len() < 2 || tld_is_numeric || labels.iter().any(|l| l.is_empty() || l.len() > 63) {
            return Err(Malformed);
        }
        // A second opinion from a library that knows the grammar.
        let options = email_address::Options::default().with_required_tld().without_domain_literal().without_display_text();
        email_address::EmailAddress::parse_with_options(&address, options).map_err(|_| Malformed)?;
        Ok(Self(address))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, d)| d)
    }

    /// A hint that its owner recognises and a stranger cannot use: `a•••@e•••.com`.
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        let (name, suffix) = domain.rsplit_once('.').unwrap_or((domain, ""));
        let first = |s: &str| s.chars().next().map(String::from).unwrap_or_default();
        format!("{}•••@{}•••.{suffix}", first(local), first(name))
    }
}

fn is_atext_or_dot(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

/// Characters without a glyph of their own, which UTS 46 would drop silently.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Characters that UTS 46 would silently turn into plain ASCII letters: a look-alike must not become the real domain.
fn is_compatibility(c: char) -> bool {
    matches!(c, '\u{ff00}'..='\u{ffef}' | '\u{212a}' | '\u{212b}' | '\u{17f}' | '\u{2100}'..='\u{214f}' | '\u{2460}'..='\u{24ff}' | '\u{1d400}'..='\u{1d7ff}')
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmailAddress;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    /// Masked: addresses reach logs through `Debug` more often than anybody intends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}
