//! Two servers on one database, and everybody at once, in the Stytch dialect: links that are used once, sessions and users that lose nothing (contract section 5, `security.md` 8).

use serde_json::{Map, Value, json};

use crate::fleet::database::Database;
use crate::fleet::process::Process;
use crate::fleet::wire::{Answer, ask, at_once, request};
use crate::fleet::{Fleet, WIDE, both};

const REDEEMERS: usize = 200;
const ROUNDS: usize = 10;
/// The word `project-test-races:secret-test-races-races` in Base64.
const CREDENTIALS: &str = "Basic cHJvamVjdC10ZXN0LXJhY2VzOnNlY3JldC10ZXN0LXJhY2VzLXJhY2Vz";
const CLIENT: &str = "[[apps.shop.clients]]\nclient_id = \"project-test-races\"\nclient_secret = \"secret-test-races-races\"";

both!(
    sec_08_of_200_exchanges_of_one_token_one_gets_the_session,
    sec_08_of_16_joins_with_one_token_one_is_added,
    joins_with_16_tokens_are_all_added,
    changes_of_16_keys_of_one_user_are_all_kept,
);

/// Two servers, and somebody to sign in.
struct Stage {
    fleet: Fleet,
    servers: [Process; 2],
    user: String,
}

impl Stage {
    async fn new(database: Database) -> Self {
        let fleet = Fleet::with(database, "", &format!("limit_per_network = \"{WIDE}\"\n{CLIENT}")).await;
        let servers = [fleet.start().await, fleet.start().await];
        let mut stage = Self { fleet, servers, user: String::new() };
        stage.user = text(&stage.done("POST", "/v1/users", &json!({"email": "ada@example.com"})).await["user_id"]);
        stage
    }

    /// A call that must succeed.
    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = ask(self.servers[0].port, &call(method, path, body)).await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?} {:?}", self.fleet.complaints());
        serde_json::from_str(&answer.body).expect("JSON")
    }

    async fn token(&self) -> String {
        text(&self.done("POST", "/v1/magic_links", &json!({"user_id": self.user})).await["token"])
    }

    async fn session(&self) -> String {
        let body = json!({"token": self.token().await, "session_duration_minutes": 60});
        text(&self.done("POST", "/v1/magic_links/authenticate", &body).await["session_token"])
    }

    /// The session as it is now.
    async fn session_now(&self, token: &str) -> Value {
        self.done("POST", "/v1/sessions/authenticate", &json!({"session_token": token})).await["session"].take()
    }

    /// All at the same time, at one server and the other in turn.
    async fn race(&self, calls: impl IntoIterator<Item = String>) -> Vec<Answer> {
        at_once(calls.into_iter().enumerate().map(|(index, call)| (self.servers[index % 2].port, call)).collect()).await
    }

    /// One of them succeeded, and everybody else was told that the token is used.
    fn one_won(&self, answers: &[Answer]) -> Value {
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        let refused = |answer: &&Answer| answer.status == 401 && error_type(answer) == "unable_to_auth_magic_link";
        let others: Vec<_> = lost.iter().filter(|answer| !refused(answer)).collect();
        assert_eq!((won.len(), others.len()), (1, 0), "{others:?} {:?}", self.fleet.complaints());
        serde_json::from_str(&won[0].body).expect("JSON")
    }

    fn all_won(&self, answers: &[Answer]) {
        let others: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
        assert!(others.is_empty(), "{others:?} {:?}", self.fleet.complaints());
    }

    fn nobody_complained(&self) {
        assert_eq!(self.fleet.complaints(), Vec::<String>::new());
    }
}

fn call(method: &str, path: &str, body: &Value) -> String {
    request(method, path, &[("Authorization", CREDENTIALS), ("Content-Type", "application/json")], &body.to_string())
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn error_type(answer: &Answer) -> String {
    text(&serde_json::from_str::<Value>(&answer.body).expect("JSON")["error_type"])
}

fn factors(session: &Value) -> usize {
    session["authentication_factors"].as_array().expect("a list").len()
}

async fn sec_08_of_200_exchanges_of_one_token_one_gets_the_session(database: Database) {
    let stage = Stage::new(database).await;
    for round in 0..ROUNDS {
        let body = json!({"token": stage.token().await, "session_duration_minutes": 60});
        let exchange = call("POST", "/v1/magic_links/authenticate", &body);
        let answers = stage.race(std::iter::repeat_n(exchange, REDEEMERS)).await;
        let won = stage.one_won(&answers);
        assert_eq!(won["user_id"], stage.user);
        assert_eq!(stage.session_now(&text(&won["session_token"])).await["session_id"], won["session"]["session_id"]);
        assert_eq!(stage.fleet.database.number("SELECT count(*) FROM sessions").await, round as i64 + 1, "round {round}");
    }
    stage.nobody_complained();
}

async fn sec_08_of_16_joins_with_one_token_one_is_added(database: Database) {
    let stage = Stage::new(database).await;
    let session = stage.session().await;
    for round in 0..ROUNDS {
        let body = json!({"token": stage.token().await, "session_token": session});
        let join = call("POST", "/v1/magic_links/authenticate", &body);
        let answers = stage.race(std::iter::repeat_n(join, 16)).await;
        assert_eq!(stage.one_won(&answers)["session_token"], session);
        assert_eq!(factors(&stage.session_now(&session).await), round + 2);
    }
    assert_eq!(stage.fleet.database.number("SELECT count(*) FROM sessions").await, 1);
    stage.nobody_complained();
}

async fn joins_with_16_tokens_are_all_added(database: Database) {
    let stage = Stage::new(database).await;
    let session = stage.session().await;
    let mut joins = Vec::new();
    for index in 0..16 {
        let claims = json!({format!("claim{index}"): index});
        let body = json!({"token": stage.token().await, "session_token": session, "session_custom_claims": claims});
        joins.push(call("POST", "/v1/magic_links/authenticate", &body));
    }
    stage.all_won(&stage.race(joins).await);
    let now = stage.session_now(&session).await;
    assert_eq!(factors(&now), 17);
    let wanted: Map<String, Value> = (0..16).map(|index| (format!("claim{index}"), json!(index))).collect();
    assert_eq!(now["custom_claims"], Value::Object(wanted));
    stage.nobody_complained();
}

async fn changes_of_16_keys_of_one_user_are_all_kept(database: Database) {
    let stage = Stage::new(database).await;
    let path = format!("/v1/users/{}", stage.user);
    for round in 0..ROUNDS {
        let change = |index| call("PUT", &path, &json!({"trusted_metadata": {format!("key{index}"): [round, index]}}));
        stage.all_won(&stage.race((0..16).map(change)).await);
        let wanted: Map<String, Value> = (0..16).map(|index| (format!("key{index}"), json!([round, index]))).collect();
        assert_eq!(stage.done("GET", &path, &json!({})).await["trusted_metadata"], Value::Object(wanted), "round {round}");
    }
    stage.nobody_complained();
}
