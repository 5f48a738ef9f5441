//! Apps, clients and signing keys.

use passlink_engine::apps::store::{AppStore, Saved};
use passlink_engine::apps::{App, Client};
use passlink_engine::caller::Scopes;
use passlink_engine::events::Event;
use passlink_engine::ids::{AppId, KeyId};
use passlink_engine::sessions::signing::{Algorithm, StoredKey};
use passlink_engine::{Error, ErrorKind, Result};

use crate::SqlStore;
use crate::events;
use crate::statements::statements;
use crate::tx::{Row, Tx, values};

statements! {
    LIST = "SELECT id, tag, name, settings, created_at FROM apps ORDER BY created_at, id";
    INSERT = "INSERT INTO apps (id, tag, name, settings, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING id";
    CHANGE = "UPDATE apps SET settings = $1 WHERE name = $2 AND settings <> $1 RETURNING id";
    INSERT_CLIENT = "INSERT INTO clients (client_id, app_id, secret_hash, scopes, label, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (client_id) DO NOTHING RETURNING client_id";
    CHANGE_CLIENT = "UPDATE clients SET secret_hash = $1, scopes = $2, label = $3, expires_at = $4 WHERE client_id = $5 AND app_id = $6";
    FIND_CLIENT = "SELECT client_id, app_id, secret_hash, scopes, label, created_at, expires_at, revoked_at FROM clients WHERE client_id = $1";
    LIST_CLIENTS = "SELECT client_id, app_id, secret_hash, scopes, label, created_at, expires_at, revoked_at FROM clients WHERE app_id = $1
        ORDER BY created_at, client_id";
    REVOKE_CLIENT = "UPDATE clients SET revoked_at = $1 WHERE client_id = $2 AND app_id = $3 AND revoked_at IS NULL RETURNING client_id";
    LIST_KEYS = "SELECT id, app_id, algorithm, sealed_private, created_at, signs_from FROM signing_keys ORDER BY signs_from, id";
    // Replicas rotate at the same time: whoever comes second finds a key that is as new.
    INSERT_KEY = "INSERT INTO signing_keys (id, app_id, algorithm, sealed_private, created_at, signs_from)
        SELECT $1, $2, CAST($3 AS BIGINT), $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT)
        WHERE NOT EXISTS (SELECT 1 FROM signing_keys k WHERE k.app_id = $2 AND k.algorithm = CAST($3 AS BIGINT) AND k.created_at > CAST($5 AS BIGINT) - 60000) RETURNING id";
    LOCK_APP = "UPDATE apps SET name = name WHERE id = $1";
    REMOVE_KEY = "DELETE FROM signing_keys WHERE id = $1 RETURNING id";
}

fn read(mut row: Row) -> Result<App> {
    let id = row.next()?;
    let tag: Vec<u8> = row.next()?;
    let tag = tag.try_into().map_err(|_| Error::internal("an app's tag is not five bytes"))?;
    let name = row.next()?;
    let settings: String = row.next()?;
    let settings = serde_json::from_str(&settings).map_err(Error::internal)?;
    Ok(App { id, tag, name, settings, created_at: row.next()? })
}

async fn list(tx: &mut Tx) -> Result<Vec<App>> {
    tx.many(LIST, values![]).await?.into_iter().map(read).collect()
}

async fn save(tx: &mut Tx, app: &App, event: &Event) -> Result<Saved> {
    let settings = serde_json::to_string(&app.settings).map_err(Error::internal)?;
    let inserted =
        tx.first(INSERT, values![app.id, app.tag.as_slice(), app.name.as_str(), settings.as_str(), app.created_at]).await?;
    let (saved, id) = match inserted {
        Some(mut row) => (Saved::Created, row.next()?),
        None => match tx.first(CHANGE, values![settings, app.name.as_str()]).await? {
            Some(mut row) => (Saved::Changed, row.next()?),
            None => return Ok(Saved::Unchanged),
        },
    };
    events::write(tx, &Event { app: Some(id), ..event.clone() })?;
    Ok(saved)
}

fn read_client(mut row: Row) -> Result<Client> {
    let (client_id, app, secret_hash) = (row.next()?, row.next()?, row.next()?);
    let scopes: String = row.next()?;
    Ok(Client {
        client_id,
        app,
        secret_hash,
        scopes: Scopes::parse(&scopes),
        label: row.next()?,
        created_at: row.next()?,
        expires_at: row.next()?,
        revoked_at: row.next()?,
    })
}

async fn find_client(tx: &mut Tx, client_id: &str) -> Result<Option<Client>> {
    tx.first(FIND_CLIENT, values![client_id]).await?.map(read_client).transpose()
}

