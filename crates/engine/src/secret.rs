//! Secrets as types: [`Secret`] hides its value, [`Token`] is what a person or client holds, [`TokenHash`] is what is stored.
//!
//! A token is `<prefix><base64url of 42 bytes>`: one byte of kind, four bytes of coarse public time (units of 16 ms), five bytes naming the
//! app, and 32 bytes from the operating system's generator. Time and app are public: they let stored keys sort by time
//! and let a link without credentials find its app. Only the 32 random bytes are secret.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::radix;
use crate::time::Timestamp;

/// A value that never prints and is wiped when dropped. It has no `Debug` of its value, no `Display` and no `PartialEq`.
///
/// ```compile_fail
/// let a = passlink_engine::secret::Secret::new("a".to_owned());
/// println!("{a}");
/// ```
/// ```compile_fail
/// let a = passlink_engine::secret::Secret::new("a".to_owned());
/// let b = passlink_engine::secret::Secret::new("a".to_owned());
/// assert!(a == b);
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text into custody.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The plain text, for the one place that must hand it out.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether two stored forms are the same, in constant time.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// What a token is for. Part of its text and of its hash, so that one kind never works as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TokenKind {
    /// The secret of a link that signs in.
    SignInLink = 1,
    /// The secret of a link that invites.
    InviteLink = 2,
    /// The secret of a link that proves an address.
    VerifyLink = 3,
    /// The secret of a link that only redirects.
    RedirectLink = 4,
    /// The secret of a link that signs in for a group, without a user.
    GroupLink = 5,
    /// An opaque session token (the browser's own session cookie, or a dialect's opaque access token).
    Session = 16,
    /// A refresh token.
    Refresh = 17,
    /// A code by which an app's server gets hold of a session that a browser was sent to it with; used once, within a minute.
    SessionCode = 18,
    /// The requester's own proof: the cookie of the browser that asked for a link.
    Browser = 32,
}

impl TokenKind {
    /// The visible prefix by which secret scanners recognise the token.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::SignInLink | Self::InviteLink | Self::VerifyLink | Self::RedirectLink | Self::GroupLink => "plk_",
            Self::Session => "pls_",
            Self::Refresh => "plr_",
            Self::SessionCode => "plc_",
            Self::Browser => "plb_",
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::SignInLink,
            2 => Self::InviteLink,
            3 => Self::VerifyLink,
            4 => Self::RedirectLink,
            5 => Self::GroupLink,
            16 => Self::Session,
            17 => Self::Refresh,
            18 => Self::SessionCode,
            32 => Self::Browser,
            _ => return None,
        })
    }
}

/// The five public bytes by which a token names its app.
pub type AppTag = [u8; 5];

const PAYLOAD: usize = 42;
const TEXT: usize = 56;

/// A plain token, held by a client or a person and never stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token {
    #[zeroize(skip)]
    kind: TokenKind,
    #[zeroize(skip)]
    moment: u32,
    #[zeroize(skip)]
    app: AppTag,
    #[zeroize(skip)]
    form: Form,
    random: [u8; 32],
}

/// How a token is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With prefix, kind and app.
    Whole,
    /// Coarse time and [`COMPACT_RANDOM`] random bytes, 44 characters: where a contract fixes the length. Kind and app are known from where it is shown.
    Compact,
    /// Everything of the whole form but [`ALPHANUMERIC_RANDOM`] random bytes, in 41 letters and digits: where nothing else may stand in a path.
    Alphanumeric,
    /// A UUID of 122 random bits, which stands in a signed token (`jti`) that also tells the time, to the second; kind and app are known.
    Id,
}

/// The random bytes of a compact token: 232 bits.
const COMPACT_RANDOM: usize = 29;
const COMPACT_TEXT: usize = 44;

/// The random bytes of an alphanumeric token: 160 bits.
const ALPHANUMERIC_RANDOM: usize = 20;
const ALPHANUMERIC_PAYLOAD: usize = 10 + ALPHANUMERIC_RANDOM;
const ALPHANUMERIC_TEXT: usize = 41;

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?})", self.kind)
    }
}

impl Token {
    /// A token of 32 random bytes drawn by the caller from [`crate::ports::Entropy`].
    pub fn new(kind: TokenKind, app: AppTag, now: Timestamp, random: [u8; 32]) -> Self {
        Self { kind, moment: now.as_public_moment(), app, form: Form::Whole, random }
    }

    /// A token of 44 characters and 232 random bits, for contracts that fix the length.
    pub fn compact(kind: TokenKind, app: AppTag, now: Timestamp, mut random: [u8; 32]) -> Self {
        random[COMPACT_RANDOM..].fill(0);
        Self { kind, moment: now.as_public_moment(), app, form: Form::Compact, random }
    }

    /// A token of 41 letters and digits and 160 random bits. Like a whole one it names its kind and app.
    pub fn alphanumeric(kind: TokenKind, app: AppTag, now: Timestamp, mut random: [u8; 32]) -> Self {
        random[ALPHANUMERIC_RANDOM..].fill(0);
        Self { kind, moment: now.as_public_moment(), app, form: Form::Alphanumeric, random }
    }

