//! Making and changing apps, clients and signing keys: what the command line and the configuration file do.

use super::store::Saved;
use super::{App, AppSettings, Client};
use crate::Engine;
use crate::caller::{Authority, Caller, RequestContext, Scopes};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::ids::{AppId, KeyId};
use crate::ports::Draw;
use crate::secret::Secret;
use crate::sessions::signing::{Algorithm, SigningKey};
use crate::time::{Lifetime, Timestamp};
use std::sync::Arc;

/// A client to make or to change.
#[derive(Clone, Debug)]
pub struct SaveClient {
    /// The public id; drawn when not chosen.
    pub client_id: Option<String>,
    /// The secret; drawn when not chosen.
    pub client_secret: Option<Secret>,
    /// What it may do, separated by spaces.
    pub scopes: Scopes,
    /// The operator's note.
    pub label: Option<String>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// A client whose secret can be shown this once.
#[derive(Clone, Debug)]
pub struct SavedClient {
    /// The public id.
    pub client_id: String,
    /// The plain secret.
    pub client_secret: Secret,
    /// Whether something changed.
    pub saved: Saved,
}

impl Engine {
    /// How long before it signs a new key is published: longer than anybody caches the key set.
    pub const KEY_LEAD: Lifetime = Lifetime::from_minutes(20);
    /// How long clients go on with a key set they have: an old key stays published at least as long after its last use.
    const KEYS_CACHED: Lifetime = Lifetime::from_minutes(60);

    /// Makes the app, or gives the app of that name these settings. A new app gets its signing key.
    ///
    /// # Errors
    /// `Invalid` naming each bad setting.
    pub async fn save_app(&self, context: &RequestContext, name: &str, settings: AppSettings) -> Result<(Arc<App>, Saved)> {
        let plain = !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !plain {
            return Err(Error::invalid("name", "must be 1 to 63 lower-case letters, digits or \"-\""));
        }
        settings.check()?;
        self.check_senders(&settings)?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let app = App { id: draw.app_id(), tag: draw.bytes(), name: name.to_owned(), settings, created_at: now };
        let operator = Caller { app: Arc::new(app.clone()), authority: Authority::Operator, context: context.clone() };
        let event = Event::new(EventKind::AppSaved, &operator, &mut draw, now).with("name", name);
        let saved = self.store.save_app(app, event).await?;
        self.refresh_directory().await?;
        let app = self.directory().app_by_name(name).ok_or_else(|| Error::internal("a saved app is not there"))?;
        if self.directory().signing_key(app.id, Algorithm::Es256, now).is_none() {
            self.add_signing_key(context, app.id, Algorithm::Es256, now).await?;
        }
        Ok((app, saved))
    }

    /// The app of this name, for the operator.
    ///
    /// # Errors
    /// `NotFound` naming the apps there are.
    pub fn operator(&self, context: &RequestContext, app: &str) -> Result<Caller> {
        let directory = self.directory();
        let app = directory.app_by_name(app).ok_or_else(|| {
            let names: Vec<&str> = directory.apps().iter().map(|a| a.name.as_str()).collect();
            Error::new(ErrorKind::NotFound, format!("There is no app \"{app}\"; there are: {}", names.join(", ")))
        })?;
        Ok(Caller { app, authority: Authority::Operator, context: context.clone() })
    }

