//! Where the parts become a server: store, senders, templates, engine, declared apps, routes.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use passlink_delivery::NoticeClient;
use passlink_engine::apps::store::Saved;
use passlink_engine::caller::RequestContext;
use passlink_engine::keys::ServerKeys;
use passlink_engine::messages::sender::Sender;
use passlink_engine::messages::templates::Templates;
use passlink_engine::ports::Store;
use passlink_engine::{Engine, EngineSettings, Parts};
use passlink_http::HttpSettings;
use passlink_store::SqlStore;
use tokio::sync::Notify;

use crate::config::Config;
use crate::output::told;
use crate::stop::Stop;
use crate::system::{SystemClock, SystemEntropy};

/// An engine, and what wakes its dispatcher.
pub struct Assembled {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Notified when a message was queued.
    pub wake: Arc<Notify>,
    /// Tells apps' own servers what happened.
    pub notices: Arc<NoticeClient>,
}

/// Opens the database; the data folder is made when it is not there.
///
/// # Errors
/// A sentence that says what to do.
pub async fn open_store(config: &Config) -> anyhow::Result<Arc<SqlStore>> {
    make_folder(&config.server.data)?;
    SqlStore::open(&config.database.settings).await.map_err(told).context("The database cannot be opened")
}

/// Refuses a schema that lacks migrations.
///
/// # Errors
/// It names them and says what to do.
pub async fn check_migrated(store: &SqlStore) -> anyhow::Result<()> {
    let pending = store.pending_migrations().await.map_err(told)?;
    if !pending.is_empty() {
        bail!("The database lacks {}; run `passlink migrate` first", pending.join(", "));
    }
    Ok(())
}

/// Puts the engine together.
///
/// # Errors
/// A sentence that says what to do.
pub async fn start(config: &Config, store: Arc<dyn Store>) -> anyhow::Result<Assembled> {
    let senders = config
        .senders
        .iter()
        .map(|(name, settings)| {
            let sender = passlink_delivery::build(name, settings.clone()).with_context(|| format!("[senders.{name}]"))?;
            Ok((name.clone(), sender))
        })
        .collect::<anyhow::Result<HashMap<String, Arc<dyn Sender>>>>()?;
    let wake = Arc::new(Notify::new());
    let waker = Arc::clone(&wake);
    let parts = Parts {
        store,
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::new()),
        keys: ServerKeys::derive(config.server.secret.expose().as_bytes()).map_err(told)?,
        senders,
        templates: Templates::load(config.templates.0.clone()).map_err(told)?,
        settings: EngineSettings {
            limit_per_server: config.limits.per_server,
            cached_sessions: config.server.cached_sessions,
            ..EngineSettings::new(config.server.public_origin.clone())
        },
        wake: Arc::new(move || waker.notify_one()),
    };
    let engine = Arc::new(Engine::start(parts).await.map_err(told)?);
    let notices = Arc::new(NoticeClient::new().context("Notices to apps' own servers")?);
    Ok(Assembled { engine, wake, notices })
}

/// Makes or changes the apps and clients that the configuration declares. Doing it again changes nothing.
///
/// # Errors
/// Which app or client cannot be, and why.
pub async fn declare(engine: &Engine, config: &Config) -> anyhow::Result<()> {
    let context = RequestContext { request_id: "job:configuration".to_owned(), ..RequestContext::default() };
    for (name, declared) in &config.apps {
        let (_, saved) = engine
            .save_app(&context, name, declared.settings.clone())
            .await
            .map_err(told)
            .with_context(|| format!("[apps.{name}]"))?;
        note("app", name, saved);
        let operator = engine.operator(&context, name).map_err(told)?;
        for client in &declared.clients {
            let id = client.client_id.as_deref().unwrap_or_default();
            let what = || format!("[[apps.{name}.clients]] with client_id \"{id}\"");
            let saved = engine.save_client(&operator, client.clone()).await.map_err(told).with_context(what)?;
            note("client", id, saved.saved);
        }
    }
    Ok(())
}

fn note(what: &str, name: &str, saved: Saved) {
    match saved {
        Saved::Created => tracing::info!(name, "{what} made as the configuration declares it"),
        Saved::Changed => tracing::info!(name, "{what} changed to what the configuration declares"),
        Saved::Unchanged => {}
    }
}

/// All routes.
///
/// # Errors
/// The bad setting by its name.
pub fn router(engine: &Arc<Engine>, config: &Config, dev: bool, stop: &Stop) -> anyhow::Result<Router> {
    let settings = HttpSettings {
        dev,
        trusted_proxies: config.server.trusted_proxies.clone(),
        dialects_off: config.server.dialects_off.clone(),
        stopping: Some(stop.hear()),
        failpoint: None,
    };
    passlink_http::router(Arc::clone(engine), settings).map_err(told).context("[server]")
}

/// Makes the data folder, for its owner alone.
fn make_folder(folder: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("The data folder {} cannot be made", folder.display()))
}