    /// A token that is the id of a signed token: a UUID (version 4). `at` is the second at which that was signed.
    pub fn id(kind: TokenKind, app: AppTag, at: Timestamp, id: uuid::Uuid) -> Self {
        let mut random = [0; 32];
        random[..16].copy_from_slice(id.as_bytes());
        let second = Timestamp::from_millis(at.as_secs() * 1000);
        Self { kind, moment: second.as_public_moment(), app, form: Form::Id, random }
    }

    /// Reads a token of either form that is shown where only this kind of this app is meant.
    pub fn parse_for(kind: TokenKind, app: AppTag, text: &str) -> Option<Self> {
        if text.len() != COMPACT_TEXT {
            return Self::parse(text).filter(|token| token.kind == kind && token.app == app);
        }
        let mut payload = [0u8; 4 + COMPACT_RANDOM];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut payload).ok()? != payload.len() {
            return None;
        }
        let moment = u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]);
        let mut random = [0; 32];
        random[..COMPACT_RANDOM].copy_from_slice(&payload[4..]);
        payload.zeroize();
        Some(Self { kind, moment, app, form: Form::Compact, random })
    }

    /// What the token is for.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// Whether it is the id of a signed token.
    pub(crate) fn is_id(&self) -> bool {
        self.form == Form::Id
    }

    /// Which app it belongs to.
    pub fn app(&self) -> AppTag {
        self.app
    }

    /// The text to hand out; the only way to see the secret.
    pub fn expose(&self) -> Secret {
        let mut payload = [0u8; PAYLOAD];
        payload[0] = self.kind as u8;
        payload[1..5].copy_from_slice(&self.moment.to_be_bytes());
        payload[5..10].copy_from_slice(&self.app);
        payload[10..].copy_from_slice(&self.random);
        let text = match self.form {
            Form::Whole => format!("{}{}", self.kind.prefix(), URL_SAFE_NO_PAD.encode(payload)),
            Form::Compact => URL_SAFE_NO_PAD.encode([&payload[1..5], &self.random[..COMPACT_RANDOM]].concat()),
            Form::Alphanumeric => radix::encode(&payload[..ALPHANUMERIC_PAYLOAD], radix::BASE62, ALPHANUMERIC_TEXT),
            Form::Id => uuid::Uuid::from_slice(&self.random[..16]).unwrap_or_default().to_string(),
        };
        payload.zeroize();
        Secret(text)
    }

    /// Reads a token, tolerating what mail programs leave behind it: anything after its fixed length that cannot be part of
    /// it (punctuation, quotes, brackets) is passed over. `None` for everything that is not exactly one token.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(token) = Self::parse_alphanumeric(text) {
            return Some(token);
        }
        let body = text.get(4..)?;
        let (body, rest) = (body.get(..TEXT)?, body.get(TEXT..)?);
        if rest.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return None;
        }
        let mut payload = [0u8; PAYLOAD];
        if URL_SAFE_NO_PAD.decode_slice(body, &mut payload).ok()? != PAYLOAD {
            return None;
        }
        let kind = TokenKind::from_byte(payload[0])?;
        if !text.starts_with(kind.prefix()) {
            return None;
        }
        let mut token = Self { kind, moment: 0, app: [0; 5], form: Form::Whole, random: [0; 32] };
        token.moment = u32::from_be_bytes([payload[1], payload[2], payload[3], payload[4]]);
        token.app.copy_from_slice(&payload[5..10]);
        token.random.copy_from_slice(&payload[10..]);
        payload.zeroize();
        Some(token)
    }

    /// The alphanumeric form; what follows it is passed over as by [`Token::parse`].
    fn parse_alphanumeric(text: &str) -> Option<Self> {
        let (body, rest) = (text.get(..ALPHANUMERIC_TEXT)?, text.get(ALPHANUMERIC_TEXT..)?);
        if rest.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return None;
        }
        let mut payload = radix::decode(body, radix::BASE62, ALPHANUMERIC_PAYLOAD)?;
        let kind = TokenKind::from_byte(payload[0])?;
        let mut token = Self { kind, moment: 0, app: [0; 5], form: Form::Alphanumeric, random: [0; 32] };
        token.moment = u32::from_be_bytes([payload[1], payload[2], payload[3], payload[4]]);
        token.app.copy_from_slice(&payload[5..10]);
        token.random[..ALPHANUMERIC_RANDOM].copy_from_slice(&payload[10..]);
        payload.zeroize();
        Some(token)
    }

    /// The key under which this token is stored: its coarse time, then HMAC-SHA-256 over kind, app and random part.
    /// The time in front keeps inserts local in the index (`performance.md`, "What made the difference", 3).
    pub fn hash(&self, key: &hmac::Key) -> TokenHash {
        let mut context = hmac::Context::with_key(key);
        context.update(match self.form {
            Form::Whole => b"passlink token v1".as_slice(),
            Form::Compact => b"passlink compact token v1",
            Form::Alphanumeric => b"passlink alphanumeric token v1",
            Form::Id => b"passlink token id v1",
        });
        context.update(&[self.kind as u8]);
        context.update(&self.app);
        context.update(&self.moment.to_be_bytes());
        context.update(&self.random);
        let mut bytes = [0u8; 36];
        bytes[..4].copy_from_slice(&self.moment.to_be_bytes());
        bytes[4..].copy_from_slice(context.sign().as_ref());
        TokenHash(bytes)
    }
}

