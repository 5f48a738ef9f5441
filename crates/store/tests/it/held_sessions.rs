//! Sessions in the hands of clients, and the keys that sign for them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use passlink_engine::Engine;
use passlink_engine::ids::SessionId;
use passlink_engine::links::exchange::{Exchange, MustMatch, SessionWish};
use passlink_engine::links::issue::IssueLink;
use passlink_engine::links::redeem::Right;
use passlink_engine::links::{Handover, Purpose};
use passlink_engine::secret::Secret;
use passlink_engine::sessions::handle::{HeldSession, SessionRef};
use passlink_engine::sessions::signing::Algorithm;
use passlink_engine::sessions::{ClientFacts, SignedIn};
use passlink_engine::time::Lifetime;
use passlink_engine::users::{Person, UserRef};
use serde_json::{Map, Value, json};

use crate::exchange::embeddable;
use crate::support::ask::{done, refresh_token, session_token};
use crate::support::{World, at_once, both, word};

both!(
    a_session_is_verified_by_token_and_by_id,
    a_session_is_given_another_end,
    claims_merged_at_once_all_stay,
    claims_are_bounded_and_a_refusal_changes_nothing,
    a_refresh_keeps_the_lifetime_that_the_link_chose,
    live_sessions_are_listed_and_ended,
    sec_37_sessions_of_another_app_do_not_exist,
    prolonging_against_ending_leaves_it_ended,
    servers_that_need_a_key_at_once_make_one,
    sec_34_every_algorithm_rotates_and_goes,
);

const HOUR: Lifetime = Lifetime::from_minutes(60);

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

async fn begin(world: &World, person: &Person) -> (SessionId, String) {
    let issued = world.engine.issue_link(&world.client(), embeddable(person)).await.unwrap();
    let exchange = Exchange {
        verifier: None,
        client: ClientFacts { ip_address: Some("192.0.2.1".to_owned()), user_agent: Some("a browser".to_owned()) },
        must_match: MustMatch::default(),
        session: SessionWish::Begin(HOUR),
        claims: map(json!({"plan": "pro", "gone": null})),
    };
    let exchanged = world.engine.exchange_link(&world.client(), issued.token.unwrap().expose(), exchange).await.unwrap();
    world.clock.tick();
    let held = exchanged.session.unwrap();
    (held.signed_in.session.id, held.token.unwrap().expose().to_owned())
}

async fn verify(
    world: &World,
    session: SessionRef<'_>,
    lifetime: Option<Lifetime>,
    claims: Value,
) -> Result<HeldSession, String> {
    world.engine.verify_session(&world.client(), session, lifetime, map(claims)).await.map_err(|e| word(&e))
}

fn shown(token: &Option<Secret>) -> Option<&str> {
    token.as_ref().map(Secret::expose)
}

async fn a_session_is_verified_by_token_and_by_id(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let (id, token) = begin(&world, &ada).await;
    let other = world.another_engine().await;
    for (turn, session) in [SessionRef::Token(&token), SessionRef::Id(id)].into_iter().enumerate() {
        world.clock.advance(Lifetime::from_secs(1));
        let held = verify(&world, session, None, json!({})).await.unwrap();
        assert_eq!(shown(&held.token), Some(token.as_str()), "whichever is shown, the token is given back");
        let signed_in = &held.signed_in;
        assert_eq!((signed_in.session.id, signed_in.user.id), (id, ada.user.id));
        assert_eq!(Value::Object(signed_in.session.details.claims.clone()), json!({"plan": "pro"}));
        assert_eq!(signed_in.session.details.client.ip_address.as_deref(), Some("192.0.2.1"));
        assert_eq!(signed_in.session.accessed_at, Some(world.engine.now()));
        // It was written, not only said: SQLite answers such a note before its commit, so a write that waits for its own comes between.
        let at = world.engine.now();
        world.person(&format!("somebody{turn}@example.com")).await;
        let read = other.list_sessions(&world.client(), UserRef::Id(ada.user.id)).await.unwrap();
        assert_eq!(read[0].session.accessed_at, Some(at));
        let elsewhere = other.verify_session(&world.client(), session, None, Map::new()).await.unwrap();
        assert_eq!(shown(&elsewhere.token), Some(token.as_str()));
    }
    // A session of our own pages has no token to give back by its id.
    let own = world.sign_in("bob@example.com", Handover::Cookie).await;
    let held = verify(&world, SessionRef::Id(own.signed_in.session.id), None, json!({})).await.unwrap();
    assert!(held.token.is_none());
    let token = session_token(&own);
    let held = verify(&world, SessionRef::Token(&token), None, json!({})).await.unwrap();
    assert_eq!(shown(&held.token), Some(token.as_str()));
    for bad in ["", "nonsense", &"A".repeat(44), &format!("{token}x")] {
        assert_eq!(verify(&world, SessionRef::Token(bad), None, json!({})).await.unwrap_err(), "not_found session", "{bad}");
    }
}

