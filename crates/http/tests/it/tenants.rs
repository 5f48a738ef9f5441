//! Two apps on one server: whatever id of another app stands in a call, the answer is that for an id that never existed, and nothing there changes (`security.md` 37).
//!
//! Every route of the Rownd dialect that has a placeholder is in the table, with every place where an id may stand: path, query and body.

use std::collections::{BTreeMap, BTreeSet};

use passlink_engine::apps::AppSettings;
use passlink_engine::caller::Scopes;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

use crate::support::{APP, Answer, TestApp, between, filled, settings};

/// Who sends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The app, with key and secret.
    App,
    /// A person of the app, with their token.
    Person,
}
use By::{App, Person};

/// Everything in an app that has an id.
struct Tenant {
    key: &'static str,
    /// What stands for `{name}` and `<name>`.
    ids: BTreeMap<&'static str, String>,
    /// A mail address and a text that nobody else may read.
    secrets: Vec<String>,
    token: String,
}

const SECRET: &str = "secret-test-0123456789";

impl Tenant {
    /// An app in which every kind of thing is there, with `name` in all its values.
    async fn new(app: &TestApp, app_name: &str, name: &'static str, key: &'static str) -> Self {
        app.save_client(app_name, key, Scopes::ALL).await;
        let mut made = Self { key, ids: BTreeMap::new(), secrets: Vec::new(), token: String::new() };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let config = made.must(app, App, "GET", "/hub/app-config", Value::Null).await;
        let id = text(&config["app"]["id"]);
        let (own, theirs) = (format!("{name}.person@example.com"), format!("{name}.member@example.com"));
        // A person who is signed in and has a group; one with an id of the app's own, who is a member.
        let asked = json!({"verification_type": "email", "data": {"email": own, "first_name": format!("{name} first")}});
        let link = made.must(app, App, "POST", "/hub/auth/magic", asked).await;
        let held = made.must(app, App, "GET", text(&link["link"]).strip_prefix(&app.public).unwrap(), Value::Null).await;
        made.token = text(&held["access_token"]);
        let named = format!("{name}|7");
        let profile = json!({"data": {"email": theirs, "last_name": format!("{name} last")}});
        made.must(app, App, "PUT", &format!("/applications/{id}/users/{named}/data"), profile).await;
        let group = made.must(app, Person, "POST", "/me/groups", json!({"name": format!("{name} group")})).await;
        let group = text(&group["group"]["id"]);
        let below = |rest: &str| format!("/applications/{id}/groups/{group}/{rest}");
        let member = made.must(app, App, "POST", &below("members"), json!({"user_id": named, "roles": ["x"]})).await;
        let invited = json!({"email": format!("{name}.guest@example.com"), "roles": ["x"]});
        let invite = made.must(app, App, "POST", &below("invites"), invited).await;
        let asked = json!({"data": {"email": format!("{name}.new@example.com")}});
        let unused = text(&made.must(app, App, "POST", "/hub/auth/magic", asked).await["link"]);
        let links = made.must(app, App, "GET", "/hub/auth/magic", Value::Null).await;
        let handed = text(&made.must(app, Person, "POST", "/me/auth/magic", Value::Null).await["link"]);
        let sessions = made.must(app, Person, "GET", "/me/sessions", Value::Null).await;
        let challenge = made.must(app, App, "POST", "/hub/auth/init", json!({"email": own, "return_url": APP})).await;
        made.secrets = ["person@", "member@", "guest@", "new@", " first", " last", " group"]
            .map(|rest| format!("{name}{}{rest}", if rest.starts_with(' ') { "" } else { "." }))
            .to_vec();
        made.ids = BTreeMap::from([
            ("app", id.clone()),
            ("user", text(&held["app_user_id"])),
            ("named", named),
            ("address", theirs),
            ("group", group.clone()),
            ("group_name", format!("{name} group")),
            ("member", text(&member["id"])),
            ("invite", text(&invite["invitation"]["id"])),
            ("id", text(&links["results"][0]["id"])),
            ("token", unused.rsplit('/').next().unwrap().to_owned()),
            ("challenge", text(&challenge["challenge_id"])),
            ("link", handed.rsplit('/').next().unwrap().to_owned()),
            ("session", text(&sessions["results"][0]["id"])),
            ("field", "first_name".to_owned()),
        ]);
        made
    }

