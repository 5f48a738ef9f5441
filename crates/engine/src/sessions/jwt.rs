//! Access tokens as JWTs (RFC 7519), bound to a session: they say who, the session row says whether it still holds.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::SignedIn;
use super::signing::{Algorithm, SigningKey};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{AppId, KeyId, SessionId};
use crate::secret::Secret;
use crate::time::Timestamp;

/// A signed access token and its end.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The compact JWS.
    pub token: Secret,
    /// `exp`.
    pub expires_at: Timestamp,
    /// Whole seconds from its making to `exp`.
    pub expires_in: i64,
}

#[derive(Deserialize)]
struct Verified {
    session_id: SessionId,
    exp: i64,
}

impl Engine {
    /// Signs an access token for a session. `claims` are a dialect's own; `iss`, `sub`, `iat`, `exp`, `session_id`, `auth_time` and `amr` (unless the
    /// dialect has its own form of it) are the engine's. `issued_at` is when the session was made or refreshed, so that the same answer can be
    /// given again.
    ///
    /// # Errors
    /// `Unavailable` when the app has no signing key yet.
    pub fn sign_access_token(
        &self,
        signed_in: &SignedIn,
        claims: Map<String, Value>,
        issued_at: Timestamp,
    ) -> Result<AccessToken> {
        let directory = self.directory();
        let app = directory.app(signed_in.session.app).ok_or_else(|| Error::unavailable("the session's app is gone"))?;
        let key = directory
            .signing_key(app.id, Algorithm::Es256, issued_at)
            .ok_or_else(|| Error::unavailable("the app has no signing key"))?;
        let lifetime = app.settings.access_token_lifetime;
        let expires_at = std::cmp::min(issued_at.plus(lifetime), signed_in.session.expires_at);
        let mut all = claims;
        all.entry("amr").or_insert_with(|| json!([signed_in.session.method.amr()]));
        for (name, value) in [
            ("iss", json!(self.issuer())),
            ("sub", json!(signed_in.user.id)),
            ("iat", json!(issued_at.as_secs())),
            ("exp", json!(expires_at.as_secs())),
            ("auth_time", json!(signed_in.session.created_at.as_secs())),
            ("session_id", json!(signed_in.session.id)),
        ] {
            all.insert(name.to_owned(), value);
        }
        let token = Secret::new(key.sign(&key.id.to_string(), &Value::Object(all))?);
        Ok(AccessToken { token, expires_at, expires_in: expires_at.as_secs() - issued_at.as_secs() })
    }

    /// Verifies a JWT of ours and answers its session, which may have ended meanwhile.
    ///
    /// The key is found by `kid` in our own set only and brings its algorithm; `jku`, `x5u` and `jwk` are ignored; `typ`, `iss`, `aud` and `exp` are checked
    /// without leeway, for we are the issuer.
    pub(crate) fn verify_access_token(
        &self,
        token: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<(Arc<SigningKey>, SessionId, Timestamp)> {
        let refused = || Error::new(ErrorKind::Unauthenticated, "This access token is not valid");
        let header = jsonwebtoken::decode_header(token).map_err(|e| refused().caused_by(e))?;
        let kid = header.kid.as_deref().and_then(|kid| kid.parse().ok()).ok_or_else(refused)?;
        let key = self.directory().key(kid).ok_or_else(refused)?;
        if header.typ.as_deref() != Some("JWT") {
            return Err(refused());
        }
        let mut validation = jsonwebtoken::Validation::new(key.algorithm.jose());
        validation.set_issuer(&[self.issuer()]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library reads the wall clock; ours is a port, so `exp` is checked below.
        validation.validate_exp = false;
        let verified =
            jsonwebtoken::decode::<Verified>(token, &key.decoding, &validation).map_err(|e| refused().caused_by(e))?.claims;
        let expires_at = Timestamp::from_millis(verified.exp.saturating_mul(1000));
        if now >= expires_at {
            return Err(refused());
        }
        Ok((key, verified.session_id, expires_at))
    }

    /// Signs a dialect's own claims with the app's current key of an algorithm; `kid` gives the key's id the form of the dialect.
    ///
    /// # Errors
    /// `Unavailable` when the key cannot be made or stored.
    pub async fn sign_claims(
        &self,
        app: AppId,
        algorithm: Algorithm,
        kid: impl Fn(KeyId) -> String + Send,
        claims: &Value,
    ) -> Result<Secret> {
        let key = self.current_key(app, algorithm).await?;
        Ok(Secret::new(key.sign(&kid(key.id), claims)?))
    }

    /// The claims of a JWT that this key of the app signed; nothing but the signature is checked. The algorithm is the key's, never the token's.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub fn open_jwt(&self, app: AppId, kid: KeyId, algorithm: Algorithm, token: &str) -> Result<Map<String, Value>> {
        let refused = || Error::new(ErrorKind::Unauthenticated, "This token is not ours");
        let key = self.directory().key(kid).filter(|key| key.app == app && key.algorithm == algorithm).ok_or_else(refused)?;
        let mut validation = jsonwebtoken::Validation::new(algorithm.jose());
        validation.set_required_spec_claims::<&str>(&[]);
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let opened = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation);
        opened.map(|data| data.claims).map_err(|e| refused().caused_by(e))
    }
}
