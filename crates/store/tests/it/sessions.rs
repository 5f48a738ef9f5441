//! Refresh tokens, and the keys that sign access tokens.

use std::collections::HashSet;
use std::sync::Arc;

use passlink_engine::apps::manage::SaveClient;
use passlink_engine::apps::tokens::{ScopeNames, TokenWish};
use passlink_engine::caller::Scopes;
use passlink_engine::links::Handover;
use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;
use passlink_engine::{Engine, ErrorKind};

use crate::support::ask::{refresh_token, session_token};
use crate::support::{World, both};

both!(
    a_repeat_within_the_window_gets_the_same_child,
    a_repeat_after_the_window_ends_the_session,
    sixteen_refreshes_at_once_give_one_family,
    refreshing_prolongs_the_session,
    ending_a_session_is_seen_by_other_servers_within_two_seconds,
    sec_34_a_key_is_published_signs_retires_and_goes,
    sec_34_servers_that_rotate_at_once_make_one_key,
    sec_34_a_removed_key_ends_its_tokens,
);

async fn refresh(world: &World, engine: &Engine, token: &str) -> passlink_engine::Result<String> {
    engine.refresh_session(&world.context(), token).await.map(|r| r.refresh_token.expose().to_owned())
}

async fn a_repeat_within_the_window_gets_the_same_child(world: Arc<World>) {
    let other = world.another_engine().await;
    let first = refresh_token(&world.sign_in("ada@example.com", Handover::Fragment).await);
    let child = refresh(&world, &world.engine, &first).await.unwrap();
    assert_ne!(child, first);
    world.clock.advance(Lifetime::from_millis(9_999));
    assert_eq!(refresh(&world, &other, &first).await.unwrap(), child);
    // The child lives, also when the parent was repeated.
    let grandchild = refresh(&world, &other, &child).await.unwrap();
    assert!(grandchild != child && grandchild != first);
    assert_eq!(world.database.number("SELECT count(*) FROM session_tokens WHERE rotated_at IS NULL").await, 1);
}

async fn a_repeat_after_the_window_ends_the_session(world: Arc<World>) {
    let redeemed = world.sign_in("ada@example.com", Handover::Fragment).await;
    let first = refresh_token(&redeemed);
    let bystander = world.sign_in("ada@example.com", Handover::Fragment).await;
    let child = refresh(&world, &world.engine, &first).await.unwrap();
    let id = redeemed.signed_in.session.id;
    world.engine.authenticate_session(world.app.id, id).await.unwrap();
    world.clock.advance(Lifetime::from_secs(10));
    let error = refresh(&world, &world.engine, &first).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated);
    assert!(world.engine.authenticate_session(world.app.id, id).await.is_err(), "at once on this server");
    assert!(refresh(&world, &world.engine, &child).await.is_err(), "the whole family is over");
    assert!(refresh(&world, &world.engine, &first).await.is_err());
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'session.reuse_detected'").await, 1);
    refresh(&world, &world.engine, &refresh_token(&bystander)).await.unwrap();
}

async fn sixteen_refreshes_at_once_give_one_family(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for round in 0..10 {
        let token = refresh_token(&world.sign_in("ada@example.com", Handover::Fragment).await);
        let running: Vec<_> = (0..16)
            .map(|i| {
                let (world, engine, token) = (Arc::clone(&world), Arc::clone(&engines[i % 2]), token.clone());
                tokio::spawn(async move { refresh(&world, &engine, &token).await.unwrap() })
            })
            .collect();
        let mut children = HashSet::new();
        for one in running {
            children.insert(one.await.unwrap());
        }
        assert_eq!(children.len(), 1, "round {round}");
        assert_eq!(world.database.number("SELECT count(*) FROM session_tokens WHERE rotated_at IS NULL").await, round + 1);
        assert_eq!(world.database.rows("session_tokens").await, (round + 1) * 2);
    }
}

async fn refreshing_prolongs_the_session(world: Arc<World>) {
    let redeemed = world.sign_in("ada@example.com", Handover::Fragment).await;
    let mut token = refresh_token(&redeemed);
    let day = Lifetime::from_secs(86_400);
    for _ in 0..60 {
        world.clock.advance(day);
        token = refresh(&world, &world.engine, &token).await.unwrap();
    }
    world.engine.refresh_token_belongs_to(&token, redeemed.signed_in.session.id).await.unwrap();
    world.clock.advance(Lifetime::from_secs(30 * 86_400));
    assert!(refresh(&world, &world.engine, &token).await.is_err());
}

async fn ending_a_session_is_seen_by_other_servers_within_two_seconds(world: Arc<World>) {
    let other = world.another_engine().await;
    let redeemed = world.sign_in("ada@example.com", Handover::Cookie).await;
    let token = session_token(&redeemed);
    for engine in [&world.engine, &other] {
        engine.authenticate_session_token(&token).await.unwrap();
    }
    assert!(world.engine.revoke_session(&world.operator(), redeemed.signed_in.session.id).await.unwrap());
    assert!(!world.engine.revoke_session(&world.operator(), redeemed.signed_in.session.id).await.unwrap());
    assert!(world.engine.authenticate_session_token(&token).await.is_err());
    world.clock.advance(Lifetime::from_secs(2));
    assert!(other.authenticate_session_token(&token).await.is_err());
}

fn claims() -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::from_iter([("aud".to_owned(), "one".into())])
}

/// The `kid` of a token signed now.
async fn signs(world: &World, engine: &Engine) -> (String, String) {
    use base64::Engine as _;
    let redeemed = world.sign_in("ada@example.com", Handover::Fragment).await;
    let token = engine.sign_access_token(&redeemed.signed_in, claims(), engine.now()).unwrap().token.expose().to_owned();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    (header["kid"].as_str().unwrap().to_owned(), token)
}

