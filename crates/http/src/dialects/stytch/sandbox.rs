//! The vendor's public test constants (contract section 11): for test projects of apps that switch them on, and nowhere else, for they are public.

use axum::response::Response;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::sessions::signing::Algorithm;
use passlink_engine::time::Lifetime;
use serde_json::{Value, json};

use super::auth::Call;
use super::email_links;
use super::error::{Refusal, done};
use crate::web::Web;

const EMAIL: &str = "sandbox@stytch.com";
const PHONE: &str = "+10000000000";
const USER: &str = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
/// Ours: the vendor's is not known.
const EMAIL_ID: &str = "email-test-00000000-0000-4000-8000-000000000001";
const PHONE_ID: &str = "phone-number-test-00000000-0000-4000-8000-000000000001";
const SESSION_ID: &str = "session-test-00000000-0000-4000-8000-000000000001";
const LINK_WORKS: &str = "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=";
const LINK_USED: &str = "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=";
const LINK_UNKNOWN: &str = "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=";
const SESSION_WORKS: &str = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY";
const SESSION_UNKNOWN: &str = "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw";
const CODE: &str = "000000";
const STARTED_AT: &str = "2021-08-28T00:41:58.935673Z";

type Answer = Option<Result<Response, Refusal>>;

/// An id that does not say what it is may be anybody's production.
fn is_on(call: &Call) -> bool {
    call.project.starts_with("project-test-") && call.caller.app.settings.sandbox
}

fn is_sandbox(call: &Call, email: &EmailAddress) -> bool {
    is_on(call) && email.as_str() == EMAIL
}

/// Mail to the constant address: nothing is sent.
pub(super) fn sent(call: &Call, email: &EmailAddress) -> Answer {
    let sent = || email_links::Sent { user_id: USER.to_owned(), email_id: EMAIL_ID.to_owned() };
    is_sandbox(call, email).then(|| done(call.env, sent()))
}

/// The same for calls that may make a user.
pub(super) fn sent_or_created(call: &Call, email: &EmailAddress) -> Answer {
    let sent = || email_links::SentOrCreated { user_id: USER.to_owned(), email_id: EMAIL_ID.to_owned(), user_created: false };
    is_sandbox(call, email).then(|| done(call.env, sent()))
}

/// An invitation to the constant address.
pub(super) fn revoked(call: &Call, email: &EmailAddress) -> Answer {
    is_sandbox(call, email).then(|| done(call.env, json!({})))
}

fn user() -> Value {
    json!({
        "user_id": USER,
        "status": "active",
        "emails": [{"email_id": EMAIL_ID, "email": EMAIL, "verified": true}],
        "phone_numbers": [{"phone_id": PHONE_ID, "phone_number": PHONE, "verified": true}],
        "webauthn_registrations": [], "providers": [], "totps": [], "crypto_wallets": [], "biometric_registrations": [],
        "is_locked": false,
        "roles": [],
        "name": {"first_name": null, "middle_name": null, "last_name": null},
        "created_at": STARTED_AT,
        "password": null, "lock_created_at": null, "lock_expires_at": null,
        "trusted_metadata": {},
        "untrusted_metadata": {},
        "external_id": null,
    })
}

fn session(web: &Web) -> Value {
    let now = web.engine.now();
    json!({
        "session_id": SESSION_ID,
        "user_id": USER,
        "authentication_factors": [{
            "type": "magic_link",
            "delivery_method": "email",
            "last_authenticated_at": STARTED_AT,
            "created_at": STARTED_AT,
            "updated_at": STARTED_AT,
            "email_factor": {"email_id": EMAIL_ID, "email_address": EMAIL},
        }],
        "roles": [],
        "started_at": STARTED_AT,
        "last_accessed_at": now.to_rfc3339(),
        "expires_at": now.plus(Lifetime::from_minutes(60)).to_rfc3339(),
        "attributes": {"ip_address": "", "user_agent": ""},
        "custom_claims": {},
    })
}

async fn jwt(web: &Web, call: &Call, session: &Value) -> Result<String, Refusal> {
    let now = web.engine.now();
    let mut inner = session.clone();
    inner["id"] = inner["session_id"].take();
    let claims = json!({
        "aud": [call.project],
        "iss": format!("stytch.com/{}", call.project),
        "sub": USER,
        "iat": now.as_secs(),
        "nbf": now.as_secs(),
        "exp": now.as_secs() + 300,
        "https://stytch.com/session": inner,
    });
    let env = call.env;
    let signed = web.engine.sign_claims(call.caller.app.id, Algorithm::Rs256, move |id| env.show("jwk", id), &claims).await?;
    Ok(signed.expose().to_owned())
}

async fn authenticated(web: &Web, call: &Call, method_id: &str, wants_session: bool) -> Result<Response, Refusal> {
    let session = wants_session.then(|| session(web));
    let session_jwt = match &session {
        Some(session) => jwt(web, call, session).await?,
        None => String::new(),
    };
    let answer = json!({
        "user_id": USER,
        "method_id": method_id,
        "session_token": if wants_session { SESSION_WORKS } else { "" },
        "session_jwt": session_jwt,
        "user": user(),
        "reset_sessions": false,
        "session": session,
        "user_device": null,
    });
    done(call.env, answer)
}

/// The tokens of links.
pub(super) async fn link(web: &Web, call: &Call, token: &str, wants_session: bool) -> Answer {
    if !is_on(call) {
        return None;
    }
    match token {
        LINK_WORKS => Some(authenticated(web, call, EMAIL_ID, wants_session).await),
        LINK_USED => Some(Err(Refusal::new(401, "unable_to_auth_magic_link", "This link has done its work."))),
        LINK_UNKNOWN => Some(Err(Refusal::new(404, "magic_link_not_found", "This link was never made, or is gone."))),
        _ => None,
    }
}

/// The code, for either constant address.
pub(super) async fn code(web: &Web, call: &Call, method_id: &str, code: &str, wants_session: bool) -> Answer {
    if !is_on(call) || ![EMAIL_ID, PHONE_ID].contains(&method_id) || code != CODE {
        return None;
    }
    Some(authenticated(web, call, method_id, wants_session).await)
}

/// The session tokens.
pub(super) async fn held(web: &Web, call: &Call, token: &str) -> Answer {
    if !is_on(call) {
        return None;
    }
    match token {
        SESSION_WORKS => {
            let session = session(web);
            let signed = match jwt(web, call, &session).await {
                Ok(signed) => signed,
                Err(refusal) => return Some(Err(refusal)),
            };
            let answer = json!({
                "session": session, "session_token": SESSION_WORKS, "session_jwt": signed, "user": user(), "verdict": null,
            });
            Some(done(call.env, answer))
        }
        SESSION_UNKNOWN => Some(Err(Refusal::new(404, "session_not_found", "This session has ended or never was."))),
        _ => None,
    }
}
