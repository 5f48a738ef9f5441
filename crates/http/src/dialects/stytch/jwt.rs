//! Session JWTs (contract section 7): RS256, five minutes, whose layout the SDKs check locally.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passlink_engine::Engine;
use passlink_engine::ids::{KeyId, SessionId};
use passlink_engine::secret::Secret;
use passlink_engine::sessions::SignedIn;
use passlink_engine::sessions::signing::Algorithm;
use passlink_engine::time::Lifetime;
use passlink_engine::users::Person;
use serde_json::{Map, Value, json};

use super::auth::Call;
use super::error::Refusal;
use super::ids::Env;
use super::wire;

/// The claim that holds the session.
const SESSION: &str = "https://stytch.com/session";
/// Claims that a caller cannot set.
const RESERVED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const LIFETIME: Lifetime = Lifetime::from_minutes(5);

/// The caller's claims without what is reserved, which is dropped in silence.
pub(super) fn own_claims(mut claims: Map<String, Value>) -> Map<String, Value> {
    claims.retain(|name, _| !RESERVED.contains(&name.as_str()) && !name.starts_with("https://stytch.com/"));
    claims
}

/// The one `iss` that all SDKs accept.
fn issuer(project: &str) -> String {
    format!("stytch.com/{project}")
}

/// Signs a fresh JWT for a session.
///
/// # Errors
/// Those of the engine.
pub(super) async fn sign(engine: &Engine, call: &Call, signed_in: &SignedIn, person: &Person) -> Result<Secret, Refusal> {
    let now = engine.now();
    let session = wire::Session::of(signed_in, person, call.env);
    let session = serde_json::to_value(session).map_err(passlink_engine::Error::internal)?;
    let mut claims = signed_in.session.details.claims.clone();
    // Whole seconds rounded down: the SDKs give no leeway to `nbf`.
    let (issued, end) = (now.as_secs(), now.plus(LIFETIME).min(signed_in.session.expires_at).as_secs());
    for (name, value) in [
        ("aud", json!([call.project])),
        ("iss", json!(issuer(&call.project))),
        ("sub", session["user_id"].clone()),
        ("iat", json!(issued)),
        ("nbf", json!(issued)),
        ("exp", json!(end)),
        (
            SESSION,
            json!({
                "id": session["session_id"],
                "started_at": session["started_at"],
                "last_accessed_at": session["last_accessed_at"],
                "expires_at": session["expires_at"],
                "attributes": session["attributes"],
                "authentication_factors": session["authentication_factors"],
                "roles": session["roles"],
            }),
        ),
    ] {
        claims.insert(name.to_owned(), value);
    }
    let env = call.env;
    let kid = move |id: KeyId| env.show("jwk", id);
    let app = call.caller.app.id;
    engine.sign_claims(app, Algorithm::Rs256, kid, &Value::Object(claims)).await.map_err(Refusal::from)
}

/// The session that a JWT of ours names. Its `exp` does not matter: this is how the SDKs get a fresh one.
///
/// # Errors
/// `unable_to_parse_session_jwt`, `jwt_invalid_audience`.
pub(super) async fn session_of(engine: &Engine, call: &Call, token: &str) -> Result<SessionId, Refusal> {
    let unreadable =
        || Refusal::new(400, "unable_to_parse_session_jwt", "session_jwt: this is not a JWT of this project.").within(call.env);
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(unreadable());
    };
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let header = read(header).ok_or_else(unreadable)?;
    let claimed = read(claims).ok_or_else(unreadable)?;
    if header["alg"] != Algorithm::Rs256.name() || claimed["aud"].is_null() {
        return Err(unreadable());
    }
    // Said before the signature is looked at: it explains the commonest mistake, and tells nothing that the token does not say itself.
    let is_for_us = |audience: &Value| match audience {
        Value::Array(all) => all.iter().any(|one| *one == call.project),
        one => *one == call.project,
    };
    if !is_for_us(&claimed["aud"]) {
        let message = "session_jwt: this JWT was made for another project.";
        return Err(Refusal::new(400, "jwt_invalid_audience", message).within(call.env));
    }
    let kid = header["kid"].as_str().and_then(|kid| call.env.read("jwk", kid)).ok_or_else(unreadable)?;
    let app = call.caller.app.id;
    engine.look_for_key(KeyId::from_uuid(kid)).await?;
    let claims = engine.open_jwt(app, KeyId::from_uuid(kid), Algorithm::Rs256, token).map_err(|_| unreadable())?;
    let is_ours = header["typ"] == "JWT" && claims.get("iss").is_some_and(|iss| *iss == issuer(&call.project));
    let session = claims.get(SESSION).and_then(|session| session["id"].as_str()).filter(|_| is_ours);
    session.and_then(|id| call.env.read("session", id)).map(SessionId::from_uuid).ok_or_else(unreadable)
}

/// The public keys in the form that the SDKs want: all nine members (contract section 7).
pub(super) fn published(jwk: &Value, kid: KeyId, env: Env) -> Value {
    json!({
        "kty": "RSA",
        "use": "sig",
        "key_ops": ["verify"],
        "alg": "RS256",
        "kid": env.show("jwk", kid),
        "x5c": [],
        "x5tS256": "",
        "n": jwk["n"],
        "e": jwk["e"],
    })
}