    async fn call(&self, app: &TestApp, by: By, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = match by {
            App => vec![("x-rownd-app-key", self.key), ("x-rownd-app-secret", SECRET), ("user-agent", "Rownd SDK for tests")],
            Person => vec![("authorization", bearer.as_str())],
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let path = path.replace('|', "%7C").replace(' ', "%20");
        app.anonymous(method, &path, &headers, body).await
    }

    async fn must(&self, app: &TestApp, by: By, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(app, by, method, path, &body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()
    }
}

/// A call with places for ids: `{name}` in its path as the route declares it, `<name>` in query and body.
struct Call {
    by: By,
    method: &'static str,
    path: &'static str,
    query: &'static str,
    body: Value,
    /// It makes somebody whose id it names, so it has a server to itself.
    makes: bool,
}

fn call(by: By, method: &'static str, target: &'static str, body: Value) -> Call {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Call { by, method, path, query, body, makes: false }
}

fn makes(call: Call) -> Call {
    Call { makes: true, ..call }
}

/// Every route with a placeholder, and every other one to which an id is given.
fn calls() -> Vec<Call> {
    let none = || Value::Null;
    let roles = || json!({"roles": ["y"]});
    let name = || json!({"data": {"first_name": "Changed"}});
    let mut all = vec![
        call(App, "GET", "/hub/auth/magic?after=<id>", none()),
        call(App, "GET", "/hub/auth/magic/{id}", none()),
        call(App, "POST", "/hub/auth/magic/{id}", none()),
        call(App, "DELETE", "/hub/auth/magic/{id}", none()),
        call(App, "DELETE", "/hub/auth/magic/{token}", none()),
        call(App, "POST", "/hub/auth/magic", json!({"user_id": "<user>"})),
        call(App, "POST", "/hub/auth/magic", json!({"user_id": "<named>"})),
        call(App, "POST", "/hub/auth/magic", json!({"user_id": "<user>", "verification_type": "email"})),
        call(App, "POST", "/hub/auth/magic", json!({"user_id": "<named>", "verification_type": "email"})),
        call(App, "POST", "/hub/auth/magic", json!({"data": {"email": "<address>"}})),
        call(App, "POST", "/hub/auth/magic", json!({"data": {"email": "x@example.com"}, "group_to_join": "<group>"})),
        call(App, "POST", "/hub/auth/init", json!({"email": "x@example.com", "return_url": APP, "group_to_join": "<group>"})),
        call(App, "POST", "/hub/auth/challenge_status", json!({"challenge_id": "<challenge>"})),
        call(App, "POST", "/hub/auth/complete", json!({"challenge_id": "<challenge>", "token": "123456"})),
        call(App, "GET", "/hub/app-config?app_id=<app>", none()),
        call(App, "GET", "/applications/{app}/schema", none()),
        call(App, "GET", "/applications/{app}/users/data?after=<user>", none()),
        call(App, "GET", "/applications/{app}/users/data?id_filter=<user>,<named>", none()),
        call(App, "GET", "/applications/{app}/users/data?lookup_filter=<address>", none()),
        makes(call(App, "PUT", "/applications/{app}/users/data", json!({"users": [{"user_id": "<user>", "data": {}}]}))),
        makes(call(App, "PUT", "/applications/{app}/users/data", json!({"users": [{"user_id": "<named>", "data": {}}]}))),
        call(App, "POST", "/applications/{app}/users/actions", delete_of("user_id", "<user>")),
        call(App, "POST", "/applications/{app}/users/actions", delete_of("user_id", "<named>")),
        call(App, "POST", "/applications/{app}/users/actions", delete_of("email", "<address>")),
        call(App, "POST", "/applications/{app}/groups", json!({"name": "x"})),
        call(App, "GET", "/applications/{app}/groups?after=<group>", none()),
        call(App, "GET", "/applications/{app}/groups?lookup_filter=<group>", none()),
        call(App, "GET", "/applications/{app}/groups?lookup_filter=<group_name>", none()),
        call(Person, "GET", "/me/groups?after=<group>", none()),
        call(Person, "GET", "/me/applications/{app}/data", none()),
        call(Person, "PUT", "/me/applications/{app}/data", name()),
        call(Person, "PUT", "/me/applications/{app}/data", json!({"data": {"user_id": "<user>"}})),
        call(Person, "DELETE", "/me/applications/{app}/data", none()),
        call(Person, "GET", "/me/applications/{app}/data/fields/{field}", none()),
        call(Person, "PUT", "/me/applications/{app}/data/fields/{field}", json!({"value": "Changed"})),
        call(Person, "POST", "/me/applications/{app}/signout", none()),
        call(Person, "POST", "/me/groups/{group}/invites/{invite}/accept", none()),
        call(Person, "GET", "/me/auth/magic/{link}", none()),
        call(Person, "GET", "/me/auth/magic/{link}/qr.svg", none()),
        call(Person, "GET", "/me/auth/magic/{link}/qr.png", none()),
        call(Person, "DELETE", "/me/sessions/{session}", none()),
    ];
    for user in ["user", "named"] {
        let at = |rest: &str| -> &'static str { format!("/applications/{{app}}/users/{{{user}}}/{rest}").leak() };
        all.extend([
            call(App, "GET", at("data"), none()),
            makes(call(App, "PUT", at("data"), name())),
            call(App, "PATCH", at("data"), name()),
            call(App, "DELETE", at("data"), none()),
            call(App, "GET", at("data/fields/{field}"), none()),
            call(App, "PUT", at("data/fields/{field}"), json!({"value": "Changed"})),
            call(App, "POST", at("state"), json!({"state": "disabled"})),
            call(App, "POST", at("signout"), json!({"sign_out_all": true})),
        ]);
    }
    for (by, base) in [(App, "/applications/{app}/groups"), (Person, "/me/groups")] {
        let at = |rest: &str| -> &'static str { format!("{base}/{rest}").leak() };
        all.extend([
            call(by, "GET", at("{group}"), none()),
            call(by, "PUT", at("{group}"), json!({"name": "Changed"})),
            call(by, "PATCH", at("{group}"), json!({"name": "Changed"})),
            call(by, "DELETE", at("{group}"), none()),
            call(by, "POST", at("{group}/members"), json!({"user_id": "<user>", "roles": []})),
            call(by, "POST", at("{group}/members"), json!({"user_id": "<named>", "roles": []})),
            call(by, "POST", at("{group}/members"), json!({"email": "<address>", "roles": []})),
            call(by, "GET", at("{group}/members?after=<member>"), none()),
            call(by, "GET", at("{group}/members?lookup_filter=<named>"), none()),
            call(by, "GET", at("{group}/members?lookup_filter=<address>"), none()),
            call(by, "GET", at("{group}/members/{member}"), none()),
            call(by, "PUT", at("{group}/members/{member}"), roles()),
            call(by, "DELETE", at("{group}/members/{member}"), none()),
            call(by, "POST", at("{group}/invites"), json!({"user_id": "<user>", "roles": []})),
            call(by, "POST", at("{group}/invites"), json!({"user_id": "<named>", "roles": []})),
            call(by, "GET", at("{group}/invites?after=<invite>"), none()),
            call(by, "GET", at("{group}/invites?ensured_user_id=<user>"), none()),
            call(by, "GET", at("{group}/invites/{invite}"), none()),
            call(by, "PUT", at("{group}/invites/{invite}"), roles()),
            call(by, "DELETE", at("{group}/invites/{invite}"), none()),
        ]);
    }
    all
}

fn delete_of(field: &str, value: &str) -> Value {
    json!({"actions": [{"action": "delete", "user": {"data": {field: value}}}]})
}

/// The names of the places in a call, in order and each once.
fn places(call: &Call) -> Vec<&'static str> {
    const ALL: [&str; 13] = [
        "app",
        "user",
        "named",
        "address",
        "group",
        "group_name",
        "member",
        "invite",
        "id",
        "token",
        "challenge",
        "link",
        "session",
    ];
    let body = call.body.to_string();
    let stands = |name: &str| {
        call.path.contains(&format!("{{{name}}}")) || [call.query, &body].iter().any(|text| text.contains(&format!("<{name}>")))
    };
    ALL.into_iter().filter(|name| stands(name)).collect()
}

/// Every choice of places but none.
fn choices(places: &[&'static str]) -> Vec<BTreeSet<&'static str>> {
    (1..1_u32 << places.len())
        .map(|bits| places.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, name)| *name).collect())
        .collect()
}

/// The call with an id at each of its places.
fn with(call: &Call, ids: &BTreeMap<&'static str, String>) -> (String, Value) {
    let (mut path, mut query, mut body) = (call.path.to_owned(), call.query.to_owned(), call.body.to_string());
    for (name, id) in ids {
        path = path.replace(&format!("{{{name}}}"), id);
        query = query.replace(&format!("<{name}>"), id);
        body = body.replace(&format!("<{name}>"), id);
    }
    let joint = if query.is_empty() { "" } else { "?" };
    (format!("{path}{joint}{query}"), serde_json::from_str(&body).unwrap())
}

/// An id of the same form and time that never existed.
fn never(name: &str, id: &str) -> String {
    let other_end = |text: &str| {
        let (start, last) = text.split_at(text.len() - 1);
        format!("{start}{}", if last == "8" { "9" } else { "8" })
    };
    match name {
        "challenge" => id.split_once('.').map(|(id, proof)| format!("{}.{proof}", other_random(id))).unwrap(),
        "address" => id.split_once('@').map(|(local, domain)| format!("{}@{domain}", other_end(local))).unwrap(),
        "named" | "token" | "group_name" | "link" => other_end(id),
        _ => {
            let (prefix, body) = id.split_at(id.len() - 24);
            format!("{prefix}{}", other_random(body))
        }
    }
}

/// The 24 characters of an id with another random part, so that it stands at the same place of a list.
fn other_random(text: &str) -> String {
    let mut digits: Vec<u32> = text.chars().map(|c| c.to_digit(36).unwrap()).collect();
    // The first one is a letter.
    digits[0] -= 10;
    let mut number = digits.iter().fold(0_u128, |sum, digit| sum * 36 + u128::from(*digit)) ^ 1 << 70;
    for digit in digits.iter_mut().rev() {
        *digit = u32::try_from(number % 36).unwrap();
        number /= 36;
    }
    digits[0] += 10;
    digits.into_iter().map(|digit| char::from_digit(digit, 36).unwrap()).collect()
}

/// What an answer says, without what differs from one answer to the next: the id itself, and the secret of a link that is made for it.
fn said(answer: &Answer, ids: &BTreeMap<&'static str, String>) -> String {
    let mut headers: Vec<String> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.retain(|header| !header.starts_with("x-request-id"));
    headers.sort();
    let mut body = answer.body.clone();
    for (name, id) in ids {
        body = body.replace(id, &format!("<{name}>"));
    }
    // What is drawn for each answer.
    for (before, after) in
        [("https://auth.example.test/hub/auth/magic/", "\""), ("Request <code>", "<"), ("\"app_user_id\":\"user_", "\"")]
    {
        if let Some(drawn) = between(&body, before, after).map(str::to_owned) {
            body = body.replace(&drawn, "<drawn>");
        }
    }
    format!("{} {headers:?} {body}", answer.status)
}

const TABLES: [&str; 13] = [
    "apps",
    "clients",
    "users",
    "identifiers",
    "unique_values",
    "reserved_users",
    "groups",
    "members",
    "invites",
    "links",
    "sessions",
    "session_tokens",
    "outbox",
];

type Rows = BTreeMap<&'static str, Vec<Vec<Cell>>>;

fn rows(app: &TestApp) -> Rows {
    TABLES.into_iter().chain(["events"]).map(|table| (table, app.rows(table))).collect()
}

/// Two apps, and what names the second one.
struct Server {
    app: TestApp,
    ours: Tenant,
    theirs: Tenant,
    their_ids: Vec<Vec<u8>>,
    their_rows: Rows,
}

impl Server {
    async fn new() -> Self {
        Self::with("theirs").await
    }

