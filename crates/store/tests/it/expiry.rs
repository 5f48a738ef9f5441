//! Refused at the exact instant.

use std::sync::Arc;

use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::Scopes;
use passlink_engine::links::Handover;
use passlink_engine::links::open::DeadReason;
use passlink_engine::links::wait::Progress;
use passlink_engine::time::{Lifetime, Timestamp};

use crate::support::ask::{Asker, browser, name, refresh_token, session_token};
use crate::support::{World, both};

both!(
    sec_07_links_and_codes_end_at_their_instant,
    sec_07_sessions_end_at_their_instant,
    sec_07_refresh_tokens_end_with_their_session,
    sec_07_access_tokens_end_at_their_instant,
    sec_07_clients_end_at_their_instant,
    sec_07_nobody_gets_a_longer_life_than_the_ceiling,
    sec_50_a_clock_that_goes_back_revives_nothing,
);

/// One second and one millisecond before the end, the end, one second after; and whether it works then.
const EDGES: [(i64, bool); 4] = [(-1000, true), (-1, true), (0, false), (1000, false)];

fn at(end: Timestamp, shift: i64) -> Timestamp {
    Timestamp::from_millis(end.as_millis() + shift)
}

async fn sec_07_links_and_codes_end_at_their_instant(world: Arc<World>) {
    for (i, (shift, works)) in EDGES.into_iter().enumerate() {
        for way in ["open", "press", "code", "approve", "finish"] {
            let to = format!("{way}{i}@example.com");
            let asker = if way == "press" { Asker::Unbound } else { Asker::Bound };
            let mailed = world.mail_from(&world.engine, &world.app, &to, Handover::Cookie, asker).await;
            let asked_at = Timestamp::from_millis(world.database.number("SELECT max(issued_at) FROM links").await);
            let waiting = world.engine.waiting(mailed.id, &mailed.asked).await.unwrap();
            let number = waiting.and_then(|w| w.number).unwrap_or(10).to_string();
            let approve = async || {
                let done = world.engine.approve_link(&world.context(), &mailed.token, &number, &browser("phone")).await.unwrap();
                matches!(done, passlink_engine::links::elsewhere::Approval::Approved(_))
            };
            if way == "finish" {
                assert!(approve().await);
            }
            world.clock.set(at(asked_at.plus(Lifetime::from_minutes(10)), shift));
            let said = match way {
                "open" => name(&world.open(&mailed).await),
                "press" => name(&world.press(&mailed, &browser("page")).await),
                "code" => name(&world.type_code(&mailed, &mailed.code).await),
                "approve" => {
                    if approve().await {
                        "done".to_owned()
                    } else {
                        "dead: expired".to_owned()
                    }
                }
                _ => name(&world.engine.finish_approved(&world.context(), mailed.id, &mailed.asked).await.unwrap()),
            };
            assert_eq!(said, if works { "done" } else { "dead: expired" }, "{way} at {shift}");
            if way == "code" && !works {
                let waiting = world.engine.waiting(mailed.id, &mailed.asked).await.unwrap().unwrap();
                assert_eq!(waiting.progress, Progress::Dead(DeadReason::Expired));
            }
        }
    }
}

async fn sec_07_sessions_end_at_their_instant(world: Arc<World>) {
    let redeemed = world.sign_in("ada@example.com", Handover::Cookie).await;
    let session = &redeemed.signed_in.session;
    assert_eq!(session.expires_at, session.created_at.plus(world.app.settings.session_lifetime));
    let fresh = world.another_engine().await;
    for (shift, works) in EDGES {
        world.clock.set(at(session.expires_at, shift));
        for engine in [&world.engine, &fresh] {
            assert_eq!(engine.authenticate_session_token(&session_token(&redeemed)).await.is_ok(), works, "at {shift}");
            assert_eq!(engine.authenticate_session(world.app.id, session.id).await.is_ok(), works, "at {shift}");
        }
    }
}

async fn sec_07_refresh_tokens_end_with_their_session(world: Arc<World>) {
    for (shift, works) in EDGES {
        let redeemed = world.sign_in("ada@example.com", Handover::Fragment).await;
        world.clock.set(at(redeemed.signed_in.session.expires_at, shift));
        let refreshed = world.engine.refresh_session(&world.context(), &refresh_token(&redeemed)).await;
        assert_eq!(refreshed.is_ok(), works, "at {shift}");
    }
}

async fn sec_07_access_tokens_end_at_their_instant(world: Arc<World>) {
    let redeemed = world.sign_in("ada@example.com", Handover::Fragment).await;
    let claims = serde_json::Map::from_iter([("aud".to_owned(), "one".into())]);
    let access = world.engine.sign_access_token(&redeemed.signed_in, claims, world.engine.now()).unwrap();
    // `exp` counts whole seconds, so it may come up to a second early and never late.
    let end = Timestamp::from_millis(access.expires_at.as_secs() * 1000);
    let fresh = world.another_engine().await;
    for (shift, works) in EDGES {
        world.clock.set(at(end, shift));
        for engine in [&world.engine, &fresh] {
            assert_eq!(engine.authenticate_access_token(access.token.expose(), "one").await.is_ok(), works, "at {shift}");
        }
    }
}

async fn sec_07_clients_end_at_their_instant(world: Arc<World>) {
    let end = world.engine.now().plus(Lifetime::from_minutes(5));
    let client =
        SaveClient { client_id: None, client_secret: None, scopes: Scopes::default(), label: None, expires_at: Some(end) };
    let saved = world.engine.save_client(&world.operator(), client).await.unwrap();
    for (shift, works) in EDGES {
        world.clock.set(at(end, shift));
        let known = world.engine.authenticate_client(&world.context(), &saved.client_id, saved.client_secret.expose()).await;
        assert_eq!(known.is_ok(), works, "at {shift}");
    }
}

async fn sec_07_nobody_gets_a_longer_life_than_the_ceiling(world: Arc<World>) {
    for (millis, allowed) in [(3_600_000, true), (3_600_001, false)] {
        let mut command = world.command("ada@example.com", Handover::Cookie, Asker::Unbound, &world.proof(&world.app));
        command.lifetime = Some(Lifetime::from_millis(millis));
        assert_eq!(world.engine.issue_link(&world.anybody(), command).await.is_ok(), allowed);
    }
    assert_eq!(world.database.rows("links").await, 1);
}

async fn sec_50_a_clock_that_goes_back_revives_nothing(world: Arc<World>) {
    let used = world.mail("ada@example.com").await;
    let redeemed = crate::support::ask::done(world.open(&used).await);
    world.engine.revoke_session(&world.operator(), redeemed.signed_in.session.id).await.unwrap();
    let back = Timestamp::from_millis(world.engine.now().as_millis() - 3_600_000);
    world.clock.set(back);
    assert_eq!(name(&world.press(&used, &browser("x")).await), "dead: used");
    assert!(world.engine.authenticate_session_token(&session_token(&redeemed)).await.is_err());
    // New requests work whatever the clock did.
    world.sign_in("bob@example.com", Handover::Cookie).await;
}
