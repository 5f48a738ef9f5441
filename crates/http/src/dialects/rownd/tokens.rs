//! Signed tokens (contract section 6.2): EdDSA, an access token for an hour and a refresh token that is exchanged once.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passlink_engine::apps::App;
use passlink_engine::ids::{KeyId, SessionId};
use passlink_engine::secret::{Secret, Token, TokenKind};
use passlink_engine::sessions::Session;
use passlink_engine::sessions::signing::Algorithm;
use passlink_engine::time::Timestamp;
use passlink_engine::users::Person;
use passlink_engine::{Engine, Result};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ids;

const USER: &str = "https://auth.rownd.io/app_user_id";
const VERIFIED: &str = "https://auth.rownd.io/is_verified_user";
const LEVEL: &str = "https://auth.rownd.io/auth_level";
const KIND: &str = "https://auth.rownd.io/jwt_type";
const REFRESH: &str = "refresh_token";
/// The session of an access token, by the name that OpenID Connect gives it.
const SESSION: &str = "sid";

/// All claims that tokens may have.
pub(super) const CLAIMS: [&str; 10] = ["jti", "iss", "aud", "sub", "iat", "exp", USER, VERIFIED, LEVEL, KIND];

/// Both tokens of a session.
pub(crate) struct Tokens {
    pub access: Secret,
    pub refresh: Secret,
}

/// `kid` of a key.
pub(super) fn kid(key: KeyId) -> String {
    format!("sig-{}", key.second())
}

/// How far a person is known.
pub(super) fn level(person: &Person) -> &'static str {
    if person.is_verified() { "verified" } else { "unverified" }
}

/// `aud` names the app first: clients take what stands behind the colon there.
fn audience(app: &App) -> Value {
    let own = format!("app:{}", ids::show("app_", app.id.as_uuid()));
    std::iter::once(own).chain(app.settings.audiences.iter().cloned()).collect()
}

/// Signs the tokens of a session; `refresh` is the id of the refresh token, made at `issued_at`.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn sign(
    engine: &Engine,
    app: &App,
    person: &Person,
    session: &Session,
    refresh: &Token,
    issued_at: Timestamp,
) -> Result<Tokens> {
    let now = engine.now();
    let user = ids::of_person(person);
    let id = refresh.expose();
    // Another id than the refresh token's, and the same one when the same answer is given again.
    let digest = engine.digest("access token id", &[id.expose().as_bytes(), &now.as_secs().to_be_bytes()]);
    let access_id = uuid::Builder::from_random_bytes(std::array::from_fn(|i| digest.get(i).copied().unwrap_or(0))).into_uuid();
    let common = |at: Timestamp, end: Timestamp, jti: String| {
        let mut claims = Map::new();
        for (name, value) in [
            ("jti", json!(jti)),
            ("iss", json!(engine.issuer())),
            ("aud", audience(app)),
            ("sub", json!(user)),
            ("iat", json!(at.as_secs())),
            ("exp", json!(end.as_secs())),
            (USER, json!(user)),
            (VERIFIED, json!(person.is_verified())),
        ] {
            claims.insert(name.to_owned(), value);
        }
        claims
    };
    let end = now.plus(app.settings.access_token_lifetime);
    let mut access = common(now, end, access_id.to_string());
    access.insert(LEVEL.to_owned(), json!(level(person)));
    access.insert(SESSION.to_owned(), json!(session.id));
    let mut renewing = common(issued_at, session.expires_at, id.expose().to_owned());
    renewing.insert(KIND.to_owned(), json!(REFRESH));
    let access = engine.sign_claims(app.id, Algorithm::EdDsa, kid, &Value::Object(access)).await?;
    let refresh = engine.sign_claims(app.id, Algorithm::EdDsa, kid, &Value::Object(renewing)).await?;
    Ok(Tokens { access, refresh })
}

/// A token of ours whose signature, issuer, app and end hold.
struct Verified {
    app: Arc<App>,
    claims: Map<String, Value>,
}

fn verify(engine: &Engine, text: &str) -> Option<Verified> {
    let header = text.split('.').next()?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let second: i64 = header["kid"].as_str()?.strip_prefix("sig-")?.parse().ok()?;
    let directory = engine.directory();
    let key = directory.keys_by(Algorithm::EdDsa).find(|key| key.id.second() == second)?;
    let claims = engine.open_jwt(key.app, key.id, Algorithm::EdDsa, text).ok()?;
    let app = directory.app(key.app)?;
    let own = audience(&app)[0].clone();
    let is_for_us = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.contains(&own));
    let is_ours = claims.get("iss").is_some_and(|issuer| *issuer == engine.issuer());
    let lives = claims.get("exp").and_then(Value::as_i64).is_some_and(|end| engine.now().as_secs() < end);
    (is_for_us && is_ours && lives).then_some(Verified { app, claims })
}

/// Whom an access token names.
pub(super) struct Access {
    pub app: Arc<App>,
    pub user: String,
    pub session: SessionId,
}

/// Reads an access token; `None` unless it is one of ours and its time is not over. Whether its session lives, is another question.
pub(super) fn access(engine: &Engine, text: &str) -> Option<Access> {
    let Verified { app, claims } = verify(engine, text)?;
    if claims.contains_key(KIND) {
        return None;
    }
    let user = claims.get(USER)?.as_str()?.to_owned();
    let session = claims.get(SESSION)?.as_str()?.parse().ok()?;
    Some(Access { app, user, session })
}

/// Reads a refresh token, likewise.
pub(super) fn refresh(engine: &Engine, text: &str) -> Option<(Arc<App>, Token)> {
    let Verified { app, claims } = verify(engine, text)?;
    if claims.get(KIND).is_none_or(|kind| *kind != REFRESH) {
        return None;
    }
    let id: Uuid = claims.get("jti")?.as_str()?.parse().ok()?;
    let issued_at = Timestamp::from_millis(claims.get("iat")?.as_i64()?.checked_mul(1000)?);
    let token = Token::id(TokenKind::Refresh, app.tag, issued_at, id);
    Some((app, token))
}

/// The public keys in the form that clients want: all six members, no other.
pub(super) fn published(jwk: &Value, key: KeyId) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid(key), "x": jwk["x"]})
}