    /// Beside the people of our own app, those of this one.
    async fn with(other: &'static str) -> Self {
        let place = AppSettings { default_redirect_url: Some(format!("{APP}/home")), ..settings() };
        let app = TestApp::with(|setup| {
            setup.app = place.clone();
            setup.more_apps.push(("theirs", place));
        })
        .await;
        let ours = Tenant::new(&app, &app.app().name, "ours", "key_ours").await;
        let before = rows(&app);
        app.clock.advance_secs(1);
        let theirs = Tenant::new(&app, other, "theirs", "key_theirs").await;
        let blobs = |rows: &Rows| -> BTreeSet<Vec<u8>> {
            let cells = rows.values().flatten().flatten();
            cells.filter_map(|cell| if let Cell::Blob(bytes) = cell { Some(bytes.clone()) } else { None }).collect()
        };
        let known = blobs(&before);
        let mut their_ids: Vec<Vec<u8>> = blobs(&rows(&app)).difference(&known).filter(|id| id.len() == 16).cloned().collect();
        if other == "theirs" {
            their_ids.push(app.engine.directory().app_by_name(other).unwrap().id.as_bytes().to_vec());
        }
        let mut made = Self { app, ours, theirs, their_ids, their_rows: Rows::new() };
        made.their_rows = made.of_theirs();
        for table in ["users", "identifiers", "links", "sessions", "groups", "members", "invites", "events"] {
            assert!(!made.their_rows[table].is_empty(), "nothing of theirs is in {table}");
        }
        made
    }