async fn a_session_is_given_another_end(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let (id, token) = begin(&world, &ada).await;
    let by_id = SessionRef::Id(id);
    for minutes in [5, 527_040, 10] {
        let lifetime = Lifetime::from_minutes(minutes);
        let held = verify(&world, by_id, Some(lifetime), json!({})).await.unwrap();
        assert_eq!(held.signed_in.session.expires_at, world.engine.now().plus(lifetime));
    }
    let before = world.database.dump_rows().await;
    let far = Lifetime::from_minutes(527_041);
    assert_eq!(verify(&world, by_id, Some(far), json!({})).await.unwrap_err(), "session_lifetime OverCeiling");
    assert_eq!(world.database.dump_rows().await, before);
    world.clock.advance(Lifetime::from_millis(10 * 60_000 - 1));
    verify(&world, by_id, None, json!({})).await.unwrap();
    world.clock.tick();
    for session in [by_id, SessionRef::Token(&token)] {
        for (lifetime, claims) in [(None, json!({})), (Some(HOUR), json!({})), (None, json!({"a": 1}))] {
            assert_eq!(verify(&world, session, lifetime, claims).await.unwrap_err(), "not_found session", "it came back");
        }
    }
}

async fn claims_merged_at_once_all_stay(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ada = world.person("ada@example.com").await;
    for _ in 0..6 {
        let (id, token) = begin(&world, &ada).await;
        let changes = (0..16).map(|i| {
            let (engine, client, token) = (Arc::clone(&engines[i % 2]), world.client(), token.clone());
            async move {
                let session = if i % 3 == 0 { SessionRef::Id(id) } else { SessionRef::Token(&token) };
                let claims = map(json!({format!("c{i}"): i, "plan": null}));
                engine.verify_session(&client, session, Some(HOUR), claims).await.map(|_| ()).map_err(|e| word(&e))
            }
        });
        for answer in at_once(changes).await {
            answer.unwrap();
        }
        let held = verify(&world, SessionRef::Id(id), None, json!({})).await.unwrap();
        assert_eq!((held.signed_in.session.details.claims.len(), held.signed_in.session.version), (16, 16));
    }
}

async fn claims_are_bounded_and_a_refusal_changes_nothing(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let (id, _) = begin(&world, &ada).await;
    let by_id = SessionRef::Id(id);
    verify(&world, by_id, None, json!({"k": "x".repeat(4000), "plan": null})).await.unwrap();
    let before = world.database.dump_rows().await;
    let error = verify(&world, by_id, Some(Lifetime::from_minutes(5)), json!({"more": "x".repeat(100)})).await.unwrap_err();
    assert_eq!(error, "claims TooLarge");
    assert_eq!(world.database.dump_rows().await, before);
    let held = verify(&world, by_id, None, json!({"k": null, "more": "x".repeat(100)})).await.unwrap();
    assert_eq!(held.signed_in.session.details.claims.len(), 1);
}

async fn a_refresh_keeps_the_lifetime_that_the_link_chose(world: Arc<World>) {
    for lifetime in [Lifetime::from_minutes(30), Lifetime::from_secs(200 * 86_400)] {
        let proof = world.proof(&world.app);
        let command = world.command("ada@example.com", Handover::Fragment, crate::support::ask::Asker::Bound, &proof);
        let command = IssueLink { purpose: Purpose::SignIn, session_lifetime: Some(lifetime), ..command };
        let issued = world.engine.issue_link(&world.client(), command).await.unwrap();
        world.engine.dispatch_due(10).await.unwrap();
        let asked = passlink_engine::links::open::BrowserProof { requester: Some(proof), page: None };
        let mailed = world.read_mail(issued.id, "ada@example.com", asked);
        let redeemed =
            done(world.engine.redeem_link(&world.context(), &mailed.token, &mailed.asked, Right::Opened).await.unwrap());
        assert_eq!(redeemed.signed_in.session.expires_at, world.engine.now().plus(lifetime));
        let mut token = refresh_token(&redeemed);
        for _ in 0..3 {
            world.clock.advance(Lifetime::from_millis(lifetime.as_millis() / 2));
            let refreshed = world.engine.refresh_session(&world.context(), &token).await.unwrap();
            assert_eq!(refreshed.signed_in.session.expires_at, world.engine.now().plus(lifetime));
            token = refreshed.refresh_token.expose().to_owned();
        }
        world.clock.advance(lifetime);
        assert!(world.engine.refresh_session(&world.context(), &token).await.is_err());
    }
}

