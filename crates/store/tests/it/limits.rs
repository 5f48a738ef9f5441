//! Limits: exact where they are small, shared by all servers, and silent about mailboxes.

use std::sync::Arc;

use passlink_engine::caller::{Caller, RequestContext};
use passlink_engine::events::{EventFilter, EventKind};
use passlink_engine::limits::Limit;
use passlink_engine::links::Handover;
use passlink_engine::links::open::BrowserProof;
use passlink_engine::links::wait::Again;
use passlink_engine::time::Lifetime;
use passlink_engine::{Engine, ErrorKind};

use crate::support::ask::{Asker, name};
use crate::support::{World, both};

both!(
    sec_25_a_small_limit_is_exact_on_two_servers,
    sec_25_retry_after_is_at_least_one_and_right,
    sec_25_a_large_limit_holds_within_five_percent_on_two_servers,
    sec_25_refused_requests_cost_no_mail,
    sec_25_networks_apps_and_mailboxes_are_counted_apart,
    sec_25_tries_at_secrets_are_limited,
    sec_25_a_full_mailbox_is_silent,
);

fn from(world: &World, app: &Arc<passlink_engine::apps::App>, network: &str) -> Caller {
    let context = RequestContext { address: Some(network.parse().unwrap()), ..world.context() };
    Caller::anonymous(Arc::clone(app), context)
}

/// Whether a request from this network was allowed, else after how many seconds another makes sense.
async fn ask(world: &World, engine: &Engine, caller: &Caller, to: &str) -> Result<(), u32> {
    let command = world.command(to, Handover::Cookie, Asker::Unbound, &world.proof(&caller.app));
    match engine.issue_link(caller, command).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::RateLimited { retry_after, .. } => Err(*retry_after),
            _ => panic!("{}", error.log_line()),
        },
    }
}

/// Asks from one network through both servers at once; answers how many were allowed.
async fn storm(world: &Arc<World>, engines: &[Arc<Engine>; 2], app: &Arc<passlink_engine::apps::App>, count: usize) -> usize {
    let running: Vec<_> = (0..count)
        .map(|i| {
            let (world, engine, caller) = (Arc::clone(world), Arc::clone(&engines[i % 2]), from(world, app, "192.0.2.1"));
            tokio::spawn(async move { ask(&world, &engine, &caller, &format!("ada{i}@example.com")).await.is_ok() })
        })
        .collect();
    let mut allowed = 0;
    for one in running {
        allowed += usize::from(one.await.unwrap());
    }
    allowed
}

async fn sec_25_a_small_limit_is_exact_on_two_servers(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    for count in [1, 5, 100] {
        let app = world.changed(|s| s.limit_per_network = Limit::new(count, Lifetime::from_minutes(15))).await;
        engines[1].refresh_directory().await.unwrap();
        assert_eq!(storm(&world, &engines, &app, count as usize * 3).await, count as usize);
        assert_eq!(storm(&world, &engines, &app, 20).await, 0);
        // A new window, the same count.
        world.clock.advance(Lifetime::from_minutes(15));
        assert_eq!(storm(&world, &engines, &app, count as usize * 2).await, count as usize);
        world.clock.advance(Lifetime::from_minutes(15));
    }
}

async fn sec_25_retry_after_is_at_least_one_and_right(world: Arc<World>) {
    for (count, per) in [
        (3, Lifetime::from_minutes(15)),
        (7, Lifetime::from_secs(60)),
        (1, Lifetime::from_millis(1500)),
        (100, Lifetime::from_secs(1)),
    ] {
        world.clock.advance(Lifetime::from_minutes(60));
        let app = world.changed(|s| s.limit_per_network = Limit::new(count, per)).await;
        let caller = from(&world, &app, "192.0.2.1");
        for i in 0..count {
            ask(&world, &world.engine, &caller, &format!("ada{i}@example.com")).await.unwrap();
        }
        let seconds = ask(&world, &world.engine, &caller, "late@example.com").await.unwrap_err();
        assert!(seconds >= 1);
        let exact = (per.as_millis() + i64::from(count) * 1000 - 1) / (i64::from(count) * 1000);
        assert_eq!(i64::from(seconds), exact.max(1), "{count} per {per}");
        if seconds > 1 {
            world.clock.advance(Lifetime::from_secs(i64::from(seconds) - 1));
            assert!(ask(&world, &world.engine, &caller, "late@example.com").await.is_err(), "too early, and yet allowed");
            world.clock.advance(Lifetime::from_secs(1));
        } else {
            world.clock.advance(Lifetime::from_secs(1));
        }
        ask(&world, &world.engine, &caller, "late@example.com").await.expect("it waited as it was told");
    }
}

async fn sec_25_a_large_limit_holds_within_five_percent_on_two_servers(world: Arc<World>) {
    let engines = [Arc::clone(&world.engine), world.another_engine().await];
    let app = world.changed(|s| s.limit_per_network = Limit::new(1000, Lifetime::from_minutes(15))).await;
    engines[1].refresh_directory().await.unwrap();
    let allowed = storm(&world, &engines, &app, 1500).await;
    assert!((950..=1050).contains(&allowed), "{allowed} of 1000");
}

