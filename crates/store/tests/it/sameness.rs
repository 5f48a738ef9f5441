//! What a stranger is told does not depend on what there is.

use std::sync::Arc;

use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::{Caller, Scopes};
use passlink_engine::links::Handover;
use passlink_engine::links::redeem::Redemption;
use passlink_engine::secret::{Token, TokenKind};
use passlink_engine::time::Lifetime;

use crate::support::ask::{Asker, browser, done, name, refresh_token, session_token};
use crate::support::{World, both};

both!(
    sec_17_dead_tokens_are_refused_alike,
    sec_17_dead_clients_are_refused_alike,
    sec_17_dead_links_begin_nothing,
    sec_22_a_target_is_checked_again_at_redemption,
    sec_31_with_sign_up_closed_asking_looks_the_same,
    a_disabled_user_is_refused_everywhere,
);

/// A well-formed token that was never handed out.
fn never(world: &World, kind: TokenKind) -> String {
    Token::new(kind, world.app.tag, world.engine.now(), [7; 32]).expose().expose().to_owned()
}

async fn sec_17_dead_tokens_are_refused_alike(world: Arc<World>) {
    let engine = &world.engine;
    let short = world.sign_in("ada@example.com", Handover::Fragment).await;
    let expired = world.sign_in("bob@example.com", Handover::Cookie).await;
    world.clock.advance(world.app.settings.session_lifetime);
    let revoked = world.sign_in("cy@example.com", Handover::Cookie).await;
    engine.revoke_session(&world.operator(), revoked.signed_in.session.id).await.unwrap();
    let revoked_refresh = world.sign_in("di@example.com", Handover::Fragment).await;
    engine.revoke_session(&world.operator(), revoked_refresh.signed_in.session.id).await.unwrap();
    let used = world.sign_in("ed@example.com", Handover::Fragment).await;
    engine.refresh_session(&world.context(), &refresh_token(&used)).await.unwrap();
    world.clock.advance(world.app.settings.refresh_reuse_window);
    let foreign = Token::new(TokenKind::Refresh, *b"nobdy", engine.now(), [3; 32]).expose().expose().to_owned();
    let said = async |class: &str, text: &str| {
        let error = engine.refresh_session(&world.context(), text).await.expect_err(class);
        (error.kind().clone(), error.message().to_owned())
    };
    let wrong = said("wrong", "nonsense").await;
    for (class, text) in [
        ("unknown", never(&world, TokenKind::Refresh)),
        ("foreign", foreign),
        ("expired", refresh_token(&short)),
        ("revoked", refresh_token(&revoked_refresh)),
        ("used", refresh_token(&used)),
        ("another kind", session_token(&expired)),
    ] {
        assert_eq!(said(class, &text).await, wrong, "{class}");
    }
    let said = async |class: &str, text: &str| {
        let error = engine.authenticate_session_token(text).await.expect_err(class);
        (error.kind().clone(), error.message().to_owned())
    };
    let wrong = said("wrong", "nonsense").await;
    for (class, text) in [
        ("unknown", never(&world, TokenKind::Session)),
        ("expired", session_token(&expired)),
        ("revoked", session_token(&revoked)),
        ("another kind", refresh_token(&used)),
    ] {
        assert_eq!(said(class, &text).await, wrong, "{class}");
    }
}