async fn save_client(tx: &mut Tx, c: &Client, event: &Event) -> Result<Saved> {
    let scopes = c.scopes.to_string();
    let known = find_client(tx, &c.client_id).await?;
    let saved = match known {
        Some(known) if known.app != c.app => {
            return Err(Error::new(ErrorKind::Conflict, format!("The client id \"{}\" belongs to another app", c.client_id)));
        }
        Some(known)
            if known.secret_hash == c.secret_hash
                && known.scopes == c.scopes
                && known.label == c.label
                && known.expires_at == c.expires_at =>
        {
            return Ok(Saved::Unchanged);
        }
        Some(_) => {
            let changed =
                values![c.secret_hash.as_slice(), scopes, c.label.as_deref(), c.expires_at, c.client_id.as_str(), c.app];
            tx.run(CHANGE_CLIENT, changed).await?;
            Saved::Changed
        }
        None => {
            let row = values![
                c.client_id.as_str(),
                c.app,
                c.secret_hash.as_slice(),
                scopes,
                c.label.as_deref(),
                c.created_at,
                c.expires_at
            ];
            if tx.first(INSERT_CLIENT, row).await?.is_none() {
                return Err(Error::new(ErrorKind::Conflict, format!("The client id \"{}\" was taken a moment ago", c.client_id)));
            }
            Saved::Created
        }
    };
    events::write(tx, event)?;
    Ok(saved)
}

async fn revoke_client(tx: &mut Tx, app: AppId, client_id: &str, event: &Event) -> Result<bool> {
    let done = tx.first(REVOKE_CLIENT, values![event.at, client_id, app]).await?.is_some();
    if done {
        events::write(tx, event)?;
    }
    Ok(done)
}

fn read_key(mut row: Row) -> Result<StoredKey> {
    let (id, app) = (row.next()?, row.next()?);
    let algorithm = match row.next::<i64>()? {
        1 => Algorithm::Es256,
        2 => Algorithm::EdDsa,
        3 => Algorithm::Rs256,
        _ => return Err(Error::internal("a signing key has an unknown algorithm")),
    };
    Ok(StoredKey { id, app, algorithm, sealed_private: row.next()?, created_at: row.next()?, signs_from: row.next()? })
}

async fn add_key(tx: &mut Tx, k: &StoredKey, event: &Event) -> Result<bool> {
    // The app's row makes replicas take turns; the guard of the insert decides.
    tx.run(LOCK_APP, values![k.app]).await?;
    let row = values![k.id, k.app, k.algorithm as i64, k.sealed_private.as_slice(), k.created_at, k.signs_from];
    let added = tx.first(INSERT_KEY, row).await?.is_some();
    if added {
        events::write(tx, event)?;
    }
    Ok(added)
}

async fn remove_key(tx: &mut Tx, key: KeyId, event: &Event) -> Result<bool> {
    let removed = tx.first(REMOVE_KEY, values![key]).await?.is_some();
    if removed {
        events::write(tx, event)?;
    }
    Ok(removed)
}

#[async_trait::async_trait]
impl AppStore for SqlStore {
    async fn list_apps(&self) -> Result<Vec<App>> {
        self.read((), |tx, ()| Box::pin(list(tx))).await
    }

    async fn save_app(&self, app: App, event: Event) -> Result<Saved> {
        self.write((app, event), |tx, (app, event)| Box::pin(save(tx, app, event))).await
    }

    async fn save_client(&self, client: Client, event: Event) -> Result<Saved> {
        self.write((client, event), |tx, (client, event)| Box::pin(save_client(tx, client, event))).await
    }

    async fn find_client(&self, client_id: &str) -> Result<Option<Client>> {
        self.read(client_id.to_owned(), |tx, id| Box::pin(find_client(tx, id))).await
    }

    async fn list_clients(&self, app: AppId) -> Result<Vec<Client>> {
        self.read(app, |tx, app| {
            Box::pin(async move { tx.many(LIST_CLIENTS, values![*app]).await?.into_iter().map(read_client).collect() })
        })
        .await
    }

    async fn revoke_client(&self, app: AppId, client_id: &str, event: Event) -> Result<bool> {
        let args = (app, client_id.to_owned(), event);
        self.write(args, |tx, (app, id, event)| Box::pin(revoke_client(tx, *app, id, event))).await
    }

    async fn list_signing_keys(&self) -> Result<Vec<StoredKey>> {
        self.read((), |tx, ()| Box::pin(async move { tx.many(LIST_KEYS, values![]).await?.into_iter().map(read_key).collect() }))
            .await
    }

    async fn add_signing_key(&self, key: StoredKey, event: Event) -> Result<bool> {
        self.write((key, event), |tx, (key, event)| Box::pin(add_key(tx, key, event))).await
    }

    async fn remove_signing_key(&self, key: KeyId, event: Event) -> Result<bool> {
        self.write((key, event), |tx, (key, event)| Box::pin(remove_key(tx, *key, event))).await
    }
}