fn published(world: &World, engine: &Engine) -> Vec<String> {
    engine.directory().keys_of(world.app.id).map(|key| key.jwk()["kid"].as_str().unwrap().to_owned()).collect()
}

const SCOPES: &ScopeNames = &[("read", "group:read")];

/// A token of a client for as long as there is one.
async fn machines_token(world: &World) -> Secret {
    let client = SaveClient {
        client_id: Some("machine".to_owned()),
        client_secret: Some(Secret::new("a secret of a machine".replace(' ', "-"))),
        scopes: Scopes::parse("*"),
        label: None,
        expires_at: None,
    };
    world.engine.save_client(&world.operator(), client).await.unwrap();
    let caller = world.engine.authenticate_client(&world.context(), "machine", "a-secret-of-a-machine").await.unwrap();
    let wish = TokenWish { lifetime: Some(Engine::LONGEST_CLIENT_TOKEN), ..TokenWish::default() };
    world.engine.issue_client_token(&caller, wish, SCOPES).await.unwrap().token
}

async fn sec_34_a_key_is_published_signs_retires_and_goes(world: Arc<World>) {
    let (engine, other) = (Arc::clone(&world.engine), world.another_engine().await);
    let every = Lifetime::from_secs(30 * 86_400);
    let tend = async || {
        for one in [&engine, &other] {
            one.refresh_directory().await.unwrap();
            one.tend_signing_keys(every).await.unwrap();
        }
        engine.refresh_directory().await.unwrap();
        assert_eq!(published(&world, &engine), published(&world, &other), "the servers differ");
        published(&world, &engine)
    };
    let first = tend().await;
    assert_eq!(first.len(), 1);
    world.clock.advance(Lifetime::from_millis(every.as_millis() - 1000));
    assert_eq!(tend().await, first, "rotated too early");
    world.clock.advance(Lifetime::from_secs(1));
    // Published, and not used yet.
    let both_keys = tend().await;
    assert!(both_keys.len() == 2 && both_keys[0] == first[0], "{both_keys:?}");
    world.clock.advance(Lifetime::from_millis(Engine::KEY_LEAD.as_millis() - 1000));
    let (kid, old_token) = signs(&world, &engine).await;
    assert_eq!(kid, first[0], "a key signs before everybody can know it");
    let machines = machines_token(&world).await;
    world.clock.advance(Lifetime::from_secs(1));
    for one in [&engine, &other] {
        assert_eq!(signs(&world, one).await.0, both_keys[1]);
    }
    // The old key goes on verifying until its last token has ended.
    world.clock.advance(Lifetime::from_minutes(59));
    assert_eq!(tend().await, both_keys);
    for one in [&engine, &other] {
        one.authenticate_access_token(&old_token, "one").await.unwrap();
    }
    world.clock.advance(Lifetime::from_minutes(1));
    assert!(engine.authenticate_access_token(&old_token, "one").await.is_err());
    assert_eq!(tend().await, both_keys);
    // Clients' tokens may live for a day.
    let rest = Engine::LONGEST_CLIENT_TOKEN.as_millis() - Lifetime::from_minutes(60).as_millis();
    world.clock.advance(Lifetime::from_millis(rest - 2000));
    assert_eq!(tend().await, both_keys);
    engine.authenticate_client_token(&world.context(), machines.expose(), SCOPES).await.unwrap();
    world.clock.advance(Lifetime::from_millis(Engine::KEY_LEAD.as_millis() + 2000));
    assert_eq!(tend().await, both_keys[1..]);
    for one in [&engine, &other] {
        let (_, token) = signs(&world, one).await;
        engine.authenticate_access_token(&token, "one").await.unwrap();
        other.authenticate_access_token(&token, "one").await.unwrap();
    }
    let public = engine.directory().keys_of(world.app.id).next().unwrap().jwk().clone();
    assert!(public.get("d").is_none() && public.get("k").is_none(), "{public}");
}

async fn sec_34_servers_that_rotate_at_once_make_one_key(world: Arc<World>) {
    let every = Lifetime::from_secs(30 * 86_400);
    for round in 1..5 {
        world.clock.advance(every);
        let mut servers = Vec::new();
        for _ in 0..4 {
            servers.push(world.another_engine().await);
        }
        let running: Vec<_> = servers
            .into_iter()
            .map(|engine| tokio::spawn(async move { engine.tend_signing_keys(every).await.unwrap() }))
            .collect();
        for one in running {
            one.await.unwrap();
        }
        let keys = format!("SELECT count(*) FROM signing_keys WHERE app_id = {}", world.database.bytes(world.app.id.as_bytes()));
        assert!(world.database.number(&keys).await <= 2, "round {round}");
        let made = "SELECT count(*) FROM events WHERE kind = 'key.rotated' AND detail NOT LIKE '%removed%'";
        // Both apps: the first key of each, and one more for each round.
        assert_eq!(world.database.number(made).await, 2 + 2 * round);
        world.clock.advance(Engine::KEY_LEAD);
    }
}

async fn sec_34_a_removed_key_ends_its_tokens(world: Arc<World>) {
    let (kid, token) = signs(&world, &world.engine).await;
    world.engine.authenticate_access_token(&token, "one").await.unwrap();
    let key: passlink_engine::ids::KeyId = kid.parse().unwrap();
    world.database.execute(&format!("DELETE FROM signing_keys WHERE id = {}", world.database.bytes(key.as_bytes()))).await;
    world.engine.refresh_directory().await.unwrap();
    world.clock.advance(Lifetime::from_secs(2));
    assert!(world.engine.authenticate_access_token(&token, "one").await.is_err());
}
