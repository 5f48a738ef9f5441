//! Passlink's rules, without I/O: links, codes, sessions, users, limits and messages.
//!
//! [`Engine`] holds the ports and the use cases; each use case stands in the room it belongs to. Start at [`links::issue`] and [`links::redeem`].

pub mod apps;
pub mod caller;
pub mod device;
pub mod email_address;
pub mod error;
pub mod events;
pub mod groups;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod links;
pub mod messages;
pub mod notices;
pub mod phone_number;
pub mod ports;
pub mod radix;
pub mod redirects;
pub mod secret;
pub mod sessions;
pub mod time;
pub mod users;

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use apps::directory::Directory;
pub use error::{Error, ErrorKind, Result};
use keys::ServerKeys;
use limits::{Limit, Limiter};
use messages::sender::Sender;
use messages::templates::Templates;
use ports::{Clock, Entropy, Store};
use redirects::Origin;
use sessions::SessionCache;
use time::Lifetime;

/// What concerns the server as a whole.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The origin in every link, such as `https://auth.example.com`. No request header ever influences it.
    pub public_origin: Origin,
    /// Mails all apps together may ask for.
    pub limit_per_server: Limit,
    /// How many sessions are remembered for verification.
    pub cached_sessions: u64,
}

impl EngineSettings {
    /// Defaults for a public origin.
    pub fn new(public_origin: Origin) -> Self {
        Self { public_origin, limit_per_server: Limit::new(6000, Lifetime::from_minutes(1)), cached_sessions: 100_000 }
    }
}

/// What an engine is made of.
pub struct Parts {
    /// Storage.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Keys derived from the server secret.
    pub keys: ServerKeys,
    /// Senders by configured name.
    pub senders: HashMap<String, Arc<dyn Sender>>,
    /// Texts of messages.
    pub templates: Templates,
    /// The rest.
    pub settings: EngineSettings,
    /// Called when a message was queued, so that a worker need not wait for its next look.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// The engine: all rules over the ports.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: ServerKeys,
    senders: HashMap<String, Arc<dyn Sender>>,
    templates: Templates,
    settings: EngineSettings,
    wake: Arc<dyn Fn() + Send + Sync>,
    directory: RwLock<Arc<Directory>>,
    sessions: SessionCache,
    limiter: Limiter,
    /// The second in which an unknown key was last looked for.
    looked_for_key: AtomicI64,
    /// Held while a first key is made: an RSA key costs a processor for a good while, and everybody needs the same one.
    making_key: futures_util::lock::Mutex<()>,
}

impl Engine {
    /// Puts the parts together and reads apps and keys.
    ///
    /// # Errors
    /// Those of storage; `Internal` when stored keys do not open with this server secret.
    pub async fn start(parts: Parts) -> Result<Self> {
        let engine = Self {
            store: parts.store,
            clock: parts.clock,
            entropy: parts.entropy,
            keys: parts.keys,
            senders: parts.senders,
            templates: parts.templates,
            sessions: SessionCache::new(parts.settings.cached_sessions),
            settings: parts.settings,
            wake: parts.wake,
            directory: RwLock::default(),
            limiter: Limiter::default(),
            looked_for_key: AtomicI64::default(),
            making_key: futures_util::lock::Mutex::default(),
        };
        engine.refresh_directory().await?;
        Ok(engine)
    }

    /// The server's settings.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// `iss` of our tokens: the public origin.
    pub fn issuer(&self) -> String {
        self.settings.public_origin.to_string()
    }

    /// Now, by the engine's clock.
    pub fn now(&self) -> time::Timestamp {
        self.clock.now()
    }

    /// The id of a request, by which operators find it in logs and events. Without randomness it is the time alone: an id is no secret.
    pub fn new_request_id(&self) -> String {
        let mut random = [0; 10];
        let _ = self.entropy.fill(&mut random);
        ids::EventId::new(self.clock.now(), random).to_string()
    }

    /// A keyed digest that nobody else can compute, for page nonces and the like; `purpose` separates the uses.
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
        self.keys.digest(purpose, parts)
    }

    /// Answers when storage can take a write.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// Removes what nobody needs any more, up to `batch` rows of each kind; answers how many went.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn sweep(&self, batch: u32) -> Result<u64> {
        self.store.sweep(self.clock.now(), batch).await
    }

    /// Newest events, newest first, for the operator.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn list_events(&self, filter: events::EventFilter, limit: u32) -> Result<Vec<events::Event>> {
        self.store.list_events(filter, limit).await
    }

    /// The clients of the caller's app.
    ///
    /// # Errors
    /// `Forbidden` without the scope.
    pub async fn list_clients(&self, caller: &caller::Caller) -> Result<Vec<apps::Client>> {
        caller.require("client:read")?;
        self.store.list_clients(caller.app.id).await
    }
}
