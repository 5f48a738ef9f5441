//! Apps and signing keys in memory: every request needs them, they change rarely. Replicas read them anew every two seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::App;
use crate::Engine;
use crate::error::Result;
use crate::ids::{AppId, KeyId};
use crate::redirects::Origin;
use crate::secret::AppTag;
use crate::sessions::signing::{Algorithm, SigningKey};
use crate::time::Timestamp;

/// A snapshot of all apps and keys.
#[derive(Debug, Default)]
pub struct Directory {
    apps: Vec<Arc<App>>,
    by_id: HashMap<AppId, Arc<App>>,
    by_tag: HashMap<AppTag, Arc<App>>,
    keys: Vec<Arc<SigningKey>>,
}

impl Directory {
    fn new(apps: Vec<App>, keys: Vec<Arc<SigningKey>>) -> Self {
        let apps: Vec<Arc<App>> = apps.into_iter().map(Arc::new).collect();
        let by_id = apps.iter().map(|app| (app.id, Arc::clone(app))).collect();
        let by_tag = apps.iter().map(|app| (app.tag, Arc::clone(app))).collect();
        Self { apps, by_id, by_tag, keys }
    }

    /// All apps, oldest first.
    pub fn apps(&self) -> &[Arc<App>] {
        &self.apps
    }

    /// The app with this id.
    pub fn app(&self, id: AppId) -> Option<Arc<App>> {
        self.by_id.get(&id).cloned()
    }

    /// The app a token names.
    pub fn app_by_tag(&self, tag: AppTag) -> Option<Arc<App>> {
        self.by_tag.get(&tag).cloned()
    }

    /// The app an operator names.
    pub fn app_by_name(&self, name: &str) -> Option<Arc<App>> {
        self.apps.iter().find(|app| app.name == name).cloned()
    }

    /// The oldest app.
    pub fn default_app(&self) -> Option<Arc<App>> {
        self.apps.first().cloned()
    }

    /// The app of a call without credentials: by host name, else by the origin that calls, else the default app (`decisions.md` 2).
    pub fn app_of_call(&self, host: Option<&str>, origin: Option<&Origin>) -> Option<Arc<App>> {
        let bare =
            host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name).trim_end_matches('.').to_ascii_lowercase());
        let by_host = || {
            bare.as_ref()
                .and_then(|bare| self.apps.iter().find(|app| app.settings.hosts.iter().any(|h| h.eq_ignore_ascii_case(bare))))
        };
        let by_origin = || origin.and_then(|origin| self.apps.iter().find(|app| app.allows(origin)));
        by_host().or_else(by_origin).or(self.apps.first()).cloned()
    }

    /// The published keys of an app, oldest first.
    pub fn keys_of(&self, app: AppId) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.iter().filter(move |key| key.app == app)
    }

    /// The published keys of an algorithm, of all apps.
    pub fn keys_by(&self, algorithm: Algorithm) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.iter().filter(move |key| key.algorithm == algorithm)
    }

    /// The key that signs for an app by this algorithm at this instant: the newest whose time has come.
    pub fn signing_key(&self, app: AppId, algorithm: Algorithm, now: Timestamp) -> Option<Arc<SigningKey>> {
        self.keys_of(app)
            .filter(|key| key.algorithm == algorithm && key.signs_from <= now)
            .max_by_key(|key| key.signs_from)
            .cloned()
    }

    /// The algorithms an app signs with: the one of access tokens, and those of dialects that were used.
    pub fn algorithms_of(&self, app: AppId) -> Vec<Algorithm> {
        let all = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
        let is_used = |algorithm: &Algorithm| self.keys_of(app).any(|key| key.algorithm == *algorithm);
        all.into_iter().filter(|algorithm| *algorithm == Algorithm::Es256 || is_used(algorithm)).collect()
    }

    /// The key with this `kid`.
    pub fn key(&self, id: KeyId) -> Option<Arc<SigningKey>> {
        self.keys.iter().find(|key| key.id == id).cloned()
    }
}

impl Engine {
    /// The current snapshot.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Reads apps and keys anew where this key is not known: another replica may have made it a moment ago. Once a second at most, so that invented keys cost
    /// nothing.
    ///
    /// # Errors
    /// As [`Engine::refresh_directory`].
    pub async fn look_for_key(&self, id: KeyId) -> Result<()> {
        let now = self.clock.now().as_secs();
        let is_due = || self.looked_for_key.swap(now, Ordering::Relaxed) != now;
        if self.directory().key(id).is_none() && is_due() { self.refresh_directory().await } else { Ok(()) }
    }

    /// Reads apps and keys anew; keys that were opened before are kept.
    ///
    /// # Errors
    /// Those of storage; `Internal` when a key does not open with this server secret.
    pub async fn refresh_directory(&self) -> Result<()> {
        let known = self.directory();
        let apps = self.store.list_apps().await?;
        let mut keys = Vec::new();
        for stored in self.store.list_signing_keys().await? {
            keys.push(match known.key(stored.id) {
                Some(key) => key,
                None => SigningKey::open(&self.keys, &stored)?,
            });
        }
        *self.directory.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(Directory::new(apps, keys));
        Ok(())
    }
}
