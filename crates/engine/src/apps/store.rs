//! Storage of apps, clients and signing keys.

use super::{App, Client};
use crate::error::Result;
use crate::events::Event;
use crate::ids::AppId;
use crate::sessions::signing::StoredKey;

/// What happened to a row that may have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is new.
    Created,
    /// It was there and differs now.
    Changed,
    /// It was there and is the same.
    Unchanged,
}

/// Storage of apps, clients and signing keys.
#[async_trait::async_trait]
pub trait AppStore: Send + Sync {
    /// All apps, oldest first.
    async fn list_apps(&self) -> Result<Vec<App>>;

    /// Inserts the app, or gives the app of that name these settings; its id, tag and age stay. `event` is written when something changed.
    ///
    /// # Errors
    /// `Conflict` when the tag is taken by another app.
    async fn save_app(&self, app: App, event: Event) -> Result<Saved>;

    /// Inserts the client or replaces secret, scopes, label and expiry of the client with that id; a revoked client stays revoked.
    ///
    /// # Errors
    /// `Conflict` when the client id belongs to another app.
    async fn save_client(&self, client: Client, event: Event) -> Result<Saved>;

    /// The client with this id, revoked or not.
    async fn find_client(&self, client_id: &str) -> Result<Option<Client>>;

    /// The clients of an app, oldest first.
    async fn list_clients(&self, app: AppId) -> Result<Vec<Client>>;

    /// Revokes the client; `false` when there is no such live client in the app.
    async fn revoke_client(&self, app: AppId, client_id: &str, event: Event) -> Result<bool>;

    /// All signing keys that are not removed, oldest first.
    async fn list_signing_keys(&self) -> Result<Vec<StoredKey>>;

    /// Adds a signing key, unless the app has one that starts to sign at the same time or later (another replica was faster).
    async fn add_signing_key(&self, key: StoredKey, event: Event) -> Result<bool>;

    /// Removes a signing key at once; `false` when it was gone.
    async fn remove_signing_key(&self, key: crate::ids::KeyId, event: Event) -> Result<bool>;
}