    /// All rows that name anything of theirs.
    fn of_theirs(&self) -> Rows {
        let is_theirs =
            |row: &Vec<Cell>| row.iter().any(|cell| matches!(cell, Cell::Blob(bytes) if self.their_ids.contains(bytes)));
        rows(&self.app).into_iter().map(|(table, rows)| (table, rows.into_iter().filter(is_theirs).collect())).collect()
    }
}

/// What is wrong with the answers to a call in which these places name something of theirs.
async fn try_call(server: &Server, call: &Call, foreign: &BTreeSet<&'static str>, wrong: &mut Vec<String>) {
    let what = format!("{:?} {} {}?{} {} with their {foreign:?}", call.by, call.method, call.path, call.query, call.body);
    let mut answers = Vec::new();
    for exists in [true, false] {
        let mut ids = server.ours.ids.clone();
        for name in foreign {
            let id = &server.theirs.ids[name];
            ids.insert(name, if exists { id.clone() } else { never(name, id) });
        }
        let (path, body) = with(call, &ids);
        let answer = server.ours.call(&server.app, call.by, call.method, &path, &body).await;
        for secret in server.theirs.secrets.iter().filter(|secret| !path.contains(*secret) && !body.to_string().contains(*secret))
        {
            if answer.body.contains(secret.as_str()) {
                wrong.push(format!("{what}: tells {secret}: {}", answer.body));
            }
        }
        if call.path.contains("{app}") && foreign.contains("app") && (answer.status != 403 || answer.code() != "E_FORBIDDEN") {
            wrong.push(format!("{what}: {} {}", answer.status, answer.body));
        }
        let named = foreign.iter().map(|name| (*name, ids[name].clone())).collect();
        answers.push(said(&answer, &named));
    }
    if answers[0] != answers[1] {
        wrong.push(format!("{what}:\n    {}\n    {}", answers[0], answers[1]));
    }
    let after = server.of_theirs();
    for (table, _) in server.their_rows.iter().filter(|(table, before)| after[*table] != **before) {
        wrong.push(format!("{what}: something of theirs changed in {table}"));
    }
}

#[tokio::test]
async fn sec_37_every_route_with_an_id_is_in_the_table() {
    let app = TestApp::new().await;
    let calls = calls();
    let mut missing = Vec::new();
    let is_ours = |path: &&String| ["/hub/", "/me/", "/applications/"].iter().any(|root| path.starts_with(root));
    for path in app.paths.iter().filter(is_ours).filter(|path| path.contains('{')) {
        for method in app.methods_of(&filled(path)).await {
            let known = || calls.iter().any(|call| call.method == method && call.path == path);
            if !["HEAD", "OPTIONS"].contains(&method.as_str()) && !known() {
                missing.push(format!("{method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
}

#[tokio::test]
async fn sec_37_what_is_another_apps_never_existed() {
    let server = Server::new().await;
    let mut wrong = Vec::new();
    let calls = calls();
    // What is asked of one's own app works: else the table would prove nothing.
    for call in calls.iter().filter(|call| call.method == "GET") {
        let (path, body) = with(call, &server.ours.ids);
        let answer = server.ours.call(&server.app, call.by, call.method, &path, &body).await;
        // A link's public id opens nothing.
        let expected = if call.path == "/hub/auth/magic/{id}" { 404 } else { 200 };
        if answer.status != expected {
            wrong.push(format!("own {} {path}: {} {}", call.method, answer.status, answer.body));
        }
    }
    for call in &calls {
        for foreign in choices(&places(call)) {
            if call.makes && !foreign.contains("app") {
                let server = Server::new().await;
                try_call(&server, call, &foreign, &mut wrong).await;
            } else {
                try_call(&server, call, &foreign, &mut wrong).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// A person's token is good for what is theirs: whatever id of another person of the same app it is shown with.
#[tokio::test]
async fn sec_37_a_token_shows_and_changes_nothing_of_another_persons() {
    let mut server = Server::with("example").await;
    let mut wrong = Vec::new();
    for call in calls().iter().filter(|call| call.by == Person) {
        let mut places = places(call);
        places.retain(|name| *name != "app");
        for foreign in choices(&places) {
            let mut ids = server.ours.ids.clone();
            ids.extend(foreign.iter().map(|name| (*name, server.theirs.ids[name].clone())));
            let (path, body) = with(call, &ids);
            let answer = server.ours.call(&server.app, Person, call.method, &path, &body).await;
            let what = format!("{} {}?{} {} with their {foreign:?}", call.method, call.path, call.query, call.body);
            let is_known = |secret: &&String| path.contains(*secret) || body.to_string().contains(*secret);
            for secret in server.theirs.secrets.iter().filter(|secret| !is_known(secret)) {
                if answer.body.contains(secret.as_str()) {
                    wrong.push(format!("{what}: tells {secret}: {}", answer.body));
                }
            }
            // To be asked into a group is all that may happen to somebody.
            let asks = call.method == "POST" && call.path.ends_with("/invites") && answer.status == 200;
            let after = server.of_theirs();
            for (table, before) in &server.their_rows {
                let is_same = after[table] == *before;
                let is_more = asks && ["members", "invites", "events"].contains(table);
                if !(is_same || is_more && before.iter().all(|row| after[table].contains(row))) {
                    wrong.push(format!("{what}: {} and something of theirs changed in {table}", answer.status));
                }
            }
            server.their_rows = after;
        }
    }
    // Nor does it open what an app's secret opens.
    for call in calls().iter().filter(|call| call.by == App && call.path.starts_with("/applications/{app}/")) {
        let (path, body) = with(call, &server.ours.ids);
        let answer = server.ours.call(&server.app, Person, call.method, &path, &body).await;
        if answer.status != 401 {
            wrong.push(format!("{} {path} with a person's token: {}", call.method, answer.status));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Nobody is handed a link that signs somebody else in, by whatever a person may ask for.
#[tokio::test]
async fn sec_37_no_link_that_a_person_can_make_signs_in_anybody_else() {
    let server = Server::with("example").await;
    let group = server.ours.ids["group"].clone();
    let (own, theirs) = (server.ours.ids["user"].clone(), server.theirs.ids.clone());
    let invites = format!("/me/groups/{group}/invites");
    let mut links = Vec::new();
    for body in [
        json!({"roles": [], "email": theirs["address"]}),
        json!({"roles": [], "user_id": theirs["user"]}),
        json!({"roles": [], "email": "somebody.new@example.com"}),
        json!({"roles": [], "phone": "+12025550162"}),
    ] {
        let made = server.ours.must(&server.app, Person, "POST", &invites, body).await;
        links.push((made["link"].as_str().unwrap().to_owned(), None));
    }
    // What is no field of theirs is not one of ours.
    for body in
        [json!({}), json!({"user_id": theirs["user"], "data": {"email": theirs["address"]}, "verification_type": "email"})]
    {
        let made = server.ours.must(&server.app, Person, "POST", "/me/auth/magic", body).await;
        assert_eq!(made["app_user_id"], own);
        links.push((made["link"].as_str().unwrap().to_owned(), Some(&own)));
    }
    let sessions = server.app.rows("sessions").len();
    let mut own_sessions = 0;
    for (link, signs_in) in links {
        let path = link.strip_prefix(&server.app.public).unwrap();
        let browsed = server.app.get(path).await;
        assert!(!browsed.signs_in(), "{path}: {}", browsed.body);
        let told = server.app.anonymous("GET", path, &[("user-agent", "Rownd SDK for tests")], "").await;
        assert_eq!(told.status, 200, "{}", told.body);
        assert_eq!(told.json().get("app_user_id").and_then(Value::as_str), signs_in.map(String::as_str), "{}", told.body);
        assert_eq!(told.signs_in(), signs_in.is_some());
        own_sessions += usize::from(signs_in.is_some());
    }
    assert_eq!(server.app.rows("sessions").len(), sessions + own_sessions);
}
