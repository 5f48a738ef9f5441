//! A whole server without its network: the engine over the real store, with a clock that is moved by hand, seeded randomness
//! and a sender that keeps what it is given.

pub mod ask;
pub mod database;
pub mod doubles;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use passlink_engine::apps::{App, AppSettings};
use passlink_engine::caller::{Authority, Caller, RequestContext, Scopes};
use passlink_engine::keys::ServerKeys;
use passlink_engine::limits::Limit;
use passlink_engine::messages::sender::Sender;
use passlink_engine::messages::templates::Templates;
use passlink_engine::redirects::{AllowedOrigin, Origin};
use passlink_engine::time::Lifetime;
use passlink_engine::users::Person;
use passlink_engine::users::manage::CreateUser;
use passlink_engine::{Engine, EngineSettings, Error, ErrorKind, Parts};
use passlink_store::{DatabaseSettings, SqlStore};

use database::{Database, Kind};
use doubles::{HandClock, Recorder, SeededEntropy};

/// Makes of each `async fn name(world: Arc<World>)` two tests, `sqlite::name` and `postgres::name`.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() { crate::support::run(crate::support::database::Kind::Sqlite, super::$name).await }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() { crate::support::run(crate::support::database::Kind::Postgres, super::$name).await }
        )+}
    };
}
pub(crate) use both;

/// Runs one body in a world of its own.
pub async fn run<F: Future<Output = ()>>(kind: Kind, body: impl FnOnce(Arc<World>) -> F) {
    let world = Arc::new(World::start(kind).await);
    body(Arc::clone(&world)).await;
    world.database.remove().await;
}

/// The server secret of every test.
pub const SECRET: &[u8] = b"a server secret for tests, longer than it must be";

pub struct World {
    pub database: Database,
    pub store: Arc<SqlStore>,
    pub engine: Arc<Engine>,
    pub clock: Arc<HandClock>,
    pub entropy: Arc<SeededEntropy>,
    pub sender: Arc<Recorder>,
    /// The app under test.
    pub app: Arc<App>,
    /// Another tenant.
    pub other: Arc<App>,
    engines: AtomicU32,
    requests: AtomicU32,
}

/// Settings with which limits stand in nobody's way.
pub fn settings() -> AppSettings {
    let wide = Limit::new(1_000_000, Lifetime::from_minutes(1));
    AppSettings {
        allowed_origins: vec![AllowedOrigin::parse("https://app.example.com").unwrap()],
        sender: Some("test".to_owned()),
        from_address: Some("no-reply@example.com".parse().unwrap()),
        limit_per_network: wide,
        limit_per_mailbox: wide,
        limit_per_app: wide,
        limit_refused_per_network: wide,
        limit_attempts_per_network: wide,
        limit_handoffs_per_user: wide,
        ..AppSettings::default()
    }
}

impl World {
    async fn start(kind: Kind) -> Self {
        let database = Database::fresh(kind).await;
        let store = open(&database).await;
        store.migrate().await.unwrap();
        let clock = Arc::new(HandClock::default());
        let entropy = Arc::new(SeededEntropy::new(1));
        let sender = Arc::new(Recorder::default());
        let engine = engine_over(Arc::clone(&store), &clock, &entropy, &sender).await;
        let context = RequestContext { request_id: "setup".to_owned(), ..RequestContext::default() };
        let (app, _) = engine.save_app(&context, "first", settings()).await.unwrap();
        clock.tick();
        let (other, _) = engine.save_app(&context, "second", settings()).await.unwrap();
        clock.tick();
        let (engines, requests) = (AtomicU32::new(1), AtomicU32::default());
        Self { database, store, engine, clock, entropy, sender, app, other, engines, requests }
    }

    /// Another store on the same database.
    pub async fn another_store(&self) -> Arc<SqlStore> {
        open(&self.database).await
    }

    /// Another server on the same database: its own store, memory and randomness; the same clock and sender.
    pub async fn another_engine(&self) -> Arc<Engine> {
        let entropy = Arc::new(SeededEntropy::new(1 + self.engines.fetch_add(1, Ordering::Relaxed)));
        engine_over(self.another_store().await, &self.clock, &entropy, &self.sender).await
    }

    /// Gives the app other settings than it began with, and answers it.
    pub async fn changed(&self, change: impl FnOnce(&mut AppSettings)) -> Arc<App> {
        let mut settings = self.app.settings.clone();
        change(&mut settings);
        self.engine.save_app(&self.context(), &self.app.name, settings).await.unwrap().0
    }

    /// A request from a network of its own.
    pub fn context(&self) -> RequestContext {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let [_, b, c, d] = number.to_be_bytes();
        RequestContext {
            request_id: format!("request-{number}"),
            address: Some([10, b, c, d].into()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned()),
            languages: Some("en".to_owned()),
        }
    }

    /// A caller without credentials.
    pub fn anybody(&self) -> Caller {
        Caller::anonymous(Arc::clone(&self.app), self.context())
    }

    /// A backend of the app under test that may do everything.
    pub fn client(&self) -> Caller {
        self.client_of(&self.app)
    }

    /// The same of any app.
    pub fn client_of(&self, app: &Arc<App>) -> Caller {
        let authority = Authority::Client { client_id: "backend".to_owned(), scopes: Scopes::parse("*") };
        Caller { app: Arc::clone(app), authority, context: self.context() }
    }

    /// A user that a client made.
    pub async fn person(&self, email: &str) -> Person {
        let command = CreateUser { email: Some(ask::address(email)), ..CreateUser::default() };
        let person = self.engine.create_user(&self.client(), command).await.unwrap();
        self.clock.tick();
        person
    }

    /// The operator.
    pub fn operator(&self) -> Caller {
        self.engine.operator(&self.context(), &self.app.name).unwrap()
    }
}

/// Runs all of them at once; answers in the order in which they were given.
pub async fn at_once<T: Send + 'static>(tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for one in running {
        answers.push(one.await.unwrap());
    }
    answers
}

/// An error in a word or two: its kind and thing, or each bad field and what is wrong with it.
pub fn word(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Invalid(fields) => {
            fields.iter().map(|f| format!("{} {:?}", f.field, f.problem)).collect::<Vec<_>>().join(", ")
        }
        ErrorKind::Unavailable | ErrorKind::Internal => error.log_line(),
        kind => format!("{} {}", kind.code(), error.thing()),
    }
}

async fn open(database: &Database) -> Arc<SqlStore> {
    let settings = DatabaseSettings { url: database.url(), readers: 2, postgres_ca_certificates: None };
    SqlStore::open(&settings).await.unwrap()
}

async fn engine_over(
    store: Arc<SqlStore>,
    clock: &Arc<HandClock>,
    entropy: &Arc<SeededEntropy>,
    sender: &Arc<Recorder>,
) -> Arc<Engine> {
    let mut settings = EngineSettings::new(Origin::parse("https://auth.example.com").unwrap());
    settings.limit_per_server = Limit::new(1_000_000, Lifetime::from_minutes(1));
    let senders: [Arc<dyn Sender>; 2] = [Arc::clone(sender) as _, Arc::new(sender.named("spare"))];
    let parts = Parts {
        store,
        clock: Arc::clone(clock) as _,
        entropy: Arc::clone(entropy) as _,
        keys: ServerKeys::derive(SECRET).unwrap(),
        senders: senders.into_iter().map(|s| (s.name().to_owned(), s)).collect::<HashMap<_, _>>(),
        templates: Templates::load(HashMap::new()).unwrap(),
        settings,
        wake: Arc::new(|| ()),
    };
    Arc::new(Engine::start(parts).await.unwrap())
}
