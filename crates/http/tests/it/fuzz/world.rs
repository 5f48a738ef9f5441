//! The state that valid requests speak of: people in the middle of every flow, and one whose secrets nobody else may learn.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passlink_engine::apps::{AppSettings, Opening};
use passlink_engine::caller::{RequestContext, Scopes};
use passlink_engine::limits::Limit;
use passlink_engine::messages::inbox::INBOX;
use passlink_engine::redirects::LandingUrl;
use passlink_engine::time::Lifetime;
use rusqlite::types::Value;
use serde_json::json;

use super::call::{Call, Content};
use crate::support::{Answer, Browser, Kind, TestApp};

/// Every row that a refused request must leave alone; limits and events, which count refusals, are not among them.
pub type Rows = Rc<Vec<(&'static str, Vec<Vec<Value>>)>>;

/// What counts wrong codes and numbers.
pub const TRIES: &str = "tries of links";

/// See above.
pub struct World {
    pub app: TestApp,
    /// Presses of forms, each valid by itself, under their routes.
    pub presses: Vec<(&'static str, Call)>,
    /// Of a link nobody opened.
    pub link: String,
    /// Of a link that was asked for on our own page, by `person`.
    pub bound_link: String,
    /// The waiting screen of `person`.
    pub screen: String,
    /// A client's mailed link.
    pub forward: String,
    /// The browser that asked, as its requests are.
    pub person: Vec<(String, Vec<u8>)>,
    /// Somebody who handed their sign-in on, as their requests are.
    pub minter: Vec<(String, Vec<u8>)>,
    /// The page of that hand-off.
    pub handoff: String,
    /// The id of a message in the inbox.
    pub message: String,
    /// A session by the API.
    pub access: String,
    pub refresh: String,
    /// A project of another app, in the hands of its own server.
    pub project: Project,
    /// What a machine client of the default app has.
    pub machine: Machine,
    /// The same app by its key, with a person, a group and an invitation.
    pub shop: Shop,
    /// What belongs to somebody who sends none of the requests.
    pub secrets: Vec<String>,
    database: rusqlite::Connection,
    last: RefCell<Option<(i64, Rows)>>,
}

/// The page of the app that receives tokens.
pub const LANDING: &str = "https://app.example.com/authenticate";

/// A project with a user who is signed in.
pub struct Project {
    pub id: &'static str,
    /// Its credentials, as a header.
    pub basic: String,
    pub user: String,
    pub email_id: String,
    pub phone_id: String,
    /// A code that was mailed to the address.
    pub code: String,
    /// The path of a mailed link.
    pub forward: String,
    /// A user with one address.
    pub other: String,
    /// A link that nobody used.
    pub token: String,
    pub session: String,
    pub session_token: String,
    pub session_jwt: String,
}

impl Project {
    async fn new(app: &TestApp) -> Self {
        let context = RequestContext::default();
        let urls = vec![LandingUrl::parse(LANDING).unwrap()];
        let settings = AppSettings {
            sign_in_urls: urls.clone(),
            sign_up_urls: urls.clone(),
            invite_urls: urls,
            sandbox: true,
            client_redirect_origins: vec![crate::support::APP.to_owned()],
            default_redirect_url: Some(crate::support::APP.to_owned()),
            limit_codes_per_mailbox: crate::support::roomy(),
            ..crate::support::settings()
        };
        app.engine.save_app(&context, "shop", settings).await.unwrap();
        app.save_client("shop", "project-test-1", Scopes::ALL).await;
        let basic = format!("Basic {}", STANDARD.encode("project-test-1:secret-test-0123456789"));
        let call = async |path: &str, body: serde_json::Value| {
            let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
            let answer = app.anonymous("POST", path, &headers, body.to_string()).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answer.json()
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let user =
            call("/v1/users", json!({"email": "zoe@example.com", "phone_number": "+12025550163", "external_id": "zoe"})).await;
        let user_id = text(&user["user_id"]);
        let link = async || text(&call("/v1/magic_links", json!({"user_id": user_id})).await["token"]);
        let body = json!({"token": link().await, "session_duration_minutes": 60});
        let held = call("/v1/magic_links/authenticate", body).await;
        let other = call("/v1/users", json!({"email": "one@example.com"})).await;
        call("/v1/magic_links/email/invite", json!({"email": "invited@example.com"})).await;
        app.dispatch().await;
        call("/v1/otps/email/send", json!({"email": "zoe@example.com"})).await;
        let code = app.mail().await.code;
        call("/v1/magic_links/email/login_or_create", json!({"email": "two@example.com"})).await;
        let forward = app.mail().await.path().to_owned();
        Self {
            id: "project-test-1",
            token: link().await,
            email_id: text(&user["email_id"]),
            phone_id: text(&user["phone_id"]),
            other: text(&other["user_id"]),
            code,
            forward,
            session: text(&held["session"]["session_id"]),
            session_token: text(&held["session_token"]),
            session_jwt: text(&held["session_jwt"]),
            user: user_id.clone(),
            basic: basic.clone(),
        }
    }
}

/// A machine client with a business, its link and its session.
pub struct Machine {
    pub basic: String,
    pub bearer: String,
    pub business: String,
    /// The path of a link that nobody used.
    pub link: String,
    /// A code that nobody exchanged.
    pub code: String,
    pub session_token: String,
}

impl Machine {
    async fn new(app: &TestApp) -> Self {
        app.save_client("example", "machine-1", Scopes::ALL).await;
        let basic = format!("Basic {}", STANDARD.encode("machine-1:secret-test-0123456789"));
        let form = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let token = app.anonymous("POST", "/v0/auth/token", &form, "").await.json();
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let call = async |path: &str, body: serde_json::Value| {
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
            let answer = app.anonymous("POST", path, &headers, body.to_string()).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.body);
            answer.json()["data"].clone()
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let business = text(&call("/v0/business", new_business()).await["id"]);
        let link = async || {
            let made = call("/v0/auth/magic-link", json!({"business_id": business, "path": "/reports"})).await;
            text(&made["magic_link"]).strip_prefix(app.public.as_str()).expect("ours").to_owned()
        };
        let code = async || {
            let used = app.browser(Kind::SafariOld).redeem(&link().await).await;
            let (_, code) = used.location().split_once("code=").expect("a code");
            code.to_owned()
        };
        let held = call("/v0/auth/session", json!({"code": code().await})).await;
        Self {
            link: link().await,
            code: code().await,
            session_token: text(&held["session_token"]),
            business: business.clone(),
            bearer: bearer.clone(),
            basic: basic.clone(),
        }
    }
}

/// An app that calls by key and secret, and a person of it with a token.
pub struct Shop {
    pub app: String,
    pub user: String,
    pub access: String,
    pub refresh: String,
    pub group: String,
    pub member: String,
    pub invite: String,
    /// An invitation of the person.
    pub own_invite: String,
    /// The path of a link that nobody used.
    pub link: String,
    /// Another one.
    pub other_link: String,
    /// One that a browser has open.
    pub pressed: String,
    /// The path of a short link.
    pub short: String,
    pub challenge: String,
    pub code: String,
    /// The token of a link that the person made for another device.
    pub handoff: String,
    /// The person's session.
    pub session: String,
}

pub const KEY: [(&str, &str); 2] = [("x-rownd-app-key", "project-test-1"), ("x-rownd-app-secret", "secret-test-0123456789")];

impl Shop {
    async fn new(app: &TestApp) -> Self {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let path = |link: &serde_json::Value| link.as_str().unwrap().strip_prefix(&app.public).unwrap().to_owned();
        let call = async |method: &str, path: &str, body: serde_json::Value| {
            let headers = [&KEY[..], &[("content-type", "application/json"), ("user-agent", "Rownd SDK for tests")]].concat();
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let answer = app.anonymous(method, path, &headers, body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answer.json()
        };
        call("GET", "/hub/auth/keys", serde_json::Value::Null).await;
        let id = text(&call("GET", "/hub/app-config", serde_json::Value::Null).await["app"]["id"]);
        let link = async |email: &str| {
            let body = json!({"verification_type": "email", "data": {"email": email}, "redirect_url": crate::support::APP});
            path(&call("POST", "/hub/auth/magic", body).await["link"])
        };
        let held = call("GET", &link("rita@example.com").await, serde_json::Value::Null).await;
        let user = text(&held["app_user_id"]);
        let below = |rest: &str| format!("/applications/{id}/groups{rest}");
        let group = text(&call("POST", &below(""), json!({"name": "Team", "admission_policy": "open"})).await["id"]);
        let members = below(&format!("/{group}/members"));
        call("PUT", &format!("/applications/{id}/users/sam/data"), json!({"data": {"email": "sam@example.com"}})).await;
        call("PUT", &format!("/applications/{id}/users/tea/data"), json!({"data": {}})).await;
        let member = text(&call("POST", &members, json!({"user_id": "sam", "roles": []})).await["id"]);
        let invite = async |body: serde_json::Value| {
            text(&call("POST", &below(&format!("/{group}/invites")), body).await["invitation"]["id"])
        };
        let home = crate::support::APP;
        let short = json!({"purpose": "shorten", "redirect_url": home});
        let challenge =
            text(&call("POST", "/hub/auth/init", json!({"email": "tom@example.com", "return_url": home})).await["challenge_id"]);
        let own = async |method: &str, path: &str| {
            let bearer = format!("Bearer {}", held["access_token"].as_str().unwrap());
            app.anonymous(method, path, &[("authorization", &bearer)], "").await.json()
        };
        let handoff = path(&own("POST", "/me/auth/magic").await["link"]).rsplit('/').next().unwrap().to_owned();
        let session = text(&own("GET", "/me/sessions").await["results"][0]["id"]);
        Self {
            handoff,
            session,
            access: text(&held["access_token"]),
            refresh: text(&held["refresh_token"]),
            invite: invite(json!({"roles": ["x"], "email": "uma@example.com", "redirect_url": home})).await,
            own_invite: invite(json!({"roles": ["x"], "user_id": user, "redirect_url": home})).await,
            link: link("vic@example.com").await,
            other_link: link("wes@example.com").await,
            pressed: link("xen@example.com").await,
            short: path(&call("POST", "/hub/auth/magic", short).await["link"]),
            code: app.mail().await.code,
            app: id.clone(),
            user,
            group: group.clone(),
            member,
            challenge,
        }
    }
}

/// The members of a valid request to make a business.
pub fn new_business() -> serde_json::Value {
    json!({
        "name": "Brass & Co",
        "entity_type": "llc",
        "entries_start": "2026-01-01T00:00:00Z",
        "fiscal_year": "12/31",
        "external_id": "ext-1",
        "status": "active",
        "plan": {"name": "basic"},
        "onboarding_date": null,
    })
}

/// All headers of a browser's request, with its cookies.
fn headers(browser: &Browser<'_>, headers: Vec<(&'static str, String)>) -> Vec<(String, Vec<u8>)> {
    let cookies = browser.jar.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let cookies = Some(("cookie", cookies)).filter(|(_, text)| !text.is_empty());
    headers.into_iter().chain(cookies).map(|(name, value)| (name.to_owned(), value.into_bytes())).collect()
}

/// The press of a form; `action` when it is another than the form's.
fn press(browser: &Browser<'_>, page: &Answer, ends: &str, action: Option<String>, fields: &[(&str, &str)]) -> Call {
    let form = page.form(ends);
    let nonce = ("nonce".to_owned(), form.nonce);
    let pairs = [nonce].into_iter().chain(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Call {
        method: "POST".to_owned(),
        target: action.unwrap_or(form.action),
        headers: headers(browser, browser.press_headers()),
        content: Content::Form(pairs.collect()),
    }
}

impl World {
    /// In the middle of every flow, under a policy that goes by the number of the round.
    pub async fn new(round: u64) -> Self {
        // Hundreds of worlds are made; what a disk promises is tested elsewhere.
        let app = TestApp::with(|setup| (setup.http.dev, setup.in_memory) = (true, true)).await;
        let database = app.database();
        let project = Project::new(&app).await;
        let machine = Machine::new(&app).await;
        let shop = Shop::new(&app).await;
        app.change(|settings| settings.download_url = Some(format!("{}/get", crate::support::APP))).await;

        let session = app.browser(Kind::SafariOld).redeem(app.link_for("carol@example.com").await.path()).await;
        let (access, refresh) = (session.handed("access_token"), session.handed("refresh_token"));
        let session = app.browser(Kind::SafariOld).redeem(app.link_for("victim.person@example.com").await.path()).await;
        let victims = app.link_for("victim.person@example.com").await;
        let secrets = vec![
            session.handed("access_token"),
            session.handed("refresh_token"),
            victims.token().to_owned(),
            "victim.person@example.com".to_owned(),
        ];

        let link = app.link_for("bob@example.com").await.path().to_owned();
        let bob = app.browser(Kind::SafariIos);
        let confirm = bob.open(&link).await;

        let person = app.browser(Kind::Chrome);
        let demo = person.visit("/").await;
        let screen = person.ask("ada@example.com").await;
        let mail = app.mail().await;
        let waiting = person.visit(&screen).await;
        let other = app.browser(Kind::Firefox);
        let elsewhere = other.open(mail.path()).await;
        let number = crate::support::between(&waiting.body, "number-digits\">", "<").expect("a number").to_owned();

        app.change(|settings| settings.sender = Some(INBOX.to_owned())).await;
        let asked = app.post_json("/auth/send-magic-link", &json!({"email": "frank@example.com"})).await;
        assert_eq!((asked.status.as_u16(), app.dispatch().await.len()), (200, 0));
        app.change(|settings| settings.sender = Some("mail".to_owned())).await;
        let message = app.engine.inbox(1).await.unwrap()[0].id.to_string();

        let guest = app.browser(Kind::Chrome);
        let guests = guest.ask("dora@example.com").await;
        let code = app.mail().await.code;
        guest.press(&guest.visit(&guests).await, "/code", &[("code", &code)]).await;
        let signed_in = guest.visit("/signed-in").await;
        let inbox = guest.visit("/inbox").await;
        let asks = guest.visit("/handoff").await;
        let handoff = guest.press(&asks, "/handoff", &[("label", "phone")]).await.location().to_owned();
        let used = guest.press(&asks, "/handoff", &[]).await.location().to_owned();
        let shown = guest.visit(&used).await;
        let phone = app.browser(Kind::SafariIos);
        phone.redeem(crate::support::between(&shown.body, "<code id=\"link\">", "<").expect("a link")).await;
        let handed_on = guest.visit("/signed-in").await;

        let again = format!("{}/again", mail.path());
        let device = handed_on.forms().into_iter().find(|form| form.action.starts_with("/sign-out/")).expect("a device").action;
        let finish = format!("{screen}/finish");
        let mut presses = vec![
            ("POST /", press(&person, &demo, "/", None, &[("email", "eve@example.com")])),
            ("POST /l/{token}", press(&bob, &confirm, "", None, &[])),
            ("POST /l/{token}/number", press(&other, &elsewhere, "/number", None, &[("number", &number)])),
            ("POST /l/{token}/code", press(&other, &elsewhere, "/code", None, &[("code", &mail.code)])),
            ("POST /l/{token}/refuse", press(&other, &elsewhere, "/refuse", None, &[])),
            ("POST /l/{token}/again", press(&other, &elsewhere, "/refuse", Some(again), &[])),
            ("POST /wait/{id}/code", press(&person, &waiting, "/code", None, &[("code", &mail.code)])),
            ("POST /wait/{id}/again", press(&person, &waiting, "/again", None, &[])),
            ("POST /wait/{id}/finish", press(&person, &waiting, "/code", Some(finish), &[])),
            ("POST /sign-out", press(&guest, &signed_in, "/sign-out", None, &[])),
            ("POST /sign-out/{id}", press(&guest, &handed_on, device.as_str(), None, &[])),
            ("POST /handoff", press(&guest, &asks, "/handoff", None, &[("label", "phone")])),
            ("POST /inbox/delete", press(&guest, &inbox, "/inbox/delete", None, &[])),
        ];
        let forward = project.forward.clone();
        let reader = app.browser(Kind::SafariIos);
        let asking = reader.open(&forward).await;
        let shopper = app.browser(Kind::SafariIos);
        let door = shopper.open(&shop.pressed).await;
        presses.push(("POST /hub/auth/magic/{id}", press(&shopper, &door, "", None, &[])));
        presses.push(("POST /v1/magic_links/redirect", press(&reader, &asking, "", None, &[])));
        let clerk = app.browser(Kind::Firefox);
        let asking = clerk.open(&machine.link).await;
        presses.push(("POST /magic-link", press(&clerk, &asking, "", None, &[])));
        presses.push(("POST /magic-link/{*place}", press(&clerk, &asking, "", Some(machine.link.clone()), &[])));
        app.change(|settings| match round % 4 {
            2 => {
                settings.limit_per_network = Limit::new(20, Lifetime::from_minutes(1));
                settings.limit_refused_per_network = Limit::new(20, Lifetime::from_minutes(1));
                settings.limit_attempts_per_network = Limit::new(20, Lifetime::from_minutes(1));
            }
            3 => settings.opening = Opening::Immediate,
            _ => {}
        })
        .await;
        let bound_link = mail.path().to_owned();
        let person = headers(&person, person.navigation("none"));
        let minter = headers(&guest, guest.navigation("same-origin"));
        Self {
            app,
            presses,
            link,
            bound_link,
            screen,
            forward,
            minter,
            handoff,
            message,
            person,
            access,
            refresh,
            project,
            machine,
            shop,
            secrets,
            database,
            last: RefCell::default(),
        }
    }

    /// The valid press of this route.
    pub fn press(&self, route: &str) -> Call {
        self.presses.iter().find(|(name, _)| *name == route).unwrap_or_else(|| panic!("{route}")).1.clone()
    }

    /// A navigation of the browser that asked for a link.
    pub fn navigation(&self, target: impl Into<String>) -> Call {
        Call { headers: self.person.clone(), ..Call::get(target) }
    }

    pub async fn send(&self, call: &Call) -> Answer {
        let response = self.app.respond(call.request()).await;
        let streams = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        if streams {
            let (parts, _) = response.into_parts();
            return Answer { status: parts.status, headers: parts.headers, body: String::new() };
        }
        Answer::read(response).await
    }

    /// All rows as they are now.
    pub fn rows(&self) -> Rows {
        let version: i64 = self.database.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap();
        if let Some((_, rows)) = self.last.borrow().as_ref().filter(|(known, _)| *known == version) {
            return Rc::clone(rows);
        }
        let tables =
            ["apps", "clients", "signing_keys", "users", "identifiers", "groups", "members", "session_tokens", "outbox", "inbox"];
        let mut rows: Vec<_> = tables.iter().map(|table| (*table, self.select("*", table))).collect();
        let tries = ["code_attempts", "number_attempts", "revoked_at", "revoked_why"];
        let without = |table: &str, left_out: &[&str]| {
            let columns = self.database.prepare(&format!("SELECT * FROM {table}")).unwrap();
            columns.column_names().filter(|name| !left_out.contains(name)).collect::<Vec<_>>().join(", ")
        };
        rows.push(("links", self.select(&without("links", &[&tries[..], &["opens"]].concat()), "links")));
        // That a session was seen is answered before it is written, so it may show at the next request.
        rows.push(("sessions", self.select(&without("sessions", &["accessed_at"]), "sessions")));
        rows.push((TRIES, self.select(&format!("hash, {}", tries.join(", ")), "links")));
        let rows = Rc::new(rows);
        *self.last.borrow_mut() = Some((version, Rc::clone(&rows)));
        rows
    }

    fn select(&self, columns: &str, table: &str) -> Vec<Vec<Value>> {
        let mut statement = self.database.prepare_cached(&format!("SELECT {columns} FROM {table} ORDER BY 1")).unwrap();
        let count = statement.column_count();
        let rows = statement.query_map([], |row| (0..count).map(|at| row.get(at)).collect()).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

/// The members of a valid request to send a link.
pub fn send_magic_link() -> serde_json::Value {
    json!({"email": "eve@example.com", "callback_origin": crate::support::APP, "callback_next": "/reports?x=1"})
}
