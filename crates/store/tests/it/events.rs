//! Every step leaves its event: in order, with its request, without a secret.

use std::sync::Arc;

use passlink_engine::events::{EventFilter, EventKind};
use passlink_engine::links::Handover;
use passlink_engine::links::redeem::CodeFor;

use crate::support::ask::{Asker, Mailed, browser, done, name, refresh_token};
use crate::support::doubles::refused;
use crate::support::{World, both};

both!(
    a_sign_in_tells_its_story_in_order,
    the_other_ways_tell_theirs,
    sec_42_no_event_holds_a_secret_or_an_address,
    every_given_field_of_a_filter_must_match,
);

async fn story(world: &World, mailed: &Mailed) -> Vec<&'static str> {
    let filter = EventFilter { link: Some(mailed.id), ..EventFilter::default() };
    let events = world.engine.list_events(filter, 100).await.unwrap();
    assert!(events.iter().all(|e| e.link == Some(mailed.id) && e.app == Some(world.app.id)));
    assert!(events.iter().all(|e| e.request_id.starts_with("request-") || e.request_id == "job:outbox"));
    assert!(events.windows(2).all(|pair| pair[0].at >= pair[1].at), "newest first");
    events.iter().rev().map(|e| e.kind.code()).collect()
}

async fn a_sign_in_tells_its_story_in_order(world: Arc<World>) {
    // Often, because events of one instant are told apart by their ids alone.
    for i in 0..20 {
        let mailed = world.mail(&format!("ada{i}@example.com")).await;
        world.engine.open_link(&world.context(), &mailed.token, &browser("phone")).await.unwrap();
        world.clock.tick();
        done(world.open(&mailed).await);
        world.clock.tick();
        assert_eq!(name(&world.press(&mailed, &browser("phone")).await), "dead: used");
        let expected = [
            "link.requested",
            "message.queued",
            "message.sent",
            "link.opened",
            "link.redeemed",
            "user.created",
            "session.started",
            "link.refused",
        ];
        assert_eq!(story(&world, &mailed).await, expected);
    }
}

async fn the_other_ways_tell_theirs(world: Arc<World>) {
    let asked = ["link.requested", "message.queued", "message.sent"];
    let closed = world.mail("ada@example.com").await;
    let wrong = format!("{:06}", (closed.code.parse::<u32>().unwrap() + 1) % 1_000_000);
    for _ in 0..5 {
        world.clock.tick();
        world.type_code(&closed, &wrong).await;
    }
    let mut expected = asked.to_vec();
    expected.extend(["link.refused"; 5]);
    expected.push("link.closed");
    assert_eq!(story(&world, &closed).await, expected);

    let approved = world.mail_from(&world.engine, &world.app, "bob@example.com", Handover::Fragment, Asker::Bound).await;
    let number = world.engine.waiting(approved.id, &approved.asked).await.unwrap().unwrap().number.unwrap();
    world.engine.disown_link(&world.context(), &approved.token).await.unwrap();
    world.clock.tick();
    world.engine.approve_link(&world.context(), &approved.token, &number.to_string(), &browser("phone")).await.unwrap();
    world.clock.tick();
    let redeemed = done(world.engine.finish_approved(&world.context(), approved.id, &approved.asked).await.unwrap());
    let mut expected = asked.to_vec();
    expected.extend(["link.disowned", "link.approved", "link.redeemed", "user.created", "session.started"]);
    assert_eq!(story(&world, &approved).await, expected);

    world.clock.tick();
    world.engine.refresh_session(&world.context(), &refresh_token(&redeemed)).await.unwrap();
    world.clock.tick();
    world.engine.revoke_session(&world.operator(), redeemed.signed_in.session.id).await.unwrap();
    let all = world.engine.list_events(EventFilter::default(), 2).await.unwrap();
    assert!(all.iter().all(|e| e.session == Some(redeemed.signed_in.session.id)));
    assert_eq!(all.iter().map(|e| e.kind).collect::<Vec<_>>(), [EventKind::SessionRevoked, EventKind::SessionRefreshed]);
    assert_eq!(all[0].actor, "operator");

    world.sender.answer_next([refused()]);
    let dead = world.mail("cy@example.com").await;
    let message = world.engine.dead_messages(&world.operator(), 1).await.unwrap().remove(0);
    world.engine.requeue_message(&world.operator(), message.id).await.unwrap();
    world.clock.tick();
    world.engine.dispatch_due(10).await.unwrap();
    assert_eq!(
        story(&world, &dead).await,
        ["link.requested", "message.queued", "message.dead", "message.requeued", "message.sent"]
    );

    // Returning, the address is not proven again.
    let again = world.mail("bob@example.com").await;
    done(world.type_code(&again, &again.code).await);
    assert_eq!(story(&world, &again).await[3..], ["link.redeemed", "session.started"]);
}

