//! How a session reaches the app: tokens in the fragment, in the form of Supabase's implicit flow, which AppHandoff hands on (`contracts/supabase.md` 2, 5).

use passlink_engine::links::redeem::Redeemed;
use passlink_engine::redirects::RedirectTarget;
use passlink_engine::sessions::SignedIn;
use passlink_engine::sessions::jwt::AccessToken;
use passlink_engine::time::Timestamp;
use passlink_engine::{Engine, Error, Result};
use serde_json::{Map, Value, json};

/// `aud` and `role` of access tokens.
pub(crate) const AUDIENCE: &str = "authenticated";

/// Signs the access token of a session. `issued_at` is when the session was made or last refreshed.
pub(crate) fn access_token(engine: &Engine, signed_in: &SignedIn, issued_at: Timestamp) -> Result<AccessToken> {
    let email = signed_in.user.email.as_ref().map(ToString::to_string).unwrap_or_default();
    let verified = signed_in.user.email_verified_at.is_some();
    let started = signed_in.session.created_at.as_secs();
    let claims: Map<String, Value> = [
        ("aud", json!(AUDIENCE)),
        ("role", json!(AUDIENCE)),
        ("email", json!(email)),
        ("phone", json!("")),
        ("app_metadata", json!({"provider": "email", "providers": ["email"]})),
        ("user_metadata", json!({"sub": signed_in.user.id, "email": email, "email_verified": verified, "phone_verified": false})),
        ("aal", json!("aal1")),
        ("amr", json!([{"method": signed_in.session.method.amr(), "timestamp": started}])),
        ("is_anonymous", json!(false)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    engine.sign_access_token(signed_in, claims, issued_at)
}

/// The redirect target with the session in its fragment.
///
/// # Errors
/// `Internal` when the link had no target or no refresh token was made for it.
pub(crate) fn fragment(engine: &Engine, redeemed: &Redeemed) -> Result<String> {
    let target = redeemed.redirect.as_ref().ok_or_else(|| Error::internal("a session without a place to go"))?;
    let refresh = redeemed.tokens.refresh.as_ref().ok_or_else(|| Error::internal("a session without a refresh token"))?.expose();
    let access = access_token(engine, &redeemed.signed_in, redeemed.signed_in.session.refreshed_at)?;
    let kind = if redeemed.created { "signup" } else { "magiclink" };
    Ok(target.with_fragment(&[
        ("access_token", access.token.expose()),
        ("expires_at", &access.expires_at.as_secs().to_string()),
        ("expires_in", &access.expires_in.to_string()),
        ("refresh_token", refresh.expose()),
        ("sb", ""),
        ("token_type", "bearer"),
        ("type", kind),
    ]))
}

/// The redirect target with signed tokens in its fragment (`contracts/rownd.md` 6.1).
///
/// # Errors
/// `Internal` when the link had no target or no refresh token was made for it.
pub(crate) async fn signed(engine: &Engine, redeemed: &Redeemed) -> Result<String> {
    crate::dialects::rownd::address(engine, redeemed, None).await
}

/// The redirect target with the reason why there is no session.
pub(crate) fn refusal(target: &RedirectTarget) -> String {
    target.with_fragment(&[
        ("error", "access_denied"),
        ("error_code", "otp_expired"),
        ("error_description", "Email link is invalid or has expired"),
        ("sb", ""),
    ])
}