async fn live_sessions_are_listed_and_ended(world: Arc<World>) {
    let (ada, bob) = (world.person("ada@example.com").await, world.person("bob@example.com").await);
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(begin(&world, &ada).await);
    }
    begin(&world, &bob).await;
    let list = async || {
        let listed = world.engine.list_sessions(&world.client(), UserRef::Id(ada.user.id)).await.unwrap();
        listed.iter().map(|s: &SignedIn| s.session.id).collect::<Vec<_>>()
    };
    let ids = |range: std::ops::Range<usize>| all[range].iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(list().await, ids(0..4), "oldest first");
    verify(&world, SessionRef::Id(all[3].0), Some(Lifetime::from_minutes(5)), json!({})).await.unwrap();
    for (i, session) in [SessionRef::Id(all[0].0), SessionRef::Token(&all[1].1)].into_iter().enumerate() {
        world.engine.end_session(&world.client(), session).await.unwrap();
        assert_eq!(word(&world.engine.end_session(&world.client(), session).await.unwrap_err()), "not_found session");
        assert_eq!(list().await, ids(i + 1..4));
        for shown in [SessionRef::Id(all[i].0), SessionRef::Token(&all[i].1)] {
            assert_eq!(verify(&world, shown, Some(HOUR), json!({})).await.unwrap_err(), "not_found session");
        }
    }
    world.clock.advance(Lifetime::from_minutes(5));
    assert_eq!(list().await, ids(2..3), "expired ones are not listed");
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'session.revoked'").await, 2);
}

async fn sec_37_sessions_of_another_app_do_not_exist(world: Arc<World>) {
    let ada = world.person("ada@example.com").await;
    let (id, token) = begin(&world, &ada).await;
    let stranger = world.client_of(&world.other);
    let before = world.database.dump_rows().await;
    for session in [SessionRef::Id(id), SessionRef::Token(&token)] {
        for (lifetime, claims) in [(None, json!({})), (Some(HOUR), json!({"a": 1}))] {
            let error = world.engine.verify_session(&stranger, session, lifetime, map(claims)).await.unwrap_err();
            assert_eq!(word(&error), "not_found session");
        }
        assert_eq!(word(&world.engine.end_session(&stranger, session).await.unwrap_err()), "not_found session");
        assert!(world.engine.verify_session(&world.anybody(), session, None, Map::new()).await.is_err());
        assert!(world.engine.end_session(&world.anybody(), session).await.is_err());
    }
    assert_eq!(world.database.dump_rows().await, before);
    // A key of one app says nothing for the other.
    let kid = |id: passlink_engine::ids::KeyId| id.to_string();
    let jwt = world.engine.sign_claims(world.app.id, Algorithm::Rs256, kid, &json!({"sub": "x"})).await.unwrap();
    let key = world.engine.current_key(world.app.id, Algorithm::Rs256).await.unwrap();
    assert!(open(&world, &world.engine, world.app.id, key.id, Algorithm::Rs256, &jwt).await);
    assert!(!open(&world, &world.engine, world.other.id, key.id, Algorithm::Rs256, &jwt).await);
    assert!(!open(&world, &world.engine, world.app.id, key.id, Algorithm::Es256, &jwt).await);
}

async fn open(
    _: &World,
    engine: &Engine,
    app: passlink_engine::ids::AppId,
    kid: passlink_engine::ids::KeyId,
    algorithm: Algorithm,
    jwt: &Secret,
) -> bool {
    engine.open_jwt(app, kid, algorithm, jwt.expose()).is_ok()
}

