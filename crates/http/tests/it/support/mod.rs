//! The app under test: the whole router over a real database in a folder of its own.

pub mod answer;
pub mod browser;
pub mod doubles;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use axum::Router;
use axum::body::Body;
use http::Request;
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::apps::{App, AppSettings};
use passlink_engine::caller::{RequestContext, Scopes};
use passlink_engine::keys::ServerKeys;
use passlink_engine::limits::Limit;
use passlink_engine::messages::sender::Sender;
use passlink_engine::messages::templates::Templates;
use passlink_engine::redirects::{AllowedOrigin, Origin};
use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use passlink_engine::{Engine, EngineSettings, Parts};
use passlink_http::{HttpSettings, Mounted, Peer};
use passlink_store::{DatabaseSettings, SqlStore};
use tower::ServiceExt;

pub use answer::{Answer, between};
pub use browser::{Browser, Kind, form_body};
pub use doubles::Mail;
use doubles::{TestClock, TestEntropy, TestSender};

/// Our own origin, unless a test chooses another.
pub const PUBLIC: &str = "https://auth.example.test";
/// The one origin on the app's allow-list, unless a test chooses others.
pub const APP: &str = "https://app.example.com";
/// What all keys of the app derive from.
pub const SERVER_SECRET: [u8; 32] = [7; 32];
/// Where requests come from.
pub const PEER: &str = "203.0.113.7:40000";

/// What a test may choose before the app starts.
pub struct Setup {
    pub app: AppSettings,
    pub more_apps: Vec<(&'static str, AppSettings)>,
    pub public_origin: String,
    pub http: HttpSettings,
    /// Messages leave as soon as they are queued, as the server's worker does it.
    pub sends_at_once: bool,
    /// The database lies in memory where the system has a folder there: for tests that measure, and must not measure the disk.
    pub in_memory: bool,
}

/// A limit that no test reaches by accident.
pub fn roomy() -> Limit {
    Limit::new(60_000, Lifetime::from_minutes(1))
}

/// Settings with the limits of the product.
pub fn strict_settings() -> AppSettings {
    AppSettings {
        display_name: Some("Example".to_owned()),
        allowed_origins: vec![AllowedOrigin::parse(APP).unwrap()],
        default_origin: Some(APP.to_owned()),
        sender: Some("mail".to_owned()),
        from_address: Some("noreply@example.com".parse().unwrap()),
        ..AppSettings::default()
    }
}

/// The secret of every client.
pub const CLIENT_SECRET: &str = "secret-test-0123456789";

/// Settings without limits to speak of.
pub fn settings() -> AppSettings {
    AppSettings {
        limit_per_network: roomy(),
        limit_per_mailbox: roomy(),
        limit_per_app: roomy(),
        limit_refused_per_network: roomy(),
        limit_attempts_per_network: roomy(),
        limit_requests_per_app: roomy(),
        limit_requests_per_group: roomy(),
        limit_handoffs_per_user: roomy(),
        pending_links: 100,
        ..strict_settings()
    }
}

/// The running app.
pub struct TestApp {
    pub engine: Arc<Engine>,
    pub router: Router,
    /// The paths of all routes, as declared.
    pub paths: Vec<String>,
    pub clock: Arc<TestClock>,
    pub entropy: Arc<TestEntropy>,
    pub sender: Arc<TestSender>,
    pub public: String,
    folder: tempfile::TempDir,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// As developers run it: demo page, waiting screens with numbers.
    pub async fn dev() -> Self {
        Self::with(|setup| setup.http.dev = true).await
    }