async fn sec_25_refused_requests_cost_no_mail(world: Arc<World>) {
    let app = world.changed(|s| s.limit_per_network = Limit::new(2, Lifetime::from_minutes(15))).await;
    let caller = from(&world, &app, "192.0.2.1");
    for i in 0..2 {
        ask(&world, &world.engine, &caller, &format!("ada{i}@example.com")).await.unwrap();
    }
    // The first refusal leaves one event for the operator; a flood leaves no more.
    ask(&world, &world.engine, &caller, "first@example.com").await.unwrap_err();
    let told = world.engine.list_events(EventFilter::default(), 100).await.unwrap();
    let told: Vec<_> = told.iter().filter(|event| event.kind == EventKind::LimitReached).collect();
    assert_eq!((told.len(), told[0].detail["limit"].as_str()), (1, Some("per_network")));
    let before = world.database.dump_rows().await;
    for i in 0..50 {
        ask(&world, &world.engine, &caller, &format!("eve{i}@example.com")).await.unwrap_err();
    }
    assert!(world.database.dump_rows().await == before, "a refused request left something behind");
    assert_eq!(world.engine.dispatch_due(100).await.unwrap().sent, 2);
}

async fn sec_25_networks_apps_and_mailboxes_are_counted_apart(world: Arc<World>) {
    let app = world.changed(|s| s.limit_per_network = Limit::new(1, Lifetime::from_minutes(15))).await;
    for (network, allowed) in [
        ("192.0.2.1", true),
        ("192.0.2.1", false),
        ("::ffff:192.0.2.1", false),
        ("192.0.2.2", true),
        ("2001:db8:0:1::1", true),
        ("2001:db8:0:1:ffff::2", false),
        ("2001:db8:0:2::1", true),
    ] {
        assert_eq!(
            ask(&world, &world.engine, &from(&world, &app, network), "ada@example.com").await.is_ok(),
            allowed,
            "{network}"
        );
    }
    ask(&world, &world.engine, &from(&world, &world.other, "192.0.2.1"), "ada@example.com").await.unwrap();
    // One app's budget is shared by all networks.
    world.clock.advance(Lifetime::from_minutes(30));
    let app = world.changed(|s| s.limit_per_app = Limit::new(3, Lifetime::from_minutes(15))).await;
    let mut allowed = 0;
    for i in 0..10 {
        allowed += usize::from(
            ask(&world, &world.engine, &from(&world, &app, &format!("198.51.100.{i}")), "ada@example.com").await.is_ok(),
        );
    }
    assert_eq!(allowed, 3);
}

async fn sec_25_tries_at_secrets_are_limited(world: Arc<World>) {
    let app = world.changed(|s| s.limit_attempts_per_network = Limit::new(5, Lifetime::from_minutes(5))).await;
    let context = from(&world, &app, "192.0.2.1").context;
    let limited =
        |result: Option<passlink_engine::Error>| result.is_some_and(|e| matches!(e.kind(), ErrorKind::RateLimited { .. }));
    let mut refused = 0;
    for i in 0..10 {
        let unknown = passlink_engine::secret::Token::new(
            passlink_engine::secret::TokenKind::Refresh,
            app.tag,
            world.engine.now(),
            [i; 32],
        );
        let text = unknown.expose();
        let browser = BrowserProof::default();
        let error = match i % 4 {
            0 => world.engine.open_link(&context, "plk_nonsense", &browser).await.err(),
            1 => world
                .engine
                .redeem_link(&context, "plk_nonsense", &browser, passlink_engine::links::redeem::Right::Pressed)
                .await
                .err(),
            2 => world.engine.refresh_session(&context, text.expose()).await.err(),
            _ => world.engine.approve_link(&context, "plk_nonsense", "42", &browser).await.err(),
        };
        refused += usize::from(limited(error));
    }
    assert_eq!(refused, 5);
    // Others are not held up.
    assert!(world.engine.open_link(&world.context(), "plk_nonsense", &BrowserProof::default()).await.is_ok());
}

async fn sec_25_a_full_mailbox_is_silent(world: Arc<World>) {
    let app = world.changed(|s| s.limit_per_mailbox = Limit::new(3, Lifetime::from_minutes(15))).await;
    let mut seen = Vec::new();
    for i in 0..6 {
        let caller = Caller::anonymous(Arc::clone(&app), world.context());
        let proof = world.proof(&app);
        let asked_at = world.engine.now();
        let issued = world
            .engine
            .issue_link(&caller, world.command("ada@example.com", Handover::Cookie, Asker::Bound, &proof))
            .await
            .unwrap();
        let asked = BrowserProof { requester: Some(proof), page: None };
        let waiting = world.engine.waiting(issued.id, &asked).await.unwrap().unwrap();
        let request = passlink_engine::links::redeem::CodeFor::Request(issued.id);
        let wrong = world.engine.redeem_code(&world.context(), request, "000000", &asked).await.unwrap();
        let finish = world.engine.finish_approved(&world.context(), issued.id, &asked).await.unwrap();
        seen.push((
            issued.expires_at.millis_since(asked_at),
            waiting.progress,
            waiting.masked_address,
            waiting.number.is_some(),
            waiting.redirect.map(|r| r.as_url().to_string()),
            name(&wrong),
            name(&finish),
        ));
        let sent = world.engine.dispatch_due(10).await.unwrap().sent;
        assert_eq!(sent, usize::from(i < 3));
        if i >= 3 {
            // "Send it again" says nothing either.
            let again = world.engine.issue_again(&world.context(), Again::Request(issued.id), &asked, world.proof(&app)).await;
            assert!(again.is_ok(), "{:?}", again.err().map(|e| e.log_line()));
        }
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
    assert_eq!(world.sender.messages().len(), 3);
    assert_eq!(world.database.number("SELECT count(*) FROM events WHERE kind = 'link.withheld'").await, 6);
    world.clock.advance(Lifetime::from_minutes(15));
    world.mail("ada@example.com").await;
    assert_eq!(world.sender.messages().len(), 4);
}