async fn sec_17_dead_clients_are_refused_alike(world: Arc<World>) {
    let engine = &world.engine;
    let save = async |id: &str, minutes: Option<i64>| {
        let expires_at = minutes.map(|m| engine.now().plus(Lifetime::from_minutes(m)));
        let client =
            SaveClient { client_id: Some(id.into()), client_secret: None, scopes: Scopes::default(), label: None, expires_at };
        engine.save_client(&world.operator(), client).await.unwrap().client_secret.expose().to_owned()
    };
    let (live, expired, revoked) = (save("live", None).await, save("expired", Some(1)).await, save("revoked", None).await);
    engine.revoke_client(&world.operator(), "revoked").await.unwrap();
    world.clock.advance(Lifetime::from_minutes(1));
    let mut said = Vec::new();
    for (id, secret) in
        [("live", "wrong"), ("nobody", &live), ("expired", &expired), ("revoked", &revoked), ("live", &revoked), ("", "")]
    {
        let error = engine.authenticate_client(&world.context(), id, secret).await.expect_err(id);
        said.push((error.kind().clone(), error.message().to_owned()));
    }
    assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
    engine.authenticate_client(&world.context(), "live", &live).await.unwrap();
    // Revoked stays revoked, also when it is saved again.
    let again = save("revoked", None).await;
    assert!(engine.authenticate_client(&world.context(), "revoked", &again).await.is_err());
}

async fn sec_17_dead_links_begin_nothing(world: Arc<World>) {
    let used = world.mail_unbound("ada@example.com").await;
    done(world.press(&used, &browser("mine")).await);
    let expired = world.mail_unbound("bob@example.com").await;
    world.clock.advance(Lifetime::from_minutes(10));
    let mut replaced = Vec::new();
    for _ in 0..4 {
        replaced.push(world.mail_unbound("cy@example.com").await);
    }
    let foreign = Token::new(TokenKind::SignInLink, *b"nobdy", world.engine.now(), [3; 32]).expose().expose().to_owned();
    let classes = [
        (used.token.clone(), "dead: used"),
        (expired.token.clone(), "dead: expired"),
        (replaced[0].token.clone(), "dead: replaced"),
        (never(&world, TokenKind::SignInLink), "dead: unknown"),
        (foreign, "dead: unknown"),
        ("nonsense".to_owned(), "dead: unknown"),
    ];
    let sessions = world.database.rows("sessions").await;
    for (text, expected) in &classes {
        for page in ["a", "b"] {
            let tried = world
                .engine
                .redeem_link(&world.context(), text, &browser(page), passlink_engine::links::redeem::Right::Pressed)
                .await
                .unwrap();
            assert_eq!(name(&tried), *expected);
            if *expected == "dead: unknown" {
                let Redemption::Dead { app, redirect, .. } = tried else { panic!() };
                assert!(app.id == world.app.id && redirect.is_none(), "an unknown secret names no app and no place");
            }
        }
    }
    assert_eq!(world.database.rows("sessions").await, sessions);
    // The three newest work; redeeming one ends the others.
    done(world.press(&replaced[1], &browser("mine")).await);
    assert_eq!(name(&world.press(&replaced[3], &browser("mine")).await), "dead: used");
}

async fn sec_22_a_target_is_checked_again_at_redemption(world: Arc<World>) {
    let bound = world.mail_from(&world.engine, &world.app, "ada@example.com", Handover::Fragment, Asker::Bound).await;
    let number = world.engine.waiting(bound.id, &bound.asked).await.unwrap().unwrap().number.unwrap().to_string();
    let approved = world.mail_from(&world.engine, &world.app, "cy@example.com", Handover::Fragment, Asker::Bound).await;
    let its_number = world.engine.waiting(approved.id, &approved.asked).await.unwrap().unwrap().number.unwrap().to_string();
    world.engine.approve_link(&world.context(), &approved.token, &its_number, &browser("phone")).await.unwrap();
    let unbound = world.mail_from(&world.engine, &world.app, "bob@example.com", Handover::Fragment, Asker::Unbound).await;
    world.changed(|s| s.allowed_origins.clear()).await;
    let refused = world
        .engine
        .issue_link(
            &Caller::anonymous(world.engine.directory().app(world.app.id).unwrap(), world.context()),
            world.command("di@example.com", Handover::Fragment, Asker::Unbound, &world.proof(&world.app)),
        )
        .await;
    assert_eq!(refused.unwrap_err().kind().code(), "redirect_not_allowed");
    assert_eq!(name(&world.open(&bound).await), "dead: withdrawn");
    assert_eq!(name(&world.press(&unbound, &browser("x")).await), "dead: withdrawn");
    assert_eq!(name(&world.type_code(&bound, &bound.code).await), "dead: withdrawn");
    assert_eq!(
        name(&world.engine.finish_approved(&world.context(), approved.id, &approved.asked).await.unwrap()),
        "dead: withdrawn"
    );
    let elsewhere = world.engine.approve_link(&world.context(), &bound.token, &number, &browser("phone")).await.unwrap();
    assert!(matches!(elsewhere, passlink_engine::links::elsewhere::Approval::Dead(_)));
    assert_eq!(world.database.rows("sessions").await, 0);
    // Put back, the links work again: nothing was used up.
    world.changed(|_| ()).await;
    done(world.type_code(&bound, &bound.code).await);
    done(world.press(&unbound, &browser("x")).await);
    done(world.engine.finish_approved(&world.context(), approved.id, &approved.asked).await.unwrap());
}

