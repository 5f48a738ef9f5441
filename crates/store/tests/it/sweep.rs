//! What nobody needs any more goes, in small steps; what lives stays.

use std::sync::Arc;

use passlink_engine::links::Handover;
use passlink_engine::time::Lifetime;

use crate::support::ask::{done, name, refresh_token, session_token};
use crate::support::{World, both};

both!(sec_53_batches_are_kept, the_living_stay, a_sealed_answer_goes_after_a_minute);

const DAY: Lifetime = Lifetime::from_secs(86_400);

async fn sec_53_batches_are_kept(world: Arc<World>) {
    for i in 0..25 {
        world.sign_in(&format!("ada{i}@example.com"), Handover::Fragment).await;
    }
    world.clock.advance(Lifetime::from_secs(200 * 86_400));
    let tables = ["links", "outbox", "sessions", "session_tokens", "events"];
    let count = async || {
        let mut rows = Vec::new();
        for table in tables {
            rows.push(world.database.rows(table).await);
        }
        rows
    };
    let mut before = count().await;
    let mut rounds = 0;
    loop {
        let gone = world.engine.sweep(10).await.unwrap();
        let now = count().await;
        for ((table, was), is) in tables.iter().zip(&before).zip(&now) {
            assert!(was - is <= 10, "{table} lost {} rows in one step", was - is);
        }
        before = now;
        if gone == 0 {
            break;
        }
        rounds += 1;
        assert!(rounds < 100);
    }
    assert!(rounds >= 3);
    assert_eq!(count().await, [0, 0, 0, 0, 0], "{tables:?}");
    assert_eq!(world.database.rows("users").await, 25, "people are not swept");
}

async fn the_living_stay(world: Arc<World>) {
    let cookie = world.sign_in("ada@example.com", Handover::Cookie).await;
    let fragment = world.sign_in("bob@example.com", Handover::Fragment).await;
    let parent = refresh_token(&fragment);
    world.clock.advance(Lifetime::from_secs(29 * 86_400));
    let child = world.engine.refresh_session(&world.context(), &parent).await.unwrap().refresh_token;
    let mailed = world.mail("cy@example.com").await;
    let waiting = world.mail_unbound("di@example.com").await;
    world.engine.sweep(1000).await.unwrap();
    world.engine.authenticate_session_token(&session_token(&cookie)).await.unwrap();
    done(world.open(&mailed).await);
    // Expired links are kept for two days, so that their pages can say what happened.
    world.clock.advance(Lifetime::from_millis(DAY.as_millis()));
    world.engine.sweep(1000).await.unwrap();
    assert_eq!(name(&world.press(&waiting, &crate::support::ask::browser("x")).await), "dead: expired");
    world.clock.advance(Lifetime::from_millis(DAY.as_millis() + 600_000));
    world.engine.sweep(1000).await.unwrap();
    assert_eq!(name(&world.press(&waiting, &crate::support::ask::browser("x")).await), "dead: unknown");
    // A used-up refresh token is recognised as long as its session lives.
    assert!(world.engine.refresh_session(&world.context(), &parent).await.is_err());
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'session.reuse_detected'").await, 1);
    assert!(world.engine.refresh_session(&world.context(), child.expose()).await.is_err());
}

async fn a_sealed_answer_goes_after_a_minute(world: Arc<World>) {
    let redeemed = world.mail("ada@example.com").await;
    done(world.open(&redeemed).await);
    let sealed = async || world.database.number("SELECT count(*) FROM links WHERE replay IS NOT NULL").await;
    world.clock.advance(Lifetime::from_millis(59_999));
    world.engine.sweep(10).await.unwrap();
    assert_eq!(sealed().await, 1);
    world.clock.tick();
    world.engine.sweep(10).await.unwrap();
    assert_eq!(sealed().await, 0);
    assert_eq!(name(&world.open(&redeemed).await), "before");
}
