//! The server's own secret, and what is derived from it: the key of stored hashes, the key of codes, and the sealing of what must
//! be read back (queued mail, private signing keys). It never enters the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};

use crate::error::{Error, Result};
use crate::ids::LinkId;
use crate::ports::Entropy;
use crate::secret::{Token, TokenHash};

/// Keys derived from the server secret (HKDF-SHA-256, RFC 5869), one per use.
pub struct ServerKeys {
    tokens: hmac::Key,
    codes: hmac::Key,
    credentials: hmac::Key,
    pages: hmac::Key,
    seal: LessSafeKey,
}

impl std::fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerKeys(…)")
    }
}

impl ServerKeys {
    /// The shortest server secret accepted, in bytes.
    pub const SHORTEST_SECRET: usize = 32;

    /// Derives all keys.
    ///
    /// # Errors
    /// `Invalid` naming `server.secret` when it is shorter than 32 bytes.
    pub fn derive(secret: &[u8]) -> Result<Self> {
        if secret.len() < Self::SHORTEST_SECRET {
            return Err(Error::invalid("server.secret", "must be at least 32 bytes"));
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"passlink server secret v1").extract(secret);
        let expand = |label: &'static str| -> Result<[u8; 32]> {
            let mut key = [0; 32];
            let info = [label.as_bytes()];
            root.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).map_err(Error::internal)?;
            Ok(key)
        };
        let mac = |label| expand(label).map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key));
        let seal = UnboundKey::new(&AES_256_GCM, &expand("seal")?).map_err(Error::internal)?;
        Ok(Self {
            tokens: mac("tokens")?,
            codes: mac("codes")?,
            credentials: mac("credentials")?,
            pages: mac("pages")?,
            seal: LessSafeKey::new(seal),
        })
    }

    /// The key under which a token is stored.
    pub fn token_hash(&self, token: &Token) -> TokenHash {
        token.hash(&self.tokens)
    }

    /// The stored form of a code: bound to its link, so that equal codes of two links differ.
    pub fn code_hash(&self, link: LinkId, code: &str) -> Vec<u8> {
        sign(&self.codes, &[b"code", link.as_bytes(), code.as_bytes()])
    }

    /// The two digits (10 to 99) that the requester's screen shows and the person repeats elsewhere. Derived, so not stored.
    pub fn number(&self, link: LinkId) -> u8 {
        let tag = sign(&self.codes, &[b"number", link.as_bytes()]);
        10 + (u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]) % 90) as u8
    }

    /// The stored form of a client secret.
    pub fn credential_hash(&self, client_id: &str, secret: &str) -> Vec<u8> {
        sign(&self.credentials, &[b"client", client_id.as_bytes(), secret.as_bytes()])
    }

    /// A keyed digest for look-ups and comparisons that must not be computable by others (`purpose` separates the uses).
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut all = vec![purpose.as_bytes()];
        all.extend_from_slice(parts);
        sign(&self.pages, &all)
    }

    /// Encrypts what must be read back, bound to `context` (AES-256-GCM, 96-bit random nonce in front).
    ///
    /// # Errors
    /// `Unavailable` when the random generator fails.
    pub fn seal(&self, entropy: &dyn Entropy, context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; 12];
        entropy.fill(&mut nonce).map_err(Error::unavailable)?;
        let mut sealed = plain.to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(Error::internal)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Reads what [`ServerKeys::seal`] made.
    ///
    /// # Errors
    /// `Internal` when it was sealed with another server secret or for another context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(12).ok_or_else(|| Error::internal("a sealed value is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
        let mut plain = body.to_vec();
        let length = self
            .seal
            .open_in_place(nonce, Aad::from(context), &mut plain)
            .map_err(|_| Error::internal("a sealed value does not open: was the server secret changed?"))?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// HMAC over parts with their lengths, so that no two lists of parts collide.
fn sign(key: &hmac::Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}