async fn sec_31_with_sign_up_closed_asking_looks_the_same(world: Arc<World>) {
    world.sign_in("known@example.com", Handover::Cookie).await;
    let app = world.changed(|s| s.sign_up = passlink_engine::apps::SignUp::Closed).await;
    let mut seen = Vec::new();
    for i in 0..10 {
        let to = if i % 2 == 0 { "known@example.com".to_owned() } else { format!("unknown{i}@example.com") };
        world.clock.advance(Lifetime::from_minutes(20));
        let proof = world.proof(&app);
        let caller = Caller::anonymous(Arc::clone(&app), world.context());
        let asked_at = world.engine.now();
        let events = world.database.rows("events").await;
        let issued = world.engine.issue_link(&caller, world.command(&to, Handover::Cookie, Asker::Bound, &proof)).await.unwrap();
        let asked = passlink_engine::links::open::BrowserProof { requester: Some(proof), page: None };
        let waiting = world.engine.waiting(issued.id, &asked).await.unwrap().unwrap();
        seen.push((
            issued.expires_at.millis_since(asked_at),
            issued.url.is_some(),
            waiting.progress,
            waiting.number.is_some(),
            waiting.expires_at.millis_since(asked_at),
            // What was written is the same, too: link, message, two events.
            world.database.rows("events").await - events,
            world.database.number("SELECT count(*) FROM outbox WHERE state = 1").await,
        ));
        let sent = world.engine.dispatch_due(10).await.unwrap().sent;
        assert_eq!(sent, usize::from(i % 2 == 0), "only known addresses get mail");
        let still = world.engine.waiting(issued.id, &asked).await.unwrap().unwrap();
        assert_eq!(still.progress, waiting.progress);
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    assert_eq!(world.database.rows("users").await, 1);
    assert_eq!(world.database.number("SELECT count(*) FROM outbox WHERE state = 4 AND payload IS NULL").await, 5);
}

async fn a_disabled_user_is_refused_everywhere(world: Arc<World>) {
    let engine = &world.engine;
    let cookie = world.sign_in("ada@example.com", Handover::Cookie).await;
    let fragment = world.sign_in("ada@example.com", Handover::Fragment).await;
    let link = world.mail("ada@example.com").await;
    world.database.execute("UPDATE users SET disabled_at = 1").await;
    world.clock.advance(Lifetime::from_secs(2));
    assert!(engine.authenticate_session_token(&session_token(&cookie)).await.is_err());
    assert!(engine.refresh_session(&world.context(), &refresh_token(&fragment)).await.is_err());
    assert_eq!(name(&world.open(&link).await), "dead: withdrawn");
    assert_eq!(name(&world.type_code(&link, &link.code).await), "dead: withdrawn");
    world.database.execute("UPDATE users SET disabled_at = NULL").await;
    done(world.open(&link).await);
}