    pub async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            app: settings(),
            more_apps: Vec::new(),
            public_origin: PUBLIC.to_owned(),
            http: HttpSettings::default(),
            sends_at_once: false,
            in_memory: false,
        };
        change(&mut setup);
        let memory = std::path::Path::new("/dev/shm");
        let folder = if setup.in_memory && memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let url = format!("sqlite:{}", folder.path().join("passlink.db").display());
        let store = SqlStore::open(&DatabaseSettings { url, readers: 2, postgres_ca_certificates: None }).await.unwrap();
        store.migrate().await.unwrap();
        let (clock, entropy, sender) = (Arc::<TestClock>::default(), Arc::<TestEntropy>::default(), Arc::<TestSender>::default());
        // Weak: an engine that kept itself would keep its files and its writer too, and a fuzzer makes thousands.
        let itself: Arc<OnceLock<Weak<Engine>>> = Arc::default();
        let wake = {
            let (itself, at_once) = (Arc::clone(&itself), setup.sends_at_once);
            move || {
                if let (true, Some(engine)) = (at_once, itself.get().and_then(Weak::upgrade)) {
                    tokio::spawn(async move { engine.dispatch_due(100).await.map(|_| ()) });
                }
            }
        };
        let engine = Engine::start(Parts {
            store,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::clone(&entropy) as _,
            keys: ServerKeys::derive(&SERVER_SECRET).unwrap(),
            senders: HashMap::from([("mail".to_owned(), Arc::clone(&sender) as Arc<dyn Sender>)]),
            templates: Templates::load(HashMap::new()).unwrap(),
            settings: EngineSettings::new(Origin::parse(&setup.public_origin).unwrap()),
            wake: Arc::new(wake),
        });
        let engine = Arc::new(engine.await.unwrap());
        assert!(itself.set(Arc::downgrade(&engine)).is_ok());
        let context = RequestContext::default();
        engine.save_app(&context, "example", setup.app).await.unwrap();
        for (name, settings) in setup.more_apps {
            clock.advance_secs(1);
            engine.save_app(&context, name, settings).await.unwrap();
        }
        let Mounted { router, paths } = passlink_http::mount(Arc::clone(&engine), setup.http).unwrap();
        Self { engine, router, paths, clock, entropy, sender, public: setup.public_origin, folder }
    }

    /// Another engine over the same database, with other settings.
    pub async fn engine_with(&self, settings: EngineSettings) -> Arc<Engine> {
        let url = format!("sqlite:{}", self.folder.path().join("passlink.db").display());
        let store = SqlStore::open(&DatabaseSettings { url, readers: 1, postgres_ca_certificates: None }).await.unwrap();
        let engine = Engine::start(Parts {
            store,
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
            keys: ServerKeys::derive(&SERVER_SECRET).unwrap(),
            senders: HashMap::new(),
            templates: Templates::load(HashMap::new()).unwrap(),
            settings,
            wake: Arc::new(|| {}),
        });
        Arc::new(engine.await.unwrap())
    }

    /// Gives an app a client with [`CLIENT_SECRET`].
    pub async fn save_client(&self, app: &str, id: &str, scopes: &str) {
        let client = SaveClient {
            client_id: Some(id.to_owned()),
            client_secret: Some(Secret::new(CLIENT_SECRET.to_owned())),
            scopes: Scopes::parse(scopes),
            label: None,
            expires_at: None,
        };
        self.engine.save_client(&self.engine.operator(&RequestContext::default(), app).unwrap(), client).await.unwrap();
    }

    /// The default app as it is now.
    pub fn app(&self) -> Arc<App> {
        self.engine.directory().default_app().unwrap()
    }

    /// Changes the default app's settings, as an operator would.
    pub async fn change(&self, change: impl FnOnce(&mut AppSettings)) {
        let app = self.app();
        let mut settings = app.settings.clone();
        change(&mut settings);
        self.engine.save_app(&RequestContext::default(), &app.name, settings).await.unwrap();
    }

    /// Answers a request; it comes from [`PEER`] unless it says otherwise.
    pub async fn call(&self, request: Request<Body>) -> Answer {
        Answer::read(self.respond(request).await).await
    }

    /// The same with an unread body, for streams.
    pub async fn respond(&self, mut request: Request<Body>) -> axum::response::Response {
        if request.extensions().get::<Peer>().is_none() {
            request.extensions_mut().insert(Peer(PEER.parse::<SocketAddr>().unwrap()));
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A program without cookies or Fetch Metadata.
    pub async fn anonymous(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.call(request(method, path, headers, body)).await
    }

    /// GET by such a program.
    pub async fn get(&self, path: &str) -> Answer {
        self.anonymous("GET", path, &[], "").await
    }

    /// POST of JSON by such a program.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.anonymous("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// A browser with an empty cookie jar.
    pub fn browser(&self, kind: Kind) -> Browser<'_> {
        Browser::new(self, kind)
    }

    /// Sends what is queued; answers the mails that left.
    pub async fn dispatch(&self) -> Vec<Mail> {
        let before = self.sender.sent.lock().unwrap().len();
        while self.engine.dispatch_due(100).await.unwrap().claimed > 0 {}
        self.sender.sent.lock().unwrap()[before..].to_vec()
    }

    /// The one mail that is queued.
    pub async fn mail(&self) -> Mail {
        let mut mails = self.dispatch().await;
        assert_eq!(mails.len(), 1, "one mail was expected");
        mails.remove(0)
    }

    /// A link that no browser is bound to, mailed to `address`.
    pub async fn link_for(&self, address: &str) -> Mail {
        let asked = self.post_json("/api/auth/send-magic-link", &serde_json::json!({"email": address})).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
        self.mail().await
    }

    /// The methods that the route of this path knows, as it tells those who come by another.
    pub async fn methods_of(&self, path: &str) -> Vec<String> {
        let answer = self.anonymous("PURGE", path, &[], "").await;
        assert_eq!(answer.status, 405, "{path}");
        let allow = answer.header("allow").unwrap_or_else(|| panic!("{path} does not tell what works"));
        allow.split(',').map(|method| method.trim().to_owned()).collect()
    }

    /// The database, to be read beside the app.
    pub fn database(&self) -> rusqlite::Connection {
        let path = self.folder.path().join("passlink.db");
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// All rows of a table, byte for byte.
    pub fn rows(&self, table: &str) -> Vec<Vec<rusqlite::types::Value>> {
        let db = self.database();
        let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect()).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

/// A path that the route declared so answers.
pub fn filled(declared: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    declared.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A request from its parts. A header value may hold any bytes a client could send, as Latin-1.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c as u32).expect("Latin-1")).collect();
        request = request.header(*name, http::HeaderValue::from_bytes(&bytes).expect(name));
    }
    request.body(body.into()).unwrap()
}
