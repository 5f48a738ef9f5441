//! Tokens of clients (RFC 6749 4.4): a client shows its secret once, and then for a while a signed token that may do less than it.
//!
//! The token says who and what; whether the client still holds, and still may, its row says at every request.

use serde_json::{Map, Value, json};

use super::Client;
use crate::Engine;
use crate::caller::{Authority, Caller, RequestContext, Scopes};
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::groups::GroupRef;
use crate::groups::manage::no_group;
use crate::ids::{AppId, GroupId};
use crate::ports::Draw;
use crate::redirects::Origin;
use crate::secret::Secret;
use crate::sessions::signing::Algorithm;
use crate::time::{Lifetime, Timestamp};

/// The scopes of a dialect and ours, in the order in which it shows them.
pub type ScopeNames = [(&'static str, &'static str)];

/// What a client wants of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenWish {
    /// What it may do, in the dialect's names; everything that the client may when not given.
    pub scopes: Option<Vec<String>>,
    /// The one group it may do that for.
    pub group: Option<GroupId>,
    /// How long it holds: an hour when not given, a day at most.
    pub lifetime: Option<Lifetime>,
    /// For whom it is (RFC 8707); us when nobody is named.
    pub audiences: Vec<String>,
    /// More claims, for readers of the token; nothing here gives a right.
    pub claims: Map<String, Value>,
}

/// A token for a client.
#[derive(Clone, Debug)]
pub struct ClientToken {
    /// The compact JWS.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it may do, in the dialect's names.
    pub scopes: Vec<&'static str>,
}

fn refused() -> Error {
    Error::new(ErrorKind::Unauthenticated, "This token is not valid")
}

impl Client {
    /// Whether it is neither revoked nor expired.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Engine {
    /// The longest life of a client's token; one that is asked for longer lives so long.
    pub const LONGEST_CLIENT_TOKEN: Lifetime = Lifetime::from_secs(86_400);

    /// A token for a client that showed its credentials.
    ///
    /// # Errors
    /// `Forbidden` for anybody else; `Invalid` naming `scope`; `NotFound` about `group`; `Unavailable` without a signing key.
    pub async fn issue_client_token(&self, caller: &Caller, wish: TokenWish, names: &ScopeNames) -> Result<ClientToken> {
        let Authority::Client { client_id, scopes } = &caller.authority else {
            return Err(Error::new(ErrorKind::Forbidden, "Only a client gets a token"));
        };
        let may = names.iter().filter(|(_, ours)| scopes.grants(ours)).map(|(theirs, _)| *theirs);
        let granted: Vec<&'static str> = match &wish.scopes {
            None => may.collect(),
            Some(wanted) => {
                let may: Vec<_> = may.collect();
                if wanted.iter().any(|scope| !may.contains(&scope.as_str())) {
                    let field = FieldError::new("scope", "must be scopes that this client has").because(Problem::Unexpected);
                    return Err(Error::invalid_fields(vec![field]));
                }
                may.into_iter().filter(|scope| wanted.iter().any(|one| one == scope)).collect()
            }
        };
        if let Some(group) = wish.group {
            self.store.find_group(caller.app.id, GroupRef::Id(group)).await?.ok_or_else(no_group)?;
        }
        let now = self.clock.now();
        let lifetime = wish.lifetime.unwrap_or(Lifetime::from_minutes(60)).min(Self::LONGEST_CLIENT_TOKEN);
        // Whole seconds, as the claim has them.
        let expires_at = Timestamp::from_millis(now.plus(lifetime).as_secs() * 1000);
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let mut claims = wish.claims;
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", json!(self.issuer()));
        claim("sub", json!(client_id));
        claim("client_id", json!(client_id));
        claim("scope", json!(granted.join(" ")));
        claim("iat", json!(now.as_secs()));
        claim("exp", json!(expires_at.as_secs()));
        claim("jti", json!(uuid::Builder::from_random_bytes(draw.bytes()).into_uuid()));
        claim(
            "aud",
            match wish.audiences.as_slice() {
                [] => json!(self.issuer()),
                [one] => json!(one),
                several => json!(several),
            },
        );
        match wish.group {
            Some(group) => claim("group", json!(group)),
            None => None,
        };
        let key = self.current_key(caller.app.id, Algorithm::Es256).await?;
        let token = Secret::new(key.sign(&key.id.to_string(), &Value::Object(claims))?);
        Ok(ClientToken { token, expires_at, scopes: granted })
    }

    /// The caller with this token: a client, perhaps confined to a group, that may do what both the token and its row allow.
    ///
    /// # Errors
    /// `Unauthenticated`, always with the same message.
    pub async fn authenticate_client_token(&self, context: &RequestContext, token: &str, names: &ScopeNames) -> Result<Caller> {
        let now = self.clock.now();
        let (app, claims) = self.open_client_token(token, now)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let client_id = text("client_id").filter(|id| text("sub") == Some(id)).ok_or_else(refused)?;
        let group = match claims.get("group") {
            None => None,
            Some(group) => Some(group.as_str().and_then(|id| id.parse::<GroupId>().ok()).ok_or_else(refused)?),
        };
        let client = self.store.find_client(client_id).await?.filter(|client| client.is_live(now) && client.app == app);
        let client = client.ok_or_else(refused)?;
        let told: Vec<&str> = text("scope").ok_or_else(refused)?.split(' ').collect();
        let granted = names.iter().filter(|(theirs, ours)| told.contains(theirs) && client.scopes.grants(ours));
        let scopes = Scopes::parse(&granted.map(|(_, ours)| *ours).collect::<Vec<_>>().join(" "));
        let app = self.directory().app(app).ok_or_else(refused)?;
        let client_id = client.client_id;
        let authority = match group {
            None => Authority::Client { client_id, scopes },
            Some(group) => Authority::Confined { client_id, scopes, group },
        };
        Ok(Caller { app, authority, context: context.clone() })
    }

    /// The app and the claims of a client's token that is for us and has not ended. The key is found by `kid` in our own set and brings its algorithm.
    fn open_client_token(&self, token: &str, now: Timestamp) -> Result<(AppId, Map<String, Value>)> {
        let header = jsonwebtoken::decode_header(token).map_err(|e| refused().caused_by(e))?;
        let kid = header.kid.as_deref().and_then(|kid| kid.parse().ok()).ok_or_else(refused)?;
        let key = self.directory().key(kid).filter(|key| key.algorithm == Algorithm::Es256).ok_or_else(refused)?;
        if header.typ.as_deref() != Some("JWT") {
            return Err(refused());
        }
        let mut validation = jsonwebtoken::Validation::new(key.algorithm.jose());
        validation.set_issuer(&[self.issuer()]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library reads the wall clock; and an audience may be any address of ours.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let opened = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation);
        let claims = opened.map_err(|e| refused().caused_by(e))?.claims;
        let is_live = claims.get("exp").and_then(Value::as_i64).is_some_and(|end| now.as_secs() < end);
        let is_ours = |audience: &str| {
            let url = url::Url::parse(audience).ok();
            url.as_ref().and_then(Origin::of).is_some_and(|origin| origin == self.settings.public_origin)
        };
        let is_for_us = match claims.get("aud") {
            Some(Value::String(one)) => is_ours(one),
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(is_ours),
            _ => false,
        };
        if is_live && is_for_us { Ok((key.app, claims)) } else { Err(refused()) }
    }
}