    /// Makes a client or replaces the one with this id.
    ///
    /// # Errors
    /// `Forbidden` for callers other than the operator; `Invalid` for an id or secret too short or not printable; `Conflict` when the id belongs to another app.
    pub async fn save_client(&self, caller: &Caller, client: SaveClient) -> Result<SavedClient> {
        caller.require("client:create")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let drawn = |bytes: [u8; 16]| uuid::Builder::from_random_bytes(bytes).into_uuid().simple().to_string();
        let client_id = client.client_id.unwrap_or_else(|| format!("client_{}", drawn(draw.bytes())));
        let client_secret = match client.client_secret {
            Some(secret) => secret,
            None => Secret::new(format!("plsecret_{}{}", drawn(draw.bytes()), drawn(draw.bytes()))),
        };
        if client_id.is_empty() || client_id.len() > 200 || !client_id.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(Error::invalid("client_id", "must be 1 to 200 printable ASCII characters without \":\""));
        }
        if client_secret.expose().len() < 16 || !client_secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::invalid("client_secret", "must be at least 16 printable ASCII characters"));
        }
        let row = Client {
            secret_hash: self.keys.credential_hash(&client_id, client_secret.expose()),
            client_id: client_id.clone(),
            app: caller.app.id,
            scopes: client.scopes,
            label: client.label,
            created_at: now,
            expires_at: client.expires_at,
            revoked_at: None,
        };
        let event = Event::new(EventKind::ClientSaved, caller, &mut draw, now).with("client_id", client_id.as_str());
        let saved = self.store.save_client(row, event).await?;
        Ok(SavedClient { client_id, client_secret, saved })
    }

    /// The caller with these credentials.
    ///
    /// # Errors
    /// `Unauthenticated`, always with the same message, when id or secret is wrong, revoked or expired.
    pub async fn authenticate_client(&self, context: &RequestContext, client_id: &str, client_secret: &str) -> Result<Caller> {
        let refused = || Error::new(ErrorKind::Unauthenticated, "These credentials are not valid");
        let now = self.clock.now();
        let presented = self.keys.credential_hash(client_id, client_secret);
        let client = self.known_client(client_id).await?.ok_or_else(refused)?;
        let matches = crate::secret::equal(&presented, &client.secret_hash);
        if !matches || client.revoked_at.is_some() || client.expires_at.is_some_and(|end| now >= end) {
            return Err(refused());
        }
        let app = self.directory().app(client.app).ok_or_else(refused)?;
        let authority = Authority::Client { client_id: client.client_id, scopes: client.scopes };
        Ok(Caller { app, authority, context: context.clone() })
    }

    /// The client with this id. A text that cannot be one is not looked for: databases differ in what they do with it.
    async fn known_client(&self, client_id: &str) -> Result<Option<Client>> {
        let can_be = client_id.len() <= 200 && client_id.bytes().all(|b| b.is_ascii_graphic());
        if can_be { self.store.find_client(client_id).await } else { Ok(None) }
    }

    /// The app of a live client, for what is public about it.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn app_of_client(&self, client_id: &str) -> Result<Option<Arc<App>>> {
        let now = self.clock.now();
        let is_live = |client: &Client| client.revoked_at.is_none() && client.expires_at.is_none_or(|end| now < end);
        let client = self.known_client(client_id).await?.filter(is_live);
        Ok(client.and_then(|client| self.directory().app(client.app)))
    }

    /// Revokes a client of the caller's app.
    ///
    /// # Errors
    /// `NotFound` when there is no such live client.
    pub async fn revoke_client(&self, caller: &Caller, client_id: &str) -> Result<()> {
        caller.require("client:revoke")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::ClientRevoked, caller, &mut draw, now).with("client_id", client_id);
        match self.store.revoke_client(caller.app.id, client_id, event).await? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::NotFound, format!("The app has no live client \"{client_id}\""))),
        }
    }

    /// Publishes a new signing key that signs after [`Engine::KEY_LEAD`]; the old one retires by itself.
    ///
    /// # Errors
    /// `Conflict` when the app got one less than a minute ago; those of storage.
    pub async fn rotate_signing_key(&self, context: &RequestContext, app: AppId) -> Result<()> {
        let mut added = false;
        for algorithm in self.directory().algorithms_of(app) {
            let signs_from = self.clock.now().plus(key_lead(algorithm));
            added |= self.add_signing_key(context, app, algorithm, signs_from).await?;
        }
        match added {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Conflict,
                "The app got a new key less than a minute ago; it is the one that will sign next",
            )),
        }
    }

    /// The key that signs for an app by this algorithm now. The first key of an algorithm is made when it is first needed.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be made or stored.
    pub async fn current_key(&self, app: AppId, algorithm: Algorithm) -> Result<Arc<SigningKey>> {
        let now = self.clock.now();
        if let Some(key) = self.directory().signing_key(app, algorithm, now) {
            return Ok(key);
        }
        let _turn = self.making_key.lock().await;
        if let Some(key) = self.directory().signing_key(app, algorithm, now) {
            return Ok(key);
        }
        self.refresh_directory().await?;
        if self.directory().signing_key(app, algorithm, now).is_none() {
            let context = RequestContext { request_id: "job:keys".to_owned(), ..RequestContext::default() };
            self.add_signing_key(&context, app, algorithm, now).await?;
        }
        // Another replica's key may be some milliseconds younger than this request.
        let soon = now.plus(Lifetime::from_minutes(1));
        let key = self.directory().signing_key(app, algorithm, soon);
        key.ok_or_else(|| Error::unavailable("the app has no signing key"))
    }

    /// Some clients know a key by the second in its id alone, over all apps of the server: no two of one algorithm have the same.
    fn new_key_id(&self, draw: &mut Draw, algorithm: Algorithm, now: Timestamp) -> KeyId {
        let directory = self.directory();
        let is_taken = |at: Timestamp| directory.keys_by(algorithm).any(|key| key.id.second() == at.as_secs());
        let mut at = now;
        while is_taken(at) {
            at = at.plus(Lifetime::from_secs(1));
        }
        KeyId::new(at, draw.bytes())
    }

    async fn add_signing_key(
        &self,
        context: &RequestContext,
        app: AppId,
        algorithm: Algorithm,
        signs_from: Timestamp,
    ) -> Result<bool> {
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let id = self.new_key_id(&mut draw, algorithm, now);
        let key = SigningKey::generate(&self.keys, self.entropy.as_ref(), app, id, algorithm, now, signs_from)?;
        let event = Event::of_job(EventKind::KeyRotated, "keys", Some(app), &mut draw, now)
            .with("kid", key.id.to_string())
            .with("request_id", context.request_id.as_str());
        let added = self.store.add_signing_key(key, event).await?;
        self.refresh_directory().await?;
        Ok(added)
    }

    /// Rotates keys older than `every`, and removes keys whose last token has expired. Run by a job.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn tend_signing_keys(&self, every: Lifetime) -> Result<()> {
        let now = self.clock.now();
        let directory = self.directory();
        let context = RequestContext { request_id: "job:keys".to_owned(), ..RequestContext::default() };
        for app in directory.apps() {
            for algorithm in directory.algorithms_of(app.id) {
                let keys = || directory.keys_of(app.id).filter(|key| key.algorithm == algorithm);
                let newest = keys().map(|key| key.signs_from).max();
                if newest.is_none_or(|newest| newest.plus(every) <= now) {
                    // Another replica may have been faster, which is as good.
                    let signs_from = newest.map_or(now, |_| now.plus(key_lead(algorithm)));
                    self.add_signing_key(&context, app.id, algorithm, signs_from).await?;
                }
                let Some(current) = directory.signing_key(app.id, algorithm, now) else { continue };
                let tokens_live = match algorithm {
                    // Refresh tokens are signed too.
                    Algorithm::EdDsa => app.settings.session_lifetime.max(app.settings.access_token_lifetime),
                    // Those of clients, too.
                    Algorithm::Es256 => app.settings.access_token_lifetime.max(Self::LONGEST_CLIENT_TOKEN),
                    // An old one brings a fresh one as long as its session lives.
                    Algorithm::Rs256 => app.settings.session_lifetime_ceiling,
                };
                let tokens_live = tokens_live.max(Self::KEYS_CACHED);
                let last_token_ends = current.signs_from.plus(tokens_live).plus(key_lead(algorithm));
                for old in keys().filter(|key| key.signs_from < current.signs_from && last_token_ends <= now) {
                    let mut draw = Draw::new(self.entropy.as_ref(), now)?;
                    let event = Event::of_job(EventKind::KeyRotated, "keys", Some(app.id), &mut draw, now)
                        .with("removed", old.id.to_string());
                    self.store.remove_signing_key(old.id, event).await?;
                }
            }
        }
        self.refresh_directory().await
    }
}

/// How long before it signs a new key of an algorithm is published: longer than clients of its tokens keep the key set.
fn key_lead(algorithm: Algorithm) -> Lifetime {
    match algorithm {
        Algorithm::EdDsa => Lifetime::from_secs(25 * 3600),
        Algorithm::Es256 | Algorithm::Rs256 => Engine::KEY_LEAD,
    }
}