async fn sec_42_no_event_holds_a_secret_or_an_address(world: Arc<World>) {
    let mut secrets = vec!["ada@example.com".to_owned(), "bob@example.com".to_owned()];
    for to in ["ada@example.com", "bob@example.com"] {
        let mailed = world.mail_from(&world.engine, &world.app, to, Handover::Fragment, Asker::Bound).await;
        world.engine.open_link(&world.context(), &mailed.token, &browser("a page secret")).await.unwrap();
        let _ = world.engine.redeem_code(&world.context(), CodeFor::Token(&mailed.token), "000000", &browser("x")).await;
        let redeemed = done(world.open(&mailed).await);
        let child = world.engine.refresh_session(&world.context(), &refresh_token(&redeemed)).await.unwrap().refresh_token;
        let proof = mailed.asked.requester.as_ref().unwrap().expose().expose().to_owned();
        secrets.extend([
            mailed.token,
            mailed.code,
            proof,
            refresh_token(&redeemed),
            child.expose().to_owned(),
            "a page secret".to_owned(),
        ]);
    }
    world
        .changed(|s| {
            s.limit_per_mailbox = passlink_engine::limits::Limit::new(1, passlink_engine::time::Lifetime::from_minutes(15))
        })
        .await;
    let caller = passlink_engine::caller::Caller::anonymous(world.engine.directory().app(world.app.id).unwrap(), world.context());
    for _ in 0..3 {
        let command = world.command("ada@example.com", Handover::Cookie, Asker::Unbound, &world.proof(&world.app));
        world.engine.issue_link(&caller, command).await.unwrap();
    }
    let events = world.engine.list_events(EventFilter::default(), 1000).await.unwrap();
    assert!(events.len() > 20 && events.iter().any(|e| e.kind == EventKind::LinkWithheld));
    for event in events {
        let text = format!("{event:?}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
    }
}

async fn every_given_field_of_a_filter_must_match(world: Arc<World>) {
    let ada = world.mail("ada@example.com").await;
    let bob = world.mail("bob@example.com").await;
    let there = world.mail_from(&world.engine, &world.other, "ada@example.com", Handover::Cookie, Asker::Bound).await;
    let links = async |app: Option<_>, link: Option<_>, address: Option<&str>| {
        let filter = EventFilter { app, link, address: address.map(str::to_owned) };
        let events = world.engine.list_events(filter, 100).await.unwrap();
        let mut links: Vec<_> = events.into_iter().filter_map(|e| e.link).collect();
        links.sort();
        links.dedup();
        links
    };
    let (first, second) = (Some(world.app.id), Some(world.other.id));
    assert_eq!(links(None, None, None).await, [ada.id, bob.id, there.id]);
    assert_eq!(links(first, None, None).await, [ada.id, bob.id]);
    assert_eq!(links(first, None, Some("ada@example.com")).await, [ada.id]);
    assert_eq!(links(second, None, Some("ada@example.com")).await, [there.id]);
    assert_eq!(links(None, None, Some("ada@example.com")).await, [ada.id, there.id]);
    assert_eq!(links(None, Some(bob.id), None).await, [bob.id]);
    assert_eq!(links(first, Some(bob.id), None).await, [bob.id]);
    assert_eq!(links(second, Some(bob.id), None).await, []);
    assert_eq!(links(first, Some(bob.id), Some("bob@example.com")).await, [bob.id]);
    assert_eq!(links(first, Some(bob.id), Some("ada@example.com")).await, []);
    assert_eq!(links(None, None, Some("nobody@example.com")).await, []);
}