async fn prolonging_against_ending_leaves_it_ended(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let ada = world.person("ada@example.com").await;
    for _ in 0..10 {
        let (id, _) = begin(&world, &ada).await;
        let mut tries: Vec<_> = (0..8)
            .map(|i| {
                let (engine, client) = (Arc::clone(&engines[i % 2]), world.client());
                tokio::spawn(async move {
                    let answer = engine.verify_session(&client, SessionRef::Id(id), Some(HOUR), map(json!({"a": i}))).await;
                    answer.map_or_else(|e| word(&e), |_| "live".to_owned())
                })
            })
            .collect();
        let (engine, client) = (Arc::clone(&world.engine), world.client());
        tries.push(tokio::spawn(async move {
            engine.end_session(&client, SessionRef::Id(id)).await.map_or_else(|e| word(&e), |()| "ended".to_owned())
        }));
        let mut counts: HashMap<String, usize> = HashMap::new();
        for one in tries {
            *counts.entry(one.await.unwrap()).or_default() += 1;
        }
        assert_eq!(counts.remove("ended"), Some(1));
        assert!(counts.keys().all(|word| ["live", "not_found session"].contains(&word.as_str())), "{counts:?}");
        assert_eq!(verify(&world, SessionRef::Id(id), None, json!({})).await.unwrap_err(), "not_found session");
    }
}

async fn servers_that_need_a_key_at_once_make_one(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let app = world.app.id;
    let asked = (0..16).map(|i| {
        let engine = Arc::clone(&engines[i % 2]);
        async move { engine.current_key(app, Algorithm::Rs256).await.unwrap().id }
    });
    let kids: BTreeSet<_> = at_once(asked).await.into_iter().collect();
    let bytes = world.database.bytes(app.as_bytes());
    let stored = format!("SELECT count(*) FROM signing_keys WHERE app_id = {bytes} AND algorithm = 3");
    assert_eq!((kids.len(), world.database.number(&stored).await), (1, 1));
    for engine in &engines {
        let key = engine.current_key(app, Algorithm::Rs256).await.unwrap();
        assert!(kids.contains(&key.id));
        let jwt = engine.sign_claims(app, Algorithm::Rs256, |id| id.to_string(), &json!({"sub": "x"})).await.unwrap();
        for other in &engines {
            assert!(open(&world, other, app, key.id, Algorithm::Rs256, &jwt).await);
        }
    }
    // The key of access tokens is another one, and still there.
    assert_ne!(engines[0].current_key(app, Algorithm::Es256).await.unwrap().id, *kids.first().unwrap());
}

async fn sec_34_every_algorithm_rotates_and_goes(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let every = Lifetime::from_secs(30 * 86_400);
    let app = world.app.id;
    world.engine.current_key(app, Algorithm::Rs256).await.unwrap();
    let tend = async || {
        for engine in &engines {
            engine.refresh_directory().await.unwrap();
            engine.tend_signing_keys(every).await.unwrap();
        }
        engines[0].refresh_directory().await.unwrap();
        let published = |engine: &Engine| {
            let directory = engine.directory();
            directory.keys_of(app).filter(|key| key.algorithm == Algorithm::Rs256).map(|key| key.id).collect::<Vec<_>>()
        };
        assert_eq!(published(&engines[0]), published(&engines[1]));
        published(&engines[0])
    };
    let first = tend().await;
    assert_eq!(first.len(), 1);
    let old = engines[0].sign_claims(app, Algorithm::Rs256, |id| id.to_string(), &json!({"sub": "x"})).await.unwrap();
    world.clock.advance(every);
    let both_keys = tend().await;
    assert!(both_keys.len() == 2 && both_keys[0] == first[0], "{both_keys:?}");
    let signs = async |engine: &Engine| engine.current_key(app, Algorithm::Rs256).await.unwrap().id;
    assert_eq!(signs(&engines[0]).await, first[0], "a key signs before everybody can know it");
    world.clock.advance(Engine::KEY_LEAD);
    for engine in &engines {
        assert_eq!(signs(engine).await, both_keys[1]);
        assert!(open(&world, engine, app, first[0], Algorithm::Rs256, &old).await, "clients have an hour");
    }
    world.clock.advance(Lifetime::from_minutes(59));
    assert_eq!(tend().await, both_keys);
    world.clock.advance(Lifetime::from_minutes(21));
    assert_eq!(tend().await, both_keys, "an old token brings a fresh one as long as its session lives");
    world.clock.advance(world.app.settings.session_lifetime_ceiling);
    let left = tend().await;
    assert!(left[0] == both_keys[1] && left.len() == 2, "{left:?}");
    for engine in &engines {
        assert!(!open(&world, engine, app, first[0], Algorithm::Rs256, &old).await);
    }
    // An app that never used an algorithm gets no key of it.
    assert_eq!(engines[0].directory().algorithms_of(world.other.id), [Algorithm::Es256]);
}