/// The stored form of a token: 4 bytes of coarse time and 32 bytes of keyed hash. Useless without the plain token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 36]);

impl TokenHash {
    /// The bytes as stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From stored bytes; `None` when the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(random: u8) -> Token {
        Token::new(TokenKind::SignInLink, *b"abcde", Timestamp::from_millis(1_800_000_000_000), [random; 32])
    }

    #[test]
    fn a_token_survives_what_mail_programs_add() {
        let plain = token(7).expose();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let hash = token(7).hash(&key);
        for tail in ["", ".", ",", ")", ">", "\"", "%3E", "…", "!", " ", ".\n", "&utm_source=x", "?a=b"] {
            let read = Token::parse(&format!("{}{tail}", plain.expose())).expect(tail);
            assert!(read.hash(&key) == hash);
        }
    }

    #[test]
    fn nothing_but_a_whole_token_is_one() {
        let plain = token(7).expose();
        let plain = plain.expose();
        for bad in [
            "",
            "plk_",
            &plain[..59],
            &format!("{plain}A"),
            &format!("{plain}_"),
            &plain.replace("plk_", "pls_"),
            &plain.to_uppercase(),
            "plk_ééééééééééééééééééééééééééééééééééé",
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_compact_token_has_44_characters_and_works_where_it_was_meant() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let compact = Token::compact(TokenKind::Session, *b"abcde", Timestamp::from_millis(1_800_000_000_000), [7; 32]);
        let text = compact.expose();
        assert_eq!(text.expose().len(), 44);
        let read = |kind, app: &[u8; 5]| Token::parse_for(kind, *app, text.expose()).map(|token| token.hash(&key));
        assert!(read(TokenKind::Session, b"abcde") == Some(compact.hash(&key)));
        assert!(read(TokenKind::SignInLink, b"abcde") != Some(compact.hash(&key)));
        assert!(read(TokenKind::Session, b"abcdf") != Some(compact.hash(&key)));
        let whole = token(7).expose();
        assert!(Token::parse_for(TokenKind::SignInLink, *b"abcde", whole.expose()).is_some());
        assert!(Token::parse_for(TokenKind::Session, *b"abcde", whole.expose()).is_none());
        assert!(Token::parse_for(TokenKind::SignInLink, *b"abcdf", whole.expose()).is_none());
        for bad in ["", "a", &"=".repeat(44), &"é".repeat(22), &format!("{}.", &text.expose()[..43])] {
            assert!(Token::parse_for(TokenKind::Session, *b"abcde", bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_alphanumeric_token_is_read_wherever_a_whole_one_is() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let at = Timestamp::from_millis(1_800_000_000_000);
        let made = Token::alphanumeric(TokenKind::SignInLink, *b"abcde", at, [255; 32]);
        let text = made.expose();
        assert_eq!(text.expose().len(), 41);
        assert!(text.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
        for tail in ["", ".", ")", "?a=b", "\n"] {
            let read = Token::parse(&format!("{}{tail}", text.expose())).expect(tail);
            assert!(read.hash(&key) == made.hash(&key) && read.kind() == made.kind() && read.app() == made.app());
        }
        for bad in [&text.expose()[..40], &format!("{}A", text.expose()), &"z".repeat(41), &"é".repeat(41)] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_that_is_an_id_depends_on_its_second() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let id = uuid::Uuid::from_u128(7);
        let at = |millis| Token::id(TokenKind::Refresh, *b"abcde", Timestamp::from_millis(millis), id);
        assert_eq!(at(0).expose().expose(), id.to_string());
        assert!(at(1_800_000_000_999).hash(&key) == at(1_800_000_000_000).hash(&key));
        assert!(at(1_800_000_001_000).hash(&key) != at(1_800_000_000_000).hash(&key));
    }

    #[test]
    fn kind_app_time_and_secret_each_change_the_hash() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let at = Timestamp::from_millis(1_800_000_000_000);
        let all = [
            Token::new(TokenKind::SignInLink, *b"abcde", at, [1; 32]),
            Token::new(TokenKind::InviteLink, *b"abcde", at, [1; 32]),
            Token::new(TokenKind::SignInLink, *b"abcdf", at, [1; 32]),
            Token::new(TokenKind::SignInLink, *b"abcde", at, [2; 32]),
            Token::new(TokenKind::SignInLink, *b"abcde", Timestamp::from_millis(1_800_000_000_016), [1; 32]),
        ];
        let hashes: std::collections::HashSet<_> = all.iter().map(|t| t.hash(&key)).collect();
        assert_eq!(hashes.len(), all.len());
    }
}
