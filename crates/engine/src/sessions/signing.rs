//! Signing keys: made, published, used, retired, removed. Each is parsed once and kept (`performance.md`, 6).
//!
//! A key is published when it is stored, signs from `signs_from` on until a newer one does, and is published on until every token it
//! signed has expired. Private parts are stored sealed with the server secret.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::ids::{AppId, KeyId};
use crate::keys::ServerKeys;
use crate::ports::Entropy;
use crate::time::Timestamp;

/// The algorithm belongs to the key, never to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 3.4).
    Es256 = 1,
    /// Ed25519 (RFC 8037).
    EdDsa = 2,
    /// RSA of 2048 bits, PKCS #1 v1.5, with SHA-256 (RFC 7518 3.3): for dialects whose clients know nothing else.
    Rs256 = 3,
}

impl Algorithm {
    /// The JOSE name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    pub(crate) const fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// A key as stored.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The public id: `kid`.
    pub id: KeyId,
    /// Of which app.
    pub app: AppId,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// PKCS #8, sealed with the server secret.
    pub sealed_private: Vec<u8>,
    /// When it was published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
}

enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// A key ready to sign and to verify.
pub struct SigningKey {
    /// The public id: `kid`.
    pub id: KeyId,
    /// Of which app.
    pub app: AppId,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// From when on it signs.
    pub signs_from: Timestamp,
    signer: Signer,
    jwk: Value,
    pub(crate) decoding: jsonwebtoken::DecodingKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, {})", self.algorithm.name(), self.id)
    }
}

impl SigningKey {
    /// Makes a key; the library's own generator draws it.
    pub(crate) fn generate(
        keys: &ServerKeys,
        entropy: &dyn Entropy,
        app: AppId,
        id: KeyId,
        algorithm: Algorithm,
        now: Timestamp,
        signs_from: Timestamp,
    ) -> Result<StoredKey> {
        let private = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map(|document| document.as_ref().to_vec()),
            Algorithm::EdDsa => {
                Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).map(|document| document.as_ref().to_vec())
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair))
                .map(|document| document.as_ref().to_vec()),
        };
        let private = zeroize::Zeroizing::new(private.map_err(Error::unavailable)?);
        let sealed_private = keys.seal(entropy, &seal_context(id), &private)?;
        Ok(StoredKey { id, app, algorithm, sealed_private, created_at: now, signs_from })
    }

    /// Opens a stored key.
    ///
    /// # Errors
    /// `Internal` when the server secret is not the one it was sealed with.
    pub(crate) fn open(keys: &ServerKeys, stored: &StoredKey) -> Result<Arc<Self>> {
        let private = zeroize::Zeroizing::new(keys.open(&seal_context(stored.id), &stored.sealed_private)?);
        let kid = stored.id.to_string();
        let (signer, mut jwk) = match stored.algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).map_err(Error::internal)?;
                // SEC 1 uncompressed point: 0x04, x, y.
                let point = pair.public_key().as_ref().to_vec();
                let (x, y) =
                    point.get(1..33).zip(point.get(33..65)).ok_or_else(|| Error::internal("not an uncompressed point"))?;
                let jwk = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
                (Signer::Es256(pair), jwk)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(&private).map_err(Error::internal)?;
                let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())});
                (Signer::EdDsa(pair), jwk)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&private).map_err(Error::internal)?;
                let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                let jwk = json!({"kty": "RSA", "n": number(n), "e": number(e)});
                (Signer::Rs256(Box::new(pair)), jwk)
            }
        };
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(stored.algorithm.name());
        jwk["kid"] = json!(kid);
        let parsed: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk.clone()).map_err(Error::internal)?;
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&parsed).map_err(Error::internal)?;
        Ok(Arc::new(Self {
            id: stored.id,
            app: stored.app,
            algorithm: stored.algorithm,
            signs_from: stored.signs_from,
            signer,
            jwk,
            decoding,
        }))
    }

    /// The public part (RFC 7517).
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// A compact JWS (RFC 7515) over `claims`, with `typ` `JWT` and this `kid` (this key's id, or the form that a dialect gives it).
    ///
    /// # Errors
    /// `Internal` when the library fails.
    pub fn sign(&self, kid: &str, claims: &Value) -> Result<String> {
        let header = json!({"alg": self.algorithm.name(), "typ": "JWT", "kid": kid});
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The bare signature over some bytes, by the key's algorithm.
    ///
    /// # Errors
    /// `Internal` when the library fails.
    pub(crate) fn sign_bytes(&self, data: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        Ok(match &self.signer {
            Signer::Es256(pair) => pair.sign(&random, data).map_err(Error::internal)?.as_ref().to_vec(),
            Signer::EdDsa(pair) => pair.sign(data).as_ref().to_vec(),
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, data, &mut signature).map_err(Error::internal)?;
                signature
            }
        })
    }
}

fn seal_context(id: KeyId) -> Vec<u8> {
    [b"signing key".as_slice(), id.as_bytes()].concat()
}
