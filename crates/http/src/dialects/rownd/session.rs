//! Refreshing, keys, metadata (contract section 6.2), and what an app's SDKs ask first (section 6.3).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use passlink_engine::ErrorKind;
use passlink_engine::apps::App;
use passlink_engine::sessions::signing::Algorithm;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{KeyCall, app_of_key};
use super::error::{Refusal, done};
use super::{body, ids, tokens, wire};
use crate::extract::request::Context;
use crate::web::Web;

fn bad_token(message: &str) -> Refusal {
    Refusal::new(400, "E_INVALID_REFRESH_TOKEN", format!("Invalid refresh token: {message}"))
}

/// Exchanges a refresh token. Anything wrong with one is 400, on which SDKs sign out instead of trying again.
pub(super) async fn refresh(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let mut fields = body::read(&headers, body).await?;
    let text = fields.text("refresh_token", 8192);
    let foreign = ["id_token", "access_token"].into_iter().find(|name| fields.is_given(name));
    if let (None, Some(name)) = (&text, foreign) {
        return Err(Refusal::field(name, "of other servers is not exchanged"));
    }
    let text = fields.required("refresh_token", text);
    fields.check()?;
    let text = text.unwrap_or_default();
    let (app, token) = tokens::refresh(&web.engine, &text).ok_or_else(|| bad_token("Refresh token is not valid"))?;
    if !app.speaks(super::DIALECT.slug) {
        return Err(bad_token("Refresh token is not valid"));
    }
    let refreshed =
        web.engine.refresh_signed_session(&context, Arc::clone(&app), &token).await.map_err(|error| match error.kind() {
            ErrorKind::AlreadyUsed => bad_token("Refresh token has been consumed"),
            ErrorKind::Unauthenticated => bad_token("Refresh token has been revoked"),
            _ => error.into(),
        })?;
    let session = &refreshed.signed_in.session;
    let person = web.engine.find_own_person(app.id, session.user).await?;
    let tokens = tokens::sign(&web.engine, &app, &person, session, &refreshed.token, refreshed.issued_at).await?;
    done(json!({"access_token": tokens.access.expose(), "refresh_token": tokens.refresh.expose()}))
}

/// What anybody may keep for a while.
fn kept(body: Value, seconds: u32) -> Result<Response, Refusal> {
    let mut response = done(body)?;
    let value = http::HeaderValue::from_str(&format!("public, max-age={seconds}")).map_err(passlink_engine::Error::internal)?;
    response.headers_mut().insert(CACHE_CONTROL, value);
    Ok(response)
}

/// The public keys of all apps: they have one issuer, and no two keys one id.
pub(super) async fn keys(State(web): State<Arc<Web>>) -> Result<Response, Refusal> {
    for app in web.engine.directory().apps().iter().filter(|app| app.speaks(super::DIALECT.slug)) {
        // Published before they are needed.
        web.engine.current_key(app.id, Algorithm::EdDsa).await?;
    }
    let directory = web.engine.directory();
    let keys: Vec<Value> = directory.keys_by(Algorithm::EdDsa).map(|key| tokens::published(key.jwk(), key.id)).collect();
    kept(json!({"keys": keys}), 300)
}

/// The server's metadata (RFC 8414).
pub(super) async fn metadata(State(web): State<Arc<Web>>) -> Result<Response, Refusal> {
    let issuer = web.engine.issuer();
    kept(
        json!({
            "issuer": issuer,
            "token_endpoint": format!("{issuer}/hub/auth/token"),
            "jwks_uri": format!("{issuer}/hub/auth/keys"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "response_types_supported": ["token"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "grant_types_supported": ["refresh_token"],
            "subject_types_supported": ["public"],
            "scopes_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
            "claims_supported": tokens::CLAIMS,
        }),
        300,
    )
}

/// An app named in the query, for those that cannot send headers.
#[derive(Deserialize)]
pub(super) struct Named {
    app_id: Option<String>,
}

fn field_names(app: &App) -> Vec<&'static str> {
    let kinds = [passlink_engine::users::IdentifierKind::Email, passlink_engine::users::IdentifierKind::Phone];
    let names = kinds.into_iter().map(passlink_engine::users::schema::address_field);
    names.filter(|name| app.settings.schema().field(name).is_some()).collect()
}

/// What an app's SDKs ask before anything else. Public: no secret stands in it.
pub(super) async fn app_config(
    State(web): State<Arc<Web>>,
    query: Result<Query<Named>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let key = ["x-rownd-app-key", "x-rownd-hub-key"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let named = query.ok().and_then(|Query(named)| named.app_id);
    let app = match (key, named) {
        (Some(key), _) => app_of_key(&web, Some(key.trim())).await?,
        (None, named) => {
            let id = named.and_then(|text| ids::read("app_", &text)).map(passlink_engine::ids::AppId::from_uuid);
            let app = id.and_then(|id| web.engine.directory().app(id)).filter(|app| app.speaks(super::DIALECT.slug));
            app.ok_or_else(Refusal::unauthorized)?
        }
    };
    // SDKs fetch the key set once in hours: what will sign must be in it before anything does.
    web.engine.current_key(app.id, Algorithm::EdDsa).await?;
    let fields = field_names(&app);
    let settings = &app.settings;
    let format = match settings.user_id_format {
        passlink_engine::users::write::UserIdFormat::Own => "__rowndid__",
        passlink_engine::users::write::UserIdFormat::Uuid => "__uuid__",
        passlink_engine::users::write::UserIdFormat::Objectid => "__objectid__",
    };
    let mails = settings.sender.is_some();
    done(json!({
        "config_type": "app",
        "app": {
            "id": ids::show("app_", app.id.as_uuid()),
            "name": app.display_name(),
            "icon": settings.logo_url.as_deref().unwrap_or_default(),
            "schema": settings.schema(),
            "user_verification_field": fields.first().copied().unwrap_or("email"),
            "user_verification_fields": fields,
            "config": {
                "default_redirect_url": settings.default_redirect_url.as_deref().unwrap_or_default(),
                "default_user_id_format": format,
                "subdomain": "",
                "hub": {
                    "auth": {
                        "audience": settings.audiences,
                        "sign_in_methods": {"email": {"enabled": mails}, "phone": {"enabled": false}},
                    },
                    "customizations": {"primary_color": settings.colour},
                },
                "automations": [],
            },
        },
    }))
}

/// The app's schema.
pub(super) async fn schema(call: KeyCall) -> Result<Response, Refusal> {
    let fields = field_names(&call.app);
    done(json!({
        "schema": call.app.settings.schema(),
        "application": ids::show("app_", call.app.id.as_uuid()),
        "user_verification_field": fields.first().copied().unwrap_or("email"),
        "user_verification_fields": fields,
        "last_modified": wire::instant(call.app.created_at),
    }))
}
